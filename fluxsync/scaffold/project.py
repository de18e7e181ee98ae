"""Write a new project from the templates: all of it, or nothing."""

from __future__ import annotations

import dataclasses
import re
import secrets
import typing as t
from pathlib import Path

from ..exceptions import ConfigError, ScaffoldError
from . import image
from .files import render, version_range, write_all

# Where each template goes. Their folder is flat, and none begins with a dot, because
# package data is found by a pattern that doesn't see hidden files.
_COMMON = {
    "app.py": "app.py.tmpl",
    "fluxsync.toml": "fluxsync.toml.tmpl",
    "requirements.txt": "requirements.txt.tmpl",
    "requirements-dev.txt": "requirements-dev.txt.tmpl",
    ".gitignore": "gitignore.tmpl",
    ".github/workflows/test.yml": "workflow.yml.tmpl",
    "pytest.ini": "pytest.ini.tmpl",
    "tests/test_app.py": "test_app.py.tmpl",
    "README.md": "README.md.tmpl",
}

_ADDRESS = "- <http://127.0.0.1:8000{}>: {}\n"


@dataclasses.dataclass(frozen=True)
class Profile:
    """A kind of project.

    :param files: Its files, and their templates.
    :param about: What it is, as its README begins.
    :param addresses: Paths to look at, and what is there.
    :param sections: Templates of the README's last sections.
    :param extra: Extra of fluxsync that it needs, in brackets.
    :param has_image: Whether the files of ``fluxsync build`` are among its own.
    """

    files: t.Mapping[str, str]
    about: str
    addresses: t.Mapping[str, str]
    sections: tuple[str, ...]
    extra: str = ""
    has_image: bool = False


_HELLO = {"/": "the page", "/api/hello": "the API"}
_PROCFILE = {"Procfile": "Procfile.tmpl"}

#: What a project may begin as. The first one is for those who haven't chosen yet.
PROFILES = {
    "minimal": Profile(
        {**_COMMON, **_PROCFILE},
        "An HTTP API and a Streamlit page on one port",
        _HELLO,
        ("README-minimal.md.tmpl",),
    ),
    "auth-ready": Profile(
        {
            **_COMMON,
            **_PROCFILE,
            "app.py": "app-auth.py.tmpl",
            "fluxsync.toml": "fluxsync-auth.toml.tmpl",
            "tests/test_app.py": "test_app-auth.py.tmpl",
            "tests/conftest.py": "conftest-auth.py.tmpl",
            "make_token.py": "make_token-auth.py.tmpl",
            ".env": "env-auth.tmpl",
            ".env.example": "env-example-auth.tmpl",
        },
        "An HTTP API that knows its users, and Streamlit pages, on one port",
        {"/": "a page for everybody", "/me": "one for those with a token"},
        ("README-auth-ready.md.tmpl", "README-minimal.md.tmpl"),
        extra="[auth]",
    ),
    "deploy": Profile(
        {
            **_COMMON,
            **_PROCFILE,
            "app.py": "app-deploy.py.tmpl",
            "fluxsync.toml": "fluxsync-deploy.toml.tmpl",
            "tests/test_app.py": "test_app-deploy.py.tmpl",
            ".env": "env-deploy.tmpl",
            ".env.example": "env-example-deploy.tmpl",
            "compose.yaml": "compose.yaml.tmpl",
            "Caddyfile": "Caddyfile.tmpl",
            "fluxsync.service": "fluxsync.service.tmpl",
        },
        "An HTTP API and a Streamlit page on one port, with what a server needs",
        {"/": "the page", "/api/items": "the API"},
        ("README-deploy.md.tmpl",),
        has_image=True,
    ),
    "posit": Profile(
        {**_COMMON, ".python-version": "python-version-posit.tmpl"},
        "An HTTP API and a Streamlit page for Posit Connect",
        _HELLO,
        ("README-posit.md.tmpl",),
    ),
}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def create_project(directory: Path, name: str, profile: str = "minimal") -> list[Path]:
    """Create a project and return its files.

    Whatever was written is removed again when the rest can't be.

    :param directory: Where the project goes. Its parent exists; it doesn't itself, or it's empty.
    :param name: What the project is called: in its README, and as a title on its page.
    :param profile: One of :data:`PROFILES`.
    :raise ConfigError: The name can't be used.
    :raise ScaffoldError: The project can't be created; the message says what to change.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "NAME",
            name,
            source="command line",
            expected="letters, digits, '-' and '_', the first one a letter",
        )
    if _has_files(directory):
        raise ScaffoldError(f"{directory} isn't empty: choose another name or empty it first")
    contents = _contents(name, PROFILES[profile])
    return write_all(directory, contents, taken="choose another name")


def _contents(name: str, profile: Profile) -> dict[str, str]:
    values = {
        "name": name,
        "title": name.replace("-", " ").replace("_", " ").strip().capitalize(),
        "range": version_range(),
        "extra": profile.extra,
        "secret": secrets.token_hex(32),
        "about": profile.about,
        "addresses": "".join(_ADDRESS.format(*item) for item in profile.addresses.items()).rstrip(),
    }
    values["sections"] = "".join(render(section, **values) for section in profile.sections)
    contents = {target: render(source, **values) for target, source in profile.files.items()}
    if profile.has_image:
        install = image.installed("requirements.txt", contents["requirements.txt"])
        contents.update(image.contents(install, ["fluxsync", "run", "app:app"]))
    return contents


def _has_files(directory: Path) -> bool:
    try:
        return directory.is_dir() and any(directory.iterdir())
    except PermissionError as e:
        raise ScaffoldError(f"{directory} can't be read: choose another name") from e
