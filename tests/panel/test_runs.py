"""Runs as a bookkeeper sees them: what each came to, what kept it from finishing, its records, and charts by period."""

from __future__ import annotations

import json
import re

import pytest

from engine.errors import AuthRefused, FlowctlError, StoreBusy, Transient
from engine.panel.pages import runs as pages
from engine.store import runs, work
from tests.engine.kit import FLOW, bill
from tests.panel.kit import Office, text_of


@pytest.fixture
def ran(office: Office) -> Office:
    """A run of four bills: two posted, one that waits, one that failed."""
    lines = [{"account": "Nowhere", "code": "1", "amount": "10.00", "memo": "m"}]
    office.bench.shop.listed["bills"] = [
        bill("b-1"), bill("b-2"), bill("w-1", amount="10.00", lines=lines), bill("x-1", lines=[]),
    ]  # fmt: skip
    office.bench.run("bills")
    office.clock.sleep(240)
    office.bench.post_all()
    return office


def cells(text: str) -> list[list[str]]:
    """The rows of the last table of a page."""
    table = text.rpartition("<table")[2]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]  # fmt: skip


def test_a_run_in_the_list(ran: Office) -> None:
    page = ran.as_("viewer").get("/c/acme/runs")
    assert cells(page.text) == [
        ["Begun", "Flow", "Took", "Listed", "Prepared", "Waiting", "Failed", "Posted by now", "Outcome"],
        ["2026-03-02 14:00", FLOW, "under 1 s", "8", "2", "1", "1", "2", "done"],
    ]
    figures = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page.text))
    assert figures == {
        "Read": "8", "Posted": "2", "Began to wait": "1", "Failed": "1", "Left out": "4", "Posted within": "5 min",
    }  # fmt: skip
    assert re.findall(r'<title id="chart-(\w+)-title">', page.text) == [
        "read", "posted", "deferred", "failed", "skipped", "took",
    ]  # fmt: skip
    assert "<title>2026-03-02 (so far): half within 5 min</title>" in page.text


def test_nothing_ran_yet(office: Office) -> None:
    assert text_of(office.as_("viewer").get("/c/acme/runs")).splitlines()[-2] == "No flow has run yet for this company."


def test_the_page_of_a_run(ran: Office) -> None:
    browser = ran.as_("viewer")
    page = browser.get("/c/acme/runs/1")
    assert text_of(page).replace("\N{EN DASH}", "-").splitlines() == [
        "Runs", f"Run 1 of {FLOW}", "done",
        "Begun", "2026-03-02 14:00", "4 min ago", "Took", "under 1 s", "until 2026-03-02 14:00",
        "Listed", "8", "known records among them", "Posted by now", "2", "of what it read first",
        "By stream", "Stream Listed Prepared Waiting Failed Left out",
        "bills", "4 2 1 1 0", "payments", "4 0 0 0 4",
        "What it read first, and where that is now", "Stream posted waiting failed left out",
        "bills", "2 1 1 -", "payments", "- - - 4", "Show its records",
        "Steps", "Lists of the target looked at under 1 s, until 2026-03-02 14:00",
        "Read: bills under 1 s, until 2026-03-02 14:00", "Read: payments under 1 s, until 2026-03-02 14:00",
        "Prepared, and written where the target is called under 1 s, until 2026-03-02 14:00",
        "Source told under 1 s, until 2026-03-02 14:00",
    ]  # fmt: skip
    where = re.findall(r'href="/panel(/c/acme/records\?[^"]*)"', page.text)
    found = [browser.get(address.replace("&amp;", "&")) for address in where]
    assert [len(re.findall(r'<th scope="row">', answer.text)) for answer in found] == [4, 2, 1, 1, 4, 4, 8]


def test_a_later_run_has_records_of_its_own(ran: Office) -> None:
    ran.bench.shop.listed["bills"].append(bill("b-9"))
    ran.bench.run("bills")
    browser = ran.as_("viewer")
    assert cells(browser.get("/c/acme/records?run=2&place=shop_to_ledger/bills").text)[1][:2] == [
        "N-b-9",
        "ready to send",
    ]
    ran.bench.post_all()
    assert [row[3:8] for row in cells(browser.get("/c/acme/runs").text)[1:]] == [
        ["10", "1", "0", "0", "1"],
        ["8", "2", "1", "1", "2"],
    ]


def test_a_run_of_another_company_shows_nothing(ran: Office) -> None:
    with ran.world.store.write() as tx:
        number = work.begin_run(tx, "other", FLOW, ran.world.at())
    browser = ran.as_("viewer")
    assert browser.get(f"/c/acme/runs/{number}").status_code == 404
    assert text_of(browser.get("/c/acme/runs/1x")).splitlines()[0] == "Not here"
    with ran.world.store.write() as tx:
        work.finish_run(tx, number, "done", {}, ran.world.at())
    assert browser.get("/c/acme/records?run=1").text.count('scope="row"') == 8
    with ran.world.store.write() as tx:
        tx.run("company_insert", {"company": "other", "title": "Other", "at": ran.world.at()})
    assert text_of(browser.get("/c/other/records?run=1")).splitlines()[-1] == "No record is like this."


