"""Serve the application of this directory with cheroot: ``python serve_cheroot.py``."""

import os
import signal

from cheroot.wsgi import Server

from fluxsync.wsgi import application


def stop(*_: object) -> None:
    """End as with Ctrl-C."""
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, stop)
server = Server(("127.0.0.1", int(os.environ.get("PORT", "8000"))), application, numthreads=8)
server.safe_start()
