from __future__ import annotations

import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from fluxsync.assets import frontend
from fluxsync.assets.frontend import Frontend, Package
from tests.support.processes import ROOT


def test_files(files: Frontend, package: Package) -> None:
    """Those that browsers may keep; no documents, and nothing whose type isn't known."""
    assert {url: (file.type, file.is_compressible) for url, file in files.files.items()} == {
        "/static/js/index.abc.js": ("application/javascript", True),
        "/static/js/tiny.def.js": ("application/javascript", True),
        "/static/css/index.abc.css": ("text/css; charset=utf-8", True),
        "/static/media/font.abc.woff2": ("font/woff2", False),
    }
    script = files.files["/static/js/index.abc.js"]
    path = Path(package.directory, "static/static/js/index.abc.js")
    assert (script.path, script.size) == (str(path), path.stat().st_size)
    assert script.changed == path.stat().st_mtime_ns


def test_files_may_be_links(package: Package, tmp_path: Path) -> None:
    """Some installers link them from their cache."""
    path = Path(package.directory, "static/static/js/index.abc.js")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "/static/js/index.abc.js" in frontend.scan(package).files


def test_names_that_are_not_ascii(package: Package) -> None:
    Path(package.directory, "static/static/js/é.js").write_text("1")
    assert len(frontend.scan(package).files) == 4


def test_same_on_all_machines(files: Frontend, package: Package, tmp_path: Path) -> None:
    other = Package(str(tmp_path / "other"), package.version)
    shutil.copytree(package.directory, other.directory)
    copied = frontend.scan(other)
    assert copied.digest == files.digest
    assert [copied.etag(url) for url in files.files] == [files.etag(url) for url in files.files]


def change_version(package: Package) -> Package:
    return Package(package.directory, "9.10")


def change_size(package: Package) -> Package:
    with Path(package.directory, "static/static/js/tiny.def.js").open("a") as file:
        file.write("y")
    return package


def rename(package: Package) -> Package:
    path = Path(package.directory, "static/static/js/tiny.def.js")
    path.rename(path.with_name("tiny.ghi.js"))
    return package


@pytest.mark.parametrize("change", [change_version, change_size, rename])
def test_other_files(
    change: t.Callable[[Package], Package], files: Frontend, package: Package
) -> None:
    other = frontend.scan(change(package))
    assert other.digest != files.digest
    tags = {files.etag(url) for url in files.files}
    assert tags != {other.etag(url) for url in other.files}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        frontend.scan(Package(str(tmp_path), "9.9"))


def test_installed() -> None:
    """Streamlit is found without being imported."""
    text = (
        "import sys; from fluxsync.assets import frontend; package = frontend.find_package();"
        "print('streamlit' in sys.modules, package.version, len(frontend.scan(package).files))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported, version, count = done.stdout.split()
    assert imported == "False"
    assert int(version.partition(".")[0]) >= 1
    assert int(count) > 100


def test_not_installed(tmp_path: Path) -> None:
    """There's the standard library and this package."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys; sys.path.append({str(ROOT)!r})\n"
        "from fluxsync.assets import frontend\nprint(frontend.find_package())\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", str(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"
