"""The peers: in a virtual environment of their own, outside of the repository."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

from tests.benchmarks.program import mortal

#: What is compared. Their dependencies are the newest, as everybody gets them.
PACKAGES = ("fluxlit==0.13.2", "fastapi-reverse-proxy==0.4.0", "uvicorn[standard]")

FLUXLIT = """\
import os
import time
from fastapi import FastAPI
from fluxlit.gateway import build_gateway

api = FastAPI()


@api.get("/ping")
async def ping():
    return {"ok": True}


@api.get("/burn")
def burn():
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        pass
    return {"ok": True}


app = build_gateway(api, os.environ["UPSTREAM"])
"""

FASTAPI_REVERSE_PROXY = """\
import contextlib
import os
from fastapi import FastAPI, Request, WebSocket
from fastapi_reverse_proxy import (
    close_httpx_client, create_httpx_client, proxy_pass, proxy_pass_websocket,
)

UPSTREAM = os.environ["UPSTREAM"]


@contextlib.asynccontextmanager
async def lifespan(app):
    await create_httpx_client(app)
    yield
    await close_httpx_client(app)


app = FastAPI(lifespan=lifespan)


@app.get("/api/ping")
async def ping():
    return {"ok": True}


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT"])
async def forward(request: Request, path: str):
    return await proxy_pass(request, UPSTREAM)


@app.websocket("/{path:path}")
async def relay(websocket: WebSocket, path: str):
    await proxy_pass_websocket(websocket, UPSTREAM.replace("http", "ws", 1))
"""

NGINX = """\
worker_processes 1;
worker_rlimit_nofile {files};
daemon off;
error_log stderr crit;
pid nginx.pid;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    proxy_buffering off;
    proxy_request_buffering off;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ""      "";
    }}
    upstream streamlit {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://streamlit;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 600s;
        }}
    }}
}}
"""


class Unavailable(Exception):
    """A contender can't take part; says why."""


def cache_directory() -> pathlib.Path:
    """Return where the peers are installed."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "fluxsync-benchmarks"


def python(install: bool, timeout: float = 180.0) -> str:
    """Return the Python that has the peers.

    :param install: Whether they may be installed now, which takes about a minute.
    :raise Unavailable: They aren't installed, or can't be.
    """
    directory = cache_directory() / f"peers-{sys.version_info.major}.{sys.version_info.minor}"
    executable = directory / "bin" / "python"
    stamp = directory / "packages"
    wanted = "\n".join(PACKAGES)
    if stamp.is_file() and stamp.read_text() == wanted:
        return str(executable)
    if not install:
        raise Unavailable("not installed; a run without --quick does that")
    sys.stderr.write(f"installing {', '.join(PACKAGES)} into {directory}\n")
    try:
        shutil.rmtree(directory, ignore_errors=True)
        for command in (
            (sys.executable, "-m", "venv", str(directory)),
            (str(executable), "-m", "pip", "install", "--quiet", *PACKAGES),
        ):
            subprocess.run(
                mortal(command), check=True, timeout=timeout, capture_output=True, text=True
            )
    except subprocess.CalledProcessError as e:
        raise Unavailable(f"can't be installed: {e.stderr[-300:]}") from e
    except (OSError, subprocess.SubprocessError) as e:
        raise Unavailable(f"can't be installed: {e}") from e
    stamp.write_text(wanted)
    return str(executable)


def nginx() -> str:
    """Return the path of nginx.

    :raise Unavailable: There's none.
    """
    # Debian keeps it where the path of ordinary users doesn't lead.
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise Unavailable("nginx isn't installed")
    return found
