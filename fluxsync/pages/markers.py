"""What a page's parameters may ask for: ``Depends``, ``Query``, ``Header`` and ``Cookie``.

Each is written as the parameter's default, or beside its type:

.. code-block:: python

    @app.page("/orders")
    def orders(st, user: Annotated[User, Depends(current_user)], limit: int = Query(50)):
        ...
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t


class Missing(enum.Enum):
    """Stands for a default that there isn't; ``None`` is one."""

    MISSING = "required"


MISSING = Missing.MISSING


@dataclasses.dataclass(frozen=True)
class DependsMarker:
    """What :func:`Depends` returns."""

    dependency: t.Callable[..., t.Any] | None
    use_cache: bool


@dataclasses.dataclass(frozen=True)
class TextMarker:
    """What :func:`Query`, :func:`Header` and :func:`Cookie` return."""

    kind: t.Literal["query", "header", "cookie"]
    #: Name in the URL or the request; ``None`` is the parameter's.
    name: str | None
    default: t.Any
    description: str = ""


# Functions, so that type checkers let their values be defaults of any type.


def Depends(dependency: t.Callable[..., t.Any] | None = None, *, use_cache: bool = True) -> t.Any:
    """Have a parameter be what a function returns, which may have such parameters itself.

    A generator function yields the value; the rest of it is run when the page has ended. The
    function may be a coroutine function or an asynchronous generator function, too.

    :param dependency: The function.
    :param use_cache: Whether all that depend on it share one value in each run of the page.
    """
    return DependsMarker(dependency, use_cache)


def Query(default: t.Any = MISSING, *, alias: str | None = None, description: str = "") -> t.Any:
    """Take a parameter from the page's URL, after the question mark.

    It's converted to the parameter's type. A list takes all values of that name, a pydantic
    model takes each field from the parameter of its name.

    :param default: Value if it isn't there; without one, and without the function's own, the
        page shows an error then, unless the type allows ``None``.
    :param alias: Its name in the URL, if it's another one than the parameter's.
    :param description: For those who read the code.
    """
    return TextMarker("query", alias, default, description)


def Header(name: str | None = None, *, default: t.Any = MISSING) -> t.Any:
    """Take a parameter from a header field of the request that opened the page's connection.

    :param name: Name of the field, in any case; made from the parameter's, with ``-`` for
        ``_``, if not given.
    :param default: Value if it isn't there; ``None`` also does where the type allows it.
    """
    return TextMarker("header", name, default)


def Cookie(name: str | None = None, *, default: t.Any = MISSING) -> t.Any:
    """Take a parameter from a cookie of the request that opened the page's connection.

    :param name: Name of the cookie, to the letter (RFC 6265 5.4); the parameter's if not given.
    :param default: Value if it isn't there; ``None`` also does where the type allows it.
    """
    return TextMarker("cookie", name, default)
