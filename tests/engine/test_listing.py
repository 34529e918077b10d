"""Lists of called targets are read before records are prepared, kept page by page, and wake what waited for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from engine import flowswitch
from engine.connections import connecting
from engine.contract import Listing, ListObject
from engine.errors import AuthRefused, BadAnswer, NotYet, RateLimited, Transient
from engine.follow import Hand
from engine.listing import ListUnread
from engine.operator import worklist
from engine.operator.targets import SeveralTargets, find_target
from engine.program import polled_lists
from engine.reading import reading
from engine.registry import registered
from engine.runreport import RunReport
from engine.service import Service
from engine.store import facts, journal, lists, records
from engine.store.base import Tx
from engine.testing import memory_world
from tests.engine import kit
from tests.engine.kit import COMPANY
from tests.engine.list_kit import ACME, CREATES, FLOW, LISTED, NAME, OLD, ListBench, bill, list_bench
from tests.engine.push_kit import Cloud, CloudConnector, Crash, dying, operation

UNKNOWN = ("unmapped", "the vendor `Nobody` is not in the vendors list of Cloud")


@pytest.fixture
def bench() -> Iterator[ListBench]:
    with list_bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def events(bench: ListBench) -> list[dict[str, object]]:
    """What the journal says of lists."""
    with bench.world.store.read() as tx:
        return [json.loads(line["detail"]) for line in journal.lines(tx, COMPANY) if line["event"] == "list_read"]


def run(bench: ListBench) -> RunReport:
    return bench.runner.run(bench.program, COMPANY)


def told(report: RunReport) -> list[str]:
    return [f"{error}; {error.hint}" for error in report.errors]


# --- the first run ---------------------------------------------------------------------------------------------------


def test_the_first_run_reads_the_list_and_writes_what_needs_it(bench: ListBench) -> None:
    assert bench.run() == {"bills": {"read": 1, "intended": 1}}
    assert (bench.cloud.asked, bench.kept(), bench.states()) == (["vendors"], ["c-acme", "c-old"], {"b-1": "closed"})
    assert json.loads(operation(bench)["body"]) == {"vendor": "c-acme", "number": "N-b-1", "amount": "100.00"}
    assert events(bench) == [{"list": "cloud.vendors", "gone": 0, "woken": 0}]
    assert isinstance(bench.cloud, Listing)
    assert bench.cloud.closed == 2  # the list's connection and the one that wrote


def test_only_lists_that_are_looked_into_are_read(bench: ListBench) -> None:
    assert [each.kept for each in bench.program.streams[0].called_lists] == ["cloud.vendors"]
    assert (bench.program.lists, polled_lists(bench.program.streams)) == (("cloud.vendors",), ())
    bench.run()
    assert bench.kept("cloud.accounts") == []
    assert not bench.loaded("cloud.accounts")


def test_a_list_of_a_disabled_stream_is_not_read() -> None:
    off = FLOW.replace("lookups:", "settings:\n  on: {type: boolean, default: false, help: on}\nlookups:")
    with list_bench(off.replace("  bills:\n", "  bills:\n    when: setting('on')\n")) as bench:
        bench.run()
        assert bench.cloud.asked == []


def test_a_list_is_kept_under_the_name_of_its_connection() -> None:
    """The agent of a polled target is not asked for it, and has a list of its own of that name."""
    text = FLOW.replace("lookups:", "  ledger: {connector: ledger}\nlookups:").replace(
        "streams:", "  payee: {target: ledger.Vendor, match: [exact_name]}\nstreams:"
    )
    text = text.replace(
        "      number: number\n", "      number: number\n      date: find('payee', null, 'x').full_name\n"
    )
    with list_bench(text) as bench:
        assert bench.program.lists == ("Vendor", "cloud.vendors")
        bench.run()
        with bench.outbox.transaction() as desk:
            assert desk.books.due(COMPANY) == ("Vendor",)


@pytest.mark.parametrize(
    ("vendor", "code", "found"),
    [("ACME", None, "c-acme"), ("x", "A1", "c-acme"), ("Old", None, None), ("x", "A9", None)],
)
def test_the_rules_find_objects_by_id_number_and_name(
    bench: ListBench, vendor: str, code: str | None, found: str | None
) -> None:
    bench.shop.listed["bills"] = [bill("b-1", vendor, code)]
    bench.run()
    assert bench.states() == {"b-1": "closed" if found else "deferred"}
    if found:
        assert json.loads(operation(bench)["body"])["vendor"] == found


def test_an_inactive_object_is_said_to_be_one(bench: ListBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", "Old")]
    bench.run()
    assert bench.reasons("b-1") == [("unmapped", "the vendor `Old` is inactive in the vendors list of Cloud")]


def test_of_several_objects_of_one_name_none_is_guessed(bench: ListBench) -> None:
    bench.cloud.listed["vendors"] = [ACME, replace(ACME, list_id="c-acme-2", number="A2"), OLD]
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run()
    (reason,) = records.load_reasons(bench.record("b-1"))
    assert reason == records.Reason(
        "unmapped",
        "2 objects of the vendors list of Cloud are called `Acme`",
        "run `flowctl map set shop_to_cloud vendor 'v-Acme' ID --company acme` with the id of the one that is meant: "
        "c-acme or c-acme-2",
        ("mapping:vendor:v-Acme", "mapping:vendor:Acme", "list:cloud.vendors"),
    )
    flow = bench.program.flow
    (vendor,) = flow.lookups
    with bench.world.store.write() as tx:
        with pytest.raises(SeveralTargets) as refused:
            find_target(tx, COMPANY, flow, vendor, "acme")
        found = find_target(tx, COMPANY, flow, vendor, "c-acme-2")
        row = lists.Mapping(flow.name, "vendor", "v-Acme", found.full_name, found.list_id)
        worklist.save_mapping(tx, Hand(COMPANY, bench.world.at(), "ann"), flow, row)
    assert (str(refused.value), refused.value.hint) == (
        "2 objects of the vendors list of cloud are called `acme`",
        "give the id of the one that is meant: c-acme or c-acme-2",
    )
    bench.run()
    assert json.loads(operation(bench)["body"])["vendor"] == "c-acme-2"


def test_of_two_objects_of_one_name_the_active_one_is_meant(bench: ListBench) -> None:
    bench.cloud.listed["vendors"] = [replace(ACME, list_id="c-a", active=False), ACME]
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run()
    assert json.loads(operation(bench)["body"])["vendor"] == "c-acme"


# --- paging ----------------------------------------------------------------------------------------------------------


def test_pages_are_kept_a_transaction_each_and_calls_are_made_outside_of_any(bench: ListBench) -> None:
    bench.cloud.listed["vendors"] = [ListObject(f"c-{n}", f"V {n}") for n in range(5)] + [ACME]
    seen: list[int] = []

    def between() -> None:
        with bench.world.store.write() as tx:  # would wait for ever inside another one
            seen.append(len(lists.objects(tx, COMPANY, "cloud.vendors")))

    bench.cloud.between = between
    bench.run()
    assert seen == [2, 4, 6]


def test_a_page_of_many_objects_is_kept_in_parts(bench: ListBench) -> None:
    bench.cloud.page_size = 10_000
    bench.cloud.listed["vendors"] = [*(ListObject(f"c-{n}", f"V {n}") for n in range(1200)), ACME]
    counted = dying(bench, 10**6, after=False)
    bench.runner.read_lists(bench.program, COMPANY)
    # Streams, what is due, lease, settings, begin, three parts, end, lease given back.
    assert counted.count == 10
    assert len(bench.kept()) == 1201


def test_an_empty_list_is_read_as_one(bench: ListBench) -> None:
    bench.run()
    bench.cloud.listed["vendors"] = []
    bench.passed(3601)
    bench.run()
    assert (bench.kept(), bench.loaded()) == ([], True)
    assert events(bench)[-1] == {"list": "cloud.vendors", "gone": 2, "woken": 0}


@pytest.mark.parametrize("at", range(9))
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_over_a_list_leaves_what_was_there(bench: ListBench, at: int, *, after: bool) -> None:
    """Objects vanish only with the last page of a reading, and a list that was read in part was never read."""
    for again in (False, True):
        bench.cloud.listed["vendors"] = [ListObject("c-new", "New"), ListObject("c-b", "B"), ACME]
        if again:
            bench.cloud.listed["vendors"] = [ListObject("c-next", "Next"), ListObject("c-b", "B"), ACME]
            bench.passed(3601)
        world = bench.world
        store = dying(bench, at, after=after)
        with suppress(Crash):
            bench.runner.read_lists(bench.program, COMPANY)
        bench.world = world
        assert store.count >= at
        done = bench.kept() == sorted(bench.kept()) and "c-next" in bench.kept() and "c-new" not in bench.kept()
        if again and not done:
            assert {"c-acme", "c-b", "c-new"} <= set(bench.kept())
        bench.passed(901)  # the right to read ends by itself; here the process lives on
        bench.runner.read_lists(bench.program, COMPANY)
        assert set(bench.kept()) == {"c-acme", "c-b", "c-next" if again else "c-new"}


def test_a_half_read_list_prepares_nothing(bench: ListBench) -> None:
    bench.cloud.listed["vendors"] = [ACME, OLD, ListObject("c-b", "B")]
    bench.cloud.list_faults = [None, BadAnswer("no list")]
    assert told(run(bench)) == ["acme/cloud: the vendors list could not be read: no list; it is tried again by itself"]
    assert (bench.kept(), bench.loaded(), bench.states()) == (["c-acme", "c-old"], False, {"b-1": "pending"})
    assert bench.run() == {"bills": {"read": 1}}
    assert (bench.loaded(), bench.states()) == (True, {"b-1": "closed"})


# --- when ------------------------------------------------------------------------------------------------------------


def test_a_list_is_read_again_when_it_is_old(bench: ListBench) -> None:
    bench.run()
    bench.passed(3600)
    bench.run()
    assert bench.cloud.asked == ["vendors"]
    bench.passed(1)
    bench.run()
    assert bench.cloud.asked == ["vendors"] * 2


def test_a_list_that_was_expired_is_read_at_once(bench: ListBench) -> None:
    bench.run()
    with bench.world.store.write() as tx:
        lists.expire(tx, COMPANY, "cloud.vendors")
    bench.run()
    bench.run()
    assert bench.cloud.asked == ["vendors"] * 2


def test_a_list_that_was_read_in_the_future_is_read_again(bench: ListBench) -> None:
    bench.run()
    with bench.world.store.write() as tx:
        tx.run("list_done", {"company": COMPANY, "list": "cloud.vendors", "at": "2999", "changed": 0})
    bench.run()
    assert bench.cloud.asked == ["vendors"] * 2


def test_a_vendor_that_appears_wakes_what_waited_for_it(bench: ListBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", "Nobody")]
    bench.run()
    assert bench.reasons("b-1") == [UNKNOWN]
    bench.cloud.listed["vendors"].append(ListObject("c-no", "Nobody"))
    bench.passed(60)
    bench.run()
    assert (bench.cloud.asked, bench.states()) == (["vendors"], {"b-1": "deferred"})
    bench.passed(1)
    bench.run()
    assert (bench.cloud.asked, bench.states()) == (["vendors"] * 2, {"b-1": "closed"})
    assert events(bench)[-1] == {"list": "cloud.vendors", "gone": 0, "woken": 1}
    assert bench.alerts() == []


def test_a_schedule_looks_less_often_than_a_person(bench: ListBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", "Nobody")]
    scheduled = replace(bench.runner, by_hand=False)
    scheduled.run(bench.program, COMPANY)
    for seconds, times in ((300, 1), (1, 2)):
        bench.passed(seconds)
        scheduled.run(bench.program, COMPANY)
        assert len(bench.cloud.asked) == times


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_list_that_cannot_be_read_keeps_back_only_what_needs_it(bench: ListBench) -> None:
    bench.cloud.list_faults = [AuthRefused("acme/cloud: the token was refused")]
    report = run(bench)
    text = "acme/cloud: the vendors list could not be read: the token was refused"
    assert told(report) == [f"{text}; check the credentials"]
    assert isinstance(report.errors[0], ListUnread)
    assert (report.count("read"), report.count("pending"), bench.states()) == (1, 1, {"b-1": "pending"})
    assert bench.alerts() == [("connection", "shop_to_cloud/cloud/list/vendors", 1)]
    assert bench.run() == {"bills": {"read": 1}}
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])


def test_a_list_that_was_read_stays_usable(bench: ListBench) -> None:
    bench.run()
    bench.shop.listed["bills"].append(bill("b-2"))
    bench.passed(3601)
    bench.cloud.list_faults = [BadAnswer("no list")]
    assert len(run(bench).errors) == 1
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}


def test_a_passing_fault_is_waited_out(bench: ListBench) -> None:
    bench.cloud.listed["vendors"].append(ListObject("c-b", "B"))
    bench.cloud.list_faults = [None, Transient("no connection"), RateLimited("slow down", retry_after_s=7)]
    began = bench.world.clock.monotonic()
    bench.run()
    assert (bench.cloud.asked, bench.kept()) == (["vendors"] * 3, ["c-acme", "c-b", "c-old"])
    assert bench.world.clock.monotonic() - began >= 7.5
    assert bench.alerts() == []


def test_what_failed_is_left_alone_longer_each_time(bench: ListBench) -> None:
    scheduled = replace(bench.runner, by_hand=False)
    waits = []
    for _ in range(3):
        bench.cloud.list_faults = [BadAnswer("no list")]
        scheduled.run(bench.program, COMPANY)
        times = len(bench.cloud.asked)
        scheduled.run(bench.program, COMPANY)
        assert len(bench.cloud.asked) == times
        waited = 0
        while not scheduled.read_lists(bench.program, COMPANY) and len(bench.cloud.asked) == times:
            bench.cloud.list_faults = [BadAnswer("no list")]
            bench.passed(5)
            waited += 5
        waits.append(waited)
    assert waits[0] < waits[1] < waits[2]
    bench.cloud.list_faults = []
    assert run(bench).errors == ()  # a person is not made to wait
    with bench.world.store.read() as tx:
        assert facts.recall(tx, COMPANY, "list:cloud.vendors") is None
    assert bench.alerts() == []


def test_a_person_too_waits_when_the_vendor_asks_for_it(bench: ListBench) -> None:
    bench.cloud.list_faults = [RateLimited("slow down", retry_after_s=600)]
    assert len(run(bench).errors) == 1
    assert run(bench).errors == ()
    assert (bench.cloud.asked, bench.states()) == (["vendors"], {"b-1": "pending"})
    bench.passed(601)
    bench.run()
    assert bench.states() == {"b-1": "closed"}


def test_a_source_that_cannot_answer_now_is_not_asked_for_its_other_lists() -> None:
    text = FLOW.replace("streams:", "  account: {target: cloud.accounts, match: [exact_name]}\nstreams:")
    text = text.replace(
        "number: number\n      amount", "number: find('account', null, 'x').full_name || number\n      amount"
    )
    with list_bench(text) as bench:
        bench.cloud.list_faults = [RateLimited("slow down", retry_after_s=600)]
        assert len(run(bench).errors) == 1
        assert bench.cloud.asked == ["vendors"]
        bench.cloud.list_faults = [BadAnswer("no list")]
        bench.passed(601)
        assert len(run(bench).errors) == 1
        assert bench.cloud.asked == ["vendors", "vendors", "accounts"]


@pytest.mark.parametrize("error", [NotYet("not yet"), BadAnswer("no list")])
def test_every_fault_is_told(bench: ListBench, error: Exception) -> None:
    bench.cloud.list_faults = [error]
    assert told(run(bench)) == [f"acme/cloud: the vendors list could not be read: {error}; it is tried again by itself"]


def test_an_object_without_an_id_is_no_object(bench: ListBench) -> None:
    bench.cloud.listed["vendors"].append(ListObject("", "B"))
    text = "acme/cloud: the vendors list could not be read: an object of the list has no id"
    assert told(run(bench)) == [f"{text}; it is tried again by itself"]
    assert bench.states() == {"b-1": "pending"}


def test_half_a_character_is_no_trouble(bench: ListBench) -> None:
    bench.cloud.listed["vendors"] = [
        ACME,
        ListObject("c-x", "B\ud83d", data={"a": ["\udc00"], "b": {"c": "\U0001f600"}}),
    ]
    bench.run()
    with bench.world.store.read() as tx:
        found = lists.by_id(tx, COMPANY, "cloud.vendors", "c-x")
    assert found == ListObject("c-x", "B\ufffd", data={"a": ["\ufffd"], "b": {"c": "\U0001f600"}})


# --- several at once -------------------------------------------------------------------------------------------------


def test_what_another_process_reads_is_left_to_it(bench: ListBench) -> None:
    bench.run()
    bench.passed(3601)
    with reading(bench.world, COMPANY, "", "cloud/vendors"):
        bench.run()
    assert bench.cloud.asked == ["vendors"]
    bench.run()
    assert bench.cloud.asked == ["vendors"] * 2


def test_what_another_process_reads_for_the_first_time_is_waited_for(bench: ListBench) -> None:
    with reading(bench.world, COMPANY, "", "cloud/vendors"):
        assert [str(error) for error in run(bench).errors] == ["acme/cloud: another process is reading vendors"]
    assert (bench.alerts(), bench.states()) == ([], {"b-1": "pending"})


def test_what_was_created_while_a_list_is_read_does_not_vanish(bench: ListBench) -> None:
    def between() -> None:
        with bench.world.store.write() as tx:
            lists.add(tx, COMPANY, "cloud.vendors", ListObject("c-made", "Made"))

    bench.cloud.between = between
    bench.run()
    assert bench.kept() == ["c-acme", "c-made", "c-old"]


def test_two_flows_share_a_list(bench: ListBench) -> None:
    other = bench.other(
        FLOW.replace("flow: shop_to_cloud", "flow: other")
        .replace("number: number\n  ", "number: id\n  ")
        .replace("stream: bills}", "stream: bills, with: {ready: true}}")
    )
    with bench.world.store.write(COMPANY) as tx:
        flowswitch.switch(
            tx, Hand(COMPANY, bench.world.at(), "user:pat"), other.flow, on=True, beside=bench.program.flow.name
        )
    bench.cloud.list_faults = [BadAnswer("no list")]
    bench.shop.listed["bills"] = [bill("b-1", "Nobody")]
    assert len(run(bench).errors) == 1
    report = bench.runner.run(other, COMPANY)
    # What kept the first flow from reading it is over as well.
    assert (report.errors, bench.cloud.asked) == ((), ["vendors"] * 2)
    assert [(kind, subject) for kind, subject, _ in bench.alerts()] == [("deferred", "other/vendor/v-Nobody")]
    bench.run()
    bench.cloud.listed["vendors"].append(ListObject("c-no", "Nobody"))
    bench.passed(61)
    bench.run()
    assert (len(bench.cloud.asked), events(bench)[-1]["woken"]) == (3, 2)
    assert bench.runner.push(other, COMPANY).errors == ()
    assert bench.alerts() == []


# --- what is written is known at once --------------------------------------------------------------------------------


def test_what_is_created_is_in_the_list_at_once() -> None:
    with list_bench(CREATES) as bench:
        bench.shop.listed["vendors"] = [{"id": "v-New", "name": "New"}, {"id": "v-Acme", "name": "Acme"}]
        bench.shop.listed["bills"] = [bill("b-1", "New"), bill("b-3")]
        bench.cloud.more = {"number": "N7", "email": "new@new.test"}
        bench.run()
        bench.shop.listed["bills"].append(bill("b-2", "x", "N7"))
        bench.run()
        assert bench.states() == {"b-1": "closed", "b-2": "closed", "b-3": "closed"}
        assert bench.states("vendors") == {"v-New": "closed", "v-Acme": "skipped"}
        with bench.world.store.read() as tx:
            found = lists.by_id(tx, COMPANY, "cloud.vendors", "c-1")
        assert found == ListObject("c-1", "New", number="N7", data={"email": "new@new.test"})
        assert bench.cloud.asked == ["vendors"]


def test_a_target_that_lists_nothing_knows_what_was_created_and_loses_none() -> None:
    plain = Cloud(memory_world().clock)
    with list_bench(CREATES) as bench, registered({"cloud": CloudConnector(plain, LISTED)}):
        bench.shop.listed["vendors"] = [{"id": "v-New", "name": "New"}]
        bench.shop.listed["bills"] = [bill("b-1", "New")]
        for _ in range(2):
            bench.run()
            bench.passed(3601)
        assert (bench.states(), bench.kept(), events(bench)) == ({"b-1": "closed"}, ["c-1"], [])


# --- a dry run -------------------------------------------------------------------------------------------------------


def test_a_dry_run_reads_the_list_and_keeps_nothing(bench: ListBench) -> None:
    seen: list[dict[str, str]] = []

    def look(tx: Tx, _report: RunReport) -> None:
        rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 10})
        seen.append({row["source_id"]: row["state"] for row in rows})

    report = bench.runner.dry_run(bench.program, COMPANY, look)
    assert (report.errors, report.count("intended"), seen) == ((), 1, [{"b-1": "intended"}])
    assert (bench.kept(), bench.loaded(), bench.states(), bench.cloud.asked) == ([], False, {}, ["vendors"])


def test_a_dry_run_says_what_a_newer_list_would_wake(bench: ListBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", "Nobody")]
    bench.run()
    bench.cloud.listed["vendors"].append(ListObject("c-no", "Nobody"))
    bench.passed(61)
    report = bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None)
    assert report.count("intended") == 1
    assert (bench.states(), bench.kept()) == ({"b-1": "deferred"}, ["c-acme", "c-old"])


def test_a_dry_run_goes_on_without_a_list(bench: ListBench) -> None:
    bench.cloud.list_faults = [BadAnswer("no list")]
    report = bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None)
    assert told(report) == ["acme/cloud: the vendors list could not be read: no list; it is tried again by itself"]
    assert report.count("pending") == 1
    assert bench.alerts() == []


# --- the worker beside the server ------------------------------------------------------------------------------------


def test_the_worker_reads_a_list_that_could_not_be_read_before_its_time(bench: ListBench) -> None:
    with kit.logging():
        worker = Service(bench.world, {bench.program.flow.name: bench.program})
        bench.cloud.list_faults = [BadAnswer("no list")]
        assert [len(report.errors) for report in worker.tick()] == [1]
        assert worker.tick() == []
        assert (bench.cloud.asked, bench.states()) == (["vendors"], {"b-1": "pending"})
        bench.passed(60)
        (report,) = worker.tick()
        assert (report.errors, report.pushed, bench.states()) == ((), 1, {"b-1": "closed"})
        bench.passed(301)
        assert (worker.tick(), bench.cloud.asked) == ([], ["vendors"] * 2)


def test_the_worker_says_what_keeps_it(bench: ListBench) -> None:
    with kit.logging():
        worker = Service(bench.world, {bench.program.flow.name: bench.program})
        bench.cloud.list_faults = [BadAnswer("no list"), BadAnswer("still no list")]
        worker.tick()
        bench.passed(60)
        (report,) = worker.tick()
        text = "acme/cloud: the vendors list could not be read: still no list; it is tried again by itself"
        assert told(report) == [text]


def test_a_connection_that_is_made_anew_has_its_lists_read_first(bench: ListBench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run()
    assert bench.cloud.asked == ["vendors"]
    connecting.connect(bench.world, COMPANY, "cloud", "cloud", {"base_url": "http://elsewhere"}, {})
    bench.run()
    assert bench.cloud.asked == ["vendors", "vendors"]


def test_no_list_is_read_for_a_flow_that_is_off() -> None:
    with list_bench(FLOW.replace("version: 1\n", "version: 1\nstarts: by_hand\n")) as bench:
        Service(bench.world, {NAME: bench.program}).tick()
        assert bench.cloud.asked == []
