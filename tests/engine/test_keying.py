"""A flow file says otherwise by what its records are known: nothing that is posted is posted a second time for that."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine import keying
from engine.errors import UnknownName, UsageError
from engine.follow import Hand
from engine.keying import Rekeyed
from engine.program import FlowProgram, compile_flow
from engine.runner import Runner
from engine.runreport import RunReport
from engine.store import facts, journal
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, YAML, Bench, bill

HAND = Hand(COMPANY, AT, "cli:pat")
_BILLS = "fetch: {from: shop, stream: bills, with: {ready: true}}\n    key: id\n    about: {amount: money(amount), c"
BY_NUMBER = YAML.replace(_BILLS, _BILLS.replace("key: id", "key: number"))
RENAMED = (
    YAML.replace("  bills:\n", "  invoices:\n")
    .replace("after: [bills]", "after: [invoices]")
    .replace("posted('bills'", "posted('invoices'")
)
PHASED = YAML.replace("    phase: payment\n", "    phase: paid\n")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def program(text: str) -> FlowProgram:
    return compile_flow(kit.flow(text))


def run(bench: Bench, text: str) -> RunReport:
    bench.world.clock.sleep(60)
    return Runner(bench.world).run(program(text), COMPANY)


def held(report: RunReport) -> list[str]:
    assert all(isinstance(error, Rekeyed) for error in report.errors)
    return [stream.stream for stream in report.streams if stream.error]


def alerts(bench: Bench) -> list[tuple[str, str]]:
    return [(kind, subject) for kind, subject, _ in bench.alerts() if kind == "rekeyed"]


def confirm(bench: Bench, text: str, stream: str) -> None:
    with bench.world.store.write() as tx:
        keying.confirm(tx, HAND, program(text).flow, stream)


def count(bench: Bench) -> int:
    return kit.count(bench.world.store, "records")


def test_the_flow_of_these_tests_is_changed() -> None:
    assert len({YAML, BY_NUMBER, RENAMED, PHASED}) == 4


def test_another_key_is_not_read_before_a_person_confirms_it(bench: Bench) -> None:
    run(bench, YAML)
    before = count(bench)
    report = run(bench, BY_NUMBER)
    assert (held(report), count(bench)) == (["bills"], before)
    (error,) = report.errors
    assert (str(error), error.hint) == (
        (
            "acme/shop_to_ledger/bills: its `key` was `id` and is `number` now: whatever is posted already would look new, "
            "and be posted a second time; nothing of this stream is read"
        ),
        (
            "put the flow file back as it was; or, once the source offers nothing that is posted already, run "
            "`flowctl company flow shop_to_ledger --confirm bills --company acme`"
        ),
    )
    assert alerts(bench) == [("rekeyed", "shop_to_ledger/bills")]
    confirm(bench, BY_NUMBER, "bills")
    assert alerts(bench) == []
    assert (held(run(bench, BY_NUMBER)), count(bench)) == ([], before + 1)
    with bench.world.store.read() as tx:
        (line,) = (line for line in journal.lines(tx, COMPANY) if line["event"] == "rekeyed")
    said = json.loads(line["detail"])
    assert (line["actor"], said["was"]["key"], said["now"]["key"]) == ("cli:pat", "id", "number")
    # Back again is another key as well: by now there are records under both.
    assert held(run(bench, YAML)) == ["bills"]


def test_the_flow_file_as_it_was_goes_on(bench: Bench) -> None:
    run(bench, YAML)
    run(bench, BY_NUMBER)
    assert (held(run(bench, YAML)), alerts(bench)) == ([], [])


def test_a_stream_under_another_name_is_not_read_and_under_its_own_it_is(bench: Bench) -> None:
    run(bench, YAML)
    report = run(bench, RENAMED)
    assert held(report) == ["invoices"]
    assert "`bills` has records of the same, read from `shop/bills` and written to `ledger`" in str(report.errors[0])
    assert held(run(bench, RENAMED)) == ["invoices"]
    assert held(run(bench, YAML)) == []


def test_under_its_first_name_again_once_the_other_has_records(bench: Bench) -> None:
    run(bench, YAML)
    run(bench, RENAMED)
    confirm(bench, RENAMED, "invoices")
    assert held(run(bench, RENAMED)) == []
    assert held(run(bench, YAML)) == ["bills"]


def test_another_phase_is_another_record(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", "20.00", status="paid")]
    run(bench, YAML)
    report = run(bench, PHASED)
    assert held(report) == ["payments"]
    assert "its `phase` was `payment` and is `paid` now" in str(report.errors[0])


def test_a_company_without_records_is_not_bothered(bench: Bench) -> None:
    bench.shop.listed["bills"] = []
    run(bench, YAML)
    assert (held(run(bench, BY_NUMBER)), held(run(bench, RENAMED))) == ([], [])


def test_a_store_that_remembers_nothing_yet_remembers_the_present(bench: Bench) -> None:
    run(bench, YAML)
    with bench.world.store.write() as tx:
        facts.forget(tx, COMPANY, "keys:shop_to_ledger")
    assert held(run(bench, BY_NUMBER)) == []
    assert held(run(bench, YAML)) == ["bills"]


def test_a_key_that_is_only_written_otherwise_is_the_same(bench: Bench) -> None:
    run(bench, YAML)
    assert held(run(bench, YAML.replace("    key: id\n", "    key:  'id '\n"))) == []


def test_what_would_be_read_is_told_without_it(bench: Bench) -> None:
    run(bench, YAML)
    report = Runner(bench.world).dry_run(program(BY_NUMBER), COMPANY, lambda _tx, _report: None)
    assert held(report) == ["bills"]


def test_there_must_be_something_to_confirm(bench: Bench) -> None:
    run(bench, YAML)
    with pytest.raises(UsageError, match="knows its records by what it knew them by before"):
        confirm(bench, YAML, "bills")
    with pytest.raises(UnknownName):
        confirm(bench, YAML, "cows")
