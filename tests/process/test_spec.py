from __future__ import annotations

import json

import pytest

from fluxsync.process.spec import Spec, application_key

SPEC = Spec(
    name="app:app",
    directory="/srv",
    arguments=("script.py", "--server.port=0"),
    environment={"PATH": "/bin"},
    upstreams=("a:1", "b:2"),
    replicas=3,
    end_anchor=True,
)


def test_json() -> None:
    """It's the same after a journey as JSON, and names of later versions do no harm."""
    data = json.loads(json.dumps(SPEC.to_json()))
    assert Spec.from_json(data) == SPEC
    assert Spec.from_json({**data, "of_a_later_version": 1}) == SPEC


@pytest.mark.parametrize(
    ("name", "value", "differs"),
    [
        pytest.param("MPLCONFIGDIR", "/tmp/matplotlib-x1", False, id="of a library"),
        pytest.param("STREAMLIT_THEME_BASE", "dark", True, id="of Streamlit"),
        pytest.param("FLUXSYNC_TITLE", "Other", True, id="a setting"),
        pytest.param("_FLUXSYNC_COMMAND_LINE", "{}", True, id="command line"),
    ],
)
def test_identity_of_the_environment(name: str, value: str, differs: bool) -> None:
    """A library that sets a variable in each worker doesn't restart Streamlit each time."""
    other = Spec.from_json({**SPEC.to_json(), "environment": {"PATH": "/bin", name: value}})
    assert (other.identity != SPEC.identity) is differs


def test_identity_of_the_caches() -> None:
    """Streamlit doesn't know where its files are kept."""
    other = Spec.from_json({**SPEC.to_json(), "cache_dirs": ["/a"]})
    assert other.cache_dirs == ("/a",)
    assert other.identity == SPEC.identity


@pytest.mark.parametrize(
    ("name", "value"),
    [("secrets", ["a-secret"]), ("log_level", "debug"), ("log_format", "json")],
)
def test_identity_of_logs(name: str, value: object) -> None:
    """Who wants another log doesn't end all sessions."""
    other = Spec.from_json({**SPEC.to_json(), name: value})
    assert other.to_json() != SPEC.to_json()
    assert other.identity == SPEC.identity


def test_identity() -> None:
    assert Spec.from_json({**SPEC.to_json(), "replicas": 4}).identity != SPEC.identity
    assert Spec.from_json(json.loads(json.dumps(SPEC.to_json()))).identity == SPEC.identity


def test_application_key() -> None:
    """Another application, directory or server has another one; names need be no text."""
    keys = [
        application_key("app:app", "/srv", 1, "2"),
        application_key("app:app2", "/srv", 1, "2"),
        application_key("app:app", "/srv/\udcff", 1, "2"),
        application_key("app:app", "/srv", 3, "2"),
        application_key("app:app", "/srv", 1, "4"),
    ]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {16}
