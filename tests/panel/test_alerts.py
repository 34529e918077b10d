"""Alerts in the panel: what people are told, muting with a reason, channels and rules by role, and no address ever shown."""

from __future__ import annotations

import json
import re

import pytest

from engine.alerting import channels
from engine.alerting.addresses import Address
from engine.alerting.postman import Postman
from engine.alerting.watchman import Watchman
from engine.serving import running
from engine.store import alerts, work
from engine.store.base import Row
from engine.store.records import Reason
from tests.engine.alerting import kit
from tests.engine.alerting.kit import Post, Watch
from tests.engine.kit import bill
from tests.panel.chromium import browser as chromium
from tests.panel.chromium import fits, sign_in
from tests.panel.kit import Office, text_of

CANARY = "c4naryTOKEN"


@pytest.fixture
def watch(office: Office) -> Watch:
    """A company with three failed records, looked at."""
    post = Post()
    made = Watch(office.bench, post, Watchman(office.world, {}, None, Postman(office.world, post.send, 5.0)))
    made.records(3)
    made.man.look()
    return made


def last(watch: Watch, company: str = "acme") -> tuple[str, str, dict[str, object]]:
    """The newest line of the journal."""
    rows: list[Row] = watch.rows("journal_from", company=company, after=0, limit=10_000)
    return rows[-1]["actor"], rows[-1]["event"], json.loads(rows[-1]["detail"])


def test_what_people_are_told(office: Office, watch: Watch) -> None:
    text = text_of(office.as_("viewer").get("/c/acme/alerts"))
    assert text == (
        "Alerts\nOpen Over\nwarning refused: the account is closed\n"
        "Records failed · 3 records · 30.15 USD · since 2026-03-02 14:00\n"
        "shop_to_ledger/bills: N-r-0, N-r-1, N-r-2\nWhat to do: open it\nShow"
    )
    house = text_of(office.as_("viewer").get("/alerts"))
    assert house.splitlines()[:3] == ["Alerts of all companies", "Acme", "warning refused: the account is closed"]
    watch.rule("failed", on="no")
    watch.man.look()
    assert text_of(office.as_("viewer").get("/alerts")) == "Alerts of all companies\nNothing needs anybody."
    over = text_of(office.as_("viewer").get("/c/acme/alerts?show=over"))
    assert "since 2026-03-02 14:00 · over 2026-03-02 14:00" in over


def test_what_is_told_is_not_told_once_more_by_itself(office: Office, watch: Watch) -> None:
    with office.world.store.write() as tx:
        for kind, subject in (("session", "acme"), ("rival", "shop_to_ledger"), ("mark", "one"), ("mark", "two")):
            alert = work.Alert(kind, subject, f"{kind} of {subject}", "look")
            work.raise_alert(tx, "acme", alert, office.world.at())
    rows = [["Source not told"], ["Source not told"], ["Two flows for the same"], ["Web Connector"]]
    kinds = re.compile(r'<th scope="row">(.*?)</th>')
    before = office.as_("viewer").get("/c/acme/alerts").text
    assert [[kind] for kind in kinds.findall(before)] == rows
    watch.man.look()
    page = office.as_("viewer").get("/c/acme/alerts")
    # Two marks are told as one, and so each stands by itself as well.
    assert [[kind] for kind in kinds.findall(page.text)] == rows[:2]
    assert text_of(page).count("rival of shop_to_ledger") == 1


def test_a_record_without_a_number_is_called_by_payee_amount_and_day(office: Office) -> None:
    office.bench.read_lists()
    office.bench.shop.listed["bills"] = [bill("7ae21ffc-f34f", number=None, lines=[])]
    office.bench.run("bills")
    for place in ("/c/acme", "/c/acme/alerts"):
        text = text_of(office.as_("viewer").get(place))
        assert "Grün & Söhne · 100.00 EUR · 2026-02-27: the lines do not add up to the bill Show the record" in text
        assert "bills/7ae21ffc-f34f" not in text


