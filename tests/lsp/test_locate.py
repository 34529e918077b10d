"""Where a cursor stands is told by what is before it alone, also in what is no YAML."""

from __future__ import annotations

import pytest

from engine.lsp.locate import Cursor, locate
from tests.lsp.kit import CARET, FULL, cursor

STREAM = "streams:\n  bills:\n"
BILLS = ("streams", "bills")

PLACES = [
    # keys
    ("‸", Cursor((), "key", "")),
    ("flow: x\n‸", Cursor((), "key", "")),
    ("fl‸", Cursor((), "key", "fl")),
    (f"{STREAM}    ‸", Cursor(BILLS, "key", "")),
    (f"{STREAM}    tri‸", Cursor(BILLS, "key", "tri")),
    (f"{STREAM}    tri‸gger: {{every: 1h}}", Cursor(BILLS, "key", "tri")),
    (f"{STREAM}    fetch: {{‸}}", Cursor((*BILLS, "fetch"), "key", "", nested=True)),
    (f"{STREAM}    fetch: {{from: ramp, ‸", Cursor((*BILLS, "fetch"), "key", "", nested=True)),
    (f"{STREAM}    fetch: {{from: {{a: b}}, st‸", Cursor((*BILLS, "fetch"), "key", "st", nested=True)),
    (f"{STREAM}    write:\n      ‸", Cursor((*BILLS, "write"), "key", "")),
    (f"{STREAM}    write:\n      to: books\n    ‸", Cursor(BILLS, "key", "")),
    ("a:\n  - b: c\n    ‸", Cursor(("a", 0), "key", "")),
    ("a:\n  - ‸", Cursor(("a", 0), "key", "")),
    ("a:\n- b: c\n- ‸", Cursor(("a", 1), "key", "")),
    ("a:\n- b: c\nd‸", Cursor((), "key", "d")),
    ('a: {"b": 1, ‸', Cursor(("a",), "key", "", nested=True)),
    # values
    ("flow: ‸", Cursor(("flow",), "value", "")),
    ('"flow": x‸', Cursor(("flow",), "value", "x")),
    (f"{STREAM}    fetch: {{from: ramp, stream: bi‸", Cursor((*BILLS, "fetch", "stream"), "value", "bi", nested=True)),
    (f"{STREAM}    trigger: {{webhook: [a, ‸", Cursor((*BILLS, "trigger", "webhook", 1), "value", "", nested=True)),
    ("a:\n- b: 1\n- c: ‸", Cursor(("a", 1, "c"), "value", "")),
    ("a: b\n  c‸", Cursor(("a",), "value", "b\n  c")),
    ("a: 'it''s ‸", Cursor(("a",), "value", "it's ", "'")),
    ('a: "x\\"y‸', Cursor(("a",), "value", 'x"y', '"')),
    ('a: "x\n  y‸', Cursor(("a",), "value", "x\n  y", '"')),
    ("a: {b: [c,\n  d‸", Cursor(("a", "b", 1), "value", "d", nested=True)),
    ("m:\n  a: >-\n    b[].{\n      c: d.‸", Cursor(("m", "a"), "value", "\n    b[].{\n      c: d.", ">")),
    ("m:\n  a: |\n    b\n\n    ‸", Cursor(("m", "a"), "value", "\n    b\n    ", "|")),
    ("a: # why\n  ‸", Cursor(("a",), "key", "")),
    ("a: {b: c d\n  e‸", Cursor(("a", "b"), "value", "e", nested=True)),
    ("a: {b: c, 'd e‸", Cursor(("a",), "key", "d e", "'", nested=True)),
    # after something broken
    (
        f"{STREAM}    trigger: {{webhook: [a\n    fetch: {{from: ‸",
        Cursor((*BILLS, "fetch", "from"), "value", "", nested=True),
    ),
    ('m:\n  a: "money(\n  b: x‸', Cursor(("m", "b"), "value", "x")),
    (f"{STREAM}    fetch: {{from: ramp\n    ‸", Cursor(BILLS, "key", "")),
    # nothing can be written
    ("# ‸", None),
    ("a: b # ‸", None),
    ("a: {b: c # ‸", None),
    ("a: # ‸", None),
    ("a:\n  b # ‸", None),
    ("a: [b]‸", None),
    ("a: 'b'‸", None),
    ("a:\n  - {b: c}\n  ‸", None),
]


@pytest.mark.parametrize(("text", "place"), PLACES, ids=[text[-24:] for text, _ in PLACES])
def test_places(text: str, place: Cursor | None) -> None:
    assert locate(*cursor(text)) == place


def test_past_the_end_of_the_file_is_nowhere() -> None:
    assert locate("a: b", 3, 0) is None


def test_every_place_of_a_sound_flow_is_found_in_what_is_before_it() -> None:
    """A cursor at the end of each scalar of the flow stands in that scalar, whatever follows."""
    from engine.flowlang.yamlsource import ListNode, Node, ScalarNode, load

    def scalars(node: Node, steps: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], ScalarNode]]:
        if isinstance(node, ScalarNode):
            return [(steps, node)]
        if isinstance(node, ListNode):
            return [each for i, item in enumerate(node.items) for each in scalars(item, (*steps, i))]
        return [each for key, value in node.entries for each in scalars(value, (*steps, key.text))]

    document, _ = load(FULL, "f")
    assert document is not None
    found = scalars(document, ())
    assert len(found) > 70
    for steps, node in found:
        if node.style not in ("|", ">"):
            raw = FULL.split("\n")[node.line - 1][node.column - 1 :]
            length = 1 if node.style else min(len(node.text), len(raw))
            place = locate(FULL, node.line - 1, node.column - 1 + length)
            assert place is not None, steps
            assert (place.steps, place.text, place.style) == (steps, node.text[:length], node.style)


def test_the_caret_is_no_character_of_a_flow() -> None:
    assert CARET not in FULL
