"""The page of what a run can meet: error kinds, reasons of records, and alerts, each with what to do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from engine import errors
from engine.refdocs.markdown import page, sentence, table
from engine.runwords import ALERTS, REASONS

_ITSELF = "nothing: it is tried again by itself"
# What to do about each kind of error; a kind without a line of its own is dealt with like the one that it belongs to.
TODO = {
    "UsageError": "correct the command as the hint says; nothing was done",
    "FlowFileUnreadable": "give the path of a flow file",
    "UnknownName": "take one of the names in the hint",
    "NotConnected": "run `flowctl connect`",
    "SettingMissing": "give the setting or secret with `flowctl connect`",
    "ConnectorBroken": "install the connector's package again, or remove it",
    "StoreTooNew": "update flowctl, or put back the copy of the store from before the upgrade",
    "NotAtOnce": "nothing: the call is answered apart from the others",
    "StoreTooOld": "end every flowctl that runs, and run `flowctl store migrate`",
    "RunError": "see the kinds below it",
    "Transient": _ITSELF,
    "RateLimited": "nothing: it is tried again once the pause that was asked for is over",
    "NotShown": "nothing: it is told again by itself; an alert `mark` names a record that still does not show",
    "BeingRead": "nothing: another process reads the same, and its records come with that",
    "AuthExpired": "nothing: the token is renewed once, and what still fails then is refused credentials",
    "AuthRefused": "give new credentials, or the permission that is named, with `flowctl connect ... --check`",
    "NotAsSent": "look at what is named in the target: nothing more is written over the connection until it is right",
    "Ambiguous": "nothing: what became of the write is found out first; when that cannot be told, an alert `unknown` says so",
    "Rejected": "correct what the text says, then run `flowctl retry`",
    "NotYet": "nothing: the source is read again once it can say what it holds",
    "BadAnswer": "wait: it is tried again; when it stays so, the service has changed or a proxy answers in its place",
    "ExpressionError": "correct the record in the source, or the expression in the flow; `flowctl preview` shows the place",
    "RenderError": "correct the template or what the flow maps into it; `flowctl preview` shows the document",
    "ForgedWebhook": "check the webhook secret of the connection; the call changed nothing",
    "StoreError": "see the kinds below it",
    "StoreBusy": "wait; make room when the disk is full. Nothing is half written",
    "StoreDamaged": "stop the server, and put back a backup of the store; `flowctl doctor` says what is damaged",
    "StaleLease": "nothing: another process works for the company",
    "Bug": "report it with the text and the output of `flowctl doctor`; what it met stands still",
}


def outcomes_page() -> str:
    """Error kinds, reasons and alerts."""
    intro = (
        "What a run can meet, and what to do. A command prints an error as `error: ...` with a `hint:` line; "
        "`flowctl status` and `flowctl deferred` show the texts of records and alerts; `--format json` gives the codes. "
        "What `flowctl validate` reports is in [Errors](errors.md), and QuickBooks' own codes are in [QuickBooks "
        "statuses](quickbooks-statuses.md). The states are told in [How it works](../explanation/how-it-works.md#states)."
    )
    kinds = table(("kind", "what happened", "what to do"), list(_kinds(errors.FlowctlError)))
    reasons = table(
        ("code", "states", "means", "what helps"), [(f"`{code}`", *REASONS[code]) for code in sorted(REASONS)]
    )
    alerts = table(("alert", "means", "what to do"), [(f"`{kind}`", *ALERTS[kind]) for kind in sorted(ALERTS)])
    parts = [
        "## Kinds of errors",
        "Errors are sorted by what flowctl does about them. A kind without a row of its own is dealt with like the one above it.",
        kinds,
        "## Why a record is where it is",
        "A target's own code, such as QuickBooks' `3140`, may stand in the place of these.",
        reasons,
        "## Alerts",
        "An alert closes by itself once what it tells of is over.",
        alerts,
    ]
    return page("Run-time errors", intro, parts)


def _kinds(parent: type[errors.FlowctlError]) -> Iterator[tuple[str, str, str]]:
    for kind in parent.__subclasses__():
        if kind.__module__ == errors.__name__:
            text = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
            yield f"`{kind.__name__}`", sentence(text), sentence(TODO[kind.__name__])
            yield from _kinds(kind)
