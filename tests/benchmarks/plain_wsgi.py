"""The least that a WSGI application can be: what gunicorn itself costs."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY = bytes(1000)
HEADERS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BODY)))]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer 1 kB, whatever is asked for."""
    start_response("200 OK", HEADERS[:])
    return [BODY]
