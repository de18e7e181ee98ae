"""Have a running application loaded anew: its API by gunicorn, its pages by the supervisor."""

from __future__ import annotations

import os
import signal
import time
import typing as t

from ..exceptions import ReloadError
from .launch import ask
from .lifetime import Anchor

if t.TYPE_CHECKING:
    from .state import StateDirectory

_PAUSE = 0.05


class Running:
    """An application that runs, and what its supervisor says about it.

    :param state: The supervisor's directory.
    :param patience: Seconds that each of the two reloads may take.
    """

    def __init__(self, state: StateDirectory, patience: float) -> None:
        self._state = state
        self._patience = patience

    def reload_api(self) -> list[int]:
        """Have gunicorn start new workers, which load the code anew, and end the old ones.

        Requests go on meanwhile.

        :return: Process ids of the new workers.
        :raise ReloadError: It failed.
        """
        before = self._ask()
        master = Anchor(before["anchor"])
        master.watch()
        try:
            if not master.is_alive():
                raise ReloadError("the server has ended")
            try:
                os.kill(master.pid, signal.SIGHUP)
            except PermissionError:
                raise ReloadError(f"the server, {master.pid}, is another user's") from None
            old, deadline = {*before["workers"]}, time.monotonic() + self._patience
            while True:
                workers = {*self._ask()["workers"]}
                if workers and not workers & old:
                    return sorted(workers)
                if not master.is_alive():
                    raise ReloadError("the server has ended; its log says why")
                self._wait(deadline, f"there are {'old' if workers & old else 'no'} workers")
        finally:
            master.close()

    def reload_pages(self, before: t.Mapping[str, t.Any]) -> bool:
        """Have Streamlit's processes started anew; browsers connect again by themselves.

        :param before: What the supervisor said before anything was reloaded: where settings have
            changed, new workers have had them started anew already.
        :return: Whether there are any; somebody else's aren't touched.
        :raise ReloadError: They didn't come up.
        """
        old = {replica["pid"] for replica in before["replicas"]}
        if old == {None} and all(r["state"] == "RUNNING" for r in before["replicas"]):
            return False
        now = self._ask()["replicas"]
        starts = {replica["id"]: replica["starts"] for replica in now}
        if old & {replica["pid"] for replica in now}:
            ask(self._state, "renew")
        else:
            starts = dict.fromkeys(starts, 0)
        deadline = time.monotonic() + self._patience
        while True:
            replicas = self._ask()["replicas"]
            new = [r for r in replicas if r["starts"] > starts.get(r["id"], 0)]
            for replica in new:
                if replica["state"] in ("BACKOFF", "FATAL"):
                    reason = " / ".join(replica["reason"].split("\n")[:3])
                    raise ReloadError(f"Streamlit's {replica['id']} does not come up: {reason}")
            if len(new) == len(replicas) and all(r["state"] == "RUNNING" for r in new):
                return True
            self._wait(deadline, "Streamlit is " + ", ".join(r["state"] for r in replicas))

    def _ask(self) -> dict[str, t.Any]:
        status = ask(self._state, "status")
        if status is None:
            raise ReloadError("the supervisor does not answer")
        return status

    def _wait(self, deadline: float, how: str) -> None:
        if time.monotonic() > deadline:
            raise ReloadError(f"not done within {self._patience:g} s: {how}")
        time.sleep(_PAUSE)
