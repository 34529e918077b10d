"""Lookup tables and cached lists: read page by page, dropped when gone, found by id, name and number."""

from __future__ import annotations

import pytest

from engine.contract import ListObject
from engine.store import lists
from engine.store.base import Store, Tx
from tests.engine.store.rows import AT, COMPANY, LATER, REFUSED

ACME = ListObject("1", "Acme", True, "10", "5", {"currency": "EUR", "n": [1]})


def read(tx: Tx, *pages: list[ListObject], name: str = "Vendor", at: str = AT) -> int:
    for number, page in enumerate(pages):
        lists.store_page(tx, COMPANY, name, page, first=number == 0)
    return lists.finish(tx, COMPANY, name, at)


def ids(tx: Tx, name: str = "Vendor") -> list[str]:
    return [item.list_id for item in lists.objects(tx, COMPANY, name)]


def test_an_object_comes_back_as_it_was(store: Store) -> None:
    with store.write() as tx:
        read(tx, [ACME])
        assert lists.objects(tx, COMPANY, "Vendor") == [ACME]
        assert lists.by_id(tx, COMPANY, "Vendor", "1") == ACME
        assert lists.named(tx, COMPANY, "Vendor", "aCmE") == ACME
        assert lists.numbered(tx, COMPANY, "Vendor", "10") == ACME
        for other in (lists.by_id(tx, COMPANY, "Vendor", "2"), lists.named(tx, COMPANY, "Vendor", "Acm")):
            assert other is None
        assert lists.by_id(tx, COMPANY, "Account", "1") is None
        assert lists.by_id(tx, "zeta", "Vendor", "1") is None
        assert lists.numbered(tx, COMPANY, "Vendor", "11") is None


def test_a_list_is_replaced_when_its_last_page_came(store: Store) -> None:
    with store.write() as tx:
        assert read(tx, [ListObject("1", "A"), ListObject("2", "B")], [ListObject("3", "C")]) == 0
        assert not lists.loaded(tx, COMPANY, "Account")
        assert lists.loaded(tx, COMPANY, "Vendor")
        # A reading that broke off drops nothing, not even with the next one's first page.
        lists.store_page(tx, COMPANY, "Vendor", [ListObject("1", "A1")], first=True)
        assert ids(tx) == ["1", "2", "3"]
        assert read(tx, [ListObject("3", "C")], []) == 2
        assert ids(tx) == ["3"]
        assert read(tx, []) == 1
        assert ids(tx) == []


def test_an_object_that_was_created_while_a_list_is_read_stays(store: Store) -> None:
    with store.write() as tx:
        read(tx, [ListObject("1", "A")])
        lists.store_page(tx, COMPANY, "Vendor", [ListObject("1", "A")], first=True)
        lists.add(tx, COMPANY, "Vendor", ListObject("9", "New"))
        assert lists.finish(tx, COMPANY, "Vendor", AT) == 0
        assert ids(tx) == ["1", "9"]


def test_a_created_object_makes_no_list_read(store: Store) -> None:
    with store.write() as tx:
        lists.add(tx, COMPANY, "Vendor", ListObject("9", "New"))
        assert not lists.loaded(tx, COMPANY, "Vendor")
        assert lists.named(tx, COMPANY, "Vendor", "new") == ListObject("9", "New")


def test_names_are_compared_without_regard_to_case(store: Store) -> None:
    with store.write() as tx:
        read(tx, [ListObject("1", "GRÜN & Söhne: Straße")])
        for name in ("grün & söhne: strasse", "Grün & SÖHNE: STRASSE"):
            found = lists.named(tx, COMPANY, "Vendor", name)
            assert found is not None
            assert found.list_id == "1"
        assert lists.named(tx, COMPANY, "Vendor", "Grun & Sohne: Strasse") is None


def test_an_active_object_goes_before_an_inactive_one_of_its_name(store: Store) -> None:
    with store.write() as tx:
        read(tx, [ListObject("1", "Twin", active=False), ListObject("2", "TWIN"), ListObject("3", "Old", active=False)])
        found = lists.named(tx, COMPANY, "Vendor", "twin")
        assert found is not None
        assert (found.list_id, found.active) == ("2", True)
        old = lists.named(tx, COMPANY, "Vendor", "old")
        assert old is not None
        assert old.active is False


def test_a_number_that_two_have_is_nobody_s(store: Store) -> None:
    with store.write() as tx:
        read(
            tx,
            [
                ListObject("1", "A", number="6000"), ListObject("2", "B", number="6000"),
                ListObject("3", "C", number="6001"), ListObject("4", "D", active=False, number="6001"),
                ListObject("5", "E"), ListObject("6", "F"),
            ],
        )  # fmt: skip
        assert lists.numbered(tx, COMPANY, "Vendor", "6000") is None
        found = lists.numbered(tx, COMPANY, "Vendor", "6001")
        assert found is not None
        assert found.list_id == "3"


