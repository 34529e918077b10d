"""A request that is written as JSON misses a field it needs, or is given one it does not take or of the wrong type.

To do: Give each needed field a value of its type, and spell it as `flowctl connectors` shows it.

Fails at streams.bills.write:
    {to: books, request: NotePut}
Passes:
    {to: books, request: NotePost}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit, clearly_meant, suggestion
from engine.flowlang.structure import dotted
from engine.lints.entries import entry_place
from engine.lints.env import Document, Env, documents, over_map, variants
from engine.lints.expressions import mapped_type, source_type
from engine.mapping.types import ResultType
from engine.model import Flow, Stream
from engine.spec import FieldSpec, FieldType

ID = "F043"

_TEXTS = frozenset({"text", "id", "money", "date", "datetime"})
_NUMBERS = frozenset({"money", "amount", "decimal", "integer"})
# What a field of each type takes, by the kinds of values that expressions give; anything takes `any`.
_TAKES: Mapping[FieldType, frozenset[str]] = {
    "text": _TEXTS,
    "id": _TEXTS,
    "money": _NUMBERS,
    "decimal": _NUMBERS,
    "integer": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date", "text"}),
    "datetime": frozenset({"datetime", "text"}),
    "object": frozenset({"object"}),
    "list": frozenset({"list"}),
}
_HINTS: Mapping[FieldType, str] = {
    "text": "give a text; of an object that a lookup found, `.list_id` or `.full_name`",
    "id": "give a text; of an object that a lookup found, `.list_id`",
    "money": "make an amount of it with `money(...)`",
    "date": "make a date of it with `date(...)`",
    "datetime": "give a date and time as the source has it",
    "decimal": "give a number: `5`, or an amount",
    "integer": "give a whole number in backticks, or make one with `to_number(...)`",
    "boolean": "give a comparison, or `true` or `false` in backticks",
    "object": "give an object: {a: b}",
    "list": "give a list: [ ] around one, `[]` after what is walked",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with a part of the map, or with the request when `path` is empty; `edit` writes another name.

    `path` leads to the part by the names of entry and fields; `key` says that the name itself is wrong.
    """

    path: tuple[str, ...]
    message: str
    hint: str | None
    key: bool = False
    new: str = ""


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the map of each stream with the fields that its requests declare."""
    scope = env.scope()
    for stream in flow.streams if env.complete else ():
        # What undoes is written without the map.
        mapping = [document for document in documents(stream, env) if not document.undoes]
        written = [(document, fields) for document in mapping if (fields := _fields(stream, document, env))]
        if not written:
            continue
        mapped = mapped_type(stream, source_type(stream, env), scope)
        misspelt: frozenset[str] = frozenset()
        if len(written) == len(mapping):
            yield from _cannot(stream, env)
            known = {field.name for _, fields in written for field in fields}
            surplus = [*_surplus(stream, known, written[0][0])]
            misspelt = frozenset(found.new for found in surplus)
            yield from (_placed(found, stream, written[0][0], env) for found in surplus)
        for document, fields in written:
            for found in _wrong(_Request(document.request, misspelt), fields, mapped, ()):
                yield _placed(found, stream, document, env)


def _placed(found: _Found, stream: Stream, document: Document, env: Env) -> Diagnostic:
    """The problem at the very key or value, inside the expression that gives it."""
    if not found.path:
        return env.problem(ID, (*document.steps, "request"), found.message, found.hint)
    steps = ("streams", stream.name, "map", found.path[0].removesuffix("[]"))
    at = entry_place(stream, found.path, env, key=found.key)
    old = found.path[-1]
    edit = Edit(at, old, found.new) if found.key and found.new else None
    return Diagnostic(at, ID, dotted(steps), found.message, found.hint, edit=edit)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request by name, and the fields of it that were only misspelt, which has been said."""

    name: str
    misspelt: frozenset[str] = frozenset()


def _fields(stream: Stream, document: Document, env: Env) -> tuple[FieldSpec, ...]:
    spec = env.request_spec(stream, document.request)
    return spec.fields if spec is not None and spec.documents == "json" else ()


def _wrong(
    request: _Request, fields: Sequence[FieldSpec], given: ResultType, path: tuple[str, ...]
) -> Iterator[_Found]:
    """What is misspelt, missing, or of a type that can only be refused; `path` leads to the object they are in."""
    misspelt = request.misspelt if not path else frozenset()
    if path and not given.open:
        unknown = [*_unknown(request, fields, given, path)]
        misspelt = frozenset(found.new for found in unknown)
        yield from unknown
    for field in fields:
        where = (*path, field.name)
        value = given.field(field.name)
        if value is None or value.kind == "null":
            if field.required and field.name not in misspelt and not (value is None and given.open):
                hint = (
                    suggestion(field.name, given.names) if value is None else _HINTS.get(field.type, "give it a value")
                )
                place = path if value is None else where
                yield _Found(place, f"`{request.name}` needs `{_shown(where)}`, and `map` does not give it", hint)
            continue
        yield from _of_type(request, field, value, where)


def _unknown(
    request: _Request, fields: Sequence[FieldSpec], given: ResultType, path: tuple[str, ...]
) -> Iterator[_Found]:
    """Names in an object that the request does not have there."""
    known = [field.name for field in fields]
    free = [name for name in known if given.field(name) is None]
    for name in given.names:
        if name not in known:
            message = f"`{request.name}` has no field `{_shown((*path, name))}`"
            yield _Found((*path, name), message, suggestion(name, known), key=True, new=clearly_meant(name, free))


def _of_type(request: _Request, field: FieldSpec, value: ResultType, where: tuple[str, ...]) -> Iterator[_Found]:
    takes = _TAKES.get(field.type)
    if takes is None or value.kind == "any":
        return
    if value.kind not in takes:
        message = f"`{request.name}` takes `{_shown(where)}` as {field.type}, and this is {value.kind}"
        yield _Found(where, message, _HINTS[field.type])
    elif field.type == "object" and field.fields:
        yield from _wrong(request, field.fields, value, where)
    elif field.type == "list" and value.item is not None:
        item, inside = value.item, (*where[:-1], f"{where[-1]}[]")
        if field.fields and item.kind == "object":
            yield from _wrong(request, field.fields, item, inside)
        else:
            inner = FieldSpec(field.name, "object" if field.fields else field.of, field.help)
            yield from _of_type(request, inner, item, inside)


def _shown(path: Sequence[str]) -> str:
    return ".".join(path)


def _cannot(stream: Stream, env: Env) -> Iterator[Diagnostic]:
    """Names under `cannot` that the map does not give: they would never differ."""
    mapped = tuple(name for name, _ in stream.map)
    for steps, variant in variants(stream, env):
        for name, _ in variant.change.cannot if variant.change is not None else ():
            if name not in mapped:
                message = f"`map` gives no `{name}`"
                yield env.misspelt(ID, (*steps, "change", "cannot", name), message, name, mapped, key=True)


def _surplus(stream: Stream, known: set[str], document: Document) -> Iterator[_Found]:
    """Entries of the map that go into no request and that no condition looks at."""
    read = " ".join(expr.text for expr in over_map(stream))
    known = known | {name for variant in stream.variants if variant.change for name, _ in variant.change.cannot}
    given = [name for name, _ in stream.map]
    free = [name for name in known if name not in given]
    for name in given:
        if name not in known and not re.search(rf"\b{re.escape(name)}\b", read):
            message = f"`{document.request}` has no field `{name}`"
            yield _Found((name,), message, suggestion(name, sorted(known)), key=True, new=clearly_meant(name, free))
