"""The JSON Schema of flow files, for editors: the language, and what the installed connectors offer.

What is wrong by the language is an error. What a connector offers is only proposed and explained: an editor cannot know
the connector behind every role, nor a connector that is installed elsewhere, so `flowctl validate` has the word there.
`python -m engine.flowlang.flowschema > schemas/flow.schema.json` writes the schema that comes with flowctl.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine import registry
from engine.errors import ConnectorBroken
from engine.flowlang import schemahints
from engine.flowlang.language import (
    EXPRESSION,
    FLOW,
    Boolean,
    Choice,
    Integer,
    Key,
    ListOf,
    MapOf,
    Object,
    Scalar,
    Text,
    Type,
)
from engine.flowlang.yamlsource import load, plain
from engine.spec import ConnectorSpec

Schema = dict[str, Any]

_WIDTH = 160

# Keys whose values connectors name: what one of them calls its things would be a wrong proposal in most places.
_NAMED_BY_CONNECTORS = frozenset(
    {"connector", "stream", "request", "template", "as", "target", "webhook", "to", "in", "from"}
)
_SNIPPETS: dict[str, tuple[str, Schema]] = {
    "connections": (
        "new connection",
        {"${1:ramp}": {"connector": "${2:ramp}"}},
    ),
    "settings": (
        "new setting",
        {"${1:create_vendors}": {"type": "${2:boolean}", "default": "^${3:true}", "help": "${4:What it decides}"}},
    ),
    "lookups": (
        "new lookup",
        {"${1:vendor}": {"target": "${2:books}.${3:Vendor}", "match": ["mapped", "list_id", "exact_name"]}},
    ),
    "streams": (
        "new stream",
        {
            "${1:bills}": {
                "trigger": {"every": "${2:1h}"},
                "fetch": {"from": "${3:ramp}", "stream": "${4:bills}"},
                "key": "${5:id}",
                "map": {"${6:name}": "${7:name}"},
                "write": {"to": "${8:books}", "request": "${9:BillAdd}", "template": "${10:bill_add.xml.j2}"},
            }
        },
    ),
}


def flow_schema_text(roles: Iterable[str] = ()) -> str:
    """The schema file, as JSON, for the connectors that are installed here.

    The streams and requests that it proposes are those of the connector that a file gives to a role. It can tell only for
    roles whose names it knows: those of `schemahints.ROLES`, the names of the connectors, and `roles`.
    """
    return "\n".join(_written(flow_schema(installed()[0], roles))) + "\n"


def installed() -> tuple[tuple[ConnectorSpec, ...], tuple[ConnectorBroken, ...]]:
    """What the installed connectors say of themselves, by name, and those that could not be asked."""
    specs: list[ConnectorSpec] = []
    broken: list[ConnectorBroken] = []
    for name in registry.names():
        try:
            connector = registry.find(name)
        except ConnectorBroken as error:
            broken.append(error)
            continue
        if connector is not None:
            specs.append(connector.spec)
    return tuple(specs), tuple(broken)


def flow_schema(specs: Sequence[ConnectorSpec] = (), roles: Iterable[str] = ()) -> Schema:
    """The language as JSON Schema, draft 2020-12, with proposals from these connectors."""
    definitions: Schema = {"expression": _expression()}
    root = _object_schema(FLOW, definitions)
    schemahints.add(root, definitions, specs, roles)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": "flowctl flow file",
        "description": "One integration: what starts it, what it reads, how a record is mapped, what is written.",
        "$defs": dict(sorted(definitions.items())),
    }


def _expression() -> Schema:
    from engine.mapping.catalogue import OWN

    ours = ", ".join(sorted(spec.name for spec in OWN))
    return {
        "title": EXPRESSION.what,
        "description": f"A JMESPath expression. Functions beside JMESPath's own: {ours}.",
        **_text_schema(EXPRESSION),
    }


def _schema(kind: Type, definitions: Schema) -> Schema:
    match kind:
        case MapOf():
            schema: Schema = {
                "type": "object",
                "propertyNames": {"title": kind.key.what, "description": _said(kind.key), **_form(kind.key)},
                "additionalProperties": _schema(kind.value, definitions),
                "minProperties": kind.minimum,
            }
        case ListOf():
            schema = _list_schema(kind, definitions)
        case Object():
            name = _title(kind)
            if name not in definitions:
                definitions[name] = {"title": name, **_object_schema(kind, definitions)}
            schema = {"$ref": f"#/$defs/{name}"}
        case Text() if kind is EXPRESSION:
            schema = {"$ref": "#/$defs/expression"}
        case _:
            schema = _leaf_schema(kind)
    return schema


def _title(kind: Object) -> str:
    return kind.what.split()[-1].strip("`")


def _leaf_schema(kind: Text | Choice | Integer | Boolean | Scalar) -> Schema:
    match kind:
        case Text():
            return {"title": kind.what, **_text_schema(kind)}
        case Choice():
            return {"title": kind.what, "enum": list(kind.options)}
        case Integer():
            return {"type": "integer", "minimum": kind.minimum, "maximum": kind.maximum}
        case Boolean():
            return {"type": "boolean"}
        case Scalar():
            return {"title": "value", "type": ["string", "integer", "boolean", "null"]}


def _text_schema(kind: Text) -> Schema:
    return {"type": "string", "minLength": 1, **_form(kind)}


def _form(kind: Text) -> Schema:
    """A pattern, and what editors say where it does not fit."""
    if not kind.pattern:
        return {}
    return {"pattern": f"^{kind.pattern}$", "patternErrorMessage": _said(kind)}


def _said(kind: Text) -> str:
    return f"{kind.form[:1].upper()}{kind.form[1:]}."


def _list_schema(kind: ListOf, definitions: Schema) -> Schema:
    listed: Schema = {"type": "array", "items": _schema(kind.item, definitions), "minItems": kind.minimum}
    if kind.unique:
        listed["uniqueItems"] = True
    return {"anyOf": [_schema(kind.short, definitions), listed]} if kind.short else listed


def _object_schema(kind: Object, definitions: Schema) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {key.name: {**_schema(key.type, definitions), **_described(key)} for key in kind.keys},
        "additionalProperties": False,
    }
    if required := [key.name for key in kind.keys if key.required]:
        schema["required"] = required
    if kind.minimum:
        schema["minProperties"] = kind.minimum
    if kind.one_of:
        schema["oneOf"] = [
            {
                "required": [group[0]],
                "not": {"anyOf": [{"required": [k]} for other in kind.one_of if other is not group for k in other]},
            }
            for group in kind.one_of
        ]
    return schema


def _described(key: Key) -> Schema:
    """What editors show of a key, and the values that they propose."""
    described: Schema = {"description": key.help}
    if key.default is not None:
        described["default"] = key.default
    if key.name in _SNIPPETS and isinstance(key.type, MapOf):
        label, body = _SNIPPETS[key.name]
        described["defaultSnippets"] = [{"label": label, "description": key.help, "body": body}]
    if _can_be_proposed(key):
        described["examples"] = [_example(key)]
    else:
        described["description"] += f" Example: {key.example}"
        described["markdownDescription"] = f"{key.help}\n\n```yaml\n{key.name}: {key.example}\n```"
    return described


def _can_be_proposed(key: Key) -> bool:
    """Whether the example is a value that an editor may propose: whole, and not the word of one connector."""
    inner: Type = key.type
    while isinstance(inner, (ListOf, MapOf)):
        inner = inner.item if isinstance(inner, ListOf) else inner.value
    return key.name not in _NAMED_BY_CONNECTORS and isinstance(inner, (Text, Integer, Scalar))


def _example(key: Key) -> Any:
    node, _ = load(key.example, "example")
    assert node is not None, key.name
    return plain(node)


def _written(value: Any, before: str = "", indent: str = "") -> Iterator[str]:
    """JSON as a person would break it: what fits on a line stays on it."""
    line = f"{indent}{before}{json.dumps(value, ensure_ascii=False)}"
    if len(line) <= _WIDTH or not isinstance(value, (dict, list)):
        yield line
        return
    parts = (
        [(f"{json.dumps(key)}: ", each) for key, each in value.items()]
        if isinstance(value, dict)
        else [("", v) for v in value]
    )
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    yield f"{indent}{before}{opened}"
    for number, (name, part) in enumerate(parts, start=1):
        *lines, last = _written(part, name, f"{indent} ")
        yield from lines
        yield f"{last}," if number < len(parts) else last
    yield f"{indent}{closed}"


if __name__ == "__main__":
    sys.stdout.write(flow_schema_text())
