"""Load an application in a process of its own, to see whether it loads.

What its module does while it's imported stays there, and ends with it: prints, threads, changes of
the process, an endless loop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import typing as t

from ..telemetry.redaction import hide, redact_text

#: Most bytes that are read of what it prints, from its end.
_TAIL = 4096
#: Its directory comes last until the application is imported, as with the command that serves: what
#: is in it hides nothing that is needed here.
_PROGRAM = (
    "import sys; sys.path.sort(key=lambda path: path == ''); "
    "from fluxsync.diagnostics.trial import main; main()"
)


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of it.

    :ivar fault: Why it doesn't load, in one line; empty if it does.
    :ivar is_usage: Whether a setting or the target itself is wrong, and not the code.
    :ivar file: Of the module.
    :ivar pages: Path and title of each page.
    :ivar page_faults: What is wrong with the pages, a line each.
    :ivar effective: What :func:`~fluxsync.diagnostics.effective.effective` says of its settings.
    :ivar output: The last lines that it printed, without secrets.
    """

    fault: str = ""
    is_usage: bool = False
    file: str = ""
    pages: tuple[dict[str, str], ...] = ()
    page_faults: tuple[str, ...] = ()
    effective: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    output: tuple[str, ...] = ()


def try_loading(
    target: str,
    timeout: float,
    *,
    directory: str | None = None,
    environ: t.Mapping[str, str] | None = None,
    strict: bool = False,
) -> Trial:
    """Load an application in a child process, and say what came of it.

    :param timeout: Seconds; whatever it has started is killed then.
    :param directory: Working directory; this process's if not given.
    :param environ: Its environment; this process's if not given.
    :param strict: Refuse parameters of pages that nobody fills.
    """
    # Files: what the application has started may outlive it, and would keep pipes open.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as report:
        number = report.fileno()
        command = [sys.executable, "-c", _PROGRAM, str(number), target, "1" if strict else ""]
        try:
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=directory,
                env=None if environ is None else {**environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(number,),
                start_new_session=True,
            )
        except OSError as e:
            return Trial(f"no process can be started to load it ({e.strerror})")
        status = _wait(process, timeout)
        told = _read(report)
        # What the application prints and raises may have them in it.
        hide(told.pop("secrets", ()))
        return _understand(status, told, _last_lines(output), timeout)


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """Return the exit status, ``None`` if it took too long; nothing of it runs afterwards."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(report: t.IO[bytes]) -> dict[str, t.Any]:
    """Return what the child process has said; nothing if somebody else wrote there."""
    report.seek(0)
    try:
        told = json.loads(report.read())
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _understand(
    status: int | None, told: dict[str, t.Any], output: tuple[str, ...], timeout: float
) -> Trial:
    if told:
        values: dict[str, t.Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
        }
        values["fault"] = redact_text(values.get("fault", ""))
        return Trial(**values, output=output)
    if status is None:
        return Trial(f"importing it takes longer than {timeout:g} s", output=output)
    how = f"ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
    return Trial(f"importing it {how}", output=output)


def _last_lines(output: t.IO[bytes]) -> tuple[str, ...]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL))
    lines = output.read().decode(errors="replace").splitlines()
    return tuple(redact_text(line) for line in lines if line.strip())


def main() -> None:
    """Load an application and write what came of it; in the child process.

    Arguments: descriptor to write to, target, and something if it's strict about pages.
    """
    descriptor, target, strict = sys.argv[1:]
    number, secrets = int(descriptor), _secrets()
    _write(number, {"secrets": secrets})
    told = _load(target, strict=bool(strict))
    _write(number, {**told, "secrets": [*secrets, *told.get("secrets", ())]})
    sys.stdout.flush()
    sys.stderr.flush()
    # What the module has started mustn't keep this process.
    os._exit(0)


def _secrets() -> list[str]:
    """Return the secrets that settings have, before any code of the application runs."""
    from ..config import FluxSyncSettings
    from ..exceptions import ConfigError

    try:
        return [*FluxSyncSettings().secrets()]
    except ConfigError:
        return []  # it's said when the application is loaded


def _write(number: int, told: dict[str, t.Any]) -> None:
    """Write this in place of what is there, whatever else has written there."""
    os.ftruncate(number, 0)
    os.pwrite(number, json.dumps(told).encode(), 0)


def _load(target: str, *, strict: bool) -> dict[str, t.Any]:
    from ..config.target import import_target
    from ..exceptions import ConfigError, FluxSyncError, TargetError

    try:
        application = import_target(target)
        return _describe(application, target, strict=strict)
    except FluxSyncError as e:
        return {"fault": str(e), "is_usage": isinstance(e, (ConfigError, TargetError))}
    except SystemExit as e:
        return {"fault": f"importing it ends the process ({e.code!r})"}
    except BaseException as e:  # noqa: BLE001 # whatever it is, it's the application's
        return {"fault": in_one_line(e)}


def _describe(application: t.Any, target: str, *, strict: bool) -> dict[str, t.Any]:
    from ..app import FluxSync
    from ..exceptions import TargetError
    from ..pages import validate_fluxsync_pages
    from .effective import effective

    if not isinstance(application, FluxSync):
        kind = type(application).__name__
        raise TargetError(f"{target} is a {kind}, not a FluxSync application")
    pages = application.build_page_manifest()["pages"]
    name = target.rpartition(":")[0]
    module = sys.modules.get(os.path.basename(name).removesuffix(".py"), sys.modules.get(name))
    return {
        "file": str(getattr(module, "__file__", "") or ""),
        "pages": [{key: str(page.get(key, "")) for key in ("path", "title")} for page in pages],
        "page_faults": validate_fluxsync_pages(application, strict=strict),
        "effective": effective(application.settings),
        "secrets": [*application.settings.secrets()],
    }


def in_one_line(error: BaseException) -> str:
    """Return what an application's code has raised, and where; without secrets."""
    words = " ".join(redact_text(str(error)).split())
    place = ""
    trace = error.__traceback__
    own = os.path.dirname(os.path.dirname(__file__))
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((own, "<frozen")):
            place = f" ({os.path.basename(name)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    kind = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return kind if isinstance(error, SyntaxError) else f"{kind}{place}"
