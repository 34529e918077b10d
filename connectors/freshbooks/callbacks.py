"""Registers webhook callbacks, and confirms the verifier that FreshBooks posts to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from connectors._http import Call, url_problem
from connectors.freshbooks.client import FreshBooksClient, Reply
from connectors.freshbooks.spec import EVENTS, PARENTS, VERBS
from engine.abilities import Standing
from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.errors import BadAnswer, Rejected

PLACE = "events/callbacks"
_FAMILY = "events"


@dataclass(frozen=True, slots=True)
class Callback:
    """A webhook callback; FreshBooks sends nothing to it before it is verified."""

    id: str
    event: str
    uri: str
    verified: bool
    # A callback's secret is its verifier, which comes to the address and never in an answer.
    secret: str = field(default="", repr=False)

    @property
    def status(self) -> str:
        """What it is for, and whether FreshBooks uses it."""
        return f"{self.event}: {'verified' if self.verified else 'not verified yet'}"


def subscribe(client: FreshBooksClient, url: str, events: Sequence[str]) -> tuple[Callback, ...]:
    """Register a callback for every event that has none at this address; without `events`, for all that we can use.

    A callback for the name before the dot hears of all its events, and takes the place of three. One that was never verified
    is sent its verifier once more.

    There is no key that makes a repetition harmless, so what is there is looked up first; after a lost answer, asking again
    creates no second one.

    Raises:
        Rejected: for an unknown event, or an address that FreshBooks would not call.
    """
    known = (*PARENTS, *EVENTS)
    for event in events:
        if event not in known:
            raise Rejected(f"{client.where}: there is no event `{event}`", hint=suggestion(event, known))
    if not url.startswith("https://") or len(url) > 2000 or url_problem(url, frozenset({_host(url)})):
        raise Rejected(
            f"{client.where}: FreshBooks calls only plain https:// addresses", hint="give the public address"
        )
    path, wanted = client.path(PLACE, family=_FAMILY), _fewest(events)
    there = {
        (made.event, made.uri): made
        for page in client.pages(path, "callbacks", {})
        for made in (_read(page.where, row) for row in page.rows)
    }
    found = []
    for event in wanted:
        made = there.get((event, url))
        if made is None:
            body = {"callback": {"event": event, "uri": url}}
            made = _callback(client.send(Call("POST", path, json=body, write=True)), event, url)
        elif not made.verified:
            resend(client, made.id)
        found.append(made)
    return tuple(found)


def standings(client: FreshBooksClient) -> list[Standing]:
    """The callbacks as FreshBooks lists them; it sends nothing to one that is not verified."""
    path = client.path(PLACE, family=_FAMILY)
    made = [_read(page.where, row) for page in client.pages(path, "callbacks", {}) for row in page.rows]
    return [Standing(one.id, one.uri, one.status, one.verified) for one in made]


def _fewest(events: Sequence[str]) -> list[str]:
    """What to register for, so that all these events are heard of."""
    given = set(events) or set(PARENTS)
    whole = {p for p in PARENTS if p in given or all(f"{p}.{verb}" in given for verb in VERBS)}
    return sorted(whole | {event for event in given if event.partition(".")[0] not in whole})


def confirm(client: FreshBooksClient, callback_id: str, verifier: str) -> Callback:
    """Send the verifier back.

    Raises:
        Rejected: when FreshBooks does not take it for its own: whoever posted it was somebody else.
    """
    made = _change(client, callback_id, {"verifier": verifier})
    if not made.verified:
        raise Rejected(
            f"{client.where}: FreshBooks does not know the verifier of callback {made.id}",
            hint="have it sent once more; if this happens again, somebody else posts to this address",
        )
    return made


def resend(client: FreshBooksClient, callback_id: str) -> Callback:
    """Have the verifier posted once more."""
    return _change(client, callback_id, {"resend": True})


def _change(client: FreshBooksClient, callback_id: str, change: dict[str, object]) -> Callback:
    path = client.path(PLACE, callback_id, _FAMILY)
    return _callback(client.send(Call("PUT", path, json={"callback": change})), "", "")


def _callback(reply: Reply, event: str, uri: str) -> Callback:
    row = reply.body.get("callback")
    if not isinstance(row, dict):
        raise BadAnswer(f"{reply.where}: no `callback` in the answer")
    made = _read(reply.where, row)
    return Callback(made.id, made.event or event, made.uri or uri, made.verified)


def _read(where: str, row: dict[str, Any]) -> Callback:
    made_id = row.get("callbackid", row.get("id"))
    if isinstance(made_id, bool) or not isinstance(made_id, int | str) or made_id == "":
        raise BadAnswer(f"{where}: a callback without a `callbackid`")
    event, uri = row.get("event"), row.get("uri")
    texts = [value if isinstance(value, str) else "" for value in (event, uri)]
    return Callback(str(made_id), texts[0], texts[1], row.get("verified") is True)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
