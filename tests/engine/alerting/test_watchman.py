"""What people are told, when, and what not: notices open with a cause, change with it, end with it, and are told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from engine.alerting import channels, notices
from engine.alerting.notices import NoticeGone, WhyMissing
from engine.clock import iso
from engine.follow import Hand
from engine.store import records, work
from engine.store.base import Tx
from engine.store.records import Reason
from tests import stores
from tests.engine import kit as engine_kit
from tests.engine.alerting import kit
from tests.engine.alerting.kit import MISSING, Watch
from tests.engine.kit import COMPANY, FLOW


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with engine_kit.logging():
        yield


@pytest.fixture
def watch() -> Iterator[Watch]:
    with kit.watch() as made:
        yield made


def test_nothing_is_wrong(watch: Watch) -> None:
    watch.channel()
    assert watch.tick() == []
    assert watch.open() == []


def test_a_company_of_which_there_is_nothing_to_tell_is_only_read(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten thousand companies most are so at most times, and each is looked at every half minute."""
    written: list[tuple[str, ...]] = []
    write = watch.world.store.write

    def noted(*of: str) -> AbstractContextManager[Tx]:
        written.append(of)
        return write(*of)

    watch.tick()
    monkeypatch.setattr(watch.world.store, "write", noted)
    watch.man.look()
    assert [of for of in written if COMPANY in of] == []
    watch.records(1)
    watch.man.look()
    assert watch.open() == [("failed", "refused: the account is closed", 1)]
    written.clear()
    watch.man.look()
    assert [of for of in written if COMPANY in of] != []  # it may be over, or to be told once more


def test_a_storm_is_one_message(watch: Watch) -> None:
    watch.channel()
    watch.records(10_000)
    assert watch.tick() == ["Acme: refused: the account is closed (10,000 records, 100,500.00 USD)"]
    assert watch.open() == [("failed", "refused: the account is closed", 10_000)]
    for _ in range(5):
        assert watch.tick("+1h") == []


def test_what_waits_is_told_by_what_is_missing(watch: Watch) -> None:
    watch.channel()
    watch.records(3, "deferred", MISSING)
    watch.records(2, "deferred", Reason("uncoded", "the line has no account", "code it"), prefix="u")
    assert watch.tick() == []  # it has waited for less than five minutes, and may go on by itself
    assert watch.tick("+5m") == ["Acme: 2 to look at"]
    assert watch.open() == [
        ("deferred", "vendor `Foo` is not mapped", 3),
        ("deferred", "the line has no account", 2),
    ]


def test_what_was_tried_again_and_still_waits_is_not_solved(watch: Watch) -> None:
    """A list was read again: every record that waits is looked at anew, and none has got any further."""
    watch.channel()
    numbers = watch.records(3, "deferred", MISSING)
    assert watch.tick("+6m") == ["Acme: vendor `Foo` is not mapped (3 records, 30.15 USD)"]
    for _ in range(3):
        watch.clock.advance("+6m")
        with watch.world.store.write() as tx:
            assert records.wake(tx, COMPANY, watch.world.at(), "worker", "mapping:vendor:v-7") == 3
            for number in numbers:
                row = tx.one("record_get", {"id": number})
                assert row is not None
                step = records.Move(row, "deferred", "deferred", (MISSING,))
                records.move(tx, COMPANY, watch.world.at(), "worker", [step])
        assert watch.tick() == []
    assert watch.open() == [("deferred", "vendor `Foo` is not mapped", 3)]


