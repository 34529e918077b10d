"""What people are told of: each rule with its settings, for the house and for a company; each change is a journal line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, cast

from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.errors import UsageError
from engine.follow import Hand
from engine.store import companies, journal
from engine.store.base import Tx

Severity = Literal["info", "warning", "urgent"]
Value = str | int | bool
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "urgent")
# What belongs to no company is the house's; it is also what holds for every company that says nothing else.
HOUSE = ""


@dataclass(frozen=True, slots=True)
class Param:
    """A number that tunes a rule."""

    name: str
    help: str
    default: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that people are told of. Every rule also has `on`, `severity`, `solved` and `remind_hours`."""

    name: str
    title: str
    help: str
    severity: Severity = "warning"
    params: tuple[Param, ...] = ()
    # About the machine that all companies share: tuned for the house alone.
    is_house: bool = False


def _param(name: str, help_: str, default: int, bounds: tuple[int, int]) -> Param:
    return Param(name, help_, default, *bounds)


_MINUTES, _HOURS, _MANY = (0, 40_320), (0, 8_760), (1, 1_000_000)
RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "deferred",
            "Records wait",
            "Records wait for a mapping or for something else that a person must do; one notice for each thing missing.",
            "warning",
            (
                _param("records", "tell once so many wait for the same thing", 1, _MANY),
                _param("older_min", "tell once the first has waited for so many minutes", 5, _MINUTES),
            ),
        ),
        Rule(
            "failed",
            "Records failed",
            "Records were refused for good; one notice for each stream and reason.",
            "warning",
            (_param("records", "tell once so many failed for the same reason", 1, _MANY),),
        ),
        Rule(
            "unknown",
            "Nobody knows what became of a record",
            "Records were sent, and no answer tells whether they arrived, for longer than the Web Connector's cycle.",
            "urgent",
            (_param("cycles", "tell after so many intervals of the Web Connector, and never before 15 minutes", 2, (1, 1000)),),
        ),
        Rule(
            "vanished",
            "Gone from QuickBooks",
            "Posted records are gone, posting is halted, or a record is there twice.",
            "urgent",
        ),
        Rule("changed", "Changed by hand", "Somebody edited posted entries there, or the source changed what is posted."),
        Rule(
            "poll",
            "The Web Connector does not come",
            "The Web Connector has not called for longer than it should.",
            "warning",
            (
                _param("intervals", "tell after so many of its intervals", 12, (1, 10_000)),
                _param("least_min", "and never before so many minutes", 30, _MINUTES),
            ),
        ),
        Rule(
            "sign_in",
            "The Web Connector is refused",
            "The Web Connector signs in with a wrong password or an unknown user name.",
            "warning",
            (_param("times", "tell after so many refusals", 2, _MANY),),
        ),
        Rule(
            "token",
            "A permission ends",
            "The permission that a person gave at a vendor ends soon, has ended, or may be lost.",
            "warning",
            (_param("days", "tell so many days before it ends", 7, (0, 365)),),
        ),
        Rule("connection", "A vendor is not reached", "A connection is refused or cannot be read."),
        Rule(
            "backlog",
            "Work piles up",
            "More records wait for the machine than usual, or the oldest request waits for long.",
            "warning",
            (
                _param("records", "tell once more than so many wait", 1000, _MANY),
                _param("older_hours", "tell once the oldest request has waited for so many hours", 24, _HOURS),
            ),
        ),
        Rule("reconcile", "Both sides differ", "The newest comparison with QuickBooks has found differences."),
        Rule("journal", "The journal or its checkpoints", "The journal cannot be shown to be whole.", "urgent"),
        Rule(
            "disk",
            "The disk is nearly full",
            "Little room is left where the store is.",
            "urgent",
            (_param("free_mb", "tell below so many megabytes", 1024, (1, 10_000_000)),),
            is_house=True,
        ),
        Rule(
            "stranded",
            "Work is not taken up",
            "A process died over its work, which was handed out anew; or work waits, and no process takes it.",
            "urgent",
            (_param("older_min", "tell once work has waited for a process for so many minutes", 15, _MINUTES),),
            is_house=True,
        ),
        Rule(
            "versions",
            "Different versions at work",
            "Processes on one store serve a flow from different files, or are of different versions of flowctl.",
            "warning",
            (_param("older_min", "tell once it has been so for so many minutes", 15, _MINUTES),),
            is_house=True,
        ),
        Rule("channel", "A channel is dead", "Messages to another channel do not arrive.", is_house=True),
        Rule("trouble", "Anything else", "Every other alert: rival flows, refused marks, webhooks, broken visits."),
    )
}  # fmt: skip
# What every rule has.
_COMMON = ("on", "severity", "solved", "remind_hours")
_REMIND = _param("remind_hours", "say it again after so many hours; 0 never", 24, _HOURS)


