from __future__ import annotations

import logging
import typing as t
from pathlib import Path
from wsgiref.util import FileWrapper

import pytest

from fluxsync.gateway.files import FileBody, OpenFile, send_file
from fluxsync.telemetry.access import Exchange
from fluxsync.telemetry.recorder import Recorder

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.gateway.request import Request

SIZE = 600_000
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(SIZE // 4))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OpenFile]:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with OpenFile(str(path)) as file:
        yield file


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> t.Callable[[], list[int]]:
    """Return the bytes of each line of the access log."""
    caplog.set_level(logging.INFO, "fluxsync.access")
    return lambda: [t.cast(int, vars(record)["bytes"]) for record in caplog.records]


class Asked:
    """A request, as far as sending a file is concerned."""

    def __init__(self, **environ: t.Any) -> None:
        self.environ = environ
        self.file: OpenFile | None = None


def wrap(body: FileBody, **environ: t.Any) -> tuple[t.Iterable[bytes], OpenFile | None]:
    asked = Asked(**environ)
    return body.wrapped(t.cast("Request", asked)), asked.file


def start(status: str, headers: list[tuple[str, str]], exc_info: t.Any = None) -> t.Any:
    """Tell a server what it needn't know here."""


def exchange() -> Exchange:
    return Exchange("GET", "/file", "", "1")


@pytest.mark.parametrize("count", [1, 100, 64 * 1024])
def test_small_part(file: OpenFile, count: int) -> None:
    """It's read at once, and the file is closed already."""
    assert send_file(start, "200 OK", [], file, 7, count) == [CONTENT[7 : 7 + count]]
    assert file.closed


@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, SIZE), (0, 64 * 1024 + 1), (1, SIZE - 1), (300_000, 256 * 1024), (0, 512 * 1024)],
)
def test_large_part(file: OpenFile, offset: int, count: int) -> None:
    """It's read piece by piece, and closed by the server."""
    body = send_file(start, "200 OK", [], file, offset, count)
    assert isinstance(body, FileBody)
    pieces = list(body)
    assert max(map(len, pieces)) <= 256 * 1024
    assert b"".join(pieces) == CONTENT[offset : offset + count]
    assert not file.closed
    body.close()
    assert file.closed


@pytest.mark.parametrize("count", [100, SIZE])
def test_file_that_has_become_shorter(file: OpenFile, count: int) -> None:
    """A response of the announced length would be a lie."""
    with open(file.name, "r+b") as other:
        other.truncate(count - 1)
    with pytest.raises(OSError, match="has become shorter"):
        list(send_file(start, "200 OK", [], file, 0, count))


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OpenFile(str(tmp_path / "none"))


@pytest.mark.parametrize("offset", [0, 100_000])
def test_wrapped(file: OpenFile, offset: int, logged: t.Callable[[], list[int]]) -> None:
    """The server reads the rest of the file, closes it, and so has it logged."""
    body, told = wrap(FileBody(file, offset, SIZE - offset), **{"wsgi.file_wrapper": FileWrapper})
    assert isinstance(body, FileWrapper)
    assert told is file
    file.ends = exchange(), Recorder()
    assert b"".join(body) == CONTENT[offset:]
    assert logged() == []
    body.close()
    body.close()
    assert file.closed
    assert logged() == [SIZE - offset]


def test_client_that_went_away(file: OpenFile, logged: t.Callable[[], list[int]]) -> None:
    body, _ = wrap(FileBody(file, 100_000, 500_000), **{"wsgi.file_wrapper": FileWrapper})
    assert isinstance(body, FileWrapper)
    file.ends = exchange(), Recorder()
    sent = len(next(body))
    body.close()
    assert logged() == [sent]


def test_file_that_the_kernel_sends(file: OpenFile, logged: t.Callable[[], list[int]]) -> None:
    """gunicorn stands at the beginning then, whence it has sent it all."""
    body, _ = wrap(FileBody(file, 100_000, 500_000), **{"wsgi.file_wrapper": FileWrapper})
    assert isinstance(body, FileWrapper)
    assert file.tell() == 100_000
    file.ends = exchange(), Recorder()
    body.close()
    assert logged() == [500_000]


class GeventSocket:
    """What gunicorn has under gevent."""


GeventSocket.__module__ = "gevent._socket3"


@pytest.mark.parametrize(
    ("offset", "count", "environ"),
    [
        pytest.param(0, SIZE, {}, id="server has no wrapper"),
        pytest.param(0, SIZE - 1, {"wsgi.file_wrapper": FileWrapper}, id="not the rest"),
        pytest.param(
            0,
            SIZE,
            {"wsgi.file_wrapper": FileWrapper, "gunicorn.socket": GeventSocket()},
            id="gevent",
        ),
    ],
)
def test_not_wrapped(file: OpenFile, offset: int, count: int, environ: dict[str, t.Any]) -> None:
    body = FileBody(file, offset, count)

    assert wrap(body, **environ) == (body, None)
    assert b"".join(body) == CONTENT[offset : offset + count]
