"""Each module has a test module at the same path, which is where one looks for its tests."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

import fluxsync

PACKAGE = Path(fluxsync.__file__).parent
TESTS = Path(__file__).parent

#: Modules whose tests are elsewhere, and where.
ELSEWHERE = {
    "__main__.py": "tests/live: python -m fluxsync",
    "app.py": "tests/live: each of its applications is one",
    "api/exchange.py": "tests/api/test_asgi.py",
    "api/line.py": "tests/api/test_connection.py",
    "assets/__main__.py": "tests/process/test_compressor.py: as the supervisor's process",
    "assets/writer.py": "tests/assets/test_store.py",
    "auth/places.py": "tests/auth/test_bff.py: at the root and under a prefix",
    "auth/refusals.py": "tests/auth/test_bff.py",
    "auth/unverified.py": "tests/auth/test_bff.py",
    "auth/verification.py": "tests/auth/test_jwt.py and test_oidc.py",
    "cli/*.py": "tests/cli; tests/live: the commands as programs",
    "config/explaining.py": "tests/config/test_settings.py",
    "config/listening.py": "tests/diagnostics/test_project.py, tests/cli/test_bad_input.py",
    "config/protection_rules.py": "tests/config/test_advice.py",
    "config/situation.py": "tests/config/test_advice.py",
    "config/trust_rules.py": "tests/config/test_advice.py",
    "config/groups/*.py": "tests/config/test_settings.py",
    "config/fields.py": "tests/config/test_settings.py",
    "demo/app.py": "tests/demo/test_api.py and test_pages.py",
    "demo/models.py": "tests/demo/test_api.py",
    "demo/pages/*.py": "tests/demo/test_pages.py",
    "diagnostics/connection.py": "tests/diagnostics/test_client.py",
    "diagnostics/effective.py": "tests/diagnostics/test_trial.py, tests/hosting/test_workbench.py",
    "diagnostics/here.py": "tests/live/test_commands.py: needs a server",
    "diagnostics/tunnel.py": "tests/hosting/test_doctor.py: needs a gateway",
    "diagnostics/visit.py": "tests/hosting/test_doctor.py: needs a site",
    "exceptions.py": "wherever they're raised",
    "gateway/api.py": "tests/live/test_api_kinds.py, tests/gateway/test_bodies.py",
    "gateway/answering.py": "tests/gateway/test_calls.py",
    "gateway/apisockets.py": "tests/live/test_api_kinds.py: needs a server",
    "gateway/application.py": "tests/live: needs a server",
    "gateway/delivery.py": "tests/live/test_slow_clients.py: needs a server",
    "gateway/entrusting.py": "tests/live/test_tunnel*.py",
    "gateway/handover.py": "tests/live/test_slow_clients.py, test_websockets.py",
    "gateway/kept.py": "tests/live/test_kept_assets.py",
    "gateway/variants.py": "tests/gateway/test_assets.py",
    "gateway/opening.py": "tests/live/test_websockets.py, test_tunnel*.py: needs a server",
    "gateway/streamlit.py": "tests/live: needs a server",
    "gateway/tunnel.py": "tests/live/test_tunnel*.py: needs a server",
    "gateway/uploads.py": "tests/live/test_slow_clients.py: needs a server",
    "gateway/websocket.py": "tests/live: needs a server",
    "gunicorn_conf.py": "tests/hosting/test_procfile.py",
    "pages/application.py": "tests/pages/test_parameters.py, test_discovery.py, test_navigation.py",
    "pages/endings.py": "tests/pages/test_parameters.py: with Streamlit's own exceptions",
    "pages/flags.py": "tests/pages/test_parameters.py",
    "pages/markers.py": "tests/pages/test_planning.py",
    "pages/plans.py": "tests/pages/test_planning.py",
    "pages/running.py": "tests/pages/test_parameters.py: in runs of Streamlit's",
    "pages/spans.py": "tests/telemetry/test_opentelemetry.py",
    "pages/values.py": "tests/pages/test_parameters.py: in runs of Streamlit's",
    "pages/script/fluxsync_main.py": "tests/pages/test_navigation.py",
    "process/announcements.py": "tests/live/test_commands.py: in the supervisor",
    "process/reloading.py": "tests/live/test_commands.py: needs a server",
    "process/relay.py": "mypy: it's a protocol",
    "process/supervisor.py": "tests/live: a process of its own",
    "process/switchboard.py": "tests/live/test_lifecycle.py: in the supervisor",
    "serving/*.py": "tests/live: needs servers",
    "sessions/page.py": "tests/sessions/test_url.py",
    "sessions/store.py": "tests/sessions/test_contract.py",
    "telemetry/tracers.py": "tests/telemetry/test_tracing.py, test_opentelemetry.py",
    "testing/mounted.py": "tests/testing/test_client.py",
    "testing/script/under_test.py": "tests/testing/test_apptest.py",
    "testing/standin.py": "tests/testing/test_client.py",
    "testing/surroundings.py": "tests/testing/test_apptest.py",
    "typing.py": "mypy",
    "upstream/models.py": "tests/upstream/test_client.py",
    "upstream/session.py": "tests/upstream/test_client.py",
    "upstream/ways.py": "tests/upstream/test_client.py, test_calls.py",
    "version.py": "tests/release/test_distributions.py",
    "wsgi.py": "tests/live: gunicorn fluxsync.wsgi",
}


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(str(path) for path in paths if path.name != "__init__.py")


def is_elsewhere(module: str) -> bool:
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in ELSEWHERE)


@pytest.mark.parametrize("module", [m for m in modules() if not is_elsewhere(m)])
def test_module_has_tests(module: str) -> None:
    path = TESTS / module

    assert path.with_name(f"test_{path.name}").is_file()


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_exception_is_needed(pattern: str) -> None:
    assert fnmatch.filter(modules(), pattern)