def test_which_lists_are_due(store: Store) -> None:
    with store.write() as tx:
        lists.ensure(tx, COMPANY, "Vendor")
        lists.ensure(tx, COMPANY, "Account")
        assert lists.due(tx, COMPANY, AT) == ("Account", "Vendor")
        read(tx, [], name="Vendor", at=AT)
        read(tx, [], name="Account", at=LATER)
        lists.ensure(tx, COMPANY, "Vendor")
        assert lists.due(tx, COMPANY, AT) == ()
        assert lists.due(tx, COMPANY, LATER) == ("Vendor",)
        lists.expire(tx, COMPANY, "Account")
        lists.expire(tx, COMPANY, "Never")
        assert lists.due(tx, COMPANY, AT) == ("Account",)
        assert lists.loaded(tx, COMPANY, "Account")
        assert lists.due(tx, "zeta", LATER) == ()


def test_every_change_makes_a_new_revision(store: Store) -> None:
    def person(name: str) -> lists.Mapping:
        return lists.Mapping("flow", "vendor", "v-1", name)

    with store.write() as tx:
        seen = [lists.standing(tx, COMPANY)[0]]
        for change in (
            lambda: read(tx, [ListObject("1", "A")]),
            lambda: read(tx, [ListObject("1", "A")]),
            lambda: lists.add(tx, COMPANY, "Vendor", ListObject("2", "B")),
            lambda: lists.put_mapping(tx, COMPANY, person("A"), "p", AT),
            lambda: lists.put_mapping(tx, COMPANY, person("B"), "p", AT),
            lambda: lists.drop_mapping(tx, COMPANY, "flow", "vendor", "v-1"),
            lambda: lists.ensure(tx, COMPANY, "Account"),
        ):
            change()
            seen.append(lists.standing(tx, COMPANY)[0])
        assert len(set(seen)) == len(seen)
        assert lists.standing(tx, "zeta") == ((), frozenset())


def test_lists_are_known_once_and_stand_as_they_were_read(store: Store) -> None:
    with store.write() as tx:
        lists.know(tx, COMPANY, ())
        assert lists.standing(tx, COMPANY) == ((), frozenset())
        lists.know(tx, COMPANY, ("Vendor", "Account"))
        assert lists.standing(tx, COMPANY) == ((("Account", 0), ("Vendor", 0)), frozenset())
        read(tx, [], name="Vendor", at=AT)
        lists.know(tx, COMPANY, ("Vendor", "Account", "Class"))
        lists.put_mapping(tx, COMPANY, lists.Mapping("flow", "vendor", "v-1", "A"), "p", AT)
        revision = (("", 1), ("Account", 0), ("Class", 0), ("Vendor", 1))
        assert lists.standing(tx, COMPANY) == (revision, frozenset({"Vendor"}))


def test_what_a_person_mapped_stays(store: Store) -> None:
    def row(full_name: str, origin: str) -> lists.Mapping:
        return lists.Mapping("flow", "vendor", "v-1", full_name, "1", "label", origin)

    def kept(tx: Tx) -> list[tuple[str, str]]:
        return [(r["full_name"], r["origin"]) for r in lists.mappings(tx, COMPANY, "flow")]

    with store.write() as tx:
        lists.put_mapping(tx, COMPANY, row("A", "created"), "run", AT)
        lists.put_mapping(tx, COMPANY, row("B", "adopted"), "run", AT)
        assert kept(tx) == [("B", "adopted")]
        lists.put_mapping(tx, COMPANY, row("C", "person"), "ann", AT)
        lists.put_mapping(tx, COMPANY, row("D", "created"), "run", AT)
        assert kept(tx) == [("C", "person")]
        lists.put_mapping(tx, COMPANY, row("E", "person"), "ann", AT)
        assert kept(tx) == [("E", "person")]
        assert lists.drop_mapping(tx, COMPANY, "flow", "vendor", "v-1") is True
        assert lists.drop_mapping(tx, COMPANY, "flow", "vendor", "v-1") is False
        assert kept(tx) == []


def test_mappings_of_one_lookup_or_of_all(store: Store) -> None:
    with store.write() as tx:
        for lookup, key in (("vendor", "2"), ("vendor", "1"), ("account", "1")):
            lists.put_mapping(tx, COMPANY, lists.Mapping("flow", lookup, key, "N"), "p", AT)
        found = [(r["lookup"], r["source_key"]) for r in lists.mappings(tx, COMPANY, "flow")]
        assert found == [("account", "1"), ("vendor", "1"), ("vendor", "2")]
        assert [r["source_key"] for r in lists.mappings(tx, COMPANY, "flow", "vendor")] == ["1", "2"]
        assert lists.mappings(tx, COMPANY, "other") == []


def test_a_mapping_of_unknown_origin_is_refused(store: Store) -> None:
    with pytest.raises(REFUSED), store.write() as tx:
        lists.put_mapping(tx, COMPANY, lists.Mapping("flow", "vendor", "1", "N", origin="guess"), "p", AT)
