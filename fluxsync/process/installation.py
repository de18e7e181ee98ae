"""What tells one installation of Streamlit from another, on this machine.

Streamlit's process says which one it serves, and a gateway worker finds out which one it
sees. Where both are the same, the worker may serve the frontend files itself. Needs the
standard library only.
"""

from __future__ import annotations

import os

#: Directory below Streamlit's package that has the frontend.
STATIC = "static"


def identify(package: str, version: str) -> str:
    """Return the identity of an installation's frontend files; ``""`` if it has none.

    An upgrade replaces files, which changes the times of their directories. Those who patch
    ``index.html``, as many do, change none of the files in them.

    :param package: Streamlit's package directory.
    :param version: Its version.
    """
    directory = os.path.realpath(os.path.join(package, STATIC))
    try:
        with os.scandir(os.path.join(directory, STATIC)) as entries:
            times = sorted((e.name, e.stat().st_mtime_ns) for e in entries if e.is_dir())
    except OSError:
        return ""
    stamp = "-".join(f"{time:x}" for _, time in times)
    identity = f"{version} {stamp} {directory}"
    # It travels as a line of text. A path may be anything else.
    return identity if times and identity.isprintable() else ""
