"""A connection to the site, bounded in time."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import time
import typing as t

from .observations import Trouble

if t.TYPE_CHECKING:
    from .address import Address

_PIECE = 64 * 1024


class Failed(Exception):
    """There's no connection, or not any more.

    :param detail: What the system says about it.
    """

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(trouble, detail)
        self.trouble = trouble
        self.detail = detail


class Deadline:
    """A moment that several steps share.

    :param seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0 afterwards."""
        return max(0.0, self._end - time.monotonic())


@dataclasses.dataclass(frozen=True)
class Security:
    """Which certificates are believed.

    :ivar insecure: All of them are.
    :ivar ca_file: Authorities in PEM, in place of the system's.
    """

    insecure: bool = False
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return what a connection needs.

        :raise OSError: The file can't be read, or has no certificates.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        return context


class Connection:
    """One connection; what is sent and received has a deadline each time.

    :raise Failed: There's none.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext, deadline: Deadline) -> None:
        with _explained():
            self._socket: socket.socket = socket.create_connection(
                (address.host, address.port), max(deadline.left, 0.001)
            )
        try:
            if address.scheme == "https":
                self._socket.settimeout(max(deadline.left, 0.001))
                with _explained():
                    self._socket = tls.wrap_socket(self._socket, server_hostname=address.host)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it.

        :raise Failed: It couldn't be sent, or not in time.
        """
        self._socket.settimeout(max(deadline.left, 0.001))
        with _explained():
            self._socket.sendall(data)

    def receive(self, deadline: Deadline) -> bytes:
        """Return what comes next; ``b""`` at the end of the connection.

        :raise Failed: Nothing came in time, or the connection broke.
        """
        self._socket.settimeout(max(deadline.left, 0.001))
        with _explained():
            return self._socket.recv(_PIECE)

    def receive_now(self) -> bytes | None:
        """Return what is there already; ``None`` if that's nothing.

        :raise Failed: The connection broke.
        """
        self._socket.setblocking(False)
        with _explained():
            try:
                return self._socket.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None


@contextlib.contextmanager
def _explained() -> t.Iterator[None]:
    try:
        yield
    except TimeoutError as e:
        raise Failed(Trouble.TIMEOUT, "") from e
    except socket.gaierror as e:
        raise Failed(Trouble.NAME, e.strerror or str(e)) from e
    except ConnectionRefusedError as e:
        raise Failed(Trouble.REFUSED, "") from e
    except ssl.SSLCertVerificationError as e:
        raise Failed(Trouble.CERTIFICATE, e.verify_message) from e
    except ssl.SSLError as e:
        raise Failed(Trouble.TLS, e.reason or str(e)) from e
    except UnicodeError as e:  # a host name with an empty or too long label
        raise Failed(Trouble.NAME, "it can't be a host name") from e
    except OSError as e:
        raise Failed(Trouble.BROKEN, e.strerror or str(e)) from e
