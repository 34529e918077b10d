"""What was found in review: a restored store, a second machine and alike records must not double or hide anything."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date

import pytest

from connectors.qbwc import conduct, ready, survey
from connectors.qbwc.context import Context
from connectors.qbwc.simulator import user_deletes, user_edits
from connectors.qbwc.simulator.company import user_recodes
from connectors.qbwc.state import Flight, Recovery, State, Survey
from engine.contract import Desk, Json, OperationOutcome
from tests.connectors.qbwc.kit import Kit, answer, hello, is_survey, posted, quiet
from tests.connectors.qbwc.memory_outbox import bill as memory_bill
from tests.connectors.qbwc.rig import UNNUMBERED, Rig, additions, bill, rig
from tests.engine.kit import COMPANY, vendor


def settled_as(made: Rig, *names: str) -> list[str]:
    """The TxnIDs that posted records have."""
    rows = [made.bench.record(name) for name in names]
    return [json.loads(row["receipt"])["TxnID"] for row in rows if row["state"] in ("posted", "closed")]


def without_markers(made: Rig) -> None:
    made.company.behaviour = replace(made.company.behaviour, guid_in_queries=False, guid_in_add_answers=False)


def context(made: Rig, desk: Desk) -> Context:
    return Context(desk, COMPANY, "t", made.bench.world.clock, made.bench.world.ids)


def alike(name: str) -> Json:
    return bill(name, number=None, memo="coffee")


def busy(made: Rig) -> None:
    """QuickBooks refuses every bill because it is in use."""

    def hook(kind: str, document: str) -> str:
        if kind != "write":
            return made.quickbooks.process(document)
        (name,) = re.findall(r'BillAddRq requestID="([^"]+)"', document)
        inner = f'<BillAddRs requestID="{name}" statusCode="3175" statusSeverity="Error" statusMessage="in use"/>'
        return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs>{inner}</QBXMLMsgsRs></QBXML>'

    made.hook = hook


# --- our store is put back --------------------------------------------------------------------------------------------


def test_what_was_refused_once_before_the_backup_is_not_posted_twice() -> None:
    with rig() as made:
        made.prepare(bill())
        works = made.hook
        busy(made)
        made.session()
        assert made.bench.record("b-1")["state"] == "intended"
        backup, made.hook = made.image(), works
        made.bench.world.clock.sleep(3600)
        made.session()
        assert made.bench.record("b-1")["state"] == "posted"
        made.restore(backup)
        made.bench.world.clock.sleep(3600)
        made.session()
        assert (made.bench.record("b-1")["state"], made.bills()) == ("posted", ["N-b-1"])


def test_a_number_and_a_date_that_a_person_has_changed_do_not_hide_what_an_earlier_life_wrote() -> None:
    with rig() as made:
        without_markers(made)
        made.prepare(bill("b-0"))
        made.session()
        before = made.image()
        listed = bill("b-1", memo="Ramp bill b-1")
        made.prepare(bill("b-0"), listed)
        made.session()
        (txn_id,) = settled_as(made, "b-1")
        had = made.count("Bill")
        made.restore(before)
        user_edits(made.company, txn_id, reference="HAND-1")
        user_recodes(made.company, txn_id, dated_on=date(2026, 1, 2))
        made.prepare(bill("b-0"), listed)
        made.session()
        assert made.count("Bill") == had
        assert made.bench.states()["b-1"] == "unknown"
        (alert,) = made.alerts()
        assert "QuickBooks already has bill HAND-1" in alert


def test_what_an_earlier_life_wrote_and_the_source_has_changed_since_is_told_in_the_same_session() -> None:
    with rig() as made:
        before = made.image()
        made.prepare(bill("b-1", amount="100.00"))
        made.session()
        had = made.count("Bill")
        made.restore(before)
        made.prepare(bill("b-1", amount="120.00"))
        made.session()
        assert (made.count("Bill"), made.bench.states()["b-1"]) == (had, "posted")
        (alert,) = made.alerts()
        assert "amount 100.00 there, 120.00 here" in alert


def test_a_backup_from_inside_a_session_that_goes_on_posts_nothing_twice() -> None:
    with rig() as made:
        made.prepare(bill(), bill("b-2"))
        state, kind = State(gate="passed", version="13.0", pace=20), "begin"
        while kind != "survey":
            state, kind = made.step(state)
        backup, kept = made.image(), state
        while kind:
            state, kind = made.step(state)
        made.restore(backup)
        state, kind = kept, "begin"
        made.sent.clear()
        while kind:
            state, kind = made.step(state)
        assert (made.bills(), len(made.sent)) == (["N-b-1", "N-b-2"], 1)


def test_what_was_about_to_be_sent_again_when_our_store_was_copied_is_looked_for_anew_after_a_gap() -> None:
    """QuickBooks has kept no answer (9005), and an earlier life of the session has sent it again meanwhile."""
    with rig() as made:
        made.prepare(bill())
        works = made.hook
        made.hook = lambda kind, document: None if kind == "write" else works(kind, document)
        state, kind = State(gate="passed", version="13.0"), "begin"
        while kind != "write":
            state, kind = made.step(state)
        with made.bench.outbox.transaction() as desk:
            conduct.doubt(context(made, desk), str(state.flight and state.flight.set_id), "the answer never came")
        made.hook, state = works, State(gate="passed", version="13.0", sole_user=True)
        while kind and (state.recovery is None or state.recovery.stage != "resend"):
            state, kind = made.step(state)
        backup, kept = made.image(), state
        made.posts(additions(made.sent[-3])[0])
        made.restore(backup)
        state = survey.anew(kept)
        while kind:
            state, kind = made.step(state)
        assert (made.bills(), made.bench.states()) == (["N-b-1"], {"b-1": "posted"})


def test_what_is_to_be_sent_again_is_looked_for_once_more_after_a_look_that_took_long_but_not_for_ever() -> None:
    flight = Flight("survey", "p", asks=({"scan": "Bill"},))
    known = Recovery("set-1", "resend", ask=("op-1",))
    state, stages = State(), []
    for _ in range(5):
        state = survey.late(replace(state, recovery=known), flight)
        assert state.recovery is not None
        stages.append(state.recovery.stage)
    assert stages == ["probe", "probe", "probe", "resend", "resend"]
    # Where the look itself took long, what it has shown counts.
    assert survey.found_late(State(recovery=known)).recovery == known
    assert survey.anew(State(recovery=known)).recovery == replace(known, stage="probe")


# --- an answer that is lost -------------------------------------------------------------------------------------------


def test_one_object_stands_for_one_of_two_alike_records_after_a_lost_answer() -> None:
    with rig(UNNUMBERED) as made:
        without_markers(made)
        made.prepare(bill("b-0"))
        made.session()
        before = made.count("Bill")
        made.prepare(bill("b-0"), alike("b-1"), alike("b-2"))
        works = made.hook

        def half(kind: str, document: str) -> str | None:
            if kind != "write":
                return works(kind, document)
            made.posts(additions(document)[0])
            return None

        made.hook = half
        made.quick()
        made.session()
        made.hook = works
        for _ in range(2):
            made.bench.world.clock.sleep(1800)
            made.session()
        assert len(set(settled_as(made, "b-1", "b-2"))) == 2
        assert made.count("Bill") == before + 2


def test_one_object_stands_for_one_of_two_alike_records_of_an_earlier_life() -> None:
    with rig(UNNUMBERED) as made:
        without_markers(made)
        before = made.image()
        made.prepare(alike("b-1"))
        made.session()
        had = made.count("Bill")
        made.restore(before)
        made.prepare(alike("b-1"), alike("b-2"))
        made.quick()
        made.session()
        assert len(set(settled_as(made, "b-1", "b-2"))) == 2
        assert made.count("Bill") == had + 1


def test_a_second_machine_waits_until_the_first_has_finished() -> None:
    """Four bills in one set; QuickBooks takes long, and the second Web Connector comes while two of four are there."""
    with rig() as made:
        made.prepare(*(bill(f"b-{number}") for number in range(4)))
        works, rest = made.hook, list[str]()

        def slow(kind: str, document: str) -> str | None:
            if kind != "write":
                return works(kind, document)
            rest.extend(additions(document))
            for request in (rest.pop(0), rest.pop(0)):
                made.posts(request)
            return None

        made.hook = slow
        made.quick()
        made.session()
        made.hook = works
        made.bench.world.clock.sleep(61)
        ended = made.session()
        assert ended.error == (
            "QuickBooks has a part of what it was given (4 records) and may be working on the rest. Nothing is sent until "
            "it has finished; the next update asks again."
        )
        assert made.bills() == ["N-b-0", "N-b-1"]
        for request in rest:
            made.posts(request)
        made.bench.world.clock.sleep(60)
        made.session()
        assert made.bills() == ["N-b-0", "N-b-1", "N-b-2", "N-b-3"]
        assert len(set(settled_as(made, "b-0", "b-1", "b-2", "b-3"))) == 4


def test_what_never_came_is_sent_once_the_set_can_no_longer_run() -> None:
    with rig() as made:
        made.prepare(*(bill(f"b-{number}") for number in range(4)))
        works = made.hook

        def half(kind: str, document: str) -> str | None:
            if kind != "write":
                return works(kind, document)
            for request in additions(document)[:2]:
                made.posts(request)
            return None

        made.hook = half
        made.quick()
        made.session()
        made.hook = works
        for _ in range(30):
            made.bench.world.clock.sleep(61)
            made.session()
        assert made.bills() == ["N-b-0", "N-b-1"]
        made.bench.world.clock.sleep(61)
        made.session()
        assert made.bills() == ["N-b-0", "N-b-1", "N-b-2", "N-b-3"]
        assert made.alerts() == []


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_set_does_not_make_a_set_that_still_runs_one_that_never_came(hours: int) -> None:
    with rig() as made:
        made.prepare(*(bill(f"b-{number}") for number in range(2)))
        works, rest = made.hook, list[str]()

        def slow(kind: str, document: str) -> str | None:
            if kind != "write":
                return works(kind, document)
            rest.extend(additions(document))
            made.posts(rest.pop(0))
            return None

        made.hook = slow
        made.quick()
        made.session()
        made.hook = works
        clock = made.bench.world.clock
        clock.sleep(hours * 3600)
        for _ in range(2):
            clock.sleep(61)
            assert made.session().error.startswith("QuickBooks has a part of what it was given (2 records)")
        made.posts(rest.pop())
        clock.sleep(61)
        made.session()
        assert made.bills() == ["N-b-0", "N-b-1"]
        assert len(set(settled_as(made, "b-0", "b-1"))) == 2


def test_nothing_is_sent_again_into_an_older_backup() -> None:
    with rig() as made:
        made.bench.shop.page_size = 50
        listed = [bill(f"b-{number}") for number in range(4)]
        made.prepare(*listed)
        made.session()
        made.prepare(*listed, bill("b-9"))
        works = made.hook
        made.hook = lambda kind, document: None if kind == "write" else works(kind, document)
        made.session()
        made.hook = works
        for txn_id in made.ids().values():
            user_deletes(made.company, txn_id)
        for _ in range(2):
            made.bench.world.clock.sleep(7200)
            ended = made.session()
        assert made.bills() == []
        assert ended.error.startswith("4 records that were posted are no longer in Ledger (400.00 EUR)")


# --- what holds up others ---------------------------------------------------------------------------------------------


def test_a_kind_that_cannot_be_looked_through_does_not_hold_up_others() -> None:
    with rig() as made:
        made.session()
        made.bench.shop.page_size = 500
        made.bench.shop.listed["vendors"] = [vendor("v-1", "Fresh 1")]
        made.prepare(*(bill(f"b-{number:03}") for number in range(320)))
        made.bench.run("vendors")
        works = made.hook

        def unable(kind: str, document: str) -> str | None:
            said = works(kind, document)
            return re.sub(r'(<BillQueryRs requestID="[^"]+" )statusCode="\d+"', r'\1statusCode="1000"', said or "")

        made.hook = unable
        for _ in range(4):
            made.bench.world.clock.sleep(1800)
            made.session()
        assert made.bench.record("v-1", "vendors")["state"] == "closed"
        assert made.bills() == []


def test_one_session_settles_all_that_an_earlier_life_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_MOST_CONCLUDED", 3)
    with rig() as made:
        made.bench.shop.page_size = 50
        before = made.image()
        listed = [bill(f"b-{number:02}") for number in range(30)]
        made.prepare(*listed)
        made.session()
        made.restore(before)
        made.prepare(*listed, bill("b-99"))
        made.sent.clear()
        ended = made.session()
        assert ended.counts == {"posted": 31}
        assert len(made.bills()) == 31
        assert len([document for document in made.sent if "<HostQueryRq" in document]) > 3


# --- calls that do not follow one another -----------------------------------------------------------------------------


def with_two() -> Kit:
    kit = Kit()
    for number in (1, 2):
        kit.outbox.add(memory_bill(number))
    return kit


def test_a_gap_between_two_calls_begins_the_look_around_anew() -> None:
    kit = with_two()
    kit.start()
    kit.receive(posted(memory_bill(1).id))
    kit.clock.sleep(30)
    assert "<BillAddRq" in kit.send()
    kit = with_two()
    kit.start()
    kit.receive(posted(memory_bill(1).id))
    kit.clock.sleep(31)
    assert is_survey(kit.send())


@pytest.mark.parametrize(("seconds", "again"), [(30, False), (31, True)])
def test_an_answer_that_took_long_begins_the_look_around_anew(seconds: int, again: bool) -> None:
    kit = with_two()
    kit.start()
    kit.clock.sleep(seconds)
    kit.receive(posted(memory_bill(1).id))
    assert is_survey(kit.send()) is again


def test_a_look_around_that_takes_long_counts() -> None:
    kit = with_two()
    kit.login()
    document = kit.send(hello())
    kit.clock.sleep(240)
    kit.receive(quiet(document))
    assert "<BillAddRq" in kit.send()


def test_a_look_that_takes_long_has_what_was_looked_through_before_it_looked_through_again() -> None:
    """Somebody else may have written meanwhile, and a copy of our store from before that may be in place."""
    kit = with_two()
    kit.start()
    kit.receive(posted(memory_bill(1).id))
    kit.outbox.add(replace(memory_bill(3), request="VendorAdd"))
    kinds = []
    for seconds in (40, 1):
        document = kit.send()
        assert is_survey(document)
        kinds.append(re.findall(r"<(\w+)QueryRq", document))
        kit.clock.sleep(seconds)
        kit.receive(quiet(document))
    assert kinds == [["Vendor"], ["Bill"]]
    assert not is_survey(kit.send())


def test_looks_that_all_take_long_come_to_an_end() -> None:
    flight = Flight("survey", "p", asks=({"scan": "Bill"}, {"look": "Bill", "ids": ["1A-1"]}))
    known = Survey(scanned=("Vendor", "Bill"), looked=("8000-1", "1A-1"))
    told = []
    state = State(survey=known)
    for _ in range(5):
        state = survey.late(replace(state, survey=replace(known, late=state.survey.late)), flight)
        told.append((state.survey.scanned, state.survey.looked, state.survey.late))
    again = (("Bill",), ("1A-1",))
    kept = (("Vendor", "Bill"), ("8000-1", "1A-1"))
    assert told == [(*again, 1), (*again, 2), (*again, 3), (*kept, 3), (*kept, 3)]


def test_an_answer_to_something_else_begins_the_look_around_anew() -> None:
    kit = with_two()
    kit.start()
    kit.receive(posted(memory_bill(2).id))
    kit.send()
    kit.receive(posted(memory_bill(1).id))
    assert is_survey(kit.send())


def test_what_is_sent_again_waits_for_the_look_around() -> None:
    kit = with_two()
    frozen = kit.start()
    kit.close()
    kit.login()
    kit.send(hello())
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    probe = kit.send()
    kit.receive(answer("".join(f'<BillQueryRs requestID="{name}" statusCode="1"/>' for name in _names(probe))))
    document = kit.send()
    assert is_survey(document)
    assert kit.receive(quiet(document)) == 0
    assert kit.send() == frozen


def test_a_set_of_several_has_the_same_id_whenever_it_is_made() -> None:
    found: list[str] = []
    for _ in range(2):
        kit = with_two()
        kit.ids.count += len(found)
        kit.configure(batch=0)
        kit.outbox.data.facts["pace"] = {"limit": 8}
        document = kit.start()
        found += re.findall(r'newMessageSetID="([^"]*)"', document)
    assert found[0] == found[1]
    assert re.fullmatch("[0-9A-Za-z]{22}", found[0])
    # What has travelled before goes under an id that QuickBooks has never seen.
    kit.close()
    with kit.outbox.transaction() as desk:
        unsettled = desk.operations.unsettled("acme")
        assert unsettled is not None
        again = [OperationOutcome(operation.id, "retry") for operation in unsettled.operations]
        desk.operations.settle("acme", unsettled.id, again, b"")
    kit.outbox.data.facts["pace"] = {"limit": 8}
    assert re.findall(r'newMessageSetID="([^"]*)"', kit.start()) not in ([found[0]], [])


def _names(document: str) -> list[str]:
    return re.findall(r'<BillQueryRq requestID="([^"]+)"', document)
