"""The demo under other WSGI servers than gunicorn, from the files in ``deploy/servers``."""

from __future__ import annotations

import contextlib
import functools
import grp
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import typing as t
from pathlib import Path

import pytest

from tests.support import http
from tests.support.demo import Demo
from tests.support.fronts import Front
from tests.support.nginx import Nginx
from tests.support.processes import ROOT, Server, environment
from tests.support.waiting import eventually

SERVERS = ROOT / "deploy" / "servers"
MODULES = Path("/usr/lib/apache2/modules")
PASSENGER = Path("/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini")
SBIN = f"{os.environ['PATH']}:/usr/sbin"
#: Debian's Python, which its mod_wsgi has within.
SYSTEM_PYTHON = "/usr/bin/python3"
#: Whom Apache serves as when it's started by root.
APACHE_USER = "www-data"
PACKAGES = sysconfig.get_path("purelib")


class ServedDemo(Demo):
    """The demo under a server that is started with a file of ours."""

    #: Status of ``/readyz`` when the start has ended.
    ready = 200

    def __init__(self) -> None:
        super().__init__("", env={"FLUXSYNC_APP": "fluxsync.demo.app:app"})

    def arguments(self, worker_class: str, *options: str) -> tuple[str, ...]:
        return ()  # nothing of Python's own

    def start(self) -> None:
        Server.start(self)
        eventually(self._is_ready, 60, lambda: self.output)

    def _is_ready(self) -> bool:
        status = self.popen.poll()
        assert status is None, f"ended with status {status}:\n{self.output}"
        with contextlib.suppress(ConnectionError):
            return self.get("/readyz").status == self.ready
        return False

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20.0) -> int:
        return super().stop(number, timeout)

    def get(self, target: str) -> http.Response:
        return http.get(self.port, target)

    def supervisors(self) -> list[int]:
        return [process.pid for process in self.find("supervisord")]

    def streamlits(self) -> list[int]:
        return [process.pid for process in self.find("child.py")]


class PythonDemo(ServedDemo):
    """A server that is a Python program: a file, or what is behind ``python``.

    :param arguments: With ``{port}`` for the port, which ``PORT`` says, too.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        super().__init__()
        self.env["PORT"] = str(self.port)

    def arguments(self, worker_class: str, *options: str) -> tuple[str, ...]:
        return tuple(argument.replace("{port}", str(self.port)) for argument in self._arguments)


class UwsgiDemo(ServedDemo):
    """uWSGI from the program of that name beside our Python.

    :param more: Lines that the file gets.
    :param without: Options that it loses.
    :param front: nginx before it, which is asked in its place.
    """

    def __init__(
        self,
        *more: str,
        without: t.Collection[str] = (),
        front: Front | None = None,
        port: int = 0,
    ) -> None:
        super().__init__()
        self.port = port or self.port
        self._front = front
        socket = "socket" if front is not None else "http-socket"
        lines = [
            line
            for line in (SERVERS / "uwsgi.ini").read_text().splitlines()
            if line.partition(" = ")[0] not in (*without, "http-socket")
        ]
        text = "\n".join([*lines, f"{socket} = 127.0.0.1:{self.port}", *more, ""])
        (self.directory / "uwsgi.ini").write_text(text)
        self.args = (str(Path(sys.executable).with_name("uwsgi")), "--ini", "uwsgi.ini")

    def get(self, target: str) -> http.Response:
        return http.get(self._front.port if self._front else self.port, target)

    def workers(self) -> list[int]:
        return [process.pid for process in self.find("uwsgi.ini") if process.pid != self.pid]


class UwsgiBehindNginx(Nginx):
    """nginx with the location of ``deploy/servers/nginx-uwsgi.conf``."""

    def configure(self, gateway_port: int) -> None:
        super().configure(gateway_port)
        parameters = "/etc/nginx/uwsgi_params"
        location = (SERVERS / "nginx-uwsgi.conf").read_text()
        location = location.replace("127.0.0.1:8000", f"127.0.0.1:{gateway_port}")
        assert parameters in location
        path = self.directory / "nginx.conf"
        before, _, rest = path.read_text().partition("location")
        after = rest.partition("}\n")[2]
        path.write_text(before + location + after)


class ApacheDemo(ServedDemo):
    """Apache with a configuration of its own, in the foreground.

    Started by root, it serves as :data:`APACHE_USER`, as Debian's does.

    :ivar home: What is ``/srv/app`` in the files.
    """

    modules: t.ClassVar[tuple[str, ...]] = ("mpm_event", "authz_core", "dir")
    #: The file for Apache, and the one for the application.
    names: t.ClassVar[tuple[str, str]]

    def __init__(self) -> None:
        super().__init__()
        self.home = self.directory / "app"
        (self.home / "public").mkdir(parents=True)
        for name, directory in zip(self.names, (self.directory, self.home), strict=True):
            text = (SERVERS / name).read_text()
            for old, new in self.changes().items():
                text = text.replace(old, new)
            (directory / name).write_text(text)
        apache = shutil.which("apache2", path=SBIN) or "apache2"
        main = self.directory / "main.conf"
        main.write_text("\n".join([*self.main(), f"Include {self.names[0]}", ""]))
        self.args = (apache, "-DFOREGROUND", "-f", str(main))
        self.env.update(
            # Debian's Python has none of our packages.
            PYTHONPATH=f"{ROOT}:{PACKAGES}",
            TMPDIR=str(self.home),
            HOME=str(self.home),
            FLUXSYNC_CACHE_DIR=str(self.home / "cache"),
            FLUXSYNC_DEMO_DATABASE=str(self.home / "demo.sqlite3"),
        )
        self.directory.chmod(0o755)
        if os.getuid() == 0:
            owner = pwd.getpwnam(APACHE_USER)
            for path in (self.home, *self.home.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def main(self) -> list[str]:
        """Return what is in Debian's configuration, and different from it."""
        user = [f"User {APACHE_USER}", f"Group {grp.getgrgid(pwd.getpwnam(APACHE_USER).pw_gid)[0]}"]
        return [
            f"ServerRoot {self.directory}",
            *(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in self.modules),
            *(user if os.getuid() == 0 else []),
            "PidFile apache.pid",
            f"Mutex file:{self.directory}",
            "ErrorLog /dev/stderr",
            "ServerName localhost",
            f"Listen 127.0.0.1:{self.port}",
        ]

    def changes(self) -> dict[str, str]:
        return {"*:80": f"127.0.0.1:{self.port}", "/srv/app": str(self.home)}

    def workers(self) -> list[int]:
        """Return the processes that serve requests."""
        raise NotImplementedError


