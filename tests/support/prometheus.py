"""A real Prometheus, with the configuration that ``deploy/prometheus`` has."""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path
from urllib.parse import quote

import yaml

from tests.support import http
from tests.support.processes import ROOT, Server, free_port
from tests.support.waiting import eventually

DIRECTORY = ROOT / "deploy" / "prometheus"
COMMENT = "# On another machine: "
#: Between two scrapes.
INTERVAL = "250ms"


class Prometheus(Server):
    """It scrapes a gateway; ready when it has begun to.

    :param gateway_port: Port of the gateway.
    :param token: What the gateway wants to hear.
    """

    def __init__(self, gateway_port: int, token: str = "") -> None:
        self.port = free_port()
        super().__init__(
            shutil.which("prometheus") or "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )
        text = (DIRECTORY / "prometheus.yml").read_text()
        text = text.replace("15s", INTERVAL).replace("127.0.0.1:8000", f"127.0.0.1:{gateway_port}")
        if token:
            self._write("fluxsync.token", token)
            lines = text.splitlines()
            # There's no TLS here.
            text = "\n".join(x.replace(COMMENT, "") if "authorization" in x else x for x in lines)
            path = self.directory / "fluxsync.token"
            text = text.replace("/etc/prometheus/fluxsync.token", str(path))
            [scrape] = yaml.safe_load(text)["scrape_configs"]
            assert scrape["authorization"] == {"credentials_file": str(path)}
        self._write("prometheus.yml", text)
        shutil.copy(DIRECTORY / "alerts.yml", self.directory)

    def _write(self, name: str, text: str) -> None:
        Path(self.directory, name).write_text(text)

    def start(self) -> None:
        super().start()
        eventually(self._is_ready, 20, lambda: self.output)

    def _is_ready(self) -> bool:
        assert self.popen.poll() is None, self.output
        try:
            return http.get(self.port, "/-/ready").status == 200
        except ConnectionError:
            return False

    def api(self, path: str) -> t.Any:
        """Return the data of an answer; fail where it's an error."""
        answer = json.loads(http.get(self.port, f"/api/v1/{path}").body)
        assert answer["status"] == "success", f"{path}: {answer}"
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and values that an expression has now."""
        data = self.api(f"query?query={quote(expression, safe='')}")
        assert data["resultType"] == "vector"
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]

    def value(self, expression: str) -> float:
        """Return the only value of an expression; -1 if it has none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return found[0][1] if found else -1.0
