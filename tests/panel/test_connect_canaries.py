"""Secrets that are typed into the panel come out nowhere: no page, header, flash, journal line, log, or byte of the store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from connectors._simulated import transport
from engine import registry
from engine.testing import KEY, FakeClock, SeededIds
from engine.vault import Vault
from engine.world import World
from tests import stores
from tests.acceptance.canary_kit import Canaries, Hostile
from tests.panel.house import House, house
from tests.panel.kit import HOST, Browser

CONNECTED = {
    "ramp": ("ramp", {}),
    "freshbooks": ("freshbooks", {"client_id": "app", "redirect_uri": f"http://{HOST}/panel/oauth/callback"}),
    "bill": ("bill", {"username": "ana@acme.example", "organization_id": "00801"}),
    "expensify": ("expensify", {"partner_user_id": "aa_acme"}),
    "books": ("qbwc", {"user": "acme-wc", "app_url": "https://sync.acme.example/qbwc"}),
}
FLOWS = ("ramp_to_quickbooks", "freshbooks_to_ramp", "bill_to_quickbooks", "expensify_to_quickbooks")
# How the vendor fails: with each it repeats what it was told, somewhere.
MODES = ("401", "garbage", "redirect", "tokens")
# Those that show a new secret are to show it, once.
_ONCE = re.compile(r'<code class="once">[^<]*</code>')


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def hostile(canaries: Canaries) -> Hostile:
    return Hostile(canaries)


@pytest.fixture
def home(tmp_path: Path, hostile: Hostile) -> Iterator[House]:
    transports = {name: transport(hostile.handle) for name in CONNECTED}
    world = World(stores.opened(tmp_path), Vault(KEY), FakeClock(), SeededIds(1), transports)
    with house(*FLOWS, world=world) as made:
        yield made


def watched(browser: Browser, canaries: Canaries) -> Browser:
    """Everything that the browser is sent came out, but what a page shows once on purpose."""
    ask = browser.ask

    def seen(*args: Any, **more: Any) -> httpx.Response:
        answer = ask(*args, **more)
        canaries.saw(f"page {args[1]}", _ONCE.sub("", answer.text))
        canaries.saw(f"headers {args[1]}", str(dict(answer.headers)))
        return answer

    browser.ask = seen  # type: ignore[method-assign]
    return browser


def typed(canaries: Canaries, connector: str, settings: dict[str, str]) -> dict[str, str]:
    """A form with a canary in each of its secrets."""
    found = registry.find(connector)
    assert found is not None
    secrets = {f"s_{f.name}": canaries.new(f"{connector} {f.name}") for f in found.spec.settings if f.secret}
    return {"connector": connector, **{f"s_{name}": value for name, value in settings.items()}, **secrets}


def pages(admin: Browser, role: str) -> None:
    here = f"/c/acme/connections/{role}"
    for path in (here, f"{here}/settings", "/c/acme/connections", "/c/acme", f"{here}/allow", f"{here}/disconnect"):
        admin.get(path)


@pytest.mark.parametrize("role", CONNECTED)
def test_no_secret_comes_out(
    home: House, hostile: Hostile, canaries: Canaries, role: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    admin, (connector, settings) = watched(home.as_("admin"), canaries), CONNECTED[role]
    here, form = f"/c/acme/connections/{role}", typed(canaries, connector, settings)
    # What does not fit, what fails when it is tried, and what is kept at last.
    admin.post(f"{here}/settings", {**form, "s_page_size": "many", "s_run_every_min": "many", "s_export_limit": "many"})
    admin.post(f"{here}/settings", {**form, "s_base_url": f"https://evil.example/{canaries.new('a path')[:4]}"})
    for mode in MODES:
        hostile.mode = mode
        admin.post(f"{here}/settings", form)
    admin.post(f"{here}/settings", {**form, "untried": "yes"})
    pages(admin, role)
    for mode in MODES:
        hostile.mode = mode
        home.world.clock.sleep(7200)
        admin.cookies.update(home.as_("admin").cookies)
        admin.get(here)
        admin.post(f"{here}/test")
        pages(admin, role)
        answer = admin.post(f"{here}/allow")
        found = re.findall(r'rel="noreferrer" href="([^"]+)"', answer.text)
        if found:
            state = dict(parse_qsl(urlsplit(found[0].replace("&amp;", "&")).query))["state"]
            query = urlencode({"code": canaries.new(f"code in {mode}"), "state": state})
            admin.ask("GET", admin.get(f"/oauth/callback?{query}").headers["location"])
    for field in [name.removeprefix("s_") for name in form if name.startswith("s_")]:
        admin.get(f"{here}/secret/{field}")
        admin.post(f"{here}/secret/{field}", {"secret": canaries.new(f"new {field}")})
        admin.post(f"{here}/secret/{field}", {"secret": f"{canaries.new(f'odd {field}')}\n\x00x"})
        pages(admin, role)
    home.world.store.close()
    canaries.files(tmp_path)
    said = capfd.readouterr()
    canaries.saw("log", said.out + said.err)
    assert canaries.found() == []
    assert hostile.calls > 0 or connector == "qbwc"


def test_the_watch_finds_what_comes_out(home: House, canaries: Canaries) -> None:
    admin = watched(home.as_("admin"), canaries)
    admin.get(f"/c/acme/records?text={canaries.new('typed')}")
    assert [hit.partition(" in page")[0] for hit in canaries.found()] == ["typed"]
