"""What a person does on the panel beside single decisions: pause, hold, replay, sets of records; each asked and done once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.connections.connecting import connect
from engine.contract import OperationOutcome
from engine.follow import Hand
from engine.operator import chosen, onhold, pausing, worklist
from engine.store import journal, lists
from tests.engine import kit
from tests.engine.kit import bill
from tests.panel.kit import Browser, Office, text_of


@pytest.fixture
def busy(office: Office) -> Office:
    """Bills 1 and 2 are prepared, 3 waits for an account, 4 failed."""
    bench = office.bench
    lines = [{"account": "Nowhere", "code": "1", "amount": "1250.50", "memo": "m"}]
    bench.shop.listed["bills"] = [
        bill("b-1"),
        bill("b-2", "40.00", lines=bill("x", "40.00")["lines"]),
        bill("b-3", amount="1250.50", lines=lines),
        bill("b-4", "9.99", lines=[]),
    ]
    bench.run("bills")
    assert bench.states() == {"b-1": "intended", "b-2": "intended", "b-3": "deferred", "b-4": "failed"}
    return office


def number(office: Office, source_id: str) -> int:
    return int(office.bench.record(source_id)["id"])


def flash(browser: Browser, path: str) -> list[str]:
    """What the next page says once."""
    return text_of(browser.get(path)).splitlines()[:2]


def events(office: Office, source_id: str, *names: str) -> list[tuple[str, str, dict[str, object]]]:
    with office.world.store.read() as tx:
        lines = journal.of_record(tx, office.bench.record(source_id)["id"])
    return [(line["event"], line["actor"], json.loads(line["detail"])) for line in lines if line["event"] in names]


# --- pause -----------------------------------------------------------------------------------------------------------


def test_pause_is_asked_shown_everywhere_and_taken_back(busy: Office) -> None:
    browser = busy.as_("operator")
    assert text_of(browser.get("/c/acme/pause")).splitlines()[3:] == [
        "What State Since By Why",
        "The whole company",
        "running",
        "Pause",
        "shop_to_ledger",
        "running",
        "Pause",
    ]
    assert browser.get("/c/acme/pause/all").status_code == 200
    assert browser.post("/c/acme/pause/all", {"do": "pause", "reason": " "}).status_code == 422
    for said in ("The company is paused.", "The company was paused already: nothing was changed."):
        browser.get("/c/acme/pause/all")
        answer = browser.post("/c/acme/pause/all", {"do": "pause", "reason": "closing the books"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/panel/c/acme")
        banner, hint, shown = text_of(browser.get("/c/acme")).splitlines()[:3]
        assert banner == "This company is paused by operator since 2026-03-02 14:00 : closing the books"
        assert (hint, shown) == ("Nothing new is read or sent until it is resumed. Resume", said)
    for path in ("/c/acme/records", "/c/acme/records/1", "/c/acme/alerts", "/c/acme/reconcile", "/c/acme/pause"):
        assert text_of(browser.get(path)).splitlines()[0] == banner, path
    assert text_of(busy.as_("viewer").get("/c/acme/alerts")).splitlines()[1] == (
        "Nothing new is read or sent until it is resumed."
    )
    assert busy.bench.send() is None
    assert text_of(browser.get("/c/acme/pause/all")).splitlines()[3:] == [
        "Resume the whole company",
        "operator paused it at 2026-03-02 14:00 : closing the books",
        "At the next visit 2 requests are sent: 140.00 EUR . Records that somebody holds back stay.",
        "Why (may be left empty); kept in the journal with your name",
        "Resume",
        "Back, change nothing",
    ]
    for said in ("The company is resumed.", "The company was not paused: nothing was changed."):
        browser.post("/c/acme/pause/all", {"do": "resume"})
        assert flash(browser, "/c/acme")[0] == said
    assert busy.bench.post_all() == 2
    with busy.world.store.read() as tx:
        line = tx.one("journal_newest", {"company": "acme", "event": "paused"})
    assert line is not None
    assert (line["actor"], json.loads(line["detail"])) == (
        "panel:operator",
        {"what": "company", "why": "closing the books"},
    )


def test_only_the_pause_that_was_shown_is_resumed(busy: Office) -> None:
    """A page that asks stays open, or is gone back to, while others resume, and pause for another reason."""
    browser = busy.as_("operator")
    hand = Hand("acme", busy.world.at(), "panel:ana")
    with busy.world.store.write() as tx:
        pausing.pause(tx, hand, "", "lunch")
    browser.get("/c/acme/pause/all")
    seen = browser.seen
    busy.clock.sleep(60)
    with busy.world.store.write() as tx:
        pausing.resume(tx, hand, "")
        pausing.pause(tx, Hand("acme", busy.world.at(), "panel:ana"), "", "wrong account")
    browser.post("/c/acme/pause/all", {"do": "resume", "seen": seen})
    assert text_of(browser.get("/c/acme")).splitlines()[2] == (
        "nothing was changed: ana has paused it again, for `wrong account`. "
        "look at why it is paused now, and decide about that"
    )
    assert busy.bench.send() is None


def test_a_flow_that_there_is_not_cannot_be_paused(busy: Office) -> None:
    browser = busy.as_("operator")
    assert browser.get("/c/acme/pause/other").status_code == 404
    assert browser.post("/c/acme/pause/other", {"do": "pause", "reason": "x"}).status_code == 404


# --- one record ------------------------------------------------------------------------------------------------------


def act(browser: Browser, record: int, action: str, **fields: str) -> str:
    """Do something on the page that asks; what the record's page says then."""
    assert browser.get(f"/c/acme/records/{record}/{action}").status_code == 200
    assert browser.post(f"/c/acme/records/{record}/{action}", fields).status_code == 303
    return text_of(browser.get(f"/c/acme/records/{record}")).splitlines()[0]


