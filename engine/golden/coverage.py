"""Which parts of a flow golden cases touch: rules, ways through expressions, lookups, ways of writing, what goes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from engine import registry
from engine.dataclass import dataclass
from engine.diagnostics import Location
from engine.flowlang.yamlsource import place
from engine.golden.stage import COMPANY, Stage
from engine.mapping import EvalContext
from engine.mapping.support import truthy
from engine.model import Expr, Flow, Stream
from engine.program import FlowProgram, compile_flow
from engine.simulated import Visitor
from engine.spec import Documented
from engine.store import journal, lists

# In the order in which they are shown.
KINDS = ("rules", "conditions", "branches", "lookups", "requests", "paths", "answers")
_ANSWER = re.compile(r"(\w+)Rs (\d+)")
_SHOWN = 48
_ALWAYS_ASKED = ("posted", "match", "waited")


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a case can touch. `stream` is empty for what belongs to the flow as a whole."""

    stream: str
    kind: str
    location: Location
    what: str


@dataclass(frozen=True, slots=True)
class Status:
    """A row of what a vendor may answer, as its connector lists it; told beside the coverage and not counted in it."""

    connection: str
    code: str
    outcome: str
    met: bool


@dataclass(slots=True)
class Coverage:
    """What the cases of one flow touch; it is the watch that the flow is compiled with."""

    flow: Flow
    program: FlowProgram = field(init=False)
    points: dict[Point, bool] = field(default_factory=dict)
    # By number, what is told under it: points for a value that is not null, that is true, and that is not.
    _told: list[tuple[Point | None, Point | None, Point | None]] = field(default_factory=list)
    _numbers: dict[tuple[Location, str], int] = field(default_factory=dict)
    _branches: list[Point] = field(default_factory=list)
    _owners: dict[tuple[Location, str], tuple[str, str]] = field(default_factory=dict)
    # By connection, what was answered to which request that writes.
    codes: dict[str, set[tuple[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for owner, expr in _expressions(self.flow):
            self._owners.setdefault((expr.location, expr.text), owner)
        self.program = compile_flow(self.flow, self)
        for point in _others(self.flow):
            self.points.setdefault(point, False)

    # --- what compiling asks -----------------------------------------------------------------------------------------

    def outcome(self, expr: Expr) -> int:
        """The number under which the values of an expression are told."""
        key = (expr.location, expr.text)
        if key not in self._numbers:
            self._numbers[key] = len(self._told)
            stream, role = self._owners.get(key, ("", ""))
            self._told.append(self._of_role(stream, role, expr))
        return self._numbers[key]

    def branch(self, expr: Expr, kind: str, offset: int) -> int:
        """The number of one side of `||` or `&&`."""
        stream, _ = self._owners.get((expr.location, expr.text), ("", ""))
        part = _part(expr.text, offset, ("||",) if kind.startswith("or") else ("||", "&&"))
        word = {
            "or_expression left": f"`{part}` is taken",
            "or_expression right": f"`{part}` is taken for want of the value before it",
            "and_expression left": f"`{part}` does not hold",
            "and_expression right": f"`{part}` is reached",
        }[kind]
        self._branches.append(self._add(stream, "branches", self._at(expr, offset), word))
        return len(self._branches) - 1

    def asked(self, expr: Expr, function: str, offset: int) -> int:
        """The number under which the answers of one call are told."""
        stream, _ = self._owners.get((expr.location, expr.text), ("", ""))
        part, at = _part(expr.text, offset), self._at(expr, offset)
        yes, no = {
            "posted": ("finds a posted record", "finds none that is posted"),
            "match": ("finds the one that is meant", "finds none, or several"),
            "waited": ("the days are over", "the days are not over"),
        }[function]
        found = self._add(stream, "lookups", at, f"`{part}` {yes}")
        none = self._add(stream, "lookups", at, f"`{part}` {no}")
        self._told.append((None, found, none))
        return len(self._told) - 1

    # --- what running tells ------------------------------------------------------------------------------------------

    def hit(self, number: int) -> None:
        """A way through an expression was taken."""
        self.points[self._branches[number]] = True

    def told(self, number: int, value: object) -> None:
        """An expression had this value."""
        some, holds, fails = self._told[number]
        if some is not None and value is not None:
            self.points[some] = True
        point = holds if truthy(value) else fails
        if point is not None:
            self.points[point] = True

    def heard(self, name: str, key: str | None, label: str | None, number: str | None, context: EvalContext) -> None:
        """A lookup was asked for this."""
        resolver = getattr(context, "resolver", None)
        lookup = self.flow.lookup(name)
        if resolver is None or lookup is None or not (key or label or number):
            return
        found = resolver.resolve(name, key, label, number)
        if found.object is not None:
            word = _FOUND.format(found.rule)
        elif label and lists.namesakes(resolver.tx, resolver.company, resolver.kept(lookup), str(label)):
            word = _SEVERAL
        else:
            word = _NONE
        self._touch(Point("", "lookups", lookup.location, f"`{name}` {word}"))

    def see(self, stage: Stage) -> None:
        """A case was played: what became of its records, and what the vendors answered."""
        with stage.world.store.read(COMPANY) as tx:
            for line in journal.lines(tx, COMPANY):
                stream = self.flow.stream(line["stream"] or "")
                if stream is not None:
                    self._line(stream, line["event"], line["state_to"] or "", json.loads(line["detail"]))
        for name, answer in stage.seen.answers:
            connection = self.flow.connection(name)
            if connection is not None:
                self._touch(Point("", "answers", connection.location, f"`{name}` {_answer(answer)}"))
        for name, sandbox in stage.sandboxes.items():
            if isinstance(sandbox, Visitor):
                met = self.codes.setdefault(name, set())
                told = (pair for line in stage.seen.session for pair in _ANSWER.findall(line))
                met.update((request, int(code)) for request, code in told if not request.endswith("Query"))

    def _line(self, stream: Stream, event: str, state: str, detail: Mapping[str, Any]) -> None:
        for path, is_so in _paths_of(event, state, detail).items():
            if is_so:
                self._touch(Point(stream.name, "paths", stream.location, path))
        request = detail.get("request")
        ways = [(v, v.request, v.location) for v in stream.variants]
        made = [each for each in ways if each[1] == request]
        if len(made) == 1:
            self._touch(Point(stream.name, "requests", made[0][2], f"{request} is made"))
        for variant in stream.variants:
            for other in (variant.change, variant.undo):
                if other is not None and other.request == request:
                    self._touch(Point(stream.name, "requests", other.location, f"{request} is made"))

    # --- what came of it ---------------------------------------------------------------------------------------------

    @property
    def percent(self) -> float:
        """How much is touched, of a hundred."""
        return 100.0 * sum(self.points.values()) / len(self.points) if self.points else 100.0

    # --- keeping -----------------------------------------------------------------------------------------------------

    def _of_role(self, stream: str, role: str, expr: Expr) -> tuple[Point | None, Point | None, Point | None]:
        """What the values of an expression touch, by what it is for."""
        if role == "":
            return (None, None, None)
        kind, _, name = role.partition(" ")
        at = expr.location
        if kind == "value":
            return (self._add(stream, "rules", at, f"`{name}` has a value"), None, None)
        if kind == "way":
            return (None, self._add(stream, "requests", at, f"{name} is made"), None)
        yes, no = _CONDITIONS[kind]
        holds = self._add(stream, "conditions", at, f"{name}: {yes}") if yes else None
        fails = self._add(stream, "conditions", at, f"{name}: {no}") if no else None
        return (None, holds, fails)

    def _add(self, stream: str, kind: str, at: Location, what: str) -> Point:
        point = Point(stream, kind, at, what)
        self.points.setdefault(point, False)
        return point

    def _touch(self, point: Point) -> None:
        if point in self.points:
            self.points[point] = True

    def _at(self, expr: Expr, offset: int) -> Location:
        """Where a part of an expression stands in the file."""
        return place(self.flow.source, expr.location, offset, expr.text) if self.flow.source else expr.location


def statuses(coverage: Coverage) -> Iterator[Status]:
    """What the vendors that are polled may answer to a request, and what of it they did answer."""
    for connection in coverage.flow.connections:
        connector: object = registry.find(connection.connector)
        if not isinstance(connector, Documented) or connection.name not in coverage.codes:
            continue
        met = coverage.codes[connection.name]
        told: dict[str, Status] = {}
        for row in connector.statuses():
            codes, _, only = row.code.partition(", of ")
            first, _, last = codes.partition(" to ")
            if first.isdecimal() and row.code not in told:
                fits = (int(first) <= code <= int(last or first) and only in ("", request) for request, code in met)
                told[row.code] = Status(connection.name, row.code, row.outcome, any(fits))
        yield from told.values()


_FOUND = "is found by {}"
_NONE = "is missing"
_SEVERAL = "is ambiguous: several have the name"
# What holds, and what does not, by what a condition is for.
_CONDITIONS: Mapping[str, tuple[str, str]] = {
    "when": ("the stream runs", "the stream is off"),
    "select": ("lets a record through", "leaves a record out"),
    "check": ("holds", "fails a record"),
    "adopt": ("finds an object that is there", "finds none"),
    "undo": ("undoes", "undoes nothing"),
}


def _expressions(flow: Flow) -> Iterator[tuple[tuple[str, str], Expr]]:
    """Every expression of a flow with its stream and what it is for."""
    for name, expr in flow.define:
        yield ("", f"value define {name}"), expr
    for stream in flow.streams:
        yield from (((stream.name, role), expr) for role, expr in _of_stream(stream))


def _of_stream(stream: Stream) -> Iterator[tuple[str, Expr]]:
    if stream.when is not None:
        yield f"when when: {_clip(stream.when.text)}", stream.when
    for item in stream.select:
        yield f"select {_clip(item.say or item.only.text)}", item.only
    if stream.adopt is not None:
        yield "adopt adopt", stream.adopt.found
    for name in ("amount", "currency", "party", "reference", "date"):
        if (expr := getattr(stream.about, name)) is not None:
            yield f"value about.{name}", expr
    for name, expr in stream.map:
        yield f"value {name}", expr
    for check in stream.check:
        yield f"check {_clip(check.say or check.expect.text)}", check.expect
    for variant in stream.variants:
        if variant.when is not None:
            yield f"way {variant.request}", variant.when
        if variant.undo is not None:
            yield f"undo {variant.undo.request}", variant.undo.when
    if stream.provide is not None:
        yield "value provide.key", stream.provide.key
    if stream.mark_synced is not None:
        yield from ((f"value mark_synced.{name}", expr) for name, expr in stream.mark_synced.details)


def _others(flow: Flow) -> Iterator[Point]:
    """What is touched by what becomes of records, and not by computing something."""
    for connection in flow.connections:
        connector = registry.find(connection.connector)
        if connector is not None and connector.spec.delivery == "push":
            for word in dict.fromkeys(_ANSWERS.values()):
                yield Point("", "answers", connection.location, f"`{connection.name}` {word}")
    for lookup in flow.lookups:
        words = [_FOUND.format(rule) for rule in lookup.match] + [_NONE]
        words += [_SEVERAL] if "exact_name" in lookup.match else []
        yield from (Point("", "lookups", lookup.location, f"`{lookup.name}` {word}") for word in words)
    for stream in flow.streams:
        if stream.write is None:
            continue
        for path in _PATHS:
            if (path != _TOLD or stream.mark_synced) and (path != _WAITS or _can_wait(flow, stream)):
                yield Point(stream.name, "paths", stream.location, path)
        for variant in stream.variants:
            if variant.when is None:
                yield Point(stream.name, "requests", variant.location, f"{variant.request} is made")
            for other in (variant.change, variant.undo):
                if other is not None:
                    yield Point(stream.name, "requests", other.location, f"{other.request} is made")


def _can_wait(flow: Flow, stream: Stream) -> bool:
    """Whether anything that the stream computes can be missing."""
    texts = [expr.text for _, expr in (*stream.map, *flow.define)]
    return any(f"{word}(" in text for text in texts for word in ("lookup", "lookup_if", *_ALWAYS_ASKED))


_POSTED = "a record is posted"
_WAITS = "a record waits: something is missing"
_REFUSED = "the target refuses a record"
_DOUBT = "an answer of the target is lost"
_GONE = "what was posted is gone from the target"
_TOLD = "the source is told"
_PATHS = (_POSTED, _WAITS, _REFUSED, _DOUBT, _GONE, _TOLD)


def _paths_of(event: str, state: str, detail: Mapping[str, Any]) -> Mapping[str, bool]:
    """Which of the ways that records go a line of the journal shows."""
    return {
        _POSTED: event == "posted",
        _WAITS: state == "deferred" and "code" not in detail,
        _REFUSED: "code" in detail and state in ("failed", "deferred", "unknown"),
        _DOUBT: event == "in_doubt",
        _GONE: event == "vanished",
        _TOLD: event == "closed" and str(detail.get("why", "")).endswith("acknowledged"),
    }


# What a vendor's API answers, by HTTP status; the last of a kind stands for its whole hundred.
_ANSWERS: Mapping[str, str] = {
    "2": "answers",
    "401": "refuses the credentials (401, 403)",
    "403": "refuses the credentials (401, 403)",
    "404": "has no such object (404)",
    "429": "is asked too often (429)",
    "4": "refuses a call (other 4xx)",
    "5": "fails (5xx)",
    "none": "gives no answer",
}


def _answer(status: str) -> str:
    return _ANSWERS.get(status) or _ANSWERS.get(status[:1], _ANSWERS["2"])


def _part(text: str, offset: int, ends: Sequence[str] = ("||", "&&")) -> str:
    """The beginning of a part of an expression, as far as it surely belongs to it."""
    rest = text[offset:]
    depth = 0
    for position, char in enumerate(rest):
        depth += (char in "([{") - (char in ")]}")
        if depth < 0 or (depth == 0 and (char == "," or rest.startswith(tuple(ends), position))):
            rest = rest[:position]
            break
    return _clip(rest)


def _clip(text: str) -> str:
    line = " ".join(text.split()).replace("`", "'")
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
