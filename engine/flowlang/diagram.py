"""A flow as a Mermaid diagram: what is read, by which stream, what is written where, and how the source is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.model import Flow, Stream, Trigger

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
# What Mermaid would take for its own: quotes end a text, `#` begins an entity, a backquote begins Markdown.
_ESCAPES = {"#": "#35;", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"}
_BREAK = "<br/>"


def diagram(flow: Flow) -> str:
    """The flow as the text of a Mermaid flowchart, without fence; ends with a line break."""
    lines = ["flowchart LR", *_reads(flow), *_streams(flow), *_targets(flow), *_edges(flow)]
    return "\n".join(line if line == lines[0] else f"  {line}" for line in lines) + "\n"


def starts(trigger: Trigger) -> list[str]:
    """What starts a stream, in words: `every 1h`, `webhook bills.paid`, `a visit after 5m`; empty when nothing does."""
    found = [f"every {span(trigger.every_s)}"] if trigger.every_s else []
    found += [f"webhook {event}" for event in trigger.webhooks]
    return found + ([f"a visit after {span(trigger.visit_s)}"] if trigger.visit_s else [])


def writes(stream: Stream) -> list[str]:
    """What a stream writes, in words: `BillAdd, changed by BillMod`; empty when it only compares."""
    found = []
    for variant in stream.variants:
        more = [("changed", variant.change), ("undone", variant.undo)]
        found.append(", ".join([variant.request, *(f"{word} by {way.request}" for word, way in more if way)]))
    return found


def span(seconds: int) -> str:
    """Seconds as a flow writes them: `90m`, `6h`."""
    return next((f"{seconds // unit}{name}" for unit, name in _UNITS if seconds % unit == 0), f"{seconds}s")


def text(*lines: str) -> str:
    """Lines of any characters as a quoted Mermaid text."""
    cleaned = ["".join(_ESCAPES.get(c, c) for c in " ".join(line.split())) for line in lines]
    return f'"{_BREAK.join(cleaned)}"'


def _reads(flow: Flow) -> Iterator[str]:
    for connection, listed in _read_streams(flow).items():
        yield f"subgraph {_id(flow, 'from', connection)} [{text(_title(flow, connection))}]"
        for name in listed:
            yield f"  {_id(flow, 'read', connection, name)}[{text(name)}]"
        yield "end"


def _streams(flow: Flow) -> Iterator[str]:
    yield f"subgraph flow [{text(flow.name)}]"
    for stream in flow.streams:
        said = starts(stream.trigger)
        # A list of events would hide the picture.
        events = [line for line in said if line.startswith("webhook ")]
        short = [line for line in said if line not in events] + (["webhooks"] if len(events) > 1 else events)
        kind = [] if stream.write else ["compares only"]
        yield f"  {_id(flow, 'stream', stream.name)}([{text(stream.name, *short, *kind)}])"
    yield "end"


def _targets(flow: Flow) -> Iterator[str]:
    reads = _read_streams(flow)
    told = [s.mark_synced.connection for s in flow.streams if s.mark_synced and s.mark_synced.connection not in reads]
    for connection in dict.fromkeys([*(stream.target for stream in flow.streams if stream.target), *told]):
        yield f"{_id(flow, 'to', connection)}[({text(_title(flow, connection))})]"


def _edges(flow: Flow) -> Iterator[str]:
    known = {stream.name for stream in flow.streams}
    for stream in flow.streams:
        node = _id(flow, "stream", stream.name)
        yield f"{_id(flow, 'read', stream.fetch.connection, stream.fetch.stream)} --> {node}"
        for earlier in stream.after:
            if earlier in known:
                yield f"{_id(flow, 'stream', earlier)} -. {text('before')} .-> {node}"
        if stream.write:
            requests = dict.fromkeys(line for line in writes(stream))
            yield f"{node} -->|{text(*requests)}| {_id(flow, 'to', stream.target)}"
        if stream.mark_synced:
            yield f"{node} -. {text(stream.mark_synced.kind)} .-> {_told(flow, stream, stream.mark_synced.connection)}"


def _told(flow: Flow, stream: Stream, connection: str) -> str:
    """Where a mark goes: to what the stream reads, else to the whole connection."""
    if connection == stream.fetch.connection:
        return _id(flow, "read", connection, stream.fetch.stream)
    return _id(flow, "from" if connection in _read_streams(flow) else "to", connection)


def _read_streams(flow: Flow) -> Mapping[str, Sequence[str]]:
    """What the flow reads, by connection, in the order of the file."""
    found: dict[str, dict[str, None]] = {}
    for stream in flow.streams:
        found.setdefault(stream.fetch.connection, {})[stream.fetch.stream] = None
    return {connection: list(names) for connection, names in found.items()}


def _title(flow: Flow, connection: str) -> str:
    known = flow.connection(connection)
    return connection if known is None or known.connector == connection else f"{connection} ({known.connector})"


def _id(flow: Flow, kind: str, *names: str) -> str:
    """An id of letters and digits alone: names may hold anything, or be a word of Mermaid's such as `end`."""
    reads = _read_streams(flow)
    if kind == "read":
        return f"read{list(reads).index(names[0])}x{list(reads[names[0]]).index(names[1])}"
    order = [stream.name for stream in flow.streams] if kind == "stream" else _connections(flow)
    return f"{kind}{order.index(names[0])}"


def _connections(flow: Flow) -> list[str]:
    used: list[str] = []
    for stream in flow.streams:
        used += [stream.fetch.connection, stream.target, stream.mark_synced.connection if stream.mark_synced else ""]
    return list(dict.fromkeys(used))