def test_what_was_woken_is_not_solved_before_it_is_prepared(watch: Watch) -> None:
    """A mapping is saved between two looks; the run that prepares what waited for it comes after the second."""
    watch.channel()
    other = Reason("unmapped", "account `Bar` is not mapped", "map it", ("mapping:account:a-1",))
    numbers = watch.records(3, "deferred", MISSING)
    assert watch.tick("+6m") == ["Acme: vendor `Foo` is not mapped (3 records, 30.15 USD)"]
    (opened,) = watch.rows("alert_notices_open", company=COMPANY)
    with watch.world.store.write() as tx:
        assert records.wake(tx, COMPANY, watch.world.at(), "cli:pat", "mapping:vendor:v-7") == 3
    assert watch.tick("+6m") == []
    assert watch.tick("+6m") == []
    assert watch.open() == [("deferred", "vendor `Foo` is not mapped", 3)]
    with watch.world.store.write() as tx:
        for number, reason in zip(numbers, (MISSING, other, other), strict=True):
            row = tx.one("record_get", {"id": number})
            assert row is not None
            records.move(tx, COMPANY, watch.world.at(), "test", [records.Move(row, "deferred", "deferred", (reason,))])
    assert watch.tick() == []
    (still,) = watch.rows("alert_notices_open", company=COMPANY)
    assert (still["id"], still["since_at"], still["records"]) == (opened["id"], opened["since_at"], 1)
    watch.move(numbers[0], "pending")
    assert watch.tick("+6m") == ["Acme: 1 to look at, 1 solved"]
    assert watch.open() == [("deferred", "account `a-1` is not mapped", 2)]


def test_what_is_tried_again_all_the_time_is_told(watch: Watch) -> None:
    """Its list is read every other minute, and so it never waits for five minutes at one go."""
    watch.channel()
    (number,) = watch.records(1, "deferred", MISSING)
    told = []
    for _ in range(4):
        told += watch.tick("+2m")
        with watch.world.store.write() as tx:
            records.wake(tx, COMPANY, watch.world.at(), "worker", "mapping:vendor:v-7")
            row = tx.one("record_get", {"id": number})
            assert row is not None
            step = records.Move(row, "deferred", "deferred", (MISSING,))
            records.move(tx, COMPANY, watch.world.at(), "worker", [step])
    assert told == ["Acme: vendor `Foo` is not mapped (1 record, 10.05 USD)"]


def test_very_many_missing_names_are_one_notice(watch: Watch) -> None:
    for n in range(30):
        keys = (f"mapping:vendor:v-{n}", f"mapping:vendor:Vendor {n:02}")
        watch.records(1, "deferred", Reason("unmapped", "not mapped", "map it", keys), prefix=f"v{n}")
    watch.tick("+5m")
    assert watch.open() == [("deferred", "30 names of `vendor` are not mapped", 30)]
    (row,) = watch.rows("alert_notices_open", company=COMPANY)
    assert row["detail"] == "such as Vendor 00, Vendor 01, Vendor 10"


def test_what_passes_by_itself_is_not_told(watch: Watch) -> None:
    watch.records(3, "deferred", Reason("not_posted", "the bill is not posted"))
    watch.tick("+1h")
    assert watch.open() == []


def test_it_ends_by_itself_and_that_is_told_once(watch: Watch) -> None:
    watch.channel()
    (number,) = watch.records(1)
    assert watch.tick() == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]
    watch.move(number, "pending")
    assert watch.tick("+5m") == ["Acme: solved: refused: the account is closed (1 record, 10.05 USD)"]
    assert watch.tick("+1d") == []
    assert watch.open() == []


def test_what_was_over_before_anybody_heard_is_not_told(watch: Watch) -> None:
    watch.channel(digest="hourly")
    (number,) = watch.records(1)
    assert watch.tick() == []
    watch.move(number, "pending")
    assert watch.tick("+2h") == []
    assert [row["state"] for row in watch.rows("alert_deliveries_of_notice", notice_id=1)] == ["dropped"]


