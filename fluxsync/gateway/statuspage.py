"""The status page: what runs, what has happened, and which settings are in effect."""

from __future__ import annotations

import html
import json
import pathlib
import string
import time
import typing as t

from ..sansio.routing import INTERNAL_PREFIX
from ..telemetry import metrics
from ..telemetry.redaction import redact_text
from ..version import __version__

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..config.platform import Platform

PATH = f"{INTERNAL_PREFIX}/debug"

_PAGE = string.Template(pathlib.Path(__file__).with_name("status.html").read_text(encoding="utf-8"))
#: Texts with more letters are broken into lines.
_LONG = 40


def describe(
    settings: FluxSyncSettings, platform: Platform, overview: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """Return what the page shows, as JSON types and without secrets.

    :param overview: What the supervisor says, or this process.
    """
    figures = metrics.parse_figures(overview["figures"])
    sessions = {
        labels[0]: int(values[0])
        for name, labels, values in figures
        if name == metrics.WEBSOCKETS_OPEN.name
    }
    found: dict[str, t.Any] = _redacted(
        {
            "version": __version__,
            "time": round(time.time(), 3),
            "host": platform.name,
            "supervisor": dict(overview["status"]),
            "sessions": sessions,
            "recent": overview["recent"][::-1],
            "settings": {
                name: {"value": settings.shown(name), "source": settings.source(name)}
                for name in type(settings).model_fields
            },
        }
    )
    return found


def render(status: t.Mapping[str, t.Any], accept: str, query: str) -> tuple[bytes, str]:
    """Return a page for people, or else JSON; and its content type.

    :param accept: The field ``Accept`` of the request.
    :param query: ``format=json`` is for people who want to see that.
    """
    if "text/html" in accept.lower() and query != "format=json":
        # What an exception says may have lone surrogates, of a file's name say.
        return _page(status).encode(errors="backslashreplace"), "text/html; charset=utf-8"
    return json.dumps(status, indent=2).encode(), "application/json"


def _redacted(value: t.Any) -> t.Any:
    """Return JSON types without what looks like a secret: an option of Streamlit's, say."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {name: _redacted(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(each) for each in value]
    return value


def _page(status: t.Mapping[str, t.Any]) -> str:
    supervisor = status["supervisor"]
    sessions = [(name, number) for name, number in sorted(status["sessions"].items())]
    tunnels = supervisor.get("tunnels", {"transports": {}, "reasons": {}})
    sessions += [(f"tunnel by {name}", n) for name, n in sorted(tunnels["transports"].items())]
    sessions += [(f"tunnel as {name}", n) for name, n in sorted(tunnels["reasons"].items())]
    now = status["time"]
    return _PAGE.substitute(
        name=html.escape(supervisor.get("name", "")),
        summary=html.escape(_summary(status)),
        replicas=_rows(
            (
                replica["id"],
                replica["state"] if replica["healthy"] else f"{replica['state']} (no answer)",
                replica["pid"] or "",
                replica["address"],
                _ago(now, replica["started"]),
                replica["starts"],
                replica["sessions"],
                _size(replica["memory_bytes"]),
                replica["reason"],
            )
            for replica in supervisor.get("replicas", ())
        ),
        sessions=_rows(sessions),
        recent=_rows(
            (
                time.strftime("%H:%M:%S", time.gmtime(entry["time"])),
                entry["method"],
                entry["target"],
                entry["status"],
                f"{entry['duration_seconds'] * 1000:.1f} ms",
                entry["bytes"],
                entry["client"],
                entry["transport"],
                entry["route"],
                entry["request_id"],
                entry["error"],
            )
            for entry in status["recent"]
        ),
        settings=_rows(
            (name, json.dumps(found["value"], ensure_ascii=False), found["source"])
            for name, found in status["settings"].items()
        ),
    )


def _summary(status: t.Mapping[str, t.Any]) -> str:
    supervisor = status["supervisor"]
    parts = [f"fluxsync {status['version']}"]
    if status["host"]:
        parts.append(f"on {status['host']}")
    if supervisor:
        workers = len(supervisor["workers"])
        parts.append(f"{workers} worker{'' if workers == 1 else 's'}")
        parts.append(f"{_size(supervisor['workers_memory_bytes'])} of memory for them")
        parts.append(
            f"supervisor {supervisor['pid']} for {_ago(status['time'], supervisor['started'])}"
        )
    else:
        parts.append("there is no supervisor; this is what one worker has seen")
    return ", ".join(parts)


def _rows(rows: t.Iterable[t.Iterable[object]]) -> str:
    lines = ("".join(map(_cell, row)) for row in rows)
    return "\n".join(f"<tr>{line}</tr>" for line in lines) or "<tr><td>none</td></tr>"


def _cell(value: object) -> str:
    text = str(value)
    kind = ' class="long"' if len(text) > _LONG else ""
    return f"<td{kind}>{html.escape(text)}</td>"


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MB"


def _ago(now: float, then: float | None) -> str:
    if not then:
        return ""
    seconds = max(0, round(now - then))
    minutes, hours = seconds // 60, seconds // 3600
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {seconds % 60} s"
