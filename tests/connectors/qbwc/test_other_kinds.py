"""A record that may be in QuickBooks as another kind of object, or as it was before, is not written as what it would be now."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from connectors.qbwc import putback
from connectors.qbwc.context import Context
from connectors.qbwc.simulator import user_deletes
from engine.evidence import PUT_BACK
from engine.follow import Hand
from engine.operator import worklist
from tests.connectors.qbwc.rig import Rig, bill, rig
from tests.connectors.qbwc.test_rare_orders import DAY, LOCKED, kinds, sessions
from tests.engine.kit import COMPANY


def switch(made: Rig, *, on: bool = True) -> None:
    """A person has bills posted as card charges from now on, or as bills again."""
    world = made.bench.world
    with world.store.write() as tx:
        worklist.put_setting(tx, Hand(COMPANY, world.at(), "test"), made.bench.program.flow, "as_charge", on)


def counts(made: Rig) -> tuple[int, int]:
    """Charges and bills."""
    return made.count("CreditCardCharge"), made.count("Bill")


def refused(document: str, code: int = 3180) -> str:
    (name,) = re.findall(r'BillAddRq requestID="([^"]+)"', document)
    told = f'requestID="{name}" statusCode="{code}" statusSeverity="Error" statusMessage="{LOCKED}"'
    return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs><BillAddRs {told}/></QBXMLMsgsRs></QBXML>'


def locks_first(
    made: Rig, *, saved: bool, meanwhile: Callable[[], object] = lambda: None, guid: bool = True, code: int = 3180
) -> None:
    """The first bill is refused as locked; `saved` although it is. `meanwhile` happens while it is under way."""
    first: list[str] = []

    def works(document: str) -> str:
        answer = made.quickbooks.process(document)
        return answer if guid else re.sub(r"<ExternalGUID>[^<]*</ExternalGUID>", "", answer)

    def hook(kind: str, document: str) -> str | None:
        if kind != "write" or first:
            return works(document)
        first.append(document)
        if saved:
            works(document)
        meanwhile()
        return refused(document, code)

    made.hook = hook


def breaks(made: Rig, query: str, code: int) -> None:
    """QuickBooks refuses a query whose text matches."""

    def hook(_: str, document: str) -> str:
        answer = made.quickbooks.process(document)
        if re.search(query, document, re.DOTALL):
            answer = re.sub(r'(<CreditCardChargeQueryRs [^>]*)statusCode="\d+"', rf'\1statusCode="{code}"', answer)
        return answer

    made.hook = hook


def put_back(made: Rig, memo: str = "") -> None:
    """A copy of the store is put back that was made before the bill was posted as a charge."""
    made.session()
    copy, made_at = made.image(), made.bench.world.at()
    switch(made)
    made.prepare(bill(memo=memo) if memo else bill())
    made.session()
    assert counts(made) == (1, 0)
    made.bench.world.clock.sleep(3600)
    made.restore(copy, made_at)


# --- refusals that have saved ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [3170, 3180])
@pytest.mark.parametrize("when", ["under_way", "waiting"])
def test_what_was_saved_though_refused_is_not_posted_as_another_kind(
    monkeypatch: pytest.MonkeyPatch, when: str, code: int
) -> None:
    with kinds(monkeypatch) as made:
        made.session()
        made.prepare(bill())
        under_way = when == "under_way"
        locks_first(made, saved=True, meanwhile=(lambda: switch(made)) if under_way else lambda: None, code=code)
        made.session()
        if not under_way:
            switch(made)
        sessions(made, 3)
        assert (counts(made), made.bench.states()) == ((0, 1), {"b-1": "posted"})


@pytest.mark.parametrize("guid", [True, False])
def test_what_was_saved_though_refused_is_found_when_the_source_has_changed_everything(guid: bool) -> None:
    with rig() as made:
        made.session()
        made.prepare(bill())
        anew = bill("b-1", "120.00", number="N-NEW", memo="corrected", date="2026-03-03")
        locks_first(made, saved=True, meanwhile=lambda: made.prepare(anew), guid=guid)
        made.session()
        sessions(made, 3)
        assert made.count("Bill") == 1


def test_what_was_refused_and_is_not_there_is_sent_again_as_what_is_wanted_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kinds(monkeypatch) as made:
        made.session()
        made.prepare(bill())
        locks_first(made, saved=False, meanwhile=lambda: switch(made))
        made.session()
        sessions(made, 2)
        assert (counts(made), made.bench.states()) == ((1, 0), {"b-1": "posted"})


def test_what_was_refused_and_is_not_there_waits_before_it_is_sent_again() -> None:
    with rig() as made:
        made.prepare(bill())
        locks_first(made, saved=False)
        made.session()
        assert (made.count("Bill"), made.bench.states()) == (0, {"b-1": "intended"})
        made.bench.world.clock.sleep(29)
        made.session()
        assert made.count("Bill") == 0
        made.bench.world.clock.sleep(1)
        made.session()
        assert (made.count("Bill"), made.bench.states()) == (1, {"b-1": "posted"})


def test_a_session_that_ends_before_the_look_leaves_it_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    with kinds(monkeypatch) as made:
        made.session()
        made.prepare(bill())
        locks_first(made, saved=True)
        locked = made.hook
        made.hook = lambda kind, document: None if kind == "probe" else locked(kind, document)
        made.session()
        assert made.bench.states() == {"b-1": "unknown"}
        switch(made)
        made.hook = locked
        sessions(made, 3)
        assert (counts(made), made.bench.states()) == ((0, 1), {"b-1": "posted"})


# --- an older store --------------------------------------------------------------------------------------------------


def test_what_was_in_doubt_in_the_copy_and_posted_as_another_kind_since_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kinds(monkeypatch) as made:
        works = made.hook
        made.session()
        made.prepare(bill())
        made.hook = lambda kind, document: None if kind == "write" else works(kind, document)
        made.session()
        copy, made_at = made.image(), made.bench.world.at()
        switch(made)
        made.hook = lambda kind, document: (
            refused(document, 3175) if kind == "write" and "<BillAddRq" in document else works(kind, document)
        )
        sessions(made, 4)
        assert (counts(made), made.bench.states()) == ((1, 0), {"b-1": "posted"})
        made.hook = works
        made.restore(copy, made_at)
        sessions(made, 4)
        assert (counts(made), made.bench.states()) == ((1, 0), {"b-1": "unknown"})
        assert "QuickBooks has it as another kind of object: CreditCardCharge" in made.alerts()[0]


@pytest.mark.parametrize("code", [3260, 1000])
def test_after_a_restore_nothing_is_written_while_a_kind_cannot_be_looked_through(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with kinds(monkeypatch) as made:
        put_back(made)
        works = made.hook
        made.prepare(bill())
        breaks(made, "<CreditCardChargeQueryRq", code)
        assert "Nothing at all is sent before QuickBooks has shown these: CreditCardCharge" in made.session().error
        assert made.alerts() == []
        sessions(made, 1)
        assert (counts(made), made.bench.states()) == ((1, 0), {"b-1": "intended"})
        (told,) = made.alerts()
        assert f"(CreditCardCharge): {code}" in told
        assert "Verify Data" in told
        made.hook = works
        sessions(made, 1)
        assert (counts(made), made.bench.states()) == ((1, 0), {"b-1": "unknown"})
        assert len(made.alerts()) == 1
        assert "carries its marker" in made.alerts()[0]


def test_what_hangs_on_an_object_that_cannot_be_shown_waits_and_the_session_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kinds(monkeypatch) as made:
        put_back(made)
        made.prepare(bill("b-2"))
        made.session()
        assert counts(made) == (1, 1)
        made.bench.world.clock.sleep(5 * DAY)
        works = made.hook
        made.prepare(bill(), bill("b-3"))
        breaks(made, "<CreditCardChargeQueryRq[^>]*><TxnID>", 3260)
        made.session()
        sessions(made, 1)
        assert counts(made) == (1, 2)
        assert made.bench.states()["b-1"] == "intended"
        assert "could not say whether what was seen there before is still there" in made.alerts()[0]
        made.hook = works
        sessions(made, 1)
        assert (counts(made), made.bench.states()["b-1"]) == ((1, 2), "unknown")


def test_what_is_to_be_posted_again_and_cannot_be_asked_for_keeps_no_other_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kinds(monkeypatch) as made:
        switch(made)
        made.prepare(bill())
        made.session()
        (charge,) = made.company.txns("CreditCardCharge")
        user_deletes(made.company, charge.txn_id)
        sessions(made, 2, 7200)
        assert made.bench.states() == {"b-1": "vanished"}
        switch(made, on=False)
        world = made.bench.world
        with world.store.write() as tx:
            rows = worklist.parked(tx, COMPANY, "vanished")
            worklist.post_again(tx, Hand(COMPANY, world.at(), "test"), rows, "post again")
        works = made.hook
        breaks(made, "<CreditCardChargeQueryRq[^>]*><TxnID>", 3260)
        sessions(made, 1)
        made.prepare(bill(), bill("b-2"))
        sessions(made, 1)
        assert (made.bills(), made.bench.states()) == (["N-b-2"], {"b-1": "intended", "b-2": "posted"})
        made.hook = works
        sessions(made, 1)
        assert made.bills() == ["N-b-1", "N-b-2"]


@pytest.mark.parametrize("memo", ["Shop bill b-1", "office chairs"])
def test_where_no_marker_is_shown_the_memo_tells_of_another_kind(monkeypatch: pytest.MonkeyPatch, memo: str) -> None:
    """A memo that does not name the record may be that of anything, and tells of nothing."""
    with kinds(monkeypatch) as made:
        plain = made.quickbooks.process
        made.hook = lambda _, document: re.sub(r"<ExternalGUID>[^<]*</ExternalGUID>", "", plain(document))
        put_back(made, memo)
        made.prepare(bill(memo=memo))
        sessions(made, 3)
        if "b-1" not in memo:
            assert counts(made) == (1, 1)
            return
        assert (counts(made), made.bench.states()) == ((1, 0), {"b-1": "unknown"})
        (told,) = made.alerts()
        assert "another kind of object: CreditCardCharge" in told
        assert told.endswith("has its memo; nothing was sent")


def test_a_quickbooks_that_is_too_old_for_a_kind_need_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with rig() as made, made.bench.outbox.transaction() as desk:
        desk.sessions.remember(COMPANY, PUT_BACK, {"at": made.bench.world.at()})
        monkeypatch.setattr(type(desk.unsent), "possible", lambda *_: ("BillAdd", "TransferAdd"))
        ctx = Context(desk, COMPANY, "t", made.bench.world.clock, made.bench.world.ids)
        assert putback.unscanned(ctx, "11.0") == ("BillAdd",)
        assert putback.unscanned(ctx, "12.0") == putback.unscanned(ctx, "") == ("BillAdd", "TransferAdd")
