"""What pages do with URL sessions.

The functions here are called in Streamlit's threads.
"""

from __future__ import annotations

import typing as t

from ..exceptions import SessionError
from . import context
from .ids import Signer, random_part, signing_key
from .page import PageSession
from .store import check_store

if t.TYPE_CHECKING:
    import pydantic

    from .store import SessionStore

    ModelT = t.TypeVar("ModelT", bound=pydantic.BaseModel)


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
    page = PageSession(st, store, param, secret)
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
    page = PageSession(st, store, param, secret)
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
    page = PageSession(st, store, param, secret)
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
    page = PageSession(st, store, param, secret)
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
    page = PageSession(st, store, param, secret)
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
    page = PageSession(st, store, param, secret)
    if not page.enabled:
        return
    if found := page.find():
        store.delete(page.key(found[0]))
    page.forget()
