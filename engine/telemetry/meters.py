"""Every metric by name, with what it says: `/metrics`, the reference page, the dashboard and the alert rules stand on this.

No label holds a secret, an amount, a name of a vendor's customer, or what a stranger sent: each has few values, all ours.
The one exception is `company`, which is given only below a number of companies (`engine.telemetry.metering`).
"""

from __future__ import annotations

from engine.telemetry.meter import Metric

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_CALLS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RUNS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)

SOAP_CALLS = Metric(
    "flowctl_soap_calls_total",
    "counter",
    "Calls of the Web Connector that were answered, by SOAP method and what came of them: `ok`; `nothing` when there was "
    "no work; `refused` for a wrong password or an answer that was not used; `busy`; `fault` for a SOAP fault",
    ("method", "outcome"),
)
SOAP_SECONDS = Metric(
    "flowctl_soap_call_seconds",
    "histogram",
    "How long the Web Connector waited for our answer, by SOAP method",
    ("method",),
    _QUICK,
)
SESSIONS = Metric(
    "flowctl_web_connector_sessions_total",
    "counter",
    "What happened to Web Connector sessions: `begun`, `ended`, `cut_off` (a newer one took its place), `idle` (it came "
    "and there was nothing to do), `refused` (a wrong user or password), `trouble` (something a person must know)",
    ("event",),
)
MOVES = Metric(
    "flowctl_record_moves_total",
    "counter",
    "Records that came into a state, by flow and state; the states are the outcome words of the product",
    ("flow", "state"),
)
VENDOR_CALLS = Metric(
    "flowctl_vendor_calls_total",
    "counter",
    "Calls to vendors' services, by connector and HTTP status; `no_connection` when nothing was sent, `lost` when no "
    "whole answer came",
    ("connector", "status"),
)
VENDOR_SECONDS = Metric(
    "flowctl_vendor_call_seconds",
    "histogram",
    "How long a vendor's service took to answer, by connector",
    ("connector",),
    _CALLS,
)
VENDOR_WAITS = Metric(
    "flowctl_vendor_wait_seconds",
    "histogram",
    "How long calls waited to stay within a vendor's limits, by connector; calls that did not wait are not counted",
    ("connector",),
    _CALLS,
)
WEBHOOKS = Metric(
    "flowctl_webhooks_total",
    "counter",
    "Webhooks that were answered, by the flows' name of the connection and outcome: `taken`, `forged`, `not_an_event`, "
    "`not_set_up`, `too_large`, `too_slow`, `not_kept` (ours to blame: it is sent again); the name is empty where "
    "there is no such connection, and where the body was not read",
    ("connection", "outcome"),
)
EVENTS = Metric(
    "flowctl_webhook_events_total",
    "counter",
    "Events of webhooks that were kept (`new`), or were known already (`again`), by the flows' name of the connection",
    ("connection", "event"),
)
RUNS = Metric(
    "flowctl_runs_total", "counter", "Runs of flows that ended, by flow and outcome (`done`, `failed`)", ("flow", "outcome")
)  # fmt: skip
RUN_SECONDS = Metric("flowctl_run_seconds", "histogram", "How long runs took, by flow", ("flow",), _RUNS)
STORE_SECONDS = Metric(
    "flowctl_store_transaction_seconds",
    "histogram",
    "How long transactions of the store took from their beginning to their end, by kind (`read`, `write`)",
    ("kind",),
    _QUICK,
)
STORE_WAITS = Metric(
    "flowctl_store_wait_seconds",
    "histogram",
    "How long transactions waited for their turn: for other threads, and for other processes that hold the file",
    ("kind",),
    _QUICK,
)
STORE_BUSY = Metric(
    "flowctl_store_busy_total",
    "counter",
    "Transactions that were given up: the store was held by another process for too long, or the disk is full",
)
PAGES = Metric(
    "flowctl_panel_pages_total",
    "counter",
    "Pages of the panel that were answered, by page, method and HTTP status; `other` for addresses that are no page",
    ("page", "method", "status"),
)
PAGE_SECONDS = Metric(
    "flowctl_panel_page_seconds", "histogram", "How long pages of the panel took, by page", ("page",), _QUICK
)  # fmt: skip
LOG_LINES = Metric("flowctl_log_lines_total", "counter", "Lines of the log, by level", ("level",))
HEARTBEAT = Metric(
    "flowctl_worker_heartbeat_timestamp_seconds",
    "gauge",
    "When the worker beside the server last showed that it is at work; not there when it was not started",
)
WORKER_UP = Metric(
    "flowctl_worker_up", "gauge", "1 while the worker runs, 0 once it has ended; not there when it was not started"
)  # fmt: skip
STRANDED = Metric(
    "flowctl_stranded_tasks_total",
    "counter",
    "Pieces of work that a process had begun, or was given, when it died; each was handed out anew",
)
BUILD = Metric(
    "flowctl_build_info", "gauge", "Always 1; the versions stand in the labels", ("version", "python", "sqlite")
)  # fmt: skip

