"""Where messages go: named channels of a company or of the house, their addresses sealed, and when each takes messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Any, cast

from engine.alerting import addresses
from engine.alerting.rules import HOUSE, RULES, SEVERITIES, RuleUnknown, Severity
from engine.alerting.timing import DIGESTS, Digest, Plan, quiet_hours, zone_of
from engine.clock import from_iso
from engine.companyzone import ZoneUnknown
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.follow import Hand
from engine.store import companies, facts, journal, keys
from engine.store.base import Row, Tx, take_number
from engine.vault import Vault

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_SEALED_FOR = "alerts"
_FACT = "alerts"
_MOST = 50


class ChannelNameUnfit(UsageError):
    """A channel's name is lower case a-z, 0-9, `_` and `-`, begins with a letter, and has up to 40 of them."""


class ChannelThere(UsageError):
    """There is a channel of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a channel `{name}` already", hint="take another name, or remove that one first")


class ChannelMissing(UsageError):
    """There is no such channel."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in name[:40])
        hint = f"there are: {', '.join(known)}" if known else "`flowctl alert add` adds one"
        super().__init__(f"there is no channel `{shown}` here", hint=hint)


class TooMany(UsageError):
    """There are as many channels here as there may be."""

    hint = "remove one that nobody reads"


class AddressLost(UsageError):
    """The address of the channel does not open with the key at hand."""

    hint = "give it again: `flowctl alert add NAME --replace`"


