"""How log records become lines: text for people, JSON for programs, and never a secret.

A record is one line, whatever is in it. Only text with a traceback has more; those begin with
spaces, so that nobody takes them for records. No I/O.
"""

from __future__ import annotations

import json
import logging
import math
import time
import traceback
import typing as t

from .logfields import BASE_FIELDS, EXCEPTION_FIELDS, FIELDS
from .redaction import MASK, is_secret_name, redact_text
from .requestid import current_request_id

if t.TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

#: Formats that there are (setting ``log_format``).
TEXT, JSON = "text", "json"

# Escaped, as lone surrogates have no encoding, and terminals obey control characters.
_encode = json.JSONEncoder(check_circular=False).encode

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",  # since Python 3.12
    "color_message",  # uvicorn's: the message once more, with colours
}
#: Names that an extra fact can't have in JSON.
_TAKEN = frozenset(BASE_FIELDS) | frozenset(EXCEPTION_FIELDS)
#: Facts of the access log that are numbers, or texts that nobody but fluxsync has written.
_HARMLESS = frozenset(FIELDS) - {"error", "request_id"}
_PLAIN = frozenset((str, int))
_TAB = "\t"
#: What people read in the message of an access line already.
_IN_ACCESS_MESSAGE = ("method", "path", "status")
#: So deep may a value be.
_DEEPEST = 6
#: What Python's own text of a traceback begins with. Some programs log that as a message.
_TRACEBACK = "\nTraceback (most recent call last):\n"
#: Its lines are their words, and what they say behind looks like theirs.
STREAMLIT = "fluxsync.streamlit"
#: Its messages were redacted when they were made: they're many.
ACCESS = "fluxsync.access"


def make_formatter(name: str) -> logging.Formatter:
    """Return the formatter of this name, :data:`TEXT` or :data:`JSON`."""
    return JsonFormatter() if name == JSON else LineFormatter()


class LineFormatter(logging.Formatter):
    """``time LEVEL logger: message key=value ...``, the facts in ``extra`` at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and those of a traceback."""
        message, below = _message(record), ""
        # What follows is a traceback as a rule, and people want to read it.
        message, mark, trace = message.partition(_TRACEBACK)
        facts = _facts(record)
        if record.name == STREAMLIT and "replica" in facts:
            message = f"{facts.pop('replica')} | {message}"
        elif record.name == ACCESS:
            for name in _IN_ACCESS_MESSAGE:
                facts.pop(name, None)
        if mark:
            below += mark + trace
        if error := _exc_info(record):
            below += "\n" + redact_text(_stack(error))
        if record.stack_info:
            below += "\n" + redact_text(str(record.stack_info))
        line = f"{_time(record)} {record.levelname} {record.name}: {_printable(message)}"
        for key, value in facts.items():
            if type(value) is float:
                line += f" {key}={value:.3f}"
            elif value is not None and value != "":
                line += f" {key}={_quote(value)}"
        if below:
            lines = below.strip("\n").split("\n")
            line += "".join(f"\n  {_printable(text, but=_TAB)}" for text in lines)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per record; the facts in ``extra`` are its members, with their types."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        content: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        for key, value in _facts(record).items():
            if value != "" or key not in FIELDS:
                content[f"{key}_" if key in _TAKEN else key] = value
        if error := _exc_info(record):
            content["exception"] = {
                "type": _type_name(error[0]),
                "message": redact_text(_text(error[1])),
                "stack": redact_text(_stack(error)),
            }
        if record.stack_info:
            content["stack_info"] = redact_text(str(record.stack_info))
        return _encode(content)


class RedactingFormatter(logging.Formatter):
    """What another formatter makes of records, without secrets.

    :param own: The other one.
    """

    def __init__(self, own: logging.Formatter | None) -> None:
        super().__init__()
        self.own = own or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return what the other one says."""
        return redact_text(self.own.format(record))


#: The second of the last record, and how it's written.
_clock = (-1, "")


def _time(record: logging.LogRecord) -> str:
    global _clock
    second = int(record.created)
    at, clock = _clock
    if second != at:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _clock = second, clock  # in one piece: other threads do the same
    return f"{clock}.{int((record.created - second) * 1000):03d}Z"


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 # logging would print the arguments as they are
        message = f"{_text(record.msg)} {_text(record.args)}"
    return message if record.name == ACCESS else redact_text(message)


def _facts(record: logging.LogRecord) -> dict[str, t.Any]:
    """Return what the record says besides its message, as JSON types and without secrets."""
    harmless = _HARMLESS if record.name == ACCESS else ()
    facts: dict[str, t.Any] = {}
    for key, value in vars(record).items():
        if key not in _STANDARD:
            is_plain = type(value) in _PLAIN and (key in harmless or value == "")
            facts[key] = value if is_plain else _fact(key, value)
    duration = facts.get("duration_seconds")
    if type(duration) is float:
        facts["duration_seconds"] = round(duration, 6)  # what clocks are good for
    if not facts.get("request_id") and (current := current_request_id.get()):
        facts["request_id"] = current
    return facts


def _fact(key: str, value: object) -> object:
    try:
        return _value(key, value, 0)
    except Exception:  # noqa: BLE001 # a line with a hole is better than none
        return f"<{type(value).__name__}>"


def _value(key: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    is_text = isinstance(value, (str, bytes, bytearray))
    if isinstance(value, (int, float)):
        # A subclass may be printed as anything; JSON knows no infinity.
        number: int | float = int(value) if isinstance(value, int) else float(value)
        is_fine = abs(number) < 1e300 if isinstance(number, int) else math.isfinite(number)
        return number if is_fine else _text(value)[:100]
    if (depth or is_text) and is_secret_name(key):
        return MASK
    if isinstance(value, t.Mapping) and depth < _DEEPEST:
        return {_text(k): _value(_text(k), v, depth + 1) for k, v in tuple(value.items())}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEEPEST:
        items = tuple(value)
        # A header field, say.
        name = _plain(items[0]) if len(items) == 2 else None
        pair = name if isinstance(name, str) and is_secret_name(name) else ""
        return [_value(pair if n else "", item, depth + 1) for n, item in enumerate(items)]
    return redact_text(_text(_plain(value)))


def _plain(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, (bytes, bytearray)) else value


def _text(value: object) -> str:
    """Return a value as text, whatever its class does instead."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 # a line with a hole is better than none
        return f"<{type(value).__name__}>"


def _exc_info(record: logging.LogRecord) -> ExcInfo | None:
    error = record.exc_info
    return error if isinstance(error, tuple) and error[0] is not None else None


def _stack(error: ExcInfo) -> str:
    try:
        return "".join(traceback.format_exception(*error)).rstrip("\n")
    except Exception:  # noqa: BLE001 # of an exception that can't be shown
        return _type_name(error[0])


def _type_name(kind: type[BaseException]) -> str:
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def _quote(value: object) -> str:
    text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    if text.isprintable() and " " not in text and '"' not in text:
        return text
    return '"' + _printable(text).replace('"', '\\"') + '"'


def _printable(text: str, but: str = "") -> str:
    """Return a text whose control characters are shown, not obeyed.

    :param but: Those that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in but else repr(c)[1:-1] for c in text)
