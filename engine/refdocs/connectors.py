"""The page of connectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from engine.refdocs.markdown import page, sentence, shown, table, ticked

if TYPE_CHECKING:
    from engine.spec import ConnectorSpec, FieldSpec


def connectors_page() -> str:
    """What every connector that comes with flowctl offers."""
    from engine import registry

    parts: list[str] = []
    for name in registry.names():
        connector = registry.find(name)
        if connector is not None:
            parts += described(connector.spec)
    intro = (
        "What each connector takes and offers. `flowctl connectors NAME` prints the same for the connectors that are "
        'installed where you are.\n\nTypes: `money` is a decimal text in major units (`"1050.00"`), `id` is always '
        "text, `date` is YYYY-MM-DD, `datetime` is ISO 8601."
    )
    return page("Connectors", intro, parts)


def described(spec: ConnectorSpec) -> Iterator[str]:
    """The parts of one connector."""
    called = "It is polled: the other side calls flowctl." if spec.delivery == "pull" else "flowctl calls it."
    yield f"## {spec.name}: {spec.title}"
    yield f"{sentence(spec.help)} {called if spec.requests or not spec.streams else ''}".strip()
    if spec.stands_for:
        yield f"It can be connected in the place of {ticked(spec.stands_for)}."
    yield f"### Settings of {spec.name}"
    yield table(
        ("setting", "type", "meaning", "default", "values"),
        [(_name(f), f.type, f.help, shown(f.default), ticked(f.choices)) for f in spec.settings],
    )
    if spec.tells:
        yield f"### What {spec.name} tells of itself"
        yield "A flow's setting takes it with `told_by`."
        yield table(("name", "type", "meaning"), [(f"`{f.name}`", f.type, f.help) for f in spec.tells])
    yield from _streams(spec)
    yield from _webhooks(spec)
    yield from _marks(spec)
    yield from _requests(spec)
    yield from _lists(spec)
    if spec.limits:
        yield f"### Limits of {spec.name}"
        yield "\n".join(f"- {sentence(limit)}" for limit in spec.limits)


def _streams(spec: ConnectorSpec) -> Iterator[str]:
    if spec.streams:
        yield f"### Streams of {spec.name}"
    for stream in spec.streams:
        yield f"#### {spec.name}: {stream.name}"
        how = "every read lists all that match" if stream.changes == "all" else "with `sweep` a read lists changes only"
        events = f" Webhooks: {ticked(stream.webhooks)}." if stream.webhooks else ""
        asked = f" What people asked to have posted now is listed by `{stream.requested}`." if stream.requested else ""
        yield f"{sentence(stream.help)} Key: `{stream.key}`; {how}.{events}{asked}"
        yield table(
            ("filter", "type", "meaning", "values"),
            [(f"`{f.name}`", f.type, f.help, ticked(f.choices)) for f in stream.filters],
        )
        yield table(("field", "type", "meaning", "values"), _fields(stream.fields))


def _webhooks(spec: ConnectorSpec) -> Iterator[str]:
    if not spec.webhooks:
        return
    yield f"### Webhooks of {spec.name}"
    yield f"A `trigger` may name these events; `flowctl webhook subscribe {spec.name}` has them sent."
    by_event = {event: [s.name for s in spec.streams if event in s.webhooks] for event in spec.webhooks}
    yield table(("event", "tells of the streams"), [(f"`{event}`", ticked(by_event[event])) for event in spec.webhooks])


def _marks(spec: ConnectorSpec) -> Iterator[str]:
    if spec.marks:
        yield f"### Marks of {spec.name}"
        yield table(
            ("mark", "meaning", "for", "can report failures", "`with` takes"),
            [
                (
                    f"`{m.name}`",
                    m.help,
                    ticked(m.streams),
                    "yes" if m.failures else "no",
                    "; ".join(f"`{f.name}`: {f.help}" for f in m.fields),
                )
                for m in spec.marks
            ],
        )


def _requests(spec: ConnectorSpec) -> Iterator[str]:
    if spec.requests:
        yield f"### Requests of {spec.name}"
        yield table(
            ("request", "meaning", "written as", "undoes"),
            [(f"`{r.name}`", r.meaning, r.documents, ticked(r.undoes)) for r in spec.requests],
        )
        yield _receipts(spec)
    for request in spec.requests:
        if request.fields:
            yield f"#### {spec.name}: {request.name}"
            yield table(("field", "type", "meaning", "values", "needed"), list(_request_fields(request.fields)))


def _receipts(spec: ConnectorSpec) -> str:
    ids = "`TxnID` of an entry or `ListID` of an object of a list, and its `EditSequence`"
    called = "`id` of the object, and its `name` where it has one"
    if any(request.documents == "qbxml" for request in spec.requests):
        holds = ids if spec.delivery == "pull" else f"{ids}; {called} as well"
        text = f"What a map gives to a request is told by its template. A receipt has the {holds}."
    else:
        text = f"A receipt has the {called}."
    if spec.delivery == "push" and spec.settle_s:
        text += f" A write whose answer was lost is looked for during {spec.settle_s} s before it is made again."
    return text


def _lists(spec: ConnectorSpec) -> Iterator[str]:
    if not spec.lists:
        return
    yield f"### Lists of {spec.name}"
    if spec.delivery == "pull":
        yield "Each can be read like a stream of its name, by `list_id`."
        columns: tuple[str, ...] = ("list", "meaning", "fields")
    else:
        yield "Each is kept for lookups, and is asked for anew before a run once it is older than said here."
        columns = ("list", "meaning", "fields", "kept for")
    rows = [
        (f"`{e.name}`", e.help, ticked(f.name for f in e.fields), f"{e.refresh_s // 60} min")[: len(columns)]
        for e in spec.lists
    ]
    yield table(columns, rows)
    # The same field of several lists is told once.
    told: dict[tuple[str, str, str, str], list[str]] = {}
    for entry in spec.lists:
        for row in _fields(entry.fields):
            told.setdefault(row, []).append(entry.name)
    yield table(
        ("field", "of the lists", "type", "meaning", "values"),
        [(path, ticked(names), *more) for (path, *more), names in told.items()],
    )


def _name(field: FieldSpec) -> str:
    notes = [word for word, is_so in (("needed", field.required), ("secret", field.secret)) if is_so]
    return f"`{field.name}`" + (f" ({', '.join(notes)})" if notes else "")


def _fields(fields: Iterable[FieldSpec], before: str = "") -> Iterator[tuple[str, str, str, str]]:
    for field in fields:
        path = f"{before}{field.name}"
        kind = f"list of {field.of}" if field.type == "list" else field.type
        yield f"`{path}`", kind, field.help, ticked(field.choices)
        yield from _fields(field.fields, f"{path}[]." if field.type == "list" else f"{path}.")


def _request_fields(fields: Iterable[FieldSpec], before: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    needed = {path: "yes" if field.required else "" for path, field in _paths(fields, before)}
    for path, kind, meaning, values in _fields(fields, before):
        yield path, kind, meaning, values, needed[path]


def _paths(fields: Iterable[FieldSpec], before: str) -> Iterator[tuple[str, FieldSpec]]:
    for field in fields:
        path = f"{before}{field.name}"
        yield f"`{path}`", field
        yield from _paths(field.fields, f"{path}[]." if field.type == "list" else f"{path}.")
