"""The application whose API the live tests call."""

from __future__ import annotations

import hashlib
import tempfile
import time
import typing as t

import flask

from fluxsync import FluxSync

app = FluxSync(title="Live")


@app.api.route("/echo", defaults={"rest": ""}, methods=["GET", "POST"])
@app.api.route("/echo/<path:rest>", methods=["GET", "POST"])
def echo(rest: str) -> dict[str, t.Any]:
    """Answer what the API has got."""
    request = flask.request
    user = request.environ.get("fluxsync.user")
    digest = hashlib.sha256()
    length = 0
    while piece := request.stream.read(65536):
        digest.update(piece)
        length += len(piece)
    return {
        "method": request.method,
        "script_root": request.script_root,
        "path": request.path,
        "query": request.query_string.decode(),
        "headers": [[name, value] for name, value in request.headers.items()],
        "remote_addr": request.remote_addr,
        "remote_user": request.remote_user,
        "groups": user.groups if user else (),
        "scheme": request.scheme,
        "url": flask.url_for("echo", _external=True),
        "body_sha256": digest.hexdigest(),
        "body_length": length,
    }


@app.api.route("/events/<int:count>")
def events(count: int) -> flask.Response:
    """Send server-sent events, each after the time that the query says."""
    pause = float(flask.request.args.get("pause", 0))

    def stream() -> t.Iterator[str]:
        for number in range(count):
            time.sleep(pause)
            yield f"data: {number}\n\n"

    return flask.Response(stream(), mimetype="text/event-stream")


@app.api.route("/file/<int:size>")
def file(size: int) -> flask.Response:
    """Send a file of zeros."""
    with tempfile.NamedTemporaryFile() as zeros:
        zeros.truncate(size)
        # It's open by now, and so outlives its name.
        return flask.send_file(zeros.name)


@app.api.route("/boom")
def boom() -> str:
    """Fail."""
    raise RuntimeError("boom")
