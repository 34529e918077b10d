"""What takes longer to look at: permissions of vendors, the newest comparison of both sides, the disk, dead channels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from engine import reconcile
from engine.alerting.finding import Condition
from engine.alerting.rules import HOUSE, Settings
from engine.clock import iso
from engine.connections.authorizing import Authorizes, Permission
from engine.contract import Binding
from engine.diagnostics import of_company
from engine.durable import served
from engine.errors import FlowctlError, StoreError
from engine.operator.worklist import sums
from engine.program import FlowProgram
from engine.reconcile import Difference, keeping
from engine.store import companies, spans, work
from engine.store.base import Row, Tx
from engine.world import World

# So many messages in a row did not arrive: a passing fault is no news.
DEAD_AFTER = 3


def tokens(world: World, company: str, rule: Settings) -> Iterator[Condition]:
    """Permissions that end soon, have ended, or may be lost."""
    if not rule.on:
        return
    with world.store.read(company) as tx:
        connections = tuple(companies.connectors(tx, company))
    for connection in connections:
        try:
            connector, binding = world.bound(company, connection)
        except StoreError:
            raise  # nobody knows how it is: that is no reason to say that all is well again
        except FlowctlError:
            continue  # not connected properly: the first read says so, and that is an alert of its own
        if not isinstance(connector, Authorizes):
            continue
        found = _permission(world, binding, connector)
        title = _ending(world, found, rule.numbers["days"])
        if title:
            hint = f"run `flowctl connect {connection}{of_company(company)}` and allow it on the page that it shows"
            detail = found.doubt if found is not None else ""
            place = f"/c/{company}"
            yield Condition("token", connection, f"{connection}: {title}", detail, hint, place)


def _permission(world: World, binding: Binding, connector: Authorizes) -> Permission | None:
    with world.store.read(binding.company) as tx:
        token = companies.token(tx, world.vault, binding.company, binding.connection)
    return connector.permission(binding, token)


def _ending(world: World, found: Permission | None, days: int) -> str:
    """What is wrong with a permission; empty when nothing is."""
    if found is None:
        return "nobody has allowed flowctl to read this account, or the permission is gone"
    if found.dies_at is not None and found.dies_at <= world.clock.now():
        return f"the permission ended on {found.dies_at:%Y-%m-%d}"
    if found.dies_at is not None and found.dies_at - world.clock.now() <= timedelta(days=days):
        return f"the permission ends on {found.dies_at:%Y-%m-%d}"
    return "the permission may be lost" if found.doubt else ""


def differences(tx: Tx, company: str, programs: Mapping[str, FlowProgram], rule: Settings) -> Iterator[Condition]:
    """What the newest comparison of both sides has found, without what a person has accepted."""
    answered = spans.newest(tx, company) if rule.on else None
    if answered is None:
        return
    try:
        found = _open(tx, company, answered["id"], programs)
    except StoreError:
        raise  # as above
    except FlowctlError:
        return  # `flowctl reconcile` says what is wrong
    if found:
        money = sums((each.currency, each.source if each.source is not None else each.books) for each in found)
        noun = "difference" if len(found) == 1 else "differences"
        title = f"the comparison from {answered['first_on']} to {answered['last_on']} has {len(found)} {noun}"
        hint = f"`flowctl reconcile{of_company(company)}` shows each and what to do"
        yield Condition(
            "reconcile",
            "differences",
            title,
            found[0].what,
            hint,
            f"/c/{company}",
            len(found),
            money,
            answered["answered_at"],
        )


def _open(tx: Tx, company: str, span: int, programs: Mapping[str, FlowProgram]) -> list[Difference]:
    """The differences that nobody has decided about, as the kept report says, or a comparison now when there is none."""
    if keeping.kept(tx, company, span) is not None:
        return keeping.still_open(tx, span)
    return [each for each in reconcile.report(tx, company, programs).differences if not each.is_note]


def house(tx: Tx, world: World, rules: Mapping[str, Settings], home: Path | None) -> list[Condition]:
    """What belongs to no company."""
    found: list[Condition] = []
    if rules["disk"].on and home is not None:
        found += _disk(home, rules["disk"].numbers["free_mb"])
    if rules["channel"].on:
        found += [_dead(row) for row in tx.rows("alert_channels_failing", {}) if row["failures"] >= DEAD_AFTER]
    if rules["versions"].on:
        found += _versions(tx, world, rules["versions"].numbers["older_min"])
    if rules["stranded"].on:
        found += _stranded(tx, world, rules["stranded"].numbers["older_min"])
    strangers = work.refusals(tx, HOUSE, world.clock.now())
    if rules["sign_in"].on and strangers is not None and strangers.times >= rules["sign_in"].numbers["times"]:
        title = f"a Web Connector was refused as `{strangers.user}`, a user name that nobody has"
        hint = "install the file that `flowctl qwc` writes anew"
        detail = f"{strangers.times} times, last at {strangers.last_at[:16].replace('T', ' ')} UTC"
        found.append(Condition("sign_in", "strangers", title, detail, hint, "/companies"))
    return found


def _stranded(tx: Tx, world: World, older_min: int) -> Iterator[Condition]:
    """What a process left behind when it died, and what no process takes."""
    for subject in ("processes", "unknown"):
        row = tx.one("alert_open", {"company": HOUSE, "kind": "stranded", "subject": subject})
        if row is not None:
            yield Condition("stranded", subject, row["message"], "", row["hint"], "/companies", since_at=row["last_at"])
    late = iso(world.clock.now() - timedelta(minutes=older_min))
    for waiting in tx.rows("turns_open_count", {}):
        if waiting["state"] == "waiting" and waiting["first_at"] < late:
            title = f"work has waited for a process for more than {older_min} minutes"
            hint = "see that `flowctl serve` runs without --no-schedule somewhere, and what its log says of the durable engine"
            yield Condition(
                "stranded", "waiting", title, "", hint, "/companies", waiting["count"], since_at=waiting["first_at"]
            )


def _versions(tx: Tx, world: World, older_min: int) -> Iterator[Condition]:
    """What processes serve that is not the same in all of them."""
    for what in served.mixed(served.processes(world, tx)):
        if served.lasts_s(world, what) >= 60 * older_min:
            name = what.flow or "flowctl"
            yield Condition("versions", name, what.title, what.detail, what.hint, "/companies", since_at=what.since_at)


def _disk(home: Path, least_mb: int) -> Iterator[Condition]:
    try:
        free_mb = shutil.disk_usage(home).free >> 20
    except OSError:
        yield Condition("disk", "disk", "the disk of the store cannot be looked at", hint="look at the machine")
        return
    if free_mb < least_mb:
        hint = "free disk space: when none is left, nothing can be kept and posting stops"
        yield Condition("disk", "disk", f"less than {least_mb} MB are free where the store is", f"{free_mb} MB", hint)


def _dead(row: Row) -> Condition:
    whose = f" of {row['company']}" if row["company"] else ""
    hint = f"`flowctl alert test {row['name']}{of_company(row['company']) if row['company'] else ' --house'}`"
    place = f"/c/{row['company']}/alerts/settings" if row["company"] else "/alerts/settings"
    title = f"messages to the channel `{row['name']}`{whose} do not arrive"
    return Condition("channel", str(row["id"]), title, row["last_error"], hint, place, since_at=row["failing_since"])
