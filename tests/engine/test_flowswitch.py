"""Which flows run for a company, and that no two of them post the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from engine import flowswitch
from engine.contract import Page
from engine.errors import UsageError
from engine.flowswitch import FlowOff, LeftOutBefore, RivalFlow, StillUnderWay
from engine.follow import Hand
from engine.operator import skipping
from engine.program import FlowProgram, StreamProgram, compile_flow
from engine.runner import Runner
from engine.service import Service
from engine.store import companies, facts, journal, records, work
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW, YAML, Bench, Shop, bill, vendor

HAND = Hand(COMPANY, AT, "cli:pat")
RIVAL = YAML.replace("flow: shop_to_ledger", "flow: copy_of_it")
BY_HAND = RIVAL.replace("version: 1\n", "version: 1\nstarts: by_hand\n")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.read_lists()
        made.shop.listed["vendors"], made.shop.listed["bills"] = [vendor()], [bill()]
        yield made


def program(text: str) -> FlowProgram:
    return compile_flow(kit.flow(text))


def switch(bench: Bench, made: FlowProgram, *, on: bool) -> bool:
    with bench.world.store.write() as tx:
        return flowswitch.switch(tx, HAND, made.flow, on=on)


def said(error: pytest.ExceptionInfo[UsageError]) -> tuple[str, str | None]:
    return str(error.value), error.value.hint


def test_a_copy_of_a_flow_that_runs_is_refused(bench: Bench) -> None:
    bench.run()
    with pytest.raises(RivalFlow) as caught:
        Runner(bench.world).run(program(RIVAL), COMPANY)
    assert said(caught) == (
        (
            "acme/copy_of_it/bills: `shop_to_ledger/bills` writes the same records into `ledger` already; both would post "
            "everything twice"
        ),
        (
            "use one of the two: run `flowctl company flow shop_to_ledger off --company acme` to go on with this one, or "
            "switch this one off"
        ),
    )
    with bench.world.store.read() as tx:
        listed = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 100})
    assert {row["flow"] for row in listed} == {FLOW}


FILTERED = RIVAL.replace(", with: {ready: true}", "")


def test_a_copy_with_another_filter_is_refused_until_a_person_has_looked(bench: Bench) -> None:
    """Which records two filters let pass is not known here: what both read would be posted twice."""
    bench.run()
    with pytest.raises(RivalFlow) as caught:
        Runner(bench.world).run(program(FILTERED), COMPANY)
    assert said(caught) == (
        (
            "acme/copy_of_it/bills: `shop_to_ledger/bills` reads the same with another filter, and writes it into `ledger` "
            "already; what both read would be posted twice"
        ),
        (
            "use one of the two: run `flowctl company flow shop_to_ledger off --company acme` to go on with this one, or "
            "switch this one off; when they never read the same record, run "
            "`flowctl company flow copy_of_it on --beside shop_to_ledger --company acme`"
        ),
    )
    with bench.world.store.write() as tx:
        flowswitch.switch(tx, HAND, program(FILTERED).flow, on=True, beside=FLOW)
    assert Runner(bench.world).run(program(FILTERED), COMPANY).errors == ()
    bench.run()
    with pytest.raises(RivalFlow), bench.world.store.write() as tx:
        flowswitch.switch(tx, HAND, program(RIVAL).flow, on=True, beside=FLOW)


def test_flows_that_ran_beside_one_another_with_other_filters_go_on(bench: Bench) -> None:
    """An older flowctl let them."""
    bench.run()
    with bench.world.store.write() as tx:
        facts.remember(tx, COMPANY, AT, "writes:copy_of_it", flowswitch._kept(program(FILTERED).flow))
    assert Runner(bench.world).run(program(FILTERED), COMPANY).errors == ()
    bench.run()


def test_a_flow_that_starts_by_itself_waits_as_well_until_the_source_knows(bench: Bench) -> None:
    bench.run()
    assert bench.post_all() > 0
    switch(bench, bench.program, on=False)
    with pytest.raises(StillUnderWay):
        Runner(bench.world).run(program(RIVAL), COMPANY)
    Runner(bench.world).tell(bench.program, COMPANY)
    bench.shop.listed["bills"] = []
    assert Runner(bench.world).run(program(RIVAL), COMPANY).errors == ()


def leave_out(bench: Bench) -> None:
    """A bill that cannot be posted as it is, and that a person has entered by hand."""
    wrong = bill(lines=[{"account": "Rent", "code": "6100", "amount": "1.00", "memo": "m"}])
    bench.shop.listed["bills"] = [wrong]
    bench.run("bills")
    with bench.world.store.write() as tx:
        assert skipping.skip(tx, HAND, [bench.record("b-1")], "entered by hand").moved


def test_what_was_left_out_and_cannot_be_told_apart_by_another_key_is_for_a_person(bench: Bench) -> None:
    leave_out(bench)
    switch(bench, bench.program, on=False)
    other = program(RIVAL.replace("    key: id\n    about: {amount", "    key: number\n    about: {amount"))
    with pytest.raises(LeftOutBefore) as caught:
        switch(bench, other, on=True)
    assert said(caught) == (
        (
            "acme/copy_of_it: a record was left out of `shop_to_ledger/bills` by a person, and this flow has another `key`: it "
            "cannot tell which that is, and would post it if the source still offers it"
        ),
        (
            "give the stream the key that the other has; or, once the source offers none of it any more, run "
            "`flowctl company flow copy_of_it on --beside shop_to_ledger --company acme`; "
            "`flowctl status --flow shop_to_ledger --company acme` shows what was left out"
        ),
    )
    with bench.world.store.write() as tx:
        flowswitch.switch(tx, HAND, other.flow, on=True, beside=FLOW)
    bench.shop.listed["bills"] = []
    assert Runner(bench.world).run(other, COMPANY).errors == ()
    with pytest.raises(RivalFlow), bench.world.store.write() as tx:
        flowswitch.switch(tx, HAND, bench.program.flow, on=True, beside="copy_of_it")


def test_what_was_said_of_records_left_out_does_not_say_that_two_flows_read_different_ones(bench: Bench) -> None:
    leave_out(bench)
    switch(bench, bench.program, on=False)
    other = program(FILTERED.replace("    key: id\n    about: {amount", "    key: number\n    about: {amount"))
    with bench.world.store.write() as tx:
        flowswitch.switch(tx, HAND, other.flow, on=True, beside=FLOW)
    assert Runner(bench.world).run(other, COMPANY).errors == ()
    with pytest.raises(RivalFlow):
        switch(bench, bench.program, on=True)
    with bench.world.store.write() as tx:
        assert flowswitch.switch(tx, HAND, bench.program.flow, on=True, beside="copy_of_it")


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_a_person_left_out_is_left_out_of_the_flow_that_takes_over(bench: Bench, *, by_hand: bool) -> None:
    leave_out(bench)
    switch(bench, bench.program, on=False)
    other = program(BY_HAND if by_hand else RIVAL)
    if by_hand:
        switch(bench, other, on=True)
    bench.shop.listed["bills"] = [bill(), bill("b-2")]
    Runner(bench.world).run(other, COMPANY)
    with bench.world.store.read() as tx:
        scope = {"company": COMPANY, "flow": "copy_of_it", "stream": "bills"}
        one, two = (tx.one("record_find", {**scope, "source_id": name, "phase": "post"}) for name in ("b-1", "b-2"))
    assert one is not None
    assert two is not None
    assert (one["state"], two["state"]) == ("skipped", "intended")
    assert [reason.code for reason in records.load_reasons(one)] == ["left_out"]


def test_what_was_left_out_there_is_left_out_here_when_the_first_flow_is_on_again(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-7", "name": "Nobody"})]
    bench.run("bills")
    switch(bench, bench.program, on=False)
    Runner(bench.world).run(program(RIVAL), COMPANY)
    with bench.world.store.write() as tx:
        scope = {"company": COMPANY, "flow": "copy_of_it", "stream": "bills"}
        row = tx.one("record_find", {**scope, "source_id": "b-1", "phase": "post"})
        assert row is not None
        assert skipping.skip(tx, HAND, [row], "entered by hand").moved
    switch(bench, program(RIVAL), on=False)
    switch(bench, bench.program, on=True)
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert (bench.states()["b-1"], bench.reasons("b-1")) == ("skipped", [("left_out", "a person left it out")])


def test_a_flow_that_knows_records_by_another_key_cannot_tell_what_was_left_out(bench: Bench) -> None:
    leave_out(bench)
    switch(bench, bench.program, on=False)
    with pytest.raises(StillUnderWay):
        switch(
            bench,
            program(RIVAL.replace("    key: id\n    about: {amount", "    key: number\n    about: {amount")),
            on=True,
        )


def test_a_flow_by_hand_runs_only_once_it_is_switched_on(bench: Bench) -> None:
    made = program(BY_HAND)
    with pytest.raises(FlowOff) as caught:
        Runner(bench.world).run(made, COMPANY)
    assert said(caught) == (
        "acme/copy_of_it: the flow is switched off for this company",
        "run `flowctl company flow copy_of_it on --company acme`",
    )
    assert (switch(bench, made, on=True), switch(bench, made, on=True)) == (True, False)
    assert Runner(bench.world).run(made, COMPANY).count("read") == 3
    with bench.world.store.read() as tx:
        lines = [
            (line["event"], line["actor"]) for line in journal.lines(tx, COMPANY) if line["event"] in ("on", "off")
        ]
    assert lines == [("on", "cli:pat")]


def test_taking_over_waits_until_the_source_knows_of_everything(bench: Bench) -> None:
    bench.run()
    assert bench.post_all() > 0
    assert switch(bench, bench.program, on=False) is True
    with pytest.raises(StillUnderWay) as caught:
        switch(bench, program(RIVAL), on=True)
    assert said(caught) == (
        (
            "acme/copy_of_it: 1 of the records of `shop_to_ledger/bills`, which writes the same, are in the target or on their "
            "way there, and the source was not told of it: this flow would post them a second time"
        ),
        (
            "where the source is told, that ends by itself while `flowctl serve` runs; what has vanished from the target "
            "is decided with `flowctl reconcile`; "
            "`flowctl status --flow shop_to_ledger --company acme` shows them"
        ),
    )
    Runner(bench.world).tell(bench.program, COMPANY)
    assert switch(bench, program(RIVAL), on=True) is False
    with pytest.raises(RivalFlow):
        switch(bench, bench.program, on=True)


def test_a_flow_that_is_off_is_neither_read_nor_prepared_and_still_told(bench: Bench) -> None:
    bench.run()
    assert bench.post_all() > 0
    switch(bench, bench.program, on=False)
    bench.shop.reads.clear()
    service = Service(bench.world, {FLOW: bench.program})
    service.tick()
    assert bench.shop.reads == []
    assert [call.kind for call in bench.shop.calls] == ["BILL"]
    with bench.world.store.write() as tx:
        assert Runner(bench.world).refill(tx, bench.program, COMPANY) == 0


def test_a_person_hears_of_two_flows_that_would_post_the_same(bench: Bench) -> None:
    bench.run()
    rival = program(RIVAL)
    service = Service(bench.world, {FLOW: bench.program, "copy_of_it": rival})
    bench.world.clock.sleep(7200)
    service.tick()
    with bench.world.store.read() as tx:
        assert [(a["kind"], a["subject"]) for a in work.alerts(tx, COMPANY) if a["kind"] == "rival"] == [
            ("rival", "copy_of_it")
        ]
        assert list(companies.names(tx)) == [COMPANY]
    switch(bench, rival, on=False)
    with bench.world.store.read() as tx:
        assert [a for a in work.alerts(tx, COMPANY) if a["kind"] == "rival"] == []


@dataclass(slots=True)
class TurningShop(Shop):
    """Something happens after the first page of bills, while the rest is read."""

    turn: Callable[[], None] | None = None

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        for page in Shop.read(self, stream, filters, checkpoint):
            yield page
            if stream == "bills" and self.turn is not None:
                turn, self.turn = self.turn, None
                turn()


def test_a_flow_that_is_switched_off_while_it_reads_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "Shop", TurningShop)
    with kit.bench() as bench:
        shop = bench.shop
        assert isinstance(shop, TurningShop)
        shop.listed["bills"] = [bill(f"b-{number}") for number in range(4)]

        def hand_over() -> None:
            bench.post_all()
            bench.runner.tell(bench.program, COMPANY)
            switch(bench, bench.program, on=False)
            switch(bench, program(RIVAL), on=True)

        shop.turn = hand_over
        report = bench.runner.run(bench.program, COMPANY, streams=["bills"])
        off = "acme/shop_to_ledger: the flow is switched off for this company"
        # Bills and payments share one read.
        assert [str(error) for error in report.errors] == [off, off]
        assert bench.states() == {"b-0": "closed", "b-1": "closed"}
        assert [kind for kind, _, _ in bench.alerts()] == []


def test_a_flow_that_is_switched_off_while_it_prepares_prepares_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill()]
        bench.run("bills")
        bench.read_lists()
        enabled = Runner._enabled

        def hand_over(self: Runner, made: FlowProgram, company: str) -> list[StreamProgram]:
            switch(bench, made, on=False)
            return enabled(self, made, company)

        monkeypatch.setattr(Runner, "_enabled", hand_over)
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 0
        assert bench.states() == {"b-1": "pending"}
