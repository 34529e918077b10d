"""Adding reimbursements, transfers, cashbacks and vendor credits the way they come about in Ramp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator.outrecords import Cashback, Reimbursement, Transfer, VendorCredit
from connectors.ramp.simulator.records import Account, Entity, Line, Money
from connectors.ramp.simulator.world import World


def add_reimbursement(world: World, paid: Money, *, lines: Sequence[Line] = (), **fields: Any) -> Reimbursement:
    """A new reimbursement; `fields` are those of `outrecords.Reimbursement`."""
    now = world.now
    user = list(world.users.values())[len(world.reimbursements) % len(world.users)]
    made = Reimbursement(
        id=world.names.uuid("reimbursement"),
        entity_id=world.primary_entity().id,
        user_id=user.id,
        merchant_name="Corner Taxi",
        paid=paid,
        spent=paid,
        spent_on=now.date(),
        created_at=now,
        updated_at=now,
        lines=tuple(lines) or (Line(paid.minor),),
    )
    made = replace(made, **fields)
    world.reimbursements[made.id] = made
    if made.sync_status == "SYNC_READY":
        world.emit("reimbursements.ready_to_sync", made.id)
    return made


def add_transfer(world: World, amount: Money, **fields: Any) -> Transfer:
    """A new transfer; no event tells of it."""
    names = world.names
    made = Transfer(
        names.uuid("transfer"), world.primary_entity().id, amount, world.now, names.uuid("transfer_payment")
    )
    made = replace(made, **fields)
    world.transfers[made.id] = made
    return made


def add_cashback(world: World, amount: Money, **fields: Any) -> Cashback:
    """A new cashback; no event tells of it."""
    made = replace(Cashback(world.names.uuid("cashback"), world.primary_entity().id, amount, world.now), **fields)
    world.cashbacks[made.id] = made
    return made


def add_credit(world: World, vendor_id: str, lines: Sequence[Line], **fields: Any) -> VendorCredit:
    """A new vendor credit, as people make it in Ramp's pages."""
    made = VendorCredit(
        id=world.names.uuid("vendor_credit"),
        entity_id=world.primary_entity().id,
        vendor_id=vendor_id,
        currency=world.options.currency,
        credited_on=world.now.date(),
        created_at=world.now,
        lines=tuple(lines),
    )
    made = replace(made, **fields)
    world.vendor_credits[made.id] = made
    return made


def add_entity(world: World, name: str, currency: str, accounts: Sequence[tuple[str, Account]] = ()) -> Entity:
    """One more legal entity, with the accounts that it uses, by usage type."""
    entity_id = world.names.uuid("entity")
    made = Entity(entity_id, name, currency, is_primary=False, created_at=world.now, accounts=tuple(accounts))
    world.entities[made.id] = made
    world.emit("entities.created", made.id)
    return made


def edit_entity(world: World, entity_id: str, **fields: Any) -> Entity:
    """Change an entity in Ramp's own pages, for example the accounts it uses."""
    world.entities[entity_id] = replace(world.entities[entity_id], **fields)
    return world.entities[entity_id]


def switch(world: World, **settings: bool) -> None:
    """Throw switches of the active accounting connection, for example `transaction_sync_button_enabled`."""
    active = world.connection()
    if active is not None:
        changed = {**dict(active.settings or ()), **settings}
        world.connections[active.id] = replace(active, settings=tuple(changed.items()))
