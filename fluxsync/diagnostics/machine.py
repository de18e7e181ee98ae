"""What fluxsync needs of this machine."""

from __future__ import annotations

import array
import os
import resource
import socket
import tempfile
import typing as t

from .findings import Finding, Hop, ok, warning

#: Below this, a busy page or two exhausts it: a WebSocket takes two, and a worker has its own.
_FEW_FILES = 1024


def check() -> t.Iterator[Finding]:
    """Look at what the system gives."""
    yield judge_sockets(passes_files())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield judge_files(soft, hard)


def passes_files() -> str:
    """Pass an open file on over a Unix socket, as workers and the supervisor do.

    :return: Why that isn't possible; empty if it is.
    """
    try:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with tempfile.TemporaryFile() as file, here, there:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))]
            here.sendmsg([b"x"], rights)
            _, ancillary, _, _ = there.recvmsg(1, socket.CMSG_SPACE(4))
            for _, _, data in ancillary:
                os.close(array.array("i", data[:4])[0])
            return "" if ancillary else "the file doesn't arrive"
    except (AttributeError, OSError) as e:
        return getattr(e, "strerror", None) or str(e)


def judge_sockets(fault: str) -> Finding:
    """Return whether workers can hand connections over."""
    if not fault:
        return ok("sockets", "open connections can be handed from process to process")
    text = (
        f"Open connections can't be handed from process to process ({fault}): WebSockets stay in "
        "the workers, and end with them."
    )
    return warning("sockets", Hop.MACHINE, text, ("FLUXSYNC_GATEWAY_WS_RELAY=worker",))


def judge_files(soft: int, hard: int) -> Finding:
    """Return whether there can be enough open files.

    :param hard: As far as the supervisor raises its own limit; ``RLIM_INFINITY`` is none.
    """
    most = "as many as there are" if hard == resource.RLIM_INFINITY else str(hard)
    if hard != resource.RLIM_INFINITY and hard < _FEW_FILES:
        text = f"A process may have {hard} open files, and a WebSocket takes two."
        remedy = ("ulimit -Hn 65536, or LimitNOFILE=65536 in a unit of systemd",)
        return warning("limits", Hop.MACHINE, text, remedy)
    return ok("limits", f"{soft} open files in a worker, {most} in the supervisor")
