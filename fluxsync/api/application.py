"""The Flask application under the API's path, with OpenAPI."""

from __future__ import annotations

import typing as t

import flask
import flask_openapi3_redoc.plugins
import flask_openapi3_swagger.plugins
import pydantic
from flask_openapi3.models.info import Info
from flask_openapi3.models.server import Server
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

if t.TYPE_CHECKING:
    from werkzeug.sansio.response import Response as SansIOResponse


class Problem(pydantic.BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    #: For bad input: where it is and what's wrong with it.
    errors: list[dict[str, t.Any]] | None = None


def create_api(title: str, mount: str) -> OpenAPI:
    """Return an empty API with its documentation.

    The documentation's pages and everything they load come from this process, so that they
    work without internet: ``/docs`` (Swagger UI), ``/redoc``, ``/openapi.json``.

    :param mount: Path under which the API is mounted.
    """
    api = OpenAPI(
        "fluxsync.api",
        info=Info(title=title, version="1.0.0"),
        # Relative to /openapi.json, so that it's right under any prefix.
        servers=[Server(url=f"../{mount.rpartition('/')[2]}")],
        responses={422: Problem},
        validation_error_callback=_invalid,
        doc_ui=False,
        static_folder=None,
    )
    api.json.sort_keys = False  # type: ignore[attr-defined] # the default provider's
    api.register_error_handler(HTTPException, _http_error)
    _add_documentation(api)
    return api


def _add_documentation(api: OpenAPI) -> None:
    swagger = flask_openapi3_swagger.plugins.RegisterPlugin
    redoc = flask_openapi3_redoc.plugins.RegisterPlugin
    for plugin in (swagger, redoc):
        api.register_blueprint(plugin.register(doc_url="openapi.json"))
    api.add_url_rule("/openapi.json", "openapi", lambda: flask.jsonify(api.api_doc))
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
