"""What a flow has written to a connection, by request, and what it has not yet: to compare with what is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from itertools import groupby

from engine.dataclass import dataclass
from engine.model import Flow
from engine.store import outbox
from engine.store.base import Tx

_THERE = frozenset({"posted", "closed"})
_SETTLED = _THERE | {"skipped"}


@dataclass(frozen=True, slots=True)
class Written:
    """Objects that are in the target, by the request that made them; records that are not, by flow and stream."""

    there: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)


def written(tx: Tx, flows: Iterable[Flow], company: str, connection: str, requests: Collection[str]) -> Written:
    """Count what was written to a connection with some requests and was not undone, and what waits in their streams."""
    there = dict.fromkeys(requests, 0)
    rows = tx.rows("pushed_requests", {"company": company, "connection": connection})
    for _, group in groupby(rows, key=lambda row: (row["flow"], row["stream"], row["source_id"])):
        done = [row for row in group if row["state"] in _THERE]
        if done and done[0]["request"] in there and not outbox.undoes(done[-1]):
            there[done[0]["request"]] += 1
    streams = {
        (flow.name, stream.name)
        for flow in flows
        for stream in flow.streams
        if stream.target == connection and any(variant.request in requests for variant in stream.variants)
    }
    waiting: dict[str, int] = {}
    for row in tx.rows("record_counts", {"company": company, "flow": ""}):
        if (row["flow"], row["stream"]) in streams and row["state"] not in _SETTLED and not row["watched"]:
            name = f"{row['flow']}/{row['stream']}"
            waiting[name] = waiting.get(name, 0) + row["count"]
    return Written(there, waiting)
