"""Which records others wait for that a complete listing of their source did not show: nobody need wait on in silence."""

from __future__ import annotations

from engine.store import facts, records
from engine.store.base import Tx


def listed(tx: Tx, company: str, at: str, actor: str, flow: str, stream: str, began: str) -> None:
    """A complete listing of a stream, begun at that time, is over.

    Who waited before it began, for a record of the stream that was never read, is looked at again: the record is not
    there. So is who was told so before, and need not be any more.
    """
    prefix = f"posted:{stream}:"
    scope = {"company": company, "flow": flow, "stream": stream, "began": began}
    rows = tx.rows("waits_unlisted", {**scope, "prefix": f"{prefix}%", "start": len(prefix) + 1})
    # The sign that stands for any letter is allowed in names.
    missing = sorted(row["wait_key"].removeprefix(prefix) for row in rows if row["wait_key"].startswith(prefix))
    before = _kept(tx, company, flow, stream)
    if missing:
        facts.remember(tx, company, at, _name(flow, stream), {"keys": missing})
    elif before:
        facts.forget(tx, company, _name(flow, stream))
    for key in sorted(before.symmetric_difference(missing)):
        records.wake(tx, company, at, actor, f"{prefix}{key}")


def is_unlisted(tx: Tx, company: str, flow: str, stream: str, key: str) -> bool:
    """Whether the newest complete listing of the stream did not show a record that others wait for."""
    return key in _kept(tx, company, flow, stream)


def _kept(tx: Tx, company: str, flow: str, stream: str) -> frozenset[str]:
    found = facts.recall(tx, company, _name(flow, stream))
    return frozenset(found["keys"]) if found else frozenset()


def _name(flow: str, stream: str) -> str:
    return f"unlisted:{flow}/{stream}"
