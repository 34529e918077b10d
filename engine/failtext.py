"""What people of the source read of a record that is not posted: what to fix, that it is tried again, or whom to ask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from engine.store.records import Reason

# What nobody but the one who runs flowctl can put right: a fault of the flow, a template or flowctl itself.
INTEGRATOR = frozenset({"bug", "expression", "render", "no_variant"})
# What ends by itself, without anybody's doing.
PASSING = frozenset({"not_posted", "retry", "waiting"})
MOST = 500
_COMMAND = re.compile(r"run `flowctl (map|retry) ?[^`]*`")
_DONE = {"map": "have it mapped in flowctl", "retry": "have it tried again in flowctl"}
_AGAIN = "We'll retry shortly."
_NOBODY = "the people who run flowctl for you"

Kind = Literal["fix", "again", "ask"]


def kind_of(reason: Reason) -> Kind:
    """Who can do something about a reason: the source's people (`fix`), time (`again`), or the integrator (`ask`)."""
    if reason.code in INTEGRATOR and not any(key.startswith("mapping:") for key in reason.waits_for):
        return "ask"
    # Where a person is told what to do, waiting alone will not help.
    reads_again = not reason.hint and bool(reason.waits_for) and all(k.startswith("list:") for k in reason.waits_for)
    return "again" if reason.code in PASSING or reads_again else "fix"


def failure_text(reasons: Sequence[Reason], reference: str, contact: str) -> str:
    """All reasons in one text of at most 500 characters, for people who have no command line.

    `contact` is whom to ask, empty when nobody was named; `reference` is what finds the record in flowctl.
    """
    kinds = {kind: [reason for reason in reasons if kind_of(reason) == kind] for kind in ("fix", "again", "ask")}
    found = [
        "; ".join(_sentence(reason) for reason in kinds["fix"]),
        "; ".join(f"{_title(reason)}. {_AGAIN}" for reason in kinds["again"]),
        f"Unexpected sync error. Contact {contact or _NOBODY}, ref {reference}." if kinds["ask"] else "",
    ]
    # What a person can fix may be long, and what is tried again as well; whom to ask must not be cut off.
    text = ""
    for part in reversed(found):
        left = MOST - len(text) - (2 if text else 0)
        text = "; ".join(each for each in (part[: max(left, 0)], text) if each)
    return text


def queued_text(source: str) -> str:
    """A record that waits for the agent of a polled target: it cannot be there before the agent calls."""
    return f"Queued for the Web Connector. It posts at its next visit, then {source} shows it as synced."


def unfinished_text() -> str:
    """A record that is being written, and nobody knows yet what becomes of it."""
    return f"Not posted yet. {_AGAIN}"


def _title(reason: Reason) -> str:
    return (reason.message[:1].upper() + reason.message[1:]).rstrip(". ")


def _sentence(reason: Reason) -> str:
    """What happened, and what to do about it."""
    hint = _COMMAND.sub(lambda found: _DONE[found[1]], reason.hint)
    return f"{_title(reason)}. {hint[:1].upper()}{hint[1:]}" if hint else _title(reason)
