from __future__ import annotations

import pytest

from fluxsync.config.platform import Platform, find_platform, workbench_url
from fluxsync.sansio.rootpath import Guess
from fluxsync.sansio.workbench import hide_port

WORKBENCH = {
    "POSIT_PRODUCT": "WORKBENCH",
    "RS_SERVER_URL": "https://wb.example/",
    "RS_SESSION_URL": "/s/1234/",
    "RS_PORT_TOKEN": "0123456789ab",
}
VSCODE = {"VSCODE_PROXY_URI": "https://code.example/proxy/{{port}}/"}
JUPYTERHUB = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}


@pytest.mark.parametrize(
    "environ", [{}, {"POSIT_PRODUCT": "PACKAGEMANAGER"}, {"VSCODE_PROXY_URI": "./proxy"}]
)
def test_nothing_special(environ: dict[str, str]) -> None:
    assert find_platform(environ, 8000) == Platform()


@pytest.mark.parametrize("name", ["POSIT_PRODUCT", "RSTUDIO_PRODUCT"])
def test_posit_connect(name: str) -> None:
    platform = find_platform({**WORKBENCH, "POSIT_PRODUCT": "", name: "CONNECT"}, 0)

    assert platform == Platform("Posit Connect", is_connect=True)


def test_workbench() -> None:
    platform = find_platform({**WORKBENCH, **VSCODE}, 8050)

    path = f"/s/1234/p/{hide_port(8050, '0123456789ab')}"
    assert platform.guesses == (Guess(path, "RS_SESSION_URL"),)
    assert platform.origins == ("https://wb.example",)
    assert platform.url == f"https://wb.example{path}/" == workbench_url(WORKBENCH, 8050)


@pytest.mark.parametrize("token", ["", "a433e59dc087"])
def test_workbench_without_token(token: str) -> None:
    environ = {**WORKBENCH, "RS_PORT_TOKEN": token}

    assert workbench_url(environ, 8050).endswith(f"/p/{hide_port(8050)}/")


def test_vscode() -> None:
    platform = find_platform({**VSCODE, **JUPYTERHUB}, 8501)

    rule = "VSCODE_PROXY_URI"
    assert platform.guesses == (
        Guess("/absproxy/8501", rule, is_stripped=False),
        Guess("/proxy/8501", rule),
    )
    assert platform.origins == ("https://code.example",)


@pytest.mark.parametrize(("port", "expected"), [(8000, "/s/1/p/2"), (8001, "/user/ada/proxy/8001")])
def test_uvicorn_root_path_is_for_one_port(port: int, expected: str) -> None:
    environ = {"UVICORN_ROOT_PATH": "https://wb.example/s/1/p/2", **JUPYTERHUB}

    assert find_platform(environ, port).guesses[-1].path == expected


def test_jupyterhub() -> None:
    assert find_platform(JUPYTERHUB, 8000).guesses == (
        Guess("/user/ada/proxy/absolute/8000", "JUPYTERHUB_SERVICE_PREFIX", is_stripped=False),
        Guess("/user/ada/proxy/8000", "JUPYTERHUB_SERVICE_PREFIX"),
    )


@pytest.mark.parametrize(
    "environ",
    [
        {**WORKBENCH, "RS_PORT_TOKEN": "nonsense"},
        {**WORKBENCH, "RS_SERVER_URL": "https://[wb/"},
        {**WORKBENCH, "RS_SESSION_URL": "javascript:alert(1)", "RS_SERVER_URL": ""},
        {"VSCODE_PROXY_URI": "https://[/proxy/{{port}}"},
        {"VSCODE_PROXY_URI": "https://x.example/../{{port}}"},
        {"UVICORN_ROOT_PATH": "/a/../b"},
        {"JUPYTERHUB_SERVICE_PREFIX": "/user/a b/"},
    ],
)
def test_nonsense_is_no_evidence(environ: dict[str, str]) -> None:
    assert find_platform(environ, 8000).guesses == ()


def test_port_must_be_known() -> None:
    assert find_platform(WORKBENCH, 0) == Platform()
