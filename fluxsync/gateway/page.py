"""Streamlit's page, with fluxsync's script in it."""

from __future__ import annotations

import gzip
import typing as t
import zlib

from ..sansio import encodings, injection, paths, routing
from ..sansio.protection import NONCE
from . import misplaced
from . import script as _script

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..typing import Headers
    from ..upstream.adapter import GatewayResponse
    from ..upstream.body import UpstreamBody
    from .request import Request


class Pages:
    """Edits Streamlit's answers that are pages.

    Thread-safe.
    """

    def __init__(self, settings: FluxSyncSettings) -> None:
        self._kind = settings.gateway_page_script
        self._transport = settings.gateway_transport
        self._nonce_field = settings.gateway_csp_nonce_header
        self._root_path = settings.root.path
        #: Whether Streamlit's own scripts need a nonce, also in pages without ours.
        self._has_nonces = NONCE in settings.content_security_policy
        self._is_off = self._kind == "off" and not self._has_nonces

    def may_answer(self, request: Request) -> bool:
        """Whether the answer to a request may be Streamlit's page."""
        return (
            (not self._is_off or _is_deep(request))
            and request.method in ("GET", "HEAD")
            and not routing.is_streamlits_own(request.path)
        )

    def ask(self, request: Request, fields: Headers) -> Headers:
        """Return the fields of a request to Streamlit that a page may be the answer to.

        Who doesn't ask for a page gets a part of a download, or a compressed answer, or learns
        that it hasn't changed, where Streamlit's server has more than pages (``st.App``).
        """
        wants_page = "text/html" in request.header("accept").lower()
        return injection.ask_whole(fields) if wants_page and not self._is_off else fields

    def edit(self, request: Request, response: GatewayResponse, fields: Headers) -> Headers:
        """Put the script into a page, and return the fields that it has then.

        What isn't a page stays as it is.

        :raise UpstreamError: The page didn't come.
        :raise Failure: The page would be of no use at this path.
        """
        body = response.body
        if _is_deep(request) and request.method == "GET" and _is_streamlits(body):
            raise misplaced.refuse_page(request)
        if self._is_off:
            return fields
        head, left = body.head, body.remaining
        is_small = left is None or left <= injection.LIMIT
        if not injection.may_be_edited(head.status, head.named) or not is_small:
            return fields
        if request.method == "HEAD":
            # Its length, and whether it has a head, is what only a GET shows.
            return injection.edited_fields(fields, None)
        page = _take(body)
        at = injection.find_head(page)
        if not at:
            body.put_back(page)
            return fields
        return self._inject(request, body, fields, page[:at], page[at:])

    def _inject(
        self, request: Request, body: UpstreamBody, fields: Headers, before: bytes, after: bytes
    ) -> Headers:
        script = _script.load()
        nonce = request.nonce or proxy_nonce(request, self._nonce_field)
        if nonce:
            after = injection.with_nonce(after, nonce)
        if self._kind != "off":
            before += self._tag(request, script, nonce)
            after = b"</script>" + after
        is_inline = self._kind == "inline"
        accepted = encodings.choose(request.header("accept-encoding"), ("gzip",))
        coding = "gzip" if accepted == "gzip" and body.is_complete else ""
        if not coding:
            body.put_back(before + (script.text if is_inline else b"") + after)
        elif is_inline:
            body.put_back(_script.gzip_around(before, script, after))
        else:
            body.put_back(gzip.compress(before + after, 6, mtime=0))
        return injection.edited_fields(fields, body.remaining, coding)

    def _tag(self, request: Request, script: _script.PageScript, nonce: str) -> bytes:
        path = request.target.path
        attributes = [("data-path", path), ("data-transport", self._transport)]
        if self._root_path:
            attributes.insert(1, ("data-root", self._root_path))
        if self._kind == "file":
            # Relative, as nobody may have said under which root path this is.
            reference = paths.relative_reference(path, _script.PATH)
            attributes.insert(0, ("src", f"{reference}?v={script.version}"))
        if nonce:
            attributes.append(("nonce", nonce))
        return injection.opening_tag(attributes)


def proxy_nonce(request: Request, name: str) -> str:
    """Return the nonce of the policy that a trusted proxy will give the page, or ``""``.

    :param name: Name of the field that says so; ``""`` if there's none.
    """
    if not name or not request.client.via_trusted:
        return ""
    return injection.nonce(request.header(name))


def _is_deep(request: Request) -> bool:
    """Whether the path has more segments than the name of a page can have."""
    return request.target.path.count("/") > 1


def _is_streamlits(body: UpstreamBody) -> bool:
    """Whether a body is Streamlit's page, which loads its files relative to its path."""
    named = body.head.named
    is_html = named.get("content-type", "").startswith("text/html")
    # Not a redirect, and not the words of an error.
    is_page = is_html and body.head.status in (200, 404)
    coding = named.get("content-encoding", "identity").lower()
    is_small = body.remaining is None or body.remaining <= injection.LIMIT
    if not is_page or not is_small or coding not in ("identity", "gzip"):
        return False
    decode = _gunzip if coding == "gzip" else bytes
    page = _take(body, decode)
    body.put_back(page)
    return injection.is_streamlits(decode(page))


def _gunzip(data: bytes) -> bytes:
    """Return what the beginning of compressed data says."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, injection.LIMIT)
    except zlib.error:
        return b""


def _take(body: UpstreamBody, decode: t.Callable[[bytes], bytes] = bytes) -> bytes:
    """Take a page out of its body: all of it, or as much as there is to look at.

    Who sends a page without its length may send it slowly, for people to read meanwhile.
    """
    page = b""
    while not body.is_complete and len(page) <= injection.LIMIT:
        page += next(body, b"")
        if body.remaining is None and injection.is_enough(decode(page)):
            break
    return page
