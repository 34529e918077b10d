"""A real `flowctl serve`: its metrics, who may read them, its readiness, and the form of its log."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from engine.cli import observing
from engine.testing import memory_world
from tests import stores
from tests.acceptance.serving import free_port, is_ready, kill, start
from tests.cli.cli_kit import run

pytestmark = pytest.mark.acceptance


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_server_is_watched(tmp_path: Path) -> None:
    home, port = stores.homed(tmp_path / "home"), free_port()
    assert run("company", "add", "acme", "--home", str(home)).status == 0
    process = start(home, port, more=["--log-format", "json", "--metrics-companies", "0"])
    try:
        assert is_ready(process, port)
        url = f"http://127.0.0.1:{port}"
        status, ready = get(f"{url}/readyz")
        assert (status, [(name, check["level"]) for name, check in json.loads(ready)["checks"].items()]) == (
            200, [("store", "ok"), ("schema", "ok"), ("keys", "ok"), ("clock" if stores.ON_POSTGRES else "disk", "ok"), ("worker", "ok")],
        )  # fmt: skip
        assert str(home) not in ready
        get(f"{url}/qbwc?wsdl")
        status, text = get(f"{url}/metrics")
        assert status == 200
        found = dict(re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE))
        assert found["flowctl_worker_up"] == "1.0"
        assert found["flowctl_companies"] == "1.0"
        assert found["flowctl_companies_labelled"] == "0.0"
        assert float(found["process_resident_memory_bytes"]) > 1_000_000
        assert "acme" not in text
        assert get(f"{url}/metrics", X_Forwarded_For="192.0.2.7")[0] == 403
        assert get(f"{url}/metrics", Host="sync.acme.example")[0] == 403
    finally:
        kill(process)
    lines = [json.loads(line) for line in (home / "serve.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["serving", "the panel is off"]


def test_without_metrics_there_is_no_page() -> None:
    with observing.observed(memory_world(), observing.Watched()) as routes:
        assert routes == []
    with observing.observed(memory_world(), observing.Watched(metrics_companies=1)) as routes:
        assert [getattr(route, "path", "") for route in routes] == ["/metrics"]


def test_a_token_that_is_too_short_keeps_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWCTL_METRICS_TOKEN", "short")
    home = stores.homed(tmp_path / "home")
    assert run("company", "add", "acme", "--home", str(home)).status == 0
    assert run("serve", "ramp_to_quickbooks", "--home", str(home), "--port", "0").text() == (
        "[2]\n--\nerror: FLOWCTL_METRICS_TOKEN has fewer than 16 characters\n  hint: make one: `openssl rand -hex 20`\n"
    )
