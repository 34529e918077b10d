"""The schema for editors refuses what the language refuses, explains every key, and only proposes what connectors offer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine import registry
from engine.flowlang.flowfile import parse_flow
from engine.flowlang.flowschema import flow_schema, flow_schema_text, installed
from engine.flowlang.language import FLOW, ListOf, MapOf, Object, Type
from engine.registry import registered
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, MarkSpec, RequestSpec, StreamSpec
from tests.engine.flow_fakes import FakeConnector
from tests.reference import ROOT

SHIPPED = json.loads(flow_schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SHIPPED)
FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
RIGHT = [*FLOWS, *sorted((ROOT / "tests" / "validate" / "good").glob("*.yaml"))]
BAD = sorted((ROOT / "tests" / "validate" / "bad").glob("*.yaml"))
# What the structure of a file is wrong by: `engine/flowlang/structure.py`.
STRUCTURE = {"F010", "F011", "F013", "F014", "F015", "F016", "F017", "F018", "F019", "F020"}

SOURCE = ConnectorSpec(
    "acme", "Acme", "Sells things",
    streams=(
        StreamSpec("orders", "What was sold", "id", (), (FieldSpec("state", "text", "Only this state", choices=("OPEN",)),), webhooks=("orders.new",)),
        StreamSpec("buyers", "Who bought", "id", ()),
    ),
    marks=(MarkSpec("DONE", "It is in the books", ("orders",), fields=(FieldSpec("note", "text", "Seen by the buyer"),)),),
    webhooks=("orders.new", "ping"),
)  # fmt: skip
TARGET = ConnectorSpec(
    "till", "Till", "Keeps the books",
    requests=(
        RequestSpec("SaleCreate", "add a sale", "json", (FieldSpec("paid", "boolean", "Whether it is paid"),)),
        RequestSpec("SaleUpdate", "change a sale", "json"),
        RequestSpec("SaleDelete", "remove a sale", "json", undoes=("Sale",)),
    ),
    lists=(ListSpec("Buyer", "those who buy"),),
)  # fmt: skip


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", RIGHT, ids=lambda p: p.stem)
def test_right_flows_are_right(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(document(path))] == []


def test_it_refuses_the_bad_files_whose_structure_is_wrong_and_no_other() -> None:
    wrong, refused = set(), set()
    for path in BAD:
        loaded = parse_flow(path.read_bytes(), path.name)
        if loaded.document is None or any(problem.code < "F010" for problem in loaded.problems):
            continue  # not YAML as flows are written in it, so nothing that a schema could be held against
        if any(problem.code in STRUCTURE for problem in loaded.problems):
            wrong.add(path.name)
        if not VALIDATOR.is_valid(document(path)):
            refused.add(path.name)
    assert len(wrong) >= 15
    assert refused == wrong


def objects(kind: Type, value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a document that has known keys."""
    if isinstance(kind, MapOf) and isinstance(value, dict):
        for inner in value.values():
            yield from objects(kind.value, inner)
    elif isinstance(kind, ListOf) and isinstance(value, list):
        for inner in value:
            yield from objects(kind.item, inner)
    elif isinstance(kind, Object):
        yield value
        for key in kind.keys:
            if key.name in value:
                yield from objects(key.type, value[key.name])


@pytest.mark.parametrize("path", RIGHT, ids=lambda p: p.stem)
def test_it_never_takes_an_unknown_key(path: Path) -> None:
    flow = document(path)
    places = list(objects(FLOW, flow))
    assert len(places) > 3
    for place in places:
        place["unheard_of"] = "x"
        assert not VALIDATOR.is_valid(flow), place
        del place["unheard_of"]


def test_every_key_is_described_with_an_example() -> None:
    described = [SHIPPED, *SHIPPED["$defs"].values()]
    keys = [
        (name, key)
        for schema in described
        if schema.get("additionalProperties") is False
        for name, key in schema["properties"].items()
    ]
    assert len(keys) > 70
    assert [name for name, key in keys if not key["description"].split(" Example: ")[0].endswith(".")] == []
    assert [name for name, key in keys if not (key.get("examples") or " Example: " in key["description"])] == []


def flow_with(role: str, connector: str) -> dict[str, Any]:
    return {
        "flow": "mine",
        "version": 1,
        "connections": {role: {"connector": connector}},
        "lookups": {"buyer": {"target": f"{role}.Nobody", "match": ["mapped"]}},
        "streams": {
            "orders": {
                "trigger": {"webhook": ["nothing.happened"]},
                "fetch": {"from": role, "stream": "unheard", "with": {"of": 1}},
                "key": "id",
                "map": {"other": "id"},
                "write": {"to": role, "request": "Unheard", "change": {"request": "Of"}},
                "mark_synced": {"in": role, "as": "UNHEARD", "reference": "id", "with": {"of": "id"}},
            }
        },
    }


