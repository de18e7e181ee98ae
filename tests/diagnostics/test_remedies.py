from __future__ import annotations

import pytest

from fluxsync.diagnostics.remedies import write


@pytest.mark.parametrize("server", ["nginx/1.22.1", "nginx", "openresty/1.25"])
def test_nginx(server: str) -> None:
    assert write("upgrade", server, "and this") == (
        "nginx: proxy_http_version 1.1;",
        "       proxy_set_header Upgrade $http_upgrade;",
        "       proxy_set_header Connection $http_connection;",
        "and this",
    )


def test_others() -> None:
    assert write("body", "gunicorn") == ("In the proxy: raise the limit of a request's body.",)
    assert write("path", "nginx") == write("path", "")
