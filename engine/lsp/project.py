"""A flow file as it stands in the editor, and what is known of it: also while it is broken."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location
from engine.errors import FlowFileUnreadable
from engine.flowlang import language
from engine.flowlang.flowfile import Loaded, parse_flow, place_order, read_flow
from engine.flowlang.language import Key, ListOf, MapOf, Object, Type
from engine.flowlang.structure import Steps
from engine.flowlang.yamlsource import ScalarNode
from engine.lints.env import Env, templates_beside
from engine.lints.expressions import NOTHING, receipt_type
from engine.lsp.expressions import argument_of
from engine.lsp.positions import lines_of
from engine.mapping.analysis import analyse_map
from engine.mapping.scope import Scope
from engine.mapping.types import ANY, ResultType, record_type
from engine.model import Expr
from engine.spec import ConnectorSpec, RequestSpec, StreamSpec
from engine.validate import SUFFIXES, check_loaded, environment, same_names

_EMPTY = Scope()


def parsed(text: str, path: str) -> Loaded:
    """A flow file by its text; characters that no encoding has are read as what stands for them."""
    return parse_flow(text.encode("utf-8", "replace"), path)


def is_flow(text: str, path: str) -> bool:
    """Whether a file is meant as a flow: it has the key `flow` or names our schema, or stands in a folder `flows`."""
    lines = lines_of(text)
    named = any(line.startswith(("flow:", "flow :")) for line in lines)
    schema = any("yaml-language-server" in line and "flow.schema.json" in line for line in lines[:5])
    return named or schema or Path(path).parent.name == "flows"


def problems(text: str, path: str, others: Mapping[str, str]) -> list[Diagnostic]:
    """What `flowctl validate` says of a file among the flow files of its folder, for the texts as they are in the editor.

    `others` holds the texts of open files by path; a file that is not open is read.
    """
    loaded = parsed(text, path)
    found = check_loaded(loaded)
    everyone = sorted([loaded, *_beside(path, others)], key=lambda one: one.path)
    folder = f"{Path(path).parent}{os.sep}"
    for problem in same_names(everyone):
        if problem.location.path == path:
            found.append(replace(problem, message=problem.message.replace(folder, "")))
    return sorted(found, key=place_order)


def _beside(path: str, others: Mapping[str, str]) -> Iterator[Loaded]:
    folder = Path(path).parent
    files = {name for name in others if Path(name).parent == folder}
    with suppress(OSError):
        files |= {str(file) for file in folder.iterdir() if file.suffix in SUFFIXES and not file.name.startswith(".")}
    for name in sorted(files - {path}):
        if name in others:
            yield parsed(others[name], name)
            continue
        with suppress(FlowFileUnreadable, OSError):
            stat = Path(name).stat()
            yield _read(name, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _read(path: str, _changed_ns: int, _size: int) -> Loaded:
    return read_flow(Path(path))


def renew_templates(folder: Path, known: dict[Path, object]) -> None:
    """Forget compiled templates once a file in the folder's `templates` has changed; `known` holds what was there."""
    found: list[tuple[str, int, int]] = []
    with suppress(OSError):
        for file in sorted((folder / "templates").iterdir()):
            stat = file.stat()
            found.append((file.name, stat.st_mtime_ns, stat.st_size))
    if known.setdefault(folder, found) != found:
        known[folder] = found
        templates_beside.cache_clear()


# --- what is known while it is broken ---------------------------------------------------------------------------------


def understood(text: str, path: str, line: int, before: str, last: Env | None) -> Env | None:
    """What can be known of a file: as it is, else with the line of the cursor completed or left out, else as it last was.

    `before` is what stands in that line before the cursor.
    """
    lines = text.split("\n")
    closed = f"{before} {_closers(before)}"  # a bracket right after a colon would be a part of the text
    for instead in (None, closed, ""):
        changed = text if instead is None else "\n".join([*lines[:line], instead, *lines[line + 1 :]])
        env = environment(parsed(changed, path))
        if env is not None:
            return env
    return last


def _closers(line: str) -> str:
    """What closes the quotes and brackets that a line leaves open."""
    stack: list[str] = []
    for char in line:
        if stack and stack[-1] in "'\"":
            if char == stack[-1]:
                stack.pop()
        elif char in "'\"":
            stack.append(char)
        elif char in "{[":
            stack.append("}" if char == "{" else "]")
        elif stack and char == stack[-1]:
            stack.pop()
    return "".join(reversed(stack))


# --- the language -----------------------------------------------------------------------------------------------------


