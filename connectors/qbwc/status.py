"""What QuickBooks' status codes and COM errors mean for an operation, as data; the unknown is held for a person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from engine.dataclass import dataclass

if TYPE_CHECKING:
    from engine.spec import StatusSpec

# `look_up`: ask for the object by name. `find_out`: nobody can say yet whether it ran. `mapped`: deferred until the
# list that the text names has been read again. `stale`: a modify that must be merged with what is there now.
Action = Literal["posted", "retry", "deferred", "mapped", "failed", "held", "look_up", "find_out", "stale"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: codes `first` to `last`, and only answers whose text matches `text`, or to `request`, when there is one."""

    first: int
    last: int
    action: Action
    hint: str
    text: str = ""
    waits_for: tuple[str, ...] = ()
    retry_after_s: float = 0.0
    request: str = ""


def _on(
    code: int,
    action: Action,
    hint: str,
    *,
    text: str = "",
    waits_for: tuple[str, ...] = (),
    after_s: float = 0.0,
    request: str = "",
) -> Rule:
    return Rule(code, code, action, hint, text, waits_for, after_s, request)


_LOCKED = r"lock|modified by another user|in use|being used|another user"
_CLOSED = r"clos(ed|ing)"
_REFRESH = "the reference is looked up again after the list has been read; check the mapping if it comes back"
_VALUE = "correct the value at the source; QuickBooks says in its text which one it refused"
_BUSY = "somebody has it open in QuickBooks; it is sent again by itself"
_REOPEN = (
    "open the period in QuickBooks and run `flowctl retry --state deferred`, or change the date at the source; "
    "the date is never changed silently"
)
_FEATURE = "switch the feature on in QuickBooks (Edit > Preferences), or change the flow's settings"
_VOID = "TxnVoid"
_ALREADY = r"already\b.*\bvoid|\bis void"
_BY_HAND = "QuickBooks does not void it; void it there by hand, then run `flowctl retry ID`"
_LOOK_AGAIN = "it is read again: gone, voided by a person, or edited, it is not voided; else it is tried again"
_TEMPLATE = "the request is wrong, not the record: report it with this record's QBXML"

# FACTS section 6 (Intuit's QBD-errorcodes page, public messages). First match wins, so a row with a text comes first.
RULES: tuple[Rule, ...] = (
    _on(0, "posted", ""),
    # 500-999 are warnings. The object may have been saved, so its id is looked for before anything else is decided.
    Rule(1, 549, "find_out", "QuickBooks gave a warning and no object; what it did is looked up"),
    Rule(550, 570, "posted", "QuickBooks saved it with a warning"),
    Rule(571, 999, "find_out", "QuickBooks gave a warning and no object; what it did is looked up"),
    _on(1000, "find_out", "QuickBooks had an internal error; what it did is looked up"),
    _on(1010, "retry", "QuickBooks is not available right now", after_s=60.0),
    _on(1030, "failed", "this QuickBooks does not know the request; a newer version or another edition does"),
    _on(1060, "held", _TEMPLATE),
    # A void changes what it is sent for, whatever QuickBooks then says of it: so what is there decides.
    _on(3120, "stale", _LOOK_AGAIN, request=_VOID, after_s=30.0),
    Rule(3000, 3199, "stale", _LOOK_AGAIN, text=_ALREADY, retry_after_s=30.0, request=_VOID),
    Rule(3000, 3161, "failed", _BY_HAND, request=_VOID),
    _on(3000, "mapped", _REFRESH, text=r"Account|Vendor|Class|Customer|Employee|Terms"),
    Rule(3000, 3099, "failed", _VALUE),
    _on(3100, "look_up", "the name is taken in QuickBooks"),
    _on(3120, "mapped", _REFRESH),
    _on(3130, "failed", "the parent does not exist in QuickBooks; create it there or change the name at the source"),
    _on(3140, "mapped", _REFRESH),
    Rule(3150, 3161, "failed", _VALUE),
    _on(3170, "retry", _BUSY, text=_LOCKED, after_s=30.0),
    _on(3170, "deferred", _REOPEN, text=_CLOSED, waits_for=("period",)),
    _on(3170, "failed", _BY_HAND, request=_VOID),
    _on(3170, "failed", _VALUE),
    _on(3171, "deferred", _REOPEN, waits_for=("period",)),
    _on(3175, "retry", _BUSY, after_s=30.0),
    _on(3176, "retry", _BUSY, after_s=30.0),
    _on(3180, "retry", _BUSY, text=_LOCKED, after_s=30.0),
    _on(3180, "failed", _BY_HAND, request=_VOID),
    _on(3180, "failed", _VALUE),
    _on(3200, "stale", "it was changed in QuickBooks meanwhile; it is read and merged again"),
    _on(3210, "failed", _BY_HAND, request=_VOID),
    _on(3210, "failed", _VALUE),
    # stopOnError: an earlier request of the set failed, and this one was not run.
    _on(3231, "retry", "an earlier request of the same message set was refused"),
    _on(3250, "failed", _FEATURE),
    Rule(
        3260,
        3261,
        "held",
        "give the QuickBooks user and this application the permission (Edit > Preferences > Integrated Applications)",
    ),
    _on(3270, "failed", "choose a posting account in the flow's settings or mapping"),
    _on(3290, "failed", _TEMPLATE),
    Rule(9100, 9199, "failed", _TEMPLATE),
)
_UNKNOWN = Rule(
    0,
    0,
    "held",
    "this status is not known here, so nothing is tried blindly; look at the record in QuickBooks, then retry it",
)

