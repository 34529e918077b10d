"""Which account of a vendor a connection leads to, so that another one is noticed before its records are taken for new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from engine.contract import Binding
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.follow import Hand
from engine.model import Flow
from engine.spec import ConnectorSpec
from engine.store import browse, facts
from engine.store.base import Tx
from engine.store.places import UNKNOWN, account_fact

# So many accounts that a connection led to before are remembered.
_MOST_BEFORE = 20


class OtherAccount(UsageError):
    """What was given leads to another account than the one that records were read from, or written to."""

    def __init__(self, connection: str, before: str, now: str) -> None:
        # What differs may be secret, and then both look alike.
        told = f": `{now}`, and it was `{before}`" if before and now and before != now else ""
        super().__init__(
            f"`{connection}` would lead to another account{told}",
            hint="there are records of the one before: what is in the other account would be taken for new, and be posted",
        )


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a connection's account.

    `mark` is a digest of the settings that name it; `id` and `name` are what the vendor said, empty where it was not asked.
    `since` is when this account was connected, as UTC text.
    """

    connector: str
    mark: str
    id: str
    name: str
    since: str


def known(tx: Tx, company: str, connection: str) -> Account | None:
    """What was noted of the account, also of a connection that was taken away; None of one that an older flowctl made."""
    found = facts.recall(tx, company, account_fact(connection))
    if found is None:
        return None
    return Account(*(str(found.get(name, "")) for name in ("connector", "mark", "id", "name", "since")))


def connected(
    tx: Tx, hand: Hand, spec: ConnectorSpec, binding: Binding, was: tuple[str, Binding] | None = None
) -> None:
    """Note that a connection was made or changed; what the vendor said stays while the same settings name the account.

    `was` are the connector and the settings until now, for a connection of which an older flowctl has noted nothing.
    """
    before, mark = known(tx, hand.company, binding.connection), mark_of(spec, binding)
    earliest = [("", was[0], mark_of(spec, was[1]) if was[0] == spec.name else "", "")] if was is not None else []
    if before is not None and (before.connector, before.mark) == (spec.name, mark):
        if before.since:
            return
        made = Account(spec.name, mark, before.id, before.name, hand.at)
    else:
        is_same = before is not None and before.connector == spec.name and (not before.mark or not mark)
        is_same = is_same and not _names_another(before, spec, binding)
        since = before.since if before is not None and is_same else ""
        # Settings that only name what answered all the time say nothing new.
        stays = before if before is not None and is_same and _named_in(spec, binding) == before.id else None
        made = Account(spec.name, mark, stays.id if stays else "", stays.name if stays else "", since or hand.at)
    _put(tx, hand, binding.connection, made, earliest)


def told(tx: Tx, hand: Hand, connection: str, account: str, name: str) -> None:
    """Note what the vendor says: whose account it is."""
    before = known(tx, hand.company, connection) or Account("", "", "", "", hand.at)
    since = hand.at if before.id not in ("", account) else before.since
    _put(tx, hand, connection, Account(before.connector, before.mark, account, name, since))


def left(tx: Tx, hand: Hand, connection: str) -> None:
    """Note that the connection was taken away; the account is remembered, the day when it was connected is not."""
    before = known(tx, hand.company, connection)
    if before is not None:
        _put(tx, hand, connection, Account(before.connector, before.mark, before.id, before.name, ""))


def require_same(tx: Tx, company: str, spec: ConnectorSpec, before: Binding | None, now: Binding) -> None:
    """Refuse settings that name another account than those before; `before` is None where nothing is connected now.

    Raises:
        OtherAccount: naming both where neither is secret.
    """
    was = known(tx, company, now.connection)
    mark = was.mark if was is not None else mark_of(spec, before) if before is not None else ""
    is_other = was is not None and (was.connector not in ("", spec.name) or _names_another(was, spec, now))
    if is_other or (mark and mark != mark_of(spec, now)):
        named = shown(spec, before) if before is not None else ""
        answered = was.id if was is not None and _names_another(was, spec, now) else ""
        raise OtherAccount(now.connection, named or answered, shown(spec, now))


def _names_another(was: Account | None, spec: ConnectorSpec, binding: Binding) -> bool:
    """Whether settings that named no account name now another one than has answered without."""
    named = _named_in(spec, binding)
    return was is not None and not was.mark and bool(was.id) and bool(named) and named != was.id


def _named_in(spec: ConnectorSpec, binding: Binding) -> str:
    """The vendor's id of the account, where one setting may hold just that; empty where it does not."""
    return _value(spec, binding, spec.account[0]) if spec.account == ("account_id",) else ""


def mark_of(spec: ConnectorSpec, binding: Binding) -> str:
    """A digest of the settings that name the account; empty when they do not."""
    values = [_value(spec, binding, name) for name in spec.account]
    return sha256("\0".join(values).encode("utf-8", "replace")).hexdigest() if any(values) else ""


def shown(spec: ConnectorSpec, binding: Binding) -> str:
    """The settings that name the account, without secrets."""
    secret = {field.name for field in spec.settings if field.secret}
    values = [_value(spec, binding, name) for name in spec.account if name not in secret]
    return ", ".join(value for value in values if value)


def has_records(tx: Tx, company: str, flows: Iterable[Flow], connection: str) -> bool:
    """Whether there are records that were read or written over a connection."""
    used = {
        (flow.name, stream.name)
        for flow in flows
        for stream in flow.streams
        if connection in (stream.fetch.connection, stream.target)
    }
    return any(place in used for place in browse.places(tx, company))


def is_used(tx: Tx, company: str, flows: Sequence[Flow], connection: str) -> bool:
    """The same; of a role that no flow here has, whether there is any record at all."""
    if any(c.name == connection for flow in flows for c in flow.connections):
        return has_records(tx, company, flows, connection)
    return bool(browse.places(tx, company))


def _value(spec: ConnectorSpec, binding: Binding, name: str) -> str:
    default = next((field.default for field in spec.settings if field.name == name), None)
    return str(binding.secrets.get(name) or binding.settings.get(name) or default or "")


def _put(tx: Tx, hand: Hand, connection: str, it: Account, earliest: Sequence[Sequence[str]] = ()) -> None:
    """Keep it, beside what the connection led to before: each since when, as connector, mark and id."""
    was = facts.recall(tx, hand.company, account_fact(connection))
    before = list(earliest if was is None else was.get("before", [UNKNOWN]))
    if was is not None and was["since"] not in ("", it.since):
        before.append([was[name] for name in ("since", "connector", "mark", "id")])
    value = {"connector": it.connector, "mark": it.mark, "id": it.id, "name": it.name, "since": it.since}
    facts.remember(tx, hand.company, hand.at, account_fact(connection), {**value, "before": before[-_MOST_BEFORE:]})
