"""The names that may stand at a place of a flow, each with what it means and where it was declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from engine import registry
from engine.dataclass import dataclass
from engine.errors import ConnectorBroken
from engine.flowlang.structure import Steps
from engine.flowlang.yamlsource import ScalarNode
from engine.lints.env import CHANGE_VARIABLES
from engine.lints.template_variables import variables_of
from engine.listspec import stream_of, streams_of
from engine.lsp import wording
from engine.lsp.project import Place
from engine.spec import CHANGING, ConnectorSpec, FieldSpec, RequestSpec

# What the entries of each section are, in words.
SECTIONS: Mapping[str, str] = {
    "connections": "connection",
    "settings": "setting",
    "lookups": "lookup",
    "define": "define",
    "streams": "stream",
}
# Under these keys of `fetch` stand filters.
_FILTERED: tuple[Steps, ...] = (("with",), ("withdrawn",))


@dataclass(frozen=True, slots=True)
class Name:
    """One name: a word about it, Markdown about it, and the path at which the flow declares it, if it does."""

    text: str
    detail: str = ""
    about: str = ""
    declared: Steps = ()


def declared(place: Place, section: str) -> Iterator[Name]:
    """The names of a section of the flow."""
    for name in place.env.declared(section):
        yield of_declared(place, section, name)


def of_declared(place: Place, section: str, name: str) -> Name:
    """One name of a section, in the words of its declaration."""
    env, word = place.env, SECTIONS[section]
    if section == "define":
        expr = env.scope().define.get(name)
        return Name(name, word, wording.of_define(name, expr) if expr is not None else "", (section, name))
    parts = {key: env.text((section, name, key)) for key in ("connector", "type", "default", "help", "target")}
    told = parts["connector"] or parts["type"] or parts["target"] or _read_by(place, section, name)
    lines = [f"**{name}** ({word}{f': {told}' if told else ''})"]
    if parts["help"]:
        lines.append(wording.sentence(parts["help"]))
    if parts["default"] is not None:
        lines.append(f"Default: `{parts['default']}`")
    if section == "connections" and name in env.specs:
        lines.append(wording.of_connector(env.specs[name]))
    return Name(name, f"{word} {told}".strip(), "\n\n".join(lines), (section, name))


def _read_by(place: Place, section: str, name: str) -> str:
    if section != "streams":
        return ""
    fetch = (section, name, "fetch")
    read = [place.env.text((*fetch, key)) for key in ("from", "stream")]
    return ".".join(part for part in read if part)


# --- values -----------------------------------------------------------------------------------------------------------


def values(place: Place) -> list[Name]:
    """The names that the value at a place may be; none, where it may be anything."""
    steps = place.steps
    if steps[:1] == ("connections",) and steps[-1:] == ("connector",):
        return list(_connectors())
    if steps[:1] == ("lookups",) and steps[-1:] == ("target",):
        return list(_lists(place))
    if steps[:1] == ("settings",) and steps[-1:] == ("told_by",):
        return list(_told(place))
    if steps[:1] != ("streams",) or len(steps) < 3:
        return _setting_values(place)
    if steps[2] == "fetch" and steps[3:4] in _FILTERED:
        return _filter_values(place)
    found = _IN_STREAM.get((str(steps[2]), _last_name(steps)))
    return list(found(place)) if found is not None else []


def _last_name(steps: Steps) -> str:
    return str(next(step for step in reversed(steps) if isinstance(step, str)))


def _connectors() -> Iterator[Name]:
    for name in registry.names():
        try:
            found = registry.find(name)
        except ConnectorBroken:
            continue
        if found is not None:
            yield Name(name, found.spec.title, wording.of_connector(found.spec))


def _lists(place: Place) -> Iterator[Name]:
    for connection, spec in _connected(place):
        for each in spec.lists:
            yield Name(f"{connection}.{each.name}", each.help, wording.of_list(each), ("connections", connection))


def _told(place: Place) -> Iterator[Name]:
    for connection, spec in _connected(place):
        for each in spec.tells:
            yield Name(f"{connection}.{each.name}", each.help, wording.of_spec(each), ("connections", connection))


def _connected(place: Place) -> Iterator[tuple[str, ConnectorSpec]]:
    """The connections of the flow whose connectors are known."""
    for connection in place.env.declared("connections"):
        spec = place.env.specs.get(connection)
        if spec is not None:
            yield connection, spec


def _setting_values(place: Place) -> list[Name]:
    if place.steps[:1] != ("settings",) or place.steps[-1:] != ("default",):
        return []
    kind, node = place.beside("type"), place.env.node((*place.steps[:-1], "options"))
    options = [item.text for item in getattr(node, "items", ()) if isinstance(item, ScalarNode)]
    return [Name(option) for option in (["true", "false"] if kind == "boolean" else options)]


def _filter_values(place: Place) -> list[Name]:
    name = str(place.steps[-1])
    spec = next((field for field in _filters(place) if field.name == name), None)
    if spec is None:
        return []
    given = ("true", "false") if spec.type == "boolean" else spec.choices
    return [Name(each, spec.name, wording.of_spec(spec)) for each in given]


def _connections(place: Place) -> Iterator[Name]:
    return declared(place, "connections")


def _streams(place: Place) -> Iterator[Name]:
    spec = place.source()
    for name in streams_of(spec) if spec is not None else ():
        found = stream_of(spec, name) if spec is not None else None
        if found is not None:
            yield Name(name, found.help, wording.of_stream(found))


def _events(place: Place) -> Iterator[Name]:
    spec, stream = place.source(), place.source_stream()
    own = stream.webhooks if stream is not None else ()
    for name in dict.fromkeys((*own, *(spec.webhooks if spec is not None else ()))):
        yield Name(name, "event of this stream" if name in own else "event")


def _after(place: Place) -> Iterator[Name]:
    return (name for name in declared(place, "streams") if name.text != place.stream)


def _lookups(place: Place) -> Iterator[Name]:
    return declared(place, "lookups")


def _marks(place: Place) -> Iterator[Name]:
    spec, stream = place.source(), place.in_stream("fetch", "stream")
    for mark in spec.marks if spec is not None else ():
        if stream in mark.streams:
            yield Name(mark.name, mark.help, wording.of_mark(mark))


def _requests(place: Place) -> Iterator[Name]:
    spec = place.target()
    for request in spec.requests if spec is not None else ():
        if _fits(place, request):
            yield Name(request.name, request.help, wording.of_request(request))


def _fits(place: Place, request: RequestSpec) -> bool:
    """Whether a request makes, changes or undoes, as the place wants it."""
    if "undo" in place.steps:
        return bool(request.undoes)
    changes = request.name.endswith(CHANGING)
    return not request.undoes and changes == ("change" in place.steps)


def _templates(place: Place) -> Iterator[Name]:
    env = place.env
    names = sorted(env.facts.variables) or env.templates().names()
    for name in names:
        if not name.startswith("_"):
            yield Name(name, "template", wording.of_template(name, variables(place, name)))


_IN_STREAM: Mapping[tuple[str, str], Callable[[Place], Iterator[Name]]] = {
    ("fetch", "from"): _connections,
    ("fetch", "stream"): _streams,
    ("trigger", "webhook"): _events,
    ("after", "after"): _after,
    ("write", "to"): _connections,
    ("write", "request"): _requests,
    ("write", "template"): _templates,
    ("provide", "lookup"): _lookups,
    ("mark_synced", "in"): _connections,
    ("mark_synced", "as"): _marks,
}


# --- keys that a flow's surroundings decide ---------------------------------------------------------------------------


def keys(place: Place) -> list[Name]:
    """The names that keys of the mapping at a place may have, where the language leaves them open."""
    below = place.steps[2:]
    if place.steps[:1] != ("streams",):
        return []
    if below == ("map",):
        return list(_mapped(place))
    if below[:1] == ("fetch",) and below[1:] in _FILTERED:
        return [_of_spec(field) for field in _filters(place)]
    if below == ("mark_synced", "with"):
        spec, kind = place.source(), place.in_stream("mark_synced", "as")
        mark = spec.mark(kind) if spec is not None else None
        return [_of_spec(field) for field in (mark.fields if mark is not None else ())]
    if below[-1:] == ("cannot",):
        base: Steps = ("streams", place.stream, "map")
        return [Name(name, "entry of map", "", (*base, name)) for name in place.env.names(base)]
    return []


def _filters(place: Place) -> tuple[FieldSpec, ...]:
    spec = place.source_stream()
    return spec.filters if spec is not None else ()


def _of_spec(field: FieldSpec) -> Name:
    return Name(field.name, f"{field.type}, needed" if field.required else field.type, wording.of_spec(field))


def _mapped(place: Place) -> Iterator[Name]:
    """What the templates of the stream use, and the fields of its requests."""
    known: dict[str, Name] = {}
    for request in place.requests():
        for field in request.fields:
            known.setdefault(field.name, _of_spec(field))
    for _, template in place.documents():
        for name in sorted(variables(place, template)) if template else ():
            known.setdefault(
                name, Name(name, f"used by {template}", f"**{name}**\n\nUsed by the template `{template}`.")
            )
    yield from known.values()


def variables(place: Place, template: str) -> frozenset[str]:
    """The values of the map that a template uses; none of one that cannot be read."""
    return variables_of(template, place.env) - CHANGE_VARIABLES
