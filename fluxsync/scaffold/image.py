"""``fluxsync build MODULE:ATTRIBUTE``: a Dockerfile for the application in a directory."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
import typing as t
from pathlib import Path

from ..exceptions import ScaffoldError, TargetError
from .files import render, version_range, write_all

#: What the image's Python is, unless somebody says something else: the one that runs this.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

#: A line that needs more files than requirements.txt: options, and paths of packages.
_OTHER_FILES = re.compile(
    r"(-r|-c|-e|--requirement|--constraint|--editable|\.|/|file:)|[\w.\[\], -]+@\s*file:"
)
_FLUXSYNC = re.compile(r"fluxsync\b(?![-_.])", re.IGNORECASE)


def create_image_files(
    application: Path,
    directory: Path,
    command: t.Sequence[str],
    *,
    overwrite: bool = False,
    python: str = PYTHON,
) -> list[Path]:
    """Write a Dockerfile and what it ignores, both or none, and return their paths.

    :param application: Directory of the application and its ``requirements.txt``, from which the
        image is built.
    :param directory: Where the files go. Its parent exists; it need not.
    :param command: What the image runs.
    :param overwrite: Whether such files are replaced.
    :param python: Minor version of the image's Python.
    :raise ScaffoldError: They can't be written, or the application has no requirements that an
        image could install; the message says what to change.
    """
    is_beside = directory.resolve() == application.resolve()
    files = contents(
        _install(application / "requirements.txt"),
        command,
        python=python,
        elsewhere=None if is_beside else directory,
    )
    return write_all(directory, files, overwrite=overwrite, taken="--force overwrites it")


def contents(
    install: str, command: t.Sequence[str], *, python: str = PYTHON, elsewhere: Path | None = None
) -> dict[str, str]:
    """Return the texts of a Dockerfile and what it ignores, by their names.

    :param install: What pip installs, of :func:`installed`.
    :param elsewhere: Where they go, unless that's where the image is built from.
    """
    dockerfile = render(
        "Dockerfile.tmpl",
        command=json.dumps(command),
        file=f" -f {shlex.quote(str(elsewhere / 'Dockerfile'))}" if elsewhere else "",
        install=install,
        python=python,
    )
    # Elsewhere than at the root of what is sent to the builder, only this name is looked for:
    # https://docs.docker.com/build/concepts/context/#filename-and-location
    ignore = "Dockerfile.dockerignore" if elsewhere else ".dockerignore"
    return {"Dockerfile": dockerfile, ignore: render("dockerignore.tmpl")}


def check_target(target: str, application: Path) -> None:
    """Check that an image of this directory could import a target, without importing it.

    :raise TargetError: It couldn't.
    """
    module, _, attribute = target.rpartition(":")
    if not module or not attribute:
        raise TargetError(f"{target!r} is not module:attribute")
    if module.endswith(".py") or "/" in module:
        check_file(module, application)
        return
    name = module.partition(".")[0]
    if not name.isidentifier():
        raise TargetError(f"{module!r} of {target!r} is not the name of a module")
    if (application / f"{name}.py").is_file() or (application / name).is_dir():
        return
    try:
        is_installed = importlib.util.find_spec(name) is not None
    except ValueError:  # a module without a specification
        is_installed = False
    if not is_installed:
        raise TargetError(f"there is no module {name!r} in {application} to load {target!r} from")


def check_file(name: str, application: Path) -> None:
    """Check that an image of this directory has a file.

    :raise TargetError: It hasn't.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise TargetError(f"{name!r} isn't in the image: name it as a path below {application}")
    if not (application / path).is_file():
        raise TargetError(f"there is no file {name!r} in {application}")


def _install(path: Path) -> str:
    """Return what pip installs.

    :raise ScaffoldError: It couldn't.
    """
    wanted = f"fluxsync{version_range()}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise ScaffoldError(
            f"there is no {path.name} in {path.parent}: write one with what the application"
            f" imports, {wanted} first"
        ) from e
    except (OSError, UnicodeDecodeError) as e:
        raise ScaffoldError(f"{path} can't be read: expected a text file ({e})") from e
    return installed(path.name, text)


def installed(name: str, text: str) -> str:
    """Return what pip installs of a list of requirements.

    :param name: Its file's name.
    :raise ScaffoldError: It couldn't.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if _OTHER_FILES.match(line.strip()):
            raise ScaffoldError(
                f"{name}, line {number}: {line.strip()!r} needs files that aren't in the image"
                " when it's read: have one list of packages, as pip-compile writes it"
            )
    # Then pip wants hashes of all that it's told to install, and exact versions.
    if "--hash=" in text:
        if not any(_FLUXSYNC.match(line) for line in text.splitlines()):
            raise ScaffoldError(f"{name} has hashes, but not of fluxsync: add it, too")
        return f"-r {name}"
    return f'-r {name} "fluxsync[brotli]{version_range()}"'
