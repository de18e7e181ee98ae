"""``fluxsync doctor`` looks at the demo through nginx configurations, most of them wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import textwrap
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import http
from tests.support.certificates import certificate
from tests.support.demo import Demo
from tests.support.processes import PYTHON, ROOT, Server, environment, free_port
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import FACTOR, eventually

pytestmark = [
    pytest.mark.streamlit,
    pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="no nginx"),
    pytest.mark.timeout(300),
]

#: What the README says, and what proxies in front of several things say besides.
GOOD = {
    "proxy_http_version": "1.1",
    "proxy_set_header Host": "$http_host",
    "proxy_set_header Upgrade": "$http_upgrade",
    "proxy_set_header Connection": "$http_connection",
    "proxy_set_header X-Forwarded-Proto": "$scheme",
    "client_max_body_size": "0",
    "proxy_read_timeout": "1h",
}
UPGRADE = ("proxy_http_version", "proxy_set_header Upgrade", "proxy_set_header Connection")


@dataclasses.dataclass(frozen=True)
class Site:
    """A server of nginx, and what is found there.

    :ivar change: Directives instead of those of :data:`GOOD`; an empty one is left out.
    :ivar server: More directives.
    :ivar found: The checks that don't say that all is well, and how bad they are.
    :ivar says: Words of the findings.
    """

    found: dict[str, str]
    says: tuple[str, ...] = ()
    change: dict[str, str] = dataclasses.field(default_factory=dict)
    path: str = "/"
    strips: bool = False
    scheme: str = "http"
    server: str = ""
    options: tuple[str, ...] = ()

    def configuration(self, port: int, demo_port: int) -> str:
        """Return the server for nginx's configuration."""
        directives = {**GOOD, **self.change}
        location = "".join(f"{name} {value};\n" for name, value in directives.items() if value)
        target = f"http://127.0.0.1:{demo_port}{'/' if self.strips else ''}"
        tls = ""
        if self.scheme == "https":
            files = certificate()
            tls = f"ssl_certificate {files.certificate}; ssl_certificate_key {files.key};"
        return textwrap.dedent(
            """
            server {{
                listen 127.0.0.1:{port}{ssl};
                {tls} {server}
                location {path} {{ proxy_pass {target}; {location} }}
            }}
            """
        ).format(
            port=port,
            ssl=" ssl" if tls else "",
            tls=tls,
            server=self.server,
            path=self.path,
            target=target,
            location=location,
        )


