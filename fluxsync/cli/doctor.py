"""``fluxsync doctor``."""

from __future__ import annotations

import json
import sys
import textwrap
import typing as t

import click

from ..diagnostics import findings
from ..diagnostics.findings import Level
from ..sansio import headers as _headers

if t.TYPE_CHECKING:
    from ..diagnostics.address import Address
    from ..diagnostics.findings import Finding

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
#: Width of the first two columns.
_LEVEL, _CHECK = 9, 11
_WIDTH = 100


#: Fields that say where a request ends, or are needed for something else.
_NOT_FREE = frozenset(
    ("connection", "content-length", "host", "origin", "transfer-encoding", "upgrade")
)


def _read_url(ctx: click.Context, param: click.Parameter, value: str) -> Address:
    from ..diagnostics import address

    try:
        return address.parse(value)
    except ValueError as e:
        raise click.BadParameter(f"expected {e}") from None


def _read_headers(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    fields = tuple(
        (name.strip(), text.strip()) for name, _, text in (v.partition(":") for v in values)
    )
    for name, text in fields:
        if not _headers.is_name(name) or not _headers.is_plain(text) or not text:
            # It isn't repeated: it may be a password.
            raise click.BadParameter("expected a header field like 'Authorization: Key ...'")
        if name.lower() in _NOT_FREE or name.lower().startswith("sec-websocket-"):
            raise click.BadParameter(f"{name} isn't for the command line to say")
    return fields


@click.command("doctor")
@click.option("--url", required=True, callback=_read_url, help="What people open in their browser.")
@click.option(
    "--header", "headers", callback=_read_headers, multiple=True, help="Send this field, too."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds that a request may take.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="Seconds without a word after which connections must still be there; 25 says most.",
)
@click.option(
    "--upload",
    type=click.FloatRange(0, min_open=True),
    default=25.0,
    show_default=True,
    help="Largest upload that has to pass, in MB.",
)
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Authorities in PEM.")
@click.option("--insecure", is_flag=True, help="Believe any certificate.")
@click.option("--strict", is_flag=True, help="Take warnings for problems.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    url: Address,
    headers: tuple[tuple[str, str], ...],
    upload: float,
    ca_file: str | None,
    insecure: bool,
    strict: bool,
    as_json: bool,
    **bounds: float,
) -> None:
    """Look at a site from outside, as a browser does, and say what is wrong on the way to it.

    The exit status is 1 if there's a problem.
    """
    from ..diagnostics.client import Options
    from ..diagnostics.connection import Security
    from ..diagnostics.visit import visit

    size = max(1, round(upload * 1024 * 1024))
    options = Options(headers=headers, upload=size, security=Security(insecure, ca_file), **bounds)
    found = []
    try:
        for finding in visit(url, options):
            found.append(finding)
            if not as_json:
                click.echo(_describe(finding))
    except OSError as e:
        raise click.BadParameter(f"{ca_file}: {e}", param_hint="--ca-file") from e
    failed = findings.has_failed(found, strict=strict)
    if as_json:
        listed = [finding.as_dict() for finding in found]
        click.echo(json.dumps({"url": str(url), "ok": not failed, "findings": listed}, indent=2))
    else:
        click.echo(f"\n{_count(found)}")
    sys.exit(1 if failed else 0)


def _describe(finding: Finding) -> str:
    """Return a finding's lines; what stands in the site's answers can't act on the terminal."""
    level = click.style(finding.level.value.ljust(_LEVEL), fg=_COLOURS[finding.level])
    first, *more = textwrap.wrap(_printable(finding.text), _WIDTH - _LEVEL - _CHECK) or [""]
    lines = [f"{level}{finding.check.ljust(_CHECK)}{first}"]
    indent = " " * (_LEVEL + _CHECK)
    lines += [indent + line for line in more]
    lines += [f"{indent}  {_printable(line)}" for line in finding.remedy]
    return "\n".join(lines)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _count(found: list[Finding]) -> str:
    counts = [sum(finding.level is level for finding in found) for level in Level]
    well, warnings, problems = counts
    return f"{well} ok, warnings: {warnings}, problems: {problems}"
