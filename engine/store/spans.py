"""Requests to compare both sides over a span of days, and what the target answered, one row an object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from engine.evidence import Figures, Span
from engine.jsontext import plain
from engine.store import facts, reports
from engine.store.base import Row, Tx, take_number

# Earlier answers stay for a look back; older ones only fill the disk.
_KEPT = 10
# More than so many are not counted for a page.
MOST_COUNTED = 10_000


def ask(tx: Tx, company: str, span: tuple[date, date], kinds: Sequence[str], actor: str, at: str) -> int:
    """File a request in place of one that was not answered yet; returns its number."""
    tx.run("spans_replace", {"company": company})
    number = take_number(tx, "span")
    first_on, last_on = (day.isoformat() for day in span)
    scope = {"id": number, "company": company, "first_on": first_on, "last_on": last_on, "actor": actor, "at": at}
    tx.run("span_insert", {**scope, "kinds": plain(list(kinds))})
    for row in tx.rows("spans_old", {"company": company, "before": number})[:-_KEPT]:
        tx.run("span_figures_clear", {"span": row["id"]})
        reports.forget(tx, row["id"])
        tx.run("span_drop", {"id": row["id"]})
    return number


def asked(tx: Tx, company: str) -> Row | None:
    """The request that waits to be answered."""
    return tx.one("span_asked", {"company": company})


def get(tx: Tx, company: str, number: int) -> Row | None:
    """One request."""
    return tx.one("span_get", {"company": company, "id": number})


def newest(tx: Tx, company: str, state: str = "done") -> Row | None:
    """The newest request of a state: `done` or `failed`."""
    return tx.one("span_newest", {"company": company, "state": state})


def listed(tx: Tx, company: str) -> list[Row]:
    """The requests that are kept, the newest first."""
    return tx.rows("spans_listed", {"company": company, "limit": 2 * _KEPT})


def told(tx: Tx, number: int) -> int:
    """How many objects were told so far; `MOST_COUNTED` + 1 for more than that."""
    row = tx.one("span_objects", {"span": number, "most": MOST_COUNTED + 1})
    return int(row["count"]) if row is not None else 0


def span_of(row: Row) -> Span:
    """A request as connectors see it."""
    first_on, last_on = (date.fromisoformat(row[name]) for name in ("first_on", "last_on"))
    return Span(row["id"], first_on, last_on, tuple(json.loads(row["kinds"])))


def put(tx: Tx, company: str, at: str, number: int, figures: Sequence[Figures]) -> None:
    """Keep figures of the session that is open."""
    _only_this_visit(tx, company, at, number)
    tx.many("span_figures_put", [(number, item.target_id, _dump(item)) for item in figures])


def figures(tx: Tx, number: int) -> list[Figures]:
    """What was told, in the order of the ids."""
    return [_load(row["figures"]) for row in tx.rows("span_figures_of", {"span": number})]


def finish(tx: Tx, company: str, at: str, number: int, problem: str) -> bool:
    """Close a request; false when it was replaced or answered meanwhile."""
    _only_this_visit(tx, company, at, number)
    state = "failed" if problem else "done"
    scope = {"id": number, "company": company, "state": state, "problem": problem, "at": at}
    return tx.run("span_finish", scope) == 1


def begun_at(tx: Tx, company: str, row: Row) -> str:
    """When the first figures of an answer came: what was written later need not be among them."""
    visit = _visits(tx, company).get(str(row["id"]))
    return visit["at"] if visit else str(row["answered_at"] or "")


def _only_this_visit(tx: Tx, company: str, at: str, number: int) -> None:
    """What an earlier session told of the request and did not finish is no longer true, and goes."""
    sessions = tx.rows("sessions_open_of", {"company": company})
    session = sessions[0]["ticket_hash"] if sessions else ""
    visits = _visits(tx, company)
    before = visits.get(str(number))
    if before is not None and before["session"] == session:
        return
    tx.run("span_figures_clear", {"span": number})
    kept = dict(list(visits.items())[-_KEPT:])
    facts.remember(tx, company, at, "figures", {**kept, str(number): {"session": session, "at": at}})


def _visits(tx: Tx, company: str) -> dict[str, dict[str, str]]:
    """The session that answered each request, and when it began to."""
    return facts.recall(tx, company, "figures") or {}


def _dump(item: Figures) -> str:
    named = {name: getattr(item, name) for name in ("kind", "target_id", "guid", "party", "reference", "dated_on")}
    shares = [[name, str(amount)] for name, amount in item.accounts]
    return plain({**named, "total": str(item.total), "accounts": shares})


def _load(text: str) -> Figures:
    data = json.loads(text)
    shares = tuple((name, Decimal(amount)) for name, amount in data.pop("accounts"))
    return Figures(**{**data, "total": Decimal(data["total"])}, accounts=shares)