@pytest.mark.parametrize(
    ("error", "what", "helps"),
    [
        (
            AuthRefused("acme/shop: the key is no longer good", hint="run `flowctl connect shop`"),
            "The service did not let flowctl in.",
            "Somebody who may do so has to connect it again: the password, key or permission is no longer good.",
        ),
        (
            StoreBusy("the store is not available: full"),
            "flowctl could not use its own storage.",
            "It is tried again in seconds. Is the disk full?",
        ),
    ],
)
def test_what_kept_a_run_from_finishing(office: Office, error: FlowctlError, what: str, helps: str) -> None:
    office.bench.shop.faults = [error]
    office.bench.runner.run(office.bench.program, "acme", streams=["bills"])
    browser = office.as_("viewer")
    assert cells(browser.get("/c/acme/runs").text)[1][-1] == f"with trouble {what}"
    shown = text_of(browser.get("/c/acme/runs/1")).splitlines()
    assert shown[1:6] == [
        f"Run 1 of {FLOW}",
        "with trouble",
        f"{what} bills, payments",
        helps,
        "In the words of the machine",
    ]
    assert shown[6] == (f"{error}; {error.hint}" if error.hint else str(error))


def test_a_run_that_broke_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("engine.runner.Runner.push", broken)
    with pytest.raises(ZeroDivisionError):
        office.bench.runner.run(office.bench.program, "acme")
    with office.world.store.write() as tx:
        lost = work.begin_run(tx, "acme", FLOW, office.world.at())
        work.finish_run(tx, lost, "lost", {}, office.world.at())
        work.begin_run(tx, "acme", FLOW, office.world.at())
    browser = office.as_("viewer")
    assert [row[-1] for row in cells(browser.get("/c/acme/runs").text)[1:]] == [
        "running",
        "broken off",
        "with trouble The run broke off.",
    ]
    assert text_of(browser.get("/c/acme/runs/3")).splitlines()[-1] == "They are written down when it ends."
    assert text_of(browser.get("/c/acme/runs/2")).splitlines()[-1] == "No step came to its end."


def test_every_kind_of_trouble_has_words() -> None:
    from engine import runlog

    kinds = {kind for _, kind in runlog._KINDS} | {"broken", "other"}
    assert kinds == set(pages.TROUBLES)
    assert runlog._problem(Transient("later"), "bills") == {
        "kind": "unreached", "stream": "bills", "message": "later", "hint": "",
    }  # fmt: skip
    assert runlog._problem(SomeError("x" * 900))["kind"] == "other"
    assert len(runlog._problem(SomeError("x" * 900))["message"]) == 500


class SomeError(FlowctlError):
    """None of the kinds that are told apart."""


def test_pages_of_runs(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_SIZE", 2)
    with office.world.store.write() as tx:
        for number in range(5):
            work.begin_run(tx, "acme", ("one", "two")[number % 2], office.world.at())
    browser = office.as_("viewer")

    def numbers(path: str) -> tuple[list[int], list[str]]:
        text = browser.get(path).text
        more = re.findall(r'<p class="pager">(.*?)</p>', text, re.DOTALL)
        links = re.findall(r'href="/panel([^"]*)"', more[0]) if more else []
        return [int(n) for n in re.findall(r'runs/(\d+)">', text)], [link.replace("&amp;", "&") for link in links]

    assert numbers("/c/acme/runs?by=week") == ([5, 4], ["/c/acme/runs?by=week&behind=4"])
    assert numbers("/c/acme/runs?by=week&behind=4") == (
        [3, 2],
        ["/c/acme/runs?by=week", "/c/acme/runs?by=week&behind=2"],
    )
    assert numbers("/c/acme/runs?flow=one&by=nonsense") == ([5, 3], ["/c/acme/runs?flow=one&behind=3"])
    assert numbers("/c/acme/runs?flow=one&behind=3") == ([1], ["/c/acme/runs?flow=one"])
    assert numbers("/c/acme/runs?flow=nobody&behind=x") == ([5, 4], ["/c/acme/runs?behind=4"])
    assert numbers("/c/acme/runs?behind=1")[0] == []


@pytest.mark.parametrize("by", ["week", "month"])
def test_other_periods(ran: Office, by: str) -> None:
    text = ran.as_("viewer").get(f"/c/acme/runs?by={by}").text
    named = {"week": "2026-03-02 to 2026-03-08 (so far): 2", "month": "Mar 2026 (so far): 2"}[by]
    assert f"<title>{named}</title>" in text
    assert "Counting began on 2026-03-02; before that nothing is known, and nothing is drawn." in text


def test_the_store_of_a_run(ran: Office) -> None:
    with ran.world.store.read() as tx:
        found = runs.get(tx, "acme", 1)
        assert found is not None
        assert (found.posted, found.count("read"), runs.flows(tx, "acme")) == (2, 8, [FLOW])
        assert runs.became(tx, 1) == {
            "bills": {"deferred": 1, "failed": 1, "posted": 2},
            "payments": {"skipped": 4},
        }
        row = tx.one("run_get", {"id": 1})
    assert row is not None
    assert [step["what"] for step in json.loads(row["steps"])] == ["lists", "read", "read", "write", "tell"]
