"""What is wrong with a company now, rule by rule: each condition says what, how many, how much, since when, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

from engine import holdings
from engine.alerting import grouping
from engine.alerting.grouping import Group
from engine.alerting.rules import Settings
from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.store import companies, work
from engine.store.base import Row, Tx
from engine.telemetry import pulse

# Alerts of these kinds are told by rules that count records; those of the others as they are.
_RULE_OF = {"restored": "vanished", "twice": "vanished", "edited": "changed", "drifted": "changed",
            "audit": "journal", "connection": "connection"}  # fmt: skip
# Where something is done about an alert that is no record's.
_PLACE_OF = {
    "session": "/connections/web-connector",
    "rival": "/flows",
    "rekeyed": "/flows",
    "connection": "/connections",
}
# The longest title of a notice.
TITLE = 200
# One notice for all alerts of a kind: there may be one a record.
_TOGETHER = frozenset({"twice", "edited", "drifted", "ambiguous", "account", "mark"})
_MOST_ALERTS = 5000
_SHORTEST_UNKNOWN = timedelta(minutes=15)
_EVERY_MIN = 5


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so now. `subject` tells it from others of the rule, `place` is the page about it in the panel."""

    rule: str
    subject: str
    title: str
    detail: str = ""
    hint: str = ""
    place: str = ""
    records: int = 0
    money: Mapping[str, Decimal] = field(default_factory=dict)
    since_at: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """A Web Connector that should come: how often, when it came last or was set up, whether it ever came."""

    connection: str
    every: timedelta
    last_at: str
    came: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of a company; conditions are made of it without the store."""

    company: str
    now: datetime
    is_paused: bool
    halted: str
    agents: tuple[Agent, ...]
    alerts: tuple[Row, ...]
    waiting: int
    oldest_at: str
    groups: Mapping[str, Sequence[Group]]
    # Rule and subject of what people have been told of, and is not over.
    told: frozenset[tuple[str, str]] = frozenset()

    def page(self, *parts: str) -> str:
        """A page of the company in the panel, by the parts of its address after the company."""
        return f"/c/{quote(self.company, safe='')}{''.join(parts)}"

    def records(self, group: Group) -> str:
        """The page of a group's records."""
        place = quote(f"{group.flow}/{group.stream}", safe="")
        return self.page(f"/records?state={group.state}&place={place}")

    @property
    def every(self) -> timedelta:
        """How often the Web Connector comes; of several the slowest."""
        return max((agent.every for agent in self.agents), default=timedelta(minutes=_EVERY_MIN))


def read(tx: Tx, company: str, now: datetime, pull: frozenset[str], groups: Mapping[str, Sequence[Group]]) -> Known:
    """What conditions are made of; `pull` are the connectors whose agent comes to us.

    Raises:
        UnknownName: when there is no such company.
    """
    row = companies.require(tx, company)
    oldest = tx.one("alert_operation_oldest", {"company": company})
    return Known(
        company,
        now,
        bool(row["paused"]),
        holdings.halted(tx, company) or "",
        tuple(_agents(tx, company, pull)),
        tuple(tx.rows("alerts_open_other", {"company": company, "limit": _MOST_ALERTS})),
        pulse.pulse(tx, company, "", iso(now)).waiting,
        oldest["created_at"] if oldest is not None else "",
        groups,
        frozenset((row["rule"], row["subject"]) for row in tx.rows("alert_notices_open", {"company": company})),
    )


def conditions(known: Known, rules: Mapping[str, Settings]) -> list[Condition]:
    """Everything that people are to be told of, by the rules that are on."""
    found: list[Condition] = []
    for name, make in _MAKERS.items():
        if rules[name].on:
            found += make(known, rules[name])
    found += [condition for condition in _alerts(known, rules) if rules[condition.rule].on]
    return found


