"""What people and vendors add to the store of `benchmarks.million`: connections, mapping tables, webhooks, a comparison."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta

from engine.access import users
from engine.access.users import HOUSE
from engine.clock import iso
from engine.contract import Event
from engine.follow import Hand
from engine.store import companies, hooks
from engine.store.base import Tx
from engine.store.hooks import Endpoint, Kept
from engine.world import World

SOURCE, BOOKS = "ramp", "books"
FLOW, LOOKUP = "ramp_to_quickbooks", "vendor"
WEBHOOKS = 100_000
MAPPINGS = 20_000
FIGURES = 2_000
# The key of the first row of the mapping table, and the name of the second person.
FIRST_KEY, OTHER_USER = "m-00000", "bench-viewer"
_AT_ONCE = 500


def operate(tx: Tx, world: World, company: str) -> None:
    """What needs keys: connections with their secrets, another person, and webhooks with their bodies."""
    at = world.at()
    settings = {"client_id": "bench", "environment": "sandbox"}
    companies.put_connection(tx, company, SOURCE, "ramp", settings, at)
    for name in ("client_secret", "webhook_secret"):
        companies.put_secret(tx, world.vault, company, SOURCE, name, "bench", at)
    companies.put_connection(
        tx, company, BOOKS, "qbwc", {"user": "flowctl-bench", "app_url": "https://sync.example"}, at
    )
    companies.put_connection(tx, company, "bill", "bill", {"environment": "sandbox"}, at)
    companies.put_connection(tx, company, "expensify", "expensify", {}, at)
    companies.bind(tx, company, {"company_name": "Bench & Sons", "path": "C:\\\\books\\\\bench.qbw"}, at)
    users.add(tx, Hand(HOUSE, at, "cli:bench"), OTHER_USER, "viewer", "no password fits this")
    endpoint = Endpoint(company, SOURCE)
    body = json.dumps({"type": "bills.approved", "object": {"state": "APPROVED", "memo": "as agreed " * 12}}).encode()
    for first in range(0, WEBHOOKS, _AT_ONCE):
        fresh = [
            Kept(
                Event(f"event-{number:07d}", "bills.approved", f"object-{number:07d}"),
                body,
                (f"{FLOW}/bills",) if number % 50 else (),
            )
            for number in range(first, first + _AT_ONCE)
        ]
        hooks.keep(tx, world.vault, endpoint, fresh, at)
    for day in range(30):
        for kind in ("forged", "too large", "no event"):
            hooks.tally(tx, endpoint, kind, 3, iso(world.clock.now() - timedelta(days=day)))


def beside(db: sqlite3.Connection, company: str, now: datetime) -> None:
    """A mapping table, what was posted, and a comparison that was answered."""
    at = iso(now)
    db.executemany(
        "INSERT INTO mappings (company, flow, lookup, source_key, label, list_id, full_name, origin, actor, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'person', 'panel:bench', ?)",
        (
            (company, FLOW, LOOKUP, f"m-{n:05d}", f"Vendor {n}", f"8000{n % 5000:04d}-1", f"Vendor {n}", at)
            for n in range(MAPPINGS)
        ),
    )
    # Everything that was posted is there; the comparison is of the newest, which QuickBooks does not show.
    db.execute(
        "INSERT INTO holdings (company, target_id, record_id, kind, seq, state) "
        "SELECT company, '7' || printf('%07d', id) || '-1', id, "
        "CASE WHEN id > (SELECT MAX(id) FROM records) - ? THEN 'Bill' ELSE 'Check' END, id, 'there' FROM records "
        "WHERE company = ? AND state IN ('posted', 'closed')",
        (2 * FIGURES, company),
    )
    days = [(now - timedelta(days=back)).strftime("%Y-%m-%d") for back in (30, 0)]
    db.execute(
        "INSERT INTO spans (id, company, first_on, last_on, kinds, state, actor, asked_at, answered_at) "
        "VALUES (1, ?, ?, ?, '[\"Bill\"]', 'done', 'panel:bench', ?, ?)",
        (company, *days, at, at),
    )
    db.executemany(
        "INSERT INTO span_figures (span, target_id, figures) VALUES (1, ?, ?)",
        ((f"5{n:05d}-1", _figures(n, days[1])) for n in range(FIGURES)),
    )


def _figures(number: int, day: str) -> str:
    return json.dumps(
        {
            "kind": "Bill",
            "target_id": f"5{number:05d}-1",
            "guid": "",
            "party": f"8000{number:04d}-1",
            "reference": f"BY-HAND-{number}",
            "dated_on": day,
            "total": "10.00",
            "accounts": [["90000001-1", "10.00"]],
        }
    )
