"""Keeps what people are told: a notice opens with its condition, changes with it, ends with it; channels hear of each once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.alerting import channels
from engine.alerting.channels import Channel
from engine.alerting.finding import TITLE, Condition
from engine.alerting.rules import HOUSE, SEVERITIES, Settings
from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.follow import Hand
from engine.store import companies, journal
from engine.store.base import Row, Tx, take_number

# A notice that has grown so much since a channel was told is told once more.
_GREW = 10
_DETAIL = 500
FOR_EVER = ""
_KEPT_DELIVERIES, _KEPT_NOTICES = timedelta(days=30), timedelta(days=400)


class NoticeGone(UsageError):
    """There is no such open notice."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no open notice {number}", hint="it may be over: `flowctl alert open` lists them")


class WhyMissing(UsageError):
    """Muting takes a reason: somebody will ask why nobody was told."""

    hint = "say why in a few words"


@dataclass(frozen=True, slots=True)
class Muted:
    """That somebody does not want to hear of something; without `until_at` until it is over."""

    until_at: str
    why: str
    actor: str


def sync(
    tx: Tx,
    company: str,
    at: str,
    found: Iterable[Condition],
    rules: Mapping[str, Settings],
    *,
    open_yet: Collection[tuple[str, str]] = (),
) -> frozenset[str]:
    """Make the open notices agree with the conditions that hold now, and give every channel its part.

    What is `open_yet`, by rule and subject, is not over, though nobody knows now whether it holds. A notice of a rule that
    is not among `rules` stays as it is, and the rule is returned: a newer flowctl has opened it.
    """
    wanted = {(condition.rule, condition.subject): condition for condition in found}
    rows = {(row["rule"], row["subject"]): row for row in opened(tx, company)}
    for name, condition in wanted.items():
        values = _values(condition, rules[condition.rule], at)
        row = rows.get(name)
        if row is None:
            scope = {"company": company, "rule": name[0], "subject": name[1], "at": at}
            tx.run("alert_notice_insert", {"id": take_number(tx, "alert_notice"), **scope, **values})
            continue
        # What moves on by itself, such as the record that waits longest, is no reason to forget when it began.
        values["since_at"] = min(str(values["since_at"]), row["since_at"])
        if any(row[key] != value for key, value in values.items()):
            tx.run("alert_notice_put", {"id": row["id"], **values})
    for name, row in rows.items():
        if name not in wanted and name not in open_yet and name[0] in rules:
            end(tx, row, at, tells=rules[name[0]].solved)
    _fan_out(tx, company, at, rules)
    return frozenset(name for name, _ in rows if name not in rules)


def opened(tx: Tx, company: str) -> list[Row]:
    """The open notices of a company, or of the house."""
    return tx.rows("alert_notices_open", {"company": company})


def end(tx: Tx, row: Row, at: str, *, tells: bool = True) -> None:
    """A notice is over: who has heard of it is told so, who has not need not hear of it any more."""
    tx.run("alert_notice_end", {"id": row["id"], "at": at})
    _unmute(tx, row)
    heard: set[int] = set()
    for delivery in tx.rows("alert_deliveries_of_notice", {"notice_id": row["id"]}):
        if delivery["state"] == "sent":
            heard.add(delivery["channel_id"])
        elif delivery["state"] == "waiting":
            tx.many("alert_delivery_done", [("dropped", at, delivery["id"])])
    for channel_id in sorted(heard) if tells else ():
        channel = channels.by_id(tx, channel_id)
        if channel is not None and channel.settings.solved:
            _deliver(tx, channel_id, row, "solved", at)


def _unmute(tx: Tx, row: Row) -> None:
    """A mute until it is over is over."""
    found = mutes(tx, row["company"]).get((row["rule"], row["subject"]))
    if found is not None and found.until_at == FOR_EVER:
        tx.run("alert_mute_drop", {"company": row["company"], "rule": row["rule"], "subject": row["subject"]})


def _fan_out(tx: Tx, company: str, at: str, rules: Mapping[str, Settings]) -> None:
    """Every channel that should hear of an open notice and has not gets it into its outbox."""
    quiet = mutes(tx, company)
    there = [row for row in opened(tx, company) if row["rule"] in rules]
    rows = [row for row in there if not _is_quiet(quiet.get((row["rule"], row["subject"])), at)]
    hearing = channels.hearing(tx, company)
    if not rows or not hearing:
        return
    told: dict[tuple[int, int], Row] = {}
    for delivery in tx.rows("alert_deliveries_of_open", {"company": company}):
        if delivery["state"] != "dropped":
            told[delivery["channel_id"], delivery["notice_id"]] = delivery
    for channel in hearing:
        for row in rows:
            if not _hears(channel, row):
                continue
            event = _event(told.get((channel.id, row["id"])), row, rules[row["rule"]], from_iso(at))
            if event:
                _deliver(tx, channel.id, row, event, at)


def _hears(channel: Channel, row: Row) -> bool:
    if row["rule"] == "channel" and row["subject"] == str(channel.id):
        return False  # a dead channel need not be told that it is dead
    wants = not channel.settings.rules or row["rule"] in channel.settings.rules
    return wants and SEVERITIES.index(row["severity"]) >= SEVERITIES.index(channel.settings.least)