def _agents(tx: Tx, company: str, pull: frozenset[str]) -> Iterator[Agent]:
    session = tx.one("session_newest", {"company": company})
    for row in companies.connections(tx, company):
        if row["connector"] not in pull:
            continue
        minutes = companies.connection_setting(tx, company, row["connection"], "run_every_min")
        every = timedelta(minutes=minutes if isinstance(minutes, int) and minutes > 0 else _EVERY_MIN)
        last = str(session["seen_at"]) if session is not None else str(row["updated_at"])
        yield Agent(row["connection"], every, last, session is not None)


# --- records -----------------------------------------------------------------------------------------------------------


def _deferred(known: Known, rule: Settings) -> Iterator[Condition]:
    since = iso(known.now - timedelta(minutes=rule.numbers["older_min"]))
    for group in known.groups.get("deferred", ()):
        subject = deferred_subject(group)
        # What is tried again begins to wait anew; for whoever was told, it waits still.
        is_new = group.since_at > since and ("deferred", subject) not in known.told
        if group.count < rule.numbers["records"] or is_new:
            continue
        yield Condition(
            "deferred", subject, *_gap(known.company, group), known.records(group), group.count, group.money,
            group.since_at,
        )  # fmt: skip


def deferred_subject(group: Group) -> str:
    """What a notice about records that wait for one thing is filed under."""
    return "/".join((group.flow, group.lookup or group.stream, group.key if group.lookup else group.code))


def _gap(company: str, group: Group) -> tuple[str, str, str]:
    """Title, detail and hint of what is missing."""
    where = of_company(company)
    if group.lookup and not group.key:
        hint = f"map them in the panel, or `{shlex.join(['flowctl', 'map', 'export', group.flow])} --missing{where}`"
        return f"{group.things} names of `{group.lookup}` are not mapped", f"such as {', '.join(group.examples)}", hint
    if group.lookup and group.code == "unmapped":
        words = shlex.join(["flowctl", "map", "set", group.flow, group.lookup, group.key])
        called = group.label or group.key
        return f"{group.lookup} `{called}` is not mapped", "", f"map it in the panel, or `{words} 'NAME THERE'{where}`"
    return group.reason.message or f"records of {group.stream} wait", _examples(group), group.reason.hint


def _examples(group: Group) -> str:
    more = f" and {group.count - len(group.examples)} more" if group.count > len(group.examples) else ""
    return f"{group.flow}/{group.stream}: {', '.join(group.examples)}{more}"


def _failed(known: Known, rule: Settings) -> Iterator[Condition]:
    for group in known.groups.get("failed", ()):
        if group.count >= rule.numbers["records"]:
            hint = group.reason.hint or f"correct the cause, then `flowctl retry{of_company(known.company)}`"
            subject = f"{group.flow}/{group.stream}/{group.code}"
            title = f"refused: {group.reason.message or group.code}"
            place = known.records(group)
            yield Condition(
                "failed", subject, title, _examples(group), hint, place, group.count, group.money, group.since_at
            )


def _unknown(known: Known, rule: Settings) -> Iterator[Condition]:
    since = iso(known.now - max(rule.numbers["cycles"] * known.every, _SHORTEST_UNKNOWN))
    for group in known.groups.get("unknown", ()):
        subject = f"{group.flow}/{group.stream}/{group.code}"
        if group.since_at <= since or ("unknown", subject) in known.told:
            hint = group.reason.hint or "look for it in QuickBooks, then say on its page whether it is there"
            title = f"nobody knows whether records of {group.stream} arrived"
            place = known.records(group)
            yield Condition(
                "unknown", subject, title, _examples(group), hint, place, group.count, group.money, group.since_at
            )


def _vanished(known: Known, _rule: Settings) -> Iterator[Condition]:
    groups = known.groups.get("vanished", ())
    where = of_company(known.company)
    if groups:
        count, since = sum(group.count for group in groups), min(group.since_at for group in groups)
        yield Condition(
            "vanished", "records", "posted records are gone from the target", _examples(groups[0]),
            f"decide in the panel, or with `flowctl reconcile{where}`", known.page("/records?state=vanished"), count,
            grouping.sums(groups), since,
        )  # fmt: skip