# --- read from the store when they are asked for, at most so often -----------------------------------------------------

COMPANIES = Metric("flowctl_companies", "gauge", "Companies")
PAUSED = Metric("flowctl_companies_paused", "gauge", "Companies for which nothing is read or sent")
HALTED = Metric("flowctl_companies_halted", "gauge", "Companies for which posting is halted until a person decides")
POLLED = Metric(
    "flowctl_companies_polled",
    "gauge",
    "Companies by how long ago the Web Connector last called: `5m`, `1h`, `1d`, `7d` for at most so long, `older`, `never`",
    ("last_poll",),
)
RECORDS = Metric(
    "flowctl_records",
    "gauge",
    "Records in each state that is not final: `pending`, `intended`, `sent`, `deferred`, `unknown`, `failed`, `vanished`; "
    "what is `pending` or `deferred` of a flow that is off is not counted; "
    "counted no further than 10,000 for each company and state",
    ("state",),
)
RECORDS_TAKEN = Metric(
    "flowctl_records_taken_in_total", "counter", "Records that were ever taken in, changes of posted ones included"
)
BACKLOG = Metric(
    "flowctl_backlog_operations", "gauge", "Operations that wait to be sent; counted no further than 10,000 a company"
)
UNTOLD = Metric(
    "flowctl_backlog_marks",
    "gauge",
    "Records of which the source waits to hear; counted no further than 10,000 a company",
)
OLDEST = Metric(
    "flowctl_oldest_deferred_timestamp_seconds",
    "gauge",
    "When the oldest record that waits for a person was first read; not there when none waits",
)
ALERTS = Metric("flowctl_alerts_open", "gauge", "Open alerts, by kind", ("kind",))
COMPANY_POLL = Metric(
    "flowctl_company_last_poll_timestamp_seconds",
    "gauge",
    "When the Web Connector last called for a company; not there when it never did",
    ("company",),
)
COMPANY_RECORDS = Metric(
    "flowctl_company_records", "gauge", "As `flowctl_records`, for each company", ("company", "state")
)  # fmt: skip
COMPANY_BACKLOG = Metric(
    "flowctl_company_backlog_operations", "gauge", "As `flowctl_backlog_operations`, for each company", ("company",)
)
COMPANY_OLDEST = Metric(
    "flowctl_company_oldest_deferred_timestamp_seconds",
    "gauge",
    "As `flowctl_oldest_deferred_timestamp_seconds`, for each company",
    ("company",),
)
COMPANY_ALERTS = Metric("flowctl_company_alerts_open", "gauge", "Open alerts of each company", ("company",))
LABELLED = Metric(
    "flowctl_companies_labelled",
    "gauge",
    "1 when the metrics with the label `company` are given, 0 when there are too many companies for that",
)
TASKS = Metric(
    "flowctl_tasks_open",
    "gauge",
    "Pieces of work that were handed out and have not ended: `waiting` for a process, or `running`",
    ("state",),
)
TASKS_OLDEST = Metric(
    "flowctl_oldest_waiting_task_timestamp_seconds",
    "gauge",
    "When the piece of work was handed out that waits longest for a process; not there when none waits",
)
GAUGES_AT = Metric(
    "flowctl_store_gauges_read_timestamp_seconds", "gauge", "When the figures of the store were last read"
)
GAUGES_SECONDS = Metric(
    "flowctl_store_gauges_read_seconds", "gauge", "How long it took to read the figures of the store"
)  # fmt: skip

COUNTED = (
    SOAP_CALLS, SOAP_SECONDS, SESSIONS, MOVES, VENDOR_CALLS, VENDOR_SECONDS, VENDOR_WAITS, WEBHOOKS, EVENTS, RUNS, RUN_SECONDS,
    STORE_SECONDS, STORE_WAITS, STORE_BUSY, PAGES, PAGE_SECONDS, LOG_LINES, HEARTBEAT, WORKER_UP, STRANDED,
    BUILD,
)  # fmt: skip
READ = (
    COMPANIES, PAUSED, HALTED, POLLED, RECORDS, RECORDS_TAKEN, BACKLOG, UNTOLD, OLDEST, ALERTS, COMPANY_POLL, COMPANY_RECORDS,
    COMPANY_BACKLOG, COMPANY_OLDEST, COMPANY_ALERTS, LABELLED, TASKS, TASKS_OLDEST, GAUGES_AT, GAUGES_SECONDS,
)  # fmt: skip
EVERY = (*COUNTED, *READ)
