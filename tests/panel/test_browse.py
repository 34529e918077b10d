"""Finding records: the same as a plain look at each, page by page, and no statement of any page scans a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.store import browse, work
from engine.store.base import Params, Row, Store, Tx, statements
from engine.store.browse import Filters, Found, Place
from engine.store.records import MOVES, Intake, NewRecord, Reason, insert
from engine.store.records import Place as Stream
from engine.store.sqlite import SqliteStore, SqliteTx
from tests import stores
from tests.engine.kit import AT, bill
from tests.panel.kit import Office

STATES = ("pending", "deferred", "failed", "skipped")
STREAMS = (("a_flow", "bills"), ("a_flow", "vendors"), ("b_flow", "bills"))
PARTIES = ("Acme Supply", "acme legal", "Müller & Söhne", "100%_sure", None)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """240 records of two companies, in every mixture."""
    made = stores.empty()
    with made.write() as tx:
        runs = {
            (company, number): work.begin_run(tx, company, "a_flow", AT)
            for company in ("acme", "other")
            for number in (0, 1)
        }
        for number in range(240):
            flow, stream = STREAMS[number % 3]
            company = "other" if number % 10 == 9 else "acme"
            reason = (Reason("why", "why"),) if number % 7 else ()
            intake = Intake(
                f"Src-{number:03}",
                "{}",
                "0" * 64,
                None if number % 11 == 0 else f"{(number * 37) % 400 - 50}.{number % 100:02}",
                "USD",
                PARTIES[number % 5],
                None if number % 13 == 0 else f"INV-{number % 40}",
                None if number % 17 == 0 else f"2026-0{1 + number % 3}-{1 + number % 28:02}",
            )
            new = NewRecord(intake, STATES[number % 4], reason)  # type: ignore[arg-type] # the literals above
            run = runs[company, number % 2]
            insert(tx, Stream(company, flow, stream, "post"), run, AT, "flowctl", [new])
    yield made
    made.close()


def plainly(store: Store, filters: Filters) -> list[int]:
    """What a look at every record finds, in the order of the pages."""
    found = [row for row in stores.table(store, "records") if row["company"] == "acme" and fits(row, filters)]
    key = (lambda r: (r["dated_on"], r["id"])) if filters.is_dated else (lambda r: ("", r["id"]))
    return [row["id"] for row in sorted(found, key=key, reverse=True)]


def fits(row: Row, filters: Filters) -> bool:
    amount = None if row["amount"] is None else Decimal(row["amount"])
    text = browse.lowered(filters.text)
    texts = [browse.lowered(row[name] or "") for name in ("party", "reference", "source_id")]
    return all(
        (
            filters.state in ("", row["state"]),
            filters.flow in ("", row["flow"]),
            filters.stream in ("", row["stream"]),
            texts[0].startswith(browse.lowered(filters.party)),
            not filters.least or (amount is not None and amount >= Decimal(filters.least)),
            not filters.most or (amount is not None and amount <= Decimal(filters.most)),
            not filters.first_on or (row["dated_on"] or "") >= filters.first_on,
            not filters.last_on or "" < (row["dated_on"] or "") <= filters.last_on,
            filters.run in (0, row["first_run"]),
            not text or any(text in each for each in texts) or filters.text == str(row["id"]),
        )
    )


def pages(store: Store, filters: Filters, size: int) -> list[Found]:
    found, behind = [], Place()
    with store.read() as tx:
        while True:
            found.append(browse.page(tx, "acme", filters, behind, size))
            following = found[-1].following
            if following is None:
                return found
            behind = following


FILTERS = st.builds(
    Filters,
    state=st.sampled_from(("", "", *STATES)),
    flow=st.sampled_from(("", "", "a_flow", "b_flow")),
    stream=st.sampled_from(("", "", "bills")),
    party=st.sampled_from(("", "", "ACME", "acme l", "Müller", "100%")),
    least=st.sampled_from(("", "", "-20", "100.00")),
    most=st.sampled_from(("", "", "0", "250.55")),
    first_on=st.sampled_from(("", "", "2026-02-01")),
    last_on=st.sampled_from(("", "", "2026-02-15", "2026-03-28")),
    run=st.sampled_from((0, 0, 1, 2, 9)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS, size=st.integers(1, 60), narrow=st.sampled_from((0, 5, 2000)))
def test_pages_are_what_a_look_at_each_finds(store: Store, filters: Filters, size: int, narrow: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(browse, "NARROW", narrow)
        found = pages(store, filters, size)
    assert [row["id"] for page in found for row in page.rows] == plainly(store, filters)
    assert all(len(page.rows) == size for page in found[:-1])
    assert all(page.is_whole for page in found)


@pytest.mark.parametrize("looked_through", [3, 9])
def test_where_the_looking_ends_is_said(store: Store, looked_through: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "NARROW", 0)
    monkeypatch.setattr(browse, "_LOOKED_THROUGH", looked_through)
    monkeypatch.setattr(browse, "_STEP", 3)
    for filters in (Filters(text="söhne"), Filters(first_on="2026-01-01", party="acme l"), Filters(least="300")):
        found = pages(store, filters, 5)
        assert [row["id"] for page in found for row in page.rows] == plainly(store, filters)
        assert any(not page.is_whole for page in found)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("inv-12", [13, 93, 133, 173, 213]),
        ("SRC-007", [8]),
        ("17", [17]),
        ("legal", "within"),
        ("%_s", "within"),
        ("no such thing", []),
    ],
)
def test_text(store: Store, text: str, numbers: list[int] | str) -> None:
    found = [row["id"] for page in pages(store, Filters(text=text), 50) for row in page.rows]
    if numbers == "within":
        assert found == plainly(store, Filters(text=text))
        assert len(found) == 48 - sum(1 for n in range(240) if n % 10 == 9 and n % 5 == (1 if text == "legal" else 3))
    else:
        assert sorted(found) == numbers


# --- no more than what is needed


def test_a_filter_that_many_pass_costs_one_row_and_the_walk_few_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 216 records: none of a wide filter's numbers is fetched, and the walk fetches what it looks through, once."""
    monkeypatch.setattr(browse, "NARROW", 10)
    monkeypatch.setattr(browse, "_LOOKED_THROUGH", 60)
    with watched(store, monkeypatch) as asked, store.read() as tx:
        found = browse.page(tx, "acme", Filters(party="acme", least="-60", text="no such"), Place(), 10)
    assert found == Found((), found.following, is_whole=False)
    # The text begins nowhere, which is three looks; that the two others are wide is one question each.
    beginnings = ["browse_ids_reference", "browse_ids_source", "browse_ids_party"]
    wide = [(name, 1) for name in ("browse_ids_party", "browse_ids_amount")]
    assert [(each.name, each.rows) for each in asked[:8]] == [(name, 0) for name in beginnings for _ in range(2)] + wide
    walked = [(each.name, each.rows) for each in asked if each.name in ("browse_ids_of", "browse_rows")]
    # Three streams; of each 51 numbers, then steps of 11, 22 and the 27 that are left of 60.
    assert walked == [("browse_ids_of", 51)] * 3 + [("browse_rows", 0)] * 3
    assert [len(json.loads(str(each.params["ids"]))) for each in asked if each.name == "browse_rows"] == [11, 22, 27]