def test_muting_with_a_reason(office: Office, watch: Watch) -> None:
    browser = office.as_("operator")
    browser.get("/c/acme/alerts")
    for fields, said in (
        (
            {"hours": "8", "why": " "},
            "Muting takes a reason: somebody will ask why nobody was told. say why in a few words",
        ),
        ({"hours": "99999", "why": "x"}, "Say for how long."),
        ({"why": "x"}, "Say for how long."),
    ):
        answer = browser.post("/c/acme/alerts/notice/1/mute", fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/panel/c/acme/alerts")
        assert text_of(browser.get("/c/acme/alerts")).splitlines()[0] == said
    browser.post("/c/acme/alerts/notice/1/mute", {"hours": "24", "why": "the <b>bank</b> is closed"})
    assert last(watch) == (
        "panel:operator",
        "alert_muted",
        {
            "rule": "failed", "subject": "shop_to_ledger/bills/refused", "until": "2026-03-03T14:00:00.000000Z",
            "why": "the <b>bank</b> is closed",
        },
    )  # fmt: skip
    page = browser.get("/c/acme/alerts")
    assert "Muted by operator until 2026-03-03 14:00 : the <b>bank</b> is closed" in text_of(page)
    assert "<b>bank" not in page.text
    browser.post("/c/acme/alerts/notice/1/unmute")
    assert last(watch)[1] == "alert_unmuted"
    assert "Muted" not in text_of(browser.get("/c/acme/alerts"))


def test_what_is_not_there_any_more_is_said(office: Office, watch: Watch) -> None:
    browser = office.as_("operator")
    watch.rule("failed", on="no")
    watch.man.look()
    browser.post("/c/acme/alerts/notice/1/mute", {"hours": "0", "why": "x"})
    assert text_of(browser.get("/c/acme/alerts")).splitlines()[0] == (
        "there is no open notice 1. it may be over: Alerts lists them Open Alerts"
    )
    assert browser.post("/alerts/notice/x/mute", {"hours": "0", "why": "x"}).status_code == 404


def test_a_channel_from_adding_to_removing(office: Office, watch: Watch) -> None:
    browser = office.as_("admin")
    with kit.http_server() as taken:
        url = f"json://{CANARY}:{CANARY}@127.0.0.1:{taken.port}/{CANARY}"
        browser.get("/c/acme/alerts/settings")
        fields = {
            "name": "ops",
            "address": url,
            "digest": "daily",
            "hour": "7",
            "quiet": "20:00-07:00",
            "r_failed": "yes",
        }
        browser.post("/c/acme/alerts/settings/channel", {**fields, "least": "info", "solved": "yes", "zone": ""})
        page = browser.get("/c/acme/alerts/settings")
        text = text_of(page)
        assert text.splitlines()[0] == "The channel ops is there. Send it a test."
        assert "json://127.0.0.1\nonce a day at 7:00 · quiet 20:00-07:00 · everything · 1 of 17 rules" in text
        assert last(watch) == ("panel:admin", "alert_channel_added", {"channel": "ops", "to": "json://127.0.0.1"})
        operator = office.as_("operator")
        operator.get("/c/acme/alerts/settings")
        operator.post("/c/acme/alerts/settings/channel/ops/test")
        assert text_of(operator.get("/c/acme/alerts/settings")).splitlines()[0] == (
            "The test was taken. Look whether it arrived at ops."
        )
        taken.status = 404
        operator.post("/c/acme/alerts/settings/channel/ops/test")
        text = text_of(operator.get("/c/acme/alerts/settings"))
        assert text.splitlines()[0] == "The test did not arrive: the server answered with status 404."
        assert "Messages do not arrive since 2026-03-02 14:00 : the server answered with status 404." in text
    assert "the server answered with status 404" in text_of(operator.get("/alerts"))
    assert "\nChange\n" not in text
    assert "Add a channel" not in text
    operator.post("/c/acme/alerts/settings/channel/ops/mute", {"hours": "8", "why": "quiet"})
    assert last(watch)[:2] == ("panel:operator", "alert_channel_muted")
    operator.post("/c/acme/alerts/settings/channel/ops/unmute")
    assert last(watch)[:2] == ("panel:operator", "alert_channel_unmuted")
    browser.get("/c/acme/alerts/settings")
    browser.post("/c/acme/alerts/settings/channel/ops", {"digest": "now", "address": ""})
    assert last(watch) == ("panel:admin", "alert_channel_changed", {"channel": "ops", "digest": "now", "rules": []})
    browser.post("/c/acme/alerts/settings/channel/ops/remove", {})
    assert text_of(browser.get("/c/acme/alerts/settings")).splitlines()[0] == (
        "Nothing was changed: tick that you are sure."
    )
    browser.post("/c/acme/alerts/settings/channel/ops/remove", {"sure": "yes"})
    assert last(watch) == ("panel:admin", "alert_channel_removed", {"channel": "ops"})
    for path in ("/c/acme/alerts/settings", "/alerts/settings", "/alerts", "/c/acme/alerts"):
        assert CANARY not in browser.get(path).text
    assert CANARY not in json.dumps(
        [list(row) for row in watch.rows("journal_from", company="acme", after=0, limit=999)]
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Ops", "address": "json://x.example"}, "A channel's name is lower case"),
        ({"name": "ops", "address": f"nope://{CANARY}"}, "Nothing that apprise knows has this address"),
        ({"name": "ops", "address": "json://x.example", "quiet": "late"}, "Quiet hours are written like 22:00-07:00."),
        ({"name": "ops", "address": "json://x.example", "zone": "Mars"}, "there is no time zone `Mars`"),
        ({"name": "ops", "address": "json://x.example", "hour": "25"}, "`hour` takes an hour from 0 to 23"),
        ({"name": "ops", "address": "json://x.example", "digest": "<b>"}, "`digest` takes now, hourly or daily"),
    ],
)
def test_what_cannot_be_a_channel(office: Office, fields: dict[str, str], said: str) -> None:
    browser = office.as_("admin")
    browser.get("/alerts/settings")
    browser.post("/alerts/settings/channel", fields)
    page = browser.get("/alerts/settings")
    assert text_of(page).startswith(said)
    assert CANARY not in page.text
    with office.world.store.read() as tx:
        assert channels.every(tx, "") == []


