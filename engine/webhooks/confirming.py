"""Confirms handshakes of webhooks to their vendor: kept by whoever is called, done by the worker, never while a call waits.

A handshake comes unsigned, and confirming it costs calls to the vendor. So it is kept only for an hour after a person asked for
webhooks, and only so many at once: whoever finds the address can neither fill the store nor use up the vendor's limits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import closing, nullcontext
from datetime import timedelta
from typing import Literal

from engine.clock import from_iso, iso
from engine.contract import Handshake
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import FlowctlError, Rejected, StoreBusy, StoreError
from engine.log import logger
from engine.retry import later_s
from engine.store import companies, facts, journal, keys, work
from engine.store.base import Row, Tx
from engine.vault import SealBroken
from engine.webhooks.handshakes import Confirmed, Confirms
from engine.world import World

EXPECTED_S = 3600.0
MOST_WAITING = 20
# A process that is confirming may take so long until another does.
CLAIM_S = 120.0
# Longer than anything is put off.
_LONGEST_S = 1200.0
# Whoever could not be reached for a day has to be asked by a person again.
_PATIENCE = timedelta(days=1)
_FIELD = "handshake"
# Of the secrets that calls are signed with, the newest so many are kept: a callback has one, and is seldom made anew.
_MOST_SECRETS = 32


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many handshakes of a connection wait, and how often the one that was tried most often was tried."""

    count: int
    attempts: int


def expect(world: World, company: str, connection: str) -> None:
    """A person asks for webhooks now: handshakes that come within an hour are kept."""
    until = iso(world.clock.now() + timedelta(seconds=EXPECTED_S))
    with world.store.write(company) as tx:
        facts.remember(tx, company, world.at(), _expected(connection), {"until": until})


def keep(world: World, company: str, connection: str, handshake: Handshake) -> Literal["kept", "known", "unexpected"]:
    """Make a handshake durable before it is answered, unless it is known, or nobody waits for one.

    Raises:
        StoreBusy: when too many wait already, so that it is sent again.
    """
    at = world.at()
    with world.store.read(company) as tx:  # it comes unsigned: nobody waits for a stranger's to be written
        expected = facts.recall(tx, company, _expected(connection))
    if expected is None or str(expected.get("until")) < at:
        return "unexpected"
    digest = _digest(world, company, connection, handshake)
    scope = {"company": company, "connection": connection, "digest": digest}
    kept = json.dumps({"challenge": handshake.challenge, "subject": handshake.subject})
    with world.store.write(company) as tx:
        if tx.one("handshake_known", scope) is not None:
            return "known"
        if waiting(tx, company, connection).count >= MOST_WAITING:
            raise StoreBusy(f"{company}/{connection}: {MOST_WAITING} handshakes of webhooks wait to be confirmed")
        sealed = keys.seal(tx, world.vault, keys.Place(company, connection, _FIELD), kept, at)
        tx.run("handshake_insert", {**scope, "key_id": sealed.key_id, "sealed": sealed.data, "at": at})
        return "kept"


def waiting(tx: Tx, company: str, connection: str) -> Waiting:
    """What is not confirmed yet."""
    row = tx.one("handshakes_waiting", {"company": company, "connection": connection})
    return Waiting(row["waiting"], row["attempts"] or 0) if row is not None else Waiting(0, 0)


def companies_due(world: World, tx: Tx) -> tuple[str, ...]:
    """The companies in which something is due."""
    return tuple(row["company"] for row in tx.rows("handshakes_due_of", _now(world)))


def confirm_due(world: World, company: str | None = None) -> int:
    """Confirm what is due, in any company or in one; returns how many their vendors took."""
    with world.store.read() as tx:
        rows = tx.rows("handshakes_due", _now(world))
    return sum(_one(world, row) for row in rows if company in (None, row["company"]))


def _now(world: World) -> dict[str, str]:
    # Nothing is put off for longer: a later time was noted by a clock that was ahead.
    return {"at": world.at(), "latest": iso(world.clock.now() + timedelta(seconds=_LONGEST_S))}


