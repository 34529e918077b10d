"""A real browser for tests of the panel: Debian's Chromium, headless, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.panel.kit import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
# Chromium takes a form with two secrets for two sign-ins; it is advice about passwords, and these are none.
_GUESS = "[DOM] Multiple forms should be contained in their own form elements"
WIDTHS = (1280, 390, 360)


def problem() -> str:
    """Why nothing can be shown here; empty when it can."""
    if CHROMIUM is None:
        return "there is no Chromium here: install it as the package `chromium`"
    try:
        import playwright.sync_api  # noqa: F401 - whether it is there
    except ImportError:
        return "playwright is not installed: `pip install playwright`"
    return ""


@contextmanager
def browser(said: list[str], *, scheme: str = "light") -> Iterator[Page]:
    """A page of a headless browser; `said` are the complaints of its console."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container, or root, does not have; it shows our own pages only.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type] # a literal
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: None if message.text.startswith(_GUESS) else said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        chromium.close()


def shot(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look: FLOWCTL_SCREENSHOTS names the folder."""
    folder = os.environ.get("FLOWCTL_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def fits(page: Page, name: str) -> None:
    """Nothing is wider than the window, on the desk as on a phone."""
    # Right after a click the next page may have begun and hold nothing yet.
    page.wait_for_load_state("load")
    page.wait_for_function("document.documentElement !== null")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{name} is {over} px too wide at {width} px"
        shot(page, f"{name}_{width}")
    page.set_viewport_size({"width": 1280, "height": 900})


def sign_in(page: Page, url: str, user: str = "operator") -> None:
    """Sign in as a person does, and stand before the list of companies."""
    page.goto(f"{url}/panel/sign-in")
    page.fill("#user", user)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/panel/companies")
