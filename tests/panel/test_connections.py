"""Connections: how each stands, connecting, trying, another account, secrets, disconnecting."""

from __future__ import annotations

import json
import re

import pytest

from engine.desk import StoreOutbox
from engine.diagnostics import Diagnostic, Location
from engine.store import companies, work
from engine.testing import FakeClock
from tests.engine.kit import bill
from tests.panel.kit import Browser, Office, text_of

SHOP = "/c/acme/connections/shop"
NONE = "\N{EN DASH}"


def line_of(office: Office, event: str) -> tuple[str, dict[str, object]]:
    """Who wrote the newest line of an event, and what it says."""
    with office.world.store.read() as tx:
        row = tx.one("journal_newest", {"company": "acme", "event": event})
    assert row is not None, event
    return row["actor"], json.loads(row["detail"])


def secrets(office: Office, connection: str = "shop") -> dict[str, str]:
    with office.world.store.read() as tx:
        found = companies.binding(tx, office.world.vault, "acme", connection)
    return dict(found[1].secrets) if found is not None else {}


def flash(browser: Browser, path: str) -> str:
    """What a page says once."""
    found = re.findall(r'<p class="flash \w+"[^>]*>(.*?)</p>', browser.get(path).text, re.DOTALL)
    return "\n".join(found)


def test_a_viewer_sees_how_all_stand(office: Office) -> None:
    assert text_of(office.as_("viewer").get("/c/acme/connections")).splitlines() == [
        "Connections", "Connection Stands Account Since Permission Worked last Last trouble",
        "Ledger ledger", "has not called yet", NONE, NONE, "none needed", "never seen", "none",
        "Shop shop", "not tried yet", NONE, NONE, "none needed", "never seen", "none",
    ]  # fmt: skip
    text = text_of(office.as_("viewer").get(SHOP))
    assert [word for word in ("Change settings", "Disconnect", "Test", "Replace") if word in text] == []
    assert "Region\neu" in text


def test_a_polled_connection_stands_as_its_last_call_did(office: Office) -> None:
    """Its agent comes to us, so a call with the right password is what counts."""
    viewer, ledger = office.as_("viewer"), "/c/acme/connections/ledger"
    outbox = StoreOutbox(office.world, {})
    with outbox.transaction() as desk:
        desk.sessions.open("acme", "t-1", {})
    office.clock.sleep(120)
    shown = text_of(viewer.get("/c/acme/connections")).splitlines()
    assert shown[2:6] == ["Ledger ledger", "connected", NONE, NONE]
    assert shown[7] == "called 2 min ago"
    with outbox.transaction() as desk:
        desk.sessions.open("acme", "t-2", {"error": "The file waits to be confirmed."})
    shown = text_of(viewer.get(ledger)).splitlines()
    assert "in trouble" in shown[2]
    assert "The file waits to be confirmed." in shown
    assert "Called last" in shown
    office.clock.sleep(1)
    with office.world.store.write() as tx:
        companies.bind(tx, "acme", {"company_name": "Acme"}, office.world.at())
    assert "connected" in text_of(viewer.get(ledger)).splitlines()[2]


def test_what_went_wrong_is_said_until_it_works(office: Office) -> None:
    with office.world.store.write() as tx:
        alert = work.Alert("connection", "shop_to_ledger/shop/bills", "the shop is shut", "wait, or run `flowctl run`")
        work.raise_alert(tx, "acme", alert, office.world.at())
    shown = text_of(office.as_("viewer").get(SHOP)).splitlines()
    assert "in trouble" in shown[2]
    assert "the shop is shut" in shown
    assert not any("flowctl run" in line for line in shown)
    with office.world.store.write() as tx:
        work.resolve_alert(tx, "acme", "connection", "shop_to_ledger/shop/bills", office.world.at())
    shown = text_of(office.as_("viewer").get(SHOP)).splitlines()
    assert ("not tried yet" in shown[2], any("it is over" in line for line in shown)) == (True, True)


