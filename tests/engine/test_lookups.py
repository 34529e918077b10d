"""From a source value to an object of the target: each rule, what is missing and why, and what is remembered for how long."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from engine.contract import ListObject
from engine.lookups import Found, Resolver
from engine.store import lists, records
from engine.store.base import Tx, statements
from engine.store.records import Intake, Move, NewRecord, Place, Reason
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW, YAML, Bench, flow


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


@pytest.fixture
def tx(bench: Bench) -> Iterator[Tx]:
    with bench.world.store.write() as tx:
        yield tx


def resolver(tx: Tx, text: str = YAML) -> Resolver:
    return Resolver(tx, COMPANY, flow(text), {"ledger": "Ledger"}).at(tx)


def found(answer: Found) -> str | None:
    return None if answer.object is None else str(answer.object["list_id"])


def person(tx: Tx, lookup: str, key: str, full_name: str, list_id: str = "") -> None:
    lists.put_mapping(tx, COMPANY, lists.Mapping(FLOW, lookup, key, full_name, list_id), "ann", AT)


# --- the rules


@pytest.mark.parametrize(
    ("key", "label", "number", "list_id"),
    [
        ("A-RENT", None, None, "A-RENT"),  # list_id
        (None, "Rent", None, "A-RENT"),  # exact_name
        (None, "RENT", None, "A-RENT"),
        (None, None, "6100", "A-RENT"),  # number
        (None, None, 6100, "A-RENT"),
        ("A-RENT", "Accounts Payable", "2000", "A-RENT"),  # an id goes before a number and a name
        ("x", "Accounts Payable", "6100", "A-RENT"),  # a number before a name
        ("x", "Accounts Payable", "9999", "A-AP"),
        (None, None, "6200", None),  # two have the number
        (None, "Twin 2", "6200", "A-TWIN2"),  # a name tells them apart
        (None, "Old Rent", None, None),  # inactive
        ("A-OLD", None, None, None),
        (None, None, "6199", None),
        (None, "Ren", None, None),
        ("Rent", None, None, None),  # a key is no name
        (None, None, "a-rent", None),
    ],
)
def test_rules(tx: Tx, key: str | None, label: str | None, number: object, list_id: str | None) -> None:
    assert found(resolver(tx).resolve("account", key, label, number)) == list_id


def test_what_expressions_see_of_an_object(tx: Tx) -> None:
    answer = resolver(tx).resolve("account", None, "rent", None)
    rent = {"AccountType": "Expense", "list_id": "A-RENT", "full_name": "Rent", "number": "6100"}
    assert answer == Found(rent, rule="exact_name")


def test_a_rule_that_the_flow_does_not_name_is_not_tried(tx: Tx) -> None:
    only = YAML.replace("match: [mapped, list_id, number, exact_name]", "match: [exact_name]")
    asking = resolver(tx, only)
    person(tx, "account", "x", "Rent")
    assert [found(asking.resolve("account", *question)) for question in (
        ("A-RENT", None, None), (None, None, "6100"), ("x", None, None), (None, "Rent", None),
    )] == [None, None, None, "A-RENT"]  # fmt: skip


def test_the_first_rule_that_finds_one_wins(tx: Tx) -> None:
    turned = YAML.replace("match: [mapped, list_id, number, exact_name]", "match: [exact_name, number]")
    assert found(resolver(tx, turned).resolve("account", None, "Rent", "2000")) == "A-RENT"


def test_an_inactive_object_hides_no_other_rule(tx: Tx) -> None:
    assert found(resolver(tx).resolve("account", "A-OLD", "Rent", None)) == "A-RENT"


# --- a person's mapping


def test_a_mapping_goes_before_every_rule(tx: Tx) -> None:
    person(tx, "account", "A-AP", "Rent", "A-RENT")
    assert found(resolver(tx).resolve("account", "A-AP", "Accounts Payable", "2000")) == "A-RENT"


@pytest.mark.parametrize(("full_name", "list_id"), [("Rent", ""), ("rent", ""), ("whatever", "A-RENT")])
def test_a_mapping_points_by_id_or_by_name(tx: Tx, full_name: str, list_id: str) -> None:
    person(tx, "account", "k-1", full_name, list_id)
    assert found(resolver(tx).resolve("account", "k-1", "Office", None)) == "A-RENT"


def test_a_mapping_by_label_serves_where_the_key_has_none(tx: Tx) -> None:
    person(tx, "account", "Office", "Rent")
    person(tx, "account", "k-2", "Accounts Payable")
    asking = resolver(tx)
    assert found(asking.resolve("account", "k-1", "Office", None)) == "A-RENT"
    assert found(asking.resolve("account", None, "Office", None)) == "A-RENT"
    assert found(asking.resolve("account", "k-2", "Office", None)) == "A-AP"
    assert found(asking.resolve("account", "Office", "Office", None)) == "A-RENT"
    assert found(asking.resolve("account", "k-1", "office", None)) is None  # a source's own text is exact


@pytest.mark.parametrize(
    ("full_name", "list_id", "answer"),
    [
        ("Gone", "", None),
        ("Gone", "A-GONE", None),
        ("Rent", "A-GONE", None),
        # A person's word holds for an inactive object as well: the ledger itself says what it thinks of it.
        ("Old Rent", "", "A-OLD"),
        ("", "A-OLD", "A-OLD"),
    ],
)
def test_a_mapping_to_what_is_gone_or_inactive(tx: Tx, full_name: str, list_id: str, answer: str | None) -> None:
    person(tx, "account", "k-1", full_name, list_id)
    assert found(resolver(tx).resolve("account", "k-1", "Office", None)) == answer


def test_a_mapping_to_what_is_gone_leaves_the_other_rules(tx: Tx) -> None:
    person(tx, "account", "k-1", "Gone", "A-GONE")
    assert found(resolver(tx).resolve("account", "k-1", "Rent", None)) == "A-RENT"


def test_a_mapping_of_another_lookup_flow_or_company_is_none(tx: Tx) -> None:
    person(tx, "vendor", "k-1", "Rent")
    lists.put_mapping(tx, COMPANY, lists.Mapping("other", "account", "k-1", "Rent"), "ann", AT)
    lists.put_mapping(tx, "zeta", lists.Mapping(FLOW, "account", "k-1", "Rent"), "ann", AT)
    assert found(resolver(tx).resolve("account", "k-1", None, None)) is None


# --- what is linked already


def test_an_object_is_linked_when_any_row_points_at_it(tx: Tx) -> None:
    asking = resolver(tx)
    assert not asking.linked("account", "A-RENT")
    person(tx, "account", "k-1", "Rent", "A-RENT")
    lists.put_mapping(tx, COMPANY, lists.Mapping(FLOW, "vendor", "v-1", "x", "V-9", "", "created"), "flowctl", AT)
    lists.put_mapping(tx, COMPANY, lists.Mapping(FLOW, "vendor", "v-2", "x", "V-8", "", "adopted"), "flowctl", AT)
    lists.put_mapping(tx, COMPANY, lists.Mapping("other", "account", "k-1", "AP", "A-AP"), "ann", AT)
    lists.put_mapping(tx, "zeta", lists.Mapping(FLOW, "account", "k-1", "AP", "A-AP"), "ann", AT)
    assert [asking.linked("account", name) for name in ("A-RENT", "A-AP", "V-9", "rent", "")] == [True, *[False] * 4]
    assert [asking.linked("vendor", name) for name in ("V-9", "V-8", "A-RENT")] == [True, True, False]
    lists.drop_mapping(tx, COMPANY, FLOW, "account", "k-1")
    assert not asking.linked("account", "A-RENT")


@pytest.mark.parametrize("named", ["Rent", "rENT", "A-RENT"])
def test_a_row_from_before_the_list_was_read_links_by_what_it_names(tx: Tx, named: str) -> None:
    asking = resolver(tx)
    assert not asking.linked("account", "A-RENT")
    person(tx, "account", "k-1", named)
    asking.at(tx)
    assert [asking.linked("account", name) for name in ("A-RENT", "A-AP", "A-GONE")] == [True, False, False]
    person(tx, "account", "k-1", "Accounts Payable")
    asking.at(tx)
    assert [asking.linked("account", name) for name in ("A-RENT", "A-AP")] == [False, True]


def test_a_row_whose_object_is_known_links_nothing_by_its_name(tx: Tx) -> None:
    person(tx, "account", "k-1", "Rent", "A-AP")
    assert not resolver(tx).linked("account", "A-RENT")


@pytest.mark.only_sqlite("its plans are looked at")
def test_links_are_found_by_index(bench: Bench) -> None:
    connection = bench.world.store.connection  # type: ignore[attr-defined]  # the backend's own
    scope = {"company": COMPANY, "flow": FLOW, "lookup": "vendor", "list_id": "V-1", "source_key": "k"}
    plans = {
        name: next(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", scope))
        for name in ("mapping_exists_to", "mappings_to", "mappings_unresolved")
    }
    by_target = "INDEX mappings_by_target (company=? AND flow=? AND lookup=? AND list_id=?)"
    assert plans == {
        "mapping_exists_to": f"SEARCH mappings USING COVERING {by_target}",
        "mappings_to": f"SEARCH mappings USING {by_target}",
        "mappings_unresolved": "SEARCH mappings USING INDEX mappings_unresolved (company=? AND flow=? AND lookup=?)",
    }


# --- what is missing


def test_a_gap_says_what_to_do_and_what_would_fill_it(tx: Tx) -> None:
    assert resolver(tx).resolve("account", "k-1", "Office", "6300").reason == Reason(
        "unmapped",
        "the account `Office` is not in the Account list of Ledger",
        "add it there, or run `flowctl map set shop_to_ledger account 'k-1' 'NAME THERE' --company acme`",
        ("mapping:account:k-1", "mapping:account:Office", "list:Account"),
    )


def test_a_gap_without_a_key_or_without_a_label(tx: Tx) -> None:
    asking = resolver(tx)
    by_label = asking.resolve("account", None, "Office", None).reason
    by_key = asking.resolve("account", "k-1", None, None).reason
    assert by_label is not None
    assert by_key is not None
    assert (by_label.message, by_label.waits_for) == (
        "the account `Office` is not in the Account list of Ledger", ("mapping:account:Office", "list:Account"),
    )  # fmt: skip
    assert (by_key.message, by_key.waits_for) == (
        "the account `k-1` is not in the Account list of Ledger", ("mapping:account:k-1", "list:Account"),
    )  # fmt: skip
    assert "'Office'" in by_label.hint


@pytest.mark.parametrize("nothing", [(None, None, None), ("", "", ""), (None, "", None)])
def test_nothing_given_is_not_looked_up(tx: Tx, nothing: tuple[str | None, str | None, str | None]) -> None:
    assert resolver(tx).resolve("account", *nothing) == Found(
        None, Reason("uncoded", "no account is given", "code the account in the source")
    )


@pytest.mark.parametrize("name", ["O'Malley <&> Sons", "'; rm -rf ~; '", 'a "b" $HOME `x'])
def test_a_command_that_is_copied_to_a_shell_names_what_is_meant(tx: Tx, name: str) -> None:
    reason = resolver(tx).resolve("vendor", name, None, None).reason
    assert reason is not None
    command = reason.hint.removeprefix("add it there, or run `").removesuffix("`")
    assert shlex.split(command)[3:6] == [FLOW, "vendor", name]


def vendor_record(tx: Tx, state: records.State, source_id: str = "v-9") -> int:
    place = Place(COMPANY, FLOW, "vendors", "post")
    intake = Intake(source_id, "{}", "0")
    (number,) = records.insert(tx, place, 1, AT, "test", [NewRecord(intake, state)])
    return number


@pytest.mark.parametrize("state", ["pending", "intended", "sent", "unknown"])
def test_an_object_that_is_being_created_is_waited_for(tx: Tx, state: records.State) -> None:
    vendor_record(tx, state)
    reason = resolver(tx).resolve("vendor", "v-9", "New", None).reason
    assert reason is not None
    assert (reason.code, reason.message, reason.hint) == ("not_posted", "the vendor `New` is being created", "")
    assert reason.waits_for == ("mapping:vendor:v-9", "mapping:vendor:New", "list:Vendor")


@pytest.mark.parametrize("state", ["posted", "closed", "deferred", "failed", "skipped", "vanished"])
def test_an_object_that_will_not_be_created_by_itself_is_missing(tx: Tx, state: records.State) -> None:
    vendor_record(tx, state)
    reason = resolver(tx).resolve("vendor", "v-9", "New", None).reason
    assert reason is not None
    assert reason.code == "unmapped"


# --- other records' receipts


def test_a_receipt_of_another_stream(tx: Tx) -> None:
    number = vendor_record(tx, "sent")
    asking = resolver(tx)
    assert asking.receipt("vendors", "v-9") == (
        None,
        Reason("not_posted", "vendors/v-9 is sent", "it waits until that record is posted", ("posted:vendors:v-9",)),
    )
    assert asking.receipt("vendors", "v-8") == (
        None,
        Reason(
            "not_posted", "vendors/v-8 was never read", "it waits until that record is posted", ("posted:vendors:v-8",)
        ),
    )
    for state in ("posted", "closed"):
        row = tx.one("record_get", {"id": number})
        assert row is not None
        receipt = {"TxnID": "T-1"} if state == "posted" else None
        records.move(tx, COMPANY, AT, "test", [Move(row, state, state, receipt=receipt)])
        assert asking.receipt("vendors", "v-9") == ({"TxnID": "T-1"}, None)


def test_the_phase_that_was_posted_answers(tx: Tx) -> None:
    vendor_record(tx, "failed")
    intake = Intake("v-9", "{}", "0")
    (number,) = records.insert(
        tx, Place(COMPANY, FLOW, "vendors", "other"), 1, AT, "test", [NewRecord(intake, "posted")]
    )
    assert number
    assert resolver(tx).receipt("vendors", "v-9") == ({}, None)


# --- what is remembered


def test_lists_that_were_read(tx: Tx) -> None:
    asking = resolver(tx)
    assert [asking.list_loaded(name) for name in ("Vendor", "Account", "Class")] == [True, True, False]
    lists.store_page(tx, COMPANY, "Class", [], first=True)
    lists.finish(tx, COMPANY, "Class", AT)
    assert asking.at(tx).list_loaded("Class") is True


def test_an_answer_is_remembered_until_something_changes(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        asking = resolver(tx)
        assert found(asking.resolve("account", None, "Rent", None)) == "A-RENT"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lists, "named", lambda *_args: pytest.fail("the store was asked again"))
            assert found(asking.at(tx).resolve("account", None, "Rent", None)) == "A-RENT"


def test_a_list_that_is_read_again_is_looked_at_again(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        asking = resolver(tx)
        assert found(asking.resolve("account", None, "Rent", None)) == "A-RENT"
    bench.read_lists(accounts=[ListObject("A-NEW", "Rent")])
    with bench.world.store.write() as tx:
        assert found(asking.at(tx).resolve("account", None, "Rent", None)) == "A-NEW"
    bench.read_lists(accounts=[])
    with bench.world.store.write() as tx:
        assert found(asking.at(tx).resolve("account", None, "Rent", None)) is None


def test_a_mapping_that_changes_is_looked_at_again(bench: Bench) -> None:
    answers = []
    asking: Resolver | None = None
    for target in ("Rent", "Accounts Payable", None):
        with bench.world.store.write() as tx:
            if target is None:
                lists.drop_mapping(tx, COMPANY, FLOW, "account", "k-1")
            else:
                person(tx, "account", "k-1", target)
        with bench.world.store.read() as tx:
            asking = (asking or resolver(tx)).at(tx)
            answers.append(found(asking.resolve("account", "k-1", None, None)))
    assert answers == ["A-RENT", "A-AP", None]


def test_an_object_that_was_just_created_is_found(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        asking = resolver(tx)
        assert found(asking.resolve("vendor", None, "New", None)) is None
        # A gap is not remembered at all.
        lists.add(tx, COMPANY, "Vendor", ListObject("V-9", "New"))
        assert found(asking.resolve("vendor", None, "New", None)) == "V-9"


def test_memory_is_bounded(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.lookups._CACHE_LIMIT", 3)
    asking = resolver(tx)
    for _ in range(2):
        for key in ("a", "b", "c", "d", "e"):
            assert found(asking.resolve("account", key, "Rent", None)) == "A-RENT"


# --- names


@pytest.mark.parametrize(
    "name", ["Łódź Sp. z o.o.", "株式会社", "Ελλάς", "Müller 🧾", "a' OR 1=1 --", "x:y", "%", "", "NUL\0"]
)
def test_names_of_any_script(bench: Bench, name: str) -> None:
    bench.read_lists(vendors=[ListObject("V-X", name), ListObject("V-Y", "other")])
    with bench.world.store.write() as tx:
        asking = resolver(tx)
        assert found(asking.resolve("vendor", None, name, None)) == ("V-X" if name else None)
        person(tx, "vendor", name or "-", "other")
        assert found(asking.at(tx).resolve("vendor", name or "-", None, None)) == "V-Y"