NO_UPGRADE = dict.fromkeys(UPGRADE, "")
CA_FILE = ("--ca-file", "CA")
SITES = {
    "good": Site({}),
    "good, stripped": Site(
        {}, path="/subdir/", strips=True, change={"proxy_set_header X-Forwarded-Prefix": "/subdir"}
    ),
    "good, https": Site({}, scheme="https", options=CA_FILE),
    "no upgrade": Site(
        {"websocket": "warning"},
        (
            "doesn't pass WebSocket upgrades on",
            "Pages work over stream meanwhile",
            "nginx: proxy_http_version 1.1;",
            "proxy_set_header Upgrade $http_upgrade;",
        ),
        NO_UPGRADE,
    ),
    "HTTP/1.0": Site(
        {"websocket": "warning"},
        ("half of the upgrade", "needs HTTP/1.1", "nginx: proxy_http_version 1.1;"),
        {"proxy_http_version": "1.0"},
    ),
    "wrong host": Site(
        {"host": "problem"},
        ("sees the Host 127.0.0.1:DEMO instead of 127.0.0.1:PORT", "Host $http_host;"),
        {"proxy_set_header Host": ""},
    ),
    "missing prefix": Site(
        {"path": "problem"}, ("sees the prefix /subdir", "ROOT_PATH=/subdir"), path="/subdir/"
    ),
    "missing deep prefix": Site(
        {"path": "problem"},
        ("sees the prefix /tools/app", "ROOT_PATH=/tools/app"),
        path="/tools/app/",
    ),
    "unknown prefix": Site(
        {"cookies": "warning"}, ("ROOT_PATH=/subdir",), path="/subdir/", strips=True
    ),
    "time-out": Site(
        {"silence": "problem", "long poll": "warning"},
        ("A WebSocket is cut after", "answers 504 (from nginx", "nginx: proxy_read_timeout 1h;"),
        {"proxy_read_timeout": "3s"},
        options=("--patience", "6"),
    ),
    "body limit": Site(
        {"upload": "problem"},
        ("refuses uploads of 2 MB; 0.5 MB pass", "413 (from nginx", "client_max_body_size 0;"),
        {"client_max_body_size": ""},
    ),
    "buffering": Site(
        {"websocket": "warning", "streaming": "warning"},
        ("Pages work over long-poll meanwhile", "collects them", "nginx: proxy_buffering off;"),
        {**NO_UPGRADE, "proxy_ignore_headers": "X-Accel-Buffering"},
    ),
    "compression": Site(
        {"websocket": "warning", "streaming": "warning"},
        ("don't compress application/octet-stream",),
        {
            **NO_UPGRADE,
            "proxy_ignore_headers": "X-Accel-Buffering",
            "gzip": "on",
            "gzip_proxied": "any",
            "gzip_types": "application/octet-stream",
            "gzip_min_length": "1",
        },
    ),
    "https unknown": Site(
        {"scheme": "warning"},
        ("takes it for http", "X-Forwarded-Proto $scheme;", "FLUXSYNC_TRUST_PROXY=true"),
        {"proxy_set_header X-Forwarded-Proto": ""},
        scheme="https",
        options=("--insecure",),
    ),
    "certificate": Site({"page": "problem"}, ("isn't valid: self-signed",), scheme="https"),
    "login": Site({"page": "problem"}, ("who is there", "--header"), {"return": "401"}),
    "login elsewhere": Site(
        {"page": "problem"},
        ("leads to a login: https://login.example/start.",),
        {"return": "302 https://login.example/start?token=secret"},
    ),
    "files": Site(
        {"files": "problem"},
        ("answers 404 (from nginx", "the page stays empty"),
        server="location /static/ { return 404; }",
    ),
    "doubled": Site(
        {"headers": "warning", "files": "warning"},
        ("twice: x-request-id", "Cache-Control 'no-cache'"),
        {"add_header X-Request-Id": "1"},
        server="location ~ ^/static/ { proxy_pass http://127.0.0.1:DEMO; "
        "proxy_set_header Host $http_host; proxy_hide_header Cache-Control; "
        "add_header Cache-Control no-cache; }",
    ),
    "policy": Site(
        {"script": "problem"},
        ("Content-Security-Policy", "FLUXSYNC_GATEWAY_PAGE_SCRIPT=file"),
        {"add_header Content-Security-Policy": "\"script-src 'self'\""},
    ),
    "documented": Site(
        {},
        (),
        {**NO_UPGRADE, "client_max_body_size": ""},
        options=("--upload", "25"),
    ),
}

CONFIGURATION = """\
{user}
worker_processes 1;
daemon off;
error_log stderr notice;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {servers}
}}
"""


