"""Golden cases drive a flow that writes to a target that is called, with no agent in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.golden.compare import check, read_expected
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.spec import ConnectorSpec
from tests.engine import kit
from tests.engine.push_kit import CLOUD, SimulatedCloud

TEXT = """
flow: cloud_to_cloud
version: 1
connections:
  from_cloud: {connector: source}
  cloud: {connector: cloud}
streams:
  bills:
    trigger: {every: 1h}
    fetch: {from: from_cloud, stream: bills}
    key: id
    about: {amount: money(amount), reference: number}
    map: {number: number, vendor: id, amount: money(amount)}
    write: {to: cloud, request: BillCreate}
"""
CASE = """
case: answers are lost, and nothing is written twice
clock: 2026-03-02T14:00:00Z
seed: 1
steps:
  - cloud: {lose_answers: 1}
  - cycle
  - look
  - cycle
"""


class _Source(SimulatedCloud):
    """A cloud that lists its bills."""

    shop: kit.Shop

    def open(self, binding: object, tools: object) -> object:
        return self.shop


@pytest.fixture
def program() -> Iterator[FlowProgram]:
    spec = ConnectorSpec("source", "Source", "has bills", settings=CLOUD.settings, streams=kit.SHOP.streams)
    source = _Source(spec)
    source.shop = kit.Shop()
    source.shop.listed["bills"] = [
        {"id": "b-1", "number": "7", "amount": "10.50"}, {"id": "b-2", "number": "8", "amount": "2.00"},
        {"id": "b-3", "number": "9", "amount": "1.00"},
    ]  # fmt: skip
    with registered({"source": source, "cloud": SimulatedCloud()}):
        yield compile_flow(kit.flow(TEXT, "cloud_to_cloud.yaml"))


def test_a_case_writes_to_a_called_sandbox(
    tmp_path: Path, program: FlowProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    folder = tmp_path / "cloud_to_cloud" / "lost"
    (folder / "given").mkdir(parents=True)
    (folder / "case.yaml").write_text(CASE, encoding="utf-8")
    (folder / "given" / "cloud.json").write_text('{"bills": [{"number": "9", "amount": "1.00"}]}', encoding="utf-8")
    verdict = check(folder, program, update=True)
    assert verdict.problems == ()
    found = read_expected(folder / "expected")
    assert sorted(found) == ["journal.jsonl", "look-1.txt", "marks.json", "outcome.txt"]
    calls = json.loads(found["marks.json"])
    assert [(call["to"], call["body"]["number"], call["status"]) for call in calls] == [
        ("cloud", "7", None), ("cloud", "8", 201),
    ]  # fmt: skip
    assert "bills 7 | 10.50: unknown" in found["look-1.txt"]
    assert "in cloud:\n  9 1.00\n  7 10.50\n  8 2.00\n" in found["outcome.txt"]
    assert found["outcome.txt"].endswith("totals:\n  source 0.00\n  journal 13.50\n  target 13.50\n")
    assert found["outcome.txt"].startswith("records:\n  bills 7 | 10.50: closed\n  bills 8 | 2.00: closed\n")
    assert check(folder, program).ok
