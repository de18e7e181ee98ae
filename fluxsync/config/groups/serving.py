"""What is served, and how the server runs."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ..fields import Seconds, Target, Upstreams
from .group import Group


class ServingSettings(Group):
    """What is served, and how the server runs."""

    title: str = Field("FluxSync", description="Title of the API and of the pages.")
    app: Target = Field(
        "", description="The application, as module:attribute or path.py:attribute."
    )
    streamlit_script: str = Field("", description="Existing Streamlit script to front instead.")
    streamlit_upstream: Upstreams = Field(
        (), description="Streamlit servers that somebody else runs, as http://host:port."
    )
    gateway_host: str = Field("127.0.0.1", description="Address to listen on.")
    gateway_port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=1024, description="gunicorn worker processes.")
    threads: int = Field(8, ge=1, le=4096, description="Threads of each gthread worker.")
    worker_class: t.Literal["sync", "gthread", "gevent"] = Field(
        "gthread", description="Kind of gunicorn worker."
    )
    preload: bool = Field(False, description="Load the application before the workers fork.")
    graceful_timeout_s: Seconds = Field(
        10.0, description="How long requests and replicas may take to end."
    )
    exit_if_streamlit_fails: bool = Field(
        False, description="End the server if Streamlit never comes up."
    )
    pidfile: str = Field(
        "", description="File with the server's process id while it runs; none if empty."
    )
    state_dir: str = Field(
        "", description="Directory for the supervisor's socket; in the temporary one if empty."
    )
    cache_dir: str = Field(
        "", description="Directory for compressed frontend files; the user's cache if empty."
    )
