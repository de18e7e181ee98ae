"""Decide what was found at the address. No I/O."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import unquote

from .findings import Finding, Hop, ok, problem, warning
from .observations import Trouble

if t.TYPE_CHECKING:
    from .address import Address
    from .observations import Answer, Arrival

_LOGIN_WORDS = re.compile(
    r"log[-_]?in|sign[-_]?in|auth|sso|saml|oidc|openid|__login__|cas/|idp|identity", re.I
)
#: In what the gateway says to a browser that has come by an unknown prefix.
_PREFIX = re.compile(r"FLUXSYNC_ROOT_PATH=(/[^ .]*)")
_HEADER_REMEDY = (
    "Give fluxsync doctor what the browser sends after the login: --header 'Authorization: ...'",
    "or --header 'Cookie: ...'; for Posit Connect, --header 'Authorization: Key ...'.",
)


def judge(arrival: Arrival) -> tuple[Finding, bool]:
    """Return what there is to say about the page, and whether there's any sense in going on."""
    last = arrival.last
    if last.trouble is not None:
        return _unreachable(last), False
    if arrival.elsewhere is not None:
        return _elsewhere(arrival.answers[0].address, arrival.elsewhere), False
    if last.is_login or (last.status == 403 and not last.is_gateways):
        how = f"answers {last.status}" if last.status != 200 else "shows a login page"
        text = f"Somebody in front of fluxsync asks who is there: {last.address} {how}."
        return problem("page", Hop.PROXY, text, _HEADER_REMEDY), False
    if arrival.goes_round:
        return _goes_round(arrival), True
    if last.is_streamlits_page:
        via = " (after a redirect)" if len(arrival.answers) > 1 else ""
        return ok("page", f"Streamlit's page comes in {last.seconds:.2f} s{via}"), True
    return _no_page(last), True


def judge_mount(page: Answer, mount: Address | None, *, is_ours: bool) -> Finding | None:
    """Return what there is to say about the path under which the application is.

    :param mount: Where the application is, by what the page says.
    :param is_ours: Whether ``/healthz`` below it is fluxsync's.
    :return: ``None`` if the page says nothing.
    """
    path, seen = page.address.path, page.seen_path
    if seen is None:
        return None
    if mount is None:
        text = (
            f"The gateway saw {seen} when {path} was asked for: "
            "the proxy changes paths, and not only by stripping a prefix."
        )
        return problem("path", Hop.PROXY, text, ("Publish fluxsync under one prefix, as it is.",))
    root = page.root_path
    if is_ours and root and root != unquote(mount.path.rstrip("/")):
        text = f"The application is under {mount.path}, and its root path is {root}."
        remedy = (f"FLUXSYNC_ROOT_PATH={mount.path.rstrip('/')}",)
        return problem("path", Hop.GATEWAY, text, remedy)
    if is_ours:
        where = f"under {mount.path.rstrip('/')}" if mount.path != "/" else "at the root"
        return ok("path", f"published {where}; the gateway sees {seen}")
    return prefix_missing(path)


def prefix_missing(path: str) -> Finding:
    """Return what to say about a prefix that reaches a gateway which doesn't know it."""
    prefix = path.rstrip("/") or "/"
    text = (
        f"The gateway sees the prefix {prefix} and doesn't know that it's one: "
        "the proxy doesn't strip it, and root_path isn't set."
    )
    remedy = (
        f"FLUXSYNC_ROOT_PATH={prefix}",
        f"or have the proxy strip it; nginx: location {prefix}/ {{ proxy_pass http://HOST:PORT/; }}",
    )
    return problem("path", Hop.GATEWAY, text, remedy)


def judge_bare_mount(mount: Address, answer: Answer) -> Finding | None:
    """Return what there is to say about the mount without the slash at its end."""
    bare = mount.path.rstrip("/")
    if answer.trouble is None and 300 <= answer.status < 400:
        there = answer.address.join(answer.get("location"))
        if there is not None and there.origin == mount.origin and there.path == mount.path:
            return None
        text = f"{bare} leads to {there or 'nowhere'} instead of {mount.path}."
    elif answer.is_streamlits_page:
        text = f"{bare} shows the page, which then loads its files from the wrong path."
    else:
        text = f"{bare}, without a slash at its end, {describe(answer)}."
    return warning("path", Hop.PROXY, text, (f"In the proxy: redirect {bare} to {mount.path}.",))


