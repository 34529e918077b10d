"""A flow's settings changed and the flow switched in the panel: asked first, checked as the command does, journalled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine import flowswitch, told
from engine.contract import ListObject
from engine.evidence import Told
from engine.follow import Hand
from engine.operator import flowsettings
from engine.store import companies, facts, lists
from engine.store.lists import Mapping
from tests.engine.kit import FLOW, bill
from tests.panel.house import house, program
from tests.panel.kit import Office, text_of

HERE = f"/c/acme/flows/{FLOW}"
SETTING = f"{HERE}/settings/with_payments"
RAMP = "ramp_to_quickbooks"


def journalled(office: Any, *events: str) -> list[tuple[str, str, dict[str, object]]]:
    with office.world.store.read() as tx:
        rows = tx.rows("journal_from", {"company": "acme", "after": 0, "limit": 1000})
    return [(row["event"], row["actor"], json.loads(row["detail"])) for row in rows if row["event"] in events]


def test_a_setting_is_shown_asked_and_changed(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    browser = office.as_("admin")
    assert text_of(browser.get(SETTING)).splitlines() == [
        FLOW,
        "With payments",
        "Post payments.",
        "Now",
        "yes as the flow has it",
        "In the flow file",
        "with_payments",
        "New value",
        "yes",
        "no",
        "Go on",
        "Back, change nothing",
        "Nothing is changed yet: the next page says what comes of it.",
    ]
    asked = browser.post(SETTING, {"value": "false"})
    assert text_of(asked).splitlines() == [
        "With payments",
        "Change With payments?",
        "Post payments.",
        "Before",
        "yes",
        "After",
        "no",
        "It counts for everything that is posted from now on, and can change what is posted.",
        "One request is prepared and not sent yet ( 100.00 EUR ): it is prepared anew.",
        "What is posted stays as it is.",
        "Why (may be left empty); kept in the journal with your name",
        "Change it",
        "Back, change nothing",
    ]
    assert journalled(office, "setting") == []
    done = browser.post(SETTING, {"value": "false", "sure": "yes", "seen": "", "why": "no payments"})
    assert done.headers["location"] == f"/panel{HERE}#settings"
    assert text_of(browser.get(HERE)).splitlines()[0] == "With payments is changed. One record is looked at anew."
    assert journalled(office, "setting") == [
        ("setting", "panel:admin", {"setting": "with_payments", "value": False, "why": "no payments"})
    ]
    assert office.poked == ["poke"]


def test_it_goes_back_to_what_the_flow_has(office: Office) -> None:
    with office.world.store.write() as tx:
        companies.put_setting(tx, "acme", FLOW, "with_payments", False)
    browser = office.as_("admin")
    assert "Back to what the flow has: yes" in text_of(browser.get(SETTING))
    assert text_of(browser.post(SETTING, {"do": "back"})).splitlines()[3:7] == ["Before", "no", "After", "yes"]
    browser.post(SETTING, {"do": "back", "sure": "yes", "seen": "false"})
    with office.world.store.read() as tx:
        assert companies.settings(tx, "acme", FLOW) == {}
    assert [detail for _, _, detail in journalled(office, "setting")] == [{"setting": "with_payments", "value": None}]


def test_what_somebody_else_has_changed_meanwhile_stays(office: Office) -> None:
    browser = office.as_("admin")
    browser.post(SETTING, {"value": "false"})
    with office.world.store.write() as tx:
        companies.put_setting(tx, "acme", FLOW, "with_payments", True)
    browser.post(SETTING, {"value": "false", "sure": "yes", "seen": ""})
    assert text_of(browser.get(HERE)).splitlines()[0] == (
        "nothing was changed: somebody has changed `with_payments` in the meantime. Look at the value that it has now, "
        "and decide about that."
    )
    with office.world.store.read() as tx:
        assert companies.settings(tx, "acme", FLOW) == {"with_payments": True}


def test_the_same_value_changes_nothing(office: Office) -> None:
    with office.world.store.write() as tx:
        companies.put_setting(tx, "acme", FLOW, "with_payments", True)
    browser = office.as_("admin")
    browser.post(SETTING, {"value": "true", "sure": "yes", "seen": "true"})
    assert text_of(browser.get(HERE)).splitlines()[0] == "With payments is set so already: nothing was changed."
    assert journalled(office, "setting") == []


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("create_vendors", "maybe", "setting `create_vendors`: `maybe` is neither true nor false. Give true or false."),
        ("card_posts_as", "journal", "setting `card_posts_as`: `journal` is none of its values. Did you mean "),
        ("bank_account", " ", "setting `bank_account`: is empty, too long, or holds control characters. "),
        ("bank_account", "x" * 1001, "setting `bank_account`: is empty, too long, or holds control characters. "),
    ],
)
def test_a_value_is_checked_as_the_command_checks_it(name: str, value: str, wrong: str) -> None:
    with house(RAMP) as made:
        answer = made.as_("admin").post(f"/c/acme/flows/{RAMP}/settings/{name}", {"value": value, "sure": "yes"})
        assert answer.status_code == 422
        assert any(line.startswith(wrong) for line in text_of(answer).splitlines()), text_of(answer)
        with made.world.store.read() as tx:
            assert companies.settings(tx, "acme", RAMP) == {}


def test_every_setting_of_the_shipped_flows_has_its_page() -> None:
    names = ("bill_to_quickbooks", "expensify_to_quickbooks", "freshbooks_to_ramp", "ramp_accounting", RAMP)
    with house(*names) as made:
        browser = made.as_("admin")
        for name in names:
            for setting in made.programs[name].flow.settings:
                where = f"/c/acme/flows/{name}/settings/{setting.name}"
                assert browser.get(where).status_code == 200, where
                text = flowsettings.text_of(setting.default)
                # What the form shows is what it takes; so its own default, sent back, is asked about and no more.
                assert browser.post(where, {"value": text}).status_code == 200, where
        assert browser.get(f"/c/acme/flows/{RAMP}/settings/no_such").status_code == 404
        assert browser.get("/c/acme/flows/no_such/settings/x").status_code == 404


def test_an_account_is_named_from_the_list_and_a_mapping_counts_first() -> None:
    where = f"/c/acme/flows/{RAMP}/settings/ap_account"
    with house(RAMP) as made:
        with made.world.store.write() as tx:
            accounts = [ListObject("1", "Accounts Payable"), ListObject("2", "Checking")]
            lists.store_page(tx, "acme", "Account", accounts, first=True)
            lists.finish(tx, "acme", "Account", made.world.at())
            row = Mapping(RAMP, "account", "setting:ap_account", "Checking", label="Checking")
            lists.put_mapping(tx, "acme", row, "panel:ana", made.world.at())
        browser = made.as_("admin")
        page = browser.get(where)
        assert '<datalist id="names"><option value="Accounts Payable">' in page.text
        assert "Somebody has mapped setting:ap_account to Checking : that counts before this setting" in text_of(page)
        asked = text_of(browser.post(where, {"value": "Accounts Payables"}))
        assert (
            "The list Account of the books, as it was last read, has nothing called Accounts Payables that is active."
        ) in asked
        assert "This changes nothing while setting:ap_account is mapped to Checking" in asked
        assert "has nothing called" not in text_of(browser.post(where, {"value": "checking"}))


def test_where_the_company_file_says_it_nothing_need_be_set() -> None:
    where = f"/c/acme/flows/{RAMP}/settings/home_currency"
    with house(RAMP) as made:
        browser = made.as_("admin")
        with made.world.store.write() as tx:
            companies.put_setting(tx, "acme", RAMP, "home_currency", "EUR")
            told.keep(tx, "acme", made.world.at(), {"home_currency": Told("CAD", is_sure=False)})
        assert "Now EUR set for this company" in " ".join(text_of(browser.get(where)).splitlines())
        with made.world.store.write() as tx:
            told.keep(tx, "acme", made.world.at(), {"home_currency": Told("CAD", is_sure=True)})
        shown = " ".join(text_of(browser.get(where)).splitlines())
        assert "Now CAD as QuickBooks Desktop (Web Connector) says" in shown
        assert "The company file is sure of it, so nothing else can be set; what was set for this company, EUR" in shown
        assert "CAD as QuickBooks Desktop (Web Connector) says" in text_of(browser.get(f"/c/acme/flows/{RAMP}"))
        refused = browser.post(where, {"value": "USD", "sure": "yes"})
        assert refused.status_code == 422
        assert "`books` says that it is `CAD`, and that counts. Nothing need be set" in text_of(refused)
        assert browser.post(where, {"do": "back", "sure": "yes", "seen": "EUR"}).status_code == 303
        with made.world.store.read() as tx:
            assert companies.settings(tx, "acme", RAMP) == {}


def test_a_value_for_one_policy_alone() -> None:
    flow = "expensify_to_quickbooks"
    where = f"/c/acme/flows/{flow}/settings/class_tag_level"
    with house(flow) as made:
        browser = made.as_("admin")
        asked = text_of(browser.post(where, {"value": "2", "for": "P-1"})).splitlines()
        assert asked[1:7] == [
            "Change Class tag level for P-1?",
            "Which level of tags is the class in QuickBooks; 0 for none.",
            "Before", "1", "After", "2",
        ]  # fmt: skip
        browser.post(where, {"value": "2", "for": "P-1", "sure": "yes", "seen": ""})
        with made.world.store.read() as tx:
            assert companies.settings(tx, "acme", flow) == {"class_tag_level[P-1]": 2}
        assert text_of(browser.get(where)).splitlines()[-2:] == ["For one alone", "P-1 : 2"]
        assert text_of(browser.get(f"{where}?for=P-1")).splitlines()[1] == "Class tag level for P-1"
        refused = browser.post(f"/c/acme/flows/{flow}/settings/home_currency", {"value": "EUR", "for": "P-1"})
        assert refused.status_code == 422
        assert "setting `home_currency`: the flow asks for it in general only" in text_of(refused)


# --- on and off ------------------------------------------------------------------------------------------------------


def test_a_flow_is_switched_off_and_on(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    browser = office.as_("operator")
    assert text_of(browser.get(f"{HERE}/switch")).splitlines() == [
        FLOW,
        f"Switch {FLOW} off?",
        "Bills of a shop post into a ledger.",
        "It reads and prepares nothing any more for this company.",
        (
            "One request is prepared and not sent yet ( 100.00 EUR ): it is still written, and the source is told. To keep "
            "back what is prepared, pause the flow instead."
        ),
        "To stop it for some days only, pause it : nothing is sent then either, and every page says so.",
        "Why (may be left empty); kept in the journal with your name",
        "Switch it off",
        "Back, change nothing",
    ]
    browser.post(f"{HERE}/switch", {"do": "off", "why": "another flow does it"})
    assert text_of(browser.get(HERE)).splitlines()[:3] == [f"{FLOW} is off.", "Flows", FLOW]
    browser.post(f"{HERE}/switch", {"do": "off"})
    assert text_of(browser.get(HERE)).splitlines()[0] == f"{FLOW} was off already: nothing was changed."
    browser.post(f"{HERE}/switch", {"do": "on"})
    assert journalled(office, "on", "off") == [
        ("off", "panel:operator", {"flow": FLOW, "why": "another flow does it"}),
        ("on", "panel:operator", {"flow": FLOW}),
    ]
    assert office.poked == ["poke", "poke"]


def test_rivals_are_not_both_on() -> None:
    with house(RAMP, "ramp_accounting") as made:
        with made.world.store.write() as tx:
            for name, connector in (("ramp", "ramp"), ("books", "qbwc")):
                companies.put_connection(tx, "acme", name, connector, {}, made.world.at())
            flowswitch.claim(tx, "acme", program(RAMP).flow, made.world.at())
        browser = made.as_("operator")
        answer = browser.post("/c/acme/flows/ramp_accounting/switch", {"do": "on"})
        assert answer.status_code == 422
        assert (
            f"{RAMP} is on, and writes the same records into books: both would post everything twice. Switch {RAMP} off "
            f"first.\nOpen {RAMP}"
        ) in text_of(answer)
        assert f'<a href="/panel/c/acme/flows/{RAMP}">Open {RAMP}</a>' in answer.text
        with made.world.store.read() as tx:
            assert not flowswitch.is_on(tx, "acme", program("ramp_accounting").flow)


def test_a_stream_with_another_key_is_read_again_once_an_admin_says_so(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    with office.world.store.write() as tx:
        kept = dict(facts.recall(tx, "acme", f"keys:{FLOW}") or {})
        way = {**kept["streams"]["bills"], "key": "number"}
        facts.remember(
            tx, "acme", office.world.at(), f"keys:{FLOW}", {**kept, "streams": {**kept["streams"], "bills": way}}
        )
    path = f"{HERE}/streams/bills/read-again"
    why = "Nothing of it is read: its `key` was `number` and is `id` now."
    operator, admin = office.as_("operator"), office.as_("admin")
    assert why in text_of(operator.get(HERE))
    assert "or ask an admin to have it read again" in text_of(operator.get(HERE))
    assert f'href="/panel{path}"' in admin.get(HERE).text
    said = text_of(admin.get(path))
    assert "Whatever it still offers would be posted a second time." in said
    assert "are posted already" not in said
    assert admin.post(path, {}).status_code == 303
    shown = text_of(admin.get(HERE))
    assert (shown.splitlines()[0], why in shown) == ("bills is read again.", False)
    assert [actor for _, actor, _ in journalled(office, "rekeyed")] == ["panel:admin"]
    assert admin.post(path, {}).status_code == 303
    assert "Nothing was changed: acme/shop_to_ledger/bills: knows its records by what it knew" in text_of(
        admin.get(HERE)
    )
    assert admin.get(path).status_code == 303
    assert "bills is read as ever" in text_of(admin.get(HERE))
    assert admin.get(f"{HERE}/streams/no_such/read-again").status_code == 404


def test_a_rival_with_another_filter_is_let_in_by_who_has_looked(office: Office) -> None:
    office.bench.run("bills")
    with office.world.store.write() as tx:
        kept = dict(facts.recall(tx, "acme", f"writes:{FLOW}") or {})
        other = json.loads(json.dumps(kept).replace("ready", "open"))
        assert other != kept
        facts.forget(tx, "acme", f"writes:{FLOW}")
        facts.remember(tx, "acme", office.world.at(), f"flow:{FLOW}", {"on": False})
        facts.remember(tx, "acme", office.world.at(), "writes:another", other)
    browser = office.as_("operator")
    refused = browser.post(f"{HERE}/switch", {"do": "on"})
    assert refused.status_code == 422
    assert "say below that they never read the same record" in text_of(refused)
    assert f"I have looked: {FLOW} and another never read the same record" in text_of(refused)
    assert browser.post(f"{HERE}/switch", {"do": "on", "beside": "another"}).status_code == 303
    with office.world.store.read() as tx:
        assert flowswitch.is_on(tx, "acme", office.bench.program.flow)


def test_a_flow_whose_records_are_under_way_is_waited_for(office: Office) -> None:
    with office.world.store.write() as tx:
        error = flowswitch.StillUnderWay("acme", FLOW, "old/bills", 3)
        facts.remember(tx, "acme", office.world.at(), f"flow:{FLOW}", {"on": False})
    assert (error.other, error.count) == ("old", 3)
    hand = Hand("acme", office.world.at(), "panel:operator")
    with office.world.store.write() as tx:
        assert flowswitch.switch(tx, hand, office.bench.program.flow, on=True)


# --- what rests ------------------------------------------------------------------------------------------------------


def test_what_rests_is_told_apart(office: Office) -> None:
    lines = [{"account": "Nowhere", "code": "1", "amount": "100.00", "memo": "m"}]
    office.bench.shop.listed["bills"] = [bill("b-1", lines=lines)]
    office.bench.run("bills")
    with office.world.store.write() as tx:
        hand = Hand("acme", office.world.at(), "panel:operator")
        flowswitch.switch(tx, hand, office.bench.program.flow, on=False)
    browser = office.as_("operator")
    shown = text_of(browser.get("/c/acme"))
    assert f"{FLOW} is off: one record rests, and waits for nobody." in shown
    assert "Waiting\n0\nFailed" in shown
    assert f"bills {FLOW} off" in shown
    assert "off one record rests\nSwitch it on" in text_of(browser.get("/c/acme/flows"))
    to_map = text_of(browser.get("/c/acme/to-map"))
    assert f"{FLOW} is off for this company, so what its records miss rests: one value ." in to_map
    assert "Nowhere" not in to_map
    assert "Nowhere" in text_of(browser.get(f"/c/acme/to-map?place={FLOW}"))
    record = text_of(browser.get(f"/c/acme/records/{office.bench.record('b-1')['id']}"))
    assert "waiting rests: its flow is off" in record
    assert f"The flow {FLOW} is off for this company: the record goes on when it is switched on again." in record
    asked = text_of(browser.get(f"{HERE}/switch"))
    assert "One record rests, and goes on." in asked
