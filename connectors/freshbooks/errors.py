"""What FreshBooks' error answers mean: by what the body says first, since errors of the accounting API come with HTTP 200.

Nothing that FreshBooks words freely is repeated, since it may quote what was sent: numbers and names of fields are enough.
"""

from __future__ import annotations

import re
from typing import Any

from connectors._http import Classifier, Failure, by_status
from engine.dataclass import dataclass
from engine.errors import Ambiguous, AuthExpired, AuthRefused, BadAnswer, Rejected, RunError

NOT_FOUND = "1012"
PERMISSION = "1003"
# What an account whose plan lacks a feature is told, with HTTP 200 (FACTS.md, URL families).
NOT_ENTITLED = {"12001": "items", "31001": "bill vendors", "41001": "bills", "41101": "bill payments"}
_EXPIRED = frozenset({"unauthenticated", "invalid_token", "token_expired"})
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,60}", re.ASCII)
_MOST_ENTRIES = 50
_HINT_PLAN = "give the FreshBooks user the role for it, or the account a plan that has it; then run it again"
_HINT_DENIED = (
    "give the FreshBooks user the role for it, or the account a plan that has it; or correct the setting `account_id`, when it "
    "names another account; then run it again"
)


class Missing(Rejected):
    """FreshBooks has no such object."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One error of an answer: its number or word (empty when it has none), the field, whether access is denied."""

    code: str
    field: str
    denied: bool


def classifier(hint: str) -> Classifier:
    """A judge of error answers; `hint` says how a person renews the permission."""

    def classify(failure: Failure) -> RunError:
        entries = entries_of(failure.body)
        codes = {entry.code for entry in entries}
        where = failure.where
        if failure.status == 401 or (codes & _EXPIRED and failure.status < 400):
            return AuthExpired(f"{where}: the access token is not accepted", hint=hint)
        if failure.status in (408, 425, 429) or failure.status >= 500:
            return by_status(failure, expired=hint, refused=_HINT_PLAN)
        for code, what in NOT_ENTITLED.items():
            if code in codes:
                return AuthRefused(f"{where}: the user or the plan has no access to {what} ({code})", hint=_HINT_PLAN)
        if PERMISSION in codes or failure.status == 403 or any(entry.denied for entry in entries):
            return _denied(failure, entries)
        if NOT_FOUND in codes or (failure.status == 404 and "Not found." in codes):
            return Missing(f"{where}: there is no such object", code=NOT_FOUND)
        return _other(failure, entries)

    return classify


def says_error(body: object) -> bool:
    """Whether a body is of one of FreshBooks' error shapes, whatever the status it came with."""
    if not isinstance(body, dict):
        return False
    inside = body.get("response")
    if isinstance(inside, dict):
        return bool(inside.get("errors"))
    return any(body.get(name) for name in ("errors", "errno", "error")) or ("code" in body and "details" in body)


def entries_of(body: object) -> tuple[Entry, ...]:
    """The errors of an answer, whichever family it is of (errors.json)."""
    if not isinstance(body, dict):
        return ()
    inside = body.get("response")
    errors = inside.get("errors") if isinstance(inside, dict) else body.get("errors")
    listed = errors if isinstance(errors, list) else [errors] if isinstance(errors, dict) else []
    # The business family and the new accounting family have what is meant in `details`.
    wholes = [item for item in (body, *listed) if isinstance(item, dict)]
    details = [one for item in wholes for one in _list(item.get("details"))]
    found = [_entry(item) for item in (*listed, *details, body) if isinstance(item, dict)]
    return tuple(dict.fromkeys(entry for entry in found if entry != Entry("", "", denied=False)))


def _list(value: object) -> list[Any]:
    return value[:_MOST_ENTRIES] if isinstance(value, list) else []


def _entry(item: dict[str, Any]) -> Entry:
    metadata = item.get("metadata")
    about: dict[str, Any] = metadata if isinstance(metadata, dict) else item
    field, message = about.get("field"), about.get("message")
    said = message.lower()[:2000] if isinstance(message, str) else ""
    named = field if isinstance(field, str) and _FIELD.fullmatch(field) else ""
    code = _code(item.get("errno") or item.get("reason") or item.get("error"))
    return Entry(code, named, "do not have access" in said or "permission" in said)


def _code(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (_NUMBER.fullmatch(text) or text in _EXPIRED or text == "Not found."):
        return text
    return ""


def _denied(failure: Failure, entries: tuple[Entry, ...]) -> RunError:
    return AuthRefused(f"{failure.where}: not permitted{_shown(entries)}", hint=_HINT_DENIED)


def _other(failure: Failure, entries: tuple[Entry, ...]) -> RunError:
    if failure.body is None and failure.status >= 400:
        return BadAnswer(
            f"{failure.where}: refused with a page that is no answer of FreshBooks' API", hint="check `base_url`"
        )
    if failure.write and failure.status < 400 and not any(entry.code for entry in entries):
        return Ambiguous(f"{failure.where}: an error that came with a success; it may or may not have been done")
    code = next((entry.code for entry in entries if entry.code), str(failure.status))
    return Rejected(f"{failure.where}: refused{_shown(entries)}", code=code)


def _shown(entries: tuple[Entry, ...]) -> str:
    said = [entry.code for entry in entries if entry.code][:4]
    fields = list(dict.fromkeys(entry.field for entry in entries if entry.field))[:8]
    if fields:
        said.append(f"fields {', '.join(fields)}")
    return f" ({'; '.join(said)})" if said else ""
