"""The pages: whole texts of companies, records, a record's way and alerts; and what a person can do about a record."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from engine.contract import OperationOutcome
from engine.store import work
from tests.engine.kit import AT, bill
from tests.panel.kit import Browser, Office, text_of


@pytest.fixture
def busy(office: Office) -> Office:
    """One bill posted (1), one that waits for an account (2), one that failed (3)."""
    bench = office.bench
    lines = [{"account": "Nowhere", "code": "1", "amount": "1250.50", "memo": "m"}]
    bench.shop.listed["bills"] = [
        bill("b-1"),
        bill("b-2", amount="1250.50", lines=lines),
        bill("b-3", "9.99", lines=[]),
    ]
    bench.run("bills")
    assert bench.post_all() == 1
    assert bench.states() == {"b-1": "posted", "b-2": "deferred", "b-3": "failed"}
    return office


def last_line(office: Office, source_id: str) -> tuple[str, str, str, dict[str, object]]:
    """The newest line of a record's journal: event, state, who, and what it says."""
    with office.world.store.read() as tx:
        line = tx.rows("journal_of_record", {"record_id": office.bench.record(source_id)["id"]})[-1]
    return line["event"], line["state_to"], line["actor"], json.loads(line["detail"])


# --- companies


def test_companies(busy: Office) -> None:
    assert text_of(busy.as_("viewer").get("/companies")) == (
        "Companies\nCompany Web Connector To send Waiting Oldest Failed Unknown Gone Alerts\nAcme\nnever\n0\n1\njust now\n1\n0\n0\n2"
    )


def test_many_companies_come_in_pages(office: Office) -> None:
    with office.world.store.write() as tx:
        for number in range(60):
            tx.run("company_insert", {"company": f"c{number:02}", "title": f"Company {number:02}", "at": AT})
    browser = office.as_("viewer")
    first = browser.get("/companies")
    assert "/panel/companies?after=c48" in first.text
    second = browser.get("/companies?after=c48").text
    assert [f"Company {n:02}" in second for n in (48, 49, 59)] == [False, True, True]
    assert text_of(browser.get("/companies?after=zz")) == "Companies\nNo company comes behind this one. Begin again"


def test_one_company(busy: Office) -> None:
    text = text_of(busy.as_("viewer").get("/c/acme"))
    tiles, _, rest = text.partition("\nNewest alerts\n")
    assert tiles.splitlines() == [
        "Acme", "Web Connector", "never", "To send", "0", "requests", "Waiting", "1", "oldest read just now",
        "What to map", "Failed", "1",
        "Unknown", "0", "Alerts", "2",
    ]  # fmt: skip
    told, _, records = rest.partition("\nRecords\n")
    assert told.splitlines() == [
        "Failed: N-b-3: the lines do not add up to the bill Show the record",
        "0.00 is not 9.99; correct the record in the source, or in the target",
        "Waiting: N-b-2: the account `Nowhere` is not in the Account list of Ledger Say what it means",
        "add it there, or use To map",
        "In a terminal",
        "flowctl map set shop_to_ledger account 'Nowhere' 'NAME THERE' --company acme",
    ]
    assert records == (
        "Stream posted waiting failed left out\n"
        "bills shop_to_ledger\n"
        "1 100.00 EUR\n"
        "1 1,250.50 EUR\n"
        "1 9.99 EUR\n"
        "\N{EN DASH}\n"
        "payments shop_to_ledger\n"
        "\N{EN DASH}\n"
        "\N{EN DASH}\n"
        "\N{EN DASH}\n"
        "3 1,360.49\n"
        "Newest runs\n"
        "Flow Begun Outcome\n"
        "shop_to_ledger 2026-03-02 14:00 done"
    )


def test_the_overview_leads_on(busy: Office) -> None:
    page = busy.as_("viewer").get("/c/acme").text.partition("<main")[2]
    leads = [unescape(link) for link in re.findall(r'href="/panel/c/acme(/[^"]*)"', page) if "/records?" not in link]
    failed = busy.bench.record("b-3")["id"]
    assert leads == [
        "/to-map", "/alerts", f"/records/{failed}", "/to-map/choose?flow=shop_to_ledger&lookup=account&key=Nowhere", "/runs/1"
    ]  # fmt: skip
    assert [busy.as_("viewer").get(f"/c/acme{link}").status_code for link in leads] == [200] * 5