def test_a_rule_may_keep_it_to_itself_that_it_is_over(watch: Watch) -> None:
    watch.channel("loud")
    watch.channel("curt", solved="no")
    (number,) = watch.records(1)
    assert len(watch.tick()) == 2
    watch.move(number, "pending")
    watch.tick("+10m")
    assert watch.rows("alert_deliveries_of_notice", notice_id=1)[2:][0]["channel_id"] == 1
    watch.rule("failed", solved="no")
    (other,) = watch.records(1, prefix="o")
    assert len(watch.tick("+10m")) == 2
    watch.move(other, "pending")
    assert watch.tick("+10m") == []


def test_growth_and_time_are_reasons_to_say_it_again(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    assert len(watch.tick()) == 1
    watch.records(5, prefix="s")
    assert watch.tick("+10m") == []
    watch.records(4, prefix="t")
    assert watch.tick("+10m") == ["Acme: refused: the account is closed (10 records, 100.50 USD)"]
    assert watch.tick("+23h") == []
    assert len(watch.tick("+1h")) == 1
    watch.rule("failed", remind_hours="0")
    assert watch.tick("+10d") == []


def test_rules_are_tuned_for_the_house_and_for_a_company(watch: Watch) -> None:
    watch.channel()
    watch.rule("failed", "", records="3", severity="urgent")
    watch.records(2)
    assert watch.tick() == []
    watch.rule("failed", records="2")
    assert watch.tick("+1m") == ["Acme: urgent: refused: the account is closed (2 records, 20.10 USD)"]
    watch.rule("failed", on="no")
    assert watch.tick("+10m") == ["Acme: solved: refused: the account is closed (2 records, 20.10 USD)"]


# --- the other rules


def test_the_web_connector_that_does_not_come(watch: Watch) -> None:
    watch.rule("poll", on="yes")
    assert watch.tick("+1h") == []
    watch.channel()
    assert watch.tick("+1s") == ["Acme: the Web Connector has not called"]
    with watch.world.store.write() as tx:
        kit.visit(tx, watch.world)
    assert watch.tick("+5m") == ["Acme: solved: the Web Connector has not called"]


def test_the_web_connector_that_never_came(watch: Watch) -> None:
    stores.raw(watch.world.store, "DELETE FROM sessions")
    watch.rule("poll", on="yes", intervals="1", least_min="0")
    watch.tick("+6m")
    assert watch.open() == [("poll", "the Web Connector has never called since it was set up", 0)]


def test_a_paused_company_is_not_polled(watch: Watch) -> None:
    stores.raw(watch.world.store, "UPDATE companies SET paused = 1")
    watch.rule("poll", on="yes")
    watch.tick("+10d")
    assert watch.open() == []


def test_nobody_knows_what_became_of_it(watch: Watch) -> None:
    watch.channel(quiet="00:00-23:59")
    watch.records(1, "unknown", Reason("no_answer", "no answer came", "look there"))
    assert watch.tick("+14m") == []
    assert watch.tick("+1m") == [
        "Acme: urgent: nobody knows whether records of bills arrived (1 record, 10.05 USD)"
    ]  # quiet hours do not keep it


def test_gone_changed_refused_and_broken(watch: Watch) -> None:
    watch.records(2, "vanished")
    at = watch.world.at()
    with watch.world.store.write() as tx:
        for kind, subject in (
            ("edited", f"{FLOW}/bills/b-1"),
            ("edited", f"{FLOW}/bills/b-2"),
            ("rival", FLOW),
            ("connection", f"{FLOW}/shop/bills"),
            ("audit", "checkpoints"),
            ("deferred", "is told by its records"),
        ):
            work.raise_alert(tx, COMPANY, work.Alert(kind, subject, f"{kind} {subject}", "do"), at)
        work.refuse_sign_in(tx, COMPANY, "acme-wc", watch.clock.now())
    watch.tick()
    assert watch.open() == [
        ("vanished", "posted records are gone from the target", 2),
        ("trouble", f"rival {FLOW}", 0),
        ("connection", f"connection {FLOW}/shop/bills", 0),
        ("journal", "audit checkpoints", 0),
        ("changed", f"edited {FLOW}/bills/b-1 (and 1 more)", 2),
    ]
    with watch.world.store.write() as tx:
        work.refuse_sign_in(tx, COMPANY, "acme-wc", watch.clock.now())
    watch.tick()
    assert watch.open()[-1] == ("sign_in", "the Web Connector was refused as `acme-wc`", 0)


def test_a_long_text_is_not_cut_off(watch: Watch) -> None:
    first = "The open company file is not the one that flowctl writes to, " + "as it is " * 10 + "said"
    rest = "Open the right company file, " + "or another " * 5 + "file."
    with watch.world.store.write() as tx:
        for kind, text in (("session", f"{first}. {rest}"), ("session", f"{first}. {rest}"), ("rival", "long " * 50)):
            work.raise_alert(tx, COMPANY, work.Alert(kind, kind, text), watch.world.at())
    watch.tick()
    found = watch.rows("alert_notices_open", company=COMPANY)
    assert sorted((row["title"], row["detail"], row["place"]) for row in found) == [
        (first, f"{rest}; seen 2 times", f"/c/{COMPANY}/connections/web-connector"),
        (("long " * 50)[:199] + "…", "", f"/c/{COMPANY}/flows"),
    ]


def test_work_that_piles_up(watch: Watch) -> None:
    watch.bench.shop.listed["bills"] = [engine_kit.bill(f"b-{n}") for n in range(3)]
    watch.bench.run("bills")
    watch.rule("backlog", records="2", older_hours="2")
    watch.tick()
    assert watch.open() == [("backlog", "more than 2 records wait to be posted or told", 3)]
    watch.tick("+3h")
    assert watch.open()[1:] == [("backlog", "a request has waited to be sent for more than 2 hours", 0)]


# --- channels, and who hears what


def test_the_house_hears_of_every_company_and_each_channel_what_it_wants(watch: Watch) -> None:
    watch.channel("all", "")
    watch.channel("urgent", least="urgent")
    watch.channel("unknown", rules="unknown, poll")
    watch.records(1)
    watch.records(1, "unknown", prefix="u")
    watch.man.tick()
    watch.clock.advance("+20m")
    watch.man.tick()
    assert [(url, message.title) for url, message in watch.post.sent] == [
        ("test://all", "Acme: refused: the account is closed (1 record, 10.05 USD)"),
        ("test://all", "Acme: urgent: nobody knows whether records of bills arrived (1 record, 10.05 USD)"),
        ("test://urgent", "Acme: urgent: nobody knows whether records of bills arrived (1 record, 10.05 USD)"),
        ("test://unknown", "Acme: urgent: nobody knows whether records of bills arrived (1 record, 10.05 USD)"),
    ]


def test_messages_of_a_channel_are_apart(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    assert len(watch.tick()) == 1
    watch.records(1, "failed", Reason("other", "another reason"), prefix="o")
    assert watch.tick("+4m") == []
    watch.records(1, "failed", Reason("third", "a third reason"), prefix="p")
    assert watch.tick("+1m") == ["Acme: 2 to look at"]


def test_a_daily_digest_comes_at_its_hour_in_the_zone_of_the_company(watch: Watch) -> None:
    with watch.world.store.write() as tx:
        tx.run("company_zone", {"company": COMPANY, "time_zone": "America/New_York"})
    watch.channel(digest="daily", hour="7")  # the clock says 09:00 in New York
    watch.records(1)
    assert watch.tick() == []
    assert watch.tick("+21h59m") == []
    assert watch.tick("+1m") == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]


def test_quiet_hours_hold_back_what_is_not_urgent(watch: Watch) -> None:
    watch.channel(quiet="13:00-18:00")  # it is 14:00
    watch.records(1)
    assert watch.tick() == []
    assert watch.tick("+3h59m") == []
    assert watch.tick("+1m") == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]


