"""Every page, filled with hostile words: nothing runs, nothing overflows, nobody is shut out, and no console complains."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from engine.contract import ListObject
from engine.panel.pages import PAGES
from engine.serving import running
from engine.store import lists, work
from engine.store.hooks import Endpoint
from engine.webhooks.hookintake import Call, Intake
from tests.engine.kit import ACCOUNTS, COMPANY, FLOW, bill
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.kit import Office, filled
from tests.reference import ROOT

AXE = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = (
    "<script>canary()</script>",
    '"><img src=x onerror=canary()>',
    "'><svg/onload=canary()>",
    "javascript:canary()",
    "</textarea></title></style><script>canary()</script>",
    "{{ 7 * 7 }}{% raw %}${canary()}",
    "\u202egnp.exe <b>bold</b> \x00\x1b[31m",
    "W" * 80,
)
# Pages that show what an address asks for behind its question mark.
_ASKED = urlencode({"flow": FLOW, "lookup": "account", "key": HOSTILE[1]})
MORE = (
    f"/c/{COMPANY}/to-map/choose?{_ASKED}&{urlencode({'text': HOSTILE[1]})}",
    f"/c/{COMPANY}/to-map/leave-out?{_ASKED}",
    f"/c/{COMPANY}/mappings/{FLOW}/account/row?{urlencode({'key': HOSTILE[4]})}",
    f"/c/{COMPANY}/mappings/{FLOW}/account/remove?{urlencode({'key': HOSTILE[4]})}",
)
# Pages that are seen before, or without, a sign-in.
_BEFORE = {"/sign-in", "/sign-in/code"}


def places() -> list[str]:
    """The addresses of all pages that can be looked at."""
    shown = [page for page in PAGES if page.method == "GET" and page.path not in ("/", *_BEFORE)]
    return [*(filled(page.path) for page in shown), *MORE]


@pytest.fixture
def hostile(office: Office) -> Office:
    """A company whose vendors, bills and alerts are called as an attacker would call them."""
    bench = office.bench
    # Names with characters that nobody sees would be refused by QuickBooks, and its lists have none.
    named = [ListObject(f"A-{n}", text.replace("\x00", ""), n % 2 == 0) for n, text in enumerate(HOSTILE) if n != 1]
    bench.read_lists(accounts=[*ACCOUNTS, *named])
    lines = [{"account": HOSTILE[1], "code": HOSTILE[0], "amount": "1250.50", "memo": HOSTILE[4]}]
    bench.shop.listed["bills"] = [
        bill("b-0", number="N-1", vendor={"id": "v-0", "name": HOSTILE[7]}, lines=[]),
        *(
            bill(f"{text}-{n}", "12.50", number=text[:20], vendor={"id": f"v-{n}", "name": text}, lines=lines)
            for n, text in enumerate(HOSTILE, 1)
        ),
        bill("b-9"),
    ]
    bench.run("bills")
    bench.post_all()
    intake = Intake(office.world, {FLOW: bench.program})
    for text in HOSTILE:
        body = json.dumps({"id": text, "type": text, "object": text, "memo": list(HOSTILE)}).encode()
        intake.take([Call(Endpoint(COMPANY, "shop"), {"x-signature": "hush"}, body)])
    with office.world.store.write() as tx:
        for number, text in enumerate(HOSTILE):
            work.raise_alert(tx, COMPANY, work.Alert(f"kind{number}", text, text, text), office.world.at())
            row = lists.Mapping(FLOW, "account", text, text, "", text)
            lists.put_mapping(tx, COMPANY, row, text, office.world.at())
        tx.run("company_insert", {"company": "hostile", "title": HOSTILE[0], "at": office.world.at()})
    assert bench.record("b-0")["id"] == 1
    return office


class Looked(HTMLParser):
    """Collects what could run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script" and not str(given.get("src", "")).startswith("/panel/static/"):
            self.found.append(f"<{tag}>")
        if tag in ("iframe", "object", "embed", "base"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.found.append(f"<{tag} {name}>")
            plain = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name in ("href", "src", "action", "formaction", "data") and re.match(
                r"(javascript|vbscript|data):", plain
            ):
                self.found.append(f"<{tag} {name}={value}>")
            if name in ("src", "data") and not plain.startswith("/panel/"):
                self.found.append(f"<{tag} {name}={value}>")


@pytest.mark.parametrize("place", places())
def test_nothing_of_a_vendors_words_runs(hostile: Office, place: str) -> None:
    answer = hostile.as_("admin").get(place)
    assert answer.status_code in (200, 303), answer.text
    if "html" in answer.headers.get("content-type", ""):
        looked = Looked()
        looked.feed(answer.text)
        assert looked.found == []


@pytest.mark.acceptance
@pytest.mark.usefixtures("no_chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_whole_and_open_to_all(hostile: Office, scheme: str) -> None:
    """axe-core finds nothing serious, no page is wider than its window, and nothing of the hostile words has run."""
    said: list[str] = []
    found: dict[str, list[str]] = {}
    with running(hostile.app) as url, browser(said, scheme=scheme) as page:
        page.goto(f"{url}/panel/sign-in")
        found["/sign-in"] = _serious(page)
        sign_in(page, url, "admin")
        for place in places():
            answer = page.request.get(f"{url}/panel{place}", max_redirects=0)
            if "html" not in answer.headers.get("content-type", ""):
                continue  # a file to save
            page.goto(f"{url}/panel{place}")
            fits(page, f"every_{scheme}{re.sub('[^a-z0-9]+', '_', place)}")
            if serious := _serious(page):
                found[place] = serious
            assert page.evaluate("typeof canary") == "undefined", place
    assert {place: items for place, items in found.items() if items} == {}
    assert said == []
    if not AXE.is_file():
        pytest.skip("all but accessibility was looked at: axe-core is not installed (`make browser`)")


def _serious(page: object) -> list[str]:
    """What axe-core holds for serious or critical on the page: rule, and where."""
    if not AXE.is_file():
        return []
    evaluate = page.evaluate  # type: ignore[attr-defined]  # a page of Playwright
    evaluate(AXE.read_text(encoding="utf-8"))
    result = evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']}: {node['target']}: {node['failureSummary']}"
        for item in result["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"][:3]
    ]