def _event(told: Row | None, row: Row, rule: Settings, now: datetime) -> str:
    """What a channel is to be told of a notice that is open; empty when it knows."""
    if told is None:
        return "opened"
    if told["state"] == "waiting":
        return ""  # what it is told then is how things stand then
    if row["records"] >= _GREW * max(told["records"], 1):
        return "grew"
    late = rule.remind_hours > 0 and now - from_iso(told["done_at"]) >= timedelta(hours=rule.remind_hours)
    return "still" if late else ""


def _deliver(tx: Tx, channel_id: int, row: Row, event: str, at: str) -> None:
    scope = {"channel_id": channel_id, "notice_id": row["id"], "event": event, "records": row["records"], "at": at}
    tx.run("alert_delivery_insert", {"id": take_number(tx, "alert_delivery"), **scope})


def _values(condition: Condition, rule: Settings, at: str) -> dict[str, Any]:
    return {
        "severity": rule.severity,
        "title": condition.title if len(condition.title) <= TITLE else f"{condition.title[: TITLE - 1]}…",
        "detail": condition.detail[:_DETAIL],
        "hint": condition.hint[:_DETAIL],
        "place": condition.place,
        "records": condition.records,
        "money": json.dumps({currency: f"{amount:f}" for currency, amount in sorted(condition.money.items())}),
        "since_at": condition.since_at or at,
    }


def money_of(row: Row) -> dict[str, Decimal]:
    """The money of a notice, by currency."""
    return {currency: Decimal(text) for currency, text in json.loads(row["money"]).items()}


# --- muting ------------------------------------------------------------------------------------------------------------


def mutes(tx: Tx, company: str) -> dict[tuple[str, str], Muted]:
    """What is muted in a company, by rule and subject."""
    rows: Sequence[Row] = tx.rows("alert_mutes_of", {"company": company})
    return {(row["rule"], row["subject"]): Muted(row["until_at"], row["why"], row["actor"]) for row in rows}


def muted(tx: Tx, row: Row, at: str) -> Muted | None:
    """Whether nobody is to be told of a notice now."""
    found = mutes(tx, row["company"]).get((row["rule"], row["subject"]))
    return found if _is_quiet(found, at) else None


def _is_quiet(found: Muted | None, at: str) -> bool:
    return found is not None and (found.until_at == FOR_EVER or found.until_at > at)


def mute(tx: Tx, hand: Hand, number: int, until_at: str, why: str) -> Row:
    """Tell nobody of an open notice until then, or until it is over; what waits to be told of it is dropped.

    Raises:
        NoticeGone: when it is not open, or of another company.
        WhyMissing: without a reason.
    """
    row = _open_one(tx, hand.company, number)
    if not why.strip():
        raise WhyMissing
    scope = {"company": hand.company, "rule": row["rule"], "subject": row["subject"]}
    values = {"until_at": until_at, "why": why.strip()[:500], "actor": hand.actor, "at": hand.at}
    tx.run("alert_mute_put", {**scope, **values})
    waiting = [d for d in tx.rows("alert_deliveries_of_notice", {"notice_id": number}) if d["state"] == "waiting"]
    tx.many("alert_delivery_done", [("dropped", hand.at, delivery["id"]) for delivery in waiting])
    _note(tx, hand, "alert_muted", row, until=until_at or "it is over", why=values["why"])
    return row


def unmute(tx: Tx, hand: Hand, number: int) -> Row:
    """Tell of a notice again.

    Raises:
        NoticeGone: when it is not open, or of another company.
    """
    row = _open_one(tx, hand.company, number)
    scope = {"company": hand.company, "rule": row["rule"], "subject": row["subject"]}
    if tx.run("alert_mute_drop", scope):
        _note(tx, hand, "alert_unmuted", row)
    return row


def _open_one(tx: Tx, company: str, number: int) -> Row:
    row = tx.one("alert_notice_get", {"id": number})
    if row is None or row["company"] != company or row["ended_at"] is not None:
        raise NoticeGone(number)
    return row


def _note(tx: Tx, hand: Hand, event: str, row: Row, **detail: str) -> None:
    entry = journal.Entry(event, detail={"rule": row["rule"], "subject": row["subject"], **detail})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])


# --- keeping house -----------------------------------------------------------------------------------------------------


def gone(tx: Tx) -> list[str]:
    """The companies that are no more and have open notices."""
    known = {HOUSE, *companies.names(tx)}
    return [row["company"] for row in tx.rows("alert_notices_companies", {}) if row["company"] not in known]


def forget(tx: Tx, company: str, at: str) -> None:
    """End the notices of a company that is no more."""
    for notice in opened(tx, company):
        end(tx, notice, at, tells=False)


def purge(tx: Tx, now: datetime) -> None:
    """Forget what was told long ago."""
    tx.run("alert_deliveries_purge", {"before": iso(now - _KEPT_DELIVERIES)})
    tx.run("alert_notices_purge", {"before": iso(now - _KEPT_NOTICES)})
