"""A whole story at the terminal: set up, read, post, map what is missing, post the rest; and no secret is ever shown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from engine import log, registry
from engine.app import Duty, build
from engine.cli import common
from engine.clock import SystemClock
from engine.serving import running
from engine.simulated import Called, Sandbox, Simulated, Visitor
from tests import stores
from tests.cli.cli_kit import Cli, Ran

pytestmark = pytest.mark.acceptance
FLOW = "ramp_to_quickbooks"
CANARY = "canary-7f3a91c2"
# The private PostgreSQL of the tests flushes nothing, and the doctor says so.
UNFLUSHED = ["FAIL  durability"] if stores.ON_POSTGRES else []
GAP = {"external_id": "ramp-only-1", "name": "Client Gifts"}


@contextmanager
def simulated_ramp() -> Iterator[tuple[str, dict[str, str]]]:
    """Ramp on a port, and its secrets."""
    books: object = registry.find("qbwc")
    ramp: object = registry.find("ramp")
    assert isinstance(books, Simulated)
    assert isinstance(ramp, Simulated)
    visitor = books.sandbox(7, SystemClock(), {})
    assert isinstance(visitor, Visitor)
    options = {"bills": 6, "transactions": 6, "vendors": 4, "chart": visitor.chart(), "gaps": [GAP]}
    sandbox = ramp.sandbox(7, SystemClock(), options)
    assert isinstance(sandbox, Called)
    assert isinstance(sandbox, Sandbox)
    with running(sandbox.app()) as url:
        settings, secrets = sandbox.binding(url)
        yield url, {"client_id": str(settings["client_id"]), **secrets}


@contextmanager
def served(cli: Cli) -> Iterator[str]:
    log.configure(verbosity=-2)  # without it the sessions' lines go to stdout
    try:
        with (
            common.opened(cli.home) as world,
            running(build(world, common.programs([FLOW]), duty=Duty(works=False))) as url,
        ):
            yield url
    finally:
        structlog.reset_defaults()


def visit(cli: Cli, url: str, password: Path) -> Ran:
    return cli.ok(
        *("sandbox", "books", "--server", url.replace("127.0.0.1", "localhost"), "--user", "acme", "--seed", "7"),
        *("--password-file", str(password), "--qwc", "acme.qwc", "--company-file", "books.json", "--sessions", "2"),
    )


def test_from_nothing_to_everything_posted(cli: Cli, tmp_path: Path) -> None:
    said: list[Ran] = []

    def do(*args: str, **more: object) -> Ran:
        ran = cli.ok(*args, **more)  # type: ignore[arg-type]  # stdin and env, passed through
        said.append(ran)
        return ran

    assert do("company", "add", "acme", "--title", "Acme Inc.").out == "acme: added\n"
    with simulated_ramp() as (ramp_url, secrets):
        (tmp_path / "secret").write_text(secrets["client_secret"] + "\n")
        connected = do(
            *("connect", "ramp", "--company", "acme", "--set", f"base_url={ramp_url}", "--set", "api_profile=2025-08"),
            *("--secret-file", "client_secret=secret", "--check"),
            env={"FLOWCTL_SECRET_RAMP_CLIENT_ID": secrets["client_id"], "FLOWCTL_SECRET_RAMP_WEBHOOK_SECRET": CANARY},
        )
        assert connected.out == (
            "acme/ramp: connected with Ramp\nok    acme/ramp: Ramp accepts the credentials; 15 scopes granted\n"
        )
        books = do("connect", "books", "--company", "acme", "--set", "app_url=http://localhost:8765/qbwc")
        password = re.fullmatch(
            "acme/books: connected with QuickBooks Desktop \\(Web Connector\\)\n"
            "password of the Web Connector, shown this once: ([0-9A-Za-z]{20})\n",
            books.out,
        )
        assert password is not None
        (tmp_path / "password").write_text(password[1])
        do("qwc", "--company", "acme", "--out", "acme.qwc")
        do("run", FLOW, "--company", "acme")

        with served(cli) as url:
            first = visit(cli, url, tmp_path / "password")
            assert re.fullmatch("done: [0-9]+ requests\nno_work: 0 requests\n", first.out)
            gaps = do("deferred", "--company", "acme", "--records", "--format", "json").json()["gaps"]
            (missing,) = [gap for gap in gaps if gap["lookup"]]
            assert (missing["lookup"], missing["key"], missing["label"]) == ("account", "ramp-only-1", "Client Gifts")
            assert missing["fix"] == f"flowctl map set {FLOW} account ramp-only-1 'NAME THERE' --company acme"
            assert missing["records"] == len(missing["waiting"]) > 0

            wrong = cli("map", "set", FLOW, "account", "ramp-only-1", "Cost of Goods Sould", "--company", "acme")
            assert wrong.text() == (
                "[2]\n--\nerror: `Cost of Goods Sould` is not in the Account list of books\n"
                "  hint: did you mean `Cost of Goods Sold`?\n"
            )
            mapped = do("map", "set", FLOW, "account", "ramp-only-1", "cost of goods sold", "--company", "acme")
            count = missing["records"]
            assert mapped.out == (
                f"{FLOW}: account `ramp-only-1` means `Cost of Goods Sold`; "
                f"{count} waiting record{'s go' if count > 1 else ' goes'} on\n"
            )
            said.append(visit(cli, url, tmp_path / "password"))
            do("run", FLOW, "--company", "acme")
            said.append(visit(cli, url, tmp_path / "password"))
            do("run", FLOW, "--company", "acme")
        status = do("status", "--company", "acme", "--format", "json").json()
        assert {line["state"] for line in status["states"]} <= {"closed", "skipped"}
        assert status["alerts"] == []
        assert (status["backlog"], status["untold"], status["in_doubt"]) == (0, 0, None)
        doctor = cli("doctor", "--company", "acme")
        failures = [line.partition(":")[0] for line in doctor.out.splitlines() if line.startswith("FAIL")]
        assert failures == UNFLUSHED
        export = do("map", "export", FLOW, "account", "--company", "acme")
        rows = list(csv.DictReader(io.StringIO(export.out)))
        assert [(r["lookup"], r["key"], r["full_name"]) for r in rows] == [
            ("account", "ramp-only-1", "Cost of Goods Sold")
        ]

    texts = [text for ran in said for text in (ran.out, ran.err)]
    for secret in (CANARY, secrets["client_secret"], secrets["client_id"], password[1]):
        shown = [text for text in texts if secret in text]
        assert len(shown) == (1 if secret == password[1] else 0)
        for file in cli.home.iterdir():
            assert secret.encode() not in file.read_bytes()
        assert secret.encode() not in (tmp_path / "acme.qwc").read_bytes()
