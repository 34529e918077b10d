"""The words that a run leaves behind: why a record is where it is, and kinds of alerts, each with what to do."""

from __future__ import annotations

from collections.abc import Mapping

# Why a record is where it is, by code: the states that it is met in, what it means, and what helps.
REASONS: Mapping[str, tuple[str, str, str]] = {
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
    "never_read": (
        "deferred",
        "it needs another record, which the source does not list",
        "look for that record in the source; or enter both by hand, then `flowctl skip`",
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
        "change it by hand, then `flowctl reconcile --leave-out`",
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
# What people call the states of a record, who need not know the codes.
STATES: Mapping[str, str] = {
    "pending": "to be prepared",
    "intended": "ready to send",
    "sent": "sent",
    "unknown": "unknown",
    "posted": "posted",
    "closed": "done",
    "deferred": "waiting",
    "failed": "failed",
    "skipped": "left out",
    "vanished": "gone",
}
# What people call the kinds of alerts.
KINDS: Mapping[str, str] = {
    "stranded": "Work left behind",
    "account": "Another account",
    "ambiguous": "Two records, one key",
    "audit": "Journal",
    "backlog": "Backlog",
    "connection": "Connection",
    "deferred": "Waiting",
    "drifted": "Changed in the source",
    "edited": "Edited after posting",
    "failed": "Failed",
    "failures": "Many failures",
    "mark": "Source not told",
    "rekeyed": "Records known otherwise",
    "restored": "Older backup",
    "rival": "Two flows for the same",
    "session": "Web Connector",
    "twice": "There twice",
    "unknown": "Unknown",
    "vanished": "Gone",
    "webhook": "Webhook",
}
# What an alert tells of, by kind, and what to do.
ALERTS: Mapping[str, tuple[str, str]] = {
    "account": ("another account of the source has another record under the same id", "as the line says"),
    "ambiguous": ("the source lists two different records under one key", "correct `key` in the flow"),
    "backlog": ("more records wait than usual", "`flowctl status` shows what stands still"),
    "connection": ("a vendor refuses or cannot be read", "as the line says; credentials with `flowctl connect`"),
    "deferred": ("a record waits", "the line names the command; it goes on by itself afterwards"),
    "drifted": ("the source changed what is posted, and the change cannot be written", "change it in the target by hand"),
    "edited": ("somebody edited a posted entry in the target", "put it back, or `flowctl reconcile --accept`"),
    "failed": ("a record was refused for good", "correct the cause, then `flowctl retry`"),
    "failures": ("many failures are told to the source", "`flowctl deferred` shows their common cause"),
    "mark": (
        "the source refused to be told, or takes it and does not show it",
        "look at the record there; mark it by hand if it is right",
    ),
    "rekeyed": ("a stream would know its records by something else, and post them again", "as the line says"),
    "restored": ("an older backup of the company file seems to be open", "open the newer file, or decide: `flowctl reconcile`"),
    "rival": ("two flows would post the same records", "switch one off with `flowctl company flow`"),
    "session": ("a visit of the Web Connector was refused or broke off", "as the line says"),
    "stranded": ("a process died over its work, which was handed out anew", "the log of that process says why it ended"),
    "twice": ("a record is in the target twice", "compare the two, and delete one there"),
    "unknown": ("nobody knows whether a write arrived", "look in the target, then `flowctl retry` as the line says"),
    "vanished": ("a posted record is gone from the target", "decide with `flowctl reconcile`"),
    "webhook": ("a webhook could not be confirmed", "run `flowctl webhook` again"),
}  # fmt: skip
