"""The page of webhooks: what came, what became of it, what was refused, and one taken again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from engine.abilities import Standing
from engine.alerting import channels
from engine.alerting.rules import HOUSE
from engine.follow import Hand
from engine.serving import running
from engine.spec import FieldSpec
from engine.store import companies, journal, work
from engine.store.hooks import Endpoint
from engine.webhooks.hookintake import Call, Intake
from tests.engine import kit as engine_kit
from tests.engine.kit import COMPANY, FLOW, bill
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.kit import Office, text_of


class Listing(engine_kit.Shop):
    """A shop that says which subscriptions there are."""

    def __init__(self, listed: list[Standing]) -> None:
        super().__init__()
        self.found = listed

    def standings(self) -> list[Standing]:
        return self.found


EVIL = "</pre><script>alert(1)</script>"


def intake(office: Office) -> Intake:
    return Intake(office.world, {FLOW: office.bench.program})


def post(office: Office, *names: str, kind: str = "bill.ready", about: str = "b-1", secret: str = "hush") -> None:
    made = intake(office)
    for name in names:
        body = json.dumps({"id": name, "type": kind, "object": about, "memo": EVIL}).encode()
        made.take([Call(Endpoint(COMPANY, "shop"), {"x-signature": secret}, body)])
    made.flush()


def due(office: Office) -> dict[str, str]:
    with office.world.store.read() as tx:
        rows = tx.rows("schedule_due", {"company": COMPANY, "flow": FLOW, "at": "9999"})
    return {row["stream"]: row["next_at"] for row in rows}


def test_nothing_came_yet(office: Office) -> None:
    assert text_of(office.as_("viewer").get("/c/acme/webhooks")) == (
        "Webhooks\n"
        "A webhook is a call by which a vendor says that something has changed. It is only a hint: what is posted is "
        "always read from the vendor itself, and what no webhook tells of is found by the regular reads.\n"
        "Shop\n"
        "Address to give to Shop\nyour server /webhooks/acme/shop\n"
        "An administrator says in Settings where people find this server.\n"
        "Last webhook\nnone yet\n"
        "No webhook was taken yet."
    )


def test_the_address_is_whole_once_it_is_known(office: Office) -> None:
    hand = Hand(HOUSE, office.world.at(), "cli:pat")
    with office.world.store.write() as tx:
        channels.put_house(tx, hand, {"base_url": "https://books.example.com"})
    page = text_of(office.as_("viewer").get("/c/acme/webhooks"))
    assert "Address to give to Shop\nhttps://books.example.com/webhooks/acme/shop\n" in page


def test_what_came_and_what_became_of_it(office: Office) -> None:
    post(office, "e-1", "e-1", "e-2")
    post(office, "e-3", kind="other")
    post(office, "e-4", secret="wrong")
    page = text_of(office.as_("operator").get("/c/acme/webhooks"))
    assert (
        page.partition("Address to give to Shop\n")[2].splitlines()
        == (
            "your server /webhooks/acme/shop\n"
            "An administrator says in Settings where people find this server.\n"
            "Last webhook\n2026-03-02 14:00 just now\n"
            "In the last 7 days, calls without effect:\n"
            "1 came again, and changed nothing last 2026-03-02 14:00\n"
            "1 had a wrong signature, or none last 2026-03-02 14:00\n"
            "Ask Shop how it stands\n"
            "Find\nConnection\nAll\nshop\nOnly\nAll\ncame more than once\nno flow waited for it\nShow\n"
            "Came Event Object What became of it Times\n"
            "2026-03-02 14:00\nother shop\nb-1\nkept; no flow waits for it\n1\n"
            "2026-03-02 14:00\nbill.ready shop\nb-1\nbills shop_to_ledger, not read yet\n1\n"
            "2026-03-02 14:00\nbill.ready shop\nb-1\nbills shop_to_ledger, not read yet\n2"
        ).splitlines()
    )


def test_the_records_of_an_event_are_linked(office: Office) -> None:
    post(office, "e-1")
    office.clock.sleep(60)
    office.bench.shop.listed["bills"] = [bill("b-1")]
    with office.world.store.write() as tx:
        work.reading(tx, COMPANY, FLOW, ["bills"], office.world.at())
    office.bench.run("bills")
    number = office.bench.record("b-1")["id"]
    answer = office.as_("viewer").get("/c/acme/webhooks/1")
    assert f'<a href="/panel/c/acme/records/{number}">N-b-1</a>' in answer.text
    assert text_of(answer).partition("What became of it\n")[2] == (
        "bills shop_to_ledger was to be read: it was read since\nN-b-1 ready to send"
    )


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ("", ["e-3", "e-2", "e-1"]),
        ("?only=again", ["e-1"]),
        ("?only=idle", ["e-3"]),
        ("?only=nonsense", ["e-3", "e-2", "e-1"]),
        ("?connection=ledger", []),
        ("?text=e-2", ["e-2"]),
        ("?text=b-2", ["e-2"]),
        ("?text=other", ["e-3"]),
        ("?behind=3", ["e-2", "e-1"]),
        ("?behind=x", ["e-3", "e-2", "e-1"]),
        ("?text=%27%3B--", []),
    ],
)
def test_filters(office: Office, query: str, events: list[str]) -> None:
    post(office, "e-1", "e-1")
    post(office, "e-2", about="b-2")
    post(office, "e-3", kind="other")
    page = office.as_("viewer").get("/c/acme/webhooks" + query).text
    numbers = [name for name in ("e-3", "e-2", "e-1") if f'/webhooks/{name[-1]}">' in page.partition("<tbody>")[2]]
    assert numbers == events


def test_a_page_leads_to_the_next(office: Office) -> None:
    post(office, *(f"e-{n:03}" for n in range(120)))
    reader, path, seen = office.as_("viewer"), "/c/acme/webhooks", []
    for _ in range(3):
        page = reader.get(path).text
        seen.append(page.partition("<tbody>")[2].count("<tr>"))
        following = page.rpartition('" rel="next">Older')[0].rpartition('href="/panel')[2]
        path = following
    assert (seen, path) == ([50, 50, 20], "")


def test_the_body_is_for_operators_and_harmless(office: Office) -> None:
    post(office, "e-1")
    answer = office.as_("operator").get("/c/acme/webhooks/1")
    assert text_of(answer).partition("\nBody\n")[2] == (
        '{ "id": "e-1", "type": "bill.ready", "object": "b-1", "memo": "</pre><script>alert(1)</script>" }'
    ).replace("{ ", "{\n").replace(", ", ",\n").replace(" }", "\n}").replace(" \n", "\n")
    assert EVIL not in answer.text
    assert "alert(1)" not in office.as_("viewer").get("/c/acme/webhooks/1").text


def test_a_body_is_gone_after_a_month_and_the_event_is_not(office: Office) -> None:
    from engine.webhooks import deliveries

    post(office, "e-1")
    office.clock.sleep(29 * 86400)
    assert deliveries.tidy(office.world) == 0
    office.clock.sleep(2 * 86400)
    assert deliveries.tidy(office.world) == 1
    page = text_of(office.as_("operator").get("/c/acme/webhooks/1"))
    assert page.partition("\nBody\n")[2] == (
        "A body is kept for 30 days. This one is gone; the event stays known, so that it has no effect twice."
    )


def test_one_is_taken_again(office: Office) -> None:
    post(office, "e-1")
    office.bench.run("bills")
    with office.world.store.write() as tx:
        tx.run("schedule_put", {"company": COMPANY, "flow": FLOW, "stream": "bills", "at": "2030"})
    operator = office.as_("operator")
    operator.get("/c/acme/webhooks/1")
    answer = operator.post("/c/acme/webhooks/1/replay", {"reason": "we were down"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/panel/c/acme/webhooks/1")
    assert text_of(operator.get("/c/acme/webhooks/1")).splitlines()[0] == "Read again now: shop_to_ledger/bills."
    assert (due(office)["bills"], office.poked) == (office.world.at(), ["poke"])
    with office.world.store.read() as tx:
        (line,) = [one for one in journal.lines(tx, COMPANY) if one["event"] == "webhook_replayed"]
    assert (line["actor"], json.loads(line["detail"])) == (
        "panel:operator",
        {
            "webhook": 1, "connection": "shop", "event": "e-1", "type": "bill.ready",
            "streams": ["shop_to_ledger/bills"], "why": "we were down",
        },
    )  # fmt: skip


def test_one_that_no_flow_waits_for_is_not_taken_again(office: Office) -> None:
    post(office, "e-1", kind="other")
    operator = office.as_("operator")
    assert "No flow that is served now waits for such an event." in text_of(operator.get("/c/acme/webhooks/1"))
    operator.post("/c/acme/webhooks/1/replay")
    said = "no flow here waits for `other` of `shop`. name the event in the `webhook` of a stream's trigger, and serve that flow"
    assert text_of(operator.get("/c/acme/webhooks/1")).splitlines()[0] == said
    assert office.poked == []


@pytest.mark.parametrize("number", ["0", "99", "x", "1e3", "9" * 30])
def test_what_is_not_there(office: Office, number: str) -> None:
    post(office, "e-1")
    assert office.as_("operator").get(f"/c/acme/webhooks/{number}").status_code == 404
    assert office.as_("operator").post(f"/c/acme/webhooks/{number}/replay").status_code == 404


def test_another_companys_webhook_is_not_there(office: Office) -> None:
    with office.world.store.write() as tx:
        companies.add(tx, "beta", "Beta", office.world.at())
    post(office, "e-1")
    assert office.as_("admin").get("/c/beta/webhooks/1").status_code == 404
    assert office.as_("admin").get("/c/acme/webhooks/1").status_code == 200


def test_the_vendor_is_asked_how_it_stands(office: Office) -> None:
    listed = [
        Standing("s-1", "https://sync.acme.example/webhooks/acme/shop", "disabled", is_live=False),
        Standing("s-2", "https://elsewhere.example/hook", "enabled", is_live=True),
    ]
    office.bench.connector.shop = Listing(listed)
    operator = office.as_("operator")
    operator.get("/c/acme/webhooks")
    assert operator.post("/c/acme/webhooks/of/shop/ask").status_code == 303
    page = text_of(operator.get("/c/acme/webhooks"))
    assert page.splitlines()[0] == "`shop` has 2 subscriptions."
    assert page.partition("Shop was asked just now:\n")[2].splitlines()[:2] == [
        "disabled https://sync.acme.example/webhooks/acme/shop",
        "enabled https://elsewhere.example/hook another address than this",
    ]


def test_a_vendor_that_cannot_be_asked(office: Office) -> None:
    operator = office.as_("operator")
    operator.get("/c/acme/webhooks")
    operator.post("/c/acme/webhooks/of/shop/ask")
    assert text_of(operator.get("/c/acme/webhooks")).splitlines()[0] == (
        "acme/shop: its vendor cannot be asked for subscriptions. look in the vendor's own settings"
    )
    assert operator.post("/c/acme/webhooks/of/ledger/ask").status_code == 404


def test_the_secret_before_ends(office: Office) -> None:
    with office.world.store.write() as tx:
        companies.put_secret(tx, office.world.vault, COMPANY, "shop", "hook_secret_previous", "old", office.world.at())
    admin = office.as_("admin")
    page = text_of(admin.get("/c/acme/webhooks"))
    assert "The secret before this one is accepted until\n2026-03-09 14:00\n" in page
    assert "Accept only the newest secret" not in text_of(office.as_("operator").get("/c/acme/webhooks"))
    for said in (
        "Only the newest secret is accepted from now on.",
        "acme/shop: no webhook secret before the present one is accepted. nothing is to be done",
    ):
        admin.post("/c/acme/webhooks/of/shop/retire")
        assert text_of(admin.get("/c/acme/webhooks")).splitlines()[0] == said


@pytest.mark.acceptance
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_chromium")
def test_a_bookkeeper_looks_at_webhooks(office: Office, scheme: str) -> None:
    address = "https://sync.accounting.a-rather-long-name.example/webhooks/acme/shop"
    listed = [Standing("s-1", address, "pending_verification", is_live=False)]
    office.bench.connector.shop = Listing(listed)
    post(office, "e-1", "e-1", about="019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
    post(office, "e-2", kind="vendor.changed", about="v-9")
    post(office, "e-3", kind="other")
    post(office, "e-4", secret="wrong")
    office.bench.connector.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    post(office, "e-5")
    with office.world.store.write() as tx:
        companies.put_secret(tx, office.world.vault, COMPANY, "shop", "hook_secret_previous", "old", office.world.at())
    said: list[str] = []
    with running(office.app) as url, browser(said, scheme=scheme) as page:
        sign_in(page, url, "admin")
        page.goto(f"{url}/panel/c/acme/webhooks")
        page.click("button:text-is('Ask Shop how it stands')")
        fits(page, f"{scheme}_webhooks")
        page.click("tbody a >> nth=0")
        page.fill("#reason", "the server was down")
        fits(page, f"{scheme}_webhook")
        page.click("button:text-is('Take it again')")
        assert page.locator(".flash").inner_text() == "Read again now: shop_to_ledger/bills."
    assert said == []


def test_a_connection_without_a_secret(office: Office) -> None:
    secret = FieldSpec("webhook_secret", "text", "signs", secret=True)
    connector = office.bench.connector
    connector.spec = replace(connector.spec, settings=(*connector.spec.settings, secret))
    assert "\nNo secret is known yet: nothing is taken\n" in text_of(office.as_("viewer").get("/c/acme/webhooks"))
