"""On a phone: the head of a page is low, all that leads elsewhere is behind one button, and the page Reconcile fits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.registry import registered
from engine.serving import running
from tests.engine.kit import bill
from tests.panel.chromium import browser, fits, shot, sign_in
from tests.panel.kit import Office
from tests.panel.test_reconcile_page import Counting, compared, shown

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_chromium")
def test_the_head_is_low_and_leads_everywhere(office: Office, scheme: str) -> None:
    said: list[str] = []
    with registered({"ledger": Counting()}):
        bench = office.bench
        bench.read_lists()
        waits = bill("b-4", lines=[{"account": "Nowhere", "amount": "1.00"}])
        card = bill("7ae21ffc-f34f-436e-928d-bd4947ad5385", number=None)
        bench.shop.listed["bills"] = [bill("b-1", "1234.50"), bill("b-2"), card, waits]
        bench.run("bills")
        bench.post_all()
        compared(office, shown(office, "b-1", total=Decimal(90)), shown(office, "b-2"))
    with (
        registered({"ledger": Counting()}),
        running(office.app) as url,
        browser(said, scheme=scheme) as page,
    ):
        sign_in(page, url)
        page.set_viewport_size({"width": 360, "height": 800})
        for place in ("companies", "c/acme", "c/acme/reconcile"):
            page.goto(f"{url}/panel/{place}")
            assert page.locator("header").bounding_box()["height"] < 120, place  # type: ignore[index]
        page.click("summary:has-text('Menu')")
        shot(page, f"{scheme}_menu_360")
        page.click(".fold a:text-is('Journal')")
        page.wait_for_url("**/audit")
        for place in ("reconcile?all=yes", "records", "audit", "alerts", ""):
            page.goto(f"{url}/panel/c/acme/{place}".rstrip("/"))
            fits(page, f"phone_{scheme}_{place.partition('?')[0] or 'company'}")
        page.goto(f"{url}/panel/c/acme/records/3")
        fits(page, f"phone_{scheme}_record")
        page.click("button:text-is('Sign out') >> visible=true")
        page.wait_for_url("**/panel/sign-in")
    assert said == []
