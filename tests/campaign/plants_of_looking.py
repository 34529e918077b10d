"""Bugs in looking before writing, in modifies and batches, and in what more than one agent, process or webhook does."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from connectors.qbwc import conduct, merge, merging, ready, recovery, session, survey
from connectors.ramp import webhooks
from engine import desk, holdings, reclaim
from engine.contract import MessageSet
from engine.errors import StoreBusy
from engine.store import hooks, outbox, records
from engine.webhooks import hookintake
from tests.campaign.planting import doctored, plant, without_indexes

# --- what is in the books already ----------------------------------------------------------------------------------


@plant
def no_scan_before_the_first_write(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks through what was changed lately before something is written."""
    patch.setattr(survey, "kinds_of", lambda _requests: ())


@plant
def scanned_before_its_last_page(patch: pytest.MonkeyPatch) -> None:
    """A look through a kind counts as complete after its first page."""

    def wrapped(scanned: Any) -> Any:
        def first_page(ctx: Any, known: Any, kind: str, response: Any, size: int) -> Any:
            if response is not None and response.iterator_remaining:
                response = dataclasses.replace(response, iterator_remaining=0, iterator_id="")
            return scanned(ctx, known, kind, response, size)

        return first_page

    doctored(patch, survey, "_scanned", wrapped)


@plant
def what_was_seen_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """What carries a record's marker in the books is not held against what is about to be written."""
    patch.setattr(ready, "_known", lambda *_: None)
    patch.setattr(reclaim, "reclaim", lambda *_, **_named: [])


@plant
def gone_is_posted_again_by_itself(patch: pytest.MonkeyPatch) -> None:
    """What a person deleted in the books is posted again without a person."""

    def wrapped(vanish: Any) -> Any:
        def vanished(tx: Any, hand: Any, record: Any, row: Any) -> None:
            vanish(tx, hand, record, row)
            now = tx.one("record_get", {"id": record["id"]})
            records.move(tx, hand.company, hand.at, hand.actor, [records.Move(now, "pending", "retried")])

        return vanished

    doctored(patch, holdings, "_vanish", wrapped)


@plant
def halt_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """Writing goes on although a backup of the books was restored."""
    patch.setattr(holdings, "halted", lambda _tx, _company: None)


@plant
def gone_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether what was posted is still there."""
    patch.setattr(holdings.Held, "to_check", lambda _self, _company, _limit, _since: ())


@plant
def unreadable_answer_means_gone(patch: pytest.MonkeyPatch) -> None:
    """What an answer does not show is missing, also when the answer could not be read."""

    def wrapped(unusable: Any) -> Any:
        def missing(ctx: Any, state: Any, flight: Any, reason: str) -> Any:
            for item in flight.asks if flight.kind == "survey" else ():
                ctx.desk.holdings.missing(ctx.company, list(item.get("ids", ())))
            return unusable(ctx, state, flight, reason)

        return missing

    doctored(patch, conduct, "_unusable", wrapped)


# --- modifies and batches ------------------------------------------------------------------------------------------


@plant
def edit_of_a_person_is_overwritten(patch: pytest.MonkeyPatch) -> None:
    """What the source says is written, whatever a person has made of it in the books."""

    def wrapped(merged: Any) -> Any:
        def by_force(base: Any, wanted: Any, there: Any, *, untouched: bool) -> Any:
            del untouched
            return merged(base, wanted, there, untouched=True)

        return by_force

    doctored(patch, merge, "_merged", wrapped)


@plant
def modify_with_the_version_of_the_receipt(patch: pytest.MonkeyPatch) -> None:
    """A modify names the version that was known when it was prepared, not the one that was read in the session."""

    def wrapped(modify: Any) -> Any:
        def stale(operation: Any, data: Any, changes: Any, wanted: Any, there: Any) -> Any:
            whole = merge._inner(operation.whole or operation.body)
            before = {**data, "EditSequence": str(int(whole.findtext("EditSequence") or "1") - 1)}
            return modify(operation, before, changes, wanted, there)

        return stale

    doctored(patch, merge, "_modify", wrapped)


@plant
def one_found_stands_for_the_batch(patch: pytest.MonkeyPatch) -> None:
    """When one of a set in doubt is found, all of it counts as posted."""

    def wrapped(after: Any) -> Any:
        def probed(message_set: MessageSet, known: Any, found: Any, now: Any, **given: Any) -> Any:
            hit = next((item for item in found.values() if item.kind == "hit"), None)
            if hit is not None:
                found = {key: hit if item.kind == "none" else item for key, item in found.items()}
            return after(message_set, known, found, now, **given)

        return probed

    doctored(patch, recovery, "after_probe", wrapped)


@plant
def stale_modify_is_sent_again_as_it_is(patch: pytest.MonkeyPatch) -> None:
    """After 3200 the same bytes go out again, with the version that is out of date."""
    patch.setattr(merging, "after_write", lambda state, _operations, outcomes: (state, tuple(outcomes)))


# --- more than one -------------------------------------------------------------------------------------------------


@plant
def two_agents_both_send(patch: pytest.MonkeyPatch) -> None:
    """A session does not end the one before it, and does not see what that one has under way."""
    without_indexes(patch)
    patch.setattr(session.Service, "_is_writing", lambda _self, _other, _mine: False)

    def alone(self: Any, company: str, ticket_hash: str, state: Any) -> tuple[Any, ...]:
        scope = {"ticket_hash": ticket_hash, "company": company, "at": self.base.world.at()}
        self.base.tx.run("session_insert", {**scope, "state": json.dumps(dict(state))})
        return ()

    def unsettled(tx: Any, company: str) -> Any:
        found = original(tx, company)
        return None if found is not None and found.state == "sent" else found

    original = outbox.unsettled
    patch.setattr(desk._Sessions, "open", alone)
    patch.setattr(desk._Operations, "unsettled", lambda self, company: unsettled(self.base.tx, company))
    patch.setattr(
        outbox,
        "ready",
        lambda tx, company, at, limit, connection="", **_: tx.rows(
            "operations_next",
            {"company": company, "at": at, "limit": limit, "connection": connection, "without": "[]", "later": "[]"},
        ),
    )


@plant
def webhook_takes_effect_twice(patch: pytest.MonkeyPatch) -> None:
    """An event that is known already brings the next read forward once more."""

    doctored(patch, hooks, "known", lambda _known: lambda *_given: frozenset())


@plant
def webhook_of_anybody_is_taken(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the signature of a webhook."""
    patch.setattr(webhooks, "_signed", lambda _secrets, _headers, _body: True)


@plant
def webhook_is_acknowledged_first(patch: pytest.MonkeyPatch) -> None:
    """A webhook is answered with 200 and its event not kept."""
    patch.setattr(hookintake.Intake, "_keep", lambda _self, _events: None)


@plant
def refusal_of_the_disk_is_hidden(patch: pytest.MonkeyPatch) -> None:
    """When the store cannot be written, the agent is answered as if it could."""

    def wrapped(answer: Any) -> Any:
        def answered(self: Any, call: Any, client: str) -> Any:
            try:
                return answer(self, call, client)
            except StoreBusy:
                return 100 if call.method == "receiveResponseXML" else ""

        return answered

    doctored(patch, session.Service, "answer", wrapped)
