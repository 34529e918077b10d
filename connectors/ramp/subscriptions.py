"""Finds the webhook subscription that a challenge is of: the request that brings it does not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors._http import Call
from connectors.ramp.client import API, RampClient
from engine.abilities import Standing
from engine.errors import BadAnswer, NotYet, Rejected
from engine.webhooks.handshakes import Confirmed

PENDING = "pending_verification"
_MOST_TRIED = 10


def confirm(client: RampClient, challenge: str, verify: Callable[[str, str], None]) -> Confirmed:
    """Offer the challenge to every subscription that waits for one, until Ramp takes it.

    Where none waits, the newest others are tried: the answer to an earlier confirmation may have been lost. The challenge
    can come before the subscription's own answer does (FACTS.md section 7).

    Raises:
        NotYet: when there is no subscription that it could be of.
        Rejected: when Ramp takes it for none: whoever posted it was somebody else.
    """
    rows = _all(client)
    waiting = [row for row in rows if row.get("status") == PENDING]
    refused: Rejected | None = None
    for row in (waiting or rows)[-_MOST_TRIED:]:
        found = row.get("id")
        if not isinstance(found, str):
            raise BadAnswer(f"{client.where}: a webhook subscription without an id")
        try:
            verify(found, challenge)
        except Rejected as error:
            refused = error
        else:
            return Confirmed(found)
    if refused is None or not waiting:
        raise NotYet(
            f"{client.where}: Ramp has no webhook subscription that waits for its challenge",
            hint="it is tried again by itself for a day",
        )
    raise refused


def standings(client: RampClient) -> list[Standing]:
    """The subscriptions as Ramp lists them; only an active one is called."""
    return [
        Standing(
            str(row.get("id")),
            str(row.get("endpoint_url") or ""),
            str(row.get("status") or ""),
            row.get("status") == "active",
        )
        for row in _all(client)
    ]


def _all(client: RampClient) -> list[dict[str, Any]]:
    """The subscriptions: a bare list, not paged (FACTS.md section 3)."""
    answer = client.send(Call("GET", f"{API}/webhooks"))
    body = answer.json()
    rows = body.get("data") if isinstance(body, dict) else body
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadAnswer(f"{answer.where}: no list of webhook subscriptions")
    return rows
