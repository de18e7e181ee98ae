"""Runs as Streamlit's process: ``streamlit run``, bound to the life of its supervisor.

The supervisor starts it as a program, with this file's path. It needs no name from the rest
of fluxsync until the application is imported, and imports Streamlit last.

Arguments: the file descriptor to report to, the supervisor's process id, the application's
import target or ``-``, and those of ``streamlit run``.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib
import importlib.util
import os
import runpy
import signal
import socket
import stat
import sys
import threading
import time
import traceback
import typing as t

#: prctl(2)
_PR_SET_PDEATHSIG = 1

#: Exit status for an application that can't be imported, as for a wrong command line:
#: trying again gives the same.
_NOT_IMPORTABLE = 2


def main(arguments: list[str]) -> None:
    """Run Streamlit."""
    report, supervisor, target, *streamlit = arguments
    die_with(int(supervisor))
    if target == "-":
        _check_script(streamlit[0])
    else:
        _find_files(target)
    known = frozenset(listeners())
    threading.Thread(
        target=report_listener,
        args=(int(report), known, "" if target == "-" else target),
        name="fluxsync-report",
        daemon=True,
    ).start()
    sys.argv = ["streamlit", "run", *streamlit]
    runpy.run_module("streamlit", run_name="__main__")


def die_with(supervisor: int) -> None:
    """End this process when the supervisor ends, even when that is killed.

    Linux sends a signal on the parent's death. Elsewhere a thread looks for a new parent.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        bound = libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    except (AttributeError, OSError):
        bound = False
    if os.getppid() != supervisor:
        os._exit(1)  # it ended before the signal was asked for
    if not bound:
        threading.Thread(target=_watch_parent, args=(supervisor,), daemon=True).start()


def _watch_parent(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(0.5)
    os._exit(1)


def import_application(target: str) -> None:
    """Import the application, to notice that it's broken before somebody looks at it.

    As in runs of the script, that's in another thread than the main one, and Streamlit's runtime
    is there: what a module declares of components while it's imported stays declared.
    """
    from fluxsync.config.target import import_target
    from fluxsync.process.changes import MODULES

    try:
        with _declaring_components():
            import_target(target)
        MODULES.note()
    except BaseException as e:  # noqa: BLE001 # whatever it is, it's shown, and ends the process
        ours = type(e).__module__.startswith("fluxsync.")
        _refuse(target, e, for_good=ours or isinstance(e, (ImportError, SyntaxError, SystemExit)))


@contextlib.contextmanager
def _declaring_components() -> t.Iterator[None]:
    """Have ``declare_component`` register components, as it does in a run of a script.

    It asks for the run's context, and only looks whether there's one (Streamlit 1.42 to 1.67).
    """
    registry: t.Any = importlib.import_module("streamlit.components.v1.component_registry")
    asked = registry.get_script_run_ctx
    registry.get_script_run_ctx = object
    try:
        yield
    finally:
        registry.get_script_run_ctx = asked


def _find_files(target: str) -> None:
    """Have Streamlit look for ``static``, and for changed modules, beside the application.

    It does so for scripts. The one that it runs is fluxsync's, and there's no option (Streamlit
    1.42 to 1.67).
    """
    module = target.rpartition(":")[0]
    beside = os.path.dirname(os.path.abspath(module)) if module.endswith(".py") else os.getcwd()
    files: t.Any = importlib.import_module("streamlit.file_util")
    files.get_app_static_dir = lambda script: os.path.join(beside, "static")
    in_path = files.file_in_pythonpath
    ours = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "")
    inside = os.path.join(os.path.realpath(beside), "")

    def is_watched(path: str) -> bool:
        real = os.path.realpath(path)
        return not real.startswith(ours) and (real.startswith(inside) or in_path(path))

    files.file_in_pythonpath = is_watched


