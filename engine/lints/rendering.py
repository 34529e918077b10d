"""A template renders to something that is not a valid request, for a record as the map gives it.

To do: Change the entry of `map` or the template so that QuickBooks takes the element; texts of unknown length need
`limit`.

Fails at streams.vendors.map:
    {name: name}
Passes:
    {name: "limit(name, `41`)"}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit
from engine.errors import RenderError
from engine.flowlang.structure import dotted
from engine.lints.blame import Path, blamed, missing_field
from engine.lints.entries import entry_place
from engine.lints.env import Document, Env, documents
from engine.lints.expressions import is_sound, mapped_type, source_type
from engine.lints.facts import proof
from engine.lints.own_template import own_path, unclosed
from engine.lints.roots import wrong_template
from engine.mapping.types import ResultType, object_type
from engine.model import Flow, Stream

if TYPE_CHECKING:
    from engine.render import Template, Templates

ID = "F060"

_LONG = 5000
_ENGINE = {
    "guid": "{01234567-89ab-cdef-0123-456789abcdef}",
    "request_id": "0123456789ABCDEFGHIJKl",
    "target_id": "80000001-1234567890",
    "edit_sequence": "1234567890",
}
_SAMPLES = {
    "id": "80000001-1234567890",
    "money": "10.00",
    "amount": Decimal("10.00"),
    "decimal": "1.5",
    "integer": 7,
    "number": 7,
    "boolean": True,
    "date": "2026-01-15",
    "datetime": "2026-01-15T00:00:00Z",
    "null": None,
}
# Problems that a value is to blame for, and not the template alone.
_OF_VALUES = ("does not have the form", "cannot be printed", "`ref` ", "`for` walks", "is no amount", "was expected")
# What an object found by a lookup or a receipt has at least, when nothing more is known of it.
_OPEN = {"list_id": "80000001-1234567890", "full_name": "Name", "TxnID": "1A2B-1234567890"}


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Render generated records through each template: a usual one, and one for each value as long as it can be."""
    scope = env.scope()
    for stream in flow.streams if env.complete else ():
        written = [d for d in documents(stream, env) if d.template and env.request_spec(stream, d.request)]
        if not written:
            continue
        source = source_type(stream, env)
        mapped = mapped_type(stream, source, scope)
        said: set[tuple[Path, str | None]] = set()
        for document in written:
            assert document.template is not None
            given = given_to(document, mapped)
            if env.facts.proofs and proof(document.request, document.template, given) in env.facts.proofs:
                continue
            if not document.undoes and not is_sound(stream, source, scope):
                break
            for found in rendering_problems(document.request, document.template, given, env.templates()):
                # What adds and what changes are given the same map.
                if not found.path or (found.path, found.hint) not in said:
                    yield _placed(found, stream, document, env)
                said.add((found.path, found.hint))


def _placed(found: Found, stream: Stream, document: Document, env: Env) -> Diagnostic:
    """The problem at the entry of the map that is to blame, else at the template; one of the user's own may be wrong."""
    own = own_path(document.template or "", env)
    message, template = found.message, document.template or ""
    if own and (found.new or not found.path) and message.startswith(f"{template}:"):
        message = own + message.removeprefix(template)
    if not found.path:
        return env.problem(ID, (*document.steps, "template"), message, found.hint)
    if own and found.new:
        hint = f"did you mean `{found.path[-1]}` in the template? if not, name this entry `{found.new}`"
        at, where = entry_place(stream, found.path, env, key=True), ("streams", stream.name, "map", found.path[0])
        return Diagnostic(at, ID, dotted(where).removesuffix("[]"), message, hint)
    at = entry_place(stream, found.path, env, key=bool(found.new))
    edit = Edit(at, found.path[-1], found.new) if found.new else None
    steps = ("streams", stream.name, "map", found.path[0].removesuffix("[]"))
    return Diagnostic(at, ID, dotted(steps), message, found.hint, edit=edit)


def given_to(document: Document, mapped: ResultType) -> ResultType:
    """What a template is given beside the engine's own values."""
    if not document.undoes:
        return mapped
    return object_type([("kind", ResultType("text", nullable=False, choices=(document.undoes,)))])


@dataclass(frozen=True, slots=True)
class Found:
    """One problem of a rendered sample; `path` leads to the part of the map that is to blame, when one is.

    With `new`, its last name is misspelt, and that is meant.
    """

    path: Path
    message: str
    hint: str | None
    new: str = ""


def rendering_problems(request: str, template: str, mapped: ResultType, templates: Templates) -> list[Found]:
    """What is wrong with the documents that the samples of a map render to."""
    from engine.qbxml.check import known_requests

    try:
        compiled = templates.get(template)
    except RenderError:
        return []  # another rule has said so
    if request not in known_requests() or compiled.variables - {*mapped.names, *_ENGINE}:
        return []
    usual = {name: _sample(kind, long=False) for name, kind in mapped.fields}
    found = [
        _to_blame(m, hint, usual, mapped, (request, compiled, templates))
        for m, hint in _problems(request, compiled, usual)
    ]
    for name, kind in mapped.fields if not found else ():
        longest = {**usual, name: _sample(kind, long=True)}
        found += [Found((name,), f"{template}: {m}", hint) for m, hint in _problems(request, compiled, longest)]
    return list(dict.fromkeys(found))


def _to_blame(
    message: str,
    hint: str | None,
    usual: Mapping[str, object],
    mapped: ResultType,
    document: tuple[str, Template, Templates],
) -> Found:
    """A problem of the usual sample, with the part of the map that is to blame."""
    request, template, templates = document
    said = message if message.startswith(template.name) else f"{template.name}: {message}"
    if (tag := unclosed(message, templates.source(template.name))) is not None:
        return Found((), f"{template.name}:{tag[0]}: {tag[1]}", tag[2])
    path, name, misspelt = missing_field(message, mapped)
    if misspelt:
        return Found((*path, misspelt), said, f"did you mean `{name}`?", name)
    if name:
        return Found(path, said, f"add `{name}: ...` to what it gives")
    if "root element" in message and (wrong := wrong_template(template.name, request, templates)) is not None:
        return Found((), *wrong)
    if not any(part in message for part in _OF_VALUES):
        return Found((), message, hint)
    blame, how = blamed(message, usual, lambda values: [each for each, _ in _problems(request, template, values)])
    shown = f"{how}; {hint}" if hint and "form of its type" in message else how
    return Found(blame, said, shown) if blame else Found((), message, hint)


def _problems(request: str, template: Template, values: Mapping[str, object]) -> list[tuple[str, str | None]]:
    from engine.qbxml.check import check_request

    try:
        document = template.render({**values, **_ENGINE})
    except RenderError as error:
        return [(str(error), error.hint)]
    return [(f"{p.xpath}: {p.message}", p.hint or None) for p in check_request(request, document.encode())]


def _sample(kind: ResultType, *, long: bool) -> object:
    if kind.kind == "object":
        if not kind.fields:
            return dict(_OPEN)
        # An object from the target's own list has texts the target takes, whatever their length.
        own = kind.field("list_id") is not None
        return {name: _sample(inner, long=long and not own) for name, inner in kind.fields}
    if kind.kind == "list":
        return [_sample(kind.item, long=long) if kind.item else "x"] * 2
    if kind.choices:
        return max(kind.choices, key=len) if long else kind.choices[0]
    if kind.kind == "text":
        longest = _LONG if kind.max_length is None else kind.max_length
        return "x" * (longest if long else min(longest, 3))
    return _SAMPLES.get(kind.kind, "x")
