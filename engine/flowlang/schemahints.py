"""What connectors offer, as proposals in the JSON Schema of flow files; a proposal never makes a file wrong.

A role is resolved as far as JSON Schema can: for each role whose name is known beforehand, a condition at the root asks
which connector the file gives to it, and the streams that use the role get what this connector offers. Streams that use
other roles get what all connectors offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.listspec import stream_of, streams_of
from engine.spec import CHANGING, ConnectorSpec, FieldSpec, RequestSpec

Schema = dict[str, Any]

# What people call a role when they do not name it after its connector.
ROLES = ("books", "erp", "source", "target")
# Where a stream names a role, by what a connector offers there.
_PLACES = {"source": ("fetch", "from"), "target": ("write", "to"), "marks": ("mark_synced", "in")}
_EVERY = "every connector"
# What the engine gives to templates, so that no map has to.
_GIVEN = frozenset({"request_id", "guid", "target_id", "edit_sequence"})
# Anything. An empty schema says the same; with this one the YAML language server writes the colon after a key.
_PLAIN: Schema = {"anyOf": [{}]}


def add(root: Schema, definitions: Schema, specs: Sequence[ConnectorSpec], roles: Iterable[str]) -> None:
    """Put the proposals into the schema of a flow and its definitions."""
    named = {spec.name: spec for spec in specs}
    connector = definitions["connection"]["properties"]["connector"]
    connector.update(_proposed((spec.name, f"{spec.title}: {spec.help}") for spec in specs))
    # A role that is called like a connector is that connector; any other may be each of them.
    may_be = {role: (role,) if role in named else tuple(named) for role in {*named, *ROLES, *roles}}
    for spec in specs:
        definitions.update(_offers(spec.name, (spec,)))
    definitions.update(_offers(_EVERY, specs))
    root["allOf"] = [_role(role, may_be[role], named) for role in sorted(may_be)]
    definitions["stream"]["allOf"] = [
        {"if": _uses(*place, {"enum": sorted(may_be)}), "else": _ref(what, _EVERY)} for what, place in _PLACES.items()
    ]
    _templates(definitions)


# --- conditions ------------------------------------------------------------------------------------------------------


def _inside(**keys: Schema) -> Schema:
    """What holds inside of keys that the language describes elsewhere; editors must not propose the keys twice."""
    return {"properties": {key: {"doNotSuggest": True, **schema} for key, schema in keys.items()}}


def _has(key: str, value: Schema) -> Schema:
    """A condition: the key is there and its value is such."""
    return {**_inside(**{key: value}), "required": [key]}


def _uses(part: str, key: str, value: Schema) -> Schema:
    return _has(part, _has(key, value))


def _ref(what: str, connector: str) -> Schema:
    return {"$ref": f"#/$defs/{_offer(what, connector)}"}


def _offer(what: str, connector: str) -> str:
    return f"{what} of {connector}".replace(" ", "_")


def _role(role: str, connectors: Sequence[str], named: Mapping[str, ConnectorSpec]) -> Schema:
    """What streams that use a role, lookups and settings, are offered: by the connector that the file gives to it."""
    found = _inside(streams=_streams_using(role, _EVERY))
    for name in reversed(connectors):
        inner = {"streams": _streams_using(role, name)}
        if lists := [(f"{role}.{entry.name}", entry.help) for entry in named[name].lists]:
            inner["lookups"] = {"additionalProperties": _inside(target=_proposed(lists))}
        if told := [(f"{role}.{each.name}", each.help) for each in named[name].tells]:
            inner["settings"] = {"additionalProperties": _inside(told_by=_proposed(told))}
        is_it = _has("connections", _uses(role, "connector", {"const": name}))
        found = {"if": is_it, "then": _inside(**inner), "else": found}
    return found


def _streams_using(role: str, connector: str) -> Schema:
    uses = [{"if": _uses(*place, {"const": role}), "then": _ref(what, connector)} for what, place in _PLACES.items()]
    return {"additionalProperties": {"allOf": uses}}


# --- offers ----------------------------------------------------------------------------------------------------------


def _offers(name: str, specs: Sequence[ConnectorSpec]) -> Iterator[tuple[str, Schema]]:
    yield _offer("source", name), _source(specs)
    yield _offer("target", name), _target(specs)
    yield _offer("marks", name), _marks(specs)


def _proposed(values: Iterable[tuple[str | bool, str]]) -> Schema:
    """Values to choose from, each with its meaning; any other is as good. Nothing when there are none."""
    meanings: dict[str | bool, list[str]] = {}
    for value, meaning in values:
        known = meanings.setdefault(value, [])
        if meaning and meaning not in known:
            known.append(meaning)
    listed: Schema = {"enum": list(meanings)}
    if any(meanings.values()):
        listed["enumDescriptions"] = [". ".join(each) for each in meanings.values()]
    return {"anyOf": [listed, {}]} if meanings else {}


def _explained(fields: Iterable[FieldSpec]) -> Schema:
    """Keys to choose from, each with its meaning and the values that it may take."""
    return {field.name: {"title": field.type, "description": field.help, **_values(field)} for field in fields}


def _values(field: FieldSpec) -> Schema:
    choices: tuple[str | bool, ...] = (True, False) if field.type == "boolean" else field.choices
    return _proposed((choice, "") for choice in choices) or _PLAIN


def _worded(specs: Sequence[ConnectorSpec]) -> Callable[[ConnectorSpec, str], str]:
    """Meanings name their connector where there are several."""
    return lambda spec, meaning: f"{spec.title}: {meaning}" if len(specs) > 1 else meaning


def _source(specs: Sequence[ConnectorSpec]) -> Schema:
    say = _worded(specs)
    streams = [(spec, found) for spec in specs for name in streams_of(spec) if (found := stream_of(spec, name))]
    filters: dict[str, Schema] = {}
    for _, stream in streams:
        filters.setdefault(stream.name, {}).update(_explained(stream.filters))
    inner = {"stream": _proposed((stream.name, say(spec, stream.help)) for spec, stream in streams)}
    chosen = [
        {"if": _has("stream", {"const": name}), "then": _inside(**{"with": under, "withdrawn": under})}
        for name, found in filters.items()
        if found and (under := {"properties": found})
    ]
    events = _proposed((event, say(spec, _about(spec, event))) for spec in specs for event in spec.webhooks)
    # As a choice of lists: at the items, the YAML language server would also propose an empty one.
    heard = {"anyOf": [{"items": events["anyOf"][0]}, {}]} if events else {}
    return _inside(fetch=_either(inner, chosen), trigger=_inside(webhook=heard))


def _either(inner: Mapping[str, Schema], conditions: Sequence[Schema]) -> Schema:
    return {**_inside(**inner), **({"allOf": list(conditions)} if conditions else {})}


def _about(spec: ConnectorSpec, event: str) -> str:
    streams = ", ".join(stream.name for stream in spec.streams if event in stream.webhooks)
    return f"Tells of {streams}" if streams else ""


def _target(specs: Sequence[ConnectorSpec]) -> Schema:
    say = _worded(specs)

    def offered(fits: Callable[[RequestSpec], bool]) -> Schema:
        return _proposed((each.name, say(spec, each.meaning)) for spec in specs for each in spec.requests if fits(each))

    ways = {
        "request": offered(lambda each: not each.undoes and not each.name.endswith(CHANGING)),
        "change": _inside(request=offered(lambda each: each.name.endswith(CHANGING))),
        "undo": _inside(request=offered(lambda each: bool(each.undoes))),
    }
    mapped = [
        {"if": _uses("write", "request", {"const": request.name}), "then": _inside(map=_keys(request.fields))}
        for spec in specs
        for request in spec.requests
        if request.fields
    ]
    return _either({"write": _inside(**ways, one_of={"items": _inside(**ways)})}, mapped)


def _keys(fields: Iterable[FieldSpec]) -> Schema:
    return {"properties": _explained(fields)}


def _marks(specs: Sequence[ConnectorSpec]) -> Schema:
    say = _worded(specs)
    offered = _proposed((mark.name, say(spec, mark.help)) for spec in specs for mark in spec.marks)
    taken = [
        {"if": _has("as", {"const": mark.name}), "then": _inside(**{"with": _keys(mark.fields)})}
        for spec in specs
        for mark in spec.marks
        if mark.fields
    ]
    return _inside(mark_synced=_either({"as": offered}, taken))


def _templates(definitions: Schema) -> None:
    """Propose the shipped templates, and as names of the map what the chosen one uses."""
    from engine.render import Templates

    templates = Templates()
    used = {name: sorted(templates.get(name).variables - _GIVEN) for name in templates.names()}
    offered = _proposed((name, f"Uses of the map: {', '.join(names)}") for name, names in used.items())
    for way in ("write", "variant", "change", "undo"):
        definitions[way]["properties"]["template"].update(offered)
    definitions["stream"]["allOf"] += [
        {
            "if": _uses("write", "template", {"const": name}),
            "then": _inside(
                map={"properties": {key: {"description": f"Used by `{name}`.", **_PLAIN} for key in names}}
            ),
        }
        for name, names in used.items()
    ]
