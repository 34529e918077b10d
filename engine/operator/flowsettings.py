"""A company's settings for a flow: what fits them, what a change would come to, and the change itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal

from engine import told
from engine.clock import is_day
from engine.connections.connecting import SettingWrong
from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.errors import UnknownName, UsageError
from engine.follow import Hand
from engine.listsource import kept_as
from engine.model import Flow, Lookup, Setting
from engine.operator import pausing
from engine.operator.worklist import put_setting
from engine.store import browse, companies, lists
from engine.store.base import Tx

Value = str | int | bool
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_LONGEST, _LONGEST_SCOPE, _MOST_DIGITS = 1000, 200, 18
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class SettingMoved(UsageError):
    """The setting has another value than somebody saw."""

    hint = "look at the value that it has now, and decide about that"

    def __init__(self, name: str) -> None:
        super().__init__(f"nothing was changed: somebody has changed `{name}` in the meantime")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of a setting comes to: records that are prepared and not sent, with their money, and that wait."""

    prepared: int
    money: Mapping[str, Decimal]
    waiting: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A setting's new value, None to take the company's own away; with a `scope` for that alone.

    `seen` is the company's value that somebody saw before, as text; None when nobody looked.
    """

    setting: Setting
    value: Value | None
    scope: str = ""
    seen: str | None = None
    why: str = ""


def require(flow: Flow, name: str) -> Setting:
    """The setting of that name.

    Raises:
        UnknownName: when the flow has none.
    """
    found = next((setting for setting in flow.settings if setting.name == name), None)
    if found is None:
        raise UnknownName("setting", name, tuple(setting.name for setting in flow.settings))
    return found


def typed(setting: Setting, text: str) -> Value:
    """A setting's value in its type.

    Raises:
        SettingWrong: when it does not fit.
    """
    shown = text[:60]
    if setting.type == "boolean":
        if text.strip().lower() not in _TRUTH:
            raise SettingWrong(setting.name, f"`{shown}` is neither true nor false", "give true or false")
        return _TRUTH[text.strip().lower()]
    if setting.type == "integer":
        return _number(setting, text.strip())
    if setting.type == "choice" and text not in setting.options:
        raise SettingWrong(setting.name, f"`{shown}` is none of its values", suggestion(text, setting.options))
    if not text and setting.default == "":
        return text
    if setting.type == "date" and not is_day(text):
        raise SettingWrong(setting.name, f"`{shown}` is not a date", "write year, month and day as 2026-03-01")
    if not text.strip() or _CONTROL.search(text) or len(text) > _LONGEST:
        raise SettingWrong(setting.name, "is empty, too long, or holds control characters", setting.help)
    return text


def _number(setting: Setting, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
        raise SettingWrong(setting.name, f"`{text[:60]}` is no whole number", setting.help)
    if not setting.within(int(text)):
        raise SettingWrong(setting.name, f"`{text[:60]}` is no whole number {setting.bounds}", setting.help)
    return int(text)


def takes_scope(flow: Flow, name: str) -> bool:
    """Whether the flow asks for a setting for something alone: a policy, an entity or the like."""
    # In a text in single quotes YAML doubles those within.
    return re.search(rf"\bsetting\(\s*''?{re.escape(name)}''?\s*,", flow.source) is not None


def fit_scope(flow: Flow, names: Collection[str], scope: str) -> None:
    """Refuse values for a scope that nothing would ever ask for.

    Raises:
        SettingWrong: when the flow asks for one of the settings in general only, or the scope can be none.
    """
    for name in names if scope else ():
        if not takes_scope(flow, name):
            raise SettingWrong(name, "the flow asks for it in general only", "leave --for away")
        if _CONTROL.search(scope) or len(scope) > _LONGEST_SCOPE:
            raise SettingWrong(name, "what it is for is too long or holds control characters", "give an id")


def current(tx: Tx, company: str, flow: Flow, setting: Setting, scope: str = "") -> Value | None:
    """The value that a company gave a setting, in general or for a scope; None where it gave none."""
    return companies.settings(tx, company, flow.name).get(companies.setting_key(setting.name, scope))


def text_of(value: object) -> str:
    """A value as it is typed and shown; empty for none."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def named_list(flow: Flow, name: str) -> Lookup | None:
    """The lookup in whose list a setting names something, as far as the flow says so: `lookup('account', 'setting:NAME'...`.

    The scope may be joined to it, so what stands between the two is not looked at, as long as no other call begins.
    """
    quoted = rf"''?setting:{re.escape(name)}''?"
    found = re.search(rf"\blookup\(\s*''?(\w+)''?\s*,\s*(?:join_nonempty\([^\[]*\[)?\s*{quoted}", flow.source)
    return flow.lookup(found[1]) if found else None


def overruled(tx: Tx, company: str, flow: Flow, name: str) -> str:
    """What a person has mapped in the place of what a setting names, empty for nothing: a mapping counts before it."""
    lookup = named_list(flow, name)
    if lookup is None:
        return ""
    scope = {"company": company, "flow": flow.name, "lookup": lookup.name, "source_key": f"setting:{name}"}
    row = tx.one("mapping_get", scope)
    return str(row["full_name"]) if row is not None else ""


def is_listed(tx: Tx, company: str, flow: Flow, name: str, value: str) -> bool | None:
    """Whether the list that a setting names something of has an active object of that name or number; None if unknown."""
    lookup = named_list(flow, name)
    if lookup is None or not value or not lists.loaded(tx, company, kept_as(flow, lookup)):
        return None
    wanted = value.casefold()
    objects = lists.names(tx, company, kept_as(flow, lookup))
    return any(each.active and wanted in (each.full_name.casefold(), each.number.casefold()) for each in objects)


def effect(tx: Tx, company: str, flow: Flow) -> Effect:
    """What a change of any of a flow's settings comes to; counted no further than the panel counts."""
    prepared, money = pausing.waiting(tx, company, flow.name)
    streams = [stream for name, stream in browse.places(tx, company) if name == flow.name]
    waiting = sum(browse.count(tx, company, "deferred", flow.name, stream, browse.COUNTED) for stream in streams)
    return Effect(prepared, money, waiting)


def fit_told(tx: Tx, company: str, setting: Setting, value: Value | None, scope: str = "") -> None:
    """Refuse a value that would not count, since the target is sure of another.

    Raises:
        SettingWrong: when it is.
    """
    sure = told.sure(tx, company, setting) if value is not None and not scope else None
    if sure is not None and value != sure:
        reason = f"`{setting.connection}` says that it is `{sure}`, and that counts"
        raise SettingWrong(setting.name, reason, "nothing need be set; look whether the right company is meant")


def change(tx: Tx, hand: Hand, flow: Flow, wish: Wish) -> int:
    """Set a setting, or go back to what stands where the company gives no value; returns how many records are looked at anew.

    Raises:
        SettingMoved: when it has another value than somebody saw.
        SettingWrong: when the target is sure of another value.
        UnknownName: when there is no such company.
    """
    companies.require(tx, hand.company)
    fit_told(tx, hand.company, wish.setting, wish.value, wish.scope)
    name, scope = wish.setting.name, wish.scope
    if wish.seen is not None and text_of(current(tx, hand.company, flow, wish.setting, scope)) != wish.seen:
        raise SettingMoved(name)
    return put_setting(tx, hand, flow, name, wish.value, scope, why=wish.why)
