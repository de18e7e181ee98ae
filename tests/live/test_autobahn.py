"""The Autobahn test suite through the gateway, compared with the same server without it."""

from __future__ import annotations

import collections
import os
import sys
import typing as t

import pytest

from tests.autobahn import suite
from tests.autobahn.suite import Unavailable, Verdict
from tests.conftest import StartGateway, StartServer
from tests.support import websocket
from tests.support.processes import ROOT, Server, free_port

pytestmark = pytest.mark.live_server

#: Some of each group. All cases take half an hour or more, mostly for large compressed messages.
SOME = (
    *("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"),
    *("9.1.1", "9.2.1", "9.3.6", "9.4.6", "9.5.6", "9.6.6", "9.7.1", "9.8.1"),
    *(f"{group}.{case}" for group in ("12.1", "12.5", "13.1", "13.4") for case in (1, 3)),
)
ALL = ("*",)


def as_good_as(verdicts: set[Verdict]) -> set[Verdict]:
    return verdicts | {v._replace(behavior="OK") for v in verdicts if v.behavior == "NON-STRICT"}


@pytest.mark.timeout(7200)
def test_same_verdicts(serve: StartServer, gateway: StartGateway) -> None:
    """Each case gets the same verdict through the gateway as directly, or a better one.

    Some get one of two, ``OK`` or ``NON-STRICT``, as they depend on whether the server has
    answered one message before it reads the next. These are run again.
    """
    everything = os.environ.get("FLUXSYNC_TESTS_AUTOBAHN") == "all"
    try:
        python = suite.install("requirements-all.txt" if everything else "requirements.txt")
    except Unavailable as e:
        pytest.skip(str(e))
    port = free_port()
    # Cases send up to 65536 fragments.
    env = {"WEBSOCKETS_MAX_FRAGMENTS": "100000"}
    echo = Server(sys.executable, str(ROOT / "tests" / "autobahn" / "echo.py"), str(port), env=env)
    serve(echo).wait_for_line("listening")
    upstream = {"FLUXSYNC_STREAMLIT_UPSTREAM": f"http://127.0.0.1:{port}"}
    through = gateway(upstream=None, env=upstream)
    servers = {
        "directly": f"ws://127.0.0.1:{port}{websocket.PATH}",
        "gateway": f"ws://127.0.0.1:{through.port}{websocket.PATH}",
    }

    verdicts: dict[str, dict[str, set[Verdict]]] = {
        name: collections.defaultdict(set) for name in servers
    }

    def run(cases: t.Sequence[str]) -> list[str]:
        """Run cases, and return those whose verdicts differ so far."""
        for name, reports in suite.fuzz(python, servers, cases, timeout=7000).items():
            for case, verdict in reports.items():
                verdicts[name][case].add(verdict)
        directly, here = verdicts["directly"], verdicts["gateway"]
        assert directly.keys() == here.keys()
        return [case for case in directly if not here[case] & as_good_as(directly[case])]

    different = run(ALL if everything else SOME)
    for _ in range(5):
        if different:
            different = run(different)

    assert {
        case: (verdicts["directly"][case], verdicts["gateway"][case]) for case in different
    } == {}
    accepted = [case for case, seen in verdicts["directly"].items() if Verdict("OK", "OK") in seen]
    assert len(accepted) > 200
