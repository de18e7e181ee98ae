"""Serve the application of this directory with gevent's pywsgi: ``python serve_pywsgi.py``."""

# First of all, or threads and sockets that were imported before would stop all requests.
from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import signal  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from fluxsync.wsgi import application  # noqa: E402

server = WSGIServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), application, log=None)
gevent.signal_handler(signal.SIGTERM, server.stop)
server.serve_forever()
