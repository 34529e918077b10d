"""Reads case folders: `case.yaml` with its steps, and what is given, each with the place where it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.diagnostics import Location, suggestion
from engine.errors import UnknownName, UsageError
from engine.flowlang.yamlsource import ListNode, MapNode, Node, ScalarNode, load, plain
from engine.model import Flow
from engine.store.companies import setting_of

FILE = "case.yaml"
KEYS = ("case", "clock", "seed", "settings", "mappings", "steps")
# Steps that stand alone, and steps that take a value; besides, every connection of the flow is a step.
BARE = ("run", "session", "tell", "cycle", "look")
VALUED = ("map", "clock", "set", "retry", "decide", "fault", "deliver")
# How webhooks arrive.
WAYS = ("due", "reversed", "again", "forged")
DECISIONS = ("post_again", "leave_out")
_ANSWER = re.compile(r"[0-9]{2}-[A-Za-z]+Rs\.xml")


class CaseWrong(UsageError):
    """A case cannot be read."""

    def __init__(self, location: Location, message: str, hint: str = "") -> None:
        super().__init__(f"{location}: {message}", hint=hint or None)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, and where it was written."""

    name: str
    value: Any
    location: Location


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `given` is by connection, `answers` by name of the file, as in `02-BillAddRs`."""

    flow: str
    name: str
    folder: Path
    intent: str
    clock: datetime
    seed: int
    steps: tuple[Step, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    mappings: tuple[Mapping[str, str], ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    # By connection, the reads that were recorded of a vendor, as `engine.golden.recorded` replays them.
    recorded: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """`flow/case`."""
        return f"{self.flow}/{self.name}"


def find_folders(root: Path, flows: tuple[str, ...] = ()) -> Iterator[Path]:
    """The folders of all cases below `root`, those of these flows only when some are named.

    Raises:
        UsageError: when there is no such folder, or no case of a flow.
    """
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}", hint="give --cases")
    known = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_")))
    for name in flows:
        if name not in known:
            raise UsageError(f"there are no cases of `{name}` in {root}", hint=suggestion(name, known))
    for name in flows or known:
        yield from sorted(path.parent for path in (root / name).glob(f"*/{FILE}"))


def load_case(folder: Path, flow: Flow) -> Case:
    """Read one case.

    Raises:
        CaseWrong: with the place of the first thing that is wrong.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseWrong(Location(str(path)), f"cannot be read: {error}") from error
    root, problems = load(text, str(path))
    if problems:
        raise CaseWrong(problems[0].location, problems[0].message, problems[0].hint or "")
    reader = _Reader(str(path), flow)
    top = reader.mapping(root, "the case")
    for key, _ in top.entries:
        reader.known("key", key, KEYS)
    given, answers, recorded = _given(folder, flow)
    return Case(
        flow.name,
        folder.name,
        folder,
        reader.text(top, "case"),
        reader.moment(top, "clock"),
        reader.number(top, "seed"),
        tuple(reader.steps(top)),
        reader.settings(top.get("settings")),
        tuple(reader.mappings(top.get("mappings"))),
        given,
        answers,
        recorded,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    path: str
    flow: Flow

    def at(self, node: Node) -> Location:
        return Location(self.path, node.line, node.column)

    def mapping(self, node: Node | None, what: str) -> MapNode:
        if not isinstance(node, MapNode):
            where = self.at(node) if node is not None else Location(self.path)
            raise CaseWrong(where, f"{what} must be keys with values")
        return node

    def known(self, kind: str, key: ScalarNode, names: tuple[str, ...]) -> None:
        if key.text not in names:
            raise CaseWrong(self.at(key), f"there is no {kind} `{key.text}`", suggestion(key.text, names))

    def scalar(self, top: MapNode, key: str) -> ScalarNode:
        node = top.get(key)
        if not isinstance(node, ScalarNode) or not node.text:
            where = self.at(node) if node is not None else Location(self.path, top.line, top.column)
            raise CaseWrong(where, f"`{key}` must be given, as one value")
        return node

    def text(self, top: MapNode, key: str) -> str:
        return self.scalar(top, key).text

    def number(self, top: MapNode, key: str) -> int:
        node = self.scalar(top, key)
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            raise CaseWrong(self.at(node), f"`{key}` must be a whole number")
        return node.value

    def moment(self, top: MapNode, key: str) -> datetime:
        node = self.scalar(top, key)
        try:
            return from_iso(node.text)
        except ValueError as error:
            raise CaseWrong(self.at(node), f"`{node.text}` is no time", "write it like 2026-03-02T14:00:00Z") from error

    def settings(self, node: Node | None) -> Mapping[str, Any]:
        if node is None:
            return {}
        for key, _ in (found := self.mapping(node, "`settings`")).entries:
            named = replace(key, text=setting_of(key.text)[0])
            self.known("setting", named, tuple(setting.name for setting in self.flow.settings))
        values: Mapping[str, Any] = plain(found)
        return values

    def mappings(self, node: Node | None) -> Iterator[Mapping[str, str]]:
        if node is None:
            return
        if not isinstance(node, ListNode):
            raise CaseWrong(self.at(node), "`mappings` must be a list")
        for item in node.items:
            yield self.map_row(item)

    def map_row(self, node: Node) -> Mapping[str, str]:
        row = self.mapping(node, "a mapping")
        for key, _ in row.entries:
            self.known("key", key, ("lookup", "key", "to"))
        values = {key: self.text(row, key) for key in ("lookup", "key", "to")}
        if self.flow.lookup(values["lookup"]) is None:
            names = tuple(lookup.name for lookup in self.flow.lookups)
            hint = suggestion(values["lookup"], names)
            raise CaseWrong(self.at(node), f"there is no lookup `{values['lookup']}`", hint)
        return values

    def steps(self, top: MapNode) -> Iterator[Step]:
        node = top.get("steps")
        if not isinstance(node, ListNode) or not node.items:
            raise CaseWrong(Location(self.path, top.line, top.column), "`steps` must be a list with something in it")
        roles = tuple(connection.name for connection in self.flow.connections)
        for item in node.items:
            if isinstance(item, ScalarNode):
                self.known("step", item, BARE)
                yield Step(item.text, None, self.at(item))
                continue
            entries = self.mapping(item, "a step").entries
            if len(entries) != 1:
                raise CaseWrong(self.at(item), "a step has one key", "begin each step with a dash")
            (key, value) = entries[0]
            self.known("step", key, (*VALUED, *roles))
            if key.text in roles:
                yield from self.actions(key.text, value)
            else:
                yield Step(key.text, self.value(key.text, value), self.at(key))

    def actions(self, role: str, node: Node) -> Iterator[Step]:
        for key, value in self.mapping(node, f"`{role}`").entries:
            yield Step(role, (key.text, plain(value)), self.at(key))

    def value(self, name: str, node: Node) -> Any:
        if name == "map":
            return self.map_row(node)
        if name == "set":
            return self.settings(node)
        if name == "retry":
            return self.retry(node)
        if name == "decide":
            return self.decisions(node)
        if name == "deliver":
            return _delivery(self, node)
        return plain(node)

    def retry(self, node: Node) -> Mapping[str, Any]:
        """`record`, and what a person found of one that is held: its id is `there`, or it is `not_there`."""
        if isinstance(node, ScalarNode):
            return {"record": node.text}
        top = self.mapping(node, "`retry`")
        for key, _ in top.entries:
            self.known("key", key, ("record", "there", "not_there"))
        found = {"record": self.text(top, "record")}
        if top.get("there") is not None:
            return {**found, "there": self.text(top, "there")}
        if plain(node).get("not_there") is not True:
            raise CaseWrong(self.at(node), "`retry` must say what was found", "write `there: ID` or `not_there: true`")
        return {**found, "not_there": True}

    def decisions(self, node: Node) -> Mapping[str, Sequence[str]]:
        """For each decision the records that it is about, or `all`."""
        found: dict[str, Sequence[str]] = {}
        for key, value in self.mapping(node, "`decide`").entries:
            self.known("decision", key, DECISIONS)
            names = plain(value)
            found[key.text] = [str(name) for name in (names if isinstance(names, list) else [names])]
        return found


def _delivery(reader: _Reader, node: Node) -> Mapping[str, str]:
    """The connection whose webhooks arrive, and how: `due` unless it says otherwise."""
    roles = tuple(connection.name for connection in reader.flow.connections)
    if isinstance(node, ScalarNode):
        reader.known("connection", node, roles)
        return {"source": node.text, "how": "due"}
    top = reader.mapping(node, "`deliver`")
    for key, _ in top.entries:
        reader.known("key", key, ("from", "how"))
    reader.known("connection", reader.scalar(top, "from"), roles)
    reader.known("way", reader.scalar(top, "how"), WAYS)
    return {"source": reader.text(top, "from"), "how": reader.text(top, "how")}


def wrong_given(case: Case, connection: str, error: UsageError) -> CaseWrong:
    """What a simulator says of what it is given, with the file, and the place of a name that stands there only once."""
    path = case.folder / "given" / f"{connection}.json"
    line = column = 0
    if isinstance(error, UnknownName):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        found = [
            at for at in (json.dumps(error.name), json.dumps(error.name, ensure_ascii=False)) if text.count(at) == 1
        ]
        if found:
            before = text[: text.index(found[0])]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return CaseWrong(Location(str(path), line, column), str(error), error.hint or "")


def _given(folder: Path, flow: Flow) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """Everything below given/; a file that nothing can read is an error, since it would be believed to matter."""
    given: dict[str, Any] = {}
    answers: dict[str, str] = {}
    recorded: dict[str, Any] = {}
    roles = {f"{connection.name}.json": connection.name for connection in flow.connections}
    taken = {f"{connection.name}.recorded.json": connection.name for connection in flow.connections}
    for path in sorted((folder / "given").iterdir()) if (folder / "given").is_dir() else ():
        where = Location(str(path))
        if _ANSWER.fullmatch(path.name):
            answers[path.stem] = path.read_text(encoding="utf-8")
        elif path.name in roles or path.name in taken:
            try:
                found = json.loads(path.read_text(encoding="utf-8"), parse_float=str)
            except ValueError as error:
                raise CaseWrong(where, f"is no JSON: {error}") from error
            if path.name in roles:
                given[roles[path.name]] = found
            else:
                recorded[taken[path.name]] = reads_of(found, where)
        else:
            hint = f"it is read when it is one of: {', '.join(roles)}, or an answer such as 02-BillAddRs.xml"
            raise CaseWrong(where, "is never read", hint)
    return given, answers, recorded


def reads_of(found: Any, where: Location) -> Sequence[Mapping[str, Any]]:
    """The recorded reads of a file: `{"reads": [{"stream", "filters", "records"}]}`.

    Raises:
        CaseWrong: for any other shape.
    """
    reads = found.get("reads") if isinstance(found, dict) else None
    if not isinstance(reads, list) or not all(_is_read(each) for each in reads):
        hint = "it holds what `flowctl test --record` has written"
        raise CaseWrong(where, 'must be {"reads": [{"stream", "filters", "records"}]}', hint)
    return reads


def _is_read(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"stream", "filters", "records"}
        and isinstance(value["stream"], str)
        and isinstance(value["filters"], dict)
        and isinstance(value["records"], list)
        and all(isinstance(record, dict) for record in value["records"])
    )