def _one(world: World, row: Row) -> bool:
    company, connection = row["company"], row["connection"]
    scope = {"company": company, "connection": connection, "digest": row["digest"]}
    until = iso(world.clock.now() + timedelta(seconds=CLAIM_S))
    with world.store.write(company) as tx:
        claimed = tx.one("handshake_claim", {**scope, "until": until, "seen": row["next_at"]})
        if claimed is None:
            return False  # another process confirms it
        opened = _opened(tx, world, claimed)
    try:
        if isinstance(opened, SealBroken):
            raise opened
        kept = json.loads(opened)
        confirmed = _ask(world, company, connection, Handshake(kept["challenge"], {}, kept["subject"], confirm=True))
    except StoreError:
        raise
    except FlowctlError as error:
        _failed(world, row, scope, error)
        return False
    with world.store.write(company) as tx:
        _keep_secret(world, tx, company, connection, confirmed)
        tx.run("handshake_done", scope)
        tx.run("handshakes_prune", {"company": company, "before": iso(world.clock.now() - 2 * _PATIENCE)})
        detail = {"connection": connection, "subscription": confirmed.id}
        journal.append(tx, company, world.at(), "worker", [journal.Entry("webhook_confirmed", detail=detail)])
        work.resolve_alert(tx, company, "webhook", connection, world.at())
    logger().info("webhook confirmed", company=company, connection=connection)
    return True


def _opened(tx: Tx, world: World, row: Row) -> str | SealBroken:
    """What was kept; opened where it is read, since a rotation may seal it anew the moment after."""
    place = keys.Place(row["company"], row["connection"], _FIELD)
    try:
        return keys.unseal(tx, world.vault, place, keys.Sealed(row["key_id"], bytes(row["sealed"])))
    except SealBroken as error:
        return error


def _ask(world: World, company: str, connection: str, handshake: Handshake) -> Confirmed:
    opened = world.open(company, connection)
    with closing(opened) if callable(getattr(opened, "close", None)) else nullcontext():
        if not isinstance(opened, Confirms):
            raise Rejected(f"{company}/{connection}: its connector confirms no webhooks any more")
        return opened.confirm_webhook(handshake)


def _keep_secret(world: World, tx: Tx, company: str, connection: str, confirmed: Confirmed) -> None:
    """Add the secret to those that are kept, as they are now: several are confirmed one after another."""
    if not confirmed.secret:
        return
    before = (companies.secret(tx, world.vault, company, connection, confirmed.joins) or "").split()
    if confirmed.secret not in before:
        joined = " ".join([*before, confirmed.secret][-_MOST_SECRETS:])
        companies.put_secret(tx, world.vault, company, connection, confirmed.joins, joined, world.at())


def _failed(world: World, row: Row, scope: dict[str, str], error: FlowctlError) -> None:
    """Give up what the vendor does not know, or could not be asked about for a day; try anything else again."""
    company, connection = row["company"], row["connection"]
    given_up = isinstance(error, Rejected) or from_iso(row["received_at"]) < world.clock.now() - _PATIENCE
    wait = later_s(row["attempts"], world.ids.fraction(), base_s=5.0, cap_s=600.0)
    with world.store.write(company) as tx:
        if given_up:
            tx.run("handshake_drop", scope)
            hint = f"run `flowctl webhook {connection}{of_company(company)} --url ADDRESS` to have a genuine one sent again"
            alert = work.Alert("webhook", connection, f"a webhook was not confirmed: {error}", hint)
            work.raise_alert(tx, company, alert, world.at())
        else:
            tx.run("handshake_later", {**scope, "next": iso(world.clock.now() + timedelta(seconds=wait))})
    logger().warning("webhook not confirmed", company=company, connection=connection, error=str(error), hint=error.hint)


def _digest(world: World, company: str, connection: str, handshake: Handshake) -> str:
    """Names a handshake without telling it."""
    named = f"handshake\0{company}\0{connection}\0{handshake.subject}\0{handshake.challenge}"
    return hmac.new(world.vault.key, named.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _expected(connection: str) -> str:
    return f"handshakes:{connection}"
