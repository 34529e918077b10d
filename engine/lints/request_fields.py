"""A request that is written as JSON misses a field it needs, or is given one it does not take or of the wrong type.

To do: Give each needed field a value of its type, and spell it as `flowctl connectors` shows it.

Fails at streams.bills.write:
    {to: books, request: NotePut}
Passes:
    {to: books, request: NotePost}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.diagnostics import Diagnostic, suggestion
from engine.lints.env import Document, Env, documents
from engine.lints.expressions import mapped_type, source_type
from engine.mapping.types import ResultType
from engine.model import Flow, Stream
from engine.spec import FieldSpec, FieldType
from engine.structure import Steps

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
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with one entry of the map, or with the request when `name` is empty."""

    name: str
    message: str
    hint: str | None


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
        for document, fields in written:
            for found in _wrong(document.request, fields, mapped, ""):
                at: Steps = ("streams", stream.name, "map", found.name) if found.name else (*document.steps, "request")
                yield env.problem(ID, at, found.message, found.hint)
        if len(written) == len(mapping):
            yield from _surplus(stream, env, {field.name for _, fields in written for field in fields}, written[0][0])


def _fields(stream: Stream, document: Document, env: Env) -> tuple[FieldSpec, ...]:
    spec = env.request_spec(stream, document.request)
    return spec.fields if spec is not None and spec.documents == "json" else ()


def _wrong(request: str, fields: Iterable[FieldSpec], given: ResultType, path: str) -> Iterator[_Found]:
    """Fields that are missing or of a type that can only be refused; `path` leads to the object they are in."""
    top = path.partition(".")[0].partition("[")[0]
    for field in fields:
        where = f"{path}{field.name}"
        value = given.field(field.name)
        if value is None or value.kind == "null":
            if field.required and not (value is None and given.open):
                hint = suggestion(field.name, given.names) if value is None else "give it a value"
                place = (top or field.name) if value is not None else top
                yield _Found(place, f"`{request}` needs `{where}`, and `map` does not give it", hint)
            continue
        yield from _of_type(request, field, value, where)


def _of_type(request: str, field: FieldSpec, value: ResultType, where: str) -> Iterator[_Found]:
    top = where.partition(".")[0].partition("[")[0]
    takes = _TAKES.get(field.type)
    if takes is None or value.kind == "any":
        return
    if value.kind not in takes:
        message = f"`{request}` takes `{where}` as {field.type}, and this is {value.kind}"
        yield _Found(top, message, _HINTS.get(field.type))
    elif field.type == "object" and field.fields:
        yield from _wrong(request, field.fields, value, f"{where}.")
    elif field.type == "list" and value.item is not None:
        item = value.item
        if field.fields and item.kind == "object":
            yield from _wrong(request, field.fields, item, f"{where}[].")
        else:
            inner = FieldSpec(field.name, "object" if field.fields else field.of, field.help)
            yield from _of_type(request, inner, item, f"{where}[]")


def _surplus(stream: Stream, env: Env, known: set[str], document: Document) -> Iterator[Diagnostic]:
    """Entries of the map that go into no request and that no condition looks at."""
    conditions = [check.expect.text for check in stream.check]
    conditions += [variant.when.text for variant in stream.variants if variant.when is not None]
    for name, _ in stream.map:
        if name not in known and not any(re.search(rf"\b{name}\b", text) for text in conditions):
            message = f"`{document.request}` has no field `{name}`"
            yield env.problem(
                ID, ("streams", stream.name, "map", name), message, suggestion(name, sorted(known)), key=True
            )
