"""The connector against the bundled simulator of Expensify, with everything that can go wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

import httpx
import pytest

from connectors.expensify import CONNECTOR
from connectors.expensify.simulator import ExpensifySimulator, Fault, Mix, Options, seed_business, transport
from connectors.expensify.simulator.build import reapprove, reopen
from connectors.expensify.simulator.faults import FaultName
from connectors.expensify.simulator.records import APPROVED_STATES, Tag
from connectors.expensify.simulator.rig import make_rig
from connectors.expensify.simulator.seed import Chart
from connectors.expensify.source import ExpensifySource
from engine.clock import SystemIds
from engine.contract import Binding, MarkCall, Marked, Tools
from engine.errors import AuthRefused, BadAnswer, Rejected, Transient
from engine.limits import StoreLimits
from engine.testing import FakeClock, memory_world
from engine.world import World
from tests.connectors.http_kit import MemoryTokens

RICH = Mix(unapproved=0.2, refunds=0.3, foreign=0.3, modified=0.3)
CHART = Chart(classes=(Tag("West", "W"), Tag("East")), customers=(Tag("Acme:Kitchen"), Tag("Globex")))
FORMS = [
    Options(absent="missing", not_ready="404"),
    Options(absent="empty", flags="text", not_ready="empty", ready_after_polls=3),
    Options(absent="zero", amounts="hundredths", not_ready="envelope", ready_after_s=20.0),
    Options(newest_first=True, approved_after_inclusive=False, marks_after_s=1.0),
]


def business(options: Options | None = None, *faults: Fault, reports: int = 30) -> ExpensifySimulator:
    simulator = ExpensifySimulator(7, FakeClock(), options=options, faults=faults)
    seed_business(simulator, reports=reports, mix=RICH, chart=CHART)
    return simulator


_worlds: list[World] = []


@pytest.fixture(autouse=True)
def closed_stores() -> Iterator[None]:
    yield
    while _worlds:
        _worlds.pop().store.close()


def connect(
    simulator: ExpensifySimulator, way: httpx.BaseTransport | None = None, **settings: str | int | bool
) -> ExpensifySource:
    options = simulator.world.options
    base = {"partner_user_id": options.partner_user_id, "amount_unit": options.amounts, **settings}
    binding = Binding("acme", "expensify", base, {"partner_user_secret": options.partner_user_secret})
    _worlds.append(memory_world(7))
    limits = StoreLimits(_worlds[-1].store, simulator.clock, SystemIds())
    return CONNECTOR.open(
        binding, Tools(simulator.clock, SystemIds(), MemoryTokens(), limits, way or transport(simulator))
    )


def read(source: ExpensifySource, stream: str = "reports") -> dict[str, dict[str, Any]]:
    key = "reportID" if stream == "reports" else "id"
    found = [dict(record) for page in source.read(stream, {}, None) for record in page.records]
    by_key = {record[key]: record for record in found}
    # A file may list a record twice; the engine skips what it has seen, when it is the same.
    assert all(record == by_key[record[key]] for record in found)
    return by_key


def owed_by(report: dict[str, Any]) -> Decimal:
    """What its employee gets, or gives back."""
    return abs(sum((Decimal(item["amount"]) for item in report["expenses"] if item["reimbursable"]), Decimal(0)))


def truth(simulator: ExpensifySimulator) -> dict[str, tuple[Any, ...]]:
    """What the account itself says of each report that counts: state, total, and each expense's amount and coding."""
    return {
        report.id: (
            report.state,
            report.total,
            [
                (
                    Decimal(expense.counts).scaleb(-2),
                    expense.category.name if expense.category else None,
                    [tag.name for tag in expense.tags],
                    expense.reimbursable,
                    bool(expense.card),
                )
                for expense in report.expenses
            ],
        )
        for report in simulator.world.reports.values()
        if report.state in APPROVED_STATES
    }


