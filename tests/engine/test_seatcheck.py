"""A flow that writes a vendor's chart of accounts needs the accounting seat: read, write and tell nothing without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.accounting import MIGRATION_SETTING, Seat
from engine.errors import Bug
from engine.seatcheck import SeatTaken, require_seat
from engine.store import companies
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench


@dataclass(slots=True)
class Link:
    """The seat of a made-up vendor, and how often it was asked for."""

    held: Seat
    requests: frozenset[str] = frozenset({"BillAdd"})
    name: str = "ours"
    asked: int = 0

    def seat(self) -> Seat:
        self.asked += 1
        return self.held

    def open(self, *, upgrade: bool = False) -> tuple[Seat, str]:
        raise Bug(f"nothing is opened, {upgrade}")

    def wanted_flags(self, seat: Seat) -> Mapping[str, bool]:
        raise Bug(str(seat))

    def set_flags(self, seat: Seat, flags: Mapping[str, bool]) -> Seat:
        raise Bug(f"{seat} {flags}")

    def advice(self, seat: Seat) -> str:
        return f"advice for {seat.standing}"

    def migration(self) -> Any:
        raise Bug("no move")


@dataclass(slots=True)
class Opened:
    """An open connection that has a seat."""

    link: Link = field(default_factory=lambda: Link(Seat("ours", "ours")))

    def accounting(self) -> Link:
        return self.link


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.logging(), kit.bench() as made:
        yield made


def check(bench: Bench, opened: object, *, writes: bool = False) -> bool:
    return require_seat(bench.world, COMPANY, "ledger", opened, bench.program.flow, writes=writes)


def test_our_own_seat_is_asked_for_and_lets_everything_through(bench: Bench) -> None:
    opened = Opened()
    assert check(bench, opened)
    assert check(bench, opened, writes=True)
    assert opened.link.asked == 2


@pytest.mark.parametrize(
    ("seat", "text"),
    [
        (Seat("foreign", "Other Books"), "held by `Other Books`"),
        (Seat("direct", "QuickBooks"), "held by `QuickBooks`"),
        (Seat("upgradable", "CSV"), "held by `CSV`"),
        (Seat("inactive", "ours"), "not open"),
        (Seat("none"), "not open"),
    ],
)
def test_a_seat_that_is_not_ours_is_refused_and_says_whose_it_is(bench: Bench, seat: Seat, text: str) -> None:
    for writes in (False, True):
        with pytest.raises(SeatTaken) as caught:
            check(bench, Opened(Link(seat)), writes=writes)
        assert str(caught.value) == f"{COMPANY}/ledger: the accounting connection is {text}"
        assert caught.value.hint == f"advice for {seat.standing}"


def test_a_connection_without_a_seat_and_a_flow_without_a_chart_need_none(bench: Bench) -> None:
    assert not check(bench, object())
    opened = Opened(Link(Seat("foreign", "Other Books"), frozenset({"AccountUpload"})))
    assert not check(bench, opened)
    assert opened.link.asked == 0


def test_during_a_move_the_chart_is_written_and_nothing_is_read(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        made = {row["connection"]: row["connector"] for row in companies.connections(tx, COMPANY)}
        companies.put_connection(tx, COMPANY, "ledger", made["ledger"], {MIGRATION_SETTING: "c-2"}, AT)
    opened = Opened(Link(Seat("direct", "QuickBooks")))
    assert not check(bench, opened, writes=True)
    with pytest.raises(SeatTaken):
        check(bench, opened)
