"""The part of a script that is about the accounting connection, webhooks, and the chart that came over the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator import webhooks
from connectors.ramp.simulator.chart import ACCOUNTS, VENDORS
from connectors.ramp.simulator.connections import SETTINGS
from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.records import Delivery, Subscription
from connectors.ramp.simulator.shelf import Entry
from connectors.ramp.simulator.story import Story, known
from connectors.ramp.simulator.world import World
from engine.contract import Json

CHART_PARTS = ("connection", "refuses", "webhooks")
_TITLES = {ACCOUNTS.name: "account", VENDORS.name: "accounting vendor"}


def tell_connection(story: Story, given: Json) -> None:
    """Change the active accounting connection, name what uploads are refused for, and subscribe to every event."""
    world = story.simulator.world
    if "connection" in given:
        change_connection(story, given["connection"])
    if "refuses" in given:
        world.options = replace(world.options, refused_names=tuple(given["refuses"]))
    if given.get("webhooks"):
        subscribe(world)


def change_connection(story: Story, given: Json) -> None:
    """The connection as `provider`, `kind` and its switches say; what is not given stays."""
    known("connection", given, ("provider", "kind", *SETTINGS))
    world = story.simulator.world
    active = world.connection()
    if active is None:
        return
    switches = {**dict(active.settings or ()), **{name: given[name] for name in SETTINGS if name in given}}
    fields: dict[str, Any] = {name: given[name] for name in ("provider", "kind") if name in given}
    world.connections[active.id] = replace(active, settings=tuple(switches.items()), **fields)


def subscribe(world: World) -> None:
    """The subscription that a company makes when it is set up, its challenge answered."""
    events = webhooks.OLD_EVENTS if world.profile == "2025-08" else webhooks.NEW_EVENTS
    made = Subscription(
        id=world.names.uuid("webhook"),
        url="https://localhost/webhooks/sim/ramp",
        event_types=tuple(sorted(events - {webhooks.VERIFICATION})),
        created_at=world.now,
        updated_at=world.now,
        status="active",
        secret=world.options.webhook_secret,
    )
    world.subscriptions[made.id] = made


def deliver(simulator: RampSimulator, send: Callable[[Mapping[str, str], bytes], int], how: str) -> list[str]:
    """Send webhooks: those that are due, `reversed`, all that were sent `again`, or the last one `forged`."""
    lines: list[str] = []

    def post(delivery: Delivery) -> int:
        status = send(dict(delivery.headers), delivery.body)
        lines.append(f"webhook {delivery.type}: {status}")
        return status

    if how in ("due", "reversed"):
        if how == "reversed":
            simulator.world.events.reverse()
        simulator.deliver(post)
        return lines
    known = [sent.delivery for sent in simulator.sent]
    for delivery in known if how == "again" else known[-1:]:
        headers = tuple(webhooks.signed_headers(simulator.world, delivery).items())
        body = delivery.body if how == "again" else delivery.body.replace(b"2026", b"2027")
        post(replace(delivery, headers=headers, body=body))
    return lines


def chart_contents(world: World) -> Iterator[str]:
    """The chart that calls of ours made, a line each; what is out of use or hidden says so."""
    active = world.connection()
    owner = active.id if active else ""
    for kind, title in _TITLES.items():
        yield from (_line(title, entry) for entry in world.chart.of(owner, kind).rows if entry.by_api)
    for field in world.chart.of(owner, "fields").rows:
        if field.by_api:
            yield _line("field", field)
        options = world.chart.of(owner, "field-options", field.id).rows
        yield from (_line(f"option of {field.external_id}", entry) for entry in options if entry.by_api)
    for kind, title in (("tax/rates", "tax rate"), ("tax/code/options", "tax code")):
        yield from (_line(title, entry) for entry in world.chart.of(owner, kind).rows if entry.by_api)


def linked_vendors(world: World) -> Iterator[str]:
    """Vendors of bills that stand for one of the accounting system."""
    for vendor in world.vendors.values():
        if vendor.accounting is not None:
            yield f"vendor {vendor.name} | linked to {vendor.accounting.external_id}"


def _line(title: str, entry: Entry) -> str:
    what: Mapping[str, Any] = entry.more
    parts = [entry.code, str(what.get("classification") or what.get("rate") or "")]
    parts += ["" if entry.is_active else "not in use", "hidden" if entry.visibility == "HIDDEN" else ""]
    return " | ".join([f"{title} {entry.name}", *(part for part in parts if part)])
