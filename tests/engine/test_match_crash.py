"""A process that dies anywhere while it matches or creates on demand: each object is written once, and has one record."""

from __future__ import annotations

import pytest

from engine.store import journal
from tests.engine import match_kit
from tests.engine.kit import COMPANY, bill, vendor
from tests.engine.match_kit import charge, listed, written
from tests.engine.push_kit import CloudBench, Crash, dying, run


def prepare(bench: CloudBench) -> None:
    """Two bills of one vendor and of one amount, and a charge that fits both."""
    bench.shop.listed = {
        "vendors": [vendor("v-1", "Acme"), vendor("v-2", "Other")],
        "bills": [bill("b-1"), bill("b-2")],
    }
    listed(bench, "charges", charge("t-1"))


def transactions(text: str) -> int:
    with match_kit.bench(text) as bench:
        prepare(bench)
        store = dying(bench, 10_000, after=False)
        run(bench)
        return store.count


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("text", "expected", "states", "claims"),
    [
        (match_kit.WANTED, ["Acme", "N-b-1", "N-b-2"], {"b-1": "closed", "b-2": "closed"}, {}),
        (match_kit.MATCHED, ["N-b-1 t-1"], {"b-1": "closed", "b-2": "deferred"}, {"t-1": "b-1"}),
    ],
    ids=["wanted", "matched"],
)
def test_a_process_that_dies_at_any_transaction(
    text: str, expected: list[str], states: dict[str, str], claims: dict[str, str], *, after: bool
) -> None:
    count = transactions(text)
    assert count > 10
    for at in range(count):
        with match_kit.bench(text) as bench:
            prepare(bench)
            whole = bench.world
            dying(bench, at, after=after)
            with pytest.raises(Crash):
                run(bench)
                pytest.fail(f"transaction {at} was never reached")
            bench.world = whole
            for _ in range(3):
                assert run(bench).errors == ()
                bench.passed(400)
            assert sorted(written(bench)) == expected
            assert bench.states() == states
            assert match_kit.claims(bench) == claims
            with bench.world.store.read() as tx:
                assert journal.verify(tx, COMPANY) is None