def test_a_filter_that_few_pass_is_fetched_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(store, monkeypatch) as asked, store.read() as tx:
        found = browse.page(tx, "acme", Filters(text="inv-12"), Place(), 10)
    fetched = [(each.name, each.rows) for each in asked if each.params.get("skip") == 0]
    assert fetched == [("browse_ids_reference", 5), ("browse_ids_source", 0), ("browse_ids_party", 0)]
    assert ([row["id"] for row in found.rows], found.following) == ([213, 173, 133, 93, 13], None)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_the_list_of_a_stream_has_every_state(backend: str) -> None:
    assert sorted(re.findall(r"state = '(\w+)'", statements(backend)["browse_ids_of"])) == sorted(MOVES)


@pytest.mark.only_sqlite("its plan is looked at")
def test_the_list_of_a_stream_is_merged_from_indexes_and_never_sorted(store: SqliteStore) -> None:
    scope = {"company": "acme", "flow": "a_flow", "stream": "bills", "before": 1 << 60, "limit": 3, "skip": 0}
    found = store.connection.execute(f"EXPLAIN QUERY PLAN {statements()['browse_ids_of']}", scope).fetchall()
    read = [row["detail"] for row in found if not re.match(r"MERGE \(UNION ALL\)|LEFT|RIGHT", row["detail"])]
    index = "records_by_state (company=? AND state=? AND flow=? AND stream=? AND id<?)"
    assert read == [f"SEARCH records USING COVERING INDEX {index}"] * len(MOVES)


