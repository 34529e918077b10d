"""A store as an old and busy one is: a company of a million records with journal, runs and alerts, among thousands.

The indexes are made at the end, so that a million records take a minute or two. Two stores of one size are alike, but for
their times. The chain of the journal is not computed: no page of the panel asks for it but the one that verifies it.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks import operated
from engine.access import users
from engine.access.signin import open_anew
from engine.access.users import HOUSE
from engine.clock import iso
from engine.contract import ListObject
from engine.follow import Hand
from engine.reconcile import keeping
from engine.store import companies, lists
from engine.store.records import Reason, dump_reasons
from engine.store.sqlite import SqliteStore
from engine.store.tally import WITHIN_S
from engine.vault import Vault
from engine.world import World

COMPANY = "bench"
OTHERS = 3000
DAYS = 730
RUNS_A_DAY = 72
VENDORS = 5000
USER = "bench"
# Flow, stream, and how many of a hundred records are of it.
PLACES = (
    ("ramp_to_quickbooks", "bills", 38),
    ("ramp_to_quickbooks", "transactions", 22),
    ("ramp_to_quickbooks", "bill_payments", 20),
    ("ramp_to_quickbooks", "vendors", 2),
    ("bill_to_quickbooks", "bills", 9),
    ("bill_to_quickbooks", "payments", 6),
    ("expensify_to_quickbooks", "reports", 3),
)
FLOWS = tuple(dict.fromkeys(flow for flow, _, _ in PLACES))
# Of 10,000 records so many are in a state; all others are closed.
STATES = (("skipped", 150), ("deferred", 100), ("failed", 20), ("posted", 10), ("pending", 1), ("vanished", 1))
_INDEXED = ("records", "journal", "waits", "runs", "alerts", "operations")
_PAYLOAD = '{"id":"%s","status":"APPROVED","memo":"' + "Monthly service as agreed. " * 24 + '"}'
_HASH = "0" * 64
_COLUMNS = (
    "id, company, flow, stream, source_id, phase, state, payload, payload_sha256, reasons, amount, currency, party, "
    "reference, dated_on, operation_id, receipt, seen_run, first_run, created_at, updated_at"
)


@dataclass(frozen=True)
class Filled:
    """Where the store is, the cookie of somebody who may see everything, and how many records and runs there are.

    `waiting` is a record that waits.
    """

    path: Path
    cookie: str
    records: int
    runs: int
    waiting: int


def fill(path: Path, count: int, *, others: int = OTHERS) -> Filled:
    """Make the store."""
    store = SqliteStore(path)
    world = World(store, Vault(b"0" * 32))
    now, db = world.clock.now(), store.connection
    with store.write() as tx:
        companies.add(tx, COMPANY, "Bench & Sons", world.at())
        vendors = [ListObject(f"8000{n:04d}-1", _vendor(n)) for n in range(VENDORS)]
        accounts = [ListObject(f"9000{n:04d}-1", f"Expense {n}", number=str(6000 + n)) for n in range(300)]
        for name, objects in (("Vendor", vendors), ("Account", accounts)):
            lists.store_page(tx, COMPANY, name, objects, first=True)
            lists.finish(tx, COMPANY, name, world.at())
        users.add(tx, Hand(HOUSE, world.at(), "cli:bench"), USER, "admin", "no password fits this")
        operated.operate(tx, world, COMPANY)
        db.execute("UPDATE users SET is_once = 0")
        cookie = open_anew(tx, world, USER).cookie
    # The disk is asked once, at the end: nobody depends on what is half filled.
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA foreign_keys = OFF")
    with _without_indexes(db), store.write():
        _records(db, count, now)
        _beside(db, count, now)
        operated.beside(db, COMPANY, now)
        _others(db, others, now)
    # As the worker does once a comparison is answered.
    assert keeping.make(world, COMPANY, {}, 1)
    waiting = db.execute("SELECT MAX(id) FROM records WHERE company = ? AND state = 'deferred'", (COMPANY,)).fetchone()[
        0
    ]
    store.close()
    return Filled(path, cookie, count, DAYS * RUNS_A_DAY, waiting)


@contextmanager
def _without_indexes(db: sqlite3.Connection) -> Iterator[None]:
    marks = ",".join("?" * len(_INDEXED))
    asked = f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({marks})"
    found = [tuple(row) for row in db.execute(asked, _INDEXED)]
    for name, _ in found:
        db.execute(f"DROP INDEX {name}")
    yield
    for _, sql in found:
        db.execute(sql)


def _vendor(number: int) -> str:
    word = ("Supply", "Legal", "Consulting", "Freight", "Software", "Catering", "Rent", "Media")[number % 8]
    return f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number % 26]}{number:04d} {word} Company"


def _records(db: sqlite3.Connection, count: int, now: datetime) -> None:
    # A million at once would be a gigabyte of Python's; each table is filled from a generator of its own.
    marks = ",".join("?" * (_COLUMNS.count(",") + 1))
    db.executemany(f"INSERT INTO records ({_COLUMNS}) VALUES ({marks})", _rows(count, now))
    # One line in five hundred is a person's.
    db.execute(
        "INSERT INTO journal SELECT company, id, created_at, 'read', flow, stream, id, source_id, '', state, "
        "CASE WHEN id % 500 = 0 THEN 'panel:bench' ELSE 'flowctl' END, "
        f"'{{\"payload\":\"{_HASH}\"}}', '{_HASH}' FROM records"
    )
    db.execute("INSERT INTO journal_heads VALUES (?, ?, ?)", (COMPANY, count, _HASH))
    db.create_function("vendor", 1, _vendor, deterministic=True)
    db.execute(
        "INSERT INTO waits (record_id, company, wait_key, flow, label) "
        "SELECT id, company, 'mapping:vendor:v-' || (id % 400), flow, vendor(id % 400) FROM records "
        "WHERE state = 'deferred'"
    )
    for name in ("record", "run", "alert"):
        db.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = ?", (name, count, count)
        )


def _rows(count: int, now: datetime) -> Iterator[tuple[object, ...]]:
    chance = random.Random(1)
    places = [(flow, stream) for flow, stream, weight in PLACES for _ in range(weight)]
    states = [state for state, weight in STATES for _ in range(weight)]
    minutes = DAYS * 1440
    for number in range(1, count + 1):
        flow, stream = places[chance.randrange(100)]
        drawn = chance.randrange(10_000)
        state = states[drawn] if drawn < len(states) else "closed"
        vendor = 1 if chance.random() < 0.1 else chance.randrange(VENDORS)
        # One in twenty has the amount of a subscription.
        cents = 4900 if chance.random() < 0.05 else chance.randrange(100, 5_000_000)
        read = now - timedelta(minutes=minutes * (count - number) / count)
        source_id = f"{chance.getrandbits(64):016x}-{number:07d}"
        why: tuple[Reason, ...] = ()
        if state in ("deferred", "failed", "skipped"):
            why = (
                Reason(
                    "unmapped",
                    f"the vendor `{_vendor(number % 400)}` is not mapped",
                    "",
                    (f"mapping:vendor:v-{number % 400}", f"mapping:vendor:{_vendor(number % 400)}"),
                ),
            )
        yield (
            number, COMPANY, flow, stream, source_id, "post", state, _PAYLOAD % source_id, _HASH, dump_reasons(why),
            f"{cents / 100:.2f}", "USD", None if stream == "reports" and number % 2 else _vendor(vendor),
            f"INV-{number:07d}" if number % 20 else "MONTHLY", (read - timedelta(days=chance.randrange(30))).strftime("%Y-%m-%d"),
            None, None, number * DAYS * RUNS_A_DAY // count + 1, number * DAYS * RUNS_A_DAY // count + 1, iso(read), iso(read),
        )  # fmt: skip


def _beside(db: sqlite3.Connection, count: int, now: datetime) -> None:
    """Runs, tallies and alerts of the company."""
    runs = DAYS * RUNS_A_DAY
    each = count // runs
    counts = f'{{"bills": {{"read": {each + 3}, "intended": {each}, "deferred": 1, "unchanged": 3}}}}'
    begun = [now - timedelta(minutes=20 * (runs - number)) for number in range(1, runs + 1)]
    db.executemany(
        "INSERT INTO runs (id, company, flow, started_at, ended_at, outcome, counts, posted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (n, COMPANY, FLOWS[n % len(FLOWS)], iso(at), iso(at + timedelta(seconds=n % 90)), "done", counts, each)
            for n, at in enumerate(begun, 1)
        ),
    )
    spans = [WITHIN_S[index] for index in range(5, 25, 3)]
    whats = [("read", 0), ("deferred", 0), ("failed", 0), ("skipped", 0), *(("posted", span) for span in spans)]
    days = [(now - timedelta(days=day)).strftime("%Y-%m-%d") for day in range(DAYS)]
    db.executemany(
        "INSERT INTO tallies (company, day, what, within_s, flow, stream, number) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (COMPANY, day, what, span, flow, stream, 1 + (number * weight) % 97)
            for number, day in enumerate(days)
            for flow, stream, weight in PLACES
            for what, span in whats
        ),
    )
    db.executemany(
        "INSERT INTO alerts (id, company, kind, subject, message, hint, first_at, last_at, resolved_at) "
        "VALUES (?, ?, 'deferred', ?, 'a vendor is not mapped', 'map it', ?, ?, ?)",
        (
            (n, COMPANY, f"{FLOWS[0]}/bills/none-{n}", iso(now), iso(now), None if n % 40 == 0 else iso(now))
            for n in range(1, 20_001)
        ),
    )


def _others(db: sqlite3.Connection, others: int, now: datetime) -> None:
    """Other companies, each with a few records, so that the list of companies has its pages."""
    names = [f"c{number:05d}" for number in range(others)]
    at = iso(now)
    db.executemany(
        "INSERT INTO companies (company, title, created_at) VALUES (?, ?, ?)", ((n, f"Company {n}", at) for n in names)
    )
    first = int(db.execute("SELECT MAX(id) FROM records").fetchone()[0]) + 1
    marks = ",".join("?" * (_COLUMNS.count(",") + 1))
    db.executemany(
        f"INSERT INTO records ({_COLUMNS}) VALUES ({marks})",
        (
            (
                first + 3 * place + n, name, FLOWS[0], "bills", f"{name}-{n}", "post", ("closed", "deferred", "failed")[n],
                "{}", _HASH, "[]", "10.00", "USD", "Acme", f"R-{n}", "2026-03-02", None, None, 1, 1, at, at,
            )
            for place, name in enumerate(names)
            for n in range(3)
        ),
    )  # fmt: skip