def _check_script(script: str) -> None:
    """Compile a script before Streamlit starts; it runs only when somebody looks at it.

    The modules that it imports before it does anything else must exist. Later ones may lie in
    directories that it has added to the path.
    """
    try:
        with open(script, "rb") as file:
            tree = ast.parse(file.read(), script)
    except OSError:
        return  # Streamlit has better words for that
    except (SyntaxError, ValueError) as e:
        _refuse(script, e, for_good=True)
    directory = os.path.dirname(os.path.abspath(script))
    sys.path.insert(0, directory)
    try:
        for line, name in _first_imports(tree):
            if name in sys.modules:
                continue
            spec = importlib.util.find_spec(name)
            if spec is None:
                error = ModuleNotFoundError(f"No module named {name!r}", name=name)
                _refuse(f"{script}, line {line}", error, for_good=True)
            parent = os.path.dirname(spec.origin or "")
            if spec.origin is None or directory in (parent, os.path.dirname(parent)):
                return  # one of its own, which may add to the path too
    finally:
        del sys.path[0]


def _first_imports(tree: ast.Module) -> t.Iterator[tuple[int, str]]:
    """Yield line and top-level module of the imports before all other statements."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        else:
            return
        for name in names:
            yield node.lineno, name.partition(".")[0]


def _refuse(what: str, error: BaseException, *, for_good: bool) -> t.NoReturn:
    """End the process, with the reason as its last words.

    :param for_good: Whether trying again gives the same.
    """
    if error.__traceback__ is not None:
        traceback.print_exception(error)
    sys.stderr.write(f"can't import {what}: {type(error).__name__}: {error}\n")
    sys.stderr.flush()
    os._exit(_NOT_IMPORTABLE if for_good else 1)


def report_listener(
    report: int,
    known: t.Collection[tuple[str, int]] = (),
    target: str = "",
) -> None:
    """Tell the supervisor on which port this process listens, when it's ready for pages.

    The kernel picks the port (``--server.port=0``), so nobody can take it between a choice
    and its use. And it's read from this process's own descriptors, so it can't be anybody
    else's.

    :param report: Descriptor to write to.
    :param known: Addresses on which it has listened before Streamlit started.
    :param target: The application to import before. It may listen for purposes of its own, such
        as metrics.
    """
    while True:
        ports = sorted({address[1] for address in listeners() if address not in known})
        if ports:
            if target:
                import_application(target)
            send_at_once(ports)
            with os.fdopen(report, "wb") as pipe:
                pipe.write(f"{' '.join(map(str, ports))}\n{frontend()}\n".encode())
            return
        time.sleep(0.02)


def frontend() -> str:
    """Return which frontend files Streamlit serves here; ``""`` if that can't be said."""
    try:
        from fluxsync.process.installation import identify

        # Not imported: this is another thread than the one that imports it.
        streamlit, config = sys.modules["streamlit"], sys.modules["streamlit.config"]
        if config.get_option("global.developmentMode"):
            return ""  # they come from another server then
        return identify(os.path.dirname(streamlit.__file__ or ""), streamlit.__version__)
    except Exception:  # noqa: BLE001 # of a Streamlit that we don't know: they're proxied
        return ""


def send_at_once(ports: t.Collection[int]) -> None:
    """Have connections to these ports send what they have without waiting for more.

    Streamlit sends heads and bodies one after the other, and the second waits for the first to
    be acknowledged: 40 ms on each connection that is kept. asyncio prevents that for sockets whose
    protocol is given, which Streamlit's isn't (1.67). Accepted sockets inherit it on Linux.
    """
    for sock in _listening():
        if sock.getsockname()[1] in ports:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def listeners() -> t.Iterator[tuple[str, int]]:
    """Yield the TCP addresses on which this process listens."""
    for sock in _listening():
        yield sock.getsockname()[:2]


def _listening() -> t.Iterator[socket.socket]:
    """Yield duplicates of the TCP sockets on which this process listens, each for a moment."""
    for name in os.listdir("/dev/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with sock:
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            if sock.type == socket.SOCK_STREAM and sock.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            ):
                yield sock


if __name__ == "__main__":
    # As a program, this file's directory is importable, and its names (spec, state) would
    # hide those of other packages. The directory that fluxsync lies in is what's needed.
    del sys.path[0]
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    main(sys.argv[1:])
