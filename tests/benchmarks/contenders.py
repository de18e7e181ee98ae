"""How each contender is started."""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
import typing as t

from tests.benchmarks import peers
from tests.benchmarks.peers import Unavailable
from tests.benchmarks.program import Contender
from tests.support.processes import free_port

LABELS = {
    "upstream": "upstream alone",
    "wsgi": "gunicorn alone",
    "flask": "plain Flask",
    "api": "same API alone",
    "streamlit": "Streamlit alone",
    "nginx": "nginx",
    "gthread": "fluxsync gthread",
    "gevent": "fluxsync gevent",
    "sync": "fluxsync sync",
    "fluxlit": "FluxLit",
    "frp": "fastapi-reverse-proxy",
}
#: Those that stand in front of something.
GATEWAYS = ("nginx", "gthread", "gevent", "fluxlit", "frp")
FLUXSYNC = {
    "gthread": ("-k", "gthread", "--threads", "8"),
    "gevent": ("-k", "gevent"),
    "sync": ("-k", "sync"),
}
#: What the page of Streamlit shows, and its script.
SHOWN = "Shown by the script"
SCRIPT = f"""\
import streamlit as st

st.title("Benchmark")
st.session_state.presses = st.session_state.get("presses", 0) + st.button("Press")
st.text(f"Pressed {{st.session_state.presses}} times")
st.write("{SHOWN}")
"""


def fluxsync(
    key: str, upstream: str = "", args: t.Iterable[str] = (), transport: str = ""
) -> Contender:
    """Return fluxsync under gunicorn.

    :param upstream: URL of what's behind it; if empty, it runs Streamlit with the page.
    :param transport: How pages have to reach Streamlit; if empty, they find out.
    :raise Unavailable: There's no gevent.
    """
    if key == "gevent" and importlib.util.find_spec("gevent") is None:
        raise Unavailable("gevent isn't installed")
    port = free_port()
    env = {
        "FLUXSYNC_ENABLE_GATEWAY_ACCESS_LOG": "false",
        "FLUXSYNC_LOG_LEVEL": "warning",
        # It outlives the benchmark: what is measured isn't the first start on a machine.
        "FLUXSYNC_CACHE_DIR": str(peers.cache_directory() / "fluxsync"),
    }
    if upstream:
        env["FLUXSYNC_APP"] = "tests.benchmarks.applications:app"
        env["FLUXSYNC_STREAMLIT_UPSTREAM"] = upstream
    else:
        env["FLUXSYNC_STREAMLIT_SCRIPT"] = "page.py"
    if transport:
        env["FLUXSYNC_GATEWAY_TRANSPORT"] = transport
    command = (sys.executable, "-m", "gunicorn", "fluxsync.wsgi", "--bind", f"127.0.0.1:{port}")
    return Contender(
        key,
        *(*command, *FLUXSYNC[key], *args),
        port=port,
        env=env,
        health="/readyz",
        files={} if upstream else {"page.py": SCRIPT},
    )


def plain(key: str, args: t.Iterable[str] = ()) -> Contender:
    """Return an application without fluxsync, under the same gunicorn."""
    port = free_port()
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        f"tests.benchmarks.plain_{key}",
        "--bind",
        f"127.0.0.1:{port}",
    )
    return Contender(key, *command, *FLUXSYNC["gthread"], *args, port=port, health="/ping")


def upstream_server() -> Contender:
    """Return what most rows have behind the contenders."""
    port = free_port()
    command = (sys.executable, "-m", "tests.benchmarks.upstream", str(port))
    return Contender("upstream", *command, port=port)


def streamlit(python: str = sys.executable, *, protected: bool = True) -> Contender:
    """Return ``streamlit run``.

    :param protected: Whether it protects itself against requests of foreign pages.
    """
    port = free_port()
    options = {
        "server.port": str(port),
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "global.developmentMode": "false",
        "server.enableCORS": str(protected).lower(),
        "server.enableXsrfProtection": str(protected).lower(),
    }
    return Contender(
        "streamlit",
        *(python, "-m", "streamlit", "run", "page.py"),
        *(f"--{name}={value}" for name, value in options.items()),
        port=port,
        files={"page.py": SCRIPT},
    )


def peer(key: str, upstream: str, python: str) -> Contender:
    """Return a peer under uvicorn.

    :param python: The Python that it's installed for.
    """
    port = free_port()
    text = {"fluxlit": peers.FLUXLIT, "frp": peers.FASTAPI_REVERSE_PROXY}[key]
    return Contender(
        key,
        *(python, "-m", "uvicorn", "peer:app", "--host", "127.0.0.1", "--port", str(port)),
        *("--no-access-log", "--log-level", "warning"),
        port=port,
        env={"UPSTREAM": upstream},
        files={"peer.py": text},
    )


def nginx(upstream: str) -> Contender:
    """Return nginx with one worker.

    :raise Unavailable: It isn't installed.
    """
    port = free_port()
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = peers.NGINX.format(
        port=port,
        upstream=upstream.partition("://")[2],
        files=files,
        connections=min(files, 32768),
    )
    if os.getuid() == 0:
        text = "user root;\n" + text
    command = (peers.nginx(), "-p", ".", "-e", "stderr", "-c", "nginx.conf")
    return Contender("nginx", *command, port=port, files={"nginx.conf": text})
