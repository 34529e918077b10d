"""A clock that stands still and a bare client of the simulator, without any HTTP library."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from connectors.expensify.simulator import Category, Employee, Expense, ExpensifySimulator, Options, Policy, Report
from connectors.expensify.simulator.build import add_employee, add_policy, add_report, expense
from connectors.expensify.simulator.wire import FORM, PATH
from engine.contract import HttpCall, HttpReply

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MEALS = Category("Meals", "6300")
FINAL = "APPROVED,REIMBURSED,ARCHIVED"
ANA = Employee("ana@example.com", "Ana López", user_id="Ana López", payroll_id="E-7")
TEMPLATE = (files("connectors.expensify") / "template.ftl").read_text(encoding="utf-8")


class StillClock:
    """Time moves only when told."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Account:
    """A simulator with one policy and one person, and jobs to call it with."""

    def __init__(self, **options: Any) -> None:
        faults = options.pop("faults", ())
        self.clock = StillClock()
        # Every test but those of the limit calls as often as it likes.
        options = {"limits": (), "ready_after_polls": 0, **options}
        self.simulator = ExpensifySimulator(7, self.clock, options=Options(**options), faults=faults)
        self.world = self.simulator.world
        self.policy: Policy = add_policy(self.world, "Acme", categories=(MEALS,))
        add_employee(self.world, ANA, [self.policy.id])

    def expense(self, minor: int = 1050, **fields: Any) -> Expense:
        return expense(self.world, minor, START.date(), **{"category": MEALS, **fields})

    def report(self, *expenses: Expense, **fields: Any) -> Report:
        """A report, approved unless told otherwise; `day` is how many days ago all of it happened."""
        moment = START - timedelta(days=fields.pop("day", 10))
        state = fields.setdefault("state", "APPROVED")
        dated: dict[str, Any] = {"created": moment, "submitted": None if state == "OPEN" else moment}
        if state not in ("OPEN", "SUBMITTED"):
            dated["approved"] = moment
        return add_report(
            self.world,
            expenses or [self.expense()],
            **{"policy_id": self.policy.id, "email": ANA.email, **dated, **fields},
        )

    def post(self, form: dict[str, str], **changes: Any) -> HttpReply:
        headers = {"content-type": changes.get("kind", FORM)}
        method, path = changes.get("method", "POST"), changes.get("path", PATH)
        return self.simulator.handle(HttpCall(method, path, "", headers, urlencode(form).encode()))

    def job(self, job: dict[str, Any], template: str | None = None) -> HttpReply:
        options = self.world.options
        pair = {"partnerUserID": options.partner_user_id, "partnerUserSecret": options.partner_user_secret}
        form = {"requestJobDescription": json.dumps({"credentials": pair, **job})}
        return self.post({**form, **({} if template is None else {"template": template})})

    def file(
        self, settings: dict[str, Any] | None = None, *, template: str | None = TEMPLATE, **filters: Any
    ) -> HttpReply:
        """A `file` job; whatever is not given is as our connector has it. `mark` and `test` are the job's own."""
        job: dict[str, Any] = {
            "type": "file",
            "onReceive": {"immediateResponse": ["returnRandomFileName"]},
            "inputSettings": {"type": "combinedReportData", "reportState": FINAL, **(settings or {})},
            "outputSettings": {"fileExtension": "json"},
        }
        mark, test = filters.pop("mark", None), filters.pop("test", None)
        if mark is not None:
            job["onFinish"] = [{"actionName": "markAsExported", "label": mark}]
        if test is not None:
            job["test"] = test
        job["inputSettings"]["filters"] = filters or {"startDate": "2026-01-01"}
        return self.job({**job}, template)

    def download(self, name: str) -> HttpReply:
        return self.job({"type": "download", "fileName": name, "fileSystem": "integrationServer"})

    def export(self, settings: dict[str, Any] | None = None, **filters: Any) -> list[dict[str, Any]]:
        """The reports of a file."""
        ordered = self.file(settings, **filters)
        assert ordered.status == 200, ordered.body
        assert ordered.body.startswith(b"export"), ordered.body
        found: list[dict[str, Any]] = json.loads(self.download(ordered.body.decode()).body)["reports"]
        return found

    def ids(self, settings: dict[str, Any] | None = None, **filters: Any) -> list[str]:
        return [report["reportID"] for report in self.export(settings, **filters)]

    def get(self, kind: str, **settings: Any) -> Any:
        return decoded(self.job({"type": "get", "inputSettings": {"type": kind, **settings}}))


def decoded(reply: HttpReply) -> Any:
    return json.loads(reply.body)


def refusal(reply: HttpReply) -> tuple[int, int, str]:
    """HTTP status, code and message of an envelope."""
    body = decoded(reply)
    assert set(body) == {"responseCode", "responseMessage"}
    return reply.status, body["responseCode"], body["responseMessage"]
