"""The Flask application under the API's path, with OpenAPI."""

from __future__ import annotations

import difflib
import functools
import inspect
import logging
import typing as t

import flask
import flask_openapi3_redoc.plugins
import flask_openapi3_swagger.plugins
import pydantic
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.server import Server
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from ..exceptions import ApiError
from .responses import JSONProvider, with_json
from .responses import Problem as Problem
from .routers import Documented, check_router

if t.TYPE_CHECKING:
    from werkzeug.sansio.response import Response as SansIOResponse


class Api(Documented, OpenAPI):
    """A Flask application with OpenAPI whose views may return models."""

    json_provider_class = JSONProvider

    @functools.cached_property
    def logger(self) -> logging.Logger:
        """``fluxsync.api``, whatever the import name is: it goes where fluxsync's log goes."""
        return logging.getLogger("fluxsync.api")

    def make_response(self, rv: t.Any) -> flask.Response:
        """Return a response for what a view has returned; see :func:`.with_json`."""
        return super().make_response(with_json(rv))

    def include_router(
        self, router: APIBlueprint, *, prefix: str = "", tags: t.Sequence[str] = ()
    ) -> None:
        """Register a router, as :meth:`register_api` does.

        :param prefix: Goes before the router's own.
        :raise ApiError: It isn't one of :func:`fluxsync.api.router`.
        """
        check_router(router)
        if tags:
            raise ApiError("include_router tags: give them to router(tags=...)")
        if router.name in self.blueprints:
            raise ApiError(f"include_router: there is a router named {router.name!r} already")
        own = router.url_prefix or ""
        options = {"url_prefix": prefix.rstrip("/") + own} if prefix else {}
        self.register_api(router, **options)

    def register_api(self, api: APIBlueprint, **options: t.Any) -> None:
        """Register a router; it can be registered with other applications, too."""
        own = api.url_prefix, api.paths
        try:
            super().register_api(api, **options)
        finally:
            # A further prefix would stay there, and go before the paths once more.
            api.url_prefix, api.paths = own


def create_api(title: str, mount: str, flask_kwargs: t.Mapping[str, t.Any] | None = None) -> Api:
    """Return an empty API with its documentation.

    The documentation's pages and everything they load come from this process, so that they
    work without internet: ``/docs`` (Swagger UI), ``/redoc``, ``/openapi.json``.

    :param mount: Path under which the API is mounted.
    :param flask_kwargs: Further arguments of :class:`flask_openapi3.OpenAPI` and
        :class:`flask.Flask`; without documentation, if ``doc_ui`` is false.
    :raise ApiError: One of them doesn't exist, or isn't for others to give.
    """
    options: dict[str, t.Any] = {
        "import_name": "fluxsync.api",
        "validation_error_callback": _invalid,
        "static_folder": None,
        # Not left out, but null, which isn't valid.
        "security_schemes": {},
        **_checked(flask_kwargs or {}),
    }
    is_documented = options.pop("doc_ui", True)
    given = options.pop("info", None)
    info = (
        given.model_copy(update={"title": title}) if given else Info(title=title, version="1.0.0")
    )
    api = Api(
        **{
            **options,
            "info": info,
            # Relative to /openapi.json, so that it's right under any prefix.
            "servers": [Server(url=f"../{mount.rpartition('/')[2]}")],
            "responses": {422: Problem, **(options.get("responses") or {})},
            "doc_ui": False,
        }
    )
    api.register_error_handler(HTTPException, _http_error)
    if is_documented:
        _add_documentation(api)
    return api


def _checked(options: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    given: t.Any = options
    if not isinstance(given, t.Mapping):
        raise ApiError(f"flask_kwargs={given!r}: expected a dictionary")
    known = {
        name
        for kind in (OpenAPI, flask.Flask)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    for name, value in options.items():
        if name == "servers":
            raise ApiError("flask_kwargs: servers is up to fluxsync; see api_mount_path")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f", {near[0]!r} perhaps" if near else ""
            raise ApiError(f"flask_kwargs: {name!r} is no argument of OpenAPI or Flask{hint}")
        if name == "info" and not isinstance(value, Info):
            raise ApiError(f"flask_kwargs: info={value!r}: expected a flask_openapi3.Info")
    return options


#: The documentation's pages come with scripts of their own in them, and show what the API says of
#: itself. Under a policy for pages of Streamlit's, they would be empty.
_DOCUMENTATION_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def _documentation(view: t.Callable[[], str]) -> t.Callable[[], flask.Response]:
    """Return a view of a page of documentation that has a policy of its own."""

    def show() -> flask.Response:
        response = flask.make_response(view())
        response.headers["Content-Security-Policy"] = _DOCUMENTATION_POLICY
        return response

    return show


def _add_documentation(api: OpenAPI) -> None:
    swagger = flask_openapi3_swagger.plugins.RegisterPlugin
    redoc = flask_openapi3_redoc.plugins.RegisterPlugin
    for plugin in (swagger, redoc):
        api.register_blueprint(plugin.register(doc_url="openapi.json"))
    api.add_url_rule("/openapi.json", "openapi", lambda: flask.jsonify(api.api_doc))
    for name in ("swagger.swagger", "redoc.redoc"):
        api.view_functions[name] = _documentation(t.cast(t.Any, api.view_functions[name]))
    # Its files are relative to a page beside /swagger.
    api.add_url_rule("/docs", "docs", api.view_functions["swagger.swagger"])


def problem(
    status: int, detail: str | None = None, errors: list[dict[str, t.Any]] | None = None
) -> flask.Response:
    """Return an error response."""
    content = Problem(
        title=HTTP_STATUS_CODES.get(status, "Error"), status=status, detail=detail, errors=errors
    )
    response = flask.make_response(content.model_dump_json(exclude_none=True), status)
    response.content_type = "application/problem+json"
    return response


def _http_error(error: HTTPException) -> SansIOResponse | flask.Response:
    if error.response is not None:
        return error.response  # abort(response): it's what the view wants to be sent
    response = problem(error.code or 500, error.description)
    # Allow, Retry-After, WWW-Authenticate: what the error says besides its page.
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers.add(name, value)
    return response


def _invalid(error: pydantic.ValidationError) -> flask.Response:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(map(str, errors[0]["loc"]))
    detail = f"{where}: {errors[0]['msg']}" if where else errors[0]["msg"]
    return problem(422, detail, [dict(e) for e in errors])