def test_a_muted_channel_hears_later_how_things_stand_then(watch: Watch) -> None:
    watch.channel()
    with watch.world.store.write() as tx:
        until = iso(watch.clock.now() + timedelta(hours=1))
        channels.mute(tx, watch.hand(), "ops", until, "we move house")
    first, _ = watch.records(2)
    assert watch.tick() == []
    watch.move(first, "pending")
    assert watch.tick("+59m") == []
    assert watch.tick("+1m") == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]
    assert watch.events()[-1] == (
        "alert_channel_muted", {"channel": "ops", "until": until, "why": "we move house"},
    )  # fmt: skip


def test_a_muted_notice_is_told_again_when_the_time_is_over(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    watch.man.look()
    hand = watch.hand()
    with watch.world.store.write() as tx:
        notices.mute(tx, hand, 1, iso(watch.clock.now() + timedelta(hours=2)), " the bank is closed ")
    assert watch.tick() == []
    assert watch.tick("+1h59m") == []
    assert watch.tick("+1m") == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]
    assert watch.events()[1:] == [
        (
            "alert_muted",
            {
                "rule": "failed", "subject": f"{FLOW}/bills/refused", "until": "2026-03-02T16:00:00.000000Z",
                "why": "the bank is closed",
            },
        )
    ]  # fmt: skip


