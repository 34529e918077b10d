"""The business itself, its entities, departments and users: small lists that are only read."""

from __future__ import annotations

from connectors.ramp.simulator.records import Account, Department, Entity, User
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    check_uuid,
    flag,
    identifier,
    not_found,
    page,
    reply,
    text_time,
)
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply

_CLASSES = {"CARD": "CREDCARD", "ACCOUNTS_PAYABLE": "LIABILITY", "LIABILITY": "LIABILITY"}


def get_business(world: World, _request: Request) -> HttpReply:
    """GET /business."""
    body: JsonObject = {
        "active": True,
        "billing_address": {
            "address1": "123 Main St",
            "city": "New York City",
            "country": "US",
            "postal_code": "10003",
            "state": "NY",
        },
        "business_name_legal": world.primary_entity().name,
        "business_name_on_card": world.primary_entity().name,
        "created_time": text_time(world.primary_entity().created_at),
        "enforce_sso": False,
        "id": world.business_id,
        "initial_approved_limit": 2_000_000,
        "is_integrated_with_slack": False,
        "is_reimbursements_enabled": True,
        "limit_locked": False,
        "phone": "8014441234",
        "website": "www.example.com",
    }
    return reply(200, body)


def list_entities(world: World, request: Request) -> HttpReply:
    """GET /entities."""
    currency, name, primary = request.get("currency"), request.get("entity_name"), flag(request, "is_primary")

    def keep(entity: Entity) -> bool:
        return (
            (currency is None or entity.currency == currency)
            and (name is None or entity.name == name)
            and (primary is None or entity.is_primary is primary)
        )

    return page(request, list(world.entities.values()), keep, lambda entity: show_entity(world, entity))


def get_entity(world: World, request: Request) -> HttpReply:
    """GET /entities/{id}."""
    found = world.entities.get(check_uuid(request.params[0], "entity_id"))
    if found is None:
        raise not_found("Entity")
    return reply(200, show_entity(world, found))


def show_entity(world: World, entity: Entity) -> JsonObject:
    """An entity with the accounts that its cards, bills and transfers post to."""
    return {
        "accounts": [_account(world, entity, usage, account) for usage, account in entity.accounts],
        "currency": entity.currency,
        "entity_name": entity.name,
        "id": entity.id,
        "is_primary": entity.is_primary,
        "location_ids": [],
    }


def _account(world: World, entity: Entity, usage: str, account: Account) -> JsonObject:
    kind = next((value for part, value in _CLASSES.items() if part in usage), "ASSET")
    bank = world.names.fixed("bank_account", entity.id) if "BANK" in usage else None
    return {
        "bank_account_id": bank,
        "classification": kind,
        "created_at": text_time(entity.created_at),
        "external_id": account.external_id,
        "external_name": account.name,
        "internal_id": account.code or account.external_id,
        "usage_type": usage,
    }


def list_departments(world: World, request: Request) -> HttpReply:
    """GET /departments."""
    return page(request, list(world.departments.values()), lambda _row: True, show_department)


def get_department(world: World, request: Request) -> HttpReply:
    """GET /departments/{id}."""
    found = world.departments.get(check_uuid(request.params[0], "department_id"))
    if found is None:
        raise not_found("Department")
    return reply(200, show_department(found))


def show_department(department: Department) -> JsonObject:
    """A department."""
    return {"id": department.id, "name": department.name}


def list_users(world: World, request: Request) -> HttpReply:
    """GET /users."""
    role, email = request.get("role"), request.get("email")
    department, entity = identifier(request, "department_id"), identifier(request, "entity_id")

    def keep(user: User) -> bool:
        wanted = ((role, user.role), (email, user.email), (department, user.department_id), (entity, user.entity_id))
        return all(value is None or value == is_ for value, is_ in wanted)

    return page(request, list(world.users.values()), keep, lambda user: show_user(world, user))


def get_user(world: World, request: Request) -> HttpReply:
    """GET /users/{id}."""
    found = world.users.get(check_uuid(request.params[0], "user_id"))
    if found is None:
        raise not_found("User")
    return reply(200, show_user(world, found))


def show_user(world: World, user: User) -> JsonObject:
    """A user."""
    return {
        "business_id": world.business_id,
        "custom_fields": [],
        "department_id": user.department_id,
        "email": user.email,
        "employee_id": world.names.fixed("employee", user.id),
        "entity_id": user.entity_id,
        "first_name": user.first_name,
        "id": user.id,
        "is_manager": user.role != "BUSINESS_USER",
        "last_name": user.last_name,
        "location_id": None,
        "manager_id": None,
        "phone": "8004559999",
        "role": user.role,
        "status": "USER_ACTIVE",
    }
