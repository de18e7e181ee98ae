"""All settings, with their meaning, unit and default."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import urlsplit

import pydantic
from pydantic import Field

from ..exceptions import ConfigError
from ..sansio import rootpath
from ..sansio.paths import normalize_mount
from ..sansio.rootpath import RootPath
from . import sources
from .explaining import explain
from .fields import (
    ApiMount,
    Header,
    Headers,
    Mount,
    Names,
    Networks,
    Origins,
    PageConfig,
    Parameter,
    Seconds,
    SecureUrl,
    SessionSecret,
    SessionStore,
    SigningSecret,
    StreamlitOptions,
    Target,
    Upstreams,
    Url,
    shown,
)

if t.TYPE_CHECKING:
    import typing_extensions as te

    from ..sansio.forwarding import Network


#: Where a proxy on the same machine connects from.
LOOPBACK = ("127.0.0.0/8", "::1/128")


class FluxSyncSettings(pydantic.BaseModel):
    """Settings of one application, merged from all sources and validated.

    Arguments win over the environment and files, and lose against the command line. In the
    environment a setting is ``FLUXSYNC_`` and its name in upper case; in ``fluxsync.toml``
    it's the name. Lists are JSON or separated by commas.

    :raise ConfigError: A value is wrong, a name unknown, or a file unreadable.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

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
    log_level: t.Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least important level that is logged."
    )
    enable_gateway_access_log: bool = Field(True, description="Log a line per request.")
    state_dir: str = Field(
        "", description="Directory for the supervisor's socket; in the temporary one if empty."
    )
    cache_dir: str = Field(
        "", description="Directory for compressed frontend files; the user's cache if empty."
    )

    api_mount_path: ApiMount = Field("/api", description="Path of the API.")
    root_path: Mount = Field("", description="Path under which a proxy publishes all this.")
    public_base_url: Url = Field("", description="URL that browsers see, with the root path.")
    internal_api_base: Url = Field(
        "", description="URL at which pages reach the API; found by itself if empty."
    )
    allowed_origins: Origins = Field(
        (), description="Other origins whose pages may use the WebSocket and unsafe methods."
    )
    trust_proxy: bool = Field(
        False, description="Believe the forwarding headers of a proxy on this machine."
    )
    forwarded_allow_ips: Networks = Field(
        (), description="Networks of proxies whose forwarding headers are believed."
    )
    identity_headers: Headers = Field(
        (), description="More header names that only a trusted proxy may send."
    )

    gateway_upstream_connect_timeout_s: Seconds = Field(
        5.0, description="Limit for a connection to Streamlit; 0 is none."
    )
    gateway_upstream_read_timeout_s: Seconds = Field(
        120.0, description="Longest silence of Streamlit within a response; 0 is none."
    )
    gateway_max_proxy_request_body_bytes: int = Field(
        0, ge=0, description="Largest request body for Streamlit; 0 is no limit."
    )
    gateway_http_pool_maxsize: int = Field(
        32, ge=0, le=4096, description="Idle connections to Streamlit that a worker keeps."
    )
    gateway_ws_open_timeout_s: Seconds = Field(
        15.0, description="Limit for Streamlit's answer to a WebSocket handshake; 0 is none."
    )
    gateway_ws_ping_interval_s: Seconds = Field(
        20.0, description="Silence after which a browser gets a ping; 0 is never."
    )
    gateway_ws_ping_timeout_s: Seconds = Field(
        20.0, description="How long a browser may take to answer a ping; 0 is no limit."
    )
    gateway_ws_close_timeout_s: t.Annotated[float, Field(gt=0, le=3600)] = Field(
        10.0, description="How long one side of a WebSocket may outlive the other."
    )
    gateway_ws_idle_timeout_s: Seconds = Field(
        0.0, description="How long a WebSocket may have no message; 0 is no limit."
    )
    gateway_ws_max_message_bytes: int = Field(
        0, ge=0, description="Largest WebSocket message of a client; 0 is no limit."
    )
    gateway_ws_max_frame_bytes: int = Field(
        0, ge=0, description="Largest WebSocket frame of a client; 0 is no limit."
    )
    gateway_ws_max_connections: int = Field(
        0, ge=0, description="Most open WebSockets; 0 is what the limit of open files allows."
    )
    gateway_ws_max_connections_per_client: int = Field(
        0, ge=0, description="Most open WebSockets of one client address; 0 is no limit."
    )
    api_ws_max_connections: int = Field(
        100, ge=1, le=10000, description="Most open WebSockets of the API, in each worker."
    )
    gateway_client_timeout_s: Seconds = Field(
        60.0, description="Longest silence of a client within an upload or download; 0 is no limit."
    )
    gateway_client_header_timeout_s: Seconds = Field(
        30.0,
        description="How long a client may take to send a request; 0 is no limit.",
    )
    gateway_ws_relay: t.Literal["supervisor", "worker"] = Field(
        "supervisor", description="Process that relays WebSockets."
    )

    gateway_transport: t.Literal["auto", "websocket", "stream", "long-poll", "short-poll"] = Field(
        "auto", description="How pages reach Streamlit."
    )
    gateway_page_script: t.Literal["inline", "file", "off"] = Field(
        "inline", description="How pages get fluxsync's script."
    )
    gateway_csp_nonce_header: Header = Field(
        "", description="Field in which a trusted proxy passes its policy's nonce on."
    )
    gateway_tunnel_wait_s: t.Annotated[float, Field(ge=1, le=55)] = Field(
        20.0, description="Longest wait of a long poll."
    )
    gateway_tunnel_timeout_s: t.Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        120.0, description="How long a tunnel may hear nothing of its page."
    )
    gateway_tunnel_max_age_s: Seconds = Field(
        0.0, description="How long a tunnel may be open; 0 is no limit."
    )
    gateway_tunnel_window_bytes: int = Field(
        1048576,
        ge=65536,
        le=67108864,
        description="Most bytes that a tunnel keeps in each direction.",
    )
    gateway_tunnel_max_tunnels: int = Field(
        0, ge=0, description="Most open tunnels; 0 is what the limit of open files allows."
    )
    gateway_tunnel_max_bytes: int = Field(
        268435456, ge=0, description="Most bytes that all tunnels keep; 0 is no limit."
    )

    streamlit_run_cli_args: StreamlitOptions = Field(
        (), description="More options for streamlit run."
    )
    strict_page_signatures: bool = Field(
        False, description="Refuse pages with parameters that nobody fills."
    )
    experimental_yield_pages: bool = Field(
        False, description="Let pages be generator functions, which yield PageMeta."
    )
    streamlit_page_config: PageConfig = Field({}, description="Arguments of st.set_page_config.")
    streamlit_env: Names = Field(
        (), description="More environment variables for Streamlit; * stands for any text."
    )
    streamlit_file_watcher: t.Literal["auto", "watchdog", "poll", "none"] = Field(
        "none", description="How Streamlit notices that a page's file has changed."
    )
    exit_if_streamlit_fails: bool = Field(
        False, description="End the server if Streamlit never comes up."
    )
    streamlit_start_timeout_s: t.Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="How long Streamlit may take to start."
    )

    url_session_query_param: Parameter = Field(
        "fluxsync_sid", description="Query parameter that carries the id of a URL session."
    )
    session_store: SessionStore = Field("auto", description="Where URL sessions are kept.")
    session_secret: SessionSecret = Field(
        "", description="Signs the ids of URL sessions; the store keeps a key if empty."
    )
    session_ttl_s: t.Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        86400.0, description="How long a URL session is kept that nobody writes to."
    )
    disable_url_session: bool = Field(False, description="Have no URL sessions.")

    jwt_issuer: str = Field("", description="The iss claim of tokens that are believed.")
    jwt_audience: str = Field("", description="The aud claim of tokens that are believed.")
    jwt_jwks_url: SecureUrl = Field("", description="Where their issuer publishes its keys.")
    jwt_hs256_secret: SigningSecret = Field(
        "", description="What they are signed with instead, if it's a secret."
    )
    jwt_leeway_seconds: int = Field(0, ge=0, le=300, description="How much clocks may differ.")
    oidc_bff_secret: SigningSecret = Field(
        "", description="Signs the tokens and the cookie of logins at an OpenID provider."
    )

    _origins: dict[str, str] = pydantic.PrivateAttr(default_factory=dict)

    def __init__(self, **values: t.Any) -> None:
        found = sources.collect(values, type(self).model_fields)
        try:
            super().__init__(**{name: f.value for name, f in found.items()})
        except pydantic.ValidationError as e:
            raise explain(e, found, type(self).model_fields) from None
        self._origins = {name: f.source for name, f in found.items()}
        if self.streamlit_script and self.streamlit_upstream:
            self._refuse("streamlit_script", "nothing, as streamlit_upstream is set: choose one")
        public = self._public_path
        if public and self.root_path and public != self.root_path:
            self._refuse("root_path", f"{public}, as in public_base_url, or nothing")
        if hidden := rootpath.hides(self.root.path, self.api_mount_path):
            other = "" if hidden != self.api_mount_path else ", or another api_mount_path"
            self._refuse(self.root.rule, f"another path, as {hidden} is taken{other}")

    def _refuse(self, name: str, expected: str) -> t.NoReturn:
        """Refuse a value that goes ill with another one."""
        raise ConfigError(name, self.shown(name), source=self.source(name), expected=expected)

    def __repr_args__(self) -> t.Iterator[tuple[str, t.Any]]:
        # Pages write settings, and logs have them.
        return ((name, self.shown(name)) for name in type(self).model_fields)

    def shown(self, name: str) -> t.Any:
        """Return a setting's value without secrets."""
        return shown(type(self).model_fields[name].metadata, getattr(self, name))

    def with_values(self, **values: t.Any) -> te.Self:
        """Return a copy with other values, which the program's code says.

        :raise ConfigError: A value is wrong.
        """
        copy = type(self)(**{**self.model_dump(), **values})
        copy._origins = {**self._origins, **dict.fromkeys(values, "code")}
        return copy

    def source(self, name: str) -> str:
        """Return where a setting's value comes from."""
        return self._origins.get(name, "default")

    @property
    def root(self) -> RootPath:
        """The root path that is set, and by which setting."""
        if self.root_path or self.source("root_path") != "default":
            return RootPath(self.root_path, "root_path")
        if self.public_base_url:
            return RootPath(self._public_path, "public_base_url")
        return rootpath.NONE

    @property
    def _public_path(self) -> str:
        return normalize_mount(urlsplit(self.public_base_url).path)

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Networks of trusted proxies; empty if none is trusted."""
        networks = self.forwarded_allow_ips or (LOOPBACK if self.trust_proxy else ())
        return tuple(ipaddress.ip_network(network, strict=False) for network in networks)