class ModWsgiDemo(ApacheDemo):
    """
    :param embedded: Whether Apache's own processes run Python, and no daemons.
    """

    modules = (*ApacheDemo.modules, "wsgi")
    names = ("apache-mod_wsgi.conf", "app.wsgi")

    def __init__(self, *, embedded: bool = False) -> None:
        self._embedded = embedded
        super().__init__()
        # Only Apache's configuration says where the packages are.
        self.env["PYTHONPATH"] = ""

    def main(self) -> list[str]:
        path = [f"WSGIPythonPath {ROOT}:{PACKAGES}"] if self._embedded else []
        return [*super().main(), f"WSGISocketPrefix {self.directory}/wsgi", *path]

    def changes(self) -> dict[str, str]:
        changes = {
            "/srv/app/.venv/lib/python3.11/site-packages": f"{ROOT}:{PACKAGES}",
            **super().changes(),
        }
        if self._embedded:
            changes["process-group=fluxsync"] = "process-group=%{GLOBAL}"
        return changes

    def workers(self) -> list[int]:
        return [p.pid for p in self.find("apache2") if p.ppid() == self.pid]


class CrashError(Exception):
    """A server has crashed before anything of ours ran in it."""


class PassengerDemo(ApacheDemo):
    """
    :raise CrashError: Apache has crashed as it started. Once in hundreds of starts and ends, a thread
        of mod_passenger (6.0.17, Debian 12) ends after what it belongs to, and reads a null pointer.
    """

    modules = (*ApacheDemo.modules, "passenger")
    names = ("apache-passenger.conf", "passenger_wsgi.py")

    def main(self) -> list[str]:
        root = os.getuid() == 0
        return [
            *super().main(),
            f"PassengerRoot {PASSENGER}",
            f"PassengerInstanceRegistryDir {self.directory}",
            # It would ask servers on the internet.
            "PassengerDisableSecurityUpdateCheck on",
            "PassengerDisableAnonymousTelemetry on",
            *([f"PassengerUser {APACHE_USER}"] if root else []),
        ]

    def changes(self) -> dict[str, str]:
        python = "PassengerPython /srv/app/.venv/bin/python"
        return {python: f"PassengerPython {SYSTEM_PYTHON}", **super().changes()}

    def workers(self) -> list[int]:
        return [process.pid for process in self.find("wsgi-loader")]

    def _is_ready(self) -> bool:
        if self.popen.poll() == -signal.SIGSEGV:
            raise CrashError(self.output)
        return super()._is_ready()


def skip_without_uwsgi() -> None:
    if importlib.util.find_spec("pyuwsgi") is None:
        pytest.skip("pyuwsgi has no wheel for this Python")


def skip_without_apache(module: str) -> None:
    """Skip a test if Apache, or one of its modules, isn't there for our Python."""
    reason = _missing(module)
    if reason:
        pytest.skip(reason)


@functools.cache
def _missing(module: str) -> str:
    if not (MODULES / f"mod_{module}.so").exists():
        return f"there is no Apache with mod_{module}"
    python = "{}.{}".format(*sys.version_info)
    probe = f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}; import flask"
    user = APACHE_USER if os.getuid() == 0 else None
    path = {"PYTHONPATH": f"{ROOT}:{PACKAGES}"}
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", probe], env=environment(path), user=user, cwd="/", check=False
    )
    if done.returncode:
        return f"{SYSTEM_PYTHON} is no Python {python}, or {user or 'it'} can't read {PACKAGES}"
    return ""