def test_hold_back_and_release(busy: Office) -> None:
    browser = busy.as_("operator")
    assert act(browser, 1, "hold", reason="wrong vendor") == "It is held back."
    lines = text_of(browser.get("/c/acme/records/1")).splitlines()
    assert lines[3:6] == [
        "Release",
        "operator holds it back since 2026-03-02 14:00 : wrong vendor",
        "It is not sent until somebody releases it.",
    ]
    assert "N-b-1 held back" in text_of(browser.get("/c/acme/records"))
    assert busy.bench.post_all() == 1
    assert act(browser, 1, "release") == "It is released."
    assert busy.bench.post_all() == 1
    assert events(busy, "b-1", "on_hold", "released") == [
        ("on_hold", "panel:operator", {"why": "wrong vendor"}),
        ("released", "panel:operator", {}),
    ]


def test_two_people_and_two_clicks_leave_one_effect(busy: Office) -> None:
    one, other = busy.as_("operator"), busy.as_("admin")
    page = f"/c/acme/records/{number(busy, 'b-3')}"
    one.get(f"{page}/retry")
    other.get(f"{page}/retry")
    assert one.post(f"{page}/retry").status_code == 303
    busy.bench.runner.prepare(busy.bench.program, "acme")
    assert busy.bench.record("b-3")["state"] == "deferred"
    for browser, seen in ((one, "8"), (other, other.seen), (other, "x")):
        browser.post(f"{page}/retry", {"seen": seen})
        assert text_of(browser.get(page)).splitlines()[0] == (
            "Nothing was changed: the record has changed since this page was shown, and is waiting now"
        )
    assert len(events(busy, "b-3", "retried")) == 1


def held(office: Office, code: str) -> None:
    """Everything was sent, and nobody knows what became of bill 1."""
    made = office.bench.send()
    assert made is not None
    office.bench.settle(made, OperationOutcome(made.operations[0].id, "held", code=code, message="never answered"))
    assert office.bench.record("b-1")["state"] == "unknown"


def test_what_to_look_for_is_said(busy: Office) -> None:
    held(busy, "unclear")
    browser = busy.as_("operator")
    lines = text_of(browser.get("/c/acme/records/1")).splitlines()
    assert lines[3:6] == ["It is there It is not there", "never answered", "Look in Ledger for"]
    assert lines[6:17] == [
        "Kind", "bill", "Vendor or party", "Grün & Söhne", "Date", "2026-02-27", "Amount", "100.00 EUR",
        "Number", "N-b-1", "External id",
    ]  # fmt: skip
    assert "Look in Ledger for" in text_of(browser.get("/c/acme/records/1/not-there"))


