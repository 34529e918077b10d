"""A real browser looks at runs and flows: nothing overflows, no console complains."""

from __future__ import annotations

import pytest

from engine.contract import Json
from engine.errors import AuthRefused
from engine.serving import running
from tests.engine.kit import bill
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.kit import Office

pytestmark = pytest.mark.acceptance


def fill(office: Office) -> None:
    """Forty days of bills: many, few, waiting and failed ones, and a run that met trouble."""
    bench = office.bench
    office.clock.sleep(-40 * 86400)
    lines = [{"account": "Client Gifts <Q3>", "code": "1", "amount": "1250.50", "memo": "m"}]
    for day in range(40):
        if day % 7 < 5:
            few: list[Json] = [bill(f"d{day}-{n}") for n in range(1 + (day * 5) % 9)]
            few += [bill(f"w{day}", amount="1250.50", lines=lines)] if day % 6 == 0 else []
            few += [bill(f"x{day}", lines=[])] if day % 11 == 0 else []
            bench.shop.listed["bills"] = few
            bench.run("bills")
            office.clock.sleep(60 + 700 * (day % 4))
            bench.post_all()
        office.clock.sleep(86400)
    bench.shop.faults = [AuthRefused("the key is no longer good", hint="run `flowctl connect shop`")]
    bench.runner.run(bench.program, "acme", streams=["bills"])
    office.clock.sleep(120)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_chromium")
def test_runs_are_looked_at(office: Office, scheme: str) -> None:
    fill(office)
    said: list[str] = []
    with running(office.app) as url, browser(said, scheme=scheme) as page:
        sign_in(page, url)
        page.goto(f"{url}/panel/c/acme/runs")
        fits(page, f"{scheme}_runs")
        assert page.locator("svg[role=img]").count() == 6
        page.click("main details summary >> nth=0")
        assert page.locator("figure table").first.is_visible()
        fits(page, f"{scheme}_runs_figures")
        page.click("a:text-is('By week')")
        page.wait_for_url("**by=week")
        page.click("tbody th a >> nth=0")
        assert page.locator("h1").inner_text().startswith("Run ")
        fits(page, f"{scheme}_run")
        page.click("nav a:text-is('Flows')")
        fits(page, f"{scheme}_flows")
        page.click("tbody th a >> nth=0")
        fits(page, f"{scheme}_flow")
        page.click(".stream h3 a >> nth=1")
        assert page.evaluate("document.querySelector('.line:target').textContent").startswith("  bills:")
    assert said == []
