"""What a person has stopped: companies and flows that are paused, and records that are held back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.jsontext import plain
from engine.store.base import Row, Tx


def pauses(tx: Tx, company: str) -> list[Row]:
    """What is paused: the whole company first, whose `flow` is empty, then single flows."""
    return tx.rows("pauses_of", {"company": company})


def paused(tx: Tx, company: str, flow: str = "") -> Row | None:
    """What keeps a flow from going on: the pause of the whole company, or its own; None when nothing does.

    Without a flow, the pause of the whole company.
    """
    return tx.one("pause_for", {"company": company, "flow": flow})


def stopping(tx: Tx, company: str) -> Row | None:
    """The pause that lets nothing be written: of the whole company, or of a flow of which something sent is unsettled."""
    return tx.one("pause_stopping", {"company": company})


def told(row: Row) -> str:
    """A pause that lets nothing be written, for whoever sits before the Web Connector."""
    who = str(row["actor"]).partition(":")[2] or str(row["actor"])
    if not row["flow"]:
        return f"paused by {who}: {row['why']}"
    return (
        f"the flow {row['flow']} is paused by {who}: {row['why']}. What it sent before does not seem to have arrived; it is "
        "sent again once the flow is resumed, and nothing of other flows is sent before that"
    )


def pause(tx: Tx, scope: Mapping[str, object]) -> bool:
    """Note a pause: `company`, `flow`, `at`, `actor`, `why`. False when there is one already."""
    made = tx.run("pause_put", scope) == 1
    _company(tx, str(scope["company"]))
    return made


def resume(tx: Tx, company: str, flow: str) -> bool:
    """Take a pause back. False when there is none."""
    ended = tx.run("pause_drop", {"company": company, "flow": flow}) == 1
    _company(tx, company)
    return ended


def _company(tx: Tx, company: str) -> None:
    """The company's own row says whether all of it is paused, for those who list companies."""
    tx.run("company_paused", {"company": company, "paused": int(paused(tx, company) is not None)})


def hold(tx: Tx, scope: Mapping[str, object]) -> bool:
    """Hold a record back: `record_id`, `company`, `at`, `actor`, `why`. False when it is held already."""
    return tx.run("hold_put", scope) == 1


def release(tx: Tx, record_id: int) -> bool:
    """Let a record go. False when it was not held."""
    return tx.run("hold_drop", {"record_id": record_id}) == 1


def held(tx: Tx, record_ids: Iterable[int]) -> dict[int, Row]:
    """Those of these records that are held back, by number."""
    rows = tx.rows("holds_among", {"ids": plain(list(record_ids))})
    return {int(row["record_id"]): row for row in rows}


def holds(tx: Tx, company: str, limit: int) -> list[Row]:
    """The records that are held back and not posted, with what people want to see of them."""
    return tx.rows("holds_of", {"company": company, "limit": limit})


def every(tx: Tx) -> tuple[list[Row], list[Row]]:
    """All pauses, and all holds with what names their record: its flow, stream, source id and phase."""
    return tx.rows("pauses_every", {}), tx.rows("holds_every", {})
