"""Run a page's script as Streamlit's page does, over a WebSocket, without a browser."""

from __future__ import annotations

import typing as t

from tests.support import frames
from tests.support.websocket import handshake

if t.TYPE_CHECKING:
    from tests.support.http import Connection


def run_script(connection: Connection, page: str = "", query: str = "") -> list[str]:
    """Have a new session run a page, and return what ``st.text`` has shown in it.

    :param connection: It's taken for the WebSocket.
    :param page: Name of the page; the default one if empty.
    :param query: Query string of its URL.
    """
    # Streamlit says what it needs by itself, and takes a second for it.
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    response = handshake(connection)
    assert response.status == 101, response.raw
    rerun: t.Any = BackMsg()
    rerun.rerun_script.page_name = page
    rerun.rerun_script.query_string = query
    _send(connection, frames.binary(rerun.SerializeToString()))
    texts: list[str] = []
    while True:
        frame = frames.read_frame(connection)
        assert frame is not None, f"the connection ended after {texts}"
        if frame.opcode != frames.BINARY:
            continue
        message: t.Any = ForwardMsg.FromString(frame.payload)
        element = message.delta.new_element
        if element.HasField("exception"):
            texts.append(f"{element.exception.type}: {element.exception.message}")
        elif element.HasField("text"):
            texts.append(element.text.body)
        if message.WhichOneof("type") == "script_finished":
            return texts


def _send(connection: Connection, frame: frames.Frame) -> None:
    connection.send(frame.encode(mask=b"\1\2\3\4"))
