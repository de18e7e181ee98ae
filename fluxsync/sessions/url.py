"""What pages do with URL sessions.

The id is in a query parameter, so that the session is found again when the page is loaded anew.
It's also in ``st.session_state``: Streamlit drops the query when somebody goes to another page,
and a rerun that is under way doesn't know of a new id yet.

Name of the parameter and key come from the running page's application. An id is accepted if
we've signed it and the store knows it. The functions here are called in Streamlit's threads.
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
    import pydantic

    from .store import SessionStore

    ModelT = t.TypeVar("ModelT", bound=pydantic.BaseModel)

#: Names in ``st.session_state`` that are ours or Streamlit's own.
_INTERNAL = ("_fluxsync", "$$")


def new_session_id(store: SessionStore | None = None, *, secret: str | None = None) -> str:
    """Return a new id.

    :param store: Signs it for this store, so that pages accept it; without a store, it's a random
        text that they don't.
    :param secret: ``session_secret``, where it's set and no page is running.
    """
    if store is None:
        return random_part()
    check_store(store, "store", ", such as app.session_store")
    given = context.current().secret if secret is None else secret
    return Signer(signing_key(store, given)).sign(random_part())


def ensure_url_session(
    st: t.Any,
    store: SessionStore,
    *,
    param: str | None = None,
    initial: t.Mapping[str, t.Any] | None = None,
    ttl_seconds: float | None = None,
    secret: str | None = None,
) -> str:
    """Return the id of the page's session; begin one, and put it into the URL, if there's none.

    :param param: Name of the query parameter.
    :param initial: What a session gets that doesn't have these names yet.
    :param ttl_seconds: Seconds for which it's kept when this writes it; ``None`` is the store's
        default.
    :param secret: Signs ids.
    :return: The id; ``""`` if the application has no URL sessions.
    :raise SessionError: ``initial`` can't be stored or looks like credentials, or the store fails.
    """
    page = _Page(st, store, param, secret)
    if not page.enabled:
        return ""
    page.check(initial or {}, ttl_seconds)
    found = page.find()
    if found is None:
        return page.begin(dict(initial or {}), ttl_seconds)
    session_id, data = found
    if more := {k: v for k, v in (initial or {}).items() if k not in data}:
        page.write(session_id, {**data, **more}, ttl_seconds)
    page.show(session_id)
    return session_id


def hydrate_url_session(
    st: t.Any,
    store: SessionStore,
    *,
    param: str | None = None,
    merge: bool = True,
    secret: str | None = None,
) -> str | None:
    """Copy the session's data to ``st.session_state``; before the widgets that it's for.

    :param merge: Leave alone what ``st.session_state`` has already.
    :return: The id; ``None`` if there's no session.
    :raise SessionError: The store fails.
    """
    page = _Page(st, store, param, secret)
    found = page.find() if page.enabled else None
    if found is None:
        return None
    page.fill(found[1], merge)
    return found[0]


def hydrate_url_session_typed(
    st: t.Any,
    store: SessionStore,
    model: type[ModelT],
    *,
    param: str | None = None,
    merge: bool = True,
    strict: bool = False,
    secret: str | None = None,
) -> tuple[str | None, ModelT | None]:
    """Validate the session's data, then copy it to ``st.session_state``.

    The model's fields are copied as it has validated them; other data as it was stored, and
    defaults not at all.

    :param merge: Leave alone what ``st.session_state`` has already.
    :param strict: Raise if the data isn't valid; otherwise, nothing is copied and there's no
        model.
    :return: The id and the model, each ``None`` if there's none.
    :raise pydantic.ValidationError: The data isn't valid.
    :raise SessionError: The store fails.
    """
    page = _Page(st, store, param, secret)
    found = page.find() if page.enabled else None
    if found is None:
        return None, None
    session_id, data = found
    try:
        validated = model.model_validate(data)
    except ValueError:  # pydantic's
        if strict:
            raise
        return session_id, None
    fields = {k: getattr(validated, k) for k in data if k in type(validated).model_fields}
    page.fill({**data, **fields}, merge)
    return session_id, validated


def persist_url_session(
    st: t.Any,
    store: SessionStore,
    *,
    keys: t.Iterable[str],
    param: str | None = None,
    ttl_seconds: float | None = None,
    secret: str | None = None,
) -> str:
    """Write what ``st.session_state`` has under some keys to the session; begin one if need be.

    Keys that aren't there are skipped. What the session has under other keys stays. Of two who
    write at once, the second wins.

    :param keys: All keys that may leave this process. The session's URL may be passed on, so it
        must not open anything: keys and values that look like credentials are refused.
    :param ttl_seconds: Seconds for which it's kept from now on; ``None`` is the store's default.
    :return: The id; ``""`` if the application has no URL sessions.
    :raise SessionError: Something can't be stored or looks like credentials, or the store fails.
    """
    page = _Page(st, store, param, secret)
    if not page.enabled:
        return ""
    if isinstance(keys, (str, bytes)) or not hasattr(keys, "__iter__"):
        raise SessionError(f"keys={keys!r}: expected a list of names")
    changes = {key: st.session_state[key] for key in keys if key in st.session_state}
    page.check(changes, ttl_seconds)
    found = page.find()
    if found is None:
        return page.begin(changes, ttl_seconds)
    session_id, data = found
    page.write(session_id, {**data, **changes}, ttl_seconds)
    page.show(session_id)
    return session_id


def rotate_url_session(
    st: t.Any,
    store: SessionStore,
    *,
    param: str | None = None,
    ttl_seconds: float | None = None,
    secret: str | None = None,
) -> str:
    """Move the session's data to a new id, and forget the old one; begin a session if need be.

    Call it when somebody logs in or gets more rights: others may know the old URL.

    :return: The new id; ``""`` if the application has no URL sessions.
    :raise SessionError: The store fails. The old id may still be good.
    """
    page = _Page(st, store, param, secret)
    if not page.enabled:
        return ""
    page.check({}, ttl_seconds)
    found = page.find()
    if found is None:
        return page.begin({}, ttl_seconds)
    old, data = found
    new = page.make(data, ttl_seconds)
    store.delete(page.key(old))
    page.show(new)
    return new


def end_url_session(
    st: t.Any, store: SessionStore, *, param: str | None = None, secret: str | None = None
) -> None:
    """Delete the session, and take its id out of the URL. ``st.session_state`` keeps its data.

    :raise SessionError: The store fails.
    """
    page = _Page(st, store, param, secret)
    if not page.enabled:
        return
    if found := page.find():
        store.delete(page.key(found[0]))
    page.forget()


class _Page:
    """The running page, and where its session is."""

    def __init__(
        self, st: t.Any, store: SessionStore, param: str | None, secret: str | None
    ) -> None:
        found = context.current()
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
