"""What may be the API: a Flask or other WSGI application, or an ASGI one."""

from __future__ import annotations

import functools
import inspect
import typing as t

from ..exceptions import ApiError

if t.TYPE_CHECKING:
    from ..typing import WSGIApplication

#: What is called with as many arguments: ``environ`` and ``start_response``, or ``scope``,
#: ``receive`` and ``send``.
_WSGI, _ASGI = 2, 3


def mount_api(api: t.Any) -> WSGIApplication:
    """Return an API as a WSGI application, which it may be already.

    Nothing is started; with an ASGI application, what is returned does so with its first
    request, or when :func:`start_api` says so.

    :param api: A WSGI or ASGI application (ASGI 3).
    :raise ApiError: It's neither, or what serves ASGI applications isn't installed.
    """
    if is_asgi(api):
        try:
            import a2wsgi  # noqa: F401
        except ImportError as e:
            raise ApiError(
                "api: an ASGI application needs a2wsgi; pip install 'fluxsync[asgi]'"
            ) from e
        from .asgi import AsgiApplication

        return AsgiApplication(api)
    # An instance of a class would be the response (PEP 3333), and Flask itself is none.
    is_wrong = inspect.iscoroutinefunction(api) or (
        inspect.isclass(api) and not hasattr(api, "__iter__")
    )
    if is_wrong or not _takes(api, _WSGI):
        shown = api.__name__ if inspect.isclass(api) else repr(api)
        if len(shown) > 80:
            shown = f"{shown[:77]}..."
        raise ApiError(f"api: expected a WSGI or ASGI application, got {shown}")
    return t.cast("WSGIApplication", api)


def is_asgi(api: t.Any) -> bool:
    """Whether something is an ASGI 3 application: FastAPI, Starlette, or a plain function."""
    if not callable(api) or inspect.isclass(api) or not _takes(api, _ASGI):
        return False
    if _is_asynchronous(api):
        return True
    # What returns another one's coroutine: middleware, a decorator, compiled code.
    return not _takes(api, _WSGI)


def start_api(api: WSGIApplication) -> None:
    """Start an application of :func:`mount_api`; call it in the process that serves requests."""
    start = getattr(api, "start", None) if _is_ours(api) else None
    if start is not None:
        start()


def end_api(api: WSGIApplication, grace: float) -> None:
    """End what :func:`start_api` or a request has started.

    :param grace: Seconds that it may take.
    """
    end = getattr(api, "end", None) if _is_ours(api) else None
    if end is not None:
        end(grace)


def _is_ours(api: t.Any) -> bool:
    return type(api).__module__ == f"{__package__}.asgi"


def _is_asynchronous(api: t.Any) -> bool:
    while isinstance(api, functools.partial):
        api = api.func
    api = inspect.unwrap(api)
    return inspect.iscoroutinefunction(api) or inspect.iscoroutinefunction(
        getattr(api, "__call__", None)  # noqa: B004 # it's its kind that is asked for
    )


def _takes(api: t.Any, count: int) -> bool:
    """Whether something can be called with so many arguments by position."""
    if not callable(api):
        return False
    try:
        inspect.signature(api).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True  # compiled code that doesn't say
    return True
