"""A shop whose bills are matched with the card charges of a cloud, and whose vendors are made there when a bill wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from engine.contract import ListObject
from engine.follow import Hand
from engine.operator import targets, worklist
from engine.program import FlowProgram, compile_flow
from engine.registry import registered
from engine.spec import FieldSpec, ListSpec, RequestSpec
from engine.store import companies, lists, records
from engine.testing import memory_world
from tests.engine import kit
from tests.engine.kit import AT, COMPANY
from tests.engine.push_kit import CLOUD, Cloud, CloudBench, CloudConnector

NAME = "shop_to_cloud"
_BILLS = """
    trigger: {every: 1h}
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number, date: date}
"""
_HEAD = f"""
flow: {NAME}
version: 1
connections:
  shop: {{connector: shop}}
  cloud: {{connector: cloud}}
"""
MATCHED = f"""{_HEAD}
lookups:
  card: {{target: cloud.charges, match: [mapped]}}
streams:
  bills:{_BILLS}
    map:
      charge: match('card', id, candidates('card', amount, currency, date, `3`)).list_id
      vendor: vendor.name
      number: number
      amount: money(amount)
    write:
      to: cloud
      one_of:
        - {{when: charge, request: ChargeCode}}
        - {{when: "waited('card', root().date, `5`)", request: BillCreate}}
"""
WANTED = f"""{_HEAD}
lookups:
  vendor: {{target: cloud.vendors, match: [mapped, exact_name]}}
streams:
  vendors:
    trigger: {{every: 6h}}
    fetch: {{from: shop, stream: vendors}}
    key: id
    about: {{party: name}}
    select:
      - {{only: "status != 'closed'", say: the vendor is closed}}
      - {{only: "wanted('vendor', id)", say: nothing is owed to the vendor}}
    adopt: find('vendor', id, name)
    map: {{name: name}}
    check:
      - {{expect: name != 'Nobody', say: the vendor has no name}}
    write: {{to: cloud, request: VendorCreate}}
    provide: {{lookup: vendor, key: id}}
  bills:
    after: [vendors]{_BILLS}
    map:
      vendor: lookup('vendor', vendor.id).list_id
      number: number
      amount: money(amount)
    write: {{to: cloud, request: BillCreate}}
"""
_CHARGE = (
    FieldSpec("list_id", "id", "its id"),
    FieldSpec("full_name", "text", "whom it paid"),
    FieldSpec("amount", "money", "how much"),
    FieldSpec("currency", "text", "its currency"),
    FieldSpec("date", "date", "when"),
)
_CODED = (
    FieldSpec("charge", "id", "which charge", required=True),
    FieldSpec("number", "text", "what for", required=True),
)
SPEC = replace(
    CLOUD,
    lists=(*CLOUD.lists, ListSpec("charges", "card charges", _CHARGE)),
    requests=(*CLOUD.requests, RequestSpec("ChargeCode", "code a charge", documents="json", fields=_CODED)),
)


def charge(
    list_id: str, date: str = "2026-02-27", amount: str = "100.00", currency: str = "EUR", **more: object
) -> ListObject:
    """A charge that fits `kit.bill`."""
    active = bool(more.pop("active", True))
    data = {"amount": amount, "currency": currency, "date": date, **more}
    return ListObject(list_id, "Staples", active=active, data=data)


@cache
def compiled(text: str) -> FlowProgram:
    """The program of a sound flow between the bench's connectors, made once."""
    return compile_flow(kit.flow(text, f"{NAME}.yaml"))


@contextmanager
def bench(text: str) -> Iterator[CloudBench]:
    """A bench with an empty cloud, whose lists were read and hold nothing."""
    shop = kit.Shop()
    connector = kit.ShopConnector(shop)
    world = memory_world()
    cloud = Cloud(world.clock)
    with registered({"shop": connector, "cloud": CloudConnector(cloud, SPEC)}):
        try:
            program = compiled(text)
            with world.store.write() as tx:
                companies.add(tx, COMPANY, COMPANY.title(), AT)
                companies.put_connection(tx, COMPANY, "shop", "shop", {"region": "eu"}, AT)
                companies.put_secret(tx, world.vault, COMPANY, "shop", "api_key", "k-1", AT)
                companies.put_connection(tx, COMPANY, "cloud", "cloud", {}, AT)
            made = CloudBench(world, program, shop, connector, cloud=cloud)
            listed(made, "charges")
            listed(made, "vendors")
            yield made
        finally:
            world.store.close()


def listed(bench: CloudBench, name: str, *objects: ListObject) -> int:
    """The list of the cloud was read and holds these; returns how many records woke."""
    name = f"cloud.{name}"
    with bench.world.store.write() as tx:
        at = bench.world.at()
        lists.store_page(tx, COMPANY, name, objects, first=True)
        lists.finish(tx, COMPANY, name, at)
        return records.wake(tx, COMPANY, at, "flowctl", f"list:{name}")


def mapped(bench: CloudBench, lookup: str, key: str, target: str) -> int:
    """A person maps a key; returns how many records woke."""
    flow = bench.program.flow
    entry = flow.lookup(lookup)
    assert entry is not None
    with bench.world.store.write() as tx:
        found = targets.find_target(tx, COMPANY, flow, entry, target)
        row = lists.Mapping(flow.name, lookup, key, found.full_name, found.list_id)
        return worklist.save_mapping(tx, Hand(COMPANY, bench.world.at(), "ann"), flow, row)


def claims(bench: CloudBench) -> dict[str, str]:
    """Which record has which charge."""
    found = {}
    with bench.world.store.read() as tx:
        for list_id in (f"t-{number}" for number in range(1, 10)):
            scope = {"company": COMPANY, "flow": NAME, "lookup": "card", "list_id": list_id}
            row = tx.one("claim_get", scope)
            if row is not None:
                found[list_id] = row["source_id"]
    return found


def written(bench: CloudBench) -> Sequence[str]:
    """What the cloud was given, in order."""
    return [
        f"{item.get('number') or item.get('name')} {item.get('charge', '')}".strip()
        for item in bench.cloud.objects.values()
    ]