# QuickBooks names the list in the text: `invalid reference to QuickBooks Vendor "Nope" in the Bill`.
_LISTS: tuple[tuple[str, str], ...] = (
    ("Account", r"\baccounts?\b"),
    ("Vendor", r"\bvendors?\b|\bpayee\b|\bentity\b"),
    ("Class", r"\bclass(es)?\b"),
    ("Customer", r"\bcustomers?\b|\bjobs?\b"),
    ("Employee", r"\bemployees?\b"),
    ("Terms", r"\bterms\b"),
)
_NAMED = re.compile(r"reference to QuickBooks (?P<list>[A-Za-z ]+?)(?= \"| in the |\.|$)", re.IGNORECASE)


def rule_for(code: int, message: str, request: str = "") -> Rule:
    """The row that says what a status means for a write."""
    for rule in RULES:
        if rule.request and rule.request != request:
            continue
        if rule.first <= code <= rule.last and (not rule.text or re.search(rule.text, message, re.IGNORECASE)):
            return rule
    return _UNKNOWN


def list_named(message: str) -> str | None:
    """The list whose object QuickBooks could not find, as far as its text says."""
    found = _NAMED.search(message)
    where = found.group("list") if found else message
    return next((name for name, pattern in _LISTS if re.search(pattern, where, re.IGNORECASE)), None)


# --- message sets --------------------------------------------------------------------------------------------------

SetMeaning = Literal["answered", "not_kept", "other_bytes", "bad_id"]


def set_meaning(code: int | None) -> SetMeaning:
    """What a messageSetStatusCode says of the set (Intuit's InvoiceAdd.cs); an unknown code proves nothing.

    9001: the id is known and its checksum is another. 9004: the id is too long. 600, 9002, 9003, 9005: nothing is kept.
    """
    if code in {None, 0}:
        return "answered"
    if code == 9001:
        return "other_bytes"
    return "bad_id" if code == 9004 else "not_kept"


# --- COM errors ----------------------------------------------------------------------------------------------------

Recourse = Literal["template", "wait", "person"]


@dataclass(frozen=True, slots=True)
class ComError:
    """An HRESULT that the Web Connector passes on: what happened, who can help, and how."""

    code: int
    recourse: Recourse
    meaning: str
    hint: str


_OPEN_FILE = "open the company file in QuickBooks on the Web Connector's computer, or set company_file"
_PERMISSION = "sign in to QuickBooks as Admin and allow this application (Edit > Preferences > Integrated Applications)"