def told(records: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {
        key: (
            record["state"],
            Decimal(record["total"]),
            [
                (
                    Decimal(line["amount"]),
                    line["category"],
                    [tag["name"] for tag in line["tags"]] or ([line["tag"]] if line["tag"] else []),
                    line["reimbursable"],
                    line["companyCard"],
                )
                for line in record["expenses"]
            ],
        )
        for key, record in records.items()
    }


@pytest.mark.parametrize("options", FORMS)
def test_every_report_is_read_as_it_is(options: Options) -> None:
    simulator = business(options)
    assert told(read(connect(simulator))) == truth(simulator)
    assert (simulator.traffic.refused, len(simulator.world.marks)) == (0, 0)


def test_policies_are_read_as_they_are() -> None:
    simulator = business()
    source, world = connect(simulator), simulator.world
    flat, deep = world.policies.values()
    assert set(read(source, "policies")) == set(world.policies)
    assert set(read(source, "categories")) == {f"{p.id}:{c.name}" for p in (flat, deep) for c in p.categories}
    assert set(read(source, "tags")) == {
        *(f"{flat.id}:1:{name}" for name in ("West", "East")),
        *(f"{deep.id}:1:{name}" for name in ("West", "East")),
        *(f"{deep.id}:2:{name}" for name in ("Acme:Kitchen", "Globex")),
    }
    people = read(source, "employees")
    assert {(record["userID"], record["payrollID"]) for record in people.values() if record["role"] == "user"} == {
        (person.user_id, person.payroll_id) for person in world.employees.values() if person.role == "user"
    }


@pytest.mark.parametrize("options", FORMS)
def test_marks_are_taken_and_seen(options: Options) -> None:
    simulator = business(options)
    source = connect(simulator)
    ids = sorted(read(source))
    call = MarkCall("MARK_AS_EXPORTED", "key-1", tuple(Marked(report_id, "1-2") for report_id in ids[:3]))
    for _ in range(5):
        try:
            source.mark(call)
        except Transient:
            simulator.clock.sleep(30)
    assert {mark.report_id for mark in simulator.world.marks} == set(ids[:3])
    assert len(simulator.world.marks) == 3
    assert {key for key, record in read(source).items() if not record["isExported"]} == set(ids[3:])


def test_a_report_that_is_approved_again_is_noticed() -> None:
    simulator = business()
    source, world = connect(simulator), simulator.world
    first, second, *_ = read(source)
    for report_id in (first, second):
        world.mark(report_id, "flowctl", "job")
    reapprove(world, first, name="Again")
    reopen(world, second)
    again = read(source)
    assert (again[first]["reportName"], again[first]["isExported"]) == ("Again", True)
    assert second not in again
    opened = source.get("reports", second)
    assert opened is not None
    assert (opened["state"], opened["isExported"]) == ("OPEN", True)


@pytest.mark.parametrize("name", get_args(FaultName))
@pytest.mark.parametrize("job", ["file", "mark", "download"])
@pytest.mark.parametrize("at", [0, 1])
def test_no_fault_of_any_job_loses_or_doubles_a_report(name: FaultName, job: str, at: int) -> None:
    simulator = business(None, Fault(name, at=(at,), job=job, seconds=40.0), reports=8)
    source = connect(simulator, recheck_days=180)
    call, passed = None, 0
    for _ in range(12):
        try:
            found = read(source)
            call = call or MarkCall("MARK_AS_EXPORTED", "key-1", tuple(Marked(key, "1-2") for key in sorted(found)))
            source.mark(call)
        except (Transient, BadAnswer, Rejected, AuthRefused):
            simulator.clock.sleep(60)
            continue
        passed += 1
        if passed == 2:
            break
    assert passed == 2
    assert {mark.report_id for mark in simulator.world.marks} == set(truth(simulator))
    assert told(read(source)) == truth(simulator)
    # `changed_meanwhile` and the two of exports have nothing to befall where another kind of job comes.
    assert simulator.faults.counts == {name: 1}


def test_a_thousand_reports_within_the_limits() -> None:
    simulator = business(reports=1000)
    source = connect(simulator)
    found = read(source)
    assert told(found) == truth(simulator)
    source.mark(MarkCall("MARK_AS_EXPORTED", "key-1", tuple(Marked(key, "1-2") for key in sorted(found))))
    assert {mark.report_id for mark in simulator.world.marks} == set(found)
    assert simulator.traffic.refused == 0
    assert simulator.traffic.highest[10.0] <= 5
    assert simulator.traffic.highest[60.0] <= 20


def test_the_counters_a_benchmark_prints() -> None:
    simulator = business(Options(ready_after_polls=0), reports=20)
    source = connect(simulator)
    found = read(source)
    source.mark(MarkCall("MARK_AS_EXPORTED", "key-1", tuple(Marked(key, "1-2") for key in sorted(found))))
    assert simulator.traffic.by_kind == {"file": 4, "download": 4, "mark": 1}
    assert simulator.traffic.highest == {10.0: 5, 60.0: 9}


@pytest.mark.parametrize("seed", range(12))
def test_a_campaigns_account_comes_to_rest(seed: int) -> None:
    clock = FakeClock()
    rig = make_rig(seed, clock, {"chart": {"accounts": [{"external_id": "8-1", "name": "Travel"}]}})
    heard: set[str] = set()
    source = connect(rig.simulator, rig.transport(lambda _key, told, _failed: heard.update(item.id for item in told)))
    amounts: dict[str, Decimal] = {}
    for turn in range(10):
        if turn == 6:
            rig.calm()
        rig.befall()
        try:
            found = read(source)
            waiting = [key for key, record in found.items() if not record["isExported"]]
            amounts.update({key: owed for key in waiting if (owed := owed_by(found[key]))})
            source.mark(MarkCall("MARK_AS_EXPORTED", f"key-{turn}", tuple(Marked(key, "1-2") for key in waiting)))
        except (Transient, BadAnswer):
            pass
        clock.sleep(90)
    wanted = {item.id: item for item in rig.wanted()}
    assert "due" not in {item.standing for item in wanted.values()}
    assert {item.id for item in rig.told()} <= heard
    assert all(amount in wanted[key].amounts for key, amount in amounts.items() if key in wanted)