def test_a_visit_with_trouble_leads_to_the_web_connector(busy: Office) -> None:
    with busy.world.store.write() as tx:
        work.raise_alert(tx, "acme", work.Alert("session", "x", "the company file waits"), AT)
    page = busy.as_("viewer").get("/c/acme").text
    assert page.count('<a href="/panel/c/acme/connections/web-connector">Look at the Web Connector</a>') == 1


def test_times_are_shown_in_the_companys_zone(busy: Office) -> None:
    with busy.world.store.write() as tx:
        tx.run("company_zone", {"company": "acme", "time_zone": "America/New_York"})
    page = busy.as_("viewer").get("/c/acme/records/1")
    assert (
        '<time datetime="2026-03-02T14:00:00.000000Z" title="2026-03-02T14:00:00.000000Z">2026-03-02 09:00</time>'
        in page.text
    )
    assert "Times in America/New_York" in page.text


# --- records


def row_of(browser: Browser, query: str) -> list[str]:
    """The references on a page of records."""
    return re.findall(r'/records/\d+">([^<]+)</a>', browser.get(f"/c/acme/records?{query}").text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("place=shop_to_ledger/bills", ["N-b-3", "N-b-2", "N-b-1"]),
        ("state=deferred", ["N-b-2"]),
        ("place=shop_to_ledger/bills&least=100", ["N-b-2", "N-b-1"]),
        ("place=shop_to_ledger/bills&least=1%2C250.5&most=1250.50", ["N-b-2"]),
        ("place=shop_to_ledger/bills&party=gr", ["N-b-3", "N-b-2", "N-b-1"]),
        ("place=shop_to_ledger/bills&text=n-B-2", ["N-b-2"]),
        ("text=N-b-3&state=failed", ["N-b-3"]),
        ("state=failed&from=2026-02-27&to=2026-02-27", ["N-b-3"]),
        ("state=failed&from=2026-02-28", []),
        ("state=nonsense&place=shop_to_ledger/bills", ["N-b-3", "N-b-2", "N-b-1"]),
    ],
)
def test_filters(busy: Office, query: str, found: list[str]) -> None:
    assert row_of(busy.as_("viewer"), query) == found


def test_a_filter_that_is_no_filter_is_said(busy: Office) -> None:
    page = busy.as_("viewer").get("/c/acme/records?least=much&most=1e9&from=1.3.2026&to=2026-02-30&state=failed")
    assert [line for line in text_of(page).splitlines() if line.startswith("`")] == [
        "`much` is not an amount: write it like 1250.00",
        "`1e9` is not an amount: write it like 1250.00",
        "`1.3.2026` is not a date: write it like 2026-03-01",
        "`2026-02-30` is not a date: write it like 2026-03-01",
    ]
    assert 'value="much"' in page.text


def test_no_record_is_like_this(busy: Office) -> None:
    assert text_of(busy.as_("viewer").get("/c/acme/records?state=vanished")).endswith("\nNo record is like this.")


def test_pages_of_records_keep_the_filters(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill(f"b-{n:03}") for n in range(120)]
    office.bench.run("bills")
    browser = office.as_("viewer")
    seen, address = [], "/c/acme/records?place=shop_to_ledger%2Fbills&from=2026-01-01"
    for _ in range(3):
        page = browser.get(address).text
        seen += re.findall(r'/records/\d+">(N-b-\d+)</a>', page)
        links = re.findall(r'<a href="([^"]*)" rel="next">Older', page)
        address = unescape(links[0]).removeprefix("/panel") if links else ""
    assert seen == [f"N-b-{n:03}" for n in range(119, -1, -1)]
    assert address == ""


# --- one record


