"""What takes longer to look at: permissions that end, comparisons that differ, the disk, strangers at the door."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import reconcile
from engine.connections.authorizing import Permission
from engine.errors import StoreBusy
from engine.reconcile import Difference, Report
from engine.registry import registered
from engine.store import companies, spans, turns, work
from engine.world import World
from tests.engine import kit as engine_kit
from tests.engine.alerting import kit
from tests.engine.alerting.kit import Watch
from tests.engine.kit import COMPANY


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with engine_kit.logging():
        yield


@pytest.fixture
def watch() -> Iterator[Watch]:
    with kit.watch() as made:
        yield made


@dataclass
class Allowed(engine_kit.ShopConnector):
    """The shop, which a person has to allow on a page."""

    found: Permission | None = None

    def permission(self, _binding: object, _token: Mapping[str, Any] | None) -> Permission | None:
        return self.found

    def redirect_uri(self, _binding: object) -> str:
        return ""

    def authorization_url(self, _binding: object, _state: str, _scopes: tuple[str, ...] = ()) -> str:
        return ""


@pytest.mark.parametrize(
    ("days", "doubt", "expected"),
    [
        (8, "", []),
        (None, "", []),
        (7, "", ["shop: the permission ends on 2026-03-09"]),
        (-1, "", ["shop: the permission ended on 2026-03-01"]),
        (None, "the answer is not saved", ["shop: the permission may be lost"]),
        ("gone", "", ["shop: nobody has allowed flowctl to read this account, or the permission is gone"]),
    ],
)
def test_permissions(watch: Watch, days: int | str | None, doubt: str, expected: list[str]) -> None:
    now = watch.clock.now()
    dies_at = now + timedelta(days=days) if isinstance(days, int) else None
    found = Permission(now, doubt, dies_at) if days != "gone" else None
    with registered({"shop": Allowed(watch.bench.shop, found=found), "ledger": engine_kit.LedgerConnector()}):
        watch.tick()
        assert [title for rule, title, _ in watch.open() if rule == "token"] == expected
        watch.rule("token", on="no")
        watch.tick("+11m")
        assert watch.open() == []


def test_a_store_that_is_busy_ends_no_notice(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.channel()
    made = Allowed(watch.bench.shop, found=Permission(watch.clock.now(), "", watch.clock.now()))
    with registered({"shop": made, "ledger": engine_kit.LedgerConnector()}):
        assert watch.tick() == ["Acme: shop: the permission ended on 2026-03-02"]
        with monkeypatch.context() as patch:

            def busy(_world: object, _company: str, _connection: str) -> None:
                raise StoreBusy("the store is not available")

            patch.setattr(World, "bound", busy)
            assert watch.tick("+11m") == []
        assert [rule for rule, _, _ in watch.open()] == ["token"]


def test_a_connector_that_fails_ends_no_alerts(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One company's fault is told in the log; the others are looked at, and the watchman lives."""
    watch.channel("house", "")
    with watch.world.store.write() as tx:
        companies.add(tx, "zebra", "Zebra", watch.world.at())
        work.raise_alert(tx, "zebra", work.Alert("rival", "f", "two flows", "choose"), watch.world.at())

    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Allowed, "permission", broken)
    with registered({"shop": Allowed(watch.bench.shop), "ledger": engine_kit.LedgerConnector()}):
        assert watch.tick() == ["Zebra: two flows"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["company"]) for line in lines] == [("alerts not looked at", COMPANY)]


def test_differences(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Difference("missing", "a bill is missing there", "look", currency="USD", source=Decimal("10.05")),
        Difference("accepted", "fine", "nothing"),
        Difference("stranger", "nobody wrote it", "look", currency="EUR", books=Decimal(3)),
    ]
    monkeypatch.setattr(reconcile, "report", lambda _tx, company, _programs: Report(company, differences=tuple(found)))
    watch.tick()
    assert watch.open() == []  # nobody has asked for a comparison
    with watch.world.store.write() as tx:
        number = spans.ask(tx, COMPANY, (date(2026, 2, 1), date(2026, 2, 28)), ["Bill"], "cli:pat", watch.world.at())
        scope = {"id": number, "company": COMPANY, "state": "done", "problem": "", "at": watch.world.at()}
        tx.run("span_finish", scope)
    watch.tick("+11m")
    assert watch.open() == [("reconcile", "the comparison from 2026-02-01 to 2026-02-28 has 2 differences", 2)]
    (row,) = watch.rows("alert_notices_open", company=COMPANY)
    assert (row["detail"], row["money"]) == ("a bill is missing there", '{"EUR": "3", "USD": "10.05"}')
    found[:] = []
    watch.tick("+11m")
    assert watch.open() == []


def test_the_disk(watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.man.home = tmp_path
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
    watch.channel("own")
    watch.channel("house", "")
    assert watch.tick() == ["flowctl: urgent: less than 1024 MB are free where the store is"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 << 30))
    assert watch.tick("+5m") == ["flowctl: solved: less than 1024 MB are free where the store is"]


def test_a_disk_that_cannot_be_looked_at(watch: Watch, tmp_path: Path) -> None:
    watch.man.home = tmp_path / "nowhere"
    watch.tick()
    assert watch.open("") == [("disk", "the disk of the store cannot be looked at", 0)]


def test_strangers(watch: Watch) -> None:
    for _ in range(2):
        with watch.world.store.write() as tx:
            work.refuse_sign_in(tx, "", "who\u202e<b>", watch.clock.now())
    watch.tick()
    assert watch.open("") == [("sign_in", "a Web Connector was refused as `who?<b>`, a user name that nobody has", 0)]
    watch.tick("+2d")
    assert watch.open("") == []


def test_work_that_no_process_takes_up(watch: Watch) -> None:
    with watch.world.store.write() as tx:
        made = turns.open_(tx, COMPANY, "flow:x", watch.world.at())
        assert made is not None
        work.raise_alert(
            tx, "", work.Alert("stranded", "processes", "a process ended and left 2 behind"), watch.world.at()
        )
    watch.tick()
    assert watch.open("") == [("stranded", "a process ended and left 2 behind", 0)]
    with watch.world.store.write() as tx:
        work.resolve_alert(tx, "", "stranded", "processes", watch.world.at())
    watch.tick("+16m")
    assert watch.open("") == [("stranded", "work has waited for a process for more than 15 minutes", 1)]
    with watch.world.store.write() as tx:
        assert turns.begin(tx, made, "me")
    watch.tick("+1m")
    assert watch.open("") == []
