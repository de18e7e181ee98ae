"""``fluxsync doctor``."""

from __future__ import annotations

import json
import sys
import textwrap
import typing as t

import click
from click.core import ParameterSource

from ..config.sources import override
from ..diagnostics import findings
from ..diagnostics.findings import Level
from ..sansio import headers as _headers
from .options import Amount

if t.TYPE_CHECKING:
    from ..diagnostics.address import Address
    from ..diagnostics.findings import Finding
    from ..diagnostics.here import Look

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
#: Width of the first two columns.
_LEVEL, _CHECK = 9, 11
_WIDTH = 100


#: Fields that say where a request ends, or are needed for something else.
_NOT_FREE = frozenset(
    ("connection", "content-length", "host", "origin", "transfer-encoding", "upgrade")
)


def _read_url(ctx: click.Context, param: click.Parameter, value: str | None) -> Address | None:
    from ..diagnostics import address

    if value is None:
        return None
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
@click.argument("target", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option("--url", callback=_read_url, help="What people open in their browser.")
@click.option(
    "--header", "headers", callback=_read_headers, multiple=True, help="Send this field, too."
)
@click.option(
    "--timeout",
    type=Amount(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds that a request may take.",
)
@click.option(
    "--patience",
    type=Amount(0),
    default=5.0,
    show_default=True,
    help="Seconds without a word after which connections must still be there; 25 says most.",
)
@click.option(
    "--upload",
    type=Amount(0, min_open=True),
    default=25.0,
    show_default=True,
    help="Largest upload that has to pass, in MB.",
)
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Authorities in PEM.")
@click.option("--insecure", is_flag=True, help="Believe any certificate.")
@click.option("--strict", is_flag=True, help="Take warnings for problems.")
@click.option("--check-pages", is_flag=True, help="See that the pages go together, too.")
@click.option("--warnings-only", is_flag=True, help="Exit with 0, whatever there is.")
@click.option("-v", "--verbose", is_flag=True, help="Print versions, settings and pages as well.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    context: click.Context,
    /,
    target: str | None,
    url: Address | None,
    strict: bool,
    warnings_only: bool,
    as_json: bool,
    check_pages: bool,
    verbose: bool,
    **visiting: t.Any,
) -> None:
    """Say what is wrong here, or on the way to a site.

    Without --url, look at this machine, and at the project in this directory: versions, settings,
    whether the application can be imported, directories, the port; and at its server if it runs.
    The application is imported in a process of its own.

    With --url, look at a site from outside, as a browser does, and say what is wrong on the way to
    it; --header, --timeout, --patience, --upload, --ca-file and --insecure are for that.

    The exit status is 1 if there's a problem.
    """
    if url is None:
        _refuse_options(context)
        override({"app": target})
        look = _look(check_pages or verbose)
        found = _print(look.findings(), quiet=as_json)
        more = _more(look) if verbose else {}
        subject = {"target": look.target}
    else:
        if target or check_pages or verbose:
            raise click.UsageError(
                "MODULE:ATTRIBUTE, --check-pages and --verbose don't go with --url"
            )
        found = _print(_visit(url, **visiting), quiet=as_json)
        more, subject = {}, {"url": str(url)}
    failed = findings.has_failed(found, strict=strict) and not warnings_only
    if as_json:
        listed = [finding.as_dict() for finding in found]
        told = {**subject, "ok": not failed, "status": _status(found, failed), "findings": listed}
        told |= {"warnings_only": warnings_only} | ({"verbose": more} if verbose else {})
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo("".join(f"\n{line}" for line in _lines(more)) + f"\n{_count(found)}")
    sys.exit(1 if failed else 0)


def _refuse_options(context: click.Context) -> None:
    """Refuse options that only make sense with an address.

    :raise click.UsageError: There's one.
    """
    for name in ("headers", "timeout", "patience", "upload", "ca_file", "insecure"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "header" if name == "headers" else name.replace("_", "-")
            raise click.UsageError(f"--{option} is for looking at a site: --url is missing")


def _look(pages: bool) -> Look:
    from ..diagnostics.here import Look
    from ..serving.loading import choose_target
    from .status import statuses

    return Look(choose_target, statuses, pages)


def _visit(
    url: Address,
    headers: tuple[tuple[str, str], ...],
    upload: float,
    ca_file: str | None,
    insecure: bool,
    **bounds: t.Any,
) -> t.Iterator[Finding]:
    from ..diagnostics.client import Options
    from ..diagnostics.connection import Security
    from ..diagnostics.visit import visit

    size = max(1, round(upload * 1024 * 1024))
    options = Options(headers=headers, upload=size, security=Security(insecure, ca_file), **bounds)
    try:
        yield from visit(url, options)
    except OSError as e:
        raise click.BadParameter(f"{ca_file}: {e}", param_hint="--ca-file") from e


def _print(found: t.Iterable[Finding], *, quiet: bool) -> list[Finding]:
    """Print findings as they're made, and return them."""
    kept = []
    for finding in found:
        kept.append(finding)
        if not quiet:
            click.echo(_describe(finding))
    return kept


def _status(found: list[Finding], failed: bool) -> str:
    if failed:
        return "fail"
    return "pass" if all(finding.level is Level.OK for finding in found) else "warn"


def _more(look: Look) -> dict[str, t.Any]:
    """Return what --verbose shows, as JSON types and without secrets."""
    from ..diagnostics.packages import packages

    return {
        "versions": {package.name: package.version for package in packages() if package.version},
        **look.effective,
        "pages": list(look.trial.pages),
    }


def _lines(more: dict[str, t.Any]) -> t.Iterator[str]:
    for name, version in sorted(more.get("versions", {}).items()):
        yield f"{name} {version}"
    for name, setting in more.get("settings", {}).items():
        yield f"{name} = {json.dumps(setting['value'])}  ({setting['source']})"
    for page in more.get("pages", ()):
        yield f"{page['path']}  {page['title']}"


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
