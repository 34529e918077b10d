"""A real browser: an admin connects FreshBooks and QuickBooks, and lets somebody in, who sets up a second factor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.sandbox import FreshBooksSandbox
from connectors.freshbooks.simulator import app
from engine.access import totp
from engine.clock import SystemClock
from engine.desk import StoreOutbox
from engine.serving import running
from engine.store import work
from engine.testing import KEY, SeededIds
from engine.vault import Vault
from engine.world import World
from tests import stores
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.house import House, house
from tests.panel.kit import PASSWORD

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("no_chromium")]


@dataclass
class Street:
    """The panel and FreshBooks, each at an address of its own."""

    house: House
    url: str
    vendor: str
    sandbox: FreshBooksSandbox


@pytest.fixture
def street() -> Iterator[Street]:
    clock = SystemClock()
    sandbox = CONNECTOR.sandbox(5, clock, {"bills": 2, "expenses": 1})
    world = World(stores.empty(), Vault(KEY), clock, SeededIds(1))
    with ExitStack() as stack:
        made = stack.enter_context(house("freshbooks_to_ramp", "ramp_to_quickbooks", world=world))
        vendor = stack.enter_context(running(app(sandbox.simulator)))
        url = stack.enter_context(running(made.app))
        world_ = sandbox.simulator.world
        world_.options = replace(world_.options, redirect_uri=f"{url}/panel/oauth/callback")
        yield Street(made, url, vendor, sandbox)


def complaints(said: list[str], *meant: str) -> list[str]:
    """What the console complains of, without its advice to those who fill in passwords by themselves."""
    return [text for text in said if not text.startswith("[DOM]") and not any(word in text for word in meant)]


def test_freshbooks_is_connected_and_allowed(street: Street) -> None:
    said: list[str] = []
    _, secrets = street.sandbox.binding(street.vendor)
    with browser(said) as page:
        sign_in(page, street.url, "admin")
        page.click("main a:text-is('Acme Inc.')")
        page.click("nav a:text-is('Connections')")
        fits(page, "connections_none")
        page.click("main a:text-is('FreshBooks')")
        fits(page, "connection_none")
        page.click("main a:text-is('FreshBooks')")
        assert page.input_value("#s_redirect_uri") == ""
        page.fill("#s_redirect_uri", f"{street.url}/panel/oauth/callback")
        page.fill("#s_client_id", street.sandbox.simulator.world.options.client_id)
        page.fill("#s_client_secret", "wrong characters in it")
        page.click("main form summary")
        page.fill("#s_base_url", "http://169.254.169.254")
        page.fill("#s_auth_url", street.vendor)
        page.click("button.main")
        wrong = page.locator(".flash.bad").inner_text()
        assert "Base address must start with https:// unless it is a simulator on this machine" in wrong
        assert page.input_value("#s_client_secret") == ""
        fits(page, "connect_wrong")
        page.fill("#s_base_url", street.vendor)
        page.fill("#s_client_secret", secrets["client_secret"])
        page.click("button.main")
        fits(page, "connection_waits")
        page.click("a.button:text-is('Allow')")
        fits(page, "allow")
        page.click("button.main")
        fits(page, "allow_link")
        page.click("a:text-is('Go to FreshBooks')")
        page.wait_for_url("**/connections/freshbooks")
        account = street.sandbox.simulator.world.account_id
        assert (
            page.locator(".flash.good").inner_text() == f"FreshBooks allows it: account Sandbox Business ({account})."
        )
        page.click("button:text-is('Test')")
        assert page.locator(".flash.good").inner_text() == "The test found nothing wrong."
        fits(page, "connection")
        page.click("a:text-is('Replace') >> nth=0")
        fits(page, "secret")
        page.go_back()
        page.click("nav a:text-is('Connections')")
        fits(page, "connections")
        page.click("main a:text-is('FreshBooks')")
        page.click("a.button:text-is('Disconnect')")
        fits(page, "disconnect")
        page.click("button.main")
        assert page.locator(".flash.good").inner_text() == "FreshBooks is disconnected; its secrets are gone."
    assert complaints(said, "422") == []


def test_the_web_connector_is_set_up(street: Street) -> None:
    said: list[str] = []
    with browser(said) as page:
        sign_in(page, street.url, "admin")
        page.goto(f"{street.url}/panel/c/acme/connections/books")
        page.click("main a:has-text('Web Connector')")
        assert page.input_value("#s_app_url") == f"{street.url}/qbwc"
        page.fill("#s_app_url", "https://sync.acme.example/qbwc")
        fits(page, "qbwc_form")
        page.click("button.main")
        password = page.locator("code.once").inner_text()
        fits(page, "qbwc_password")
        page.click("a:text-is('Go on with the set-up')")
        fits(page, "qbwc_new")
        assert password not in page.content()
        with page.expect_download() as waiting:
            page.click("a:text-is('Download the .qwc file')")
        assert waiting.value.suggested_filename.endswith(".qwc")
        content = waiting.value.path().read_text()
        assert ("<UserName>flowctl-acme</UserName>" in content, password in content) == (True, False)
        outbox = StoreOutbox(street.house.world, street.house.programs)
        with outbox.transaction() as desk:
            detail = {"company_name": "Acme Inc.", "path": "C:\\Users\\Public\\Documents\\Intuit\\Acme 2026 Books.qbw"}
            desk.sessions.note("acme", "company_unconfirmed", "the company file waits", detail, alert=True)
        with street.house.world.store.write() as tx:
            work.refuse_sign_in(tx, "acme", "flowctl-acme", street.house.world.clock.now())
        page.reload()
        for summary in page.locator("main summary").all():
            summary.click()
        fits(page, "qbwc_asked")
        page.click("a:text-is('Confirm this file')")
        fits(page, "qbwc_confirm")
        page.click("button.main")
        assert page.locator(".flash.good").inner_text().startswith("The company file is confirmed.")
        fits(page, "qbwc")
        page.click("a:text-is('New password')")
        page.click("button.main")
        assert page.locator("code.once").inner_text() != password
    assert complaints(said) == []


def test_somebody_is_let_in_and_sets_up_a_second_factor(street: Street) -> None:
    said: list[str] = []
    with browser(said) as page:
        sign_in(page, street.url, "admin")
        page.click("nav a:text-is('Users')")
        fits(page, "users")
        page.fill("#user", "ana@acme.example")
        page.select_option("#role", "operator")
        page.click("button.main")
        once = page.locator("code.once").inner_text()
        fits(page, "user_added")
        page.click("a:text-is('Done')")
        page.click("main a:text-is('viewer')")
        fits(page, "user")
        page.click("a:text-is('Remove')")
        fits(page, "user_remove")
        page.click("button.main")
        assert page.locator(".flash.good").inner_text() == "viewer is removed."
        page.click("button:text-is('Sign out')")
        page.fill("#user", "ana@acme.example")
        page.fill("#password", once)
        page.click("button.main")
        page.wait_for_url("**/panel/password")
        page.fill("#now", once)
        page.fill("#new", PASSWORD)
        page.fill("#again", PASSWORD)
        page.click("button.main")
        page.wait_for_url("**/panel/companies")
        page.click(".who a")
        page.click("a:text-is('Second factor')")
        fits(page, "second_factor_none")
        page.fill("#password", PASSWORD)
        page.click("button.main")
        assert page.locator("img.qr").evaluate("image => image.naturalWidth > 100")
        fits(page, "second_factor")
        secret = totp.from_text(page.locator("code.once").inner_text().replace(" ", ""))
        now = SystemClock().now()
        page.fill("#code", totp.code(secret, totp.step_at(now) - 1))
        page.click("button.main")
        assert page.locator(".flash.good").inner_text().startswith("From now on, signing in takes a code")
        fits(page, "second_factor_on")
        page.click("button:text-is('Sign out')")
        page.fill("#user", "ana@acme.example")
        page.fill("#password", PASSWORD)
        page.click("button.main")
        page.wait_for_url("**/sign-in/code")
        page.fill("#code", totp.code(secret, totp.step_at(now)))
        page.click("button.main")
        page.wait_for_url("**/panel/companies")
        assert page.locator("nav a:text-is('Users')").count() == 0
    assert complaints(said) == []
