"""What a source told of a record once stays told while what it told it of is the same, though it cannot tell it any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.contract import Json
from engine.program import compile_flow
from engine.spec import FieldSpec
from tests.engine import kit
from tests.engine.kit import Bench, bill
from tests.engine.test_changes import WITH_CHANGE

_DUE = FieldSpec("due", "date", "when it is due, as far as it tells", stays_with=("amount", "lines"))
_SPEC = replace(
    kit.SHOP,
    streams=tuple(
        replace(stream, fields=(*stream.fields, _DUE)) if stream.name == "bills" else stream
        for stream in kit.SHOP.streams
    ),
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(WITH_CHANGE) as made:
        made.connector.spec = _SPEC
        made.program = compile_flow(made.program.flow)
        made.shop.page_size = 9
        yield made


def read(bench: Bench, *bills: Json) -> dict[str, int]:
    bench.shop.listed["bills"] = list(bills)
    return bench.run("bills")["bills"]


def due(bench: Bench, payload: str = "payload") -> Any:
    return json.loads(bench.record("b-1")[payload] or "{}").get("due")


def test_what_was_told_of_a_posted_record_stays_told(bench: Bench) -> None:
    read(bench, bill(due="2026-03-29"))
    assert bench.post_all() == 1
    before = bench.record("b-1")
    for _ in range(2):
        read(bench, bill(due=None))
        assert (bench.post_all(), bench.alerts(), bench.states()) == (0, [], {"b-1": "closed"})
    after = bench.record("b-1")
    assert (after["payload_sha256"], after["newest"]) == (before["payload_sha256"], before["newest"])
    assert after["seen_run"] > before["seen_run"]
    read(bench, bill(due="2026-04-30"))
    assert bench.post_all() == 1
    read(bench, bill(due=None))
    assert (bench.post_all(), due(bench)) == (0, "2026-04-30")


@pytest.mark.parametrize("state", ["intended", "deferred"])
def test_the_same_while_it_waits(bench: Bench, state: str) -> None:
    fields: dict[str, Any] = {"due": "2026-03-29"}
    if state == "deferred":
        fields["vendor"] = {"id": "v-7", "name": "Nobody"}
    read(bench, bill(**fields))
    assert bench.states() == {"b-1": state}
    read(bench, bill(**{**fields, "due": None, "memo": "new"}))
    assert (bench.states(), due(bench)) == ({"b-1": state}, "2026-03-29")


def test_it_is_told_anew_of_what_has_changed(bench: Bench) -> None:
    read(bench, bill(due="2026-03-29"))
    read(bench, bill("b-1", "80.00", due=None))
    assert due(bench) is None
    read(bench, bill(due=None))
    assert due(bench) is None
    read(bench, bill(due="2026-03-30"))
    assert due(bench) == "2026-03-30"


def test_the_same_for_one_that_is_asked_for_by_its_id(bench: Bench) -> None:
    read(bench, bill(due="2026-03-29", vendor={"id": "v-7", "name": "Nobody"}))
    bench.shop.singles["b-1"] = bill(due=None, vendor={"id": "v-7", "name": "Nobody"})
    read(bench, bill("b-2"))
    assert (bench.states()["b-1"], due(bench)) == ("deferred", "2026-03-29")
