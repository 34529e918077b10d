"""Bars for figures over time: where they stand in a drawing of 320 by 170 units. Every bar begins at zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.dataclass import dataclass

WIDTH, HEIGHT = 320, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 6, 10, 24
# No axis has more lines than this above zero, and none more names below it.
_MOST_LINES, _MOST_NAMES = 4, 4
# Where there is no figure.
NONE = "\N{EN DASH}"
_MIN, _H, _D = 60, 3600, 86400
_SPANS = (
    1, 2, 5, 10, 15, 30, _MIN, 2 * _MIN, 5 * _MIN, 10 * _MIN, 15 * _MIN, 30 * _MIN, _H, 2 * _H, 3 * _H, 6 * _H, 12 * _H,
    _D, 2 * _D, 5 * _D, 10 * _D, 30 * _D, 60 * _D, 100 * _D, 365 * _D, 1000 * _D,
)  # fmt: skip
_UNITS = ((_D, "d"), (_H, "h"), (_MIN, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Point:
    """A period: its name below the axis, its name in full, and its figures, None where there are none.

    Of several figures each is a bar before the one ahead of it, so the largest comes first.
    """

    name: str
    title: str
    values: tuple[int | None, ...]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar; `series` counts from 0. An open one belongs to a period that is not over."""

    x: float
    y: float
    width: float
    height: float
    series: int
    is_open: bool
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across, or a name below: where, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and the same in figures: `names` of the series, and a row a period with its title and texts."""

    id: str
    title: str
    about: str
    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    lines: tuple[Tick, ...]
    below: tuple[Tick, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Width and height of the drawing, and the left and right end of its axis."""
        return WIDTH, HEIGHT, _LEFT, WIDTH - _RIGHT

    @property
    def foot(self) -> int:
        """Where zero is."""
        return HEIGHT - _BOTTOM


def counts(name: str, title: str, about: str, points: Sequence[Point]) -> Chart:
    """A chart of whole numbers."""
    return _chart((name, title, about), (title,), points, (_step(_highest(points)), number))


def spans(name: str, title: str, about: str, names: tuple[str, ...], points: Sequence[Point]) -> Chart:
    """A chart of seconds, on an axis of hours or days where they are many."""
    highest = _highest(points)
    step = next((one for one in _SPANS if one * _MOST_LINES >= highest), _SPANS[-1])
    return _chart((name, title, about), names, points, (step, span))


def number(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def span(seconds: int) -> str:
    """Seconds in the unit that they are whole in, or in two: `45 s`, `15 min`, `1 h 30 min`."""
    if seconds == 0:
        return "0"
    for place, (size, name) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            lower = _UNITS[place + 1] if rest else (1, "")
            more = f" {rest // lower[0]} {lower[1]}" if rest // lower[0] else ""
            return f"{whole} {name}{more}"
    return f"{seconds} s"


def _highest(points: Sequence[Point]) -> int:
    return max((value for point in points for value in point.values if value is not None), default=0)


def _step(highest: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … that reaches the highest figure in a few lines."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size * _MOST_LINES >= highest:
                return factor * size
        size *= 10


def _chart(
    named: tuple[str, str, str],
    names: tuple[str, ...],
    points: Sequence[Point],
    axis: tuple[int, Callable[[int], str]],
) -> Chart:
    step, written = axis
    many = max(1, -(-_highest(points) // step))
    unit = (HEIGHT - _TOP - _BOTTOM) / (many * step)
    lines = tuple(Tick(_y(n * step, unit), written(n * step)) for n in range(many + 1))
    each = (WIDTH - _LEFT - _RIGHT) / max(1, len(points))
    bars = tuple(bar for place, point in enumerate(points) for bar in _bars(place, point, each, (unit, written, names)))
    rows = tuple(
        (_titled(point), tuple(NONE if value is None else written(value) for value in point.values)) for point in points
    )
    return Chart(*named, names, bars, lines, _names(points, each), rows)


def _y(value: int, unit: float) -> float:
    return round(HEIGHT - _BOTTOM - value * unit, 2)


def _bars(
    place: int, point: Point, each: float, drawn: tuple[float, Callable[[int], str], tuple[str, ...]]
) -> list[Bar]:
    unit, written, names = drawn
    gap = min(4.0, each * 0.25)
    found = []
    for series, value in enumerate(point.values):
        if not value:
            continue
        inset = (each - gap) * 0.22 * series  # the smaller one is narrower, so that both are seen
        y = _y(value, unit)
        title = (
            f"{_titled(point)}: {names[series]} {written(value)}"
            if len(names) > 1
            else f"{_titled(point)}: {written(value)}"
        )
        left = _LEFT + place * each + gap / 2 + inset
        found.append(
            Bar(
                round(left, 2),
                y,
                round(each - gap - 2 * inset, 2),
                round(HEIGHT - _BOTTOM - y, 2),
                series,
                point.is_open,
                title,
            )
        )
    return found


def _titled(point: Point) -> str:
    return f"{point.title} (so far)" if point.is_open else point.title


def _names(points: Sequence[Point], each: float) -> tuple[Tick, ...]:
    """Names below some of the bars, evenly apart, the newest one always."""
    apart = max(1, -(-len(points) // _MOST_NAMES))
    shown = [place for place in range(len(points)) if (len(points) - 1 - place) % apart == 0]
    return tuple(Tick(round(_LEFT + (place + 0.5) * each, 2), points[place].name) for place in shown)
