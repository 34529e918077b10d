"""An Integration Server of a few functions: exports with their filters, downloads, lists, and answers put in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx

from connectors.expensify import CONNECTOR
from connectors.expensify.source import ExpensifySource
from engine.contract import Binding
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits, Script, tools

URL = "https://integrations.expensify.com/Integration-Server/ExpensifyIntegrations"
USER, SECRET = "aa_canary_user", "canary-secret"
POLICY = "DEADBEEF12345678"
SECRETS = {"partner_user_secret": SECRET}
Raw = dict[str, Any]
_REPORT = [
    "reportID",
    "oldReportID",
    "reportName",
    "status",
    "state",
    "total",
    "currency",
    "created",
    "submitted",
    "approved",
    "reimbursed",
    "policyID",
    "policyName",
    "accountEmail",
    "submitterUserID",
    "submitterPayrollID",
    "managerEmail",
]
_EXPENSE = [
    "transactionID",
    "merchant",
    "modifiedMerchant",
    "amount",
    "modifiedAmount",
    "convertedAmount",
    "currency",
    "created",
    "modifiedCreated",
    "category",
    "categoryGlCode",
    "tag",
    "tagGlCode",
    "comment",
    "reimbursable",
    "billable",
    "mcc",
    "modifiedMCC",
    "type",
    "taxAmount",
    "modifiedTaxAmount",
    "taxName",
]


def binding(secrets: Mapping[str, str] = SECRETS, /, **settings: str | int | bool) -> Binding:
    return Binding("acme", "expensify", {"partner_user_id": USER, **settings}, secrets)


def expense(**fields: object) -> Raw:
    """An expense as our template writes it."""
    blank: Raw = {
        **dict.fromkeys(_EXPENSE),
        "ntags": [],
        "companyCard": "false",
        "reimbursable": "true",
        "receiptUrl": None,
    }
    return {**blank, "transactionID": "4056343049275634494", "amount": "1050", "currency": "USD", **fields}


def report(number: int, submitted: str = "2026-11-01", **fields: object) -> Raw:
    """A report as our template writes it."""
    return {
        **dict.fromkeys(_REPORT),
        "reportID": f"R{number:011d}",
        "reportName": f"Report {number}",
        "status": "Approved",
        "state": "APPROVED",
        "total": "1050",
        "currency": "USD",
        "submitted": submitted,
        "approved": f"{submitted} 10:11:12",
        "policyID": POLICY,
        "accountEmail": "ann@example.com",
        "expenses": [expense()],
        **fields,
    }


class FakeExpensify:
    """`before` may answer a job first; every job is kept, with its form."""

    def __init__(self, *reports: Raw, labels: Mapping[str, str] | None = None) -> None:
        self.reports = list(reports)
        self.labels = {report_id: {label} for report_id, label in (labels or {}).items()}
        self.files: dict[str, bytes] = {}
        self.lists: dict[str, object] = {"policyList": [{"id": POLICY}], "policyInfo": {}}
        self.before: Callable[[Raw], httpx.Response | None] = lambda _: None
        self.jobs: list[Raw] = []
        self.forms: list[dict[str, str]] = []
        self.script = Script(self._answer)
        self.clock = ManualClock()
        self.limits = NotedLimits()

    def source(self, secrets: Mapping[str, str] = SECRETS, /, **settings: str | int | bool) -> ExpensifySource:
        return CONNECTOR.open(binding(secrets, **settings), tools(self.script, self.clock, MemoryTokens(), self.limits))

    def asked(self) -> list[str]:
        """What was asked for, in a few words: filters of exports, marks, downloads."""
        return [_words(job) for job in self.jobs]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url)) == ("POST", URL)
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        form = {name: values[0] for name, values in parse_qs(request.content.decode(), strict_parsing=True).items()}
        job = json.loads(form["requestJobDescription"])
        assert job["credentials"] == {"partnerUserID": USER, "partnerUserSecret": SECRET}
        self.forms.append(form)
        self.jobs.append(job)
        return self.before(job) or self.dispatch(job)

    def dispatch(self, job: Raw) -> httpx.Response:
        if job["type"] == "download":
            return httpx.Response(200, content=self.files[job["fileName"]])
        if job["type"] == "get":
            return plain({**self.lists, "responseCode": 200})
        name = f"export{len(self.files):08d}-0000-4000-8000-000000000000.json"
        chosen = self._chosen(job["inputSettings"])
        self.files[name] = file(*chosen)
        for step in job.get("onFinish", []):
            for each in chosen:
                self.labels.setdefault(each["reportID"], set()).add(step["label"])
        return httpx.Response(200, text=name)

    def nothing_is_404(self) -> None:
        """An export that holds no report is answered with 404."""

        def before(job: Raw) -> httpx.Response | None:
            is_empty = job["type"] == "file" and not self._chosen(job["inputSettings"])
            return envelope(404, "No reports were found") if is_empty else None

        self.before = before

    def _chosen(self, settings: Raw) -> list[Raw]:
        filters, found = settings["filters"], []
        for each in self.reports:
            day = (each["submitted"] or "")[:10]
            if (
                each["state"] in settings["reportState"].split(",")
                and each["reportID"] in filters.get("reportIDList", each["reportID"]).split(",")
                and each["policyID"] in filters.get("policyIDList", each["policyID"]).split(",")
                and filters.get("startDate", day) <= day <= filters.get("endDate", day)
                and (each["approved"] or "") >= filters.get("approvedAfter", "")
                and filters.get("markedAsExported") not in self.labels.get(each["reportID"], set())
            ):
                found.append(each)
        return found[: int(settings["limit"])]


def _words(job: Raw) -> str:
    if job["type"] != "file":
        return str(job["type"] if job["type"] == "download" else job["inputSettings"])
    settings = job["inputSettings"]
    filters = " ".join(f"{name}={value}" for name, value in settings["filters"].items())
    mark = "".join(f" -> {step['label']}" for step in job.get("onFinish", []))
    return f"{filters} limit={settings['limit']}{mark}"


def file(*reports: Raw) -> bytes:
    """A file as our template writes it."""
    return json.dumps({"template": "flowctl-2", "reports": reports}).encode()


def plain(body: object, status: int = 200) -> httpx.Response:
    """JSON as the Integration Server sends it: as text/plain."""
    return httpx.Response(status, text=json.dumps(body))


def envelope(code: object, message: str = "canary-body ann@example.com", status: int = 200) -> httpx.Response:
    return plain({"responseMessage": message, "responseCode": code}, status)


def ids(pages: object) -> list[str]:
    assert isinstance(pages, list)
    return [record["reportID"] for page in pages for record in page.records]
