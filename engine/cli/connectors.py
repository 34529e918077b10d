"""`flowctl connectors`: what installed connectors offer, from their own descriptions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import ConnectorBroken, UnknownName

if TYPE_CHECKING:
    from engine.spec import ConnectorSpec, FieldSpec


@click.command()
@click.argument("name", required=False)
@common.format_option
def command(name: str | None, form: str) -> int:
    """List installed connectors, or show one: settings, streams with fields and filters, marks, requests, lists.

    Example: flowctl connectors ramp
    """
    from engine import registry

    if name is not None:
        found = registry.find(name)
        if found is None:
            raise UnknownName("connector", name, registry.names())
        if form == "json":
            common.echo_json(_as_json(found.spec))
        else:
            _show(found.spec)
        return 0
    specs, broken = [], 0
    for each in registry.names():
        try:
            connector = registry.find(each)
        except ConnectorBroken as error:
            broken += 1
            office.complain(error)
            continue
        if connector is not None:
            specs.append(connector.spec)
    if form == "json":
        common.echo_json([_as_json(spec) for spec in specs])
    else:
        rows = [(s.name, len(s.streams), len(s.requests), len(s.lists), s.title) for s in specs]
        common.table(rows, ["connector", "streams", "requests", "lists", "title"])
    return 1 if broken else 0


def _as_json(spec: ConnectorSpec) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(spec)


def _show(spec: ConnectorSpec) -> None:
    click.echo(f"{spec.name}: {spec.title}")
    click.echo(spec.help)
    click.echo("it calls us" if spec.delivery == "pull" else "we call it")
    if spec.stands_for:
        click.echo(f"it can be connected in the place of {', '.join(spec.stands_for)}")
    _section("settings", spec.settings)
    for stream in spec.streams:
        how = "a read lists all" if stream.changes == "all" else "with sweep a read lists changes"
        click.echo(f"\nstream {stream.name} (key {stream.key}; {how}): {stream.help}")
        _fields(stream.fields, "  ")
        if stream.filters:
            click.echo("  filters:")
            _fields(stream.filters, "    ")
        if stream.webhooks:
            click.echo(f"  webhooks: {', '.join(stream.webhooks)}")
    if spec.marks:
        click.echo("\nmarks:")
        for mark in spec.marks:
            tells = "" if mark.failures else "; cannot tell failures"
            click.echo(f"  {mark.name} ({', '.join(mark.streams)}{tells}): {mark.help}")
    if spec.requests:
        click.echo("\nrequests:")
        for request in spec.requests:
            click.echo(f"  {request.name} ({request.documents}): {request.meaning}")
            _fields(request.fields, "    ")
    if spec.lists:
        click.echo("\nlists:")
        for item in spec.lists:
            kept = "" if spec.delivery == "pull" else f" (kept for {item.refresh_s // 60} min)"
            click.echo(f"  {item.name}{kept}: {item.help}")
            _fields(item.fields, "    ")
    if spec.limits:
        click.echo("\nlimits:")
        for limit in spec.limits:
            click.echo(f"  {limit}")


def _section(title: str, fields: Iterable[FieldSpec]) -> None:
    listed = list(fields)
    if listed:
        click.echo(f"\n{title}:")
        _fields(listed, "  ")


def _fields(fields: Iterable[FieldSpec], indent: str) -> None:
    for field in fields:
        kind = f"list of {field.of}" if field.type == "list" else field.type
        notes = [kind]
        if field.required:
            notes.append("required")
        if field.secret:
            notes.append("secret")
        if field.default is not None:
            notes.append(f"default {str(field.default).lower() if isinstance(field.default, bool) else field.default}")
        if field.choices:
            notes.append(f"one of {', '.join(field.choices)}")
        click.echo(f"{indent}{field.name} ({'; '.join(notes)}): {field.help}")
        _fields(field.fields, indent + "  ")
