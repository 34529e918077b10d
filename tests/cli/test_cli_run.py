"""`flowctl run`, `serve` and `demo` at the terminal: what is said while it works, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from engine import clock, log
from engine.cli.run import _complain
from engine.errors import RateLimited
from engine.runreport import RunReport, StreamReport
from engine.service import Service
from tests.cli.cli_kit import Cli
from tests.cli.shelf import AT, Shelf, shelf
from tests.cli.test_cli_story import FLOW, served, simulated_ramp

MAIN = "from engine.cli.main import main; main()"
DEAD = "http://127.0.0.1:9"


@contextmanager
def connected(cli: Cli) -> Iterator[None]:
    """A company with both sides, Ramp simulated and answering."""
    with simulated_ramp() as (url, secrets):
        env = {f"FLOWCTL_SECRET_RAMP_{name.upper()}": value for name, value in secrets.items()}
        cli.ok("connect", "ramp", "--set", f"base_url={url}", "--set", "api_profile=2025-08", env=env)
        cli.ok("connect", "books", "--set", "app_url=http://localhost:8765/qbwc")
        yield


def in_state(desk: Shelf, state: str) -> int:
    rows = desk.tx.rows("record_counts", {"company": "main", "flow": FLOW})
    return sum(row["count"] for row in rows if row["state"] == state)


# --- what was asked for


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_serve_on_a_port_that_cannot_be(cli: Cli, port: str) -> None:
    by_option = cli("serve", f"--port={port}")
    by_variable = cli("serve", env={"FLOWCTL_PORT": port})
    assert (by_option.status, by_variable.status) == (2, 2)
    assert by_option.err.splitlines()[-1].startswith("Error: Invalid value for '--port'")


@pytest.mark.parametrize(
    ("host", "reason"), [("192.0.2.1", "Cannot assign requested address"), ("ä..b", "this is no host name")]
)
def test_serve_on_a_host_that_is_not_here(cli: Cli, host: str, reason: str) -> None:
    cli.ok("company", "add", "main")
    assert cli("serve", FLOW, "--host", host, "--port", "0").text() == (
        f"[2]\n--\nerror: cannot listen on {host}:0: {reason}\n"
        "  hint: give as --host an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them\n"
    )


@pytest.mark.parametrize("option", ["--bills", "--transactions"])
def test_demo_of_less_than_nothing(cli: Cli, option: str) -> None:
    ran = cli("demo", option, "-5")
    assert (ran.status, ran.err.splitlines()[-1]) == (
        2, f"Error: Invalid value for '{option}': -5 is not in the range x>=0.",
    )  # fmt: skip


@pytest.mark.acceptance
def test_demo_says_where_it_kept_the_store(cli: Cli) -> None:
    ran = cli.ok("demo", "ramp_to_quickbooks", "--bills", "1", "--transactions", "0", "--keep", "kept")
    assert ran.err == "the store is kept in kept; see `flowctl status --home kept --company demo`\n"
    assert cli.ok("status", "--home", "kept", "--company", "demo").out.startswith("demo\n")


def test_a_flow_that_is_not_there(cli: Cli) -> None:
    assert cli("run", "ramp_to_quickboks").text() == (
        "[2]\n--\nerror: there is no flow `ramp_to_quickboks`\n"
        "  hint: did you mean `ramp_to_quickbooks`? known: bill_to_quickbooks, expensify_to_quickbooks, "
        "freshbooks_to_ramp, ramp_accounting, ramp_to_quickbooks\n"
    )


def test_watching_and_a_dry_run_exclude_each_other(cli: Cli) -> None:
    ran = cli("run", FLOW, "--watch", "--dry-run")
    assert (ran.status, ran.err.splitlines()[-1]) == (2, "Error: --watch and --dry-run exclude each other")


# --- a source that is down


def test_waiting_for_a_source_that_is_down_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock.SystemClock, "sleep", lambda _self, _seconds: None)
    with connected(cli):
        cli.ok("connect", "ramp", "--set", f"base_url={DEAD}")
    ran = cli("run", FLOW)
    assert ran.status == 1
    assert ran.out == f"{FLOW}: 0 read, 0 prepared, 0 deferred, 0 failed, 0 skipped, 0 marked synced\n"
    lines = ran.err.splitlines()
    waits = [line for line in lines if "trying again in" in line]
    assert waits[0] in [f"ramp: POST /developer/v1/token: no connection; trying again in {s} s" for s in (1, 2)]
    assert [line for line in lines if line not in waits] == [
        "error: main/ramp: POST /developer/v1/token: no connection"
    ]
    assert len(waits) % 4 == 0
    dry = cli("run", FLOW, "--dry-run")
    assert dry.status == 1
    assert dry.err.count("trying again in") == 4


@pytest.mark.parametrize(("asked_s", "told"), [(61.0, "2 minutes"), (3000.0, "50 minutes"), (45.0, "1 minute")])
def test_when_a_source_may_be_asked_again_is_said(
    capsys: pytest.CaptureFixture[str], asked_s: float, told: str
) -> None:
    error = RateLimited("main/bill: GET /bills: too many requests", retry_after_s=asked_s)
    _complain(RunReport(FLOW, "main", (StreamReport("bills", {}, error), StreamReport("payments", {}, error))))
    assert capsys.readouterr().err == (f"error: main/bill: GET /bills: too many requests\n  it may go on in {told}\n")


# --- a dry run


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("refused", "unknown", "status", "written"),
    [(0, 0, 0, "2 written, 0 refused, 0 unknown"), (1, 0, 1, "2 written, 1 refused, 0 unknown"),
     (0, 3, 1, "2 written, 0 refused, 3 unknown")],
)  # fmt: skip
def test_what_a_called_target_refused_is_no_success(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, refused: int, unknown: int, status: int, written: str
) -> None:
    cli.ok("company", "add", "main")
    report = RunReport(FLOW, "main", (), pushed=2, refused=refused, unknown=unknown)
    monkeypatch.setattr("engine.cli.run._run", lambda *_: report)
    ran = cli("run", FLOW)
    counts = "0 read, 0 prepared, 0 deferred, 0 failed, 0 skipped"
    assert (ran.status, ran.out) == (status, f"{FLOW}: {counts}, {written}, 0 marked synced\n")
    ran = cli("run", FLOW, "--format", "json")
    told = json.loads(ran.out)
    assert (ran.status, told["written"], told["refused"], told["unknown"]) == (status, 2, refused, unknown)


def test_a_dry_run_says_what_a_run_would_leave(cli: Cli) -> None:
    with connected(cli):
        first = cli.ok("run", FLOW, "--dry-run")
        assert first.out == ""
        with shelf(cli) as desk:
            assert desk.states() == {}
        real = cli.ok("run", FLOW)
        with shelf(cli) as desk:
            pending = in_state(desk, "pending")
        assert f" {pending} waiting for the first look at the target's lists;" in first.err
        assert f", {pending} wait for the first look at the target's lists," in real.out
        assert cli.ok("run", FLOW, "--dry-run").err == first.err

        with served(cli) as url:
            cli.ok("qwc", "--new-password")
            password = cli.ok("qwc", "--new-password").out.rpartition(": ")[2].strip()
            for _ in range(2):
                visited = cli(
                    *("sandbox", "books", "--server", url.replace("127.0.0.1", "localhost"), "--user", "main"),
                    *("--seed", "7", "--company-file", "books.json"),
                    env={"FLOWCTL_SECRET_BOOKS_PASSWORD": password},
                )
                # The file in books.json is not the one that the .qwc marks, and the command says so.
                assert (visited.status, visited.out.splitlines()[0]) == (1, "refused: 0 requests")
        with shelf(cli) as desk:
            number = desk.record("b-9", "pending", reference="INV-7", amount="120.50")
            moved = {"from": "pending", "to": "intended", "reasons": "[]", "mapped_sha256": None, "attempts": 0}
            desk.tx.run("record_move", {**moved, "id": number, "operation_id": None, "receipt": None, "at": AT})
            desk.operation(number, "0" * 22, "waiting")
            deferred = in_state(desk, "deferred")
        look = cli.ok("run", FLOW, "--dry-run")
        assert look.out == "# bills INV-7, Acme, 120.50 USD: BillAdd (prepared earlier)\n<BillAddRq/>\n"
        assert f"; would write 1 document (1 of them prepared earlier); would leave {deferred} deferred, " in look.err
        assert look.err.endswith("; dry run: nothing was kept or sent\n")
        (document,) = cli.ok("run", FLOW, "--dry-run", "--format", "json").json()["would_write"]
        assert (document["reference"], document["earlier"], document["body"]) == ("INV-7", True, "<BillAddRq/>")


# --- until it is stopped


def test_watching_says_what_each_run_came_to(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = []
    tick = Service.tick

    def once(self: Service) -> object:
        ticks.append(1)
        if len(ticks) > 2:
            raise KeyboardInterrupt
        return tick(self)

    monkeypatch.setattr(Service, "tick", once)
    with connected(cli):
        ran = cli.ok("run", FLOW, "--watch")
    log.configure()
    lines = ran.err.splitlines()
    assert lines[0] == f"watching {FLOW}; stop with Ctrl-C"
    assert lines[-1] == "stopped"
    (line,) = lines[1:-1]
    assert line.startswith(f"main: {FLOW}: ")
    assert line.endswith(" marked synced")


def _line(stream: IO[bytes] | None) -> bytes:
    assert stream is not None
    return stream.readline()


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("arguments", "sign", "end"),
    [
        (("serve", FLOW, "--port", "0", "--no-schedule"), b"serving", b"stopped\n"),
        (("run", FLOW, "--watch"), b"watching", b"stopped\n"),
    ],
)
def test_it_ends_on_a_signal(cli: Cli, arguments: tuple[str, ...], sign: bytes, end: bytes) -> None:
    cli.ok("company", "add", "main")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "FLOWCTL_HOME": str(cli.home)}
    # What runs in the background of a shell without job control would ignore it, and its children too.
    heard = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {MAIN}"
    command = [sys.executable, "-c", heard, *arguments]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process,
        _ending(process),
    ):
        said = _line(process.stderr)
        assert sign in said
        if arguments[0] == "serve":  # uvicorn takes the signal only once it has begun
            with urllib.request.urlopen(f"http://127.0.0.1:{json.loads(said)['port']}/healthz", timeout=20) as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, b"")
    assert err.endswith(end)


def test_a_full_device_is_one_line(cli: Cli) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    cli.ok("company", "add", "main")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "FLOWCTL_HOME": str(cli.home)}
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", MAIN, "company", "list"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env, timeout=30, check=False)
    assert (ran.returncode, ran.stderr.decode()) == (
        1,
        "error: No space left on device\n  hint: is the disk full, or what the output goes to?\n",
    )