@pytest.mark.parametrize("role", ["ramp", "books", "mine"])
@pytest.mark.parametrize("connector", ["ramp", "qbwc", "somebody_elses"])
def test_what_a_connector_offers_is_no_law(role: str, connector: str) -> None:
    assert list(VALIDATOR.iter_errors(flow_with(role, connector))) == []


def proposed(*values: Any, meanings: list[str]) -> dict[str, Any]:
    return {"anyOf": [{"enum": list(values), "enumDescriptions": meanings}, {}]}


def hidden(**keys: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {name: {"doNotSuggest": True, **schema} for name, schema in keys.items()}}


def test_what_a_connector_offers() -> None:
    definitions = flow_schema((SOURCE, TARGET))["$defs"]
    assert definitions["connection"]["properties"]["connector"]["anyOf"] == [
        {"enum": ["acme", "till"], "enumDescriptions": ["Acme: Sells things", "Till: Keeps the books"]},
        {},
    ]
    state = {"title": "text", "description": "Only this state", "anyOf": [{"enum": ["OPEN"]}, {}]}
    assert definitions["source_of_acme"] == hidden(
        fetch={
            **hidden(stream=proposed("orders", "buyers", meanings=["What was sold", "Who bought"])),
            "allOf": [
                {
                    "if": {**hidden(stream={"const": "orders"}), "required": ["stream"]},
                    "then": hidden(**{key: {"properties": {"state": state}} for key in ("with", "withdrawn")}),
                }
            ],
        },
        trigger=hidden(
            webhook={
                "anyOf": [
                    {"items": {"enum": ["orders.new", "ping"], "enumDescriptions": ["Tells of orders", ""]}},
                    {},
                ]
            }
        ),
    )
    note = {"title": "text", "description": "Seen by the buyer", "anyOf": [{}]}
    assert definitions["marks_of_acme"] == hidden(
        mark_synced={
            **hidden(**{"as": proposed("DONE", meanings=["It is in the books"])}),
            "allOf": [
                {
                    "if": {**hidden(**{"as": {"const": "DONE"}}), "required": ["as"]},
                    "then": hidden(**{"with": {"properties": {"note": note}}}),
                }
            ],
        }
    )
    ways = {
        "request": proposed("SaleCreate", meanings=["add a sale"]),
        "change": hidden(request=proposed("SaleUpdate", meanings=["change a sale"])),
        "undo": hidden(request=proposed("SaleDelete", meanings=["remove a sale"])),
    }
    paid = {"title": "boolean", "description": "Whether it is paid", "anyOf": [{"enum": [True, False]}, {}]}
    creates = {**hidden(request={"const": "SaleCreate"}), "required": ["request"]}
    assert definitions["target_of_till"] == {
        **hidden(write=hidden(**ways, one_of={"items": hidden(**ways)})),
        "allOf": [
            {
                "if": {**hidden(write=creates), "required": ["write"]},
                "then": hidden(map={"properties": {"paid": paid}}),
            }
        ],
    }
    assert definitions["target_of_every_connector"]["properties"]["write"]["properties"]["request"] == {
        "doNotSuggest": True,
        **proposed("SaleCreate", meanings=["Till: add a sale"]),
    }


def test_roles_that_are_told_are_resolved() -> None:
    def roles(schema: dict[str, Any]) -> list[str]:
        conditions = (each["if"]["properties"]["connections"]["required"] for each in schema["allOf"])
        return [name for (name,) in conditions]

    assert roles(flow_schema((SOURCE, TARGET))) == ["acme", "books", "erp", "source", "target", "till"]
    told = flow_schema((SOURCE, TARGET), ("shop",))
    assert roles(told) == ["acme", "books", "erp", "shop", "source", "target", "till"]
    shop = next(each for each in told["allOf"] if "shop" in each["if"]["properties"]["connections"]["required"])
    # It may be the one connector, else the other, else one that nothing is known of.
    assert shop["else"]["then"]["properties"]["lookups"] == {
        "doNotSuggest": True,
        "additionalProperties": hidden(target=proposed("shop.Buyer", meanings=["those who buy"])),
    }
    assert "then" not in shop["else"]["else"]


def test_the_text_is_the_schema_for_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_targets", lambda: {"broken": "no_such_module_here:CONNECTOR"})
    with registered({"acme": FakeConnector(SOURCE)}):
        specs, broken = installed()
        text = flow_schema_text(("shop",))
    assert specs == (SOURCE,)
    (error,) = broken
    assert str(error) == (
        "the connector `broken` (no_such_module_here:CONNECTOR) cannot be loaded: ModuleNotFoundError: No module named "
        "'no_such_module_here'"
    )
    assert json.loads(text) == flow_schema((SOURCE,), ("shop",))
    assert text.endswith("\n}\n")
