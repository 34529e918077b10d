"""The JSON Schema says the same as the loader: it is made from the same description."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine.flowlang.flowfile import parse_flow
from engine.flowlang.flowschema import flow_schema_text
from engine.flowlang.language import FLOW, Key, ListOf, MapOf, Object, Type
from engine.flowlang.structure import check_structure
from engine.flowlang.yamlsource import load, plain

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schemas" / "flow.schema.json"
CORPUS = sorted((ROOT / "tests" / "validate").glob("*/*.yaml"))
STRUCTURE = {"F010", "F011", "F013", "F014", "F015", "F016", "F017", "F018", "F019", "F020"}
# With all that the shipped connectors offer: none of it may change the verdict.
SHIPPED = json.loads(flow_schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SHIPPED)


def test_file_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == flow_schema_text(), "run: make schemas"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SHIPPED)


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_verdicts_agree_on_the_corpus(path: Path) -> None:
    loaded = parse_flow(path.read_bytes(), path.name)
    if any(p.code < "F010" for p in loaded.problems):
        assert path.stem.startswith("nine-") or any(path.stem.startswith(p.code) for p in loaded.problems)
        return
    # As it was written: a misspelt key that can only mean one is read as that.
    document, _ = load(loaded.source, path.name)
    assert document is not None
    refused = any(p.code in STRUCTURE for p in loaded.problems)
    assert VALIDATOR.is_valid(plain(document)) == (not refused)


GOOD = yaml.safe_load((ROOT / "tests" / "validate" / "good" / "full.yaml").read_text(encoding="utf-8"))
VALUES: list[Any] = [
    None,
    True,
    7,
    "x",
    "",
    "X y",
    "6h",
    "a.B",
    [],
    ["x"],
    ["x", "x"],
    [["x"]],
    {},
    {"x": "y"},
    {"X": 1},
]


def paths(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield steps
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in inner:
        yield from paths(below, (*steps, step))


@pytest.mark.parametrize("steps", [p for p in paths(GOOD) if p], ids=lambda p: ".".join(map(str, p)))
def test_verdicts_agree_when_any_one_value_is_exchanged(steps: tuple[str | int, ...]) -> None:
    for value in VALUES:
        document = copy.deepcopy(GOOD)
        parent = document
        for step in steps[:-1]:
            parent = parent[step]
        parent[steps[-1]] = value
        node, problems = load(yaml.dump(document, Dumper=yaml.CSafeDumper), "f.yaml")
        assert problems == []
        assert node is not None
        found = check_structure(node, FLOW, "f.yaml")
        assert VALIDATOR.is_valid(plain(node)) == (not found), (value, [str(p) for p in found])


def every_key(kind: Type) -> Iterator[Key]:
    if isinstance(kind, Object):
        for key in kind.keys:
            yield key
            yield from every_key(key.type)
    elif isinstance(kind, MapOf):
        yield from every_key(kind.value)
    elif isinstance(kind, ListOf):
        yield from every_key(kind.item)


@pytest.mark.parametrize("key", list(every_key(FLOW)), ids=lambda k: k.name)
def test_every_key_is_explained_by_an_example_that_reads(key: Key) -> None:
    assert key.help.endswith(".")
    node, problems = load(key.example, "f.yaml")
    assert problems == []
    assert node is not None
    found = check_structure(node, key.type, "f.yaml")
    # Examples are short: what a whole stream would need besides is left out of them.
    assert [str(p) for p in found if p.code != "F011"] == []
