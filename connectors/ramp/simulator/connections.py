"""The accounting connection: one active seat per business, tombstones, and the incumbent that answers a newcomer."""

from __future__ import annotations

from dataclasses import replace

from connectors.ramp.simulator.records import Connection
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    check_uuid,
    invalid,
    not_found,
    refused,
    reply,
    text_time,
)
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply

SETTINGS = (
    "entity_selection_enabled",
    "reimbursement_sync_button_enabled",
    "transaction_accounting_vendor_creation_on_sync_enabled",
    "transaction_sync_button_enabled",
    "vendor_credits_enabled",
)


def list_connections(world: World, _request: Request) -> HttpReply:
    """GET /accounting/all-connections: an object, not a page."""
    return reply(200, {"connections": [show_connection(world, item) for item in world.connections.values()]})


def get_connection(world: World, _request: Request) -> HttpReply:
    """GET /accounting/connection, deprecated: the active one, or an empty answer."""
    active = world.connection()
    return reply(200, {} if active is None else show_connection(world, active))


def get_one_connection(world: World, request: Request) -> HttpReply:
    """GET /accounting/connection/{id}, since 2026."""
    return reply(200, show_connection(world, _find(world, request)))


def post_connection(world: World, request: Request) -> HttpReply:
    """POST /accounting/connection: seen live, the active API connection answers whoever asks for a new one."""
    body = request.json()
    name = body.get("remote_provider_name")
    if not isinstance(name, str) or not name:
        raise invalid({"remote_provider_name": ["Missing data for required field."]})
    settings = _settings(world, body)
    active = world.connection()
    if world.profile == "2026-08" and body.get("is_active") is False:
        return reply(201, show_connection(world, _inactive(world, name, settings)))
    if active is not None and active.kind == "API":
        return reply(201, show_connection(world, active))
    if active is not None and active.kind == "DIRECT":
        # ASSUMED: a direct integration keeps the seat; no source shows this answer.
        raise refused("A direct accounting integration is already connected.")
    if active is not None:
        # "If a Universal CSV connection already exists, it will be upgraded to an API based connection."
        made = replace(active, provider=name, kind="API", settings=settings, linked_at=world.now)
    else:
        now = world.now
        made = Connection(
            world.names.uuid("connection"),
            name,
            "API",
            is_active=True,
            created_at=now,
            linked_at=now,
            settings=settings,
        )
    world.connections[made.id] = made
    return reply(201, show_connection(world, made))


def _inactive(world: World, name: str, settings: tuple[tuple[str, bool], ...] | None) -> Connection:
    """A connection to move to, beside the one that is active (seed 003).

    ASSUMED: an API connection that is active answers here too, as it answers any other newcomer.
    """
    active = world.connection()
    if active is not None and active.kind == "API" and world.options.incumbent_answers_inactive:
        return active
    made = Connection(
        world.names.uuid("connection"),
        name,
        "API",
        is_active=False,
        created_at=world.now,
        linked_at=None,
        settings=settings,
    )
    world.connections[made.id] = made
    return made


def ready_to_migrate(world: World, request: Request) -> HttpReply:
    """POST /accounting/connection/{id}/ready-to-migrate: the four conditions of seed 003."""
    found, active = _find(world, request), world.connection()
    if found.kind != "API" or found.is_active:
        raise refused("Only an inactive API connection can be made ready to migrate.")
    if active is None:
        raise refused("There is no active accounting connection to migrate from.")
    if found.is_ready:
        raise refused("The accounting connection is ready to migrate already.")
    if any(item.is_ready for item in world.connections.values()):
        raise refused("Another migration is in progress.")
    world.connections[found.id] = replace(found, is_ready=True)
    return reply(200, show_connection(world, world.connections[found.id]))


def switch_provider(world: World, connection_id: str) -> None:
    """What the customer does in Ramp's pages at the end of a migration: the prepared connection takes the seat."""
    active = world.connection()
    if active is not None:
        world.connections[active.id] = replace(active, is_active=False, settings=None)
    found = world.connections[connection_id]
    world.connections[connection_id] = replace(found, is_active=True, is_ready=False, linked_at=world.now)


def delete_connection(world: World, _request: Request) -> HttpReply:
    """DELETE /accounting/connection: leaves a tombstone in the list."""
    active = world.connection()
    if active is None:
        raise not_found("Accounting connection")
    world.connections[active.id] = replace(active, is_active=False, settings=None)
    return reply(204)


def reactivate_connection(world: World, request: Request) -> HttpReply:
    """POST /accounting/connection/{id}/reactivate: refused while another is active."""
    found = _find(world, request)
    active = world.connection()
    if active is not None and active.id != found.id:
        raise refused("Another accounting connection is active.")
    world.connections[found.id] = replace(found, is_active=True, linked_at=world.now)
    return reply(200, show_connection(world, world.connections[found.id]))


def patch_connection(world: World, request: Request) -> HttpReply:
    """PATCH /accounting/connection/{id}, since 2026: settings of an API connection only."""
    found = _find(world, request)
    if found.kind != "API" or not found.is_active:
        raise refused("Settings can be changed on an active API connection only.")
    changed = dict(found.settings or ()) | dict(_settings(world, request.json()) or ())
    world.connections[found.id] = replace(found, settings=tuple(changed.items()))
    return reply(200, show_connection(world, world.connections[found.id]))


def _find(world: World, request: Request) -> Connection:
    found = world.connections.get(check_uuid(request.params[0], "connection_id"))
    if found is None:
        raise not_found("Accounting connection")
    return found


def _settings(world: World, body: JsonObject) -> tuple[tuple[str, bool], ...] | None:
    given = body.get("settings")
    if given is None or world.profile == "2025-08":
        return None
    if not isinstance(given, dict):
        raise invalid({"settings": ["Invalid input type."]})
    errors = {name: ["Not a valid boolean."] for name, value in given.items() if not isinstance(value, bool)}
    errors |= {name: ["Unknown field."] for name in given if name not in SETTINGS}
    if errors:
        raise invalid(errors)
    return tuple(given.items())


def show_connection(world: World, connection: Connection) -> JsonObject:
    """A connection; its status is deprecated and its case differs between schema and examples."""
    body: JsonObject = {
        "created_at": text_time(connection.created_at),
        "id": connection.id,
        "is_active": connection.is_active,
        "last_linked_at": text_time(connection.linked_at),
        "remote_provider_name": connection.provider,
        "status": "linked" if connection.is_active else "unlinked",
    }
    if world.profile == "2026-08":
        shown = connection.kind == "API" and connection.is_active
        body |= {
            "connection_type": connection.kind,
            "is_ready_to_migrate": connection.is_ready,
            "settings": {name: connection.setting(name) for name in SETTINGS} if shown else None,
        }
    return body
