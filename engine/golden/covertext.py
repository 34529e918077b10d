"""The coverage of a flow for people, a table a stream and what is untouched, and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.golden.coverage import KINDS, Coverage, Point, statuses

_WHOLE = "(the flow)"


def lines(coverage: Coverage) -> Iterator[str]:
    """A table with a line a stream, then everything untouched with its place, then what the vendors never answered."""
    names = ["", *(stream.name for stream in coverage.flow.streams)]
    rows = [["stream", *KINDS, "all"]]
    for name in names:
        own = [(point, hit) for point, hit in coverage.points.items() if point.stream == name]
        rows.append([name or _WHOLE, *_cells(own)])
    rows.append(["all", *_cells(list(coverage.points.items()))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    yield f"coverage of {coverage.flow.name}: {coverage.percent:.1f} %"
    for row in rows:
        first, *rest = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()
    untouched = _untouched(coverage)
    yield f"no case touches these {len(untouched)}:" if untouched else "cases touch everything"
    for point in untouched:
        yield f"{point.location}: {_named(point)}"
    yield from _status_lines(coverage)


def as_json(coverage: Coverage) -> dict[str, Any]:
    """The same as data; amounts of each kind are `[touched, all]`."""
    streams = {}
    for name in ["", *(stream.name for stream in coverage.flow.streams)]:
        own = [(point, hit) for point, hit in coverage.points.items() if point.stream == name]
        streams[name or _WHOLE] = {kind: _count(own, kind) for kind in KINDS}
    return {
        "flow": coverage.flow.name,
        "percent": round(coverage.percent, 1),
        "touched": sum(coverage.points.values()),
        "all": len(coverage.points),
        "streams": streams,
        "untouched": [
            {
                "path": point.location.path,
                "line": point.location.line,
                "column": point.location.column,
                "stream": point.stream,
                "kind": point.kind,
                "what": point.what,
            }
            for point in _untouched(coverage)
        ],
        "statuses": [
            {"connection": each.connection, "code": each.code, "outcome": each.outcome, "met": each.met}
            for each in statuses(coverage)
        ],
    }


def _count(points: Iterable[tuple[Point, bool]], kind: str) -> list[int]:
    hits = [hit for point, hit in points if point.kind == kind]
    return [sum(hits), len(hits)]


def _cells(points: list[tuple[Point, bool]]) -> list[str]:
    counts = [_count(points, kind) for kind in KINDS]
    total = [sum(count[side] for count in counts) for side in (0, 1)]
    return [f"{touched}/{every}" if every else "-" for touched, every in (*counts, total)]


def _untouched(coverage: Coverage) -> list[Point]:
    missed = (point for point, hit in coverage.points.items() if not hit)
    return sorted(missed, key=lambda point: (point.location, point.kind, point.what))


def _named(point: Point) -> str:
    return f"{point.stream}: {point.what}" if point.stream else point.what


def _status_lines(coverage: Coverage) -> Iterator[str]:
    """Answers of polled vendors, which are not counted: most of them no flow can bring about."""
    every = list(statuses(coverage))
    for connection in dict.fromkeys(each.connection for each in every):
        own = [each for each in every if each.connection == connection]
        met = [each.code for each in own if each.met]
        yield f"answers of {connection} that cases met, {len(met)} of {len(own)} that it may give (not counted above):"
        yield f"  met: {'; '.join(met) or 'none'}"
        yield f"  never: {'; '.join(each.code for each in own if not each.met) or 'none'}"
