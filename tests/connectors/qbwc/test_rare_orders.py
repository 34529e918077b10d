"""Nothing is posted twice when clocks are wrong, a refusal has saved, others write the same, or the store is an old one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from connectors.qbwc import CONNECTOR
from connectors.qbwc.simulator import (
    Application,
    ProcessorError,
    VirtualClock,
    WebConnector,
    handler_post,
    seed_company,
)
from engine.contract import Login
from engine.follow import Hand
from engine.operator import worklist
from engine.spec import RequestSpec
from engine.store import companies, datasteps
from engine.store import holdings as kept
from tests import stores
from tests.connectors.qbwc.kit import password_hash
from tests.connectors.qbwc.rig import FLOW, UNNUMBERED, Hook, Rig, bill, rig
from tests.connectors.qbwc.test_voiding import TEXT
from tests.engine import kit
from tests.engine.kit import AT, COMPANY

DAY = 86_400
BY_HAND = (
    '<BillAddRq requestID="1"><BillAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef><TxnDate>2026-03-01</TxnDate>'
    "<RefNumber>{}</RefNumber><ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef>"
    "<Amount>100.00</Amount></ExpenseLineAdd></BillAdd></BillAddRq>"
)
LOCKED = "There was an error when saving a Bill. QuickBooks error message: the list is locked by another user."
KINDS = FLOW.replace(
    "write: {to: ledger, request: BillAdd, template: bill_add.xml.j2, change: {request: BillMod, "
    "template: bill_mod.xml.j2}}",
    "write:\n      to: ledger\n      one_of:\n"
    "        - {when: setting('as_charge'), request: CreditCardChargeAdd, template: credit_card_charge_add.xml.j2}\n"
    "        - {request: BillAdd, template: bill_add.xml.j2}",
)
KINDS = KINDS.replace(
    "settings:\n", "settings:\n  as_charge: {type: boolean, default: false, help: Post as card charges}\n", 1
)
KINDS = KINDS.replace(
    "      ap_account: lookup('account', null, 'Accounts Payable')\n",
    "      ap_account: lookup('account', null, 'Accounts Payable')\n"
    "      card_account: lookup('account', null, 'Ramp Card')\n"
    "      payee: lookup('vendor', vendor.id, vendor.name)\n",
)


def loses_all(made: Rig) -> Hook:
    """The first write is stored, and both its answer and the one that QuickBooks keeps are lost."""
    works = made.hook
    first: list[str] = []

    def hook(kind: str, document: str) -> str | None:
        if kind != "write" or first:
            return works(kind, document)
        first.append(document)
        with pytest.raises(ProcessorError):
            made.quickbooks.process(document, die="unstored")
        return None

    return hook


def sessions(made: Rig, count: int, apart_s: int = 2400) -> None:
    for _ in range(count):
        made.bench.world.clock.sleep(apart_s)
        made.session()


# --- clocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, 3, 30])
@pytest.mark.parametrize("text", [UNNUMBERED, FLOW], ids=["no_number", "number"])
def test_the_clock_of_the_workstation_is_ahead(text: str, days: int) -> None:
    with rig(text) as made:
        made.company.clock = VirtualClock(made.bench.world.clock.now())
        made.company.clock.sleep(days * DAY)
        before = made.count("Bill")
        made.prepare({**bill(), "number": None} if text is UNNUMBERED else bill())
        made.hook = loses_all(made)
        made.session()
        sessions(made, 4)
        assert (made.count("Bill") - before, made.bench.states()) == (1, {"b-1": "posted"})


@pytest.mark.parametrize("days", [1, 3, 20])
def test_our_clock_was_ahead_when_it_was_prepared(days: int) -> None:
    with rig(UNNUMBERED) as made:
        clock = made.bench.world.clock
        made.company.clock = VirtualClock(clock.now())
        made.session()
        clock.sleep(days * DAY)
        before = made.count("Bill")
        made.prepare(bill(number=None))
        clock.sleep(60 - days * DAY)
        made.hook = loses_all(made)
        made.session()
        sessions(made, 4)
        assert (made.count("Bill") - before, made.bench.states()) == (1, {"b-1": "posted"})


# --- refusals that have saved --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [3170, 3180])
def test_what_was_refused_as_locked_and_saved_is_found_in_the_same_session(code: int) -> None:
    with rig() as made:
        before = made.count("Bill")
        made.prepare(bill(), bill("b-2"), bill("b-3"))
        works = made.hook
        first: list[str] = []

        def hook(kind: str, document: str) -> str | None:
            if kind != "write":
                return works(kind, document)
            made.bench.world.clock.sleep(29)
            if first:
                return works(kind, document)
            first.append(document)
            made.quickbooks.process(document)
            (name,) = re.findall(r'BillAddRq requestID="([^"]+)"', document)
            told = f'requestID="{name}" statusCode="{code}" statusSeverity="Error" statusMessage="{LOCKED}"'
            return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs><BillAddRs {told}/></QBXMLMsgsRs></QBXML>'

        made.hook = hook
        made.session()
        sessions(made, 3)
        assert made.count("Bill") - before == 3


# --- slowness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["void", "only_bills", "only_void"])
def test_a_session_ends_however_slow_quickbooks_is(kind: str) -> None:
    """A void must be held against its bill right before it is sent, and each answer takes longer than is at once."""
    with kit.bench(TEXT, lists=False) as bench:
        with bench.world.store.write() as tx:
            companies.put_login(tx, Login(COMPANY, "acme-wc", password_hash(), {}), AT)
        company = seed_company(1, clock=bench.world.clock)
        inner = handler_post(CONNECTOR.handler(bench.outbox, bench.world.clock, bench.world.ids))
        takes_s = [1]

        def post(body: bytes, headers: dict[str, str]) -> object:
            if b"receiveResponseXML" in body:
                bench.world.clock.sleep(takes_s[0])
            return inner(body, headers)

        agent = WebConnector(post, "acme-wc", "pw", company, application=Application(max_requests=150))  # type: ignore[arg-type]
        bench.shop.listed["bills"] = [bill("b-1")]
        bench.run("bills")
        agent.update()
        bench.runner.tell(bench.program, COMPANY)
        bench.world.clock.sleep(3600)
        takes_s[0] = 40
        listed = [bill("b-1", status="open" if kind == "only_bills" else "dead")]
        bench.shop.listed["bills"] = listed + ([bill("b-2")] if kind != "only_void" else [])
        bench.run("bills")
        for _ in range(3):
            assert len(agent.update().requests) < 60
            bench.world.clock.sleep(3600)
        amounts = sorted(str(made.amount) for made in company.txns("Bill"))
        assert amounts == {"void": ["0.00", "100.00"], "only_bills": ["100.00", "100.00"], "only_void": ["0.00"]}[kind]


# --- what others write ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "guid"),
    [
        ("N-b-1", ""),
        ("n-B-1", ""),
        ("N-b-1", "{0F0E0D0C-1111-4222-8333-444455556666}"),
        ("n-B-1", "{0F0E0D0C-1111-4222-8333-444455556666}"),
        ("N-b-1", "{00000000-0000-0000-0000-000000000000}"),
        ("N-b-1", "{887E4C06-74AA-5B23-A898-D78B18935D39}"),
    ],
)
def test_what_somebody_else_entered_is_left_to_a_person(number: str, guid: str) -> None:
    """Also what carries a marker: another program's, or that of a flowctl which was set up anew."""
    marker = f"<ExternalGUID>{guid}</ExternalGUID>" if guid else ""
    with rig() as made:
        made.posts(
            '<BillAddRq requestID="h1"><BillAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef>'
            f"<TxnDate>2026-02-27</TxnDate><RefNumber>{number}</RefNumber>{marker}<ExpenseLineAdd><AccountRef>"
            "<FullName>Travel</FullName></AccountRef><Amount>100.00</Amount></ExpenseLineAdd></BillAdd></BillAddRq>"
        )
        before = made.count("Bill")
        made.prepare(bill("b-1"))
        made.session()
        sessions(made, 1)
        assert (made.count("Bill") - before, made.bench.states()) == (0, {"b-1": "unknown"})
        assert "somebody may have entered it by hand" in " ".join(made.hints())


