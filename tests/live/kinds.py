"""A FastAPI application as the API, and WebSockets beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import sys
import time
import typing as t

import fastapi
from fastapi.responses import StreamingResponse

from fluxsync import FluxSync

#: How often the lifespan began in this process, and its process.
starts: list[int] = []


@contextlib.asynccontextmanager
async def lifespan(api: fastapi.FastAPI) -> t.AsyncIterator[dict[str, object]]:
    """Say when it begins and ends; the end needs a thread, as many do."""
    starts.append(os.getpid())
    # print() writes the end of a line by itself: what others write may come in between.
    sys.stdout.write(f"lifespan begins in {os.getpid()}\n")
    yield {"starts": starts}
    await asyncio.to_thread(sys.stdout.write, f"lifespan ends in {os.getpid()}\n")


api = fastapi.FastAPI(title="Kinds", lifespan=lifespan)
app = FluxSync(api=api)

_gone: dict[str, bool] = {}


@api.get("/where/{name}")
def where(name: str, request: fastapi.Request) -> dict[str, object]:
    """Answer what the API has got."""
    return {
        "name": name,
        "pid": os.getpid(),
        "starts": request.state.starts,
        "root_path": request.scope["root_path"],
        "url": str(request.url_for("where", name="x")),
    }


def _steps(name: str) -> int:
    """Return how often :func:`step` was called, in whatever process."""
    file = pathlib.Path(f"{name}.steps")
    return file.stat().st_size if file.exists() else 0


@api.get("/pieces/{name}")
async def pieces(name: str) -> StreamingResponse:
    """Stream a piece, and another one for each :func:`step`."""

    async def stream() -> t.AsyncIterator[str]:
        try:
            for number in range(3):
                yield f"data: {number}\n\n"
                while _steps(name) <= number:
                    await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            _gone[name] = True
            raise

    return StreamingResponse(stream(), media_type="text/event-stream")


@api.post("/step/{name}")
def step(name: str) -> dict[str, bool]:
    """Let a stream go on."""
    with open(f"{name}.steps", "a") as file:
        file.write("x")
    return {}


@api.get("/gone/{name}")
def gone(name: str) -> dict[str, bool]:
    """Say whether the client of a stream has gone."""
    return {"gone": _gone.get(name, False)}


@api.post("/count")
async def count(request: fastapi.Request) -> dict[str, int]:
    """Count a body's bytes."""
    return {"bytes": sum([len(piece) async for piece in request.stream()])}


@api.get("/boom")
def boom() -> None:
    """Fail."""
    raise ZeroDivisionError("boom")


@app.websocket("/echo", subprotocols=["second", "first"])
def echo(ws: t.Any) -> None:
    """Send everything back."""
    while True:
        ws.send(ws.receive())


@app.websocket("/rooms/<int:room>")
def rooms(ws: t.Any, room: int) -> None:
    """Say which room it is; then do as the client says."""
    ws.send(f"{room} {ws.environ['SCRIPT_NAME']} {ws.environ['PATH_INFO']} {ws.subprotocol}")
    if ws.receive() == "fail":
        raise ZeroDivisionError("in a room")


@app.websocket("/flood")
def flood(ws: t.Any) -> None:
    """Let the client send for a while before anything is received."""
    ws.send("ready")
    time.sleep(0.2)
    total = 0
    while (message := ws.receive()) != "end":
        total += len(message)
    ws.send(str(total))
