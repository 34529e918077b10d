"""A golden case of a flow whose target is called and has lists: read through its sandbox, looked into, mapped by a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import Clock
from engine.contract import Binding, Json, ListObject, Operation, Receipt, Tools
from engine.golden.compare import check, read_expected
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.spec import ConnectorSpec
from tests.engine import kit
from tests.engine.list_kit import FLOW, LISTED, bill
from tests.engine.push_kit import CLOUD, CloudSandbox, SimulatedCloud

CASE = """
case: a bill of a vendor that the cloud calls by another name waits for a person
clock: 2026-03-02T14:00:00Z
seed: 1
steps:
  - cycle
  - look
  - map: {lookup: vendor, key: v-Acne, to: acme}
  - cycle
"""


class _Shop(SimulatedCloud):
    """A shop that lists its bills."""

    shop: kit.Shop

    def open(self, binding: object, tools: object) -> object:
        return self.shop


class _Cloud(SimulatedCloud):
    """The connector to a sandbox that has vendors."""

    def sandbox(self, seed: int, clock: Clock, options: Json) -> CloudSandbox:
        return _Sandbox(options["given"])

    def open(self, binding: Binding, tools: Tools) -> Any:
        client = httpx.Client(base_url=str(binding.settings["base_url"]), transport=tools.transport)
        return _Listing(SimulatedCloud.open(self, binding, tools), client)


class _Sandbox(CloudSandbox):
    """The cloud behind HTTP, with its vendors."""

    def transport(self) -> httpx.BaseTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/vendors":
            return httpx.Response(200, json=self.given["vendors"])
        return self._handle(request)


@dataclass(frozen=True)
class _Listing:
    caller: Any
    client: httpx.Client

    def write(self, operation: Operation) -> Receipt:
        found: Receipt = self.caller.write(operation)
        return found

    def find(self, operation: Operation) -> Receipt | None:
        found: Receipt | None = self.caller.find(operation)
        return found

    def list_objects(self, name: str) -> Iterator[Sequence[ListObject]]:
        yield [ListObject(item["id"], item["name"]) for item in self.client.get(f"/{name}").json()]

    def close(self) -> None:
        self.caller.close()
        self.client.close()


@pytest.fixture
def program() -> Iterator[FlowProgram]:
    shop = _Shop(ConnectorSpec("shop", "Shop", "has bills", settings=CLOUD.settings, streams=kit.SHOP.streams))
    shop.shop = kit.Shop()
    shop.shop.listed["bills"] = [bill("b-1"), bill("b-2", "Acne")]
    with registered({"shop": shop, "cloud": _Cloud(LISTED)}):
        yield compile_flow(kit.flow(FLOW, "shop_to_cloud.yaml"))


def test_a_case_looks_into_the_lists_of_a_called_sandbox(
    tmp_path: Path, program: FlowProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    folder = tmp_path / "shop_to_cloud" / "mapped"
    (folder / "given").mkdir(parents=True)
    (folder / "case.yaml").write_text(CASE, encoding="utf-8")
    (folder / "given" / "cloud.json").write_text('{"vendors": [{"id": "c-1", "name": "Acme"}]}', encoding="utf-8")
    assert check(folder, program, update=True).problems == ()
    found = read_expected(folder / "expected")
    assert found["look-1.txt"].splitlines()[:4] == [
        "records:",
        "  bills N-b-1 | Acme | 100.00 EUR: closed",
        "  bills N-b-2 | Acne | 100.00 EUR: deferred",
        "    unmapped: the vendor `Acne` is not in the vendors list of Cloud",
    ]
    assert found["outcome.txt"].splitlines()[:3] == [
        "records:",
        "  bills N-b-1 | Acme | 100.00 EUR: closed",
        "  bills N-b-2 | Acne | 100.00 EUR: closed",
    ]
    assert '"list":"cloud.vendors"' in found["journal.jsonl"].replace(" ", "")
    assert check(folder, program).ok