# --- an older store ------------------------------------------------------------------------------------------------


@contextmanager
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A flow that posts bills or, by a setting, card charges."""
    charge = RequestSpec("CreditCardChargeAdd", "a charge")
    spec = replace(kit.LEDGER, requests=(*kit.LEDGER.requests, charge))

    class Ledger(kit.LedgerConnector):
        def __init__(self) -> None:
            super().__init__()
            self.spec = spec

    monkeypatch.setattr(kit, "LedgerConnector", Ledger)
    with kit.bench(KINDS, lists=False) as bench:
        yield Rig(bench)


def test_after_a_restore_every_kind_that_it_may_have_been_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    with kinds(monkeypatch) as made:
        made.session()
        copy, made_at = made.image(), made.bench.world.at()
        with made.bench.world.store.write() as tx:
            companies.put_setting(tx, COMPANY, "shop_to_ledger", "as_charge", True)
        made.prepare(bill())
        made.session()
        assert (made.count("CreditCardCharge"), made.count("Bill")) == (1, 0)
        made.bench.world.clock.sleep(3600)
        # The setting is that of the copy again.
        made.restore(copy, made_at)
        made.prepare(bill())
        made.session()
        sessions(made, 1)
        assert (made.count("CreditCardCharge"), made.count("Bill")) == (1, 0)
        assert made.bench.states() == {"b-1": "unknown"}
        assert "QuickBooks has it as another kind of object: CreditCardCharge" in made.alerts()[0]


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Rig, str]]:
    """A bill that QuickBooks has as a card charge, which a restored store does not know; and the id of the charge."""
    with kinds(monkeypatch) as made:
        made.company.clock = made.bench.world.clock
        made.session()
        copy, made_at = made.image(), made.bench.world.at()
        as_charge(made, on=True)
        made.prepare(bill())
        made.session()
        made.bench.world.clock.sleep(3600)
        made.restore(copy, made_at)
        made.prepare(bill())
        made.session()
        made.session()
        assert made.bench.states() == {"b-1": "unknown"}
        found = re.search(r"CreditCardCharge (\S+) carries", made.alerts()[0])
        assert found is not None
        yield made, found[1]


def as_charge(made: Rig, *, on: bool) -> None:
    with made.bench.world.store.write() as tx:
        companies.put_setting(tx, COMPANY, "shop_to_ledger", "as_charge", on)


def test_what_is_held_as_another_kind_stays_held_when_that_kind_is_looked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with held(monkeypatch) as (made, _):
        as_charge(made, on=True)
        made.bench.world.clock.sleep(7200)
        made.prepare(bill(), bill("b-2"))
        sessions(made, 4, 7200)
        assert made.bench.states() == {"b-1": "unknown", "b-2": "posted"}
        assert [text for text in made.alerts() if "no longer" in text] == []
        assert (made.count("CreditCardCharge"), made.count("Bill")) == (2, 0)


def test_what_a_person_names_is_kept_as_what_it_is_and_is_not_said_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with held(monkeypatch) as (made, txn_id):
        hand = Hand(COMPANY, made.bench.world.at(), "person")
        with made.bench.world.store.write() as tx:
            worklist.declare(tx, hand, made.bench.record("b-1"), txn_id, "it is that one")
            rows = kept.of_record(tx, made.bench.record("b-1")["id"])
        assert [(row["target_id"], row["kind"]) for row in rows] == [(txn_id, "CreditCardCharge")]
        sessions(made, 3, 7200)
        assert made.bench.states() == {"b-1": "posted"}
        assert made.alerts() == []
        assert (made.count("CreditCardCharge"), made.count("Bill")) == (1, 0)


def test_a_copy_that_is_older_than_a_first_look() -> None:
    with rig() as made:
        made.company.clock = made.bench.world.clock
        made.session()
        copy, made_at = made.image(), made.bench.world.at()
        made.bench.world.clock.sleep(DAY)
        made.prepare(bill())
        made.session()
        assert made.count("Bill") == 1
        made.bench.world.clock.sleep(62 * DAY)
        made.restore(copy, made_at)
        made.prepare(bill())
        sessions(made, 2)
        assert (made.count("Bill"), made.bench.states()) == (1, {"b-1": "posted"})


@pytest.mark.parametrize("number", ["N-ABC", "N-\u00c9T\u00c9"])
def test_a_number_that_was_seen_before_an_upgrade_is_found_in_any_case(number: str) -> None:
    with rig() as made:
        made.company.clock = made.bench.world.clock
        made.posts(BY_HAND.format(number.encode("ascii", "xmlcharrefreplace").decode()))
        made.bench.world.clock.sleep(4 * DAY)
        made.prepare(bill("b-1"))
        made.session()
        store = made.bench.world.store
        # As an older flowctl has kept it: as QuickBooks shows it, then in lower case as the store knows it.
        lower = "".join(char.lower() if char.isascii() else char for char in number)
        stores.raw(store, f"UPDATE sightings SET reference = '{lower}' WHERE reference = '{number.casefold()}'")

        def run(text: str, values: Sequence[str | int]) -> list[tuple[object, ...]]:
            for value in values:
                text = text.replace("?", f"'{value}'" if isinstance(value, str) else str(value), 1)
            return stores.raw(store, text)

        datasteps.follow(30, run)
        made.bench.world.clock.sleep(10 * DAY)
        made.prepare(bill("b-1"), bill("b-9", number=number.lower()))
        sessions(made, 2)
        assert (made.count("Bill"), made.bench.states()["b-9"]) == (2, "unknown")
