"""What is old and only evidence goes; what keeps a bill from being posted twice stays, whatever its age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from engine.contract import OperationOutcome
from engine.errors import UnknownName
from engine.store import work
from engine.store.base import Row
from engine.testing import FakeClock
from engine.upkeep import pruning
from engine.upkeep.pruning import Pruned, TooYoung
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill

ACTOR = "cli:pat"
NOTHING = Pruned({"sets": 0, "runs": 0, "alerts": 0, "figures": 0}, 0)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


def clock_of(bench: Bench) -> FakeClock:
    assert isinstance(bench.world.clock, FakeClock)
    return bench.world.clock


def year_later(bench: Bench) -> str:
    """Fourteen months later: the moment before which things are old."""
    clock_of(bench).advance("+420d")
    return pruning.before(bench.world, 400)


def sets(bench: Bench) -> Mapping[str, tuple[str, bytes, bytes]]:
    found: dict[str, tuple[str, bytes, bytes]] = {}
    for number in range(1, bench._sets + 1):
        with bench.world.store.read() as tx:
            row: Row | None = tx.one("set_get", {"id": f"set-{number}", "company": COMPANY})
        assert row is not None
        found[row["id"]] = (row["state"], bytes(row["body"]), bytes(row["answer"] or b""))
    return found


def test_texts_of_settled_sets_go_and_digests_stay(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    bench.post_all()
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run("bills")
    bench.post_all()
    full = sets(bench)
    operation = bench.record("b-1")["operation_id"]
    limit_at = year_later(bench)
    with bench.world.store.read() as tx:
        expected = pruning.old(tx, COMPANY, limit_at)
        before = tx.one("operation_get", {"id": operation})
    size = len(full["set-1"][1]) + len(full["set-1"][2])
    assert expected == Pruned({"sets": 1, "runs": 1, "alerts": 0, "figures": 0}, size)
    assert pruning.prune(bench.world, COMPANY, limit_at, ACTOR) == expected
    # The newest set stays whole, and so does the newest run of a flow.
    assert sets(bench) == {"set-1": ("settled", b"", b""), "set-2": full["set-2"]}
    with bench.world.store.read() as tx:
        row = tx.one("set_get", {"id": "set-1", "company": COMPANY})
        assert row is not None
        assert len(row["sha256"]) == 64
        # What was written for a record is needed to tell whether somebody changed it.
        after = tx.one("operation_get", {"id": operation})
        assert before is not None
        assert after is not None
        assert dict(after) == dict(before)
        newest = tx.one("journal_newest", {"company": COMPANY, "event": "pruned"})
        assert newest is not None
        assert newest["actor"] == ACTOR
    assert pruning.prune(bench.world, COMPANY, limit_at, ACTOR) == NOTHING
    # The record is still known: nothing is posted again.
    assert bench.run("bills")["bills"].get("intended", 0) == 0


def test_what_is_in_doubt_stays_whole(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    with bench.outbox.transaction() as desk:
        desk.operations.doubt(COMPANY, made.id, "the answer was lost")
    full = sets(bench)
    assert pruning.prune(bench.world, COMPANY, year_later(bench), ACTOR) == NOTHING
    assert sets(bench) == full


def test_a_set_with_a_record_that_waits_for_a_person_stays_whole(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    (operation,) = made.operations
    bench.settle(made, OperationOutcome(operation.id, "failed", code="3180", message="refused"))
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run("bills")
    bench.post_all()
    assert bench.record("b-1")["state"] == "failed"
    full = sets(bench)
    found = pruning.prune(bench.world, COMPANY, year_later(bench), ACTOR)
    assert found.counts["sets"] == 0
    assert sets(bench) == full


def test_closed_alerts_go_and_open_ones_stay(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        for subject in ("one", "two"):
            work.raise_alert(tx, COMPANY, work.Alert("kind", subject, "message"), bench.world.at())
        work.resolve_alert(tx, COMPANY, "kind", "one", bench.world.at())
    found = pruning.prune(bench.world, COMPANY, year_later(bench), ACTOR)
    assert found == Pruned({"sets": 0, "runs": 0, "alerts": 1, "figures": 0}, 0)
    assert ("kind", "two", 1) in bench.alerts()


def test_many_rows_go_in_small_steps(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        for _ in range(450):
            number = work.begin_run(tx, COMPANY, FLOW, bench.world.at())
            work.finish_run(tx, number, "ok", {}, bench.world.at())
    found = pruning.prune(bench.world, COMPANY, year_later(bench), ACTOR)
    assert found.counts["runs"] == 449


def test_what_is_young_stays(bench: Bench) -> None:
    with pytest.raises(TooYoung):
        pruning.before(bench.world, 89)
    with pytest.raises(UnknownName):
        pruning.prune(bench.world, "nobody", pruning.before(bench.world, 90), ACTOR)