class ValueUnfit(UsageError):
    """A setting of a channel that cannot be so."""

    def __init__(self, name: str, accepted: str) -> None:
        super().__init__(f"`{name}` takes {accepted}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a channel wants to hear, and when. No `rules` are all; `zone` is empty for the company's."""

    rules: tuple[str, ...] = ()
    least: Severity = "info"
    digest: Digest = "now"
    hour: int = 8
    quiet: str = ""
    zone: str = ""
    solved: bool = True

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "rules": list(self.rules), "least": self.least, "digest": self.digest, "hour": self.hour, "quiet": self.quiet,
            "zone": self.zone, "solved": self.solved,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel; `hint` is what may be shown of its address."""

    id: int
    company: str
    name: str
    hint: str
    settings: Wishes
    muted_until: str
    muted_by: str
    muted_why: str
    failures: int
    failing_since: str
    last_error: str
    next_try_at: str
    sent_at: str
    zone: str
    sealed: keys.Sealed | None = field(default=None, repr=False)

    @property
    def plan(self) -> Plan:
        """When it takes messages."""
        wishes = self.settings
        return Plan(wishes.digest, wishes.hour, wishes.quiet, zone_of(wishes.zone or self.zone))

    def is_muted(self, now_at: str) -> bool:
        """Whether it is to get nothing now."""
        return self.muted_until > now_at


def every(tx: Tx, company: str) -> list[Channel]:
    """The channels of a company, or of the house."""
    zone = _zone(tx, company)
    return [_channel(row, zone) for row in tx.rows("alert_channels_of", {"company": company})]


def hearing(tx: Tx, company: str) -> list[Channel]:
    """Whoever hears of a company: its own channels and those of the house."""
    return every(tx, HOUSE) + (every(tx, company) if company != HOUSE else [])


def by_id(tx: Tx, number: int) -> Channel | None:
    """A channel by its number."""
    row = tx.one("alert_channel_by_id", {"id": number})
    return _channel(row, _zone(tx, row["company"])) if row is not None else None


def require(tx: Tx, company: str, name: str) -> Channel:
    """A channel by its name.

    Raises:
        ChannelMissing: when there is none.
    """
    row = tx.one("alert_channel_get", {"company": company, "name": name})
    if row is None:
        raise ChannelMissing(name, [channel.name for channel in every(tx, company)])
    return _channel(row, _zone(tx, company))


def add(tx: Tx, hand: Hand, vault: Vault, name: str, address: addresses.Address, wishes: Wishes) -> Channel:
    """Add a channel; its address was checked by `addresses.check`.

    Raises:
        ChannelNameUnfit, ChannelThere, TooMany: when it cannot be added.
        UnknownName: when there is no such company.
    """
    if hand.company != HOUSE:
        companies.require(tx, hand.company)
    if not _NAME.fullmatch(name):
        raise ChannelNameUnfit
    if len(every(tx, hand.company)) >= _MOST:
        raise TooMany
    sealed = keys.seal(tx, vault, _place(hand.company, name), address.url, hand.at)
    values = {"id": take_number(tx, "alert_channel"), "company": hand.company, "name": name, "hint": address.hint}
    kept = {"key_id": sealed.key_id, "sealed": sealed.data, "settings": json.dumps(wishes.as_json()), "at": hand.at}
    if tx.run("alert_channel_insert", {**values, **kept}) != 1:
        raise ChannelThere(name)
    _note(tx, hand, "alert_channel_added", name, to=address.hint)
    return require(tx, hand.company, name)


def replace_address(tx: Tx, hand: Hand, vault: Vault, name: str, address: addresses.Address) -> Channel:
    """Give a channel another address; it counts as sound again.

    Raises:
        ChannelMissing: when there is no such channel.
    """
    channel = require(tx, hand.company, name)
    sealed = keys.seal(tx, vault, _place(hand.company, name), address.url, hand.at)
    values = {"id": channel.id, "hint": address.hint, "key_id": sealed.key_id, "sealed": sealed.data}
    tx.run("alert_channel_address", values)
    _note(tx, hand, "alert_channel_address", name, to=address.hint)
    return require(tx, hand.company, name)


def change(tx: Tx, hand: Hand, name: str, given: Mapping[str, str]) -> Channel:
    """Change what a channel wants to hear, and when.

    Raises:
        ChannelMissing: when there is no such channel.
        ValueUnfit, HoursUnfit, RuleUnknown, ZoneUnknown: for a value that cannot be.
    """
    channel = require(tx, hand.company, name)
    wishes = wanted(given, channel.settings)
    if wishes != channel.settings:
        tx.run("alert_channel_settings", {"id": channel.id, "settings": json.dumps(wishes.as_json())})
        before, after = channel.settings.as_json(), wishes.as_json()
        changed = {key: value for key, value in after.items() if before[key] != value}
        _note(tx, hand, "alert_channel_changed", name, **changed)
    return require(tx, hand.company, name)


def remove(tx: Tx, hand: Hand, name: str) -> None:
    """Remove a channel, and what it was still to be told.

    Raises:
        ChannelMissing: when there is no such channel.
    """
    channel = require(tx, hand.company, name)
    tx.run("alert_deliveries_drop", {"channel_id": channel.id, "at": hand.at})
    tx.run("alert_channel_drop", {"id": channel.id})
    _note(tx, hand, "alert_channel_removed", name)


def mute(tx: Tx, hand: Hand, name: str, until_at: str, why: str) -> Channel:
    """Send nothing to a channel until then, urgent or not; an empty time lets it speak again.

    Raises:
        ChannelMissing: when there is no such channel.
    """
    channel = require(tx, hand.company, name)
    values = {"until_at": until_at, "actor": hand.actor if until_at else "", "why": why[:500] if until_at else ""}
    tx.run("alert_channel_mute", {"id": channel.id, **values})
    if until_at:
        _note(tx, hand, "alert_channel_muted", name, until=until_at, why=why[:500])
    else:
        _note(tx, hand, "alert_channel_unmuted", name)
    return require(tx, hand.company, name)


def address_of(tx: Tx, vault: Vault, channel: Channel) -> str:
    """The address itself, to send to.

    Raises:
        AddressLost: when there is none any more.
        SealBroken: when it does not open with this key.
    """
    if channel.sealed is None:
        raise AddressLost
    return keys.unseal(tx, vault, _place(channel.company, channel.name), channel.sealed)


def wanted(given: Mapping[str, str], before: Wishes | None = None) -> Wishes:
    """What a channel wants to hear, from what a person wrote; what is not given stays.

    Raises:
        ValueUnfit, HoursUnfit, RuleUnknown, ZoneUnknown: for a value that cannot be.
    """
    wishes = before or Wishes()
    for name, text in given.items():
        wishes = _wish(wishes, name, text.strip())
    return wishes


def _wish(wishes: Wishes, name: str, text: str) -> Wishes:
    if name == "rules":
        rules = tuple(dict.fromkeys(text.replace(",", " ").split()))
        for rule in rules:
            if rule not in RULES:
                raise RuleUnknown("rule", rule, tuple(RULES))
        return replace(wishes, rules=rules)
    if name == "least":
        return replace(wishes, least=cast("Severity", _one_of(name, text, SEVERITIES)))
    if name == "digest":
        return replace(wishes, digest=cast("Digest", _one_of(name, text, DIGESTS)))
    if name == "quiet":
        return replace(wishes, quiet=quiet_hours(text))
    if name == "solved":
        return replace(wishes, solved=_one_of(name, text, ("yes", "no")) == "yes")
    if name == "zone":
        return replace(wishes, zone=zone(text))
    if name == "hour":
        if not (text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) <= 23):
            raise ValueUnfit(name, "an hour from 0 to 23")
        return replace(wishes, hour=int(text))
    raise ValueUnfit(
        name, "nothing: there is no such setting; there are rules, least, digest, hour, quiet, zone and solved"
    )


def zone(name: str) -> str:
    """The name of a time zone; empty for none.

    Raises:
        ZoneUnknown: when no zone has this name.
    """
    from zoneinfo import available_timezones

    if name and name not in available_timezones():
        raise ZoneUnknown(name)
    return name


def _one_of(name: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise ValueUnfit(name, f"{', '.join(known[:-1])} or {known[-1]}")
    return text


# --- what holds for the house -----------------------------------------------------------------------------------------


def base_url(tx: Tx) -> str:
    """Where people find the panel, such as https://books.example.com; empty when nobody said so."""
    return str((facts.recall(tx, HOUSE, _FACT) or {}).get("base_url", ""))


def put_house(tx: Tx, hand: Hand, given: Mapping[str, str]) -> dict[str, str]:
    """Set where the panel is found (`base_url`), and the zone of the house (`zone`); the values that hold now.

    Raises:
        ValueUnfit, ZoneUnknown: for a value that cannot be.
    """
    kept = house(tx)
    for name, text in given.items():
        if name not in kept:
            raise ValueUnfit(name, "nothing: there is no such setting; there are base_url and zone")
        kept[name] = addresses.page(text.strip()) if name == "base_url" else zone(text.strip())
    facts.remember(tx, HOUSE, hand.at, _FACT, kept)
    journal.append(tx, HOUSE, hand.at, hand.actor, [journal.Entry("alert_house", detail=kept)])
    return kept


def house(tx: Tx) -> dict[str, str]:
    """What holds for the house: `base_url` and `zone`."""
    found = facts.recall(tx, HOUSE, _FACT) or {}
    return {name: str(found.get(name, "")) for name in ("base_url", "zone")}


def _zone(tx: Tx, company: str) -> str:
    if company == HOUSE:
        return house(tx)["zone"] or "UTC"
    row = tx.one("company_get", {"company": company})
    return str(row["time_zone"]) if row is not None else "UTC"


def _place(company: str, name: str) -> keys.Place:
    return keys.Place(company, _SEALED_FOR, f"channel:{name}")


def _channel(row: Row, zone_name: str) -> Channel:
    kept = json.loads(row["settings"])
    wishes = Wishes(**{**kept, "rules": tuple(kept.get("rules", ()))})
    sealed = keys.Sealed(row["key_id"], bytes(row["sealed"])) if row["sealed"] is not None else None
    return Channel(
        row["id"],
        row["company"],
        row["name"],
        row["hint"],
        wishes,
        row["muted_until"],
        row["muted_by"],
        row["muted_why"],
        row["failures"],
        row["failing_since"],
        row["last_error"],
        row["next_try_at"],
        row["sent_at"],
        zone_name,
        sealed,
    )


def moment(text: str) -> datetime | None:
    """A time of the store; None for empty text."""
    return from_iso(text) if text else None


def _note(tx: Tx, hand: Hand, event: str, name: str, **detail: Any) -> None:
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry(event, detail={"channel": name, **detail})])