def test_a_test_calls_the_other_side_and_its_result_is_kept(office: Office) -> None:
    browser = office.as_("operator")
    answer = browser.post(f"{SHOP}/test")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/panel{SHOP}")
    shown = text_of(browser.get(SHOP)).splitlines()
    assert shown[0] == "The test found nothing wrong."
    assert "look Shop: settings are complete; credentials not tried" in " ".join(shown)
    office.bench.connector.problems = [
        Diagnostic(Location("acme/shop"), "S1", "api_key", "is too old", "make a new one")
    ]
    browser.post(f"{SHOP}/test")
    shown = text_of(browser.get(SHOP)).splitlines()
    assert shown[0] == "It does not work. What was found stands below."
    assert "wrong API key is too old make a new one" in " ".join(shown)
    assert "in trouble" in shown[3]


def test_a_role_of_a_flow_is_connected_by_a_form(office: Office) -> None:
    admin = office.as_("admin")
    admin.post(f"{SHOP}/disconnect")
    assert "Not connected" in text_of(admin.get("/c/acme/connections"))
    assert text_of(admin.get(SHOP)).splitlines()[-2:] == ["Connect it with", "Shop sells"]
    form = admin.get(f"{SHOP}/settings?connector=shop")
    assert [re.findall(rf'name="s_{n}"', form.text) != [] for n in ("region", "api_key", "hook_secret")] == [True] * 3
    given = {"connector": "shop", "s_region": "us", "s_pages": "7", "s_live": "true", "s_api_key": "k-new"}
    answer = admin.post(f"{SHOP}/settings", {**given, "untried": "yes"})
    assert (answer.status_code, flash(admin, SHOP)) == (303, "Connected with Shop.")
    with office.world.store.read() as tx:
        row = tx.one("connection_get", {"company": "acme", "connection": "shop"})
    assert row is not None
    assert json.loads(row["settings"]) == {"region": "us", "pages": 7, "live": True}
    assert secrets(office) == {"api_key": "k-new"}
    assert line_of(office, "connected") == (
        "panel:admin",
        {"connection": "shop", "connector": "shop", "settings": ["live", "pages", "region"], "secrets": ["api_key"]},
    )
    assert office.poked
    assert "k-new" not in form.text + admin.get(SHOP).text + admin.get(f"{SHOP}/settings").text


