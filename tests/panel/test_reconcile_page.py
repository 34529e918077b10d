"""The page that compares both sides: asked for once, its progress, what differs with links, the file, the history."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from connectors.qbwc.figures import figures
from engine.evidence import Figures
from engine.panel.pages import reconcile as page
from engine.reconcile import Line, Spans
from engine.reconcile.keeper import Keeper
from engine.reconcile.words import in_line
from engine.registry import registered
from engine.store import holdings, reports, spans
from tests.engine.kit import COMPANY, FLOW, LedgerConnector, bill
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
    assert "QuickBooks is answering: 1 entry so far." in text_of(browser.get("/c/acme/reconcile"))
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


def compared(books: Office, *told: Figures) -> None:
    """The newest comparison has this answer."""
    browser = books.as_("operator")
    browser.get("/c/acme/reconcile")
    browser.post("/c/acme/reconcile", {"from": "2026-02-01", "to": "2026-03-31"})
    answer(books, *told)


def test_what_was_decided_and_posted_since_is_said_until_it_is_put_together_anew(books: Office) -> None:
    compared(books, shown(books, "b-1", total=Decimal("90.00")), shown(books, "b-2"))
    browser, number = books.as_("operator"), books.bench.record("b-1")["id"]
    browser.get("/c/acme/reconcile")
    books.bench.world.clock.sleep(60)
    browser.get(f"/c/acme/records/{number}/accept")
    browser.post(f"/c/acme/records/{number}/accept", {"reason": "discount"})
    books.bench.shop.listed["bills"].append(bill("b-3"))
    books.bench.run("bills")
    books.bench.post_all()
    browser.get("/c/acme/reconcile")
    page = text_of(browser.get("/c/acme/reconcile"))
    assert (
        "This report is as of 2026-03-02 14:00 . Decided since: 1. Posted since, and not in it: 1. What changed since is "
        "marked."
    ) in page
    assert "decided since accepted as it is, by panel:operator" in page
    assert "Put it together anew" not in text_of(books.as_("viewer").get("/c/acme/reconcile"))
    browser.get("/c/acme/reconcile")
    assert browser.post("/c/acme/reconcile/1/anew").status_code == 303
    page = text_of(browser.get("/c/acme/reconcile"))
    assert page.splitlines()[0] == "It was put together anew."
    assert "Both sides agree: 2 records compared; 1 note" in page
    assert "This report is as of" not in page
    assert "decided since" not in page
    browser.post("/c/acme/reconcile/9/anew")
    said = text_of(browser.get("/c/acme/reconcile")).splitlines()[0]
    assert said == "This comparison is not kept any more, or has no answer."


def test_of_a_large_company_it_is_put_together_beside(books: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "COUNTED", 1)
    compared(books, shown(books, "b-1"), shown(books, "b-2"))
    browser = books.as_("operator")
    page = text_of(browser.get("/c/acme/reconcile"))
    assert "QuickBooks has answered, and the report is being put together. Look again" in page
    browser.get("/c/acme/reconcile/1/file")
    said = "The report is being put together: look again in a minute."
    assert text_of(browser.get("/c/acme/reconcile")).splitlines()[0] == said
    keeper = Keeper(books.world, {FLOW: books.bench.program})
    assert keeper.tick() == 1
    assert "Both sides agree: 2 records compared" in text_of(browser.get("/c/acme/reconcile"))
    browser.post("/c/acme/reconcile/1/anew")
    assert text_of(browser.get("/c/acme/reconcile")).splitlines()[0] == said
    assert keeper.tick() == 1
    keeper.close()


def test_long_lists_have_their_pages(books: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("_SHOWN", 1), ("_LINES", 1), ("_MORE", 1)):
        monkeypatch.setattr(page, name, most)
    strangers = [
        shown(books, "b-1", target_id=f"9{n}", party=f"Vendor {n}", guid=f"7b2c1e0a-1111-5222-8333-44445555666{n}")
        for n in range(3)
    ]
    compared(books, shown(books, "b-1"), shown(books, "b-2"), *strangers)
    browser = books.as_("operator")
    first = browser.get("/c/acme/reconcile")
    assert "3 differences: 2 records compared" in text_of(first)
    assert (first.text.count("stranger"), text_of(first).count("another installation")) == (0, 1)
    assert 'href="/panel/c/acme/reconcile?report=1&amp;after=1" rel="next">More of 3</a>' in first.text
    last = browser.get("/c/acme/reconcile?report=1&after=2")
    assert text_of(last).count("another installation") == 1
    assert "More of 3" not in last.text
    following = re.search(r'href="/panel(/c/acme/reconcile\?report=1&amp;sums=party&amp;after=\d+)"', first.text)
    assert following is not None
    more = browser.get(following[1].replace("&amp;", "&"))
    rows = [line for line in text_of(more).splitlines() if line.startswith("Vendor ") and "EUR" in line]
    assert (rows, "another installation" in more.text) == (["Vendor 1 EUR"], False)


def test_amounts_of_a_table_have_their_points_below_one_another() -> None:
    lines = [
        Line("a", "EUR", Decimal(1), Decimal("-2.5"), Decimal(0)),
        Line("b", "EUR", Decimal(0), Decimal("1000.001"), Decimal("2E+1")),
        Line("c", "JPY", Decimal(5), Decimal(5), Decimal(5)),
    ]
    assert [(each.source, each.posted, each.books, each.difference) for each in in_line(lines)] == [
        ("1.000", "\N{MINUS SIGN}2.500", "0.000", "\N{MINUS SIGN}1.000"),
        ("0.000", "1,000.001", "20.000", "20.000"),
        ("5", "5", "5", "0"),
    ]


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
        "connect QuickBooks on the page Connections, or go to another company Open Connections"
    )
