"""The page that compares both sides: asked for once, its progress, what differs with links, the file, the history."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from connectors.qbwc.figures import figures
from engine.evidence import Figures
from engine.reconcile import Spans
from engine.registry import registered
from engine.store import holdings, spans
from tests.engine.kit import COMPANY, LedgerConnector, bill
from tests.panel.kit import Office, text_of


@dataclass(slots=True)
class Counting(LedgerConnector):
    """The ledger, whose requests are those of QuickBooks."""

    def figures(self, request: str, body: bytes) -> Figures:
        return figures(request, body)


@pytest.fixture
def books(office: Office) -> Iterator[Office]:
    """Two bills that were posted."""
    with registered({"ledger": Counting()}):
        bench = office.bench
        bench.read_lists()
        bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
        bench.run("bills")
        assert bench.post_all() == 2
        yield office


def shown(office: Office, source_id: str, **changes: object) -> Figures:
    """What the books say of a record; as it was posted, but for these."""
    record = office.bench.record(source_id)
    with office.world.store.read() as tx:
        row = tx.one("operation_get", {"id": record["operation_id"]})
        (there,) = holdings.of_record(tx, record["id"])
    assert row is not None
    found = figures(row["request"], bytes(row["body"]))
    given = {name: getattr(found, name) for name in type(found).__dataclass_fields__}
    return Figures(**{**given, "target_id": there["target_id"], **changes})


def answer(office: Office, *told: Figures, finish: bool = True) -> None:
    """The next session answers what was asked for."""
    with office.world.store.write() as tx:
        row = spans.asked(tx, COMPANY)
        assert row is not None
        view = Spans(tx, office.world.at(), "web-connector")
        view.store(COMPANY, row["id"], told)
        if finish:
            view.finish(COMPANY, row["id"])


def test_it_is_asked_for_once_and_answered(books: Office) -> None:
    browser = books.as_("operator")
    page = text_of(browser.get("/c/acme/reconcile"))
    assert "Nothing was compared yet." in page
    days = {"from": "2026-02-01", "to": "2026-03-31"}
    said = []
    for _ in range(2):
        assert browser.post("/c/acme/reconcile", days).status_code == 303
        said.append(text_of(browser.get("/c/acme/reconcile")).splitlines()[0])
    assert said == [
        "It was asked for: the answer comes with the next Web Connector session.",
        "This was asked for already: the answer comes with the next Web Connector session.",
    ]
    with books.world.store.read() as tx:
        assert [row["state"] for row in spans.listed(tx, COMPANY)] == ["asked"]
        line = tx.one("journal_newest", {"company": COMPANY, "event": "compare"})
    assert line is not None
    assert (line["actor"], json.loads(line["detail"])["from"]) == ("panel:operator", "2026-02-01")
    answer(books, shown(books, "b-1"), finish=False)
    assert "QuickBooks is answering: 1 entries so far." in text_of(browser.get("/c/acme/reconcile"))
    answer(books, shown(books, "b-1"), shown(books, "b-2"))
    page = text_of(browser.get("/c/acme/reconcile"))
    assert "Both sides agree: 2 records compared . QuickBooks as of 2026-03-02 14:00 . Save as CSV" in page
    assert page.partition("\nTotal\n")[2].split()[:5] == ["Source", "Posted", "QuickBooks", "Difference", "All"]


def test_what_differs_says_what_to_do_and_leads_there(books: Office) -> None:
    browser = books.as_("operator")
    browser.get("/c/acme/reconcile")
    browser.post("/c/acme/reconcile", {"from": "2026-02-01", "to": "2026-03-31"})
    edited = shown(books, "b-1", total=Decimal("90.00"))
    answer(books, edited, shown(books, "b-2"))
    number = books.bench.record("b-1")["id"]
    page = browser.get("/c/acme/reconcile")
    text = text_of(page)
    assert "1 difference: 2 records compared" in text
    assert "edited in QuickBooks after it was posted: amount 100.00 -> 90.00" in text
    for address in (f"/panel/c/acme/records/{number}", f"/panel/c/acme/records/{number}/accept"):
        assert f'href="{address}"' in page.text
    assert "Accept the edit" not in text_of(books.as_("viewer").get("/c/acme/reconcile"))
    made = browser.get("/c/acme/reconcile/1/file")
    assert made.headers["content-disposition"] == "attachment; filename*=UTF-8''acme_2026-02-01_2026-03-31.csv"
    rows = list(csv.DictReader(io.StringIO(made.content.decode("utf-8-sig"))))
    first = rows[0]
    assert (first["part"], first["name"], first["number"], first["source"], first["quickbooks"], first["difference"]) == (
        "difference", "edited", "N-b-1", "100.00", "90.00", "-10.00",
    )  # fmt: skip
    assert {row["part"] for row in rows} == {
        "difference", "sum by vendor", "sum by account", "sum by month", "sum by kind", "total",
    }  # fmt: skip
    # It is accepted from there, and is a note from then on.
    browser.get(f"/c/acme/records/{number}/accept")
    assert browser.post(f"/c/acme/records/{number}/accept", {"reason": "discount"}).status_code == 303
    assert "Both sides agree: 2 records compared; 1 note" in text_of(browser.get("/c/acme/reconcile"))


def test_earlier_comparisons_are_kept(books: Office) -> None:
    browser = books.as_("operator")
    browser.get("/c/acme/reconcile")
    for first in ("2026-01-01", "2026-02-01"):
        browser.post("/c/acme/reconcile", {"from": first, "to": "2026-03-31"})
        answer(books, shown(books, "b-1"), shown(books, "b-2"))
    page = browser.get("/c/acme/reconcile?report=1")
    assert "<h2>2026-01-01 to 2026-03-31</h2>" in page.text
    assert "2026-02-01 to 2026-03-31" in page.text
    assert browser.get("/c/acme/reconcile?report=7").status_code == 404
    assert browser.get("/c/acme/reconcile/7/file").status_code == 303


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-02-30", "2026-03-31", "`2026-02-30` is not a date: write it like 2026-03-01"),
        ("2026-03-01", "2026-02-01", "the first day is later than the last one"),
        ("", "x", "`` is not a date: write it like 2026-03-01"),
    ],
)
def test_days_that_are_none_are_said(books: Office, first: str, last: str, said: str) -> None:
    browser = books.as_("operator")
    browser.get("/c/acme/reconcile")
    answered = browser.post("/c/acme/reconcile", {"from": first, "to": last})
    assert (answered.status_code, said in text_of(answered)) == (422, True)


def test_nothing_to_compare_is_said(office: Office) -> None:
    browser = office.as_("operator")
    assert "This company has no connection whose books can be compared." in text_of(browser.get("/c/acme/reconcile"))
    browser.post("/c/acme/reconcile", {"from": "2026-02-01", "to": "2026-03-31"})
    assert text_of(browser.get("/c/acme/reconcile")).splitlines()[0] == (
        "acme has no connection whose books can be compared. "
        "connect QuickBooks with `flowctl connect`, or give another --company"
    )
