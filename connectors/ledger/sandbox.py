"""A ledger in a temporary folder, as `flowctl demo` and golden cases use it: the real connector, with a made-up chart."""

from __future__ import annotations

import csv
import json
import shutil
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from connectors.ledger import chart
from connectors.ledger.chart import COLUMNS
from connectors.ledger.file import LedgerFile
from connectors.ledger.forms import FORMS
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import UsageError

# Kind, name, number, type: what a small company has, and what the shipped flows' settings name.
_CHART = (
    ("Account", "Checking", "10100", "Bank"),
    ("Account", "Accounts Payable", "20000", "AccountsPayable"),
    ("Account", "Ramp Card", "20500", "CreditCard"),
    ("Account", "Employee Reimbursements", "21000", "OtherCurrentLiability"),
    ("Account", "Cashback Income", "40900", "Income"),
    ("Account", "Advertising", "60000", "Expense"),
    ("Account", "Office Supplies", "64900", "Expense"),
    ("Account", "Software", "67800", "Expense"),
    ("Account", "Travel", "68400", "Expense"),
    ("Vendor", "Acme Supply", "", ""),
    ("Vendor", "Northwind Traders", "", ""),
    ("Class", "Engineering", "", ""),
    ("Class", "Operations", "", ""),
    ("Customer", "Lakeside Holdings", "", ""),
    ("Employee", "Jane Doe", "", ""),
    ("Terms", "Net 30", "", ""),
)
_PLURAL = {"Account": "accounts", "Class": "classes", "Customer": "customers", "Vendor": "vendors"}


class Folder:
    """A temporary folder that goes with the object, which nobody has to close."""

    def __init__(self) -> None:
        self.name = mkdtemp(prefix="flowctl-ledger-")
        self._gone = weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)

    def cleanup(self) -> None:
        """Remove it now."""
        self._gone()


@dataclass(frozen=True, slots=True)
class LedgerSandbox:
    """The file and its chart; the folder goes with the object."""

    form: str = "jsonl"
    folder: Folder = field(default_factory=Folder)

    @property
    def path(self) -> Path:
        """The ledger."""
        return Path(self.folder.name) / f"ledger.{self.form}"

    @property
    def chart_path(self) -> Path:
        """Its lists."""
        return Path(self.folder.name) / "chart.csv"

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:  # noqa: ARG002 - no server
        """How to connect to it: where the two files are."""
        return {"path": str(self.path), "chart": str(self.chart_path), "format": self.form}, {}

    def total(self) -> Decimal:
        """The sum of all entries in the file; credits count negative."""
        ledger = LedgerFile(self.path, FORMS[self.form])
        with ledger.locked(create=False):
            total = ledger.index.total
        ledger.close()
        return total

    def save(self) -> str:
        """Both files as text."""
        ledger = self.path.read_text("utf-8") if self.path.exists() else ""
        return json.dumps({"form": self.form, "ledger": ledger, "chart": self.chart_path.read_text("utf-8")})

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """The lists that a source can be coded to, as other sandboxes give theirs."""
        return {
            plural: [
                {"external_id": i.list_id, "name": i.full_name, "code": i.number, "type": i.data.get("AccountType", "")}
                for i in chart.read(self.chart_path)[kind].values()
                if i.active and i.data.get("AccountType", "Expense") == "Expense"
            ]
            for kind, plural in _PLURAL.items()
        }

    def act(self, action: str, value: Any) -> None:
        """`tear: N` takes the last N bytes off the file, as a crash in the middle of an append does.

        Raises:
            UsageError: for any other action.
        """
        if action != "tear" or not isinstance(value, int):
            raise UsageError(f"a ledger knows no action `{action}`", hint="known: tear")
        size = self.path.stat().st_size
        with self.path.open("r+b") as file:
            file.truncate(max(0, size - value))

    def contents(self) -> list[str]:
        """An entry a line: what it is, with whom, its number and total."""
        if not self.path.exists():
            return []
        with self.path.open("rb", buffering=0) as file:
            entries = [whole.entry for whole in FORMS[self.form].read(file, 0)]
        names = ("request", "date", "party", "reference", "total")
        return [" ".join(str(entry[name]) for name in names if entry[name]) for entry in entries]

    def unused(self) -> list[str]:
        """Nothing is ever planned."""
        return []


def make(_seed: int, _clock: Clock, options: Json) -> LedgerSandbox:
    """The ledger that was saved, or an empty one with the rows of `given`, or with a chart of its own."""
    saved = json.loads(options["saved"]) if options.get("saved") else None
    given: Json = options.get("given", {})
    made = LedgerSandbox(str(saved["form"] if saved else given.get("format", "jsonl")))
    if saved:
        made.path.write_text(saved["ledger"], "utf-8", newline="")
        made.chart_path.write_text(saved["chart"], "utf-8", newline="")
        return made
    rows: Sequence[Mapping[str, Any]] = given.get("chart") or [
        {"kind": kind, "id": f"{kind}-{number}", "name": name, "number": code, "type": type_}
        for number, (kind, name, code, type_) in enumerate(_CHART, 1)
    ]
    with made.chart_path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return made
