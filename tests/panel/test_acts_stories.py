"""Three mornings in a real browser: a failed record replayed, an unknown resolved, a pause and what comes after; and a set."""

from __future__ import annotations

import pytest

from engine.contract import OperationOutcome
from engine.serving import running
from engine.store import stops
from tests.engine.kit import COMPANY, bill
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.kit import Office
from tests.panel.test_reconcile_page import answer, books, shown

__all__ = ["books"]
pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("no_chromium")]


def sent(office: Office, *outcomes: dict[str, str]) -> None:
    """Everything is sent, and the first operations come to these."""
    made = office.bench.send()
    assert made is not None
    given = [OperationOutcome(op.id, **said) for op, said in zip(made.operations, outcomes, strict=False)]  # type: ignore[arg-type] # literals
    office.bench.settle(made, *given)


def test_a_failed_record_is_replayed_and_an_unknown_one_resolved(office: Office) -> None:
    bench = office.bench
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run("bills")
    sent(
        office,
        {"outcome": "failed", "code": "3175", "message": "the file was locked", "hint": "run it once more"},
        {"outcome": "held", "code": "unclear", "message": "two bills look like it"},
    )
    assert bench.states() == {"b-1": "failed", "b-2": "unknown"}
    said: list[str] = []
    with running(office.app) as url, browser(said) as page:
        sign_in(page, url)
        page.goto(f"{url}/panel/c/acme/records/{bench.record('b-1')['id']}")
        page.click("a:text-is('Replay')")
        page.fill("#reason", "nobody has it open now")
        fits(page, "replay_confirm")
        page.click("button.main")
        assert page.locator(".flash").inner_text() == "The same request goes on."
        fits(page, "replayed")
        # The page that is gone back to is asked for anew, and there is nothing more to do.
        page.go_back()
        assert page.locator(".flash").inner_text() == "This cannot be done now: the record is ready to send."
        page.goto(f"{url}/panel/c/acme/records/{bench.record('b-2')['id']}")
        fits(page, "unknown")
        page.click("a:text-is('It is there')")
        fits(page, "there_confirm")
        page.fill("#target", "1A2B-1234567890")
        page.click("button.main")
        assert page.locator(".flash").inner_text() == "Taken as posted under 1A2B-1234567890."
    assert said == []
    assert bench.states() == {"b-1": "intended", "b-2": "posted"}
    assert bench.post_all() == 1


def test_a_pause_and_a_set(office: Office) -> None:
    bench = office.bench
    lines = [{"account": "Nowhere", "code": "1", "amount": "1250.50", "memo": "m"}]
    bench.shop.listed["bills"] = [
        bill("b-1"),
        bill("b-2", amount="1250.50", lines=lines),
        bill("b-3", "9.99", lines=[]),
    ]
    bench.run("bills")
    said: list[str] = []
    with running(office.app) as url, browser(said) as page:
        sign_in(page, url)
        page.goto(f"{url}/panel/c/acme")
        page.click("a:text-is('Pause or resume')")
        fits(page, "pause")
        page.click("a:text-is('Pause') >> nth=0")
        page.fill("#reason", "the books of February are being closed until Thursday")
        fits(page, "pause_confirm")
        page.click("button.main")
        fits(page, "paused")
        assert bench.send() is None
        page.click("nav a:text-is('Records')")
        page.select_option("#place", "shop_to_ledger/bills")
        page.click("button:text-is('Show')")
        for box in page.locator("input.tick").all():
            box.check()
        page.select_option("#action", "hold")
        fits(page, "ticked")
        page.click("button:text-is('Go on')")
        page.fill("#reason", "the auditor looks at them")
        fits(page, "choose")
        page.click("button.main")
        fits(page, "held")
        page.select_option("#action", "retry")
        page.click("button:text-is('or with all that fit the filter')")
        fits(page, "choose_some")
        page.click("a:text-is('Resume')")
        fits(page, "resume_confirm")
        page.click("button.main")
        assert page.locator(".flash").inner_text() == "The company is resumed."
    assert said == []
    with office.world.store.read() as tx:
        assert (stops.pauses(tx, COMPANY), len(stops.holds(tx, COMPANY, 10))) == ([], 3)


def test_both_sides_are_compared(books: Office) -> None:
    said: list[str] = []
    with running(books.app) as url, browser(said) as page:
        sign_in(page, url)
        page.goto(f"{url}/panel/c/acme")
        page.click("nav a:text-is('Reconcile')")
        fits(page, "reconcile_begin")
        page.fill("#from", "2026-02-01")
        page.fill("#to", "2026-03-31")
        page.click("button.main")
        fits(page, "reconcile_asked")
        answer(books, shown(books, "b-1", total=shown(books, "b-1").total - 10), shown(books, "b-2"))
        page.click("a:text-is('Look again')")
        fits(page, "reconcile_report")
        page.click("a:text-is('Accept the edit')")
        fits(page, "accept_confirm")
        page.fill("#reason", "a discount")
        page.click("button.main")
        assert page.locator(".flash").inner_text() == "It is accepted as it is."
    assert said == []
