"""A WebSocket server that echoes, and passes for a healthy Streamlit: ``echo.py PORT``."""

from __future__ import annotations

import asyncio
import http
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def answer_probe(connection: ServerConnection, request: Request) -> Response | None:
    if "Upgrade" in request.headers:
        return None
    return connection.respond(http.HTTPStatus.OK, "ok")


async def main() -> None:
    async with serve(
        echo, "127.0.0.1", int(sys.argv[1]), max_size=None, process_request=answer_probe
    ) as server:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
