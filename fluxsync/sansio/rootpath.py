"""Under which path the outside sees us. No I/O."""

from __future__ import annotations

import typing as t

from .paths import normalize_mount


class RootPath(t.NamedTuple):
    """A root path, and which rule found it."""

    path: str
    source: str


def find(setting: str, script_name: str) -> RootPath:
    """Return the root path; the first rule that says one wins.

    :param setting: ``root_path`` from the settings, normalized.
    :param script_name: ``SCRIPT_NAME`` of the request: the WSGI server's mount. gunicorn
        also takes it from a header of its trusted peers, so it says where links go, and
        never whom to trust.
    """
    if setting:
        return RootPath(setting, "root_path")
    try:
        mount = normalize_mount(script_name)
    except ValueError:
        mount = ""
    return RootPath(mount, "SCRIPT_NAME" if mount else "none")
