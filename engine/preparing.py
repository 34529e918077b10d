"""Prepares what waits for nothing any more, stream by stream, a transaction a chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from engine import intake
from engine.batch import Batch
from engine.program import StreamProgram
from engine.store import lists
from engine.store.base import Store, Tx

# The batch of one transaction.
Opened = Callable[[Tx], Batch]


def prepare(
    store: Store, company: str, streams: Sequence[StreamProgram], opened: Opened, *, limit: int, chunk: int
) -> Counter[str]:
    """Prepare the pending records of these streams of a company, `limit` of each at most; returns what became of how many.

    What is wanted only since a later record was prepared gets a pass of its own, and may want more.
    """
    became: Counter[str] = Counter()
    for _ in range(1 + sum(stream.wants for stream in streams)):
        for stream in streams:
            became += _stream(store, company, stream, opened, (limit, chunk))
        if not _wanted_now(store, company, streams, opened):
            break
    return became


def _stream(store: Store, company: str, stream: StreamProgram, opened: Opened, most: tuple[int, int]) -> Counter[str]:
    became: Counter[str] = Counter()
    left, chunk = most
    while left > 0:
        piece = min(chunk, intake.most(store))
        with store.write(company) as tx:
            batch = opened(tx)
            looked_at = intake.prepare_pending(batch, stream, min(piece, left))
        became += batch.counts
        left -= looked_at
        if looked_at < piece or batch.counts["pending"]:
            break
    return became


def _wanted_now(store: Store, company: str, streams: Sequence[StreamProgram], opened: Opened) -> bool:
    """Whether a record that only later ones wanted can be prepared now."""
    wanting = [stream for stream in streams if stream.wants]
    if not wanting:
        return False
    with store.read(company) as tx:
        desk = opened(tx).desk
        scope = {"company": desk.company, "flow": desk.program.flow.name, "state": "pending", "after": 0, "limit": 1}
        return any(
            tx.rows("records_in_state", {**scope, "stream": stream.stream.name})
            and all(lists.loaded(tx, desk.company, name) for name in stream.lists)
            for stream in wanting
        )
