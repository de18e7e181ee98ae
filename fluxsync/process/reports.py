"""What gateway workers have counted, and everything together for whoever asks.

Workers report now and then, when they end, and when somebody wants to know. Their figures are
sums since their start, so that a report that is lost is no loss; those of workers that have gone
stay. Belongs to the supervisor's main thread.
"""

from __future__ import annotations

import time
import typing as t

from ..telemetry import metrics

if t.TYPE_CHECKING:
    from ..telemetry.metrics import Figure
    from .channel import Channel
    from .switchboard import Switchboard

#: Seconds that workers get to say what they have. One may be busy, or stopped.
_PATIENCE = 0.5
#: So many workers that have gone may come back: their connection broke, and nothing else.
_MAY_RETURN = 64
#: So many requests are remembered in all.
_RECENT = 100


class Reports:
    """Keeps what workers report.

    :param own: Returns what this process has counted itself, in the form of a report.
    :param status: Returns the state of this supervisor.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        own: t.Callable[[], dict[str, t.Any]],
        status: t.Callable[[], dict[str, t.Any]],
    ) -> None:
        self._switchboard = switchboard
        self._own = own
        self._status = status
        self._latest: dict[Channel, _Report] = {}
        #: Of workers that have gone, the last one's figures last.
        self._gone: dict[str, list[Figure]] = {}
        self._past: list[Figure] = []
        #: Who waits until when, and for whom.
        self._askers: dict[Channel, tuple[float, set[Channel]]] = {}

    def take(self, channel: Channel, data: t.Mapping[str, t.Any]) -> None:
        """Take a worker's report.

        :raise Exception: It's something else.
        """
        report = _Report(data)
        self._gone.pop(report.instance, None)
        self._latest[channel] = report
        for _, missing in self._askers.values():
            missing.discard(channel)

    def ask(self, channel: Channel) -> None:
        """Answer somebody, as soon as the workers have said what they have."""
        workers = self._switchboard.workers
        for worker in workers:
            self._switchboard.send(worker, {"type": "report"})
        self._askers[channel] = (time.monotonic() + _PATIENCE, set(workers))

    def deadline(self) -> float | None:
        """Return when :meth:`step` has something to do; ``None`` if only events matter."""
        return min((at for at, _ in self._askers.values()), default=None)

    def step(self) -> None:
        """Answer who has waited for long enough, and note which workers have gone."""
        if not self._askers and len(self._latest) <= len(self._switchboard.workers):
            return
        workers = set(self._switchboard.workers)
        for channel in [channel for channel in self._latest if channel not in workers]:
            self._leave(self._latest.pop(channel))
        now = time.monotonic()
        for channel, (deadline, missing) in tuple(self._askers.items()):
            if now >= deadline or not missing & workers:
                del self._askers[channel]
                self._switchboard.send(channel, {"type": "overview", **self._overview()})

    def _leave(self, report: _Report) -> None:
        self._gone[report.instance] = metrics.lasting(report.figures)
        while len(self._gone) > _MAY_RETURN:
            self._past = metrics.add_up(self._past, self._gone.pop(next(iter(self._gone))))

    def _overview(self) -> dict[str, t.Any]:
        own, latest = self._own(), self._latest.values()
        figures = metrics.add_up(
            self._past,
            *self._gone.values(),
            *(report.figures for report in latest),
            own["figures"],
        )
        recent = [*own["recent"], *(entry for report in latest for entry in report.recent)]
        recent.sort(key=lambda entry: float(entry["time"]))
        return {"figures": figures, "recent": recent[-_RECENT:], "status": self._status()}


class _Report:
    """What one worker has counted since its start.

    :raise Exception: It's something else.
    """

    def __init__(self, data: t.Mapping[str, t.Any]) -> None:
        self.instance = str(data["instance"])
        self.figures = metrics.parse_figures(data["figures"])
        self.recent: list[dict[str, t.Any]] = [{**entry} for entry in data["recent"]]
        for entry in self.recent:
            float(entry["time"])
