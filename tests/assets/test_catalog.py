from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from fluxsync.assets import frontend
from fluxsync.assets.catalog import catalogue, validators
from fluxsync.assets.frontend import Frontend, Package
from fluxsync.assets.sets import Encoded

SCRIPT, FONT = "/static/js/index.abc.js", "/static/media/font.abc.woff2"


def test_script(files: Frontend) -> None:
    sets = {
        "br": {SCRIPT: Encoded("/br", 10, '"b"')},
        "gzip": {SCRIPT: Encoded("/gz", 20, '"g"'), FONT: Encoded("/no", 1, '"n"')},
    }
    resource = catalogue(files, sets)[SCRIPT]
    assert resource.codings == ("br", "gzip")
    plain, encoded = resource.variants["identity"], resource.variants["br"]
    file = files.files[SCRIPT]
    assert (plain.path, plain.size, plain.changed) == (file.path, file.size, file.changed)
    assert (encoded.path, encoded.size, encoded.changed) == ("/br", 10, 0)
    assert plain.headers == [
        ("Cache-Control", "public, immutable, max-age=31536000"),
        ("ETag", files.etag(SCRIPT)),
        ("Last-Modified", plain.validators.modified_text),
        ("Vary", "Accept-Encoding"),
    ]
    assert plain.content_headers == [
        ("Content-Type", "application/javascript"),
        ("Accept-Ranges", "bytes"),
    ]
    assert encoded.validators == plain.validators._replace(etag='"b"')
    assert encoded.headers == [
        ("ETag", '"b"') if name == "ETag" else (name, value) for name, value in plain.headers
    ]
    assert ("Content-Encoding", "br") in encoded.content_headers


def test_files_in_one_coding(files: Frontend) -> None:
    """A script may be there in others a moment later, a font won't."""
    resources = catalogue(files, {"gzip": {FONT: Encoded("/no", 1, '"n"')}})
    script, font = resources[SCRIPT], resources[FONT]
    assert (script.codings, font.codings) == ((), ())
    assert ("Vary", "Accept-Encoding") in script.variants["identity"].headers
    assert "Vary" not in dict(font.variants["identity"].headers)


def test_empty_file(package: Package) -> None:
    Path(package.directory, "static/static/js/empty.js").touch()
    assert "/static/js/empty.js" not in catalogue(frontend.scan(package), {})


@pytest.mark.parametrize("fraction", [0.0, 0.999])
def test_whole_seconds(fraction: float) -> None:
    """A browser can say no other ones, and must not get the file anew for that."""
    found = validators('"x"', 1767322800 + fraction)
    assert found.modified == datetime(2026, 1, 2, 3, tzinfo=timezone.utc)
    assert found.modified_text == "Fri, 02 Jan 2026 03:00:00 GMT"