def test_a_replay_sends_the_same_request(busy: Office) -> None:
    held(busy, "no_answer")
    before = busy.bench.record("b-1")["operation_id"]
    browser = busy.as_("operator")
    assert act(browser, 1, "replay", reason="it was locked") == "The same request goes on."
    assert browser.get("/c/acme/records/1/replay").status_code == 303
    made = busy.bench.send()
    assert made is not None
    assert [(op.id, op.sent_before) for op in made.operations] == [(before, True)]
    assert events(busy, "b-1", "replayed") == [
        ("replayed", "panel:operator", {"operation": before, "why": "it was locked"})
    ]


def test_what_is_gone_is_decided(busy: Office) -> None:
    busy.bench.post_all()
    for number in (1, 2):
        target = json.loads(busy.bench.record(f"b-{number}")["receipt"])["TxnID"]
        with busy.bench.outbox.transaction() as desk:
            desk.holdings.missing("acme", [target])
    browser = busy.as_("operator")
    assert "It is there Post after all Accept as gone" in text_of(browser.get("/c/acme/records/1"))
    assert act(browser, 1, "there", target="1A2B-3C") == "Taken as posted under 1A2B-3C."
    assert act(browser, 2, "accept-gone", reason="entered twice") == "It is accepted as gone."
    assert [busy.bench.record(f"b-{n}")["state"] for n in (1, 2)] == ["posted", "skipped"]


# --- many records ----------------------------------------------------------------------------------------------------


def test_the_ticked_ones_are_asked_for_and_done_once(busy: Office) -> None:
    browser = busy.as_("operator")
    ticked = "&".join(f"r{number(busy, f'b-{n}')}=on" for n in (1, 3, 4))
    text = text_of(browser.get(f"/c/acme/records/choose?{ticked}&action=retry&which=ticked&state="))
    assert text.replace("\n", " ").replace("N-b", "\nN-b").replace(" These", "\nThese").splitlines() == [
        (
            "Records Try again: 2 records 1,260.49 EUR It is prepared from what is known now. When nothing is missing, it is "
            "posted at the next visit; never twice. Why (may be left empty); kept in the journal with your name "
            "Try again: 2 records Back, change nothing Not these (1) Record State Dated Vendor or party Amount Why not "
        ),
        "N-b-1 ready to send 2026-02-27 Grün & Söhne 100.00 EUR it is prepared, and is sent next",
        "These (2) Record State Dated Vendor or party Amount ",
        "N-b-3 waiting 2026-02-27 Grün & Söhne 1,250.50 EUR ",
        "N-b-4 failed 2026-02-27 Grün & Söhne 9.99 EUR",
    ]
    assert busy.bench.states()["b-3"] == "deferred"
    form = dict(browser.hidden)
    assert (
        browser.post("/c/acme/records/choose", {**form, "reason": "now"}).headers["location"] == "/panel/c/acme/records"
    )
    assert flash(browser, "/c/acme/records")[0] == "Try again: 2 records, 1,260.49 EUR."
    assert [busy.bench.states()[f"b-{n}"] for n in (3, 4)] == ["pending", "pending"]
    assert browser.post("/c/acme/records/choose", {**form, "reason": "now"}).status_code == 303
    assert flash(browser, "/c/acme/records")[0] == (
        "Left as they are: 2 records. N-b-3: it has changed since this was shown, and is pending now; "
        "N-b-4: it has changed since this was shown, and is pending now."
    )
    assert len(events(busy, "b-3", "retried")) == 1


def test_all_that_fit_a_filter_are_held_and_released(busy: Office) -> None:
    browser = busy.as_("operator")
    place = "place=shop_to_ledger%2Fbills"
    text = text_of(browser.get(f"/c/acme/records/choose?action=hold&which=all&{place}"))
    assert text.splitlines()[1:3] == ["Hold back: 4 records", "1,400.49 EUR"]
    form = dict(browser.hidden)
    missing = browser.post("/c/acme/records/choose", form)
    assert (missing.status_code, "say in a few words why" in text_of(missing)) == (422, True)
    answer = browser.post("/c/acme/records/choose", {**form, "reason": "audit"})
    assert answer.headers["location"] == f"/panel/c/acme/records?{place}"
    assert busy.bench.send() is None
    browser.get(f"/c/acme/records/choose?action=release&which=all&{place}")
    browser.post("/c/acme/records/choose", dict(browser.hidden))
    assert flash(browser, "/c/acme/records")[0] == "Release: 4 records, 1,400.49 EUR."
    assert busy.bench.post_all() == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("action=retry&which=ticked", "No record was chosen: tick those that are meant."),
        ("action=there&r1=on", "Nothing was chosen: say what is to be done."),
        ("action=retry&which=all&least=x", "Nothing was chosen: `x` is not an amount: write it like 1250.00."),
        ("action=retry&which=ticked&r99=on&rx=on", "No record was chosen: tick those that are meant."),
    ],
)
def test_a_choice_of_nothing_is_said(busy: Office, query: str, said: str) -> None:
    browser = busy.as_("operator")
    assert browser.get(f"/c/acme/records/choose?{query}").status_code == 303
    assert flash(browser, "/c/acme/records")[0] == said
    assert (
        browser.post("/c/acme/records/choose", {"action": "retry", "marks": "1 . x 2.", "reason": "x"}).status_code
        == 303
    )
    assert busy.poked == []