def test_rules_by_form(office: Office, watch: Watch) -> None:
    browser = office.as_("admin")
    browser.get("/c/acme/alerts/settings")
    fields = {"rule": "poll", "on": "yes", "severity": "warning", "solved": "yes", "remind_hours": "24"}
    browser.post("/c/acme/alerts/settings/rule", {**fields, "intervals": "12", "least_min": "30"})
    assert text_of(browser.get("/c/acme/alerts/settings")).startswith(
        "The Web Connector does not come: nothing was changed."
    )
    browser.post("/c/acme/alerts/settings/rule", {**fields, "intervals": "24", "least_min": "30"})
    assert last(watch) == ("panel:admin", "alert_rule", {"rule": "poll", "intervals": 24})
    browser.post("/c/acme/alerts/settings/rule", {**fields, "intervals": "0"})
    assert text_of(browser.get("/c/acme/alerts/settings")).startswith(
        "`poll`: `intervals` takes a whole number from 1 to 10000."
    )
    browser.post("/c/acme/alerts/settings/rule", {"rule": "poll", "default": "1"})
    assert last(watch) == ("panel:admin", "alert_rule", {"rule": "poll", "reset": True})
    browser.post("/c/acme/alerts/settings/rule", {"rule": "nope<"})
    assert text_of(browser.get("/c/acme/alerts/settings")).startswith("there is no rule `nope<`.")