def test_a_posted_records_way(busy: Office) -> None:
    page = busy.as_("viewer").get("/c/acme/records/1")
    text = text_of(page)
    head, _, way = text.partition("\nIts whole way\n")
    operation = busy.bench.record("b-1")["operation_id"]
    assert head.splitlines()[:7] == [
        "Records", "N-b-1", "posted posted, the source is told next", "Vendor or party", "Grün & Söhne", "Amount", "100.00 EUR",
    ]  # fmt: skip
    assert "\nReceipt\nTxnID\nT-" in head
    assert "\nLooked up\nField Is there Id there\nvendor Grün & Söhne V-1\n" in head
    titles = [line for line in way.splitlines() if "2026-03-02 14:00" in line]
    assert titles == [
        "Read from the source 2026-03-02 14:00 flowctl",
        "Sent 2026-03-02 14:00 web-connector",
        "Posted 2026-03-02 14:00 web-connector",
    ]
    for paper in ("Source record", "Mapped record", "BillAdd to be sent", "BillAdd as it was sent"):
        assert f"\n{paper}\n" in way, paper
    assert f"&lt;BillAddRq requestID=&#34;{operation}&#34;&gt;" in page.text
    assert "Try again" not in text


def test_what_waits_says_why_and_what_to_do(busy: Office) -> None:
    lines = text_of(busy.as_("operator").get("/c/acme/records/2")).splitlines()
    assert lines[2:9] == [
        "waiting waits for something that is missing",
        "Try again Hold back Leave out",
        "the account `Nowhere` is not in the Account list of Ledger",
        "Map Nowhere",
        "add it there, or use To map",
        "In a terminal",
        "flowctl map set shop_to_ledger account 'Nowhere' 'NAME THERE' --company acme",
    ]
    assert "Leave out" not in text_of(busy.as_("viewer").get("/c/acme/records/2"))


def test_what_waits_for_another_record_leads_there(office: Office) -> None:
    bench = office.bench
    bench.shop.listed["bills"] = [
        bill("b-1", lines=[{"account": "Nowhere", "code": "1", "amount": "100.00"}], status="paid")
    ]
    bench.run("bills")
    bench.run("payments")
    awaited, waiting = bench.record("b-1")["id"], bench.record("b-1", "payments")["id"]
    page = office.as_("viewer").get(f"/c/acme/records/{waiting}")
    assert text_of(page).splitlines()[3:5] == ["bills/N-b-1 is deferred", "it waits until that record is posted"]
    assert f'<p>It waits for <a href="/panel/c/acme/records/{awaited}">N-b-1</a>.</p>' in page.text
    assert "It waits for" not in office.as_("viewer").get(f"/c/acme/records/{awaited}").text


