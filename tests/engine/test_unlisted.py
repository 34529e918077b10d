"""What waits for a record that its source does not list: silent until a complete listing has not shown it, then told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.errors import Transient
from engine.operator import worklist
from engine.store import facts, records, unlisted
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, YAML, Bench, bill

# A payment names its bill by another field than its own id.
NAMED = YAML.replace("bill: posted('bills', id).TxnID", "bill: posted('bills', memo).TxnID")
ALERT = ("deferred", f"{FLOW}/payments/p-1", 1)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(NAMED) as made, kit.logging():
        made.shop.page_size = 9
        made.shop.listed["bills"] = [bill("p-1", status="paid", memo="b-9", lines=[])]
        yield made


def look(bench: Bench, name: str = "p-1") -> tuple[str, list[str]]:
    """Read all again, an hour later; the state of a payment, and the codes of what it waits for."""
    bench.world.clock.sleep(3600)
    bench.run()
    row = bench.record(name, "payments")
    return row["state"], [reason.code for reason in records.load_reasons(row)]


def told(bench: Bench) -> list[tuple[str, str, int]]:
    return [alert for alert in bench.alerts() if "/payments/" in alert[1]]


def test_a_person_hears_of_it_after_a_complete_listing_that_does_not_show_it(bench: Bench) -> None:
    assert (look(bench), told(bench)) == (("deferred", ["not_posted"]), [])
    assert (look(bench), told(bench)) == (("deferred", ["never_read"]), [ALERT])
    assert (look(bench), told(bench)) == (("deferred", ["never_read"]), [ALERT])
    (reason,) = records.load_reasons(bench.record("p-1", "payments"))
    assert reason.message == "bills/b-9 was never read, and Shop does not list it"
    assert reason.hint.startswith("look for it in Shop; this one follows by itself")
    with bench.world.store.read(COMPANY) as tx:
        (gap,) = [gap for gap in worklist.gaps(tx, COMPANY) if gap.code == "never_read"]
    assert (gap.message, gap.fix) == (reason.message, reason.hint)


def test_it_follows_by_itself_once_the_record_is_listed_and_nothing_is_remembered(bench: Bench) -> None:
    look(bench)
    look(bench)
    bench.shop.listed["bills"].append(bill("b-9"))
    # The next listing shows it, so that it waits for its posting again, and nobody need look for it.
    assert look(bench) == ("deferred", ["not_posted"])
    bench.post_all()
    assert look(bench)[0] == "intended"
    assert told(bench) == []
    with bench.world.store.read(COMPANY) as tx:
        assert facts.recall(tx, COMPANY, f"unlisted:{FLOW}/bills") is None


def test_a_listing_that_broke_off_says_nothing(bench: Bench) -> None:
    look(bench)
    for _ in range(2):
        bench.shop.faults = [Transient("503")] * 40
        bench.world.clock.sleep(3600)
        assert bench.runner.run(bench.program, COMPANY).errors
        bench.shop.faults = []
    assert told(bench) == []
    look(bench)
    assert told(bench) == [ALERT]


def test_who_began_to_wait_while_it_was_listed_has_its_own_turn(bench: Bench) -> None:
    """The bill may have been entered after its page was read."""
    look(bench)
    bench.shop.listed["bills"].append(bill("p-2", status="paid", memo="b-8", lines=[]))
    assert look(bench, "p-2") == ("deferred", ["not_posted"])
    assert look(bench, "p-2") == ("deferred", ["never_read"])


def test_only_a_name_that_is_exactly_the_streams_counts(bench: Bench) -> None:
    """A sign in a name of a stream may stand for any letter where the store compares."""
    look(bench)
    with bench.world.store.write(COMPANY) as tx:
        unlisted.listed(tx, COMPANY, bench.world.at(), "test", FLOW, "_ills", "9999")
        assert not unlisted.is_unlisted(tx, COMPANY, FLOW, "_ills", "b-9")