def test_the_house(office: Office, watch: Watch) -> None:
    browser = office.as_("admin")
    browser.get("/settings")
    browser.post("/settings", {"base_url": "https://books.example.com/panel", "zone": "Europe/Berlin"})
    assert last(watch, "") == (
        "panel:admin", "alert_house", {"base_url": "https://books.example.com", "zone": "Europe/Berlin"},
    )  # fmt: skip
    assert text_of(browser.get("/settings")).splitlines()[0] == "It is kept."
    browser.post("/settings", {"base_url": "https://books.example.com", "zone": "Europe/Berlin"})
    assert text_of(browser.get("/settings")).splitlines()[0] == "Nothing was changed."
    assert "Links in messages lead to https://books.example.com. Change it in Settings" in text_of(
        browser.get("/alerts/settings")
    )
    for wrong in (
        "javascript:alert(1)", "books.example.com", "https://a:b@books.example.com", "https://x y", "http://books.example.com",
        "http://10.0.0.7:8765", "http://127.0.0.1.evil.example",
    ):  # fmt: skip
        answer = browser.post("/settings", {"base_url": wrong, "zone": ""})
        assert (answer.status_code, text_of(answer).splitlines()[1]) == (
            422,
            "The address of the panel is like https://books.example.com, or plain http for this machine alone.",
        )
        assert f'value="{wrong}"' in answer.text
    assert browser.post("/settings", {"base_url": "", "zone": "Mars/Base"}).status_code == 422
    assert last(watch, "")[2] == {"base_url": "https://books.example.com", "zone": "Europe/Berlin"}
    for near in ("http://localhost:8765", "http://[::1]:8765", "http://127.0.0.1:8765"):
        browser.post("/settings", {"base_url": near, "zone": ""})
        assert last(watch, "") == ("panel:admin", "alert_house", {"base_url": near, "zone": ""})


