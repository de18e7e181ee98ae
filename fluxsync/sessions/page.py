"""Where the session of a running page is: in its URL, and in ``st.session_state``.

The id is in a query parameter, so that the session is found again when the page is loaded anew.
It's also in ``st.session_state``: Streamlit drops the query when somebody goes to another page,
and a rerun that is under way doesn't know of a new id yet.

Name of the parameter and key come from the running page's application. An id is accepted if
we've signed it and the store knows it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..exceptions import SessionError
from . import context
from .data import MAX_BYTES, encode, refuse_credentials
from .ids import Signer, random_part, signing_key, stored_key
from .store import TextStore, check_store, check_ttl

if t.TYPE_CHECKING:
    from .store import SessionStore

#: Names in ``st.session_state`` that are ours or Streamlit's own.
_INTERNAL = ("_fluxsync", "$$")


class PageSession:
    """The running page's session, if there's one, and what can be done with it.

    :param param: Name of the query parameter; the application's if not given.
    :param secret: Signs ids; the application's if not given.
    """

    def __init__(
        self, st: t.Any, store: SessionStore, param: str | None, secret: str | None
    ) -> None:
        found = context.current()
        #: Whether the application has URL sessions.
        self.enabled = found.enabled
        self._st = st
        self._store = store
        self._param = param or found.param
        self._secret = found.secret if secret is None else secret
        self._remembered = f"_fluxsync_session_id_{self._param}"
        if self.enabled and not isinstance(store, TextStore):
            check_store(store, "store", ", such as app.session_store")

    def find(self) -> tuple[str, dict[str, t.Any]] | None:
        """Return the session's id and data; that of the URL, or else of before."""
        signer = Signer(signing_key(self._store, self._secret))
        ids = (self._st.query_params.get(self._param), self._st.session_state.get(self._remembered))
        for session_id in dict.fromkeys(ids):
            if isinstance(session_id, str) and signer.is_signed(session_id):
                data = self._store.get(self.key(session_id))
                if data is not None:
                    return session_id, data
        return None

    def key(self, session_id: str) -> str:
        """Return what the store is asked for. Never an id that would work in a URL."""
        # Ours make a hash of the random part by themselves.
        if isinstance(self._store, TextStore):
            return session_id.partition(".")[0]
        return stored_key(session_id)

    def begin(self, data: dict[str, t.Any], ttl_seconds: float | None) -> str:
        """Begin a session, and put its id into the URL."""
        session_id = self.make(data, ttl_seconds)
        self.show(session_id)
        return session_id

    def make(self, data: dict[str, t.Any], ttl_seconds: float | None) -> str:
        """Store data under a new id."""
        session_id = Signer(signing_key(self._store, self._secret)).sign(random_part())
        self.write(session_id, data, ttl_seconds)
        return session_id

    def write(self, session_id: str, data: dict[str, t.Any], ttl_seconds: float | None) -> None:
        """Store data."""
        if not isinstance(self._store, TextStore):
            encode(data, MAX_BYTES)
        self._store.set(self.key(session_id), data, ttl_seconds=ttl_seconds)

    def show(self, session_id: str) -> None:
        """Have an id in the URL. Each assignment sends the browser a message."""
        if self._st.query_params.get(self._param) != session_id:
            self._st.query_params[self._param] = session_id
        self._st.session_state[self._remembered] = session_id

    def forget(self) -> None:
        """Have no id in the URL."""
        if self._param in self._st.query_params:
            del self._st.query_params[self._param]
        if self._remembered in self._st.session_state:
            del self._st.session_state[self._remembered]

    def fill(self, data: t.Mapping[str, t.Any], merge: bool) -> None:
        """Copy data to ``st.session_state``."""
        state = self._st.session_state
        for key, value in data.items():
            if not key.startswith(_INTERNAL) and not (merge and key in state):
                state[key] = value

    def check(self, data: t.Mapping[t.Any, t.Any], ttl_seconds: float | None) -> None:
        """Refuse what mustn't be in a session.

        :raise SessionError: There's such a thing.
        """
        if ttl_seconds is not None:
            check_ttl(ttl_seconds)
        if not isinstance(data, Mapping):
            raise SessionError(f"initial={data!r}: expected a dict")
        for key in data:
            if not isinstance(key, str) or key.startswith(_INTERNAL):
                raise SessionError(f"{key!r} can't be in a URL session: expected a name of yours")
        refuse_credentials(data)
