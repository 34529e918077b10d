"""Says in words where two expected documents differ: XML with XML within it, JSON, and lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.golden.trees import Tree, differences

# So many are said in words; the rest is counted.
MOST = 25
# Around every message; paths are easier to read without them.
_AROUND = ("QBXML", "QBXMLMsgsRq", "QBXMLMsgsRs")
_DEEPEST = 60


def in_words(name: str, expected: str, found: str) -> list[str]:
    """The differences of two files of that name, a line each; none when it is not a document that can be read."""
    suffix = name.rpartition(".")[2]
    read = _READERS.get(suffix)
    if read is None:
        return []
    try:
        lines = list(read(expected, found))
    except (ValueError, RecursionError):
        return []
    if len(lines) > MOST:
        return [*lines[:MOST], f"and {len(lines) - MOST} more differences"]
    return lines or ["the content is the same: only white space, comments or the order of keys differ"]


# --- XML --------------------------------------------------------------------------------------------------------------


def _xml(expected: str, found: str) -> Iterator[str]:
    old, new = xml_tree(expected), xml_tree(found)
    if old is None or new is None:
        raise ValueError("no XML")
    return _unwrapped(old, new)


def _unwrapped(old: Tree, new: Tree) -> Iterator[str]:
    """From the first element on that says something: around every message there is the same."""
    path = ""
    if old.label == new.label and old.label not in _AROUND:
        path = old.label
    while old.label == new.label and old.label in _AROUND:
        yield from differences(_alone(old), _alone(new), old.label)
        if len(old.children) != 1 or len(new.children) != 1 or old.children[0].label != new.children[0].label:
            break
        old, new = old.children[0], new.children[0]
    if old.label == new.label and old.label.endswith(("Rq", "Rs")) and old.label not in _AROUND:
        # One request: what it holds names it well enough.
        yield from differences(_alone(old), _alone(new), old.label)
        old, new = _alone(old, attributes=False, children=True), _alone(new, attributes=False, children=True)
        path = ""
    elif old.label in _AROUND and old.label == new.label:
        old, new = _alone(old, attributes=False, children=True), _alone(new, attributes=False, children=True)
    yield from differences(old, new, path)


def _alone(tree: Tree, *, attributes: bool = True, children: bool = False) -> Tree:
    kept = tree.children if children else ()
    return Tree("element", tree.label, tree.text, tree.attributes if attributes else (), kept)


def xml_tree(text: str, depth: int = 0) -> Tree | None:
    """A document as a tree; None when it is no XML. Text that is XML itself is read as well, as in a SOAP call."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(text.strip().encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None
    return _element(root, depth)


def _element(element: Any, depth: int) -> Tree:
    name = str(element.tag).rpartition("}")[2]
    attributes = tuple(sorted((str(key).rpartition("}")[2], str(value)) for key, value in element.attrib.items()))
    children = tuple(_element(child, depth) for child in element)
    text = element.text or ""
    if children:
        text = text.strip()
    elif text.lstrip().startswith("<") and depth < 3 and (within := xml_tree(text, depth + 1)) is not None:
        return Tree("element", name, "", attributes, (within,))
    return Tree("element", name, text, attributes, children)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _json(expected: str, found: str) -> Iterator[str]:
    old, new = json_tree(_read(expected)), json_tree(_read(found))
    return differences(old, new)


def _json_lines(expected: str, found: str) -> Iterator[str]:
    """A list of values, whose places are lines."""
    old, new = (
        Tree("list", "", children=tuple(json_tree(_read(line)) for line in text.splitlines()))
        for text in (expected, found)
    )
    for line in differences(old, new):
        number, _, rest = line.removeprefix("[").partition("]")
        within = rest if rest.startswith(":") else f" {rest.removeprefix('.')}"
        yield f"line {int(number) + 1}{within}"


def _read(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def json_tree(value: Any, label: str = "", depth: int = 0) -> Tree:
    """A value as a tree.

    Raises:
        ValueError: when it is nested more deeply than anything that a flow reads.
    """
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return Tree("object", label, children=tuple(json_tree(each, str(k), depth + 1) for k, each in value.items()))
    if isinstance(value, list):
        return Tree("list", label, children=tuple(json_tree(each, "", depth + 1) for each in value))
    if isinstance(value, Decimal):
        return Tree("value", label, str(value))
    return Tree("value", label, json.dumps(value, ensure_ascii=False))


_READERS: Mapping[str, Callable[[str, str], Iterator[str]]] = {"xml": _xml, "json": _json, "jsonl": _json_lines}
