"""What users read when a login fails."""

from __future__ import annotations

import contextlib
import html
import logging
import typing as t

import flask
from werkzeug.exceptions import HTTPException

from ..exceptions import ProviderError, ProviderTimeoutError
from .oidc import CodeRefusedError, WrongNonceError
from .verification import InvalidTokenError

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger("fluxsync.auth")

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign-in failed</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 34rem;
padding: 0 1rem; }}</style>
<h1>Sign-in failed</h1>
<p>{reason}</p>
<p><a href="{again}">Sign in again</a></p>
</html>
"""

#: Errors of an authorization endpoint (RFC 6749 4.1.2.1, Core 3.1.2.6) that are the user's doing.
_OF_USERS = {
    "access_denied": "You, or the provider, refused the sign-in.",
    "login_required": "The provider needs you to sign in.",
    "consent_required": "The provider needs your consent.",
    "temporarily_unavailable": "The provider is busy. Try again later.",
}


class RefusedLoginError(HTTPException):
    """A login fails; its description is for the user."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code

    @classmethod
    def of_provider(cls, arguments: Mapping[str, str]) -> RefusedLoginError:
        """Return one for the error parameters of a provider."""
        error = arguments["error"][:64]
        described = arguments.get("error_description", "")[:300]
        logger.warning("the provider refuses a login: %r", error)  # it may have line feeds
        reason = _OF_USERS.get(error, f"The provider says: {error}.")
        code = 403 if error == "access_denied" else 400
        return cls(code, f"{reason} {described}".strip())


@contextlib.contextmanager
def provider_failures() -> Iterator[None]:
    """Turn a provider's failures into what the user reads."""
    try:
        yield
    except CodeRefusedError as e:
        raise RefusedLoginError(400, "The provider doesn't take this sign-in any more.") from e
    except WrongNonceError as e:
        logger.warning("a login got a token that was made for another one")
        raise RefusedLoginError(400, "This answer is for another sign-in.") from e
    except ProviderTimeoutError as e:
        logger.warning("a login fails: %s", e)
        raise RefusedLoginError(504, "The provider takes too long to answer.") from e
    except InvalidTokenError as e:
        logger.warning("a login fails: the id_token isn't valid: %s", e.__cause__ or e)
        raise RefusedLoginError(502, "The provider's answer isn't valid.") from e
    except (ProviderError, OSError) as e:  # a provider of one's own may raise what requests does
        logger.warning("a login fails: %s", e)
        raise RefusedLoginError(502, "The provider can't be asked.") from e


def refusal_page(error: RefusedLoginError) -> flask.Response:
    """Return the page for a login that has failed."""
    again = flask.url_for("fluxsync_oidc.login")
    page = _PAGE.format(reason=html.escape(error.description or ""), again=html.escape(again))
    response = flask.make_response(page, error.code)
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response
