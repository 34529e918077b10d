"""Charts: bars that begin at zero and are as high as their figures, lines at round numbers, names that fit."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.panel import charts, render
from engine.panel.charts import HEIGHT, WIDTH, Chart, Point

FOOT = HEIGHT - 24


def drawn(*values: int | None) -> Chart:
    return charts.counts("c", "Read", "about", [Point(f"{n}", f"day {n}", (value,)) for n, value in enumerate(values)])


def lines(chart: Chart) -> list[str]:
    return [tick.text for tick in chart.lines]


def test_a_chart() -> None:
    chart = drawn(0, 5, 10, None)
    assert lines(chart) == ["0", "5", "10"]
    assert [(bar.height, bar.y + bar.height, bar.title) for bar in chart.bars] == [
        (68.0, FOOT, "day 1: 5"),
        (136.0, FOOT, "day 2: 10"),
    ]
    assert chart.rows == (("day 0", ("0",)), ("day 1", ("5",)), ("day 2", ("10",)), ("day 3", ("\N{EN DASH}",)))
    assert [tick.text for tick in chart.below] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (9, ["0", "5", "10"]),
        (41, ["0", "20", "40", "60"]),
        (1_000_000, ["0", "500,000", "1,000,000"]),
    ],
)
def test_lines_stand_at_round_numbers(highest: int, expected: list[str]) -> None:
    assert lines(drawn(highest)) == expected


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, ["0", "1 s"]),
        (45, ["0", "15 s", "30 s", "45 s"]),
        (600, ["0", "5 min", "10 min"]),
        (5400, ["0", "30 min", "1 h", "1 h 30 min"]),
        (90 * 86400, ["0", "30 d", "60 d", "90 d"]),
        (3650 * 86400, ["0", "1000 d", "2000 d", "3000 d", "4000 d"]),
    ],
)
def test_lines_of_time(highest: int, expected: list[str]) -> None:
    chart = charts.spans("t", "Took", "about", ("most", "half"), [Point("a", "day", (highest, highest // 2))])
    assert lines(chart) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (1, "1 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (5430, "1 h 30 min"), (90000, "1 d 1 h"), (86401, "1 d")],
)  # fmt: skip
def test_spans_in_words(seconds: int, text: str) -> None:
    assert charts.span(seconds) == text


def test_two_figures_stand_one_before_the_other() -> None:
    chart = charts.spans("t", "Took", "about", ("most", "half"), [Point("a", "day", (60, 30), is_open=True)])
    wide, narrow = chart.bars
    assert (wide.title, narrow.title) == ("day (so far): most 1 min", "day (so far): half 30 s")
    assert (wide.series, narrow.series, wide.is_open) == (0, 1, True)
    assert wide.x < narrow.x < narrow.x + narrow.width < wide.x + wide.width
    assert wide.height == 2 * narrow.height


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**9)), max_size=40))
def test_no_bar_lies(values: list[int | None]) -> None:
    chart = drawn(*values)
    shown = [value for value in values if value]
    assert len(chart.bars) == len(shown)
    top = int(chart.lines[-1].text.replace(",", ""))
    for bar, value in zip(chart.bars, shown, strict=True):
        assert bar.y + bar.height == pytest.approx(FOOT)
        assert bar.height == pytest.approx((FOOT - chart.lines[-1].at) * value / top, abs=0.02)
        assert bar.x >= 52
        assert bar.x + bar.width <= WIDTH - 6
        assert bar.y >= 9.9
    assert len(chart.lines) <= 6
    assert len(chart.below) <= 4
    assert len(chart.rows) == len(values)


def test_the_drawing_has_a_name_and_its_figures() -> None:
    chart = charts.counts(
        "c", "Read <b>", "about & more", [Point("1", "day 1", (4,)), Point("2", "day 2", (2,), is_open=True)]
    )
    template = '{% import "charts.html" as drawn %}{{ drawn.chart(it) }}'
    text = render.environment().from_string(template).render(it=chart)
    figure = ET.fromstring(text)
    svg = figure.find("svg")
    assert svg is not None
    assert (svg.get("role"), svg.get("aria-labelledby")) == ("img", "c-title c-desc")
    assert [(e.get("id"), e.text) for e in svg if e.tag in ("title", "desc")] == [
        ("c-title", "Read <b>"),
        ("c-desc", "about & more The figures stand in the table below."),
    ]
    assert [(bar.get("class"), bar.findtext("title")) for bar in svg.iter("rect")] == [
        ("bar b0", "day 1: 4"),
        ("bar b0 open", "day 2 (so far): 2"),
    ]
    assert [["".join(cell.itertext()) for cell in row] for row in figure.iter("tr")] == [
        ["When", "Read <b>"],
        ["day 2 (so far)", "2"],
        ["day 1", "4"],
    ]
    assert "style=" not in text
