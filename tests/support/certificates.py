"""A certificate for this machine, made by itself, and TLS contexts for both sides."""

from __future__ import annotations

import atexit
import functools
import shutil
import ssl
import subprocess
import tempfile
import typing as t
from pathlib import Path

from tests.support.http import Connection

if t.TYPE_CHECKING:
    import socket


class Certificate(t.NamedTuple):
    """Files in PEM."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs to show the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return what a client needs to believe it."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def connect(self, sock: socket.socket, *, strict: bool = False) -> ssl.SSLSocket:
        """Begin TLS as a client.

        :param strict: Whether an end without ``close_notify`` is an error.
        """
        return self.client_context().wrap_socket(
            sock, server_hostname="localhost", suppress_ragged_eofs=not strict
        )


@functools.cache
def certificate() -> Certificate:
    """Return the certificate, which is made once."""
    folder = Path(tempfile.mkdtemp(prefix="fluxsync-tls-"))
    atexit.register(shutil.rmtree, folder)
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    options = (
        "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
        f"-keyout {made.key.name} -out {made.certificate.name}"
    )
    command = ["openssl", "req", *options.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return made


class TlsConnection(Connection):
    """A client connection that believes the certificate."""

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        super().__init__(port, "localhost", timeout)
        try:
            self.sock = certificate().connect(self.sock)
        except BaseException:
            self.close()
            raise
