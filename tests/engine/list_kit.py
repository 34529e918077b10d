"""A target that is called and has lists: a cloud whose vendors the engine keeps for lookups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache

from engine.contract import ListObject, Operation, Receipt
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.spec import FieldSpec, ListSpec
from engine.store import lists
from engine.testing import memory_world
from tests.engine import kit
from tests.engine.kit import COMPANY
from tests.engine.push_kit import CLOUD, Cloud, CloudBench, CloudConnector, connect

NAME = "shop_to_cloud"
FLOW = """
flow: shop_to_cloud
version: 1
connections:
  shop: {connector: shop}
  cloud: {connector: cloud}
lookups:
  vendor: {target: cloud.vendors, match: [mapped, list_id, number, exact_name]}
streams:
  bills:
    trigger: {every: 1h}
    fetch: {from: shop, stream: bills}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number}
    map:
      vendor: lookup('vendor', vendor.id, vendor.name, vendor.code).list_id
      number: number
      amount: money(amount)
    write: {to: cloud, request: BillCreate}
"""
CREATES = FLOW.replace(
    "streams:\n  bills:\n",
    """streams:
  vendors:
    trigger: {every: 6h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    adopt: find('vendor', id, name)
    map: {name: name}
    write: {to: cloud, request: VendorCreate}
    provide: {lookup: vendor, key: id}
  bills:
    after: [vendors]
""",
)
VENDORS = ListSpec("vendors", "vendors", (FieldSpec("email", "text", "its address"),), refresh_s=3600)
LISTED = replace(CLOUD, lists=(VENDORS, ListSpec("accounts", "accounts")))
ACME = ListObject("c-acme", "Acme", number="A1", data={"email": "a@acme.test"})
OLD = ListObject("c-old", "Old", active=False)


@dataclass(slots=True)
class ListingCloud(Cloud):
    """Lists what a test wrote down, two objects a page; `list_faults` are by page asked for, `between` runs after each."""

    listed: dict[str, list[ListObject]] = field(default_factory=lambda: {"vendors": [ACME, OLD], "accounts": []})
    page_size: int = 2
    list_faults: list[Exception | BaseException | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    between: Callable[[], None] = lambda: None
    more: dict[str, str] = field(default_factory=dict)

    def list_objects(self, name: str) -> Iterator[Sequence[ListObject]]:
        self.asked.append(name)
        found = list(self.listed[name])
        for start in range(0, max(1, len(found)), self.page_size):
            if self.list_faults and (fault := self.list_faults.pop(0)) is not None:
                raise fault
            yield found[start : start + self.page_size]
            self.between()

    def write(self, operation: Operation) -> Receipt:
        made = Cloud.write(self, operation)
        return Receipt({**made.ids, **(self.more if operation.request == "VendorCreate" else {})})


@dataclass(slots=True)
class ListBench(CloudBench):
    """A bench whose cloud has lists."""

    cloud: ListingCloud = field(default_factory=lambda: ListingCloud(memory_world().clock))

    def kept(self, name: str = "cloud.vendors") -> list[str]:
        """The ids that the store has of a list."""
        with self.world.store.read() as tx:
            return [item.list_id for item in lists.objects(tx, COMPANY, name)]

    def loaded(self, name: str = "cloud.vendors") -> bool:
        with self.world.store.read() as tx:
            return lists.loaded(tx, COMPANY, name)

    def other(self, text: str) -> FlowProgram:
        """Another flow between the same connections."""
        return compile_flow(kit.flow(text, "other.yaml"))


@cache
def compiled(text: str) -> FlowProgram:
    """The program of a sound flow between the bench's connectors, made once."""
    return compile_flow(kit.flow(text, f"{NAME}.yaml"))


@contextmanager
def list_bench(text: str = FLOW) -> Iterator[ListBench]:
    """A bench between the shop and a cloud with lists, of which nothing was read yet."""
    shop = kit.Shop()
    connector = kit.ShopConnector(shop)
    world = memory_world()
    cloud = ListingCloud(world.clock)
    with registered({"shop": connector, "ledger": kit.LedgerConnector(), "cloud": CloudConnector(cloud, LISTED)}):
        try:
            program = compiled(text)
            with world.store.write() as tx:
                connect(tx, world)
            yield ListBench(world, program, shop, connector, cloud=cloud)
        finally:
            world.store.close()


def bill(source_id: str = "b-1", vendor: str = "Acme", code: str | None = None) -> dict[str, object]:
    """A bill of a vendor."""
    return kit.bill(source_id, vendor={"id": f"v-{vendor}", "name": vendor, "code": code})
