"""How long what a store keeps may be: the longest ids and keys beside each other, and notes and names of any length."""

from __future__ import annotations

import pytest

from engine.contract import ListObject
from engine.evidence import Sighting
from engine.store import base, holdings, lists, marks, records, work
from engine.store.base import LONGEST_ID, Store
from engine.store.lists import NameTooLong
from engine.store.records import Reason
from tests.engine.store.rows import AT, COMPANY, add


def noise(seed: int, count: int) -> str:
    """A text of so many bytes, nearly, that gets no shorter by any packing."""
    state, letters = seed, []
    for _ in range(count // 3):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        letters.append(chr(0x4E00 + (state >> 33) % 20000))
    return "".join(letters)


LONG = noise(1, LONGEST_ID)
NAME = noise(2, LONGEST_ID)
BEYOND = noise(3, 20_000)


def test_the_longest() -> None:
    assert [base.is_too_long(text) for text in ("", "x" * 1000, LONG, LONG + "x", LONG + "xx", "x" * 1001)] == [
        False, False, False, False, True, True,
    ]  # fmt: skip


def test_a_record_with_the_longest_id_that_waits_for_the_longest_name(store: Store) -> None:
    reason = Reason("unmapped", "m", "h", (f"mapping:vendor:{LONG}", f"mapping:vendor:{NAME}"))
    with store.write(COMPANY) as tx:
        row = add(tx, LONG, "deferred", reasons=(reason,))
        work.raise_alert(tx, COMPANY, work.Alert("deferred", f"flow/bills/{LONG}", "m"), AT)
        new = marks.NewMark("flow", "shop", "BILL", row["id"], LONG, "failed", noise(4, 1500))
        assert marks.add(tx, COMPANY, new)
        lists.put_mapping(tx, COMPANY, lists.Mapping("flow", "vendor", LONG, NAME), "ann", AT)
        assert lists.unresolved(tx, COMPANY, "flow", "vendor") == {NAME}
        assert records.wake(tx, COMPANY, AT, "test", f"mapping:vendor:{NAME}") == 1


@pytest.mark.parametrize("field", ["source_key", "full_name", "list_id"])
def test_a_row_that_nothing_could_be_looked_up_by_is_refused(store: Store, field: str) -> None:
    given = {"source_key": "k", "full_name": "N", "list_id": "", field: BEYOND}
    with pytest.raises(NameTooLong) as caught, store.write(COMPANY) as tx:
        lists.put_mapping(tx, COMPANY, lists.Mapping("flow", "vendor", **given), "ann", AT)
    assert str(caught.value) == (
        f"vendor: `{BEYOND[:40]}...` has more than 1,000 bytes, and nothing so long is looked up"
    )
    assert caught.value.hint == "give the id of the value in the source, and the name as it is in the target"
    with store.write(COMPANY) as tx:  # what a run has found is left out
        lists.put_mapping(tx, COMPANY, lists.Mapping("flow", "vendor", **given, origin="created"), "flow", AT)
        assert lists.mappings(tx, COMPANY, "flow") == []


def test_an_object_of_a_list_with_a_name_of_any_length(store: Store) -> None:
    odd = ListObject("V-1", BEYOND, number=BEYOND)  # no target numbers anything so, and nothing is looked up by it
    with store.write(COMPANY) as tx:
        lists.store_page(tx, COMPANY, "Vendor", [odd], first=True)
        lists.finish(tx, COMPANY, "Vendor", AT)
        assert lists.by_id(tx, COMPANY, "Vendor", "V-1") == ListObject("V-1", BEYOND)
        assert (lists.named(tx, COMPANY, "Vendor", BEYOND), lists.numbered(tx, COMPANY, "Vendor", BEYOND)) == (
            None,
            None,
        )


def test_what_quickbooks_notes_is_found_whole(store: Store) -> None:
    seen = [Sighting("Bill", f"T-{number}", memo=BEYOND[:4094] + end, seen_at=AT) for number, end in enumerate("ab")]
    with store.write(COMPANY) as tx:
        holdings.see(tx, COMPANY, AT, seen)
        rows = tx.rows("sightings_noted", {"company": COMPANY, "kind": "Bill", "value": seen[1].memo})
        assert [holdings.sighting(row) for row in rows] == [seen[1]]
