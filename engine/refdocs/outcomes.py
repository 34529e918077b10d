"""The page of what a run can meet: error kinds, reasons of records, and alerts, each with what to do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from engine import errors
from engine.refdocs.markdown import page, sentence, table

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
    "RunError": "see the kinds below it",
    "Transient": _ITSELF,
    "RateLimited": "nothing: it is tried again once the pause that was asked for is over",
    "BeingRead": "nothing: another process reads the same, and its records come with that",
    "AuthExpired": "nothing: the token is renewed once, and what still fails then is refused credentials",
    "AuthRefused": "give new credentials, or the permission that is named, with `flowctl connect ... --check`",
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
# Why a record is where it is, by code: the states that it is met in, what it means, and what helps.
REASONS = {
    "unmapped": ("deferred", "a name is not in the target's list", "`flowctl map set`, or add it in the target"),
    "uncoded": ("deferred", "the source gives no account, class or the like", "code the line in the source"),
    "unread": (
        "deferred",
        "the list was never read",
        "wait for the first visit of the Web Connector, or `flowctl run`",
    ),
    "name_taken": (
        "deferred",
        "the name stands for another object already",
        "`flowctl map set` when both are the same; else rename one of them",
    ),
    "not_posted": (
        "deferred",
        "another record must be posted first",
        "look at that record; this one follows by itself",
    ),
    "waiting": ("deferred", "time is given to a counterpart that may still appear", "nothing, or `flowctl map set`"),
    "ambiguous": ("deferred", "several objects fit", "`flowctl map set` with one of the ids in the text, or `none`"),
    "not_changeable": (
        "deferred",
        "the source changed what a request cannot change",
        "change it in the target by hand, then `flowctl reconcile --leave-out`",
    ),
    "other_kind": (
        "deferred, failed",
        "after its change the record would be another kind of object",
        "change it by hand",
    ),
    "left_out": (
        "skipped, deferred",
        "a person decided that it is not posted, or what it belongs to is not",
        "nothing",
    ),
    "voided": ("posted, deferred", "what was posted was voided", "nothing; what refers to it cannot be posted"),
    "vanished": ("vanished", "it was posted and is gone from the target", "decide with `flowctl reconcile`"),
    "check": ("failed", "a `check` of the flow does not hold", "correct the record in the source or the target"),
    "expression": ("failed", "an expression met a value that it cannot work with", "correct the record or the flow"),
    "render": (
        "failed, deferred",
        "the template made no valid document",
        "correct the flow, the template or the record",
    ),
    "no_variant": ("failed", "no `when` of the ways of writing holds", "add a way of writing without `when`"),
    "unreadable": ("failed", "the record has no usable key", "correct `key` in the flow, or the record"),
    "absent": ("failed", "a person found that an unknown write is not in the target", "nothing: it is tried again"),
    "retry": ("intended", "the target was busy; the same bytes are sent again", "nothing"),
    "not_selected": ("skipped", "a `select` of the flow does not hold", "nothing, or correct the record in the source"),
    "adopted": ("skipped", "the target has it already", "nothing"),
    "agrees": ("skipped", "a stream that only compares found no difference", "nothing"),
    "gone": ("skipped", "the source no longer has it", "nothing"),
    "undone": ("skipped", "the source voided it before it was posted", "nothing"),
    "no_change": ("skipped", "the flow does not say how a change is written", "change it in the target by hand"),
    "not_there": ("skipped", "what it was to change is gone from the target", "decide with `flowctl reconcile`"),
    "posted_anew": ("skipped", "the record that it changes was posted anew", "nothing"),
    "taken_back": ("skipped", "the source took its change back", "nothing"),
}
ALERTS = {
    "ambiguous": ("the source lists two different records under one key", "correct `key` in the flow"),
    "backlog": ("more records wait than usual", "`flowctl status` shows what stands still"),
    "connection": ("a vendor refuses or cannot be read", "as the line says; credentials with `flowctl connect`"),
    "deferred": ("a record waits", "the line names the command; it goes on by itself afterwards"),
    "drifted": ("the source changed what is posted, and the change cannot be written", "change it in the target by hand"),
    "edited": ("somebody edited a posted entry in the target", "put it back, or `flowctl reconcile --accept`"),
    "failed": ("a record was refused for good", "correct the cause, then `flowctl retry`"),
    "failures": ("many failures are told to the source", "`flowctl deferred` shows their common cause"),
    "mark": ("the source refused to be told", "look at the record there; mark it by hand if it is right"),
    "restored": ("an older backup of the company file seems to be open", "open the newer file, or decide: `flowctl reconcile`"),
    "rival": ("two flows would post the same records", "switch one off with `flowctl company flow`"),
    "session": ("a visit of the Web Connector was refused or broke off", "as the line says"),
    "twice": ("a record is in the target twice", "compare the two, and delete one there"),
    "unknown": ("nobody knows whether a write arrived", "look in the target, then `flowctl retry` as the line says"),
    "vanished": ("a posted record is gone from the target", "decide with `flowctl reconcile`"),
    "webhook": ("a webhook could not be confirmed", "run `flowctl webhook` again"),
}  # fmt: skip


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
