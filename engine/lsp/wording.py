"""Short Markdown about keys, functions, fields and what connectors offer."""

from __future__ import annotations

import json
from decimal import Decimal

from engine.flowlang.language import Boolean, Choice, Integer, Key, ListOf, MapOf, Object, Scalar, Type
from engine.mapping.functions import FunctionSpec
from engine.mapping.types import ResultType
from engine.model import Expr
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, MarkSpec, RequestSpec, StreamSpec

_SHOWN = 12


def code(text: str, language: str = "yaml") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    stripped = text.strip()
    return stripped[:1].upper() + stripped[1:] + ("" if not stripped or stripped[-1] in ".!?" else ".")


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _listed(names: tuple[str, ...]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more


def kind_in_words(kind: Type) -> str:
    """What a key takes, in a few words."""
    match kind:
        case Choice():
            return " or ".join(kind.options)
        case Boolean():
            return "true or false"
        case Integer():
            return "whole number"
        case Scalar():
            return "text, number, true or false"
        case ListOf():
            return f"list of {kind_in_words(kind.item)}"
        case MapOf():
            return "named entries"
        case Object():
            return "mapping"
        case _:
            return kind.what


def of_key(key: Key) -> str:
    """A key of the language: what it means, what it takes, its default, and an example."""
    needed = "needed" if key.required else f"default `{key.default}`" if key.default is not None else ""
    about = ", ".join(part for part in (kind_in_words(key.type), needed) if part)
    return _joined(f"**{key.name}** ({about})", sentence(key.help), code(f"{key.name}: {key.example}"))


def of_function(spec: FunctionSpec) -> str:
    """A function: how it is called, what it does, and an example with its result."""
    gives = (
        str(spec.gives) if isinstance(spec.gives, Decimal) else json.dumps(spec.gives, default=str, ensure_ascii=False)
    )
    return _joined(code(spec.signature, "text"), sentence(spec.help), f"Example: `{spec.example}` gives `{gives}`")


def of_define(name: str, expr: Expr) -> str:
    """A define: its expression."""
    return _joined(f"**{name}**(value), from `define`", code(" ".join(expr.text.split()), "text"))


def type_in_words(found: ResultType) -> str:
    """The type of a value, in a few words."""
    if found.kind == "list" and found.item is not None and found.item.kind != "any":
        kind = f"list of {type_in_words(found.item)}"
    else:
        kind = found.kind
    return f"{kind}, may be null" if found.nullable and found.kind not in ("any", "null") else kind


def of_field(name: str, found: ResultType) -> str:
    """A field: its type, what it means, and what it holds."""
    inner = found.item if found.kind == "list" and found.item is not None else found
    holds = f"Fields: {_listed(inner.names)}" if inner.names else ""
    values = f"One of {_listed(found.choices)}" if found.choices else ""
    return _joined(f"**{name}** ({type_in_words(found)})", sentence(found.help), values, holds)


def of_spec(spec: FieldSpec) -> str:
    """A field that a connector declares of a filter, a request or a mark."""
    needed = ", needed" if spec.required else ""
    values = f"One of {_listed(spec.choices)}" if spec.choices else ""
    inner = tuple(field.name for field in spec.fields)
    kind = f"list of {spec.of}" if spec.type == "list" and not inner else spec.type
    fields = f"Fields: {_listed(inner)}" if inner else ""
    return _joined(f"**{spec.name}** ({kind}{needed})", sentence(spec.help), values, fields)


def of_connector(spec: ConnectorSpec) -> str:
    """A connector: its title and what it is for."""
    return _joined(f"**{spec.name}**: {spec.title}", sentence(spec.help))


def of_stream(spec: StreamSpec) -> str:
    """A stream of a connector: what it holds."""
    names = tuple(field.name for field in spec.fields)
    return _joined(f"**{spec.name}** (stream)", sentence(spec.help), f"Fields: {_listed(names)}" if names else "")


def of_list(spec: ListSpec) -> str:
    """A list of a connector: what it holds."""
    names = tuple(field.name for field in spec.fields)
    return _joined(f"**{spec.name}** (list)", sentence(spec.help), f"Fields: {_listed(names)}" if names else "")


def of_request(spec: RequestSpec) -> str:
    """A request: what it writes."""
    needed = tuple(field.name for field in spec.fields if field.required)
    how = "a template renders it" if spec.documents == "qbxml" else "JSON of the map"
    return _joined(
        f"**{spec.name}** (request, {how})", sentence(spec.meaning), f"Needs {_listed(needed)}" if needed else ""
    )


def of_mark(spec: MarkSpec) -> str:
    """A way to tell the source."""
    return _joined(f"**{spec.name}** (mark)", sentence(spec.help))


def of_template(name: str, variables: frozenset[str]) -> str:
    """A template: the values that it uses of the map."""
    return _joined(f"**{name}** (template)", f"Uses {_listed(tuple(sorted(variables)))}" if variables else "")
