"""What a function can be given, by the types of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.mapping.comparing import Fault
from engine.mapping.functions import FunctionSpec, ParameterType
from engine.mapping.standard import STANDARD
from engine.mapping.syntax import Node
from engine.mapping.types import NUMBERS, TEXTS, ResultType

STANDARD_NAMES = frozenset(spec.name for spec in STANDARD)
# What each parameter type takes; anything takes `any`.
_ACCEPTS: Mapping[ParameterType, frozenset[str]] = {
    "text": TEXTS,
    "amount": frozenset({"money", "amount", "decimal", "integer", "number"}),
    "number": NUMBERS | {"decimal"},
    "integer": frozenset({"integer", "number"}),
    "count": frozenset({"integer", "number"}),
    "date": frozenset({"date", "datetime"}),
    "list": frozenset({"list"}),
    "texts": frozenset({"list"}),
    "amounts": frozenset({"list"}),
    "object": frozenset({"object"}),
    "countable": TEXTS | {"list", "object"},
    "key": TEXTS | {"integer"},
}
KIND_WORDS: Mapping[str, str] = {
    "text": "a text",
    "texts": "a list of texts",
    "amounts": "a list",
    "amount": "an amount",
    "number": "a number",
    "integer": "a whole number",
    "count": "a whole number",
    "date": "a date",
    "datetime": "a date and time",
    "list": "a list",
    "object": "an object",
    "countable": "a text, a list or an object",
    "key": "a text or a whole number",
    "id": "an id",
    "money": "an amount",
    "decimal": "a decimal number",
    "boolean": "true or false",
    "null": "null",
}


def _is_field(node: Node) -> bool:
    """Whether a value is that of a field, or of one of several."""
    if node.kind in ("or_expression", "and_expression"):
        return all(_is_field(child) for child in node.children)
    return read_part(node).kind == "field"


_DEFAULTS: Mapping[str, str] = {"list": "`[]`", **dict.fromkeys(("amount", "integer", "number", "decimal"), "`0`")}


def argument_faults(
    spec: FunctionSpec, wanted: ParameterType, child: Node, found: ResultType, root: ResultType
) -> Iterator[Fault]:
    """What cannot be given for a parameter; `root` is the type of the source record."""
    if wanted not in _ACCEPTS:
        return
    accepted = _ACCEPTS[wanted]
    takes_null = spec.name not in STANDARD_NAMES
    if found.kind == "text" and wanted in ("date", "amount") and not _is_field(child):
        return  # a function has made it, and of what is not known
    if found.kind not in accepted and found.kind != "any" and not (found.kind == "null" and takes_null):
        from engine.mapping.wording import kind_hint  # words are only needed where something is wrong

        message = f"`{spec.name}` takes {KIND_WORDS[wanted]}, and this is {KIND_WORDS[found.kind]}"
        yield Fault("E112", child, message, kind_hint(wanted, found, root))
    elif wanted == "count" and child.kind == "literal" and isinstance(child.value, int) and child.value < 0:
        message = f"`{spec.name}` takes a whole number of 0 or more, and this is less"
        yield Fault("E112", child, message, f"write `{-child.value}`")
    elif wanted == "amounts" and found.item is not None and found.item.kind not in (*_ACCEPTS["amount"], "any", "null"):
        from engine.mapping.wording import kind_hint  # words are only needed where something is wrong

        message = f"`{spec.name}` takes a list of amounts, and each of these is {KIND_WORDS[found.item.kind]}"
        yield Fault("E112", read_part(child), message, kind_hint("amount", found.item, root))
    elif takes_null or found.kind == "any":
        return
    elif found.nullable:
        default = _DEFAULTS.get(found.kind, "''")
        message = f"`{spec.name}` fails on null, and this may be null"
        yield Fault("E116", child, message, f"add `|| {default}` or another default")
    elif (
        wanted == "texts" and found.item is not None and found.item.nullable and found.item.kind not in ("any", "null")
    ):
        hint = "add `|| ''` to it, or use join_nonempty(...)"
        yield Fault("E116", child, f"`{spec.name}` fails on null, and an item may be null", hint)


def read_part(node: Node) -> Node:
    """The part that gives the value of a chain: `name` in `vendor.name`."""
    while node.kind in ("subexpression", "flatten", "pipe"):
        node = node.children[-1]
    return node
