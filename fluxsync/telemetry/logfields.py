"""What fluxsync's log lines say besides their message: every field, and what it means.

The reference in the documentation is made of this. Standard library only.
"""

from __future__ import annotations

import typing as t


class LogField(t.NamedTuple):
    """A field of log lines."""

    #: JSON type: ``string``, ``integer``, ``number`` or ``object``.
    type: str
    #: What it says, with the unit.
    meaning: str


#: What every JSON line begins with; in text, it's the beginning of the line.
BASE_FIELDS: dict[str, LogField] = {
    "time": LogField("string", "When it was logged: ISO 8601, UTC, with milliseconds."),
    "level": LogField("string", "DEBUG, INFO, WARNING, ERROR or CRITICAL."),
    "logger": LogField("string", "Name of the logger."),
    "message": LogField("string", "What has happened."),
}

#: What some JSON lines end with; in text, these are the lines below.
EXCEPTION_FIELDS: dict[str, LogField] = {
    "exception": LogField("object", "The exception that was logged: type, message, stack."),
    "stack_info": LogField("string", "Where it was logged, if the caller wanted that."),
}

#: What fluxsync itself adds. Those that don't apply are missing.
FIELDS: dict[str, LogField] = {
    "request_id": LogField("string", "Id of the request, or of the one that opened a WebSocket."),
    "client": LogField("string", "Address of the client, as far as proxies are believed."),
    "route": LogField("string", "Who has answered: api, call, streamlit, asset, tunnel, health."),
    "method": LogField("string", "Method of the request; in text, it's in the message."),
    "path": LogField("string", "Path of the request, without the root path and the query."),
    "status": LogField("integer", "Status of the response; in text, it's in the message."),
    "bytes": LogField("integer", "Bytes of the response's body that were sent."),
    "duration_seconds": LogField("number", "From the beginning to the end."),
    "error": LogField("string", "What went wrong, or why it broke off."),
    "transport": LogField(
        "string",
        "How the client came: http, websocket, a tunnel's stream, long-poll or short-poll; api for"
        " WebSockets of the API.",
    ),
    "reason": LogField("string", "Why it is so: why there is a tunnel, or why something ends."),
    "code": LogField("integer", "Close code of a WebSocket (RFC 6455 7.4)."),
    "close": LogField("string", "The same in words, with the reason that was given."),
    "closed_by": LogField("string", "Who has closed it: client, streamlit, fluxsync, or nobody."),
    "bytes_in": LogField("integer", "Bytes that came from the client."),
    "bytes_out": LogField("integer", "Bytes that went to the client."),
    "messages_in": LogField("integer", "Messages that came from the client."),
    "messages_out": LogField("integer", "Messages that went to the client."),
    "replica": LogField("string", "Streamlit's process: r1, r2 and so on."),
    "pid": LogField("integer", "Process id of a replica."),
    "port": LogField("integer", "Port on which a replica listens."),
}