# --- the machinery -----------------------------------------------------------------------------------------------------


def _poll(known: Known, rule: Settings) -> Iterator[Condition]:
    if known.is_paused:
        return
    for agent in known.agents:
        late = max(rule.numbers["intervals"] * agent.every, timedelta(minutes=rule.numbers["least_min"]))
        if known.now - from_iso(agent.last_at) > late:
            what = "has not called" if agent.came else "has never called since it was set up"
            yield Condition(
                "poll", agent.connection, f"the Web Connector {what}",
                f"it should come every {int(agent.every.total_seconds() // 60)} minutes",
                "is the Windows computer on, is QuickBooks open, and is Auto-Run ticked in the Web Connector?",
                known.page(), since_at=agent.last_at,
            )  # fmt: skip


def _backlog(known: Known, rule: Settings) -> Iterator[Condition]:
    hint = "is the Web Connector coming, is posting halted, is a connection in trouble?"
    most, hours = rule.numbers["records"], rule.numbers["older_hours"]
    if known.waiting > most:
        yield Condition(
            "backlog",
            "records",
            f"more than {most} records wait to be posted or told",
            "",
            hint,
            known.page(),
            known.waiting,
        )
    if known.oldest_at and known.oldest_at < iso(known.now - timedelta(hours=hours)):
        title = f"a request has waited to be sent for more than {hours} hours"
        yield Condition("backlog", "oldest", title, "", hint, known.page(), since_at=known.oldest_at)


_MAKERS: Mapping[str, Callable[[Known, Settings], Iterable[Condition]]] = {
    "deferred": _deferred, "failed": _failed, "unknown": _unknown, "vanished": _vanished, "poll": _poll, "backlog": _backlog,
}  # fmt: skip


# --- alerts that the engine has raised -----------------------------------------------------------------------------------


def _alerts(known: Known, rules: Mapping[str, Settings]) -> Iterator[Condition]:
    together: dict[str, list[Row]] = {}
    for row in known.alerts:
        kind, subject = row["kind"], row["subject"]
        if kind in _TOGETHER:
            together.setdefault(kind, []).append(row)
        elif (kind, subject) == ("session", work.SIGN_IN):
            if row["times"] >= rules["sign_in"].numbers["times"]:
                yield _as_it_is(known, "sign_in", row)
        else:
            yield _as_it_is(known, _RULE_OF.get(kind, "trouble"), row)
    for kind, rows in together.items():
        since = min(str(row["first_at"]) for row in rows)
        more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        yield Condition(
            _RULE_OF.get(kind, "trouble"), kind, f"{rows[0]['message']}{more}", "", rows[0]["hint"], known.page("/alerts"),
            len(rows), since_at=since,
        )  # fmt: skip


def told_alone(row: Row) -> frozenset[tuple[str, str]]:
    """Rule and subject of a notice that tells of this alert, when it tells of nothing else."""
    kind, subject = row["kind"], row["subject"]
    rule = "sign_in" if (kind, subject) == ("session", work.SIGN_IN) else _RULE_OF.get(kind, "trouble")
    alone = {(rule, kind if kind in _TOGETHER else f"{kind}:{subject}")}
    # What is missing has the same subject in both.
    return frozenset(alone | {(kind, subject)})


def _as_it_is(known: Known, rule: str, row: Row) -> Condition:
    seen = f"seen {row['times']} times" if row["times"] > 1 else ""
    subject = f"{row['kind']}:{row['subject']}"
    # Of a long text the first sentence says what it is about.
    title, _, rest = row["message"].partition(". ") if len(row["message"]) > TITLE else (row["message"], "", "")
    detail = "; ".join(text for text in (rest, seen) if text)
    place = known.page(_PLACE_OF.get(row["kind"], "/alerts"))
    return Condition(rule, subject, title, detail, row["hint"], place, since_at=str(row["first_at"]))
