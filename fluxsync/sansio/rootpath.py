"""Under which path the outside sees us. No I/O."""

from __future__ import annotations

from .paths import normalize_mount


def find(setting: str, script_name: str) -> str:
    """Return the root path; the first rule that says one wins.

    :param setting: ``root_path`` from the settings, normalized.
    :param script_name: ``SCRIPT_NAME`` of the request: the WSGI server's mount. gunicorn
        also takes it from a header of its trusted peers, so it says where links go, and
        never whom to trust.
    """
    if setting or not script_name:
        return setting
    try:
        return normalize_mount(script_name)
    except ValueError:
        return ""
