"""The simulated company file and its Web Connector as `flowctl sandbox` and `flowctl demo` use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

from connectors.qbwc.conduct import DONE_TEXT
from connectors.qbwc.simulator import (
    Application,
    CompanyFile,
    SessionReport,
    WebConnector,
    from_json,
    handler_post,
    http_post,
    seed_company,
    to_json,
    totals,
)
from connectors.qbwc.simulator.script import AimedFaults, Script, act, company_of, contents, notable
from connectors.qbwc.simulator.transcript import Transcript
from connectors.qbwc.spec import OWNER_ID
from engine.clock import Clock
from engine.contract import Handler, Json, ListObject
from engine.dataclass import dataclass

FILE_ID = "{90A44FB5-33D9-4815-AC85-BC87A7E7D1EB}"
USER, PASSWORD = "sandbox", "sandbox-password"
# What a source can be coded to; balance sheet accounts are the flow's settings, not a line's.
_CODABLE = frozenset({"Expense", "CostOfGoodsSold"})


@dataclass(frozen=True, slots=True)
class QuickBooksSandbox:
    """A made-up company file with a Web Connector beside it."""

    company: CompanyFile
    application: Application = field(default_factory=lambda: Application(owner_id=OWNER_ID, file_id=FILE_ID))
    script: Script = field(default_factory=Script)

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        """How to connect to it: a user of ours, and where our server is reached."""
        # The Web Connector refuses addresses (QBWC1001); http is allowed to localhost only.
        here = base_url.replace("127.0.0.1", "localhost")
        settings = {"user": USER, "app_url": f"{here}/qbwc", "file_id": FILE_ID, "owner_id": OWNER_ID}
        return settings, {"password": PASSWORD}

    def total(self) -> Decimal:
        """The sum of all transactions in the file; credits count negative."""
        return totals(self.company).overall

    def save(self) -> str:
        """The company file as text."""
        return to_json(self.company)

    def visit(self, url: str, user: str, password: str) -> Json:
        """One session over HTTP."""
        connector = WebConnector(http_post(url), user, password, self.company, application=self.application)
        return _as_json(_with_reason(connector.update()))

    def called(self) -> str:
        """The address in the `.qwc` file that is installed; empty when there is none."""
        return self.application.app_url

    def visit_handler(self, handler: Handler, user: str, password: str) -> Json:
        """One session without a socket, as the script wants it, with a transcript and the documents that matter."""
        faults = AimedFaults(self.script.faults)
        post = Transcript(handler_post(handler), faults)
        connector = WebConnector(post, user, password, self.company, application=self.application, faults=faults)
        connector.answers = self.script.answer
        report = connector.update()
        self.script.faults = faults.aims
        documents = [request for request in report.requests if notable(request)]
        return {**_as_json(report), "transcript": post.lines, "documents": documents}

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """The file's lists; `balances` are the accounts that lines are not coded to."""
        items = [item for item in self.company.books.lists.values() if item.active]

        def of(kind: str, *, codable: bool = True) -> list[Json]:
            return [
                {
                    "external_id": i.list_id,
                    "name": i.full_name,
                    "code": i.values.get("AccountNumber", ""),
                    "type": i.values.get("AccountType", ""),
                }
                for i in items
                if i.kind == kind and (kind != "Account" or (i.values.get("AccountType") in _CODABLE) is codable)
            ]

        lists = {"classes": of("Class"), "customers": of("Customer"), "vendors": of("Vendor")}
        return {"accounts": of("Account"), "balances": of("Account", codable=False), **lists}

    def act(self, action: str, value: Any) -> None:
        """Something happens in the company file, as a step of a golden case says."""
        act(self.company, self.script, action, value)

    def contents(self) -> list[str]:
        """What is in the file, for a person to read."""
        return contents(self.company)

    def unused(self) -> list[str]:
        """Scripted answers that were never asked for, and faults that never happened."""
        answers = [name for name in self.script.answers if name not in self.script.used]
        return [*answers, *(f"fault {name}" for name in self.script.faults)]


def make(seed: int, clock: Clock, options: Json) -> QuickBooksSandbox:
    """The company file that was saved, one with the lists of a golden case in `given`, or a new one from the seed."""
    saved = options.get("saved")
    if "given" in options:
        answers = {str(name): str(text) for name, text in options.get("answers", {}).items()}
        return QuickBooksSandbox(company_of(seed, clock, options["given"]), script=Script(answers))
    company = from_json(saved, clock=clock) if saved else seed_company(seed, clock=clock)
    if installed := options.get("agent_file"):  # a .qwc, as bytes
        return QuickBooksSandbox(company, Application.from_qwc(installed))
    return QuickBooksSandbox(company)


def _with_reason(report: SessionReport) -> SessionReport:
    """The report, with what the service said when it refused the company file or stopped the session among the errors."""
    said = report.last_error
    refused = report.outcome == "done" and not report.requests and said not in ("", DONE_TEXT)
    if refused:
        report.outcome = "refused"
    if said and (refused or report.outcome == "stopped"):
        report.errors.append(said)
    return report


def _as_json(report: SessionReport) -> Json:
    return {
        "outcome": report.outcome,
        "calls": len(report.calls),
        "requests": list(report.requests),
        "responses": list(report.responses),
        "errors": list(report.errors),
        "messages": list(report.messages),
    }


def given_lists(objects: Mapping[str, Sequence[ListObject]]) -> Json:
    """A golden case's `given` with these objects; where accounts are among them, they are the whole chart."""
    given: dict[str, Any] = {"add": []}
    for name, items in objects.items():
        if name == "Account":
            kinds = ((item, str(item.data.get("AccountType") or "Expense")) for item in items)
            given["accounts"] = [{"name": i.full_name, "type": kind, "number": i.number} for i, kind in kinds]
        elif name in _PLURAL:
            given[_PLURAL[name]] = [item.full_name for item in items]
        else:
            given["add"] += [{"list": name, "name": item.full_name} for item in items]
    return {name: value for name, value in given.items() if value}


_PLURAL = {"Vendor": "vendors", "Class": "classes", "Customer": "customers"}