class Sites(Server):
    """nginx with all of :data:`SITES`."""

    def __init__(self, demo_port: int) -> None:
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        super().__init__(nginx, "-p", ".", "-e", "stderr", "-c", "nginx.conf")
        self.demo_port = demo_port
        self.ports = {name: free_port() for name in SITES}
        servers = (SITES[name].configuration(port, demo_port) for name, port in self.ports.items())
        user = "user root;" if os.getuid() == 0 else ""
        text = CONFIGURATION.format(user=user, servers="".join(servers))
        (self.directory / "nginx.conf").write_text(text.replace("DEMO", str(demo_port)))

    def start(self) -> None:
        super().start()
        eventually(self._answers, 20, lambda: self.output)

    def _answers(self) -> bool:
        assert self.popen.poll() is None, self.output
        try:
            return bool(http.get(self.ports["good"], "/healthz").status)
        except ConnectionError:
            return False

    def doctor(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Have the doctor look at a site."""
        site = SITES[name]
        url = f"{site.scheme}://ada:secret@127.0.0.1:{self.ports[name]}{site.path}"
        ca_file = str(certificate().certificate)
        own = [ca_file if option == "CA" else option for option in site.options]
        return doctor("--url", url, "--upload", "2", "--patience", "3", *own, *options)


def doctor(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [*PYTHON, "-m", "fluxsync", "doctor", *options],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=90 * FACTOR,
    )


@pytest.fixture(scope="module")
def sites() -> t.Iterator[Sites]:
    trust = {"FLUXSYNC_TRUST_PROXY": "true", "FLUXSYNC_FORWARDED_ALLOW_IPS": "127.0.0.1"}
    demo = Demo("gthread", env=trust)
    demo.shared = True
    with demo:
        nginx = Sites(demo.port)
        nginx.shared = True
        with nginx:
            eventually(lambda: has_compressed_files(demo.port), 200, lambda: demo.output)
            yield nginx


def has_compressed_files(port: int) -> bool:
    script = re.search(r'src="\.(/static/[^"]+\.js)"', http.get(port, "/").text)
    assert script
    answer = http.get(port, script[1], [("Accept-Encoding", "gzip")])
    return "Content-Encoding" in answer


@pytest.fixture(scope="module")
def reports(sites: Sites) -> dict[str, subprocess.CompletedProcess[str]]:
    """What the doctor says, in JSON; of all sites at once, since most of it is waiting."""
    with ThreadPoolExecutor(len(SITES)) as pool:
        # The last one is for a person.
        forms = {**dict.fromkeys(SITES, ("--json",)), "documented": ("--patience", "5")}
        calls = {name: pool.submit(sites.doctor, name, *form) for name, form in forms.items()}
        return {name: call.result() for name, call in calls.items()}


@pytest.mark.parametrize("name", [name for name in SITES if name != "documented"])
def test_site(
    name: str, reports: dict[str, subprocess.CompletedProcess[str]], sites: Sites
) -> None:
    """What is wrong is found, with what to write; and nothing else."""
    site, report = SITES[name], reports[name]
    assert report.stdout, report.stderr
    said = json.loads(report.stdout)
    bad = [finding for finding in said["findings"] if finding["level"] != "ok"]

    assert {f["check"]: f["level"] for f in bad} == site.found, report.stdout
    assert report.returncode == ("problem" in site.found.values())
    assert said["ok"] == (report.returncode == 0)
    text = "\n".join(line for f in bad for line in (f["text"], *f["remedy"]))
    for words in site.says:
        words = words.replace("DEMO", str(sites.demo_port)).replace("PORT", str(sites.ports[name]))
        assert words in text
    assert "secret" not in report.stdout + report.stderr


def test_checks(reports: dict[str, subprocess.CompletedProcess[str]]) -> None:
    """All that can be looked at is looked at, in the order of a browser's visit."""
    checks = [finding["check"] for finding in json.loads(reports["good, https"].stdout)["findings"]]

    assert checks == [
        *("page", "path", "health", "script", "files", "streamlit", "headers", "cookies"),
        *("scheme", "redirects", "host", "websocket", "silence", "streaming", "long poll"),
        "upload",
    ]


def test_strict(sites: Sites) -> None:
    report = sites.doctor("unknown prefix", "--strict", "--patience", "0")

    assert report.returncode == 1
    assert re.search(r"^warning +cookies +The gateway isn't sure", report.stdout, re.M)
    assert report.stdout.endswith("14 ok, warnings: 1, problems: 0\n")
    assert "\x1b" not in report.stdout


def test_documented_output(reports: dict[str, subprocess.CompletedProcess[str]]) -> None:
    """docs/hosting/doctor.rst shows what the command prints."""
    documented = (ROOT / "docs" / "hosting" / "doctor.rst").read_text(encoding="utf-8")
    block = re.search(r"\$ fluxsync doctor --url \S+\n((?:   .*\n|\n)+)", documented)
    assert block

    def normal(text: str) -> str:
        return re.sub(r"\d+\.\d\d s|nginx/[\d.]+", "N", " ".join(text.split()))

    assert reports["documented"].returncode == 1
    assert normal(reports["documented"].stdout) == normal(block[1])


def test_no_fluxsync(upstream: FakeStreamlit) -> None:
    report = doctor("--url", f"{upstream.url}/?token=secret", "--json")

    assert report.returncode == 1
    page, fluxsync = json.loads(report.stdout)["findings"]
    assert page["text"] == f"{upstream.url}/ shows application/json."
    assert "Streamlit itself, without fluxsync" in fluxsync["text"]
    assert "secret" not in report.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--header", "A: b"), "--header is for looking at a site: --url is missing"),
        (("--url", "ftp://ada:secret@host/"), "expected an address like https://host/path"),
        (("--url", "http://h/", "--header", "secret"), "expected a header field like"),
        (("--url", "http://h/", "--header", "Host: other"), "Host isn't for the command line"),
        (("--url", "http://h/", "--ca-file", __file__), "--ca-file"),
    ],
)
def test_wrong_usage(options: tuple[str, ...], words: str) -> None:
    report = doctor(*options)

    assert report.returncode == 2
    assert words in report.stderr
    assert "secret" not in report.stderr
    assert "Traceback" not in report.stderr
