"""What is installed, and whether it's what fluxsync was tried with."""

from __future__ import annotations

import re
import sys
import typing as t
from importlib import metadata

from .findings import Finding, Hop, ok, problem, warning

#: The oldest and newest that were tried: docs/support-matrix.rst.
TRIED = {"streamlit": ("1.42", "1.67"), "gunicorn": ("21.2", "27.0")}
TRIED_PYTHONS = ("3.10", "3.13")

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:>=\s*([0-9.]+))?[^;]*(;.*)?")


class Package(t.NamedTuple):
    """A requirement, and what is installed.

    :ivar extra: The extra that needs it; empty if fluxsync always does.
    :ivar version: Empty if it isn't installed.
    """

    name: str
    lowest: str
    extra: str
    version: str

    @property
    def is_sufficient(self) -> bool:
        """Whether it's there, and recent enough."""
        return bool(self.version) and not is_older(self.version, self.lowest)


def is_older(version: str, other: str) -> bool:
    """Whether a version is older than another one, as far as that has numbers."""
    wanted = _numbers(other)
    return _numbers(version)[: len(wanted)] < wanted


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def packages() -> list[Package]:
    """Return what the installed fluxsync says that it needs; nothing if it isn't installed."""
    try:
        requirements = metadata.requires("fluxsync") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in requirements:
        matched = _REQUIREMENT.match(requirement)
        if matched is None or "python_version" in (matched[3] or ""):
            continue
        extra = re.search(r"extra == ['\"]([^'\"]+)", matched[3] or "")
        name = matched[1]
        found.append(Package(name, matched[2] or "0", extra[1] if extra else "", version(name)))
    # These serve development only.
    return [package for package in found if package.extra not in ("tests", "lint", "docs")]


def version(name: str) -> str:
    """Return the version of an installed package, or ``""``."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def check() -> t.Iterator[Finding]:
    """Look at Python and the packages."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield _judge_tried("python", python, *TRIED_PYTHONS)
    found = [package for package in packages() if not package.extra]
    lacking = [package for package in found if not package.is_sufficient]
    for package in lacking:
        has = f"is {package.version}" if package.version else "isn't installed"
        text = f"{package.name} {has}; fluxsync needs {package.lowest} or later."
        remedy = (f"pip install '{package.name}>={package.lowest}'",)
        yield problem("packages", Hop.MACHINE, text, remedy)
    if not found:
        text = "fluxsync itself isn't installed as a package: what it needs isn't known."
        yield warning("packages", Hop.MACHINE, text)
    elif not lacking:
        yield ok("packages", f"all {len(found)} are there, and recent enough")
    for name, tried in TRIED.items():
        if installed := version(name):
            yield _judge_tried(name, installed, *tried)


def _judge_tried(name: str, installed: str, oldest: str, newest: str) -> Finding:
    if is_older(installed, oldest):
        text = f"{name} is {installed}; fluxsync needs {oldest} or later."
        return problem(name, Hop.MACHINE, text, (f"pip install '{name}>={oldest}'",))
    if is_older(newest, installed) and not installed.startswith(newest):
        text = f"{name} is {installed}; the newest that fluxsync was tried with is {newest}."
        return warning(name, Hop.MACHINE, text)
    return ok(name, f"{installed}; {oldest} to {newest} were tried")