# --- no scan


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement, what it was given, and how many rows it found."""

    name: str
    params: Params
    rows: int


class Watching:
    """A transaction that remembers what was asked for."""

    def __init__(self, tx: SqliteTx, asked: list[Asked]) -> None:
        self._tx, self._asked = tx, asked

    def rows(self, name: str, params: Params) -> list[Row]:
        found = self._tx.rows(name, params)
        self._asked.append(Asked(name, params, len(found)))
        return found

    def one(self, name: str, params: Params) -> Row | None:
        found = self._tx.one(name, params)
        self._asked.append(Asked(name, params, int(found is not None)))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


@contextmanager
def watched(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Asked]]:
    asked: list[Asked] = []
    backend: Any = type(store)
    begin = backend.begin

    def watching(self: Store, of: tuple[str, ...], *, writing: bool) -> Tx:
        return Watching(begin(self, of, writing=writing), asked)

    with monkeypatch.context() as patch:
        patch.setattr(backend, "begin", watching)
        yield asked


# These are small whatever the number of records: people, companies and their settings.
SMALL = {"json_each", "companies", "users", "some", "facts", "connections"}


def scans(store: SqliteStore, name: str, params: Mapping[str, object]) -> list[str]:
    """What a statement reads from its first row to its last: whole tables, and whole indexes."""
    plan = store.connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", params).fetchall()
    found = [re.match(r"SCAN (\w+)", row["detail"]) for row in plan]
    # What a statement has gathered itself, and goes through once more, is no table.
    named = re.findall(r"\) AS (\w+)", statements()[name])
    return [match[1] for match in found if match and match[1] not in SMALL and match[1] not in named]


PAGES = (
    "/companies", "/c/acme", "/c/acme/alerts", "/c/acme/alerts?show=over", "/c/acme/records", "/c/acme/records?state=failed",
    "/c/acme/records?place=shop_to_ledger/bills&state=closed", "/c/acme/records?text=N-b", "/c/acme/records?text=no-such",
    "/c/acme/records?party=gr", "/c/acme/records?least=5&most=500", "/c/acme/records?from=2026-01-01&to=2026-12-31",
    "/c/acme/records?text=1&party=g&least=1&from=2026-01-01&state=posted&place=shop_to_ledger/bills",
    "/c/acme/records/1", "/c/acme/records/1/skip", "/c/acme/records?run=1", "/c/acme/records?run=1&text=N&state=posted",
    "/c/acme/runs", "/c/acme/runs?by=month&flow=shop_to_ledger", "/c/acme/runs?behind=5", "/c/acme/runs/1", "/c/acme/flows",
    "/c/acme/flows/shop_to_ledger",
)  # fmt: skip


@pytest.mark.only_sqlite("its plans are looked at")
def test_no_page_scans_a_table(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = office.bench
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(4)] + [bill("b-9", lines=[])]
    bench.run("bills")
    bench.post_all()
    browser = office.as_("operator")
    store = office.world.store
    assert isinstance(store, SqliteStore)
    with watched(store, monkeypatch) as asked:
        for narrow in (0, 2000):
            monkeypatch.setattr(browse, "NARROW", narrow)
            for path in PAGES:
                assert browser.get(path).status_code in (200, 303), path
    seen = {each.name: each.params for each in asked}
    assert {name: found for name, params in seen.items() if (found := scans(store, name, params))} == {}
    assert {
        "browse_ids_in",
        "browse_ids_of",
        "browse_ids_dated",
        "browse_ids_party",
        "browse_ids_amount",
        "browse_rows",
        "browse_journal",
    } <= set(seen)


def test_a_scan_would_be_found() -> None:
    store = SqliteStore(None)
    assert scans(store, "sets_open", {}) == ["message_sets"]
    store.close()
