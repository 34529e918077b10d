"""The page of the shipped flows, each with its diagram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from engine.refdocs.markdown import block, code_of, page, sentence, shown, table, ticked

if TYPE_CHECKING:
    from engine.model import Flow, Scalar, Setting, Stream


def flows_page() -> str:
    """What each shipped flow reads, when, and what it writes."""
    from engine.flowlang.flowfile import load_flow

    names = sorted(entry.name for entry in files("flows").iterdir() if entry.name.endswith(".yaml"))
    parts: list[str] = []
    for name in names:
        with as_file(files("flows").joinpath(name)) as path:
            flow, _ = load_flow(path)
        assert flow is not None, name
        parts += _flow(flow)
    intro = (
        "What comes with flowctl. `flowctl diagram FLOW` draws any flow like this, yours as well: from the left what is read, "
        "the streams of the flow with what starts them, and what is written; dotted lines say which stream goes first, and how "
        "the source is told. A stream without a start reads along with another that fetches the same thing."
    )
    return page("Flows", intro, parts)


def _flow(flow: Flow) -> Iterator[str]:
    from engine.flowlang.diagram import diagram

    yield f"## {flow.name}"
    by_hand = f" It is switched on by hand: `flowctl company flow {flow.name} on`." if flow.starts == "by_hand" else ""
    yield f"{sentence(flow.describe)}{by_hand}"
    yield block("mermaid", diagram(flow))
    yield table(
        ("stream", "reads", "what starts it", "only when", "writes", "tells the source"),
        [_stream(stream) for stream in flow.streams],
    )
    yield table(
        ("setting", "values", "default", "meaning"),
        [(f"`{s.name}`", ticked(s.options) or s.type, _default(s), s.help) for s in flow.settings],
    )
    yield table(
        ("lookup", "finds an object of", "by"),
        [(f"`{entry.name}`", f"`{entry.connection}.{entry.list}`", ticked(entry.match)) for entry in flow.lookups],
    )


def _default(setting: Setting) -> str:
    told = f"what `{setting.connection}` says" if setting.told else ""
    return " or else ".join(part for part in (told, shown(setting.default)) if part)


def _stream(stream: Stream) -> tuple[str, ...]:
    from engine.flowlang.diagram import span, starts

    fetch = stream.fetch
    filters = f", {_filters(fetch.filters)}" if fetch.filters else ""
    withdrawn = f"; taken back: {_filters(fetch.withdrawn)}" if fetch.withdrawn else ""
    sweep = f", all at least every {span(fetch.sweep_s)}" if fetch.sweep_s else ""
    told = stream.mark_synced
    failures = f", {' and '.join(told.failures)} ones too" if told and told.failures else ""
    return (
        f"`{stream.name}`",
        f"`{fetch.connection}.{fetch.stream}`{filters}{sweep}{withdrawn}",
        ", ".join(_start(text) for text in starts(stream.trigger)),
        code_of(" ".join(stream.when.text.split())) if stream.when else "",
        "; ".join(_ways(stream)) or "nothing: it compares",
        f"`{told.kind}`{failures}" if told else "",
    )


def _filters(given: Mapping[str, Scalar]) -> str:
    return ", ".join(f"`{name}: {shown(value).strip('`')}`" for name, value in given.items())


def _start(text: str) -> str:
    kind, _, event = text.partition(" ")
    return f"`{event}`" if kind == "webhook" else text


def _ways(stream: Stream) -> Iterator[str]:
    for variant in stream.variants:
        made = f"`{variant.request}`" + (f" by `{variant.template}`" if variant.template else "")
        changed = f", changed by `{variant.change.request}`" if variant.change else ""
        undone = f", undone by `{variant.undo.request}`" if variant.undo else ""
        yield f"{made}{changed}{undone}"