def test_what_changes_while_the_page_is_made_counts_as_not_seen(busy: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, failed = busy.as_("operator"), number(busy, "b-4")
    attempt = chosen.attempt

    def meanwhile(*args: Any) -> chosen.Tried:
        tried = attempt(*args)
        with busy.world.store.write() as tx:
            onhold.hold(tx, Hand("acme", busy.world.at(), "panel:ana"), [busy.bench.record("b-4")], "wrong vendor")
        return tried

    monkeypatch.setattr(chosen, "attempt", meanwhile)
    browser.get(f"/c/acme/records/choose?action=retry&r{failed}=on")
    browser.post("/c/acme/records/choose", dict(browser.hidden))
    assert busy.bench.record("b-4")["state"] == "failed"
    assert "it has changed since this was shown, and is failed now" in text_of(browser.get("/c/acme/records"))


def test_records_of_another_company_are_not_chosen(busy: Office) -> None:
    with busy.world.store.write() as tx:
        tx.run("company_insert", {"company": "other", "title": "Other", "at": busy.world.at()})
    browser = busy.as_("operator")
    browser.get(f"/c/acme/records/choose?r{number(busy, 'b-3')}=on&action=retry")
    form = dict(browser.hidden)
    browser.post("/c/other/records/choose", {**form, "reason": "x"})
    assert busy.bench.states()["b-3"] == "deferred"


def test_a_viewer_sees_no_boxes(busy: Office) -> None:
    assert 'type="checkbox"' not in busy.as_("viewer").get("/c/acme/records").text
    assert 'type="checkbox"' in busy.as_("operator").get("/c/acme/records").text


# --- prepared anew, or the same bytes --------------------------------------------------------------------------------


def refused(office: Office) -> str:
    """Bill 1 is prepared with the account Rent, sent, and refused; the address of its page."""
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    made = office.bench.send()
    assert made is not None
    [operation] = made.operations
    outcome = OperationOutcome(operation.id, "failed", code="3175", message="the file was locked")
    office.bench.settle(made, outcome)
    assert office.bench.states() == {"b-1": "failed"}
    return f"/c/acme/records/{number(office, 'b-1')}"


def test_what_trying_again_and_replaying_do_is_told(office: Office) -> None:
    here = refused(office)
    shown = text_of(office.as_("operator").get(here)).splitlines()
    place = shown.index("prepares it anew, with the mappings, settings and source data of today")
    assert shown[place - 1 : place + 3] == [
        "Try again",
        "prepares it anew, with the mappings, settings and source data of today",
        "Replay",
        "sends the same request once more, byte for byte, as it was prepared",
    ]
    page = office.as_("operator").get(here).text
    assert 'class="button first"' not in page
    assert "Since it was prepared" not in page
    assert "byte for byte" not in text_of(office.as_("viewer").get(here))


def test_a_mapping_that_was_corrected_since_is_told_and_trying_again_is_offered_first(office: Office) -> None:
    here = refused(office)
    office.clock.sleep(60)
    flow = office.bench.program.flow
    hand = Hand("acme", office.world.at(), "panel:ana")
    with office.world.store.write() as tx:
        worklist.save_mapping(tx, hand, flow, lists.Mapping(flow.name, "account", "Rent", "Old Rent", "A-OLD", "Rent"))
        # What no record of it names, and what it names already, are nothing new.
        worklist.save_mapping(tx, hand, flow, lists.Mapping(flow.name, "account", "Other", "Rent", "A-RENT", "Other"))
    browser = office.as_("operator")
    page = browser.get(here)
    shown = text_of(page).splitlines()
    place = shown.index("Since it was prepared, this has changed:")
    assert shown[place + 1].startswith("account Rent means Old Rent now, says ana, ")
    assert shown[place + 2] == "Try again goes by that. Replay would send what was prepared before."
    assert f'class="button first" href="/panel{here}/retry"' in page.text
    asked = text_of(browser.get(f"{here}/replay"))
    assert "This request was prepared before this changed, and is sent as it was then:" in asked
    assert "Prepare it anew instead: go back" in asked


def test_a_setting_that_was_changed_since_is_told(office: Office) -> None:
    here = refused(office)
    office.clock.sleep(60)
    with office.world.store.write() as tx:
        hand = Hand("acme", office.world.at(), "panel:ana")
        worklist.put_setting(tx, hand, office.bench.program.flow, "card_payments", True)
    assert "the setting card_payments is true now, says ana" in text_of(office.as_("operator").get(here))


# --- what the source was not told ------------------------------------------------------------------------------------


def test_a_bill_of_another_account_is_shown_untold_and_counts_as_told_once_a_person_says_so(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.engine.kit.ShopConnector.spec", replace(kit.SHOP, account=("region",)))
    bench = office.bench
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    assert bench.post_all() == 1
    for region in ("eu", "us"):
        office.clock.sleep(1)
        connect(office.world, "acme", "shop", "shop", {"region": region}, {"api_key": "k"})
    bench.runner.tell(bench.program, "acme")
    browser = office.as_("operator")
    page = browser.get("/c/acme/alerts")
    assert 'href="/panel/c/acme/records?state=posted&amp;place=shop_to_ledger"' in page.text
    assert "shop_to_ledger: `shop` leads to another account now, which is not told what became of N-b-1: read from the one before" in text_of(page)  # fmt: skip
    path = f"/c/acme/records/{number(office, 'b-1')}"
    shown = text_of(browser.get(path)).splitlines()
    at = shown.index(
        "The source is not told of it: another account is connected as shop now than the one it was read from."
    )
    assert shown[at + 1] == (
        "Connect that account again, and it is told by itself. Or enter it there by hand, and say that the source knows."
    )
    assert text_of(browser.get(f"{path}/told")).splitlines()[10] == (
        "You have entered in the source by hand what became of it. flowctl does not tell it any more."
    )
    answer = browser.post(f"{path}/told", {"reason": "entered there"})
    assert (answer.status_code, flash(browser, path)[0]) == (303, "It counts as told.")
    assert bench.states() == {"b-1": "closed"}
    assert events(office, "b-1", "closed") == [("closed", "panel:operator", {"why": "told by hand: entered there"})]
    assert flash(browser, "/c/acme/alerts")[1:] == ["Open Over Who is told, and when"]
    browser.post(f"{path}/told", {"reason": "again", "seen": "1"})
    assert flash(browser, path)[0].startswith("Nothing was changed: the record has changed")


def test_what_another_account_has_under_its_id_is_taken_in_once_a_person_says_that_it_is_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.engine.kit.ShopConnector.spec", replace(kit.SHOP, account=("region",)))
    bench = office.bench
    for region, listed in (("eu", bill("b-1")), ("us", bill("b-1", "640.00", number="Z-9"))):
        office.clock.sleep(1)
        connect(office.world, "acme", "shop", "shop", {"region": region}, {"api_key": "k"})
        bench.shop.listed["bills"] = [listed]
        bench.run("bills")
    browser = office.as_("operator")
    path = f"/c/acme/records/{number(office, 'b-1')}"
    assert "or enter the new one in the target by hand; only when both are" in text_of(browser.get("/c/acme/alerts"))
    assert "It is the same record" in text_of(browser.get(path))
    assert "Were it another record, it would be written over this one." in text_of(browser.get(f"{path}/same"))
    answer = browser.post(f"{path}/same", {"reason": "moved house"})
    assert (answer.status_code, flash(browser, path)[0]) == (303, "It is read from the account that is connected now.")
    assert events(office, "b-1", "same_there") == [("same_there", "panel:operator", {"why": "moved house"})]
    assert "It is the same record" not in text_of(browser.get(path))