def test_a_mute_until_it_is_over_ends_with_it(watch: Watch) -> None:
    watch.channel()
    (number,) = watch.records(1)
    watch.man.look()
    with watch.world.store.write() as tx:
        notices.mute(tx, watch.hand(), 1, notices.FOR_EVER, "known")
    assert watch.tick() == []
    watch.move(number, "pending")
    assert watch.tick("+10m") == []
    watch.move(number, "failed")
    assert watch.tick("+10m") == ["Acme: refused: failed (1 record, 10.05 USD)"]


def test_unmuting_tells_at_once(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    watch.man.look()
    with watch.world.store.write() as tx:
        notices.mute(tx, watch.hand(), 1, notices.FOR_EVER, "known")
        notices.unmute(tx, watch.hand(), 1)
    assert len(watch.tick()) == 1


def test_what_cannot_be_muted(watch: Watch) -> None:
    watch.records(1)
    watch.man.look()
    with watch.world.store.write() as tx:
        with pytest.raises(NoticeGone, match="there is no open notice 7"):
            notices.mute(tx, watch.hand(), 7, "", "why")
        with pytest.raises(NoticeGone):
            notices.mute(tx, Hand("other", watch.world.at(), "x"), 1, "", "why")
        with pytest.raises(WhyMissing, match="takes a reason"):
            notices.mute(tx, watch.hand(), 1, "", "  ")
    assert watch.events() == []


# --- after a downgrade -------------------------------------------------------------------------------------------------


def test_a_rule_of_a_newer_flowctl_is_passed_over_and_the_others_go_on(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.channel()
    scope = {"company": COMPANY, "rule": "omens", "subject": "x", "at": watch.world.at()}
    values = {
        "severity": "urgent",
        "title": "an omen",
        "detail": "",
        "hint": "",
        "place": "",
        "records": 1,
        "money": "{}",
    }
    with watch.world.store.write() as tx:
        tx.run("alert_notice_insert", {"id": 999, **scope, **values, "since_at": scope["at"]})
        tx.run("alert_rule_put", {"company": COMPANY, "rule": "omens", "settings": '{"on": true}', "at": scope["at"]})
    watch.records(1)
    assert watch.tick() == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]
    assert watch.tick("+1h") == []
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [{key: text for key, text in line.items() if key != "timestamp"} for line in said] == [
        {
            "event": "unknown alert rule", "level": "warning", "company": COMPANY, "error": "there is no rule `omens`",
            "hint": "a newer flowctl has opened notices of it; they stay as they are, and other rules go on",
        },
    ]  # fmt: skip
    assert watch.open() == [("failed", "refused: the account is closed", 1), ("omens", "an omen", 1)]