class SettingUnfit(UsageError):
    """A value that a setting cannot have."""

    def __init__(self, rule: str, name: str, accepted: str) -> None:
        super().__init__(f"`{rule}`: `{name}` takes {accepted}", hint="`flowctl alert rules` shows what there is")


class RuleUnknown(UsageError):
    """There is no such rule, or it has no such setting."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in name[:40])
        super().__init__(f"there is no {kind} `{shown}`", hint=suggestion(name[:40], known))


class HouseAlone(UsageError):
    """The rule is about what all companies share."""

    hint = "set it for the house: --house, or the page of all companies"


@dataclass(frozen=True, slots=True)
class Settings:
    """A rule as it holds for a company; `own` names what was changed, `numbers` are its parameters."""

    rule: Rule
    on: bool
    severity: Severity
    solved: bool
    remind_hours: int
    numbers: Mapping[str, int]
    own: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Value]:
        """All values, by name."""
        common = {"on": self.on, "severity": self.severity, "solved": self.solved, "remind_hours": self.remind_hours}
        return {**common, **self.numbers}


def find(name: str) -> Rule:
    """A rule by its name.

    Raises:
        RuleUnknown: when there is none.
    """
    if name not in RULES:
        raise RuleUnknown("rule", name, tuple(RULES))
    return RULES[name]


def effective(tx: Tx, company: str) -> dict[str, Settings]:
    """Every rule as it holds for a company: what it says, else what the house says, else the default."""
    house = _kept(tx, HOUSE)
    own = _kept(tx, company) if company != HOUSE else house
    return {name: _merged(rule, house.get(name, {}), own.get(name, {})) for name, rule in RULES.items()}


def of_scope(tx: Tx, company: str) -> dict[str, Settings]:
    """The rules that can be tuned for a company, or for the house."""
    found = effective(tx, company)
    return {name: each for name, each in found.items() if company == HOUSE or not each.rule.is_house}


def put(tx: Tx, hand: Hand, name: str, given: Mapping[str, str]) -> Settings:
    """Change settings of a rule, for a company or for the house (an empty company).

    Raises:
        RuleUnknown: when there is no such rule or setting.
        SettingUnfit: when a value does not fit.
        HouseAlone: when the rule is not a company's.
        UnknownName: when there is no such company.
    """
    rule = find(name)
    if hand.company != HOUSE:
        companies.require(tx, hand.company)
        if rule.is_house:
            raise HouseAlone
    read = {key: _read(rule, key, text) for key, text in given.items()}
    kept = {**_kept(tx, hand.company).get(name, {}), **read}
    tx.run("alert_rule_put", {"company": hand.company, "rule": name, "settings": json.dumps(kept), "at": hand.at})
    _note(tx, hand, "alert_rule", rule=name, **read)
    return effective(tx, hand.company)[name]


def reset(tx: Tx, hand: Hand, name: str) -> bool:
    """Go back to what the house says, or to the default; False when nothing was changed.

    Raises:
        RuleUnknown: when there is no such rule.
    """
    find(name)
    changed = tx.run("alert_rule_drop", {"company": hand.company, "rule": name}) > 0
    if changed:
        _note(tx, hand, "alert_rule", rule=name, reset=True)
    return changed


def _note(tx: Tx, hand: Hand, event: str, **detail: Value) -> None:
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry(event, detail=detail)])


def _kept(tx: Tx, company: str) -> dict[str, dict[str, Value]]:
    return {row["rule"]: json.loads(row["settings"]) for row in tx.rows("alert_rules_of", {"company": company})}


def _merged(rule: Rule, house: Mapping[str, Value], own: Mapping[str, Value]) -> Settings:
    values: dict[str, Value] = {
        "on": True, "severity": rule.severity, "solved": True, "remind_hours": _REMIND.default,
        **{param.name: param.default for param in rule.params}, **house, **own,
    }  # fmt: skip
    return Settings(
        rule,
        bool(values["on"]),
        cast("Severity", values["severity"]),
        bool(values["solved"]),
        int(values["remind_hours"]),
        {param.name: int(values[param.name]) for param in rule.params},
        frozenset(own),
    )


def _read(rule: Rule, name: str, text: str) -> Value:
    """A setting's value from what a person wrote."""
    params = {param.name: param for param in (*rule.params, _REMIND)}
    if name not in (*_COMMON, *params):
        raise RuleUnknown(f"setting of `{rule.name}` named", name, (*_COMMON, *params))
    if name == "severity":
        if text not in SEVERITIES:
            raise SettingUnfit(rule.name, name, "info, warning or urgent")
        return text
    if name not in params:
        if text not in ("yes", "no", "true", "false"):
            raise SettingUnfit(rule.name, name, "yes or no")
        return text in ("yes", "true")
    param = params[name]
    is_number = text.isascii() and text.isdecimal() and len(text) <= 9
    if not is_number or not param.least <= int(text) <= param.most:
        raise SettingUnfit(rule.name, name, f"a whole number from {param.least} to {param.most}")
    return int(text)
