"""Links to a page by its title, path or slug: ``/?page=orders&year=2025``."""

from __future__ import annotations

import typing as t

#: The query parameter that names a page.
PAGE_KEY = "page"

#: In the session state: query parameters for the page that is being switched to.
_KEPT = "_fluxsync_query"


def query_params(st: t.Any) -> dict[str, str]:
    """Return the page's query parameters, the last of those with the same name.

    Outside of a page, there are none.
    """
    params = st.query_params
    try:
        return {name: str(params[name]) for name in params}
    except Exception:  # noqa: BLE001 - there are various ways not to be in a page
        return {}


def match_nav_page(
    params: t.Mapping[str, str], pages: t.Iterable[t.Any], *, page_key: str = PAGE_KEY
) -> tuple[str, str] | None:
    """Return path and title of the page that a query parameter names, or ``None``.

    :param params: Query parameters, as of :func:`query_params`.
    :param pages: ``app.pages`` or ``app.page_records``.
    :param page_key: Name of the parameter. Its value is a title, a path, or a path without
        slashes; a whole match wins over one without slashes.
    """
    wanted = params.get(page_key, "")
    if not wanted:
        return None
    candidates = [_path_and_title(page) for page in pages]
    for path, title in candidates:
        if wanted in (title, path, path.strip("/") or "home"):
            return path, title
    for path, title in candidates:
        if wanted.strip("/") == path.strip("/"):
            return path, title
    return None


def _path_and_title(page: t.Any) -> tuple[str, str]:
    if isinstance(page, tuple):
        return page[0], page[1]
    return page.path, page.title


def keep_for_switch(st: t.Any) -> None:
    """Note the other query parameters, as ``st.switch_page`` drops all (Streamlit 1.67)."""
    params = {name: st.query_params.get_all(name) for name in st.query_params if name != PAGE_KEY}
    st.session_state[_KEPT] = params


def restore(st: t.Any) -> None:
    """Set the query parameters that were noted before the page was switched to."""
    if _KEPT in st.session_state:
        st.query_params.from_dict(st.session_state.pop(_KEPT))
