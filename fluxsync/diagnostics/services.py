"""Decide on what answers around the page: health, Streamlit's endpoints, files. No I/O."""

from __future__ import annotations

import json
import typing as t

from . import remedies
from .arrivals import describe
from .findings import Finding, Hop, ok, problem, warning

if t.TYPE_CHECKING:
    from .observations import Answer

#: What a file of the frontend is.
_SCRIPT_KINDS = ("text/javascript", "application/javascript", "application/x-javascript")


def is_fluxsync(healthz: Answer) -> bool:
    """Whether an answer of ``/healthz`` is fluxsync's."""
    return healthz.status == 200 and _json(healthz).get("status") == "ok"


def judge_health(healthz: Answer, readyz: Answer) -> Finding:
    """Return whether the gateway lives, and Streamlit is ready."""
    if not is_fluxsync(healthz):
        remedy = remedies.write("path", healthz.get("server"))
        text = f"/healthz below the page {describe(healthz)}: it isn't fluxsync's answer."
        return warning("health", Hop.PROXY, text, remedy)
    ready = _json(readyz)
    if readyz.status == 200 and ready.get("status") == "ready":
        return ok("health", "the gateway lives, and Streamlit is ready")
    if ready.get("status") == "not_ready":
        text = f"The gateway lives, and Streamlit isn't ready: {ready.get('detail')}."
        remedy = ("See fluxsync's log, and fluxsync status on its host.",)
        return problem("health", Hop.STREAMLIT, text, remedy)
    remedy = remedies.write("path", readyz.get("server"))
    return warning("health", Hop.PROXY, f"/readyz {describe(readyz)}.", remedy)


def judge_operations(name: str, answer: Answer, *, is_near: bool) -> Finding | None:
    """Return whether what is for operators is shown to anybody; ``None`` if it isn't.

    :param name: Last part of its path.
    :param is_near: Whether who asks is on the server's machine, and so is an operator.
    """
    shown = b"fluxsync_" in answer.content or b"replicas" in answer.content
    if is_near or answer.status != 200 or not answer.is_gateways or not shown:
        return None
    text = f"/__fluxsync/{name} is shown to whoever asks, without a token."
    remedy = ("FLUXSYNC_OPERATIONS_TOKEN=..., such as of: openssl rand -hex 32",)
    local = answer.address.host in ("127.0.0.1", "::1", "localhost")
    # From here, it may be that nothing is between: then it's for whoever is on this machine.
    return (warning if local else problem)("operations", Hop.GATEWAY, text, remedy)


def judge_foreign(page: Answer, health: Answer) -> Finding:
    """Return what to say where there's no fluxsync.

    :param health: The answer of Streamlit's own health check.
    """
    if page.is_streamlits_page or (health.status == 200 and health.content.strip() == b"ok"):
        text = "This is Streamlit itself, without fluxsync: nothing of fluxsync answers there."
        remedy = ("Let the proxy ask fluxsync's port, not Streamlit's.",)
        return problem("fluxsync", Hop.PROXY, text, remedy)
    text = "Nothing of fluxsync answers there, nor of Streamlit."
    remedy = ("See that the address is right, and that the proxy passes all of the prefix on.",)
    return problem("fluxsync", Hop.PROXY, text, remedy)


def judge_script(page: Answer) -> Finding:
    """Return whether fluxsync's script is in the page, and may run."""
    if page.seen_path is None:
        text = (
            "fluxsync's script isn't in the page, so pages need WebSockets, and a prefix "
            "must be known: gateway_page_script is off, or something replaces the page."
        )
        return warning("script", Hop.GATEWAY, text, ("FLUXSYNC_GATEWAY_PAGE_SCRIPT=inline",))
    policies = page.all("content-security-policy")
    for policy in policies:
        sources = _script_sources(policy)
        is_inline = " data-path=" in page.text and 'src="' not in _opening_tag(page.text)
        allowed = "'unsafe-inline'" in sources if is_inline else "'self'" in sources
        if sources and not allowed and " nonce=" not in _opening_tag(page.text):
            text = f"The Content-Security-Policy keeps fluxsync's script from running: {policy}"
            remedy = (
                "FLUXSYNC_GATEWAY_PAGE_SCRIPT=file and script-src 'self',",
                "or FLUXSYNC_GATEWAY_CSP_NONCE_HEADER with a nonce.",
            )
            return problem("script", Hop.PROXY, text[:300], remedy)
    return ok("script", "fluxsync's script is in the page")


def judge_asset(asset: Answer) -> Finding:
    """Return how a file of the frontend comes."""
    server = asset.get("server")
    if asset.status != 200 or asset.trouble is not None or asset.kind not in _SCRIPT_KINDS:
        how = describe(asset)
        if asset.status == 200 and asset.trouble is None:
            how = f"is {asset.kind or 'without a type'} instead of a script"
        text = f"A file of the frontend, {asset.address.path}, {how}: the page stays empty."
        return problem("files", Hop.PROXY, text, remedies.write("files", server))
    wrong = []
    if asset.get("content-encoding").lower() not in ("gzip", "br", "zstd"):
        wrong.append("uncompressed, though browsers ask for gzip")
    if "immutable" not in asset.get("cache-control"):
        wrong.append(f"with Cache-Control {asset.get('cache-control')!r} instead of immutable")
    if wrong:
        text = f"Files of the frontend come {' and '.join(wrong)}: pages load more slowly."
        aside = "(Right after fluxsync's first start, files aren't compressed yet.)"
        return warning("files", Hop.PROXY, text, (*remedies.write("files", server), aside))
    return ok("files", f"{asset.get('content-encoding')}, cached for ever")


def judge_streamlit(health: Answer, host_config: Answer) -> Finding:
    """Return whether Streamlit's endpoints answer, which the page asks first."""
    if health.status != 200 or health.content.strip() != b"ok":
        hop = Hop.STREAMLIT if health.is_gateways else Hop.PROXY
        text = f"/_stcore/health {describe(health)}, and the page doesn't begin without."
        return problem("streamlit", hop, text, remedies.write("path", health.get("server")))
    if host_config.status != 200 or not _json(host_config):
        hop = Hop.STREAMLIT if host_config.is_gateways else Hop.PROXY
        text = f"/_stcore/host-config {describe(host_config)}, and the page doesn't begin without."
        return problem("streamlit", hop, text, remedies.write("path", host_config.get("server")))
    return ok("streamlit", "health and host-config answer")


def _json(answer: Answer) -> dict[str, t.Any]:
    try:
        data = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _script_sources(policy: str) -> list[str]:
    found: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        name, *values = directive.lower().split() or [""]
        found.setdefault(name, values)
    for name in ("script-src-elem", "script-src", "default-src"):
        if name in found:
            return found[name] or ["'none'"]
    return []


def _opening_tag(page: str) -> str:
    """Return the opening tag of fluxsync's script."""
    start = page.rfind("<script", 0, page.find(" data-path="))
    return page[start : page.find(">", start)]