def test_what_is_emptied_goes_and_secrets_left_empty_stay(office: Office) -> None:
    admin = office.as_("admin")
    admin.post(f"{SHOP}/settings", {"connector": "shop", "s_region": "", "s_api_key": "", "untried": "yes"})
    with office.world.store.read() as tx:
        row = tx.one("connection_get", {"company": "acme", "connection": "shop"})
    assert row is not None
    assert json.loads(row["settings"]) == {}
    assert secrets(office) == {"api_key": "k-1", "hook_secret": "hush"}


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("s_region", "mars", "setting `region`: `mars` is none of its values. Known: eu, us."),
        ("s_pages", "many", "setting `pages`: `many` is no whole number. Records a page."),
        ("s_pages", "9" * 30, f"setting `pages`: `{'9' * 30}` is no whole number. Records a page."),
        ("s_live", "perhaps", "setting `live`: `perhaps` is neither true nor false. Give true or false."),
        ("s_api_key", "a\nb", "the secret `api_key` holds line breaks or control characters. Copy it again, as one line of text."),
        ("s_region", "x" * 2001, "setting `region`: is longer than 2000 characters. Where it is."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_and_changes_nothing(office: Office, field: str, given: str, said: str) -> None:
    admin = office.as_("admin")
    answer = admin.post(f"{SHOP}/settings", {"connector": "shop", "s_api_key": "typed-secret", field: given})
    assert answer.status_code == 422
    assert said in text_of(answer).splitlines()
    assert "typed-secret" not in answer.text
    assert secrets(office) == {"api_key": "k-1", "hook_secret": "hush"}


def test_another_account_is_asked_about_once_there_are_records(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = office.bench.connector.spec
    from dataclasses import replace

    monkeypatch.setattr(office.bench.connector, "spec", replace(spec, account=("region",)))
    admin, given = office.as_("admin"), {"connector": "shop", "s_region": "us", "untried": "yes"}
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    answer = admin.post(f"{SHOP}/settings", given)
    assert answer.status_code == 422
    assert "`shop` would lead to another account: `us`, and it was `eu`" in text_of(answer).splitlines()
    assert 'name="other"' in answer.text
    answer = admin.post(f"{SHOP}/settings", {**given, "other": "yes"})
    assert answer.status_code == 303
    assert text_of(admin.get(SHOP)).splitlines()[3:] != []
    # It is remembered over a disconnection as well.
    admin.post(f"{SHOP}/disconnect")
    answer = admin.post(f"{SHOP}/settings", {**given, "s_region": "eu", "s_api_key": "k"})
    assert (answer.status_code, 'name="other"' in answer.text) == (422, True)
    answer = admin.post(f"{SHOP}/settings", {**given, "s_api_key": "k"})
    assert answer.status_code == 303


def test_a_secret_is_replaced(office: Office) -> None:
    admin = office.as_("admin")
    assert "The one that is kept now ends at once." in text_of(admin.get(f"{SHOP}/secret/hook_secret"))
    assert admin.post(f"{SHOP}/secret/hook_secret", {"secret": " "}).status_code == 422
    answer = admin.post(f"{SHOP}/secret/hook_secret", {"secret": "louder"})
    assert (answer.status_code, flash(admin, SHOP)) == (
        303,
        "The secret is replaced. Press Test to see that it works.",
    )
    assert secrets(office) == {"api_key": "k-1", "hook_secret": "louder"}
    admin.post(f"{SHOP}/secret/none", {"secret": "x"})
    assert flash(admin, SHOP) == "There is no such secret here."


def test_the_secret_before_is_taken_until_it_is_ended(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from engine.spec import FieldSpec

    spec = office.bench.connector.spec
    more = FieldSpec("hook_secret_previous", "text", "the one before", secret=True)
    monkeypatch.setattr(office.bench.connector, "spec", replace(spec, settings=(*spec.settings, more)))
    admin = office.as_("admin")
    admin.post(f"{SHOP}/secret/hook_secret", {"secret": "louder"})
    assert secrets(office) == {"api_key": "k-1", "hook_secret": "louder", "hook_secret_previous": "hush"}
    assert "The one before is still taken." in flash(admin, SHOP)
    admin.post(f"{SHOP}/secret/hook_secret_previous/end")
    assert flash(admin, SHOP) == "The secret before is no longer taken."
    assert secrets(office) == {"api_key": "k-1", "hook_secret": "louder"}
    assert line_of(office, "secret_ended") == (
        "panel:admin",
        {"connection": "shop", "secret": "hook_secret_previous"},
    )
    admin.post(f"{SHOP}/secret/hook_secret_previous/end")
    assert flash(admin, SHOP) == "there is no secret that is still taken `hook_secret_previous`"


def test_disconnecting_asks_and_is_refused_while_something_is_under_way(office: Office) -> None:
    admin, ledger = office.as_("admin"), "/c/acme/connections/ledger"
    office.bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    office.bench.run("bills")
    made = office.bench.send(1)
    assert made is not None
    assert "It cannot be disconnected now: 1 document is under way" in text_of(admin.get(f"{ledger}/disconnect"))
    admin.post(f"{ledger}/disconnect")
    assert flash(admin, ledger).startswith("It stays connected: the message set set-1 is not settled")
    office.bench.settle(made)
    asked = text_of(admin.get(f"{ledger}/disconnect"))
    assert "1 document waits to be sent, and waits for the next connection." in asked
    answer = admin.post(f"{ledger}/disconnect", {"reason": "new file"})
    assert answer.headers["location"] == "/panel/c/acme/connections"
    assert flash(admin, "/c/acme/connections") == "Ledger is disconnected; its secrets are gone."
    assert line_of(office, "disconnected") == (
        "panel:admin",
        {"connection": "ledger", "connector": "ledger", "why": "new file"},
    )
    assert sorted(office.bench.states().values()) == ["pending", "posted"]
    with office.world.store.read() as tx:
        assert [row["connection"] for row in companies.connections(tx, "acme")] == ["shop"]
    admin.post(f"{ledger}/disconnect")
    assert flash(admin, ledger) == "Nothing is connected here."


def test_what_is_not_there(office: Office) -> None:
    admin = office.as_("admin")
    for path in ("/c/acme/connections/none", "/c/acme/connections/none/settings", "/c/acme/connections/%3Cb%3E"):
        assert admin.get(path).status_code == 404
    assert admin.post("/c/acme/connections/none/settings").status_code == 404
    assert isinstance(office.world.clock, FakeClock)
