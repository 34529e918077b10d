"""The worklist of missing mappings: what is missed, what may be meant, and one click that lets records go on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette

from engine.contract import ListObject
from engine.follow import Hand
from engine.operator import skipping, tomap
from engine.panel.app import Panel
from engine.panel.pages import PAGES
from engine.serving import running
from engine.store import journal, lists
from tests.cli.shelf import Shelf, unmapped
from tests.engine import match_kit
from tests.engine.kit import ACCOUNTS, FLOW, bill
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.house import house
from tests.panel.kit import Browser, Office, add_user, text_of

MEALS = (
    ListObject("A-MEALS", "Travel:Meals & Entertainment", number="6400"),
    ListObject("A-GIFTS", "Gifts to Clients"),
    ListObject("A-GONE", "Client Gifts (old)", active=False),
)
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def coded(source_id: str, account: str, amount: str = "100.00") -> dict[str, object]:
    return bill(source_id, amount, lines=[{"account": account, "code": None, "amount": amount, "memo": "m"}])


def waits(office: Office, *bills: dict[str, object], more: Sequence[ListObject] = MEALS) -> None:
    """Read bills that name what the books do not have."""
    office.bench.read_lists(accounts=[*ACCOUNTS, *more])
    office.bench.shop.listed["bills"] = list(bills)
    office.bench.run("bills")


@pytest.fixture
def waiting(office: Office) -> Office:
    """Three bills miss the account `Client Gifts`, one of them another as well; one bill posts."""
    waits(
        office,
        coded("b-1", "Client Gifts", "1250.50"),
        coded("b-2", "Client Gifts", "0.45"),
        bill(
            "b-3",
            "5.00",
            currency="USD",
            lines=[
                {"account": "Client Gifts", "code": None, "amount": "2.00", "memo": "m"},
                {"account": "Renttt", "code": None, "amount": "3.00", "memo": "m"},
            ],
        ),
        bill("b-4"),
    )
    return office


def key(account: str) -> dict[str, str]:
    return {"flow": FLOW, "lookup": "account", "key": account}


def choose(account: str, **more: str) -> str:
    return f"/c/acme/to-map/choose?{urlencode({**key(account), **more})}"


def said(browser: Browser, path: str) -> str:
    """What a page says once."""
    return text_of(browser.get(path)).splitlines()[0]


def test_what_is_missing_stands_in_groups_with_its_money_and_what_may_be_meant(waiting: Office) -> None:
    text = text_of(waiting.as_("operator").get("/c/acme/to-map"))
    assert text.partition("Show\n")[2].splitlines()[:-1] == [
        "2 to map, the most waited for first",
        "Client Gifts",
        "account · shop_to_ledger",
        "3 records wait , 1,250.95 EUR and 5.00 USD , the oldest just now",
        "Gifts to Clients",
        "Map to this",
        "Choose another for Client Gifts",
        "Renttt",
        "account · shop_to_ledger",
        "1 record waits , 5.00 USD , the oldest just now",
        "Rent 6100",
        "Map to this",
        "Choose another for Renttt",
    ]


def test_nothing_is_missing(office: Office) -> None:
    text = text_of(office.as_("viewer").get("/c/acme/to-map"))
    assert "Nothing is missing. Everything that records name is known in the books." in text.splitlines()


def test_one_click_maps_and_the_records_go_on(waiting: Office) -> None:
    browser = waiting.as_("operator")
    answer = browser.post(
        "/c/acme/to-map", {**key("Client Gifts"), "target": "A-GIFTS", "label": "Client Gifts", "kept": "text=gift&x=y"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/panel/c/acme/to-map?text=gift")
    assert said(browser, "/c/acme/to-map") == "Client Gifts means Gifts to Clients; 3 waiting records go on."
    assert waiting.poked == ["poke"]
    assert waiting.bench.states() == {"b-1": "pending", "b-2": "pending", "b-3": "pending", "b-4": "intended"}
    with waiting.world.store.read() as tx:
        (line,) = [line for line in journal.lines(tx, "acme") if line["event"] == "mapped"]
    detail = {"lookup": "account", "key": "Client Gifts", "full_name": "Gifts to Clients", "list_id": "A-GIFTS"}
    assert (line["actor"], line["flow"], json.loads(line["detail"])) == ("panel:operator", FLOW, detail)
    waiting.bench.run("bills")
    assert waiting.bench.states() == {"b-1": "intended", "b-2": "intended", "b-3": "deferred", "b-4": "intended"}
    assert text_of(browser.get("/c/acme/to-map")).count("Map to this") == 1


def test_who_is_late_overrides_nobody(waiting: Office) -> None:
    browser = waiting.as_("operator")
    browser.post("/c/acme/to-map", {**key("Client Gifts"), "target": "A-GIFTS"})
    browser.post("/c/acme/to-map", {**key("Client Gifts"), "target": "A-RENT"})
    assert said(browser, "/c/acme/to-map") == (
        "`Client Gifts` means `Gifts to Clients` already, says panel:operator. "
        "nothing waits for it any more; change it in the mapping tables if that is wrong"
    )
    with waiting.world.store.read() as tx:
        assert [row["list_id"] for row in lists.mappings(tx, "acme", FLOW)] == ["A-GIFTS"]
    assert browser.get(choose("Client Gifts")).headers["location"] == "/panel/c/acme/to-map"
    assert said(browser, "/c/acme/to-map") == "Nothing waits for that any more."


def test_a_key_of_several_lines_is_the_same_when_it_comes_back(office: Office) -> None:
    """Browsers send line ends as CR and LF, whatever they were."""
    odd = "Client\nGifts\t % +"
    waits(office, coded("b-1", odd))
    browser = office.as_("operator")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', browser.get("/c/acme/to-map").text))
    assert fields["key_coded"] == "Client%0AGifts%09%20%25%20%2B"
    browser.post("/c/acme/to-map", {**fields, "target": "A-GIFTS"})
    assert office.bench.states() == {"b-1": "pending"}
    browser.post("/c/acme/to-map", {**key("Client\r\nGifts"), "target": "A-GIFTS"})
    assert said(browser, "/c/acme/to-map").startswith("Nothing waits for that any more.")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"target": ""}, "Say what is meant: choose one, or type its full name."),
        (
            {"target": "A-GONE"},
            "`Client Gifts (old)` is inactive in the Account list of ledger. make it active there, or ",
        ),
        (
            {"target": "Gifts to Client"},
            "`Gifts to Client` is not in the Account list of ledger. did you mean `Gifts to ",
        ),
        ({"target": "A-RENT", "lookup": "acount"}, "there is no lookup `acount`. did you mean `account`? known: "),
        ({"target": "A-RENT", "flow": "shop"}, "there is no flow `shop`. "),
    ],
)
def test_what_cannot_be_meant(waiting: Office, given: dict[str, str], problem: str) -> None:
    browser = waiting.as_("operator")
    browser.post("/c/acme/to-map", {**key("Client Gifts"), **given})
    assert said(browser, "/c/acme/to-map").startswith(problem)
    assert waiting.bench.states()["b-1"] == "deferred"
    assert waiting.poked == []


def test_the_list_is_searched_by_name_number_and_id(waiting: Office) -> None:
    browser = waiting.as_("operator")

    def found(text: str) -> list[str]:
        lines = text_of(browser.get(choose("Client Gifts", text=text))).splitlines()
        return lines[
            lines.index("Find", lines.index("Find it in the list Account")) + 1 : lines.index("What waits for it")
        ]

    assert found("GIFTS") == ["Gifts to Clients A-GIFTS", "Map to this", "Client Gifts (old) A-GONE inactive"]
    assert found("6400") == ["Travel:Meals & Entertainment 6400 A-MEALS", "Map to this"]
    assert found("meels entertainment") == ["Travel:Meals & Entertainment 6400 A-MEALS", "Map to this"]
    assert found("zzzz") == ["The list has nothing like “zzzz”. Is it new there? Lists are read again every few hours."]


def test_what_waits_is_left_out_after_asking(waiting: Office) -> None:
    browser = waiting.as_("operator")
    page = browser.get(f"/c/acme/to-map/leave-out?{urlencode(key('Client Gifts'))}")
    told = (
        "They are not posted, whatever the source says of them later, until somebody posts them after all, one by one. "
        "What comes later and names Client Gifts waits as before."
    )
    assert text_of(page).splitlines()[1:] == [
        "Leave these 3 records out?",
        "Waiting for",
        "account Client Gifts",
        "Records",
        "3, 1,250.95 EUR and 5.00 USD",
        "N-b-1 , N-b-2 , N-b-3",
        told,
        "Why; kept in the journal with your name",
        "Leave out: 3 records",
        "Back, change nothing",
    ]
    agreed = {**key("Client Gifts"), "count": "3"}
    for given, problem in (
        ({**agreed, "reason": " "}, "A record that is left out needs a reason: somebody will ask."),
        ({**agreed, "reason": "twice", "count": "2"}, "nothing was left out: 3 records wait for it now"),
        ({**agreed, "reason": "twice", "count": "x"}, "nothing was left out: 3 records wait for it now"),
    ):
        answer = browser.post("/c/acme/to-map/leave-out", given)
        assert (answer.status_code, problem in text_of(answer).splitlines()) == (422, True), problem
    assert set(waiting.bench.states().values()) == {"deferred", "intended"}
    assert browser.post("/c/acme/to-map/leave-out", {**agreed, "reason": "entered by hand"}).status_code == 303
    assert said(browser, "/c/acme/to-map") == "3 records are left out."
    assert waiting.bench.states() == {"b-1": "skipped", "b-2": "skipped", "b-3": "skipped", "b-4": "intended"}
    with waiting.world.store.read() as tx:
        lines = [line for line in journal.lines(tx, "acme") if line["event"] == "left_out"]
    assert [(line["source_id"], line["actor"], json.loads(line["detail"])["why"]) for line in lines] == [
        (name, "panel:operator", "entered by hand") for name in ("b-1", "b-2", "b-3")
    ]
    browser.post("/c/acme/to-map/leave-out", {**agreed, "reason": "again"})
    assert said(browser, "/c/acme/to-map") == "Nothing waits for that any more."


def test_as_many_other_records_are_not_left_out(waiting: Office) -> None:
    """One of the three goes on by itself and another comes: nobody has agreed to that one."""
    browser = waiting.as_("operator")
    browser.get(f"/c/acme/to-map/leave-out?{urlencode(key('Client Gifts'))}")
    agreed = {**key("Client Gifts"), "count": "3", "seen": browser.seen, "reason": "entered by hand"}
    with waiting.world.store.write() as tx:
        skipping.skip(tx, Hand("acme", waiting.world.at(), "panel:ana"), [waiting.bench.record("b-1")], "double")
    waiting.bench.shop.listed["bills"] += [coded("b-7", "Client Gifts", "9000.00")]
    waiting.bench.run("bills")
    answer = browser.post("/c/acme/to-map/leave-out", agreed)
    told = "nothing was left out: what waits for it has changed since this was shown"
    assert (answer.status_code, told in " ".join(text_of(answer).split())) == (422, True)
    assert [waiting.bench.states()[name] for name in ("b-2", "b-3", "b-7")] == ["deferred"] * 3


def test_not_too_many_are_left_out_at_once(waiting: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tomap, "MOST_LEFT_OUT", 2)
    browser = waiting.as_("operator")
    page = browser.get(f"/c/acme/to-map/leave-out?{urlencode(key('Client Gifts'))}")
    assert text_of(page).splitlines()[-1] == "So many are not left out at once: at most 2."
    answer = browser.post("/c/acme/to-map/leave-out", {**key("Client Gifts"), "count": "3", "reason": "r"})
    assert (answer.status_code, waiting.bench.states()["b-1"]) == (422, "deferred")


def test_who_only_reads_has_no_button(waiting: Office) -> None:
    browser = waiting.as_("viewer")
    for path in ("/c/acme/to-map", choose("Client Gifts"), choose("Client Gifts", text="gifts")):
        page = text_of(browser.get(path))
        assert "Gifts to Clients" in page
        assert "Map to this" not in page


def test_a_list_that_was_never_read_is_said_so(office: Office) -> None:
    waits(office, coded("b-1", "Client Gifts"))
    with office.world.store.write() as tx:
        tx.run("list_done", {"company": "acme", "list": "Account", "at": None, "changed": 1})
    browser = office.as_("operator")
    page = text_of(browser.get("/c/acme/to-map"))
    unread = "The list Account of the books was never read here, so nothing can be suggested from it. "
    assert unread + "It is read at the next visit of the Web Connector, or by the next run." in page.splitlines()
    assert (
        "Its full name in the books, such as Travel:Airfare"
        in text_of(browser.get(choose("Client Gifts"))).splitlines()
    )
    browser.post("/c/acme/to-map", {**key("Client Gifts"), "target": "Gifts to Clients"})
    assert said(browser, "/c/acme/to-map") == (
        "Client Gifts means Gifts to Clients; one waiting record goes on. "
        "The name could not be checked: that list was never read."
    )


def test_what_several_objects_fit_is_chosen_by_a_person() -> None:
    """A card charge is matched by its id alone, or with none at all; likeness says nothing of it."""
    with match_kit.bench(match_kit.MATCHED) as made:
        match_kit.listed(made, "charges", match_kit.charge("t-1"), match_kit.charge("t-2"))
        made.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
        made.run()
        panel = Panel(made.world, PAGES, lambda: None, {made.program.flow.name: made.program})
        add_user(made.world, "operator", "operator")
        office = Office(made, Starlette(routes=panel.routes()), [])
        browser = office.as_("operator")
        text = text_of(browser.get("/c/acme/to-map"))
        fit = "Staples 2026-02-27 100.00 EUR"
        assert text.partition("Show\n")[2].splitlines()[1:7] == [
            "b-1",
            "card · shop_to_cloud",
            "1 record waits , 100.00 EUR , the oldest just now",
            f"2 objects of the charges list fit b-1: `{fit} (t-1)`; `{fit} (t-2)`",
            "Choose for b-1",
            "b-2",
        ]
        b1, b2 = ({"flow": match_kit.NAME, "lookup": "card", "key": name} for name in ("b-1", "b-2"))
        lines = text_of(browser.get(f"/c/acme/to-map/choose?{urlencode(b1)}")).splitlines()
        assert (lines.count("Map to this"), lines.count("It is none of them")) == (2, 1)
        browser.post("/c/acme/to-map", {**b1, "target": "t-2"})
        assert said(browser, "/c/acme/to-map") == "b-1 means Staples; one waiting record goes on."
        browser.post("/c/acme/to-map", {**b2, "target": "none"})
        assert said(browser, "/c/acme/to-map") == "b-2 is none of them; one waiting record goes on."
        assert made.states() == {"b-1": "pending", "b-2": "pending"}


def test_filters_and_pages(office: Office) -> None:
    waits(office, *(coded(f"b-{n}", f"Thing {n:03}") for n in range(60)))
    browser = office.as_("viewer")
    first, second = (text_of(browser.get(f"/c/acme/to-map?page={number}")) for number in (1, 2))
    assert ("60 to map, 1 to 50 shown, the most waited for first" in first, "Thing 049" in first) == (True, True)
    assert ("60 to map, 51 to 60 shown, the most waited for first" in second, "Thing 049" in second) == (True, False)
    found = text_of(browser.get("/c/acme/to-map?text=THING+007&place=shop_to_ledger/account"))
    assert [line for line in found.splitlines() if line.startswith("Thing")] == ["Thing 007"]
    for nothing in ("place=shop_to_ledger/vendor", "text=zzz", "page=999999", "place=/"):
        page = text_of(browser.get(f"/c/acme/to-map?{nothing}"))
        assert ("Nothing is missing that is like this." in page) == (nothing != "place=/"), nothing
    assert browser.get("/c/acme/to-map?page=-1&text=%00%ff").status_code == 200


def test_markup_in_names_is_text(office: Office) -> None:
    waits(office, coded("b-1", EVIL), more=[ListObject("A-EVIL", f"{EVIL} <b>")])
    browser = office.as_("operator")
    for path in ("/c/acme/to-map", choose(EVIL), choose(EVIL, text=EVIL)):
        page = browser.get(path)
        assert EVIL in text_of(page)
        assert "<script>" not in page.text
        assert "<img src=x" not in page.text
    browser.post("/c/acme/to-map", {**key(EVIL), "target": "A-EVIL", "label": EVIL})
    page = browser.get("/c/acme/to-map")
    assert text_of(page).splitlines()[0] == f"{EVIL} means {EVIL} <b>; one waiting record goes on."
    assert "<script>" not in page.text


@pytest.mark.acceptance
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_chromium")
def test_a_vendor_is_mapped_and_its_bills_are_posted_in_the_next_cycle(office: Office, scheme: str) -> None:
    vendor = {"id": "v-77", "name": "Acme Suplies Inc."}
    office.bench.read_lists(
        vendors=[ListObject("V-ACME", "Acme Supplies"), ListObject("V-2", "Acme Motors, Incorporated " + "W" * 60)],
        accounts=[*ACCOUNTS, *MEALS],
    )
    office.bench.shop.listed["bills"] = [
        bill("b-1", "1250.50", vendor=vendor),
        bill("b-2", "99.50", vendor=vendor),
        coded("b-3", "Client Gifts & Entertainment " + "W" * 40),
        bill("b-4", "7.00", vendor={"id": "v-78", "name": EVIL}),
    ]
    office.bench.run("bills")
    complaints: list[str] = []
    with running(office.app) as url, browser(complaints, scheme=scheme) as page:
        sign_in(page, url)
        page.click("main a:text-is('Acme')")
        page.click("nav a:text-is('To map')")
        fits(page, f"{scheme}_to_map")
        page.click(".gap:has(h2:has-text('Acme Suplies')) >> text=Choose another")
        page.fill("#text", "acme")
        page.click("button:text-is('Find')")
        fits(page, f"{scheme}_to_map_choose")
        page.click("text=Leave them out")
        fits(page, f"{scheme}_to_map_leave_out")
        page.click("nav a:text-is('To map')")
        page.click(".gap:has(h2:has-text('Acme Suplies')) >> button >> nth=0")
        flash = page.locator(".flash").inner_text()
        assert flash == "Acme Suplies Inc. means Acme Supplies; 2 waiting records go on."
        fits(page, f"{scheme}_to_map_done")
    assert complaints == []
    office.bench.run("bills")
    assert office.bench.post_all() == 2
    assert office.bench.states() == {"b-1": "posted", "b-2": "posted", "b-3": "deferred", "b-4": "deferred"}


def test_accounts_are_shown_with_their_types() -> None:
    """Of what kind an account is stands beside it, and where nobody codes a line to comes last."""
    flow = "ramp_to_quickbooks"
    with house(flow) as made:
        accounts = [
            ListObject("1", "Travel Bank", number="1010", data={"account_type": "Bank"}),
            ListObject("2", "Travel Meals", number="6010", data={"account_type": "OtherExpense"}),
        ]
        with made.world.store.write() as tx:
            shelf = Shelf(made.world, tx, "acme")
            shelf.record("b-1", "deferred", unmapped("account", "k-1", "Travel bank costs"))
            lists.store_page(tx, "acme", "Account", accounts, first=True)
            lists.finish(tx, "acme", "Account", made.world.at())
        browser = made.as_("viewer")
        shown = text_of(browser.get("/c/acme/to-map")).splitlines()
        assert [line for line in shown if line.startswith("Travel ") and "costs" not in line] == [
            "Travel Meals 6010 Other Expense", "Travel Bank 1010 Bank",
        ]  # fmt: skip
        found = text_of(browser.get(f"/c/acme/to-map/choose?flow={flow}&lookup=account&key=k-1&text=bank")).splitlines()
        assert "Travel Bank 1010 Bank 1" in found
        row = made.as_("operator").get(f"/c/acme/mappings/{flow}/account/row")
        assert '<option value="Travel Meals">6010, Other Expense</option>' in row.text
