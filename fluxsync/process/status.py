"""What ``fluxsync status`` gets to know."""

from __future__ import annotations

import os
import time
import typing as t

from ..telemetry.metrics import memory

if t.TYPE_CHECKING:
    from ..sansio.supervision import Replica
    from .spec import Spec

#: When this process was started, in Unix time.
_STARTED = time.time()


def status(
    spec: Spec | None,
    anchor: int,
    workers: t.Collection[int],
    replicas: t.Iterable[Replica],
    sessions: t.Mapping[str, int],
    tunnels: t.Mapping[str, t.Mapping[str, int]],
    started: t.Mapping[str, float],
) -> dict[str, t.Any]:
    """Return the state of this supervisor as JSON types.

    :param anchor: Process id of the anchor.
    :param workers: Process ids of the gateway workers.
    :param sessions: Number of open WebSockets of each replica, tunnels among them.
    :param started: When the process of each replica was started, in Unix time.
    :param tunnels: Number of open tunnels by transport, and by why they're needed.
    """
    now = time.monotonic()
    return {
        "name": spec.name if spec else "",
        "directory": spec.directory if spec else "",
        "url": spec.url if spec else "",
        "server": spec.server if spec else "",
        "pid": os.getpid(),
        "started": _STARTED,
        "memory_bytes": memory(),
        "anchor": anchor,
        "workers": sorted(workers),
        "workers_memory_bytes": sum(map(memory, workers)),
        "tunnels": tunnels,
        "replicas": [
            {
                "id": replica.id,
                "state": replica.state.value,
                "healthy": replica.healthy,
                "pid": replica.pid,
                "started": started.get(replica.id),
                "memory_bytes": memory(replica.pid) if replica.pid else 0,
                "address": f"{replica.host}:{replica.port}" if replica.port else "",
                "seconds": round(now - replica.since, 1),
                "starts": replica.starts,
                "sessions": sessions.get(replica.id, 0),
                "reason": replica.reason,
            }
            for replica in replicas
        ],
    }
