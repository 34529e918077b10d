"""What may be meant: ranked by likeness, active objects alone, from a list that is put in order once a revision."""

from __future__ import annotations

import pytest

from engine.contract import ListObject
from engine.flowlang.flowfile import load_flow
from engine.model import Flow
from engine.operator import suggesting
from engine.store import lists
from tests.engine.kit import COMPANY, Bench, bench
from tests.reference import ROOT

ACCOUNTS = (
    ListObject("1", "Acme Supplies"),
    ListObject("2", "Acme Ltd"),
    ListObject("3", "Zenith GmbH"),
    ListObject("4", "Travel:Airfare", number="6010"),
    ListObject("5", "Travel:Meals and Entertainment", number="6020"),
    ListObject("6", "Office Supplies", number="6400"),
    ListObject("7", "Software", number="6120"),
    ListObject("8", "Software Licences", active=False),
    ListObject("9", "\u0141\u00f3d\u017a Stra\u00dfe"),
    ListObject("10", "Ltd"),
)


def suggested(made: Bench, label: str, key: str = "") -> list[str]:
    flow = made.program.flow
    entry = flow.lookup("account")
    assert entry is not None
    with made.world.store.read() as tx:
        return [s.full_name for s in suggesting.known(made.world.store, tx, COMPANY, flow, entry).suggest(label, key)]


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("ACME", ["Acme Ltd", "Acme Supplies"]),
        ("Acme Supplies, Inc.", ["Acme Supplies", "Acme Ltd", "Office Supplies"]),
        ("Zennith", ["Zenith GmbH"]),
        ("Airfare", ["Travel:Airfare"]),
        ("Meals & Entertainment", ["Travel:Meals and Entertainment"]),
        ("client meals", ["Travel:Meals and Entertainment"]),
        ("6120 Software subscriptions", ["Software"]),
        ("lodz strasse", ["\u0141\u00f3d\u017a Stra\u00dfe"]),
        ("Ltd", ["Ltd"]),
        ("zzz", []),
        ("", []),
        ("!?", []),
        ("\u4e2d\u6587", []),
    ],
)
def test_what_may_be_meant(label: str, names: list[str]) -> None:
    with bench() as made:
        made.read_lists(accounts=ACCOUNTS)
        assert suggested(made, label) == names


def test_a_number_is_the_account_of_that_number() -> None:
    with bench() as made:
        made.read_lists(accounts=ACCOUNTS)
        assert suggested(made, "Flights and more", "6010") == ["Travel:Airfare"]
        assert suggested(made, "", "6400") == ["Office Supplies"]
        assert suggested(made, "Nothing like it", "7e1f-Software") == []


def test_what_changes_in_the_list_is_suggested() -> None:
    with bench() as made:
        made.read_lists(accounts=ACCOUNTS)
        assert suggested(made, "Quartz") == []
        with made.world.store.write() as tx:
            lists.add(tx, COMPANY, "Account", ListObject("11", "Quartz Mine"))
        assert suggested(made, "Quartz") == ["Quartz Mine"]


def test_two_stores_do_not_mix() -> None:
    with bench() as one, bench() as other:
        one.read_lists(accounts=ACCOUNTS)
        other.read_lists(accounts=[ListObject("1", "Airfares abroad")])
        assert (suggested(one, "Airfare"), suggested(other, "Airfare")) == (["Travel:Airfare"], ["Airfares abroad"])


def test_a_list_that_was_never_read_suggests_nothing() -> None:
    with bench(lists=False) as made:
        assert suggested(made, "Acme") == []


def test_only_so_many_lists_and_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggesting, "_KEPT", 1)
    monkeypatch.setattr(suggesting, "_ANSWERS", 2)
    with bench() as one, bench() as other:
        for made in (one, other, one):
            made.read_lists(accounts=ACCOUNTS)
            for label in ("Acme", "Zenith", "Airfare", "Acme"):
                assert suggested(made, label)
        assert [len(index.answers) for index in suggesting._indexes.values()] == [2]


# --- of what kind ----------------------------------------------------------------------------------------------------

TYPED = tuple(
    ListObject(str(number), name, data={"account_type": kind})
    for number, (name, kind) in enumerate(
        (
            ("Accounts Payable", "AccountsPayable"),
            ("Accounts Receivable", "AccountsReceivable"),
            ("Payable Interest", "Expense"),
            ("Travel Bank", "Bank"),
            ("Travel Meals", "Expense"),
            ("Old Travel", "OtherCurrentAsset"),
        )
    )
)


@pytest.fixture(scope="module")
def ramp() -> Flow:
    flow, problems = load_flow(ROOT / "flows" / "ramp_to_quickbooks.yaml")
    assert flow is not None, problems
    return flow


def kinds(ramp: Flow, made: Bench, label: str, key: str = "") -> list[tuple[str, str]]:
    entry = ramp.lookup("account")
    assert entry is not None
    with made.world.store.read() as tx:
        known = suggesting.known(made.world.store, tx, COMPANY, ramp, entry)
        return [(each.full_name, each.kind) for each in known.suggest(label, key)]


def test_what_no_line_is_coded_to_comes_last_with_its_kind(ramp: Flow) -> None:
    with bench() as made:
        made.read_lists(accounts=TYPED)
        assert kinds(ramp, made, "Travel bank costs") == [
            ("Old Travel", "Other Current Asset"), ("Travel Meals", "Expense"), ("Travel Bank", "Bank"),
        ]  # fmt: skip
        found = kinds(ramp, made, "Payable accounts")
        assert found[0] == ("Payable Interest", "Expense")
        assert ("Accounts Payable", "Accounts Payable") in found[1:]


def test_what_is_wholly_the_same_or_named_by_a_setting_may_be_of_any_kind(ramp: Flow) -> None:
    with bench() as made:
        made.read_lists(accounts=TYPED)
        assert kinds(ramp, made, "Travel Bank")[0] == ("Travel Bank", "Bank")
        assert kinds(ramp, made, "Account payables", "setting:ap_account")[0][0] == "Accounts Payable"


def test_a_list_that_tells_no_kind(ramp: Flow) -> None:
    with bench() as made:
        made.read_lists(accounts=TYPED)
        flow = made.program.flow
        entry = flow.lookup("account")
        assert entry is not None
        with made.world.store.read() as tx:
            known = suggesting.known(made.world.store, tx, COMPANY, flow, entry)
        assert {each.kind for each in known.suggest("Travel")} == {""}
        assert known.kind_of(TYPED[0]) == ""
