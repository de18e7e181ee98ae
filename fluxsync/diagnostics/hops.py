"""Decide what proxies have done to the page's header fields and redirects. No I/O."""

from __future__ import annotations

import typing as t

from ..sansio import balancing
from . import remedies
from .findings import Finding, Hop, ok, problem, warning

if t.TYPE_CHECKING:
    from .address import Address
    from .observations import Answer

#: Fields that are there once (RFC 9110 5.3); with two of them, browsers take one or none.
_SINGLE = (
    "access-control-allow-origin",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "location",
    "retry-after",
    "server",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
)


def judge_headers(answers: t.Iterable[Answer]) -> Finding:
    """Return whether fields are there twice, and the request's id comes through."""
    answers = list(answers)
    doubled = sorted({n for a in answers for n in _SINGLE if len(a.all(n)) > 1})
    if doubled:
        text = f"Answers have these fields twice: {', '.join(doubled)}."
        remedy = remedies.write("doubled", answers[0].get("server"))
        return warning("headers", Hop.PROXY, text, remedy)
    ids = [(a.request_id, a.get("x-request-id")) for a in answers]
    if any(not got for _, got in ids):
        text = "X-Request-Id is missing in answers, so that a request can't be found in the log."
        return warning(
            "headers", Hop.PROXY, text, ("In the proxy: leave X-Request-Id in answers.",)
        )
    if any(sent != got for sent, got in ids):
        return ok("headers", "none twice; a proxy gives requests ids of its own")
    return ok("headers", "none twice; request ids pass")


def judge_cookies(mount: Address, answers: t.Iterable[Answer]) -> Finding:
    """Return whether the browser sends the cookies back."""
    cookies = [cookie for answer in answers for cookie in answer.cookies]
    names = ", ".join(sorted({pair.partition("=")[0] for pair, _ in cookies}))
    paths = {pair.partition("=")[0]: _attribute(attributes, "path") for pair, attributes in cookies}
    # Load balancers' own ones are for them to know.
    ours = {n: p for n, p in paths.items() if n.startswith(("fluxsync", "_streamlit"))}
    lost = {n: p for n, p in ours.items() if p and not _covers(p, mount.path)}
    if lost:
        name, path = next(iter(lost.items()))
        text = (
            f"The cookie {name} has the path {path}, and the page is at {mount.path}: "
            "browsers don't send it there."
        )
        remedy = (
            f"FLUXSYNC_ROOT_PATH={mount.path.rstrip('/') or '/'}",
            "and no proxy_cookie_path, or the like, in the proxy.",
        )
        return problem("cookies", Hop.GATEWAY, text, remedy)
    if mount.scheme == "http" and any(_has(attributes, "secure") for _, attributes in cookies):
        text = "Cookies have Secure, and the page came by http: browsers don't keep them."
        return problem("cookies", Hop.PROXY, text, ("Publish it with https://.",))
    if paths.get(balancing.COOKIE) == "/" and mount.path != "/":
        prefix = mount.path.rstrip("/")
        text = (
            f"The gateway isn't sure that it's published under {prefix}: pages work, but cookies "
            "are for all of the host, and the API's own links may lack the prefix."
        )
        return warning("cookies", Hop.GATEWAY, text, (f"FLUXSYNC_ROOT_PATH={prefix}",))
    return ok("cookies", f"{names}: browsers send them back" if names else "none are set")


def judge_scheme(mount: Address, page: Answer) -> Finding | None:
    """Return whether the gateway knows the scheme, or ``None`` if the page doesn't tell."""
    own = [
        attributes for pair, attributes in page.cookies if pair.startswith(f"{balancing.COOKIE}=")
    ]
    if mount.scheme == "http" or not own:
        return None
    if _has(own[0], "secure"):
        return ok("scheme", "the gateway knows that browsers come by https")
    text = (
        "Browsers come by https, and the gateway takes it for http: its cookies lack Secure, "
        "and the API's own links begin with http. Either the proxy doesn't send "
        "X-Forwarded-Proto, or the gateway doesn't trust it."
    )
    settings = (
        "FLUXSYNC_TRUST_PROXY=true",
        "FLUXSYNC_FORWARDED_ALLOW_IPS=<the proxy's address, as the gateway sees it>",
    )
    remedy = remedies.write("scheme", page.get("server"), *settings)
    return warning("scheme", Hop.PROXY, text, remedy)


def judge_redirect(mount: Address, answer: Answer) -> Finding | None:
    """Return whether Streamlit's redirect of a page with a slash stays where it belongs.

    :return: ``None`` where Streamlit doesn't redirect.
    """
    location = answer.get("location")
    if not 300 <= answer.status < 400 or not location:
        return None
    there = answer.address.join(location)
    if there is None or there.origin != mount.origin:
        text = f"A redirect within the application leads to {there or 'nowhere'}."
    elif not there.path.startswith(mount.path):
        text = f"A redirect within the application leads out of {mount.path}, to {there.path}."
    elif there.path.startswith(mount.path + mount.path[1:]) and mount.path != "/":
        text = f"A redirect within the application has the prefix twice: {there.path}."
    else:
        return ok("redirects", "they stay in the application")
    return problem("redirects", Hop.PROXY, text, remedies.write("redirect", answer.get("server")))


def _covers(cookie_path: str, path: str) -> bool:
    """Whether a cookie goes to a path (RFC 6265 5.1.4)."""
    return path.startswith(cookie_path.rstrip("/") + "/") or path == cookie_path


def _attribute(attributes: str, name: str) -> str:
    for part in attributes.split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == name:
            return value
    return ""


def _has(attributes: str, name: str) -> bool:
    return any(part.strip().lower() == name for part in attributes.split(";"))
