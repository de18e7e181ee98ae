"""The WSGI entry point: ``gunicorn fluxsync.wsgi``, ``waitress-serve fluxsync.wsgi:app``.

Settings say what it serves: ``FLUXSYNC_APP=module:attribute``, or
``FLUXSYNC_STREAMLIT_SCRIPT=path.py``, or ``FLUXSYNC_STREAMLIT_UPSTREAM=http://host:port``.
"""

from __future__ import annotations

from .serving.loading import load_application, refused

try:
    application = load_application()
except Exception as e:  # with a secret in its message, perhaps
    raise refused(e) from e

app = application