def describe(answer: Answer) -> str:
    """Return what came instead of what was expected, after the name of what was asked."""
    if answer.trouble is Trouble.TIMEOUT:
        what = "isn't complete" if answer.status else "doesn't answer"
        return f"{what} within {answer.seconds:.0f} s"
    if answer.trouble is not None:
        return f"breaks off: {answer.detail}" if answer.status else f"fails: {answer.detail}"
    server = answer.get("server")
    by = "" if answer.is_gateways else f" (from {server[:40]})" if server else ""
    detail = said(answer)
    return f"answers {answer.status}{by}{': ' + detail if detail else ''}"


def said(answer: Answer) -> str:
    """Return the gateway's own words, if it's the gateway who answered."""
    if not answer.is_gateways or answer.status < 400:
        return ""
    found = re.search(r'"detail": ?"([^"]*)"|<p>([^<]*)</p>', answer.text)
    text = (found[1] or found[2]) if found else answer.text
    return "" if "<" in text else " ".join(text.split())[:300]


def _unreachable(answer: Answer) -> Finding:
    address, detail = answer.address, answer.detail
    where = f"{address.host}:{address.port}"
    certificate = (
        "Renew it or add what is missing; for an authority of your own, --ca-file FILE;",
        "--insecure looks at the rest nevertheless.",
    )
    text, remedy = {
        Trouble.NAME: (f"There's no host {address.host}: {detail}.", ()),
        Trouble.REFUSED: (f"Nothing listens at {where}.", ()),
        Trouble.CERTIFICATE: (f"The certificate of {where} isn't valid: {detail}.", certificate),
        Trouble.TLS: (f"{where} doesn't speak TLS as expected: {detail}.", ("Try http://.",)),
        Trouble.TIMEOUT: (f"{address} {describe(answer)}.", ()),
        Trouble.BROKEN: (f"{address} {describe(answer)}.", ()),
        Trouble.NOT_HTTP: (f"{where} doesn't answer in HTTP: {detail}.", ("Try https://.",)),
    }[t.cast(Trouble, answer.trouble)]
    hop = Hop.PROXY if answer.status or answer.trouble is Trouble.CERTIFICATE else Hop.NETWORK
    return problem("page", hop, text, remedy)


def _elsewhere(here: Address, there: Address) -> Finding:
    """Return what to say where a redirect leads to another site."""
    remedy: tuple[str, ...]
    if there.host == here.host and there.scheme == "http":
        text = f"{here} leads back to http: {there}."
        remedy = ("Whoever redirects doesn't know that browsers come by https.",)
    elif _LOGIN_WORDS.search(f"{there.host}{there.path}"):
        text, remedy = f"{here} leads to a login: {there}.", _HEADER_REMEDY
    else:
        text, remedy = f"{here} leads to another site: {there}.", (f"Try --url {there}",)
    return problem("page", Hop.PROXY, text, remedy)


def _goes_round(arrival: Arrival) -> Finding:
    last = arrival.answers[-2:]
    paths = {answer.address.path for answer in last}
    # Streamlit takes the prefix for the name of a page, and redirects to it without the slash.
    slashes = len(paths) > 1 and len({path.rstrip("/") for path in paths}) == 1
    if slashes and any(answer.is_gateways for answer in arrival.answers):
        return prefix_missing(arrival.answers[0].address.path)
    where = sorted({str(answer.address) for answer in last})
    text = f"Redirects go round: {' and '.join(where)}."
    return problem("page", Hop.PROXY, text)


def _no_page(answer: Answer) -> Finding:
    prefix = _PREFIX.search(said(answer))
    if prefix:
        return prefix_missing(prefix[1])
    if answer.is_gateways and answer.status >= 500:
        return problem("page", Hop.STREAMLIT, f"The page {describe(answer)}.")
    hop = Hop.GATEWAY if answer.is_gateways else Hop.PROXY
    if answer.status in (502, 503, 504):
        text = f"The proxy doesn't reach fluxsync: {answer.address} {describe(answer)}."
        remedy = ("See that fluxsync runs, and that the proxy asks the right port.",)
        return problem("page", hop, text, remedy)
    if answer.status == 200:
        what = "a page that isn't Streamlit's" if answer.is_page else answer.kind or "no page"
        return problem("page", hop, f"{answer.address} shows {what}.")
    return problem("page", hop, f"{answer.address} {describe(answer)}.")