COM_ERRORS: tuple[ComError, ...] = (
    ComError(0x80040400, "template", "QuickBooks could not read the request and ran nothing of it", _TEMPLATE),
    ComError(
        0x80040401, "wait", "QuickBooks could not be reached", "start QuickBooks, or leave it to the next session"
    ),
    ComError(
        0x80040402, "wait", "QuickBooks had an unexpected error", "see qbsdklog.txt on the Web Connector's computer"
    ),
    ComError(0x80040406, "person", "the company file's name is not right", "correct company_file"),
    ComError(
        0x80040408, "wait", "QuickBooks could not be started", "start QuickBooks, or leave it to the next session"
    ),
    ComError(
        0x80040409,
        "person",
        "the company file belongs to another version of QuickBooks",
        "open it with the right version",
    ),
    ComError(0x8004040A, "person", "another company file is open in QuickBooks", "open the right company file"),
    ComError(0x8004040D, "wait", "QuickBooks no longer knew the session", "the next session goes on from here"),
    ComError(
        0x80040410, "person", "the company file is open in another mode", "close it, then let the Web Connector open it"
    ),
    ComError(0x80040414, "wait", "a dialog is open in QuickBooks", "close the dialog in QuickBooks"),
    ComError(0x80040416, "person", "QuickBooks is not running and no company file was named", _OPEN_FILE),
    ComError(0x80040417, "person", "QuickBooks is running with no company file open", _OPEN_FILE),
    ComError(0x8004041A, "person", "this application may not use the company file", _PERMISSION),
    ComError(0x8004041B, "person", "this application may not use the company file", _PERMISSION),
    ComError(0x80040420, "person", "the QuickBooks user refused access", _PERMISSION),
    ComError(0x80040421, "person", "QuickBooks refused", "read its text"),
    ComError(0x80040422, "person", "QuickBooks must be in single-user mode", "switch to single-user mode"),
)
_COM = {error.code: error for error in COM_ERRORS}


def com_error(hresult: str) -> ComError:
    """The row of an HRESULT such as `0x80040400`; an unknown one is waited out, its text shown."""
    text = hresult.strip().lower().removeprefix("0x")
    try:
        # Some clients pass the signed decimal number.
        code = int(hresult) & 0xFFFFFFFF if hresult.strip().startswith("-") else int(text, 16)
    except ValueError:
        code = 0
    return _COM.get(code) or ComError(
        code, "wait", "QuickBooks reported an error", "read its text; the next session tries again"
    )


def com_text(hresult: str, message: str) -> str:
    """One sentence for a bookkeeper: what happened, QuickBooks' own words, what to do."""
    error = com_error(hresult)
    words = message.strip()[:500].rstrip(".")
    said = f" It said: {words}." if words else ""
    return f"{error.meaning} ({hresult.strip()[:16]}).{said} What to do: {error.hint}."


# --- for people ----------------------------------------------------------------------------------------------------

_ACTIONS: dict[Action, str] = {
    "posted": "posted",
    "retry": "the same bytes are sent again later, longer apart each time, twelve times at most",
    "stale": "the object is read and merged again once; after that it waits for a person",
    "deferred": "deferred",
    "mapped": "deferred until the list that the text names was read again; failed when it names none",
    "failed": "failed",
    "held": "stopped for a person",
    "look_up": "a vendor of that name is looked for and used; for other objects failed",
    "find_out": "what became of it is found out first",
}


def statuses() -> tuple[StatusSpec, ...]:
    """`RULES` in words."""
    from engine.spec import StatusSpec

    def codes(rule: Rule) -> str:
        found = str(rule.first) if rule.first == rule.last else f"{rule.first} to {rule.last}"
        return f"{found}, of {rule.request}" if rule.request else found

    return tuple(StatusSpec(codes(rule), rule.text, _ACTIONS[rule.action], rule.hint) for rule in RULES)


def breakdowns() -> tuple[StatusSpec, ...]:
    """`COM_ERRORS` in words."""
    from engine.spec import StatusSpec

    return tuple(StatusSpec(f"0x{error.code:08X}", "", error.meaning, error.hint) for error in COM_ERRORS)
