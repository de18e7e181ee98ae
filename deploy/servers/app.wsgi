"""For mod_wsgi: serve the application of this directory, with app.py or fluxsync.toml."""

import os

# In embedded mode, Apache works elsewhere.
os.chdir(os.path.dirname(os.path.abspath(__file__)))

from fluxsync.wsgi import application