@pytest.mark.acceptance
@pytest.mark.usefixtures("no_chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_says_who_is_told(office: Office, watch: Watch, scheme: str) -> None:
    watch.records(
        2,
        "deferred",
        Reason("unmapped", "m", "map it", ("mapping:vendor:v-7", "mapping:vendor:Foo & Sons")),
        prefix="d",
    )
    watch.records(1, "unknown", Reason("no_answer", "no answer came", "look in QuickBooks"), prefix="u")
    with watch.world.store.write() as tx:
        work.raise_alert(
            tx, "acme", work.Alert("rival", "f", "two flows would post the same", "switch one off"), watch.world.at()
        )
        for name in ("bookkeepers", "night-shift"):
            address = Address("json://127.0.0.1:1/x", "mailtos://mail.example.com")
            wishes = channels.wanted({"digest": "daily", "quiet": "20:00-07:00"} if name == "bookkeepers" else {})
            channels.add(tx, watch.hand(), watch.world.vault, name, address, wishes)
    watch.clock.advance("+20m")
    watch.post.faults["json://127.0.0.1:1/x"] = ["no connection to the server, or it broke off"] * 9
    watch.man.tick()
    said: list[str] = []
    with running(office.app) as url, chromium(said, scheme=scheme) as page:
        sign_in(page, url, "admin")
        page.click("nav a:text-is('All alerts')")
        fits(page, f"{scheme}_house_alerts")
        page.click("main h2 a:text-is('Acme')")
        page.locator("summary:text-is('Mute')").first.click()
        fits(page, f"{scheme}_company_alerts")
        page.locator("input[name=why]").first.fill("we know")
        page.locator("details[open] button.main").click()
        assert page.locator(".muted").count() == 1
        page.click("a:text-is('Who is told, and when')")
        fits(page, f"{scheme}_alert_settings")
        page.locator("section summary:text-is('Change')").first.click()
        page.locator("li.rule summary:text-is('Change')").first.click()
        fits(page, f"{scheme}_alert_settings_open")
        page.locator("details[open] input[name=quiet]").first.fill("21:00-06:00")
        page.locator("section details[open] button.main").first.click()
        assert page.locator(".flash.good").inner_text() == "The channel bookkeepers is changed."
        page.goto(f"{url}/panel/alerts/settings")
        fits(page, f"{scheme}_house_settings")
    assert said == []
    with office.world.store.read() as tx:
        assert channels.require(tx, "acme", "bookkeepers").settings.quiet == "21:00-06:00"


def test_what_vendors_write_is_text(office: Office, watch: Watch) -> None:
    nasty = '"><script>hit()</script>\u202e{{ 7 * 7 }}'
    keys = ("mapping:vendor:v-7", f"mapping:vendor:{nasty}")
    watch.records(1, "deferred", Reason("unmapped", nasty, nasty, keys), prefix="d")
    watch.records(1, "failed", Reason("other", nasty, nasty), prefix="f")
    watch.clock.advance("+10m")
    watch.man.look()
    for path in ("/alerts", "/c/acme/alerts", "/c/acme/alerts?show=over"):
        page = office.as_("admin").get(path).text
        assert (page.count("<script"), "\u202e" in page, "49" in page) == (1, False, False)  # our own
    assert "refused: &#34;&gt;&lt;script&gt;hit()&lt;/script&gt;?{{ 7 * 7 }}" in office.as_("admin").get("/alerts").text


# --- what is over ----------------------------------------------------------------------------------------------------


def over_again(office: Office, subject: str, times: int, message: str = "it was shut") -> None:
    for number in range(times):
        office.clock.sleep(60)
        with office.world.store.write("acme") as tx:
            alert = work.Alert("connection", subject, f"{message} {number + 1}", "wait")
            work.raise_alert(tx, "acme", alert, office.world.at())
            office.clock.sleep(60)
            work.resolve_alert(tx, "acme", "connection", subject, office.world.at())


def test_what_was_so_again_and_again_is_one_line_with_how_often(office: Office) -> None:
    over_again(office, "shop_to_ledger/shop", 3)
    over_again(office, "shop_to_ledger/ledger", 1, "it was slow")
    lines = text_of(office.as_("viewer").get("/c/acme/alerts?show=over")).splitlines()
    assert lines[2:] == [
        "Kind What How often First Over",
        *("Connection", "it was slow 1", "1", "2026-03-02 14:07", "2026-03-02 14:08"),
        *("Connection", "it was shut 3", "3", "2026-03-02 14:01", "2026-03-02 14:06"),
    ]


def test_older_pages_of_what_is_over_repeat_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3, 1, 2):
        over_again(office, f"shop_to_ledger/s-{number}", 1, f"s-{number} was shut")

    def pages(size: int, looked_at: int) -> list[list[str]]:
        monkeypatch.setattr("engine.store.alerts.LOOKED_AT", looked_at)
        before: int | None = alerts.BEYOND
        found = []
        with office.world.store.read("acme") as tx:
            while before is not None:
                page = alerts.over(tx, "acme", before, size)
                found.append([f"{past.last['subject'][-1]}x{past.often}" for past in page.found])
                before = page.following
        return found

    assert pages(50, 500) == [["2x2", "1x2", "3x1"]]
    assert pages(2, 500) == [["2x2", "1x2"], ["3x1"]]
    assert pages(50, 3) == [["2x2", "1x2", "3x1"], []]
    monkeypatch.setattr("engine.store.alerts.COUNTED", 1)
    assert pages(50, 500) == [["2x1", "1x1", "3x1"]]
    page = office.as_("viewer").get("/c/acme/alerts?show=over&behind=1")
    assert text_of(page).splitlines()[2:] == ["Nothing else is over."]


def test_what_people_were_told_again_and_again_is_one_notice(office: Office, watch: Watch) -> None:
    for choice in ("no", "yes", "no", "yes", "no"):
        watch.rule("failed", on=choice)
        watch.man.look()
    over = text_of(office.as_("viewer").get("/c/acme/alerts?show=over")).splitlines()
    (line,) = [each for each in over if each.startswith("Records failed · 3 records")]
    assert line == (
        "Records failed · 3 records · 30.15 USD · since 2026-03-02 14:00 · over 2026-03-02 14:00 · 3 times in all"
    )
