"""Runs as a process of the supervisor: compresses frontend files when nothing else is to do.

Arguments: the cache directories, the best one first. It ends when its standard input does,
which is when the supervisor ends. It imports the standard library, fluxsync, and compressors.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import threading


def main(bases: list[str]) -> int:
    """Make what is missing; return the exit status."""
    threading.Thread(target=_watch, daemon=True).start()
    _step_back()
    from fluxsync.assets import build, encoders, frontend

    package = frontend.find_package()
    if package is None:
        return _say("Streamlit is not installed", 1)
    try:
        files = frontend.scan(package)
        paths = [pathlib.Path(base) for base in bases]
        for built in build.build(files, paths, encoders.encoders(best=False)):
            if built.is_new:
                _say(str(built))
    except OSError as e:
        return _say(str(e), 1)
    return 0


def _say(line: str, status: int = 0) -> int:
    """Say something to the supervisor, which may have gone."""
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode(errors="replace"))
    return status


def _watch() -> None:
    """End with the supervisor, however it ends."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _step_back() -> None:
    """Take only the processor time that nobody else wants."""
    os.nice(19)
    # Where the kernel shares time among sessions first, that counts within a session only, and
    # Streamlit has another one (sched(7), "The autogroup feature").
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as file:
            file.write("19")


if __name__ == "__main__":
    # This file's directory has names (build) that would hide others.
    del sys.path[0]
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.exit(main(sys.argv[1:]))
