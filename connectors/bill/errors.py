"""What BILL's error answers mean: by the code in the body first, since the status of some is documented nowhere.

What BILL words freely is repeated only where it refuses a document that we have written, and then only when no secret is
quoted in it: it may quote what was sent. Of everything else the code, and names of fields, are enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from connectors._http import Classifier, Failure, by_status
from engine.contract import Tools
from engine.dataclass import dataclass
from engine.errors import Ambiguous, AuthExpired, AuthRefused, BadAnswer, RateLimited, Rejected, RunError

# Error answers as BILL documents them, and as clients met them (FACTS.md, Errors).
EXPIRED = "BDC_1109"
UNTRUSTED = "BDC_1361"
HOURLY = "BDC_1144"
AT_ONCE = "BDC_1322"
NOT_FOUND = "BDC_1205"
_CODE = re.compile(r"BDC_\d{1,6}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,60}")
_HOUR_S = 3600
# BILL's clock may be a little behind ours.
_AFTER_THE_HOUR_S = 5
_MOST_ENTRIES = 50
# Answers to a write that say what is wrong with its document.
_OF_THE_DOCUMENT = frozenset({400, 409, 422})
_LONGEST_SAID = 200

HINT_LOGIN = "check user name, password, organization, developer key and environment with `flowctl connect`"
_HINT_ROLE = "give the BILL user a role that may do this, or connect as another user"
_REFUSALS = {
    "BDC_1101": ("the user name or the password is wrong", HINT_LOGIN),
    "BDC_1102": (
        "the developer key is wrong, or belongs to the other environment",
        "check `dev_key` and `environment` with `flowctl connect`; a key of the sandbox is unknown in production",
    ),
    "BDC_1105": (
        "the organization has no access to the API",
        "check `organization_id`, or ask BILL to switch the API on for the organization",
    ),
    "BDC_1121": (
        "the organization's plan does not include the API",
        "ask BILL for a plan with API access, or connect another organization",
    ),
    "BDC_1356": (
        "the code of the second sign-in step has expired",
        "connect as a user whose sign-in has no second step",
    ),
}


class Missing(Rejected):
    """BILL has no such object."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One error of an answer: its code (empty when there is none), whether it says `untrusted`, names of fields.

    `said` is BILL's own text, in one line; it may quote what was sent.
    """

    code: str
    untrusted: bool
    fields: tuple[str, ...]
    said: str = field(repr=False)


def classifier(tools: Tools, secrets: Callable[[], Collection[str]]) -> Classifier:
    """A judge of error answers, with a clock for limits that end at the full hour; `secrets` are those of the call."""

    def classify(failure: Failure) -> RunError:
        entries = _entries(failure.body)
        by_code = {entry.code: entry for entry in reversed(entries) if entry.code}
        for code, judge in _JUDGES.items():
            if code in by_code:
                return judge(failure, by_code[code], tools)
        for code, (says, hint) in _REFUSALS.items():
            if code in by_code:
                return AuthRefused(f"{failure.where}: {says} ({code})", hint=hint)
        return _other(failure, entries, secrets)

    return classify


def for_login(classify: Classifier) -> Classifier:
    """The same for the login call: nothing is written by it, and whatever BILL refuses there needs a person."""

    def refused(failure: Failure) -> RunError:
        error = classify(replace(failure, write=False))
        if isinstance(error, AuthExpired | Rejected):
            code = next((f" ({entry.code})" for entry in _entries(failure.body) if entry.code), "")
            return AuthRefused(f"{failure.where}: the login is refused{code}", hint=HINT_LOGIN)
        return error

    return refused


def says_error(body: object) -> bool:
    """Whether a body is a list of errors, whatever the status it came with."""
    if not isinstance(body, list) or not body or not all(isinstance(entry, dict) for entry in body):
        return False
    return any(
        entry.get("severity") == "ERROR" or ("severity" not in entry and _code(entry.get("code"))) for entry in body
    )


def _expired(failure: Failure, entry: _Entry, _: Tools) -> RunError:
    return AuthExpired(f"{failure.where}: the session is not accepted ({entry.code})", hint=HINT_LOGIN)


def _untrusted(failure: Failure, entry: _Entry, tools: Tools) -> RunError:
    """One code for two things: clients met it for ended sessions too, with other words (FACTS.md, Errors)."""
    if not entry.untrusted:
        return _expired(failure, entry, tools)
    hint = "flowctl never signs in with a second step, and needs none to read: check the role of the BILL user"
    return AuthRefused(
        f"{failure.where}: only a session with a second sign-in step may do this ({entry.code})", hint=hint
    )


def _hourly(failure: Failure, entry: _Entry, tools: Tools) -> RunError:
    wait_s = until_full_hour_s(tools.clock.now())
    return RateLimited(
        f"{failure.where}: as many calls as BILL allows in an hour were made ({entry.code})", retry_after_s=wait_s
    )


def _at_once(failure: Failure, entry: _Entry, tools: Tools) -> RunError:
    """Other programs of the organization call too; the wait is drawn, so that two that met do not meet again."""
    return RateLimited(
        f"{failure.where}: BILL answers no more calls of the organization at once ({entry.code})",
        retry_after_s=2.0 + 2.0 * tools.ids.fraction(),
    )


def _not_found(failure: Failure, entry: _Entry, _: Tools) -> RunError:
    return Missing(f"{failure.where}: there is no such object ({entry.code})", code=entry.code)


_JUDGES: dict[str, Callable[[Failure, _Entry, Tools], RunError]] = {
    HOURLY: _hourly,
    AT_ONCE: _at_once,
    EXPIRED: _expired,
    UNTRUSTED: _untrusted,
    NOT_FOUND: _not_found,
}


def until_full_hour_s(now: datetime) -> float:
    """Seconds until BILL counts anew, which it does at the top of every hour (FACTS.md, Auth)."""
    return float(_HOUR_S - now.minute * 60 - now.second + _AFTER_THE_HOUR_S)


def _other(failure: Failure, entries: Sequence[_Entry], secrets: Callable[[], Collection[str]]) -> RunError:
    """An answer with a code that means nothing special, or with none: the status says what to do."""
    status = failure.status
    if failure.body is None and 400 <= status < 500 and status not in (401, 408, 425, 429):
        # A page of a gateway in between says nothing of the object.
        return BadAnswer(
            f"{failure.where}: refused with a page that is no answer of BILL's API", hint="check `base_url`"
        )
    code = next((entry.code for entry in entries if entry.code), "")
    shown = f" ({code})" if code else ""
    if status == 401:
        return AuthExpired(f"{failure.where}: the session is not accepted{shown}", hint=HINT_LOGIN)
    if status == 403:
        return AuthRefused(f"{failure.where}: not permitted{shown}", hint=_HINT_ROLE)
    if status in (408, 425, 429) or status >= 500:
        return by_status(failure, expired=HINT_LOGIN, refused=_HINT_ROLE)
    if status == 404 and isinstance(failure.body, list) and not code:
        return Missing(f"{failure.where}: there is no such object", code="404")
    if status < 400 and not code and failure.write:
        return Ambiguous(f"{failure.where}: an error that came with a success; it may or may not have been done")
    said = [code] if code else []
    fields = tuple(dict.fromkeys(name for entry in entries for name in entry.fields))
    if fields:
        said.append(f"fields {', '.join(fields[:8])}")
    details = f" ({'; '.join(said)})" if said else ""
    said_by_bill = _own_words(entries, secrets()) if failure.write and status in _OF_THE_DOCUMENT else ""
    return Rejected(f"{failure.where}: refused{details}{said_by_bill}", code=code or str(status))


def _own_words(entries: Sequence[_Entry], secrets: Collection[str]) -> str:
    """What BILL says of the document that it refuses, to stand behind our own words; empty when it says nothing."""
    texts = "; ".join(dict.fromkeys(entry.said for entry in entries if entry.said))
    if any(_one_line(secret) in texts for secret in secrets if secret):
        return ""
    short = texts if len(texts) <= _LONGEST_SAID else f"{texts[: _LONGEST_SAID - 3].rstrip()}..."
    return f": {short}" if short else ""


def _entries(body: object) -> tuple[_Entry, ...]:
    """The errors of an answer: a list with or without codes, or one object (FACTS.md, Errors)."""
    listed = body if isinstance(body, list) else [body]
    given = [entry for entry in listed[:_MOST_ENTRIES] if isinstance(entry, dict)]
    graver = [entry for entry in given if entry.get("severity") not in ("WARNING", "INFORMATION")]
    return tuple(_entry(entry) for entry in graver or given)


def _entry(entry: dict[str, Any]) -> _Entry:
    params = entry.get("params")
    names = [p.get("name") for p in params if isinstance(p, dict)] if isinstance(params, list) else []
    fields = tuple(name for name in names[:8] if isinstance(name, str) and _FIELD.fullmatch(name))
    message = entry.get("message")
    untrusted = isinstance(message, str) and "untrusted" in message[:2000].lower()
    return _Entry(_code(entry.get("code")), untrusted, fields, _one_line(message))


def _one_line(text: object) -> str:
    """The vendor's text without what could break a line, a terminal or the quotes around our commands."""
    if not isinstance(text, str):
        return ""
    shown = "".join(c if c.isprintable() else " " for c in text.replace("`", "'"))
    return " ".join(shown.split())


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
