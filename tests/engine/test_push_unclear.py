"""What a called target answers and cannot tell: for a person, and no fault of the connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.errors import Ambiguous, Rejected
from engine.follow import Hand
from engine.operator import worklist
from engine.store import journal
from tests.engine.kit import AT, COMPANY, bill
from tests.engine.push_kit import NAME, CloudBench, cloud_bench, operation, run

HAND = Hand(COMPANY, AT, "test")
SEVERAL = Ambiguous("two of that number", hint="archive one of them")


@pytest.fixture
def bench() -> Iterator[CloudBench]:
    with cloud_bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def says(bench: CloudBench, target_id: str | None) -> None:
    """A person has looked."""
    with bench.world.store.write() as tx:
        worklist.declare(tx, HAND, worklist.parked(tx, COMPANY, "unknown")[0], target_id, "")


def alerts(bench: CloudBench) -> list[tuple[str, str]]:
    return [(kind, subject) for kind, subject, _ in bench.alerts()]


def test_where_several_fit_a_person_is_asked_before_anything_is_written(bench: CloudBench) -> None:
    bench.cloud.faults[0] = SEVERAL
    assert run(bench).errors == (SEVERAL,)
    assert (bench.states(), operation(bench)["state"]) == ({"b-1": "unknown"}, "held")
    assert alerts(bench) == [("unknown", f"{NAME}/bills/b-1")]
    bench.passed(7300)
    assert run(bench).errors == ()
    assert bench.cloud.calls == ["find N-b-1"]
    says(bench, "c-7")
    run(bench)
    assert (bench.states(), list(bench.cloud.objects), alerts(bench)) == ({"b-1": "closed"}, ["c-1"], [])


def test_a_refusal_of_what_is_in_doubt_is_for_a_person_once_it_has_settled(bench: CloudBench) -> None:
    taken = Rejected("another bill has this number", code="number_taken")
    bench.cloud.faults |= {1: "before", 2: taken, 3: taken}
    run(bench)
    assert run(bench).errors == (taken,)
    # It may show yet, so it is asked for again, and a person knows already.
    assert (bench.states(), operation(bench)["state"]) == ({"b-1": "unknown"}, "sent")
    assert alerts(bench) == [("unknown", f"{NAME}/bills/b-1")]
    bench.passed(61)
    assert run(bench).errors == (taken,)
    assert (bench.states(), operation(bench)["state"]) == ({"b-1": "unknown"}, "held")
    bench.passed(7300)
    run(bench)
    assert bench.cloud.calls == ["find N-b-1", "write N-b-1", "find N-b-1", "find N-b-1"]
    says(bench, None)
    run(bench)
    assert (bench.states(), bench.titles(), alerts(bench)) == ({"b-1": "closed"}, ["Grün & Söhne", "N-b-1"], [])


def test_what_is_refused_in_the_end_is_in_doubt_no_more(bench: CloudBench) -> None:
    bench.cloud.faults |= {1: "before", 2: Rejected("not now"), 4: Rejected("the vendor is gone")}
    run(bench)
    run(bench)
    assert alerts(bench) == [("unknown", f"{NAME}/bills/b-1")]
    bench.passed(61)
    run(bench)
    assert bench.cloud.calls[2:] == ["find N-b-1", "find N-b-1", "write N-b-1"]
    assert (bench.states(), alerts(bench)) == ({"b-1": "failed"}, [("failed", f"{NAME}/bills/b-1")])


def test_what_shows_before_it_has_settled_is_found_in_spite_of_a_refusal(bench: CloudBench) -> None:
    bench.cloud.faults |= {1: "late", 2: Rejected("another bill has this number")}
    run(bench)
    run(bench)
    bench.passed(61)
    run(bench)
    assert (bench.states(), bench.titles(), alerts(bench)) == ({"b-1": "closed"}, ["Grün & Söhne", "N-b-1"], [])


def test_several_such_records_keep_no_other_from_being_written(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{number}") for number in range(1, 6)]
    bench.cloud.faults |= dict.fromkeys(range(4), SEVERAL)
    run(bench)
    assert bench.states() == {**{f"b-{number}": "unknown" for number in range(1, 5)}, "b-5": "closed"}
    assert {kind for kind, _ in alerts(bench)} == {"unknown"}
