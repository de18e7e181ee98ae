"""The documentation is built without a warning, and has everything that it's to have."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import click
import pytest
from sphinx.util.inventory import InventoryFile

import fluxsync
import fluxsync.api
import fluxsync.auth
import fluxsync.testing
from fluxsync.cli import group
from fluxsync.telemetry import logfields
from fluxsync.telemetry.metrics import METRICS
from tests.support.processes import ROOT, environment

DOCS = ROOT / "docs"
LINK = re.compile(r'<(?:a|img|link|script)\b[^>]*?\s(?:href|src)="([^"#?]+)')
PUBLIC = (fluxsync, fluxsync.api, fluxsync.auth, fluxsync.testing)


def commands(
    command: click.Command = group, path: tuple[str, ...] = ("fluxsync",)
) -> t.Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands and what they're called by."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


#: The first test builds it.
pytestmark = pytest.mark.timeout(410)


class Site:
    """The site, as it was built.

    :param complaints: What there was to say about that.
    """

    def __init__(self, directory: Path, complaints: str) -> None:
        self.directory = directory
        self.complaints = complaints
        self.inventory = InventoryFile.loads((directory / "objects.inv").read_bytes(), uri="").data

    def text(self, page: str) -> str:
        """Return what a page shows."""
        source = (self.directory / page / "index.html").read_text(encoding="utf-8")
        article = source.partition("<article")[2].partition("</article>")[0]
        text = html.unescape(re.sub(r"<[^>]+>", " ", article))
        return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Build all of it, once."""
    directory = tmp_path_factory.mktemp("site")
    options = ("-q", "-n", "-b", "dirhtml", "-d", f"{directory}.doctrees")
    result = subprocess.run(
        (sys.executable, "-m", "sphinx", *options, str(DOCS), str(directory)),
        cwd=directory,
        # Nothing is to be asked of anybody: what tries, fails.
        env=environment({"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    assert result.returncode == 0, result.stdout
    return Site(directory, result.stdout)


def test_it_is_built_without_a_warning(site: Site) -> None:
    """A reference to nothing is one, and so is a document that isn't in any contents."""
    assert not site.complaints


def test_public_names(site: Site) -> None:
    known = {
        name for kind, names in site.inventory.items() if kind.startswith("py:") for name in names
    }

    missing = {
        f"{module.__name__}.{name}"
        for module in PUBLIC
        for name in module.__all__
        if not {f"{module.__name__}.{name}", f"fluxsync.{name}"} & known
    }
    assert not missing


def test_metrics(site: Site) -> None:
    assert set(site.inventory["std:metric"]) == {metric.name for metric in METRICS}


def test_settings(site: Site) -> None:
    """Each with its type, default and variable, which come from the code."""
    assert set(site.inventory["std:setting"]) == set(fluxsync.FluxSyncSettings.model_fields)

    assert (
        "gateway_port integer from 0 to 65535; default: 8000 ; FLUXSYNC_GATEWAY_PORT"
        in site.text("settings")
    )


def test_log_fields(site: Site) -> None:
    shown = site.text("logging")

    for catalogue in (logfields.BASE_FIELDS, logfields.FIELDS, logfields.EXCEPTION_FIELDS):
        for name, field in catalogue.items():
            assert f"{name} {field.type} {field.meaning}" in shown


def test_commands_and_options(site: Site) -> None:
    """Each is there, and says what it does."""
    shown = site.text("command-line")

    for path, command in commands():
        name = " ".join(path)
        assert name in shown
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.help, (name, parameter.name)
                assert parameter.opts[-1] in shown, (name, parameter.opts)


def test_links_within_the_site(site: Site) -> None:
    """Sphinx checks references; this is about everything else that is a link, and pictures."""
    for page in site.directory.rglob("*.html"):
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|//", link):
                assert (page.parent / html.unescape(link)).exists(), f"{page}: {link}"
