"""What only Streamlit and the gateway workers know. The supervisor makes it, and tells them."""

from __future__ import annotations

import json
import os
import typing as t

from ..sansio import identity

if t.TYPE_CHECKING:
    from .spec import Spec
    from .state import StateDirectory


class Secrets:
    """Secrets of one supervisor; they are never written down."""

    def __init__(self) -> None:
        # One for all replicas, so that logins survive a restart and hold on each of them.
        self._cookies = os.urandom(32).hex()
        self._users = os.urandom(16).hex()

    def environment(self, spec: Spec, state: StateDirectory) -> dict[str, str]:
        """Return Streamlit's environment."""
        own = {"STREAMLIT_SERVER_COOKIE_SECRET": self._cookies}
        if spec.tells_users:
            # Since 1.49; older ones don't look at it.
            names = identity.streamlit_names(self._users)
            own["STREAMLIT_SERVER_TRUSTED_USER_HEADERS"] = json.dumps(names)
        if spec.calls_variable:
            own[spec.calls_variable] = os.fspath(state.calls)
        return {**own, **spec.environment}

    def of_users(self, spec: Spec) -> str:
        """Return what workers need to tell Streamlit who a user is.

        Streamlit listens on a port that every process of this machine can connect to, and
        believes whoever knows the names of the fields.
        """
        return self._users if spec.tells_users else ""
