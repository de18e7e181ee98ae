"""The client with which pages call the API."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

import requests
from requests.structures import CaseInsensitiveDict

from ..sansio import callpaths
from ..telemetry.requestid import HEADER, current_request_id
from ..telemetry.tracers import propagated
from . import models, ways
from .session import Session, User, bearer, checked

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.adapters import BaseAdapter

    from .ways import Way

API_BASE_VARIABLE = ways.API_BASE_VARIABLE

#: Header fields, made for each request.
HeaderFactory: t.TypeAlias = "t.Callable[[], t.Mapping[str, str] | None]"
_ModelT = t.TypeVar("_ModelT")


class ApiClient:
    """Call the API that runs beside the pages.

    Paths are below the API's prefix and can't leave it; redirects are followed as far as they
    stay there, and are returned as they are if they don't. Cookies are never kept, as one client
    serves all users of a Streamlit process, and neither proxies nor passwords are looked for in
    the environment, as the API is on this machine.

    Thread-safe, and may be made before a fork. Clients are cheap: all of a process share its
    connections, and idle ones are closed when the last client is closed or dropped.

    :param base_url: URL of the API. If not given, it's the one of this code's application, which
        is called without a way through the public listener.
    :param timeout: Seconds to wait for an answer; ``None`` is no limit.
    :param default_headers: Header fields for every request.
    :param auth_header_factory: Called for each request, in its thread; returns more fields, which
        win over the default ones. Those of the call itself win over both.
    :param propagate_request_id: Send the id of the page run or API request that calls, unless the
        call has one.
    :param adapter: Sends the requests instead of this process's connections: for tests.
    :raise ValueError: The URL isn't one, or a header field isn't.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout: float | tuple[float | None, float | None] | None = 30.0,
        default_headers: t.Mapping[str, str] | None = None,
        auth_header_factory: HeaderFactory | None = None,
        propagate_request_id: bool = False,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self._find = ways.find_way
        if base_url:
            self._find = _known(ways.Way(callpaths.check_base(base_url)))
        self.timeout = timeout
        self._default_headers = CaseInsensitiveDict(checked(default_headers))
        self._factory = auth_header_factory
        self._propagates = propagate_request_id
        self._adapter = adapter
        self._user = User()
        self._sessions: dict[tuple[int, Way], Session] = {}

    @classmethod
    def for_fluxsync(
        cls,
        *,
        bearer_token: str | None = None,
        auth_header_factory: HeaderFactory | None = None,
        base_url: str | None = None,
        timeout: float | tuple[float | None, float | None] | None = 30.0,
        default_headers: t.Mapping[str, str] | None = None,
        propagate_request_id: bool = False,
    ) -> ApiClient:
        """Return a client that logs in: with a token, or with what a function returns.

        :param bearer_token: Sent as ``Authorization: Bearer`` (RFC 6750).
        :raise TypeError: Both are given.
        :raise ValueError: The token has spaces or control characters, or isn't ASCII.
        """
        if bearer_token is not None and auth_header_factory is not None:
            raise TypeError("give bearer_token or auth_header_factory, not both")
        if bearer_token is not None:
            auth_header_factory = bearer(bearer_token)
        return cls(
            base_url,
            timeout=timeout,
            default_headers=default_headers,
            auth_header_factory=auth_header_factory,
            propagate_request_id=propagate_request_id,
        )

    @classmethod
    def on_way(cls, find: t.Callable[[], Way]) -> ApiClient:
        """Return a client of one application of this process.

        :param find: Returns the way to its API; called for each request.
        """
        client = cls(propagate_request_id=True)
        client._find = find
        return client

    def with_bearer(self, token: str) -> ApiClient:
        """Return a client like this one, but with another ``Authorization``.

        It shares the connections, and either may be closed without the other.

        :raise ValueError: The token has spaces or control characters, or isn't ASCII.
        """
        authorization, parent = bearer(token), self._factory

        def factory() -> t.Mapping[str, str]:
            fields = CaseInsensitiveDict((parent() if parent else None) or {})
            fields.update(authorization())
            return fields

        client = ApiClient(
            timeout=self.timeout,
            default_headers=self._default_headers,
            auth_header_factory=factory,
            propagate_request_id=self._propagates,
            adapter=self._adapter,
        )
        client._find = self._find
        return client

    @property
    def base_url(self) -> str:
        """URL of the API, without a slash at its end."""
        return self._find().base

    def url(self, path: str) -> str:
        """Return the URL of an API path.

        :raise ValueError: The path is a URL, leads out of the API, or has control characters.
        """
        return callpaths.join(self.base_url, path)

    def request(self, method: str, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a request; keyword arguments are those of :func:`requests.request`.

        A request that can be repeated is, once, if it met the end of an idle connection.

        :raise ValueError: The path is a URL, leads out of the API, or has control characters; or
            a header field isn't one.
        :raise requests.RequestException: There is no answer.
        """
        way = self._find()
        url = callpaths.join(way.base, path)
        kwargs.setdefault("timeout", self.timeout)
        kwargs["headers"] = self._headers(kwargs.get("headers"))
        return self._session(way).request(method, url, **kwargs)

    @contextlib.contextmanager
    def stream(self, method: str, path: str, **kwargs: t.Any) -> Iterator[requests.Response]:
        """Send a request, and leave the answer's body to be read in pieces.

        .. code-block:: python

            with client.stream("GET", "/export") as response:
                for piece in response.iter_content(65536):
                    ...

        The connection is free again at the end of the block.
        """
        with self.request(method, path, stream=True, **kwargs) as response:
            yield response

    def get(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a GET request."""
        return self.request("GET", path, **kwargs)

    def head(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a HEAD request."""
        kwargs.setdefault("allow_redirects", False)
        return self.request("HEAD", path, **kwargs)

    def post(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a POST request."""
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a PUT request."""
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a PATCH request."""
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a DELETE request."""
        return self.request("DELETE", path, **kwargs)

    def options(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", path, **kwargs)

    def get_model(self, path: str, model: type[_ModelT], **kwargs: t.Any) -> _ModelT:
        """Send a GET request, and return the answer as a type.

        :param model: A pydantic model, or any type that pydantic knows: ``list[User]``.
        :raise ~fluxsync.upstream.models.ApiStatusError: The answer is an error; a
            :class:`requests.HTTPError`.
        :raise ~fluxsync.upstream.models.ApiAnswerError: It isn't of that type.
        """
        return t.cast(_ModelT, self._ask("GET", path, model, kwargs))

    def post_model(
        self, path: str, response_model: type[_ModelT], *, body: t.Any = None, **kwargs: t.Any
    ) -> _ModelT:
        """Send a POST request, and return the answer as a type.

        :param body: Sent as JSON: a pydantic model, or anything that has one in it. Or ``json``,
            as with :func:`requests.request`.
        :raise TypeError: Both are given.
        """
        return t.cast(_ModelT, self._ask("POST", path, response_model, kwargs, body))

    def put_model(
        self, path: str, response_model: type[_ModelT], *, body: t.Any = None, **kwargs: t.Any
    ) -> _ModelT:
        """Send a PUT request; else like :meth:`post_model`."""
        return t.cast(_ModelT, self._ask("PUT", path, response_model, kwargs, body))

    def patch_model(
        self, path: str, response_model: type[_ModelT], *, body: t.Any = None, **kwargs: t.Any
    ) -> _ModelT:
        """Send a PATCH request; else like :meth:`post_model`."""
        return t.cast(_ModelT, self._ask("PATCH", path, response_model, kwargs, body))

    def _ask(
        self, method: str, path: str, model: t.Any, kwargs: dict[str, t.Any], body: t.Any = None
    ) -> t.Any:
        if body is not None:
            if kwargs.get("json") is not None or kwargs.get("data") is not None:
                raise TypeError("give body, json or data, and one of them only")
            kwargs["data"] = models.dump(body)
            fields = CaseInsensitiveDict(kwargs.get("headers") or {})
            fields.setdefault("Content-Type", "application/json")
            kwargs["headers"] = fields
        plain = re.split("[?#]", path, maxsplit=1)[0]
        return models.read(method, plain, self.request(method, path, **kwargs), model)

    def _headers(self, own: t.Mapping[str, str] | None) -> CaseInsensitiveDict[str]:
        fields = self._default_headers.copy()
        if self._factory is not None:
            fields.update(checked(self._factory()))
        fields.update(checked(own))
        request_id = current_request_id.get()
        if self._propagates and request_id and HEADER not in fields:
            fields[HEADER] = request_id
        fields.update({} if "traceparent" in fields else propagated())
        return fields

    def _session(self, way: Way) -> Session:
        # Not one that another thread may have had in use when this process was forked.
        key = os.getpid(), way
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions.setdefault(key, Session(way, self._user, self._adapter))
        return session

    def close(self) -> None:
        """Close the connections that are idle, unless other clients use them."""
        ways.leave(self._user)

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _known(way: Way) -> t.Callable[[], Way]:
    return lambda: way


_shared: ApiClient | None = None


def shared_client() -> ApiClient:
    """Return this process's client, for pages; it sends the id of the run that calls."""
    global _shared
    # Two threads may make one each: it's the connections that are shared.
    if _shared is None:
        _shared = ApiClient(propagate_request_id=True)
    return _shared