def described(steps: Steps) -> tuple[Key | None, Type | None]:
    """The key that a path ends with and the type of the value there; nothing for a path that the language does not have."""
    key: Key | None = None
    kind: Type | None = language.FLOW
    for step in steps:
        if isinstance(kind, Object):
            key = next((each for each in kind.keys if each.name == step), None)
            kind = key.type if key is not None else None
        elif isinstance(kind, MapOf):
            key, kind = None, kind.value
        elif isinstance(kind, ListOf) and isinstance(step, int):
            kind = kind.item
        else:
            return None, None
    return key, kind


def is_expression(kind: Type | None) -> bool:
    """Whether an expression stands here, or may stand here for a list of one."""
    return kind is language.EXPRESSION or (isinstance(kind, ListOf) and kind.short is language.EXPRESSION)


# --- what connectors offer, by what is written even where the flow is not sound ---------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a flow: what is known of the flow, and the path."""

    env: Env
    steps: Steps

    @property
    def stream(self) -> str:
        """The name of the stream, empty outside of streams."""
        named = len(self.steps) > 1 and self.steps[0] == "streams"
        return str(self.steps[1]) if named else ""

    def beside(self, *steps: str) -> str:
        """The text written at a path below the mapping or list that holds this place."""
        return self.env.text((*self.steps[:-1], *steps)) or ""

    def in_stream(self, *steps: str | int) -> str:
        """The text written at a path below the stream."""
        return self.env.text(("streams", self.stream, *steps)) or ""

    def source(self) -> ConnectorSpec | None:
        """What the connector says that the stream reads from."""
        return self.env.specs.get(self.in_stream("fetch", "from"))

    def source_stream(self) -> StreamSpec | None:
        """What the connector says of the records that the stream reads."""
        from engine.listspec import stream_of

        spec = self.source()
        return stream_of(spec, self.in_stream("fetch", "stream")) if spec is not None else None

    def target(self) -> ConnectorSpec | None:
        """What the connector says that the stream writes to."""
        return self.env.specs.get(self.in_stream("write", "to"))

    def documents(self) -> Iterator[tuple[str, str]]:
        """Each request that the stream writes from its map, with its template if it has one."""
        base: Steps = ("streams", self.stream, "write")
        node = self.env.node((*base, "one_of"))
        many = len(node.items) if node is not None and hasattr(node, "items") else 0
        ways: list[Steps] = [base, *((*base, "one_of", index) for index in range(many))]
        for way in (*ways, *((*way, "change") for way in ways)):
            request, template = self.env.text((*way, "request")), self.env.text((*way, "template"))
            if request or template:
                yield request or "", template or ""

    def requests(self) -> Iterator[RequestSpec]:
        """What the target says of each request that is written as JSON of the map."""
        spec = self.target()
        for name, _ in self.documents() if spec is not None else ():
            found = spec.request(name) if spec is not None else None
            if found is not None and found.documents == "json":
                yield found

    def entries(self) -> tuple[tuple[str, Expr], ...]:
        """The entries of the stream's map that are expressions."""
        base: Steps = ("streams", self.stream, "map")
        found = []
        for name in self.env.names(base):
            node = self.env.node((*base, name))
            if isinstance(node, ScalarNode) and node.text:
                found.append((name, Expr(node.text, Location(self.env.flow.path, node.line, node.column))))
        return tuple(found)

    # -- what an expression here reads

    def record(self) -> ResultType:
        """The type of a record that the stream reads."""
        spec = self.source_stream()
        return record_type(spec.fields) if spec is not None else ANY

    def data(self) -> tuple[ResultType, ResultType]:
        """The type that an expression at this place reads, and the type of the whole source record."""
        if self.steps[:1] == ("define",) and len(self.steps) > 1:
            return self._argument(str(self.steps[1]))
        record = self.record()
        below = self.steps[2:]
        if below[:1] == ("when",):
            return NOTHING, NOTHING
        if below[:2] == ("mark_synced", "reference"):
            return receipt_type(self.env.scope().receipts.get(str(self.steps[1]), ())), record
        over_map = below[:1] == ("check",) or below[:2] == ("mark_synced", "with")
        if over_map or (below[:1] == ("write",) and below[-1:] == ("when",) and below[-2:-1] != ("undo",)):
            return analyse_map(self.entries(), record, self.env.scope())[0], record
        return record, record

    def _argument(self, define: str) -> tuple[ResultType, ResultType]:
        """What a define is called with where it is first called with something that is known."""
        scope = self.env.scope()
        for use in self.env.uses():
            if use.stream is None or not any(name in use.expr.text for name in (define, *scope.define)):
                continue
            place = Place(self.env, use.steps)
            data, root = place.data()
            found = argument_of(define, use.expr.text, data, scope, root)
            if found.kind != "any":
                return found, root
        return ANY, ANY
