"""Whatever stands in an address or a form, a page answers, and never with a fault of ours."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from engine.panel.forms import MOST_FIELDS
from engine.panel.pages import PAGES
from tests.engine.kit import COMPANY, FLOW, bill
from tests.panel.kit import HERE, Office, signed_as
from tests.reference import ROOT

# What stands in the place of an address's parts, and what a form would say, so that a page gets to its work.
PARTS = {
    "company": COMPANY,
    "flow": FLOW,
    "lookup": "account",
    "connection": "shop",
    "user": "viewer",
    "action": "retry",
}
PLAIN = {
    "flow": FLOW,
    "lookup": "account",
    "key": "k",
    "target": "Rent",
    "reason": "why",
    "action": "retry",
    "which": "all",
}
# Fields that no form of a page shows, since they stand in its address, or come with a step before.
HIDDEN = (
    "behind",
    "after",
    "page",
    "show",
    "by",
    "report",
    "run",
    "watch",
    "marks",
    "seen",
    "packed",
    "digest",
    "state",
    "next",
)
# Every field of every form; those of records and rules have names of their own.
FORMS = ROOT / "engine" / "panel" / "templates"
NAMES = {
    name for path in FORMS.glob("*.html") for name in re.findall(r'name="(\w+)"', path.read_text(encoding="utf-8"))
}
ODD = ("\x00 NaN", "\ud800", "9" * 5000, "9999-12-31", "http://[{0.__class__}" + "W" * 700)


def address(path: str, odd: str | None = None) -> str:
    """A page's address; with an odd value, that stands for every part but the company."""
    encoded = quote((odd or "1").encode("utf-8", "surrogatepass")[:2000], safe="")
    return re.sub(
        r"\{(\w+)\}",
        lambda part: PARTS[part[1]] if part[1] in PARTS and (odd is None or part[1] == "company") else encoded,
        path,
    )


def encoded(fields: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(text.encode('utf-8', 'surrogatepass'), safe='')}" for name, text in fields.items())


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_page_breaks(office: Office, odd: str) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", lines=[])]
    office.bench.run("bills")
    broken = []
    for page in PAGES:
        if page.path == "/sign-out":
            continue
        browser = signed_as(office.browser(), office.world, "admin")
        browser.get(address(page.path))
        names = {*NAMES, *HIDDEN} - {"csrf"}
        assert len(names) < MOST_FIELDS
        # All at once, and one that pages look at first, with the others as they should be.
        whole, one = dict.fromkeys(names, odd), {**PLAIN, **browser.hidden, "target": odd}
        for place, given in ((address(page.path), whole), (address(page.path), one), (address(page.path, odd), one)):
            if page.method == "GET":
                answer = browser.ask("GET", f"/panel{place}?{encoded(given)}"[:60_000])
            else:
                head = {"content-type": "application/x-www-form-urlencoded", **HERE}
                body = encoded({**given, "csrf": browser.token}).encode()
                answer = browser.ask("POST", f"/panel{place}", body, head)
            if answer.status_code >= 500:
                broken.append((page.method, page.path, answer.status_code))
    assert broken == []
