"""Where settings come from.

Precedence: command line > arguments of :class:`~fluxsync.config.settings.FluxSyncSettings`
> environment > ``.env`` > ``fluxsync.toml`` or ``pyproject.toml`` > the hosting platform
(``PORT``, ``WEB_CONCURRENCY``) > default.

Everything is read when settings are made, never at import. Unknown names are errors, as a
misspelt setting that is ignored costs somebody an afternoon.
"""

from __future__ import annotations

import difflib
import json
import os
import pathlib
import sys
import typing as t

import dotenv

from ..exceptions import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "FLUXSYNC_"

#: Carries the command line's values to the processes that the command starts.
COMMAND_LINE_VARIABLE = "_FLUXSYNC_COMMAND_LINE"

#: Variables that begin with the prefix and aren't settings.
_NOT_SETTINGS = ("FLUXSYNC_DEMO_", "FLUXSYNC_TEST")


class Found(t.NamedTuple):
    """A value as it was written, and where."""

    value: t.Any
    source: str


def collect(arguments: t.Mapping[str, t.Any], names: t.Collection[str]) -> dict[str, Found]:
    """Gather what all sources say, the most important one last.

    :param arguments: What the program's code says.
    :param names: Names of all settings.
    :raise ConfigError: A source can't be read, or has a name that is no setting.
    """
    found: dict[str, Found] = {}
    for layer in (
        _platform(os.environ),
        _project_file(pathlib.Path.cwd(), names),
        _dotenv(pathlib.Path.cwd() / ".env", names),
        _variables(os.environ, "environment", names),
        _named(arguments, "code", names),
        _named(json.loads(os.environ.get(COMMAND_LINE_VARIABLE, "{}")), "command line", names),
    ):
        found.update(layer)
    return found


def override(values: t.Mapping[str, t.Any]) -> None:
    """Make these the command line's values, for this process and its children."""
    os.environ[COMMAND_LINE_VARIABLE] = json.dumps(
        {name: value for name, value in values.items() if value is not None}
    )


def add_override(name: str, value: t.Any) -> None:
    """Add one value to the command line's."""
    override({**json.loads(os.environ.get(COMMAND_LINE_VARIABLE, "{}")), name: value})


def _platform(environ: t.Mapping[str, str]) -> dict[str, Found]:
    found = {}
    if environ.get("PORT"):
        # Platforms that choose the port also route to it from outside of the machine.
        found["gateway_host"] = Found("0.0.0.0", "PORT")  # noqa: S104
        found["gateway_port"] = Found(environ["PORT"], "PORT")
    if environ.get("WEB_CONCURRENCY"):
        found["workers"] = Found(environ["WEB_CONCURRENCY"], "WEB_CONCURRENCY")
    return found


def _project_file(directory: pathlib.Path, names: t.Collection[str]) -> dict[str, Found]:
    own = _toml(directory / "fluxsync.toml")
    if own is not None:
        return _named(own, "fluxsync.toml", names)
    project = _toml(directory / "pyproject.toml")
    source = "pyproject.toml [tool.fluxsync]"
    table: t.Any = project or {}
    for key in ("tool", "fluxsync"):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise ConfigError(key, table, source=source, expected="a table")
    return _named(table, source, names)


def _toml(path: pathlib.Path) -> dict[str, t.Any] | None:
    try:
        table: dict[str, t.Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ConfigError(path.name, "", source=str(path), expected=f"a TOML file ({e})") from e
    return table


def _dotenv(path: pathlib.Path, names: t.Collection[str]) -> dict[str, Found]:
    if not path.is_file():
        return {}
    try:
        return _variables(dotenv.dotenv_values(path), ".env", names)
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(path.name, "", source=str(path), expected=f"a readable file ({e})") from e


def _variables(
    environ: t.Mapping[str, str | None], source: str, names: t.Collection[str]
) -> dict[str, Found]:
    # An empty variable is what compose files and shells leave where nothing is meant.
    values = {
        key[len(PREFIX) :].lower(): value
        for key, value in environ.items()
        if key.startswith(PREFIX) and value and not key.startswith(_NOT_SETTINGS)
    }
    return _named(values, source, names)


def _named(
    values: t.Mapping[str, t.Any], source: str, names: t.Collection[str]
) -> dict[str, Found]:
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            # Whatever it's meant for, its value may be a secret.
            raise ConfigError(name, "***", source=source, expected=f"the name of a setting{hint}")
    return {name: Found(value, source) for name, value in values.items()}
