"""What stands before every page: where a form came from, who may see what, headers, caps, and pages for errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from engine.access import signin
from engine.errors import StoreBusy
from engine.panel import app as module
from engine.panel import forms, web
from engine.panel.app import HEADERS, Panel
from engine.panel.pages import PAGES
from engine.panel.web import Page
from engine.server import Server
from engine.store import records, work
from tests.engine.kit import FLOW, bill, connected
from tests.panel import kit
from tests.panel.kit import HERE, HOST, Browser, Office, filled, text_of

# Every page, and who may see it; a page that is missing here fails the test below.
ROUTES = {
    ("GET", "/sign-in"): "nobody",
    ("POST", "/sign-in"): "nobody",
    ("GET", "/sign-in/code"): "viewer",
    ("POST", "/sign-in/code"): "viewer",
    ("POST", "/sign-out"): "viewer",
    ("GET", "/password"): "viewer",
    ("POST", "/password"): "viewer",
    ("GET", "/"): "viewer",
    ("GET", "/companies"): "viewer",
    ("GET", "/c/{company}"): "viewer",
    ("GET", "/c/{company}/records"): "viewer",
    ("GET", "/c/{company}/records/{record}"): "viewer",
    ("GET", "/c/{company}/records/{record}/{action}"): "operator",
    ("POST", "/c/{company}/records/{record}/{action}"): "operator",
    ("GET", "/c/{company}/to-map"): "viewer",
    ("POST", "/c/{company}/to-map"): "operator",
    ("GET", "/c/{company}/to-map/choose"): "viewer",
    ("GET", "/c/{company}/to-map/leave-out"): "operator",
    ("POST", "/c/{company}/to-map/leave-out"): "operator",
    ("GET", "/c/{company}/mappings"): "viewer",
    ("GET", "/c/{company}/mappings/{flow}/{lookup}"): "viewer",
    ("GET", "/c/{company}/mappings/{flow}/{lookup}/row"): "operator",
    ("POST", "/c/{company}/mappings/{flow}/{lookup}/row"): "operator",
    ("GET", "/c/{company}/mappings/{flow}/{lookup}/remove"): "operator",
    ("POST", "/c/{company}/mappings/{flow}/{lookup}/remove"): "operator",
    ("GET", "/c/{company}/mappings/{flow}/{lookup}/export"): "viewer",
    ("GET", "/c/{company}/mappings/{flow}/{lookup}/import"): "operator",
    ("POST", "/c/{company}/mappings/{flow}/{lookup}/import"): "operator",
    ("POST", "/c/{company}/mappings/{flow}/{lookup}/import/keep"): "operator",
    ("GET", "/c/{company}/records/choose"): "operator",
    ("POST", "/c/{company}/records/choose"): "operator",
    ("GET", "/c/{company}/pause"): "operator",
    ("GET", "/c/{company}/pause/{what}"): "operator",
    ("POST", "/c/{company}/pause/{what}"): "operator",
    ("GET", "/c/{company}/reconcile"): "viewer",
    ("POST", "/c/{company}/reconcile"): "operator",
    ("GET", "/c/{company}/reconcile/{report}/file"): "viewer",
    ("POST", "/c/{company}/reconcile/{report}/anew"): "operator",
    ("GET", "/c/{company}/alerts"): "viewer",
    ("GET", "/c/{company}/webhooks"): "viewer",
    ("GET", "/c/{company}/webhooks/{webhook}"): "viewer",
    ("POST", "/c/{company}/webhooks/{webhook}/replay"): "operator",
    ("POST", "/c/{company}/webhooks/of/{connection}/ask"): "operator",
    ("POST", "/c/{company}/webhooks/of/{connection}/retire"): "admin",
    ("GET", "/alerts"): "viewer",
    ("GET", "/settings"): "admin",
    ("POST", "/settings"): "admin",
    **{
        (method, base + path): role
        for base in ("/alerts", "/c/{company}/alerts")
        for method, path, role in (
            ("POST", "/notice/{notice}/mute", "operator"),
            ("POST", "/notice/{notice}/unmute", "operator"),
            ("GET", "/settings", "operator"),
            ("POST", "/settings/rule", "admin"),
            ("POST", "/settings/channel", "admin"),
            ("POST", "/settings/channel/{channel}", "admin"),
            ("POST", "/settings/channel/{channel}/remove", "admin"),
            ("POST", "/settings/channel/{channel}/test", "operator"),
            ("POST", "/settings/channel/{channel}/mute", "operator"),
            ("POST", "/settings/channel/{channel}/unmute", "operator"),
        )
    },
    ("GET", "/c/{company}/runs"): "viewer",
    ("GET", "/c/{company}/runs/{run}"): "viewer",
    ("GET", "/c/{company}/flows"): "viewer",
    ("GET", "/c/{company}/flows/{flow}"): "viewer",
    ("GET", "/c/{company}/flows/{flow}/settings/{setting}"): "admin",
    ("POST", "/c/{company}/flows/{flow}/settings/{setting}"): "admin",
    ("GET", "/c/{company}/flows/{flow}/switch"): "operator",
    ("POST", "/c/{company}/flows/{flow}/switch"): "operator",
    ("GET", "/c/{company}/flows/{flow}/streams/{stream}/read-again"): "admin",
    ("POST", "/c/{company}/flows/{flow}/streams/{stream}/read-again"): "admin",
    ("GET", "/c/{company}/audit"): "viewer",
    ("GET", "/c/{company}/audit/export"): "viewer",
    ("POST", "/c/{company}/audit/verify"): "viewer",
    ("GET", "/c/{company}/connections"): "viewer",
    ("GET", "/c/{company}/connections/{connection}"): "viewer",
    ("POST", "/c/{company}/connections/{connection}/test"): "operator",
    ("GET", "/c/{company}/connections/{connection}/settings"): "admin",
    ("POST", "/c/{company}/connections/{connection}/settings"): "admin",
    ("GET", "/c/{company}/connections/{connection}/secret/{secret}"): "admin",
    ("POST", "/c/{company}/connections/{connection}/secret/{secret}"): "admin",
    ("POST", "/c/{company}/connections/{connection}/secret/{secret}/end"): "admin",
    ("GET", "/c/{company}/connections/{connection}/disconnect"): "admin",
    ("POST", "/c/{company}/connections/{connection}/disconnect"): "admin",
    ("GET", "/c/{company}/connections/{connection}/allow"): "admin",
    ("POST", "/c/{company}/connections/{connection}/allow"): "admin",
    ("POST", "/c/{company}/connections/{connection}/allow/answer"): "admin",
    ("GET", "/oauth/callback"): "nobody",
    ("GET", "/second-factor"): "viewer",
    ("POST", "/second-factor"): "viewer",
    ("POST", "/second-factor/code"): "viewer",
    ("POST", "/second-factor/remove"): "viewer",
    ("GET", "/users"): "admin",
    ("POST", "/users"): "admin",
    ("GET", "/users/{user}"): "admin",
    ("POST", "/users/{user}/role"): "admin",
    ("POST", "/users/{user}/password"): "admin",
    ("POST", "/users/{user}/sign-out"): "admin",
    ("POST", "/users/{user}/second-factor"): "admin",
    ("GET", "/users/{user}/remove"): "admin",
    ("POST", "/users/{user}/remove"): "admin",
    ("GET", "/c/{company}/connections/web-connector"): "viewer",
    ("GET", "/c/{company}/connections/web-connector/file"): "operator",
    ("GET", "/c/{company}/connections/web-connector/password"): "admin",
    ("POST", "/c/{company}/connections/web-connector/password"): "admin",
    ("GET", "/c/{company}/connections/web-connector/company-file/{decision}"): "admin",
    ("POST", "/c/{company}/connections/web-connector/company-file/{decision}"): "admin",
}
# The one script of the pages.
OWN = "/panel/static/live.js?"
OWN_SCRIPT = re.compile(rf'<script src="{re.escape(OWN)}[0-9a-f]+" defer></script>')
ORDER = ("nobody", "viewer", "operator", "admin")
POSTS = [path for method, path in ROUTES if method == "POST"]


@pytest.fixture
def failed(office: Office) -> Office:
    """A record that was refused: number 1."""
    office.bench.shop.listed["bills"] = [bill("b-1", number="N-1", lines=[])]
    office.bench.run("bills")
    assert office.bench.record("b-1")["state"] == "failed"
    server = Server(office.world, {FLOW: office.bench.program}, office.bench.outbox)
    body = b'{"id": "e-1", "type": "bill.ready", "object": "b-1"}'
    assert server.take_event("acme", "shop", {"x-signature": "hush"}, body).status == 200
    return office


def test_every_page_is_in_the_table() -> None:
    found = {(page.method, page.path): "nobody" if page.is_open else page.role for page in PAGES}
    assert found == ROUTES


@pytest.mark.parametrize("role", ORDER)
def test_who_may_see_what(failed: Office, role: Any) -> None:
    for (method, path), least in ROUTES.items():
        browser = failed.browser() if role == "nobody" else failed.as_(role)
        where = filled(path)
        answer = browser.get(where) if method == "GET" else browser.post(where)
        allowed = ORDER.index(role) >= ORDER.index(least)
        place = f"{role} {method} {path}: {answer.status_code}"
        if role == "nobody" and not allowed:
            assert answer.status_code == 303, place
            assert answer.headers["location"].startswith("/panel/sign-in"), place
        elif not allowed:
            assert answer.status_code == 403, place
            assert text_of(answer) == (
                "Not allowed\nYour role does not include that.\n"
                f"ask somebody who may: it takes the role {least}\nCompanies"
            ), place
        else:
            assert answer.status_code in (200, 303, 422), place


def test_a_refused_action_changes_nothing(failed: Office) -> None:
    browser = failed.as_("viewer")
    assert browser.post("/c/acme/records/1/retry").status_code == 403
    assert "Try again" not in browser.get("/c/acme/records/1").text
    assert failed.bench.record("b-1")["state"] == "failed"


# --- forms from elsewhere

ELSEWHERE: list[Mapping[str, str]] = [
    {},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": f"https://{HOST}.evil.example"},
    {"origin": f"ftp://{HOST}"},
    {"origin": "http://[::1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": f"http://{HOST}", "sec-fetch-site": "cross-site"},
]
OURS: list[Mapping[str, str]] = [
    {"origin": f"http://{HOST}"},
    {"sec-fetch-site": "same-origin"},
    # Behind a proxy the host is another one; the browser's own word is enough.
    {"origin": "https://panel.example", "sec-fetch-site": "same-origin"},
]


@pytest.mark.parametrize("path", POSTS)
def test_every_form_from_elsewhere_is_refused(failed: Office, path: str) -> None:
    browser = failed.as_("admin")
    for headers in ELSEWHERE:
        answer = browser.post(filled(path), {"user": "admin", "password": kit.PASSWORD}, headers)
        assert (answer.status_code, headers) == (403, headers)
        assert "set-cookie" not in answer.headers
        assert text_of(answer).splitlines()[:2] == [
            "Not allowed",
            "What was sent did not come from a page of the panel, or from one that is no longer yours.",
        ]
    assert failed.bench.record("b-1")["state"] == "failed"
    assert browser.get("/companies").status_code == 200


@pytest.mark.parametrize("headers", OURS)
def test_forms_of_ours_are_taken(failed: Office, headers: Mapping[str, str]) -> None:
    browser = failed.as_("operator")
    browser.get("/c/acme/records/1/retry")
    assert browser.post("/c/acme/records/1/retry", {}, headers).status_code == 303
    assert failed.bench.record("b-1")["state"] == "pending"


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/sign-in"])
@pytest.mark.parametrize("token", ["", "wrong", "ü", "another's"])
def test_every_form_needs_the_token_of_its_session(failed: Office, path: str, token: str) -> None:
    browser = failed.as_("admin")
    given = failed.as_("operator").token if token == "another's" else token
    own = dict(browser.cookies)
    answer = browser.post(filled(path), {"csrf": given})
    if path == "/sign-in/code":  # no page for whoever is signed in
        assert answer.headers["location"] == "/panel/companies"
    else:
        assert answer.status_code == 403
    assert browser.cookies == own
    assert failed.bench.record("b-1")["state"] == "failed"


def test_nothing_changes_by_looking(failed: Office) -> None:
    browser = failed.as_("admin")
    with failed.world.store.read() as tx:
        before = [dict(row) for row in tx.rows("journal_companies", {})]
    for method, path in ROUTES:
        if method == "GET":
            browser.get(filled(path))
    with failed.world.store.read() as tx:
        assert [dict(row) for row in tx.rows("journal_companies", {})] == before


# --- headers


def test_every_answer_has_the_headers(failed: Office) -> None:
    browser = failed.as_("operator")
    answers = [browser.get(filled(path)) for method, path in ROUTES if method == "GET"]
    answers += [browser.get("/nothing"), browser.ask("DELETE", "/panel/companies"), browser.get("/static/nothing.css")]
    answers += [browser.post("/sign-out", {}, {}), browser.get("/static/panel.css"), browser.ask("GET", "/")]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.url
    pages = [answer for answer in answers if "/static/panel.css" not in str(answer.url) and answer.url.path != "/"]
    assert {answer.headers["cache-control"] for answer in pages} == {"no-store"}


def test_no_page_needs_what_its_policy_forbids(failed: Office) -> None:
    browser = failed.as_("operator")
    for method, path in ROUTES:
        if method == "GET":
            text = OWN_SCRIPT.sub("", browser.get(filled(path)).text)
            assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|https?://", text), path


def test_static_files_are_kept(office: Office) -> None:
    browser = office.browser()
    page = browser.get("/sign-in").text
    (style,) = re.findall(r'href="(/panel/static/panel\.css\?[0-9a-f]{16})"', page)
    answer = browser.ask("GET", style)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (
        200,
        "text/css; charset=utf-8",
        "public, max-age=31536000, immutable",
    )


# --- errors


def test_what_is_not_there(office: Office) -> None:
    browser = office.as_("operator")
    for path, message in (
        ("/nothing", "There is no such page."),
        ("/c/none", "there is no company `none`"),
        ("/c/none/records", "there is no company `none`"),
        ("/c/acme/records/77", "there is no such record in this company"),
        ("/c/acme/records/x", "there is no such record in this company"),
        ("/c/acme/records/9999999999999999999999", "there is no such record in this company"),
        ("/c/%3Cb%3E", "there is no company `<b>`"),
    ):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert text_of(answer) == (
            f"Not here\n{message}\nit may have moved; the list of companies leads everywhere\nCompanies"
        ), path


def test_another_companys_record_is_not_there(failed: Office) -> None:
    with failed.world.store.write() as tx:
        connected(tx, failed.world, "other")
    browser = failed.as_("admin")
    assert browser.get("/c/other/records/1").status_code == 404
    assert browser.get("/c/other/records/1/retry").status_code == 404
    assert browser.post("/c/other/records/1/retry").status_code == 404


def test_methods_that_no_page_has(office: Office) -> None:
    for method in ("DELETE", "PUT", "PATCH", "OPTIONS"):
        assert office.as_("viewer").ask(method, "/panel/companies").status_code == 405
    head = office.as_("viewer").ask("HEAD", "/panel/companies")
    assert (head.status_code, head.text) == (200, "")


def test_forms_that_are_too_large_or_no_forms(office: Office) -> None:
    browser = office.as_("viewer")
    kind = {"content-type": "application/x-www-form-urlencoded"}
    large = browser.ask("POST", "/panel/password", b"a=" + b"x" * forms.BODY_LIMIT, {**HERE, **kind})
    assert large.status_code == 413
    many = browser.ask("POST", "/panel/password", b"&".join([b"a=1"] * 101), {**HERE, **kind})
    assert many.status_code == 400
    for body, headers in (
        (b"{}", {"content-type": "application/json"}),
        (b"\xff=1", kind),
        (b"a=%ff", kind),
        (b"a", {}),
    ):
        answer = browser.ask("POST", "/panel/password", body, {**HERE, **headers})
        assert answer.status_code == 400
        assert text_of(answer) == "That did not work\nWhat was sent is no form of ours.\nCompanies"


def test_a_fault_of_ours_has_a_number_and_no_traceback(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, dict[str, object]]] = []

    def broken(_ask: web.Ask) -> web.Answer:
        raise ZeroDivisionError("secret-canary")

    class Log:
        def error(self, event: str, **fields: object) -> None:
            said.append((event, fields))

    monkeypatch.setattr(module, "logger", Log)
    panel = Panel(office.world, [*PAGES, Page("/broken", broken)])
    answer = Browser(Starlette(routes=panel.routes())).signed_in("viewer").get("/broken")
    ((event, fields),) = said
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, fields["correlation"])
    assert text_of(answer) == (
        "Something went wrong here\n"
        "This is a fault of flowctl, not yours. Nothing was changed unless a page says so.\n"
        "give this number to whoever looks after flowctl: the log has it\n"
        f"Number: {fields['correlation']}\nCompanies"
    )
    assert (event, str(fields["error"]).partition(" at ")[0]) == (
        "internal error in the panel",
        "ZeroDivisionError: secret-canary",
    )


def test_a_busy_store_is_said_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = office.as_("viewer")

    def busy(_self: object, _of: tuple[str, ...], *, writing: bool) -> None:
        raise StoreBusy("the store is not available: database is locked")

    monkeypatch.setattr(type(office.world.store), "begin", busy)
    answer = browser.get("/companies")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert text_of(answer) == "Not now\nthe store is not available: database is locked\nCompanies"


def test_many_sign_ins_at_once_are_put_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, statuses = threading.Event(), list[int]()
    monkeypatch.setattr(signin, "_fits", lambda _stored, _password: go_on.wait(10) and False)

    async def main() -> None:
        transport = httpx.ASGITransport(office.app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:

            async def one(number: int) -> None:
                data = {"user": f"u{number}", "password": "x"}
                statuses.append((await client.post("/panel/sign-in", data=data, headers=HERE)).status_code)
                if len(statuses) == 15:
                    # Others are shown their pages all the while.
                    assert (await client.get("/panel/sign-in")).status_code == 200
                    go_on.set()

            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(one, number)

    anyio.run(main)
    # One is looked at, and 24 wait for their turn.
    assert statuses == [503] * 15 + [422] * 25


# --- what others write

# Each would be seen by the browser as markup, or run, were it not escaped.
XSS = (
    "<script>window.hit=1</script>",
    '"><img src=x onerror=hit()>',
    "'><svg onload=hit()>",
    "</pre></details><script>hit()</script>",
    "</title><script>hit()</script>",
    "{{ 7*7 }}{% raw %}",
    "javascript:hit()",
    "<a href='javascript:hit()'>x</a>",
    "&lt;script&gt;hit()&lt;/script&gt;",
    "]]><script>hit()</script>",
    "\u202egnp.exe\u0007<b>",
    "<!--<script>hit()",
    "\n<iframe srcdoc='<script>hit()'>",
)
TAGS = {
    "code",
    "html", "head", "meta", "title", "link", "body", "a", "header", "div", "img", "span", "form", "input", "button", "nav", "ul",
    "li", "main", "p", "footer", "h1", "h2", "table", "thead", "tbody", "tr", "th", "td", "time", "dl", "dt", "dd", "strong", "br",
    "details", "summary", "pre", "ol", "section", "label", "select", "option", "optgroup",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "rel", "href", "type", "class", "id", "tabindex", "src", "alt", "width", "height", "title",
    "method", "action", "value", "aria-label", "aria-current", "role", "scope", "data-label", "datetime", "open", "for", "required",
    "label", "maxlength", "placeholder", "inputmode", "selected",
}  # fmt: skip


class Shape(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.strange: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" and dict(attrs).keys() == {"src", "defer"} and str(attrs[0][1]).startswith(OWN):
            return
        self.strange += [tag] if tag not in TAGS else []
        for name, value in attrs:
            if name not in ATTRIBUTES or (
                name in ("href", "src", "action") and not (value or "").startswith(("/panel", "#"))
            ):
                self.strange.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.strange.append(f"<!--{data}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def shape(page: httpx.Response) -> Shape:
    found = Shape()
    found.feed(page.text)
    found.close()
    return found


@pytest.mark.parametrize("text", XSS)
def test_nothing_that_others_write_becomes_markup(office: Office, text: str) -> None:
    bench = office.bench
    bench.shop.listed["bills"] = [
        bill(
            f"b{text}",
            number=text[:20],
            currency=text[:20],
            memo=text,
            vendor={"id": f"v{text}", "name": text},
            status=text,
        ),
        bill("b-2", number=f"N{text}"[:20], vendor={"id": "v-1", "name": "Grün & Söhne"}, memo=text),
    ]
    bench.run("bills")
    assert bench.post_all() == 1
    with office.world.store.write() as tx:
        rows = tx.rows("records_listing", {"company": "acme", "state": "", "flow": "", "limit": 10})
        rows = [row for row in rows if row["stream"] == "bills"]
        for row in rows:
            records.explain(tx, row, [records.Reason(text, text, text, (f"mapping:vendor:{text}",))])
        subject = f"shop_to_ledger/bills/{rows[0]['source_id']}"
        work.raise_alert(tx, "acme", work.Alert(text, subject, text, text), office.world.at())
        tx.run("company_insert", {"company": "odd", "title": text, "at": office.world.at()})
        work.refuse_sign_in(tx, "odd", text, office.clock.now())
    browser = office.as_("operator")
    pages = [
        "/companies",
        "/c/odd",
        "/c/acme",
        "/c/acme/records",
        "/c/acme/alerts",
        f"/c/acme/records/{rows[0]['id']}/skip",
    ]
    pages += [f"/c/acme/records/{row['id']}" for row in rows]
    for path in pages:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        found = shape(answer)
        assert not found.strange, path
        shown = re.sub(r"[\x07\u202e]", "?", text).strip()
        # What is not escaped is there all the same, letter by letter.
        assert any(shown in part for part in found.texts), path


def test_half_a_letter_is_shown_as_a_question_mark(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    with office.world.store.write() as tx:
        records.explain(tx, office.bench.record("b-1"), [records.Reason("odd", "a\ud800b<script>")])
    answer = office.as_("viewer").get("/c/acme/records/1")
    assert answer.status_code == 200
    assert "a?b<script>" in shape(answer).texts


def test_what_is_typed_is_shown_and_no_markup(office: Office) -> None:
    browser = office.as_("operator")
    for name in ("text", "party", "least", "most", "from", "to", "state", "place", "behind"):
        answer = browser.get(f"/c/acme/records?{name}=%22%3E%3Cscript%3Ehit()%3C/script%3E")
        assert answer.status_code == 200
        assert "<script" not in OWN_SCRIPT.sub("", answer.text)
    answer = office.browser().post("/sign-in", {"user": '"><script>', "password": "x", "next": '"><script>'})
    assert "<script" not in OWN_SCRIPT.sub("", answer.text)
