"""Creates the webhook subscription of a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from uuid import UUID

from connectors._http import Call, url_problem
from connectors.bill.client import BillClient, Reply
from connectors.bill.settings import Settings
from connectors.bill.spec import EVENTS, EVENTS_API
from engine.abilities import Standing
from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.errors import BadAnswer, Rejected

PATH = f"{EVENTS_API}/subscriptions"
# An organization may have this many (FACTS.md, Webhooks).
MOST = 10
_NAME = "flowctl"
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription as created; BILL shows the secret, its security key, only this once.

    `status` is `enabled`, `disabled`, or `not listed` where BILL does not list what it says it has made.
    """

    id: str
    status: str
    secret: str = field(repr=False)


def subscribe(client: BillClient, settings: Settings, url: str, events: Sequence[str]) -> Subscription:
    """Create a subscription.

    BILL answers the same key with the same answer for a day (FACTS.md, Webhooks), and the key depends on nothing but what
    is asked for: after a lost answer, asking again creates no second one and shows the same secret. A subscription that
    was deleted since then is answered too; the list shows that it is not there, and another key makes a new one.

    Raises:
        Rejected: for an unknown event, an address BILL would not call, or when the organization has too many.
        BadAnswer: for an answer without id and security key.
    """
    wanted = sorted(set(events)) or list(EVENTS)
    for event in wanted:
        if event not in EVENTS:
            raise Rejected(f"{client.where}: there is no event `{event}`", hint=suggestion(event, EVENTS))
    if not url.startswith("https://") or len(url) > 2000 or url_problem(url, frozenset({_host(url)})):
        raise Rejected(f"{client.where}: BILL calls only plain https:// addresses", hint="give the public address")
    _room(client, url, _all(client))
    body = {
        "name": _NAME,
        "status": {"enabled": True},
        "events": [{"type": event, "version": _VERSION} for event in wanted],
        "notificationUrl": url,
    }
    asked = (settings.owner(), url, *wanted)
    made = _create(client, _key(*asked), body)
    if made.id in _ids(_all(client)):
        return made
    # The salt is the one that is gone: asked again, also after a lost answer, the same second one is found.
    made = _create(client, _key(*asked, made.id), body)
    # The list may lag behind; the key is shown only now, and must not be lost.
    return made if made.id in _ids(_all(client)) else replace(made, status="not listed")


def _create(client: BillClient, key: str, body: Mapping[str, object]) -> Subscription:
    reply = client.send(Call("POST", PATH, headers={"X-Idempotent-Key": key}, json=dict(body)))
    made = reply.body if isinstance(reply.body, dict) else {}
    made_id, secret = made.get("id"), made.get("securityKey")
    if not isinstance(made_id, str) or not made_id or not isinstance(secret, str) or not secret:
        raise BadAnswer(f"{reply.where}: no subscription with `id` and `securityKey`")
    status = made.get("status")
    enabled = status.get("enabled") if isinstance(status, dict) else None
    return Subscription(made_id, "disabled" if enabled is False else "enabled", secret)


def _all(client: BillClient) -> list[object]:
    """The subscriptions of the organization, as BILL lists them."""
    found: list[object] = []
    following: str | None = None
    for _ in range(MOST):  # pages; whoever has more than so many has more than the limit
        query = {"page": following} if following else None
        rows, following = _listed(client.send(Call("GET", PATH, params=query)))
        found += rows
        if following is None:
            break
    return found


def standings(client: BillClient) -> list[Standing]:
    """The subscriptions as BILL lists them; it disables one whose address failed too often (FACTS.md, Webhooks)."""
    found = []
    for row in _all(client):
        if isinstance(row, dict):
            status = row.get("status")
            enabled = isinstance(status, dict) and status.get("enabled") is True
            address = str(row.get("notificationUrl") or "")
            found.append(Standing(str(row.get("id")), address, "enabled" if enabled else "disabled", enabled))
    return found


def _ids(rows: Sequence[object]) -> set[str]:
    return {str(row.get("id")) for row in rows if isinstance(row, dict)}


def _room(client: BillClient, url: str, rows: Sequence[object]) -> None:
    """Refuse when there is no room for another subscription; one that calls the same address may be ours."""
    addresses = [row.get("notificationUrl") if isinstance(row, dict) else None for row in rows]
    if len(addresses) >= MOST and url not in addresses:
        raise Rejected(
            f"{client.where}: the organization has {len(addresses)} webhook subscriptions, and BILL allows {MOST}",
            hint="delete one that is not used any more in BILL, then subscribe again",
        )


def _listed(reply: Reply) -> tuple[list[object], str | None]:
    """The subscriptions of an answer: its shape is documented only as a list with pages, so both are read."""
    rows = reply.body.get("results") if isinstance(reply.body, dict) else reply.body
    if not isinstance(rows, list):
        raise BadAnswer(f"{reply.where}: no list of subscriptions")
    following = reply.body.get("nextPage") if isinstance(reply.body, dict) else None
    plain = isinstance(following, str) and following.isascii() and following.isprintable()
    return rows, str(following) if plain and following else None


def _key(*parts: str) -> str:
    """A UUID of version 4 in form, made from what is asked for."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return str(UUID(bytes=digest[:16], version=4))


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
