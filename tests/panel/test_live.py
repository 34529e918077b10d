"""A page that stays open shows what is new by itself, and lets nobody lose their place or stay signed in for ever."""

from __future__ import annotations

import pytest

from engine.serving import running
from engine.store import users
from tests.engine.kit import bill
from tests.panel.chromium import browser, sign_in
from tests.panel.kit import HERE, Office

HALF_A_MINUTE = 31_000


@pytest.mark.acceptance
@pytest.mark.usefixtures("no_chromium")
def test_what_is_new_appears(office: Office) -> None:
    said: list[str] = []
    office.bench.shop.listed["bills"] = [bill("b-1", lines=[])]
    office.bench.run("bills")
    with running(office.app) as url, browser(said) as page:
        page.clock.install(time="2026-03-02T14:00:00")
        sign_in(page, url, "viewer")
        page.goto(f"{url}/panel/c/acme")
        page.clock.pause_at("2026-03-02T20:00:00")  # however slow the machine is, time goes on only when it is told to
        failed = page.locator(".tiles div", has_text="Failed").locator("dd").first
        assert failed.inner_text() == "1"
        office.bench.shop.listed["bills"] = [bill("b-1", lines=[]), bill("b-2", lines=[])]
        office.bench.run("bills")
        # Somebody is about to use the page: it stays as it is.
        page.locator("#live a").first.focus()
        with pytest.raises(Exception, match="Timeout"), page.expect_response("**/panel/c/acme", timeout=1000):
            page.clock.run_for(HALF_A_MINUTE)
        assert failed.inner_text() == "1"
        page.evaluate("document.activeElement.blur()")
        with page.expect_response("**/panel/c/acme"):
            page.clock.run_for(HALF_A_MINUTE)
        page.locator(".tiles a", has_text="2").first.wait_for()
        assert failed.inner_text() == "2"
        with office.world.store.write() as tx:
            tx.run("user_sessions_end", {"user_name": "viewer"})
        page.clock.run_for(HALF_A_MINUTE)
        page.wait_for_url("**/panel/sign-in**")
    assert said == []


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(office: Office) -> None:
    viewer = office.as_("viewer")

    def is_signed_in() -> bool:
        (cookie,) = viewer.cookies.values()
        with office.world.store.read() as tx:
            return users.session(tx, cookie, office.clock.now()) is not None

    for _ in range(4):  # longer together than anybody may be away
        office.clock.advance("+20m")
        viewer.ask("GET", "/panel/c/acme", headers={**HERE, "x-flowctl-poll": "1"})
    assert not is_signed_in()


def test_whoever_is_at_work_stays_signed_in(office: Office) -> None:
    viewer = office.as_("viewer")
    for _ in range(20):
        office.clock.advance("+20m")
        assert viewer.get("/c/acme").status_code == 200
