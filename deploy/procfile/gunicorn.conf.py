# gunicorn reads this file by itself: with it, "web: gunicorn fluxsync.wsgi" will do.
from fluxsync.gunicorn_conf import *  # noqa: F403

# Settings of your own go here, and win over the above.
