"""The simulated Integration Server: a job comes in, an answer goes out; no socket, no thread, no clock of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from connectors._simulated import ConnectionReset
from connectors.expensify.simulator import build, export, policies
from connectors.expensify.simulator.faults import AFTER_COMMIT, Fault, FaultPlan
from connectors.expensify.simulator.ledger import Totals, totals
from connectors.expensify.simulator.records import APPROVED_STATES, Options
from connectors.expensify.simulator.traffic import Traffic
from connectors.expensify.simulator.wire import (
    PATH,
    ApiError,
    Job,
    error_reply,
    html_reply,
    limited_reply,
    parse_job,
    section,
)
from connectors.expensify.simulator.world import World, founded
from engine.clock import Clock
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass

_JOBS: Mapping[str, Callable[[World, Job], HttpReply]] = {
    "get/policyList": policies.list_policies,
    "get/policy": policies.get_policies,
    "update/reportStatus": policies.reimburse,
}
# Faults that are an envelope, with its code and text. 207 is documented and was never observed.
_ENVELOPES: Mapping[str, tuple[int, str]] = {
    "server_error": (500, "Internal Server Error"),
    "oddity": (666, "An unexpected error occurred"),
    "partial": (207, "Partial success"),
    "not_found": (404, "Not found"),
    "forbidden": (403, "You do not have permission to perform this action"),
}


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the job log: no setting, template or body, so no secret. Status 0 means that no answer was sent."""

    kind: str
    status: int
    fault: str = ""


class ExpensifySimulator:
    """An Expensify account behind its one endpoint. Thread-safe; answers follow from seed, clock and the calls so far."""

    def __init__(
        self, seed: int, clock: Clock, *, options: Options | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.world = founded(seed, clock, options or Options())
        self.faults = FaultPlan(seed, faults)
        self.log: list[Logged] = []
        self.traffic = Traffic(self.world.options.limits, refused_count=self.world.options.refused_calls_count)
        self._lock = threading.RLock()

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer one call.

        Raises:
            ConnectionReset: when the fault plan says so; the caller closes the connection.
        """
        if call.path != PATH:
            return html_reply(404, "Not Found")
        if call.method != "POST":
            return html_reply(405, "Method Not Allowed")
        try:
            job = parse_job(call)
        except ApiError as error:
            return error_reply(error)
        with self._lock:
            fault = self.faults.strike(replace(call, path=job.kind))
        if fault is not None and fault.name == "slow":
            self.clock.sleep(fault.seconds)
        with self._lock:
            self.world.settle()
            answer = self._answer(job, fault)
            lost = fault is not None and fault.name.startswith("reset")
            self.log.append(Logged(job.kind, 0 if lost else answer.status, fault.name if fault else ""))
        if lost:
            raise ConnectionReset(f"the simulated connection was closed during a job of the kind {job.kind}")
        return answer

    def totals(self) -> Totals:
        """What Expensify believes to be exported."""
        with self._lock:
            self.world.settle()
            return totals(self.world)

    def _answer(self, job: Job, fault: Fault | None) -> HttpReply:
        name = fault.name if fault else ""
        if not self.traffic.admit(job.kind, self.clock.monotonic()) or name == "rate_limited":
            return self._limited()
        if name in _ENVELOPES:
            return error_reply(ApiError(*_ENVELOPES[name]))
        if name in {"html_error", "reset_before"}:
            return html_reply(502, "Bad Gateway")
        if name == "html_ok":
            return html_reply(200, "Scheduled maintenance")
        if name == "timeout_before":
            return html_reply(504, "Gateway Timeout")
        try:
            answer = self._run(job, name)
        except ApiError as error:
            return error_reply(error)
        if name not in AFTER_COMMIT:
            return answer
        if name == "truncated":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        return html_reply(504, "Gateway Timeout")

    def _limited(self) -> HttpReply:
        form = self.world.options.limited
        if form == "mixed":
            form = ("status", "envelope")[len(self.log) % 2]
        return limited_reply(form)

    def _run(self, job: Job, fault: str) -> HttpReply:
        self._check_credentials(job)
        if job.kind in ("file", "mark"):
            return export.run_file(self.world, job, duplicated=fault == "duplicated")
        if job.kind == "download":
            if fault == "changed_meanwhile":
                self._change_one(str(job.body.get("fileName")))
            return export.run_download(self.world, job, withheld=fault == "never_ready")
        handler = _JOBS.get(job.kind)
        if handler is None:
            raise ApiError(410, "Parameter 'type' is not valid")
        return handler(self.world, job)

    def _check_credentials(self, job: Job) -> None:
        given, options = section(job.body, "credentials"), self.world.options
        pair = (given.get("partnerUserID"), given.get("partnerUserSecret"))
        if pair != (options.partner_user_id, options.partner_user_secret):
            raise ApiError(options.wrong_credentials, "Authentication error")

    def _change_one(self, file_name: str) -> None:
        """People do not wait for a download."""
        file = self.world.files.get(file_name)
        for report_id in file.report_ids if file is not None else ():
            report = self.world.reports.get(report_id)
            if report is not None and report.state in APPROVED_STATES and report.expenses:
                build.raise_first(self.world, report_id)
                return