def do(office: Office, record: int, action: str, **fields: str) -> str:
    """Do something on the confirmation page; what the record's page says then."""
    browser = office.as_("operator")
    assert browser.get(f"/c/acme/records/{record}/{action}").status_code == 200
    answer = browser.post(f"/c/acme/records/{record}/{action}", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/panel/c/acme/records/{record}"), answer.text
    return text_of(browser.ask("GET", answer.headers["location"])).splitlines()[0]


def test_it_asks_first(busy: Office) -> None:
    assert text_of(busy.as_("operator").get("/c/acme/records/2/retry")) == (
        "N-b-2\nTry again\nRecord\nN-b-2 waiting\nVendor or party\nGrün & Söhne\nAmount\n1,250.50 EUR\nDated\n2026-02-27\n"
        "It is prepared from what is known now. When nothing is missing, it is posted at the next visit; never twice.\n"
        "Why (may be left empty); kept in the journal with your name\nTry again: 1,250.50 EUR\nBack, change nothing"
    )


def test_try_again(busy: Office) -> None:
    assert do(busy, 2, "retry", reason=" the account\nis there\u202e now ") == "It will be tried again."
    assert last_line(busy, "b-2") == ("retried", "pending", "panel:operator", {"why": "the account is there now"})
    assert busy.poked == ["poke"]
    browser = busy.as_("operator")
    again = browser.post("/c/acme/records/2/retry")
    assert again.status_code == 303
    assert text_of(browser.get("/c/acme/records/2")).splitlines()[0] == (
        "Nothing was changed: the record has changed since this page was shown, and is to be prepared now"
    )
    assert browser.get("/c/acme/records/2/retry").status_code == 303


def test_leave_out_and_post_after_all(busy: Office) -> None:
    browser, number = busy.as_("operator"), busy.bench.record("b-3")["id"]
    browser.get(f"/c/acme/records/{number}/skip")
    missing = browser.post(f"/c/acme/records/{number}/skip", {"reason": "  "})
    assert (missing.status_code, busy.bench.record("b-3")["state"]) == (422, "failed")
    assert "say in a few words why: somebody will ask" in text_of(missing)
    assert do(busy, number, "skip", reason="entered by hand") == "It is left out."
    assert last_line(busy, "b-3")[:3] == ("left_out", "skipped", "panel:operator")
    assert last_line(busy, "b-3")[3]["why"] == "entered by hand"
    assert ("failed", "shop_to_ledger/bills/b-3", 1) not in busy.bench.alerts()
    # News of the source do not post it; a person does.
    busy.bench.shop.listed["bills"] = [bill("b-3", "9.99")]
    busy.clock.advance("+1d")
    busy.bench.run("bills")
    assert busy.bench.record("b-3")["state"] == "skipped"
    assert do(busy, number, "post-again") == "It will be posted."
    busy.bench.run("bills")
    assert busy.bench.record("b-3")["state"] == "intended"


def held(office: Office) -> None:
    """Bill 1 was sent, and nobody knows what became of it."""
    bench = office.bench
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    (operation,) = made.operations
    bench.settle(made, OperationOutcome(operation.id, "held", message="the answer was lost"))
    assert bench.record("b-1")["state"] == "unknown"


def test_it_is_there(office: Office) -> None:
    held(office)
    browser = office.as_("operator")
    browser.get("/c/acme/records/1/there")
    for target in ("", "not an id", "<b>"):
        assert browser.post("/c/acme/records/1/there", {"target": target}).status_code == 422
    assert do(office, 1, "there", target="1A2B-3C", reason="seen it") == "Taken as posted under 1A2B-3C."
    assert office.bench.record("b-1")["state"] == "posted"
    assert json.loads(office.bench.record("b-1")["receipt"]) == {"TxnID": "1A2B-3C"}


def test_it_is_not_there(office: Office) -> None:
    held(office)
    assert text_of(office.as_("operator").get("/c/acme/records/1")).splitlines()[3] == "It is there It is not there"
    assert do(office, 1, "not-there") == "It will be prepared anew and posted."
    assert office.bench.record("b-1")["state"] == "pending"


def test_an_action_that_there_is_not(busy: Office) -> None:
    browser = busy.as_("operator")
    assert browser.get("/c/acme/records/1/delete").status_code == 404
    assert browser.post("/c/acme/records/1/delete").status_code == 404


# --- alerts


def test_alerts(busy: Office) -> None:
    browser = busy.as_("viewer")
    text = text_of(browser.get("/c/acme/alerts"))
    assert text.splitlines()[:2] == ["Alerts", "Open Over"]
    assert "Show the record" in text
    with busy.world.store.write() as tx:
        for row in work.alerts(tx, "acme"):
            work.resolve_alert(tx, "acme", row["kind"], row["subject"], busy.world.at())
    assert text_of(browser.get("/c/acme/alerts")) == "Alerts\nOpen Over\nNo alert is open."
    assert len(text_of(browser.get("/c/acme/alerts?show=over")).splitlines()) > 5


def test_many_alerts_come_in_pages(office: Office) -> None:
    with office.world.store.write() as tx:
        for number in range(60):
            work.raise_alert(tx, "acme", work.Alert("failed", f"f/s/{number}", f"alert {number:02}"), office.world.at())
    browser = office.as_("viewer")
    first = browser.get("/c/acme/alerts").text
    assert ("alert 59" in first, "alert 09" in first, "/panel/c/acme/alerts?behind=11" in first) == (True, False, True)
    second = browser.get("/c/acme/alerts?behind=11").text
    assert ("alert 10" in second, "alert 09" in second, 'rel="next"' in second) == (False, True, False)
