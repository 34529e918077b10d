"""The simulated company file and its Web Connector as `flowctl sandbox` and `flowctl demo` use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

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
from connectors.qbwc.simulator.transport import Post
from connectors.qbwc.spec import OWNER_ID
from engine.clock import Clock
from engine.contract import Handler, Json

FILE_ID = "{90A44FB5-33D9-4815-AC85-BC87A7E7D1EB}"
USER, PASSWORD = "sandbox", "sandbox-password"  # noqa: S105 - of a simulated company file only
# What a source can be coded to; balance sheet accounts are the flow's settings, not a line's.
_CODABLE = frozenset({"Expense", "CostOfGoodsSold"})


@dataclass(frozen=True, slots=True)
class QuickBooksSandbox:
    """A made-up company file with a Web Connector beside it."""

    company: CompanyFile
    application: Application = field(default_factory=lambda: Application(owner_id=OWNER_ID, file_id=FILE_ID))

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
        return self._update(http_post(url), user, password)

    def visit_handler(self, handler: Handler, user: str, password: str) -> Json:
        """One session without a socket."""
        return self._update(handler_post(handler), user, password)

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """The file's lists."""
        items = [item for item in self.company.books.lists.values() if item.active]

        def of(kind: str) -> list[Json]:
            return [
                {"external_id": i.list_id, "name": i.full_name, "code": i.values.get("AccountNumber", "")}
                for i in items
                if i.kind == kind and (kind != "Account" or i.values.get("AccountType") in _CODABLE)
            ]

        return {"accounts": of("Account"), "classes": of("Class"), "customers": of("Customer"), "vendors": of("Vendor")}

    def _update(self, post: Post, user: str, password: str) -> Json:
        connector = WebConnector(post, user, password, self.company, application=self.application)
        return _as_json(connector.update())


def make(seed: int, clock: Clock, options: Json) -> QuickBooksSandbox:
    """The company file that was saved, or a new one from the seed."""
    saved = options.get("saved")
    return QuickBooksSandbox(from_json(saved, clock=clock) if saved else seed_company(seed, clock=clock))


def _as_json(report: SessionReport) -> Json:
    return {
        "outcome": report.outcome,
        "calls": len(report.calls),
        "requests": list(report.requests),
        "responses": list(report.responses),
        "errors": list(report.errors),
        "messages": list(report.messages),
    }
