"""Rules about secrets, what others get to see, and what is missing."""

from __future__ import annotations

import importlib.util
import typing as t

from .masking import Secret
from .situation import Situation

#: Seconds; a page that computes longer before its first byte would get 504.
_LEAST_READ_TIMEOUT = 5.0
#: Files with settings, by the beginning of what a value's source says.
_FILES = ("fluxsync.toml", "pyproject.toml", ".env")

#: Settings that need a package, the package, and the extra that has it.
_PACKAGES = (
    ("jwt_jwks_url", "jwt", "auth"),
    ("jwt_hs256_secret", "jwt", "auth"),
    ("oidc_bff_secret", "jwt", "auth"),
    ("enable_opentelemetry", "opentelemetry.sdk", "opentelemetry"),
)

#: What Streamlit's pages need of a policy: directive, source, and for what.
_NEEDED = (
    ("script-src", "'self'", "Streamlit's scripts"),
    ("style-src", "'unsafe-inline'", "Streamlit's styles"),
    ("connect-src", "'self'", "the connection of a page"),
)


def missing_extra(situation: Situation) -> t.Iterator[str]:
    """What is configured can't be imported."""
    needed = {
        (package, extra): name
        for name, package, extra in reversed(_PACKAGES)
        if getattr(situation.settings, name)
    }
    if situation.settings.worker_class == "gevent":
        needed["gevent", "gevent"] = "worker_class=gevent"
    for (package, extra), name in needed.items():
        if not _is_installed(package):
            yield f"{name} needs a package that isn't here: pip install 'fluxsync[{extra}]'"


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of what it's in
        return False


def readable_secret(situation: Situation) -> t.Iterator[str]:
    """A file with a secret that all users of the machine can read."""
    settings = situation.settings
    names: dict[str, list[str]] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        is_secret = any(isinstance(mark, Secret) for mark in field.metadata)
        if value and (is_secret or settings.shown(name) != value):
            file = settings.source(name).partition(" ")[0]
            names.setdefault(file, []).append(name)
    for file in _FILES:
        try:
            mode = (situation.directory / file).stat().st_mode
        except OSError:
            continue
        if file in names and mode & 0o004:
            yield (
                f"{file} has {', '.join(names[file])}, and every user of this machine can read it: "
                f"chmod 600 {file}"
            )


def open_operations(situation: Situation) -> t.Iterator[str]:
    """Without a token, requests of this machine are answered, and nobody else's.

    A proxy on it that sends no forwarding fields looks like this machine.
    """
    settings = situation.settings
    reachable = situation.is_open or settings.trusted_networks or settings.root.rule
    if settings.operations_token or not reachable:
        return
    for name in ("enable_gateway_prometheus_metrics", "debug"):
        if getattr(settings, name):
            yield (
                f"{name} is set without a token: only this machine gets an answer, and whoever "
                "comes by a proxy that looks like it; set operations_token"
            )


def cors_alone(situation: Situation) -> t.Iterator[str]:
    """Other sites may use the API, and nothing protects it from being framed or sniffed."""
    settings = situation.settings
    if settings.cors_allow_origins and not settings.enable_security_headers:
        yield "cors_allow_origins lets other sites in without enable_security_headers: set it to true"


def policy_misfit(situation: Situation) -> t.Iterator[str]:
    """A policy under which pages stay empty."""
    policy = situation.settings.content_security_policy
    found: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        name, *sources = directive.lower().split() or [""]
        found.setdefault(name, sources)
    for directive, source, what in _NEEDED:
        sources = found.get(directive, found.get("default-src", [source]))
        # A star stands for hosts, never for what is inline (CSP3 6.7.2.5).
        if source not in sources and (source != "'self'" or "*" not in sources):
            yield f"content_security_policy has no {source} in {directive}, so it stops {what}"


def low_read_timeout(situation: Situation) -> t.Iterator[str]:
    """Pages that take their time would fail."""
    seconds = situation.settings.gateway_upstream_read_timeout_s
    if 0 < seconds < _LEAST_READ_TIMEOUT:
        yield (
            f"gateway_upstream_read_timeout_s={seconds:g} ends what Streamlit takes longer for with "
            f"504: set it to {_LEAST_READ_TIMEOUT:g} or more"
        )


def memory_sessions(situation: Situation) -> t.Iterator[str]:
    """The API's workers and Streamlit are different processes, with a memory each."""
    settings = situation.settings
    if settings.session_store == "memory" and not settings.disable_url_session:
        yield (
            "session_store=memory keeps URL sessions apart in each process, so that the API and "
            "pages don't share them: use auto, or a database"
        )
