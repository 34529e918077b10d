"""The simulated business: everything it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from connectors._simulated import Names
from connectors.ramp.simulator.outrecords import Cashback, Reimbursement, Transfer, VendorCredit
from connectors.ramp.simulator.records import (
    Account,
    Bill,
    Connection,
    Delivery,
    Department,
    Draft,
    Entity,
    FailedMark,
    GlAccount,
    Mark,
    Options,
    Profile,
    Receipt,
    Selection,
    Subscription,
    Transaction,
    User,
    Vendor,
)
from connectors.ramp.simulator.shelf import Entry, Shelf, Shelves
from engine.clock import Clock
from engine.dataclass import dataclass

PREFIX = "/developer/v1"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object; `detail` is extra text of the event's object, such as a sync_request_id."""

    id: str
    type: str
    at: datetime
    object_id: str
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A press of the sync button: rows of `table` not answered before the deadline fail by themselves."""

    id: str
    sync_type: str
    table: str
    object_ids: frozenset[str]
    deadline: datetime
    answered: frozenset[str] = frozenset()


@dataclass(slots=True)
class World:
    """All state of one business. Objects are frozen and exchanged whole; the simulator's lock guards every change."""

    names: Names
    clock: Clock
    profile: Profile
    options: Options
    business_id: str = ""
    bills: dict[str, Bill] = field(default_factory=dict)
    vendors: dict[str, Vendor] = field(default_factory=dict)
    transactions: dict[str, Transaction] = field(default_factory=dict)
    reimbursements: dict[str, Reimbursement] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    cashbacks: dict[str, Cashback] = field(default_factory=dict)
    vendor_credits: dict[str, VendorCredit] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    entities: dict[str, Entity] = field(default_factory=dict)
    departments: dict[str, Department] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    chart: Shelves = field(default_factory=Shelves)
    marks: list[Mark] = field(default_factory=list)
    failed: list[FailedMark] = field(default_factory=list)
    exported: list[tuple[str, str]] = field(default_factory=list)
    sync_calls: dict[str, tuple[str, str]] = field(default_factory=dict)
    sync_requests: dict[str, SyncRequest] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    outage: bool = False

    @property
    def now(self) -> datetime:
        """The simulated time."""
        return self.clock.now()

    @property
    def accounts(self) -> dict[str, GlAccount]:
        """GL accounts of the active connection, by their id in the accounting system."""
        return {entry.external_id: gl_account(entry) for entry in self.gl_accounts().rows}

    def gl_accounts(self) -> Shelf:
        """The shelf of the active connection's GL accounts."""
        active = self.connection()
        return self.chart.of(active.id if active else "", "accounts")

    def accounting_vendors(self) -> Shelf:
        """The shelf of the active connection's accounting vendors."""
        active = self.connection()
        return self.chart.of(active.id if active else "", "vendors")

    def connection(self) -> Connection | None:
        """The one active accounting connection."""
        return next((item for item in self.connections.values() if item.is_active), None)

    def provider(self, selection: Selection) -> str:
        """The integrator whose external ids a selection carries."""
        if selection.provider is not None:
            return selection.provider
        active = self.connection()
        return active.provider if active else ""

    def primary_entity(self) -> Entity:
        """The entity that objects belong to unless told otherwise."""
        return next(item for item in self.entities.values() if item.is_primary)

    def emit(self, kind: str, object_id: str, **detail: str) -> None:
        """Queue an event for the webhook subscriptions."""
        self.events.append(Event(self.names.uuid("event"), kind, self.now, object_id, tuple(detail.items())))

    def change_bill(self, bill_id: str, **changes: Any) -> Bill:
        """Exchange a bill for a changed one."""
        self.bills[bill_id] = replace(self.bills[bill_id], **changes)
        return self.bills[bill_id]

    def change_transaction(self, transaction_id: str, **changes: Any) -> Transaction:
        """Exchange a transaction for a changed one, updated now."""
        found = self.transactions[transaction_id]
        self.transactions[transaction_id] = replace(found, **{"updated_at": self.now, **changes})
        return self.transactions[transaction_id]

    def tables(self) -> Mapping[str, dict[str, Any]]:
        """The records that are NOT_SYNC_READY, SYNC_READY or SYNCED, by the name that the API has for them."""
        return {
            "transactions": self.transactions,
            "reimbursements": self.reimbursements,
            "transfers": self.transfers,
            "cashbacks": self.cashbacks,
        }


def requested_ids(world: World, table: str) -> frozenset[str]:
    """What a press of the sync button still waits for."""
    open_requests = [item for item in world.sync_requests.values() if item.table == table]
    return frozenset(object_id for item in open_requests for object_id in item.object_ids - item.answered)


def gl_account(entry: Entry) -> GlAccount:
    """An entry of the chart as what bills and transactions are coded to."""
    account = Account(entry.external_id, entry.name, entry.code)
    return GlAccount(entry.id, account, str(entry.more.get("classification")), entry.created_at, entry.is_active)


def bill_ready(world: World, bill: Bill) -> bool:
    """The `sync_ready` view of bills: approved, kept, wanted in the books, and something left to sync."""
    approved = bill.approval == "APPROVED" or (bill.approval is None and world.options.unstated_approval_is_ready)
    if not approved or bill.archived_at is not None or not bill.enable_accounting_sync:
        return False
    return bill.sync_status == "NOT_SYNCED" or (bill.sync_status == "BILL_SYNCED" and bill.status == "PAID")


def founded(seed: int, clock: Clock, profile: Profile, options: Options) -> World:
    """A business with one entity, two departments, three users and, unless told otherwise, an accounting connection."""
    names = Names(seed)
    world = World(
        names=names, clock=clock, profile=profile, options=options, business_id=names.fixed("business", "only")
    )
    now = world.now
    entity = Entity(names.uuid("entity"), "Sushi Luncheonette LLC", options.currency, is_primary=True, created_at=now)
    world.entities[entity.id] = entity
    for title in ("Operations", "Kitchen"):
        department = Department(names.uuid("department"), title)
        world.departments[department.id] = department
    first = next(iter(world.departments))
    people = (
        ("Amélie", "Okafor", "BUSINESS_OWNER"),
        ("Jun", "Takahashi", "BUSINESS_USER"),
        ("Rosa", "Núñez", "BUSINESS_BOOKKEEPER"),
    )
    for given, family, role in people:
        user = User(names.uuid("user"), given, family, f"user{len(world.users)}@example.com", role, first, entity.id)
        world.users[user.id] = user
    if options.provider is not None:
        made = Connection(
            names.uuid("connection"),
            options.provider,
            options.connection,
            is_active=True,
            created_at=now,
            linked_at=now,
        )
        world.connections[made.id] = made
    return world
