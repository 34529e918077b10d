"""A real browser: signs in, filters, opens a record, leaves one out; nothing overflows, and no console complains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.serving import running
from tests.engine.kit import bill
from tests.panel.chromium import browser, fits
from tests.panel.kit import PASSWORD, Office

pytestmark = pytest.mark.acceptance


def fill(office: Office) -> None:
    """Bills in all the states that a bookkeeper meets."""
    bench = office.bench
    lines = [{"account": "Client Gifts & Entertainment <Q3>", "code": "1", "amount": "1250.50", "memo": "m"}]
    waits = [bill(f"w-{n}", amount="1250.50", lines=lines) for n in range(3)]
    long = bill("l-1", number="A-REFERENCE-OF-20-CH", vendor={"id": "v-1", "name": "W" * 90}, lines=[])
    bench.shop.listed["bills"] = (
        [bill(f"b-{n}", f"{n * 1234 + 1}.05") for n in range(6)] + waits + [long, bill("x-1", lines=[])]
    )
    bench.run("bills")
    bench.post_all()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_chromium")
def test_a_bookkeepers_morning(office: Office, scheme: str) -> None:
    fill(office)
    said: list[str] = []
    with running(office.app) as url, browser(said, scheme=scheme) as page:
        page.goto(f"{url}/panel/")
        fits(page, f"{scheme}_sign_in")
        page.fill("#user", "operator")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/panel/companies")
        fits(page, f"{scheme}_companies")
        page.click("main a:text-is('Acme')")
        fits(page, f"{scheme}_company")
        page.click("nav a:text-is('Records')")
        fits(page, f"{scheme}_records")
        page.select_option("#state", "deferred")
        page.fill("#least", "1,000")
        page.click("button:text-is('Show')")
        assert page.locator("tbody tr").count() == 3
        fits(page, f"{scheme}_filtered")
        page.click("tbody a >> nth=0")
        assert page.locator("h1").inner_text() == "N-w-2"
        paper = page.locator("details.paper").first
        assert not paper.locator("pre").is_visible()
        paper.locator("summary").click()
        assert '"id": "w-2"' in paper.locator("pre").inner_text()
        fits(page, f"{scheme}_record")
        page.click("a:text-is('Leave out')")
        page.fill("#reason", "entered by hand")
        fits(page, f"{scheme}_confirm")
        page.click("button.main")
        assert page.locator(".flash").inner_text() == "It is left out."
        page.click("nav a:text-is('Alerts')")
        fits(page, f"{scheme}_alerts")
        page.goto(f"{url}/panel/c/acme/records/{office.bench.record('b-1')['id']}")
        fits(page, f"{scheme}_posted")
        page.click("button:text-is('Sign out')")
        page.wait_for_url("**/panel/sign-in")
    assert said == []
    assert office.bench.record("w-2")["state"] == "skipped"


@pytest.mark.usefixtures("no_chromium")
def test_the_keyboard_reaches_everything_and_shows_where_it_is(office: Office) -> None:
    fill(office)
    said: list[str] = []
    with running(office.app) as url, browser(said) as page:
        page.goto(f"{url}/panel/sign-in")
        page.fill("#user", "operator")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/panel/companies")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        page.keyboard.press("Enter")
        # The address of a jump within the page is told a moment after the key.
        page.wait_for_url("**#main")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Acme"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px"
    assert said == []


# --- colours


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_is_readable(scheme: int) -> None:
    """WCAG 2.2 asks for 4.5 to 1; both colour schemes give it, on every ground that a text stands on."""
    style = (Path(__file__).parents[2] / "engine/panel/static/panel.css").read_text(encoding="utf-8")
    block = style.split(":root {")[scheme + 1].partition("}")[0]
    colours: dict[str, str] = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("page", "paper")]
    pairs += [(name, f"{name}-soft") for name in ("good", "warn", "bad", "calm", "mute")]
    pairs += [("ink", f"{name}-soft") for name in ("good", "warn", "bad", "accent")]
    pairs += [("accent-ink", "accent"), ("soft", "warn-soft")]
    found = {pair: round(_contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}
