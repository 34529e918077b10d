"""Faults by name, from one seed or from a schedule, each counted; nothing here is random twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal

from connectors.qbwc.simulator.company import Books, CompanyFile, backup, restore, user_deletes, user_edits
from connectors.qbwc.simulator.model import Death, Txn
from engine.dataclass import dataclass
from engine.errors import UnknownName

FAULTS: Mapping[str, str] = {
    "connection_error": "QuickBooks cannot be reached when the session starts.",
    "drop_send_answer": "The answer of sendRequestXML is lost on its way to the Web Connector.",
    "drop_receive_answer": "The answer of receiveResponseXML is lost on its way to the Web Connector.",
    "duplicate_receive": "receiveResponseXML is delivered twice.",
    "abandon_before": "The session is abandoned before a call.",
    "abandon_after": "The session is abandoned after the service has handled a call.",
    "die_before": "QuickBooks dies before it runs a message set; the HRESULT is reported.",
    "die_midway": "QuickBooks dies after it ran the first half of a message set; the HRESULT is reported.",
    "die_after": "QuickBooks dies after it ran and stored a message set; the HRESULT is reported.",
    "answer_lost": "A message set is run and stored, then the machine goes away.",
    "answer_and_store_lost": "A message set is run, then the machine goes away before the answer is stored.",
    "hresult": "ProcessRequest throws before anything is run.",
    "truncated_answer": "The answer arrives cut in half.",
    "non_xml_answer": "The answer arrives as a text that is no XML.",
    "cp1252_answer": "The answer declares windows-1252 as its encoding.",
    "slow_answer": "QuickBooks takes long to answer.",
    "switch_file": "Another company file is open when the session starts.",
    "switch_file_midway": "Another company file is opened in the middle of a session, and the next call names it.",
    "switch_file_unseen": "Another company file is opened between a request and its run, which no service can see.",
    "restore_backup": "The company file is restored from a backup between sessions.",
    "user_edit": "A person edits a transaction between sessions.",
    "user_delete": "A person deletes a transaction between sessions.",
}
HRESULTS: Mapping[str, str] = {
    "0x80040400": "QuickBooks found an error when parsing the provided XML text stream.",
    "0x80040401": "Could not access QuickBooks.",
    "0x80040402": "Unexpected error. Check the qbsdklog.txt file for possible, additional information.",
    "0x80040408": "Could not start QuickBooks.",
    "0x8004040D": "The ticket parameter is either missing or not valid.",
    "0x80040410": "The QuickBooks company data file is currently open in another mode than the application asked for.",
    "0x80040414": "A modal dialog box is showing in the QuickBooks user interface.",
    "0x80040416": "QuickBooks is not running, and no company data file was named.",
}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which faults happen: `rates` by probability, `schedule` by the number of the opportunity, counted from 0."""

    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    schedule: Mapping[str, Sequence[int]] = field(default_factory=dict)
    slow_s: float = 61.0
    # 0x80040400 is left out: QuickBooks says it of a document, so it comes again with every sending of the same one.
    hresults: Sequence[str] = tuple(code for code in HRESULTS if code != "0x80040400")
    backups_kept: int = 5

    def __post_init__(self) -> None:
        """Refuse a name that is no fault."""
        for name in (*self.rates, *self.schedule):
            if name not in FAULTS:
                raise UnknownName("fault", name, tuple(FAULTS))


class Faults:
    """A plan at work. Every fault draws from its own stream, so that adding one does not move the others."""

    def __init__(self, plan: FaultPlan | None = None, other_file: CompanyFile | None = None) -> None:
        self.plan = plan or FaultPlan()
        self.other_file = other_file
        self.counts: Counter[str] = Counter()
        self.opportunities: Counter[str] = Counter()
        self._streams: dict[str, random.Random] = {}
        self._backups: list[Books] = []

    def chance(self, name: str) -> random.Random:
        """The random stream of one fault."""
        if name not in self._streams:
            self._streams[name] = random.Random(f"{self.plan.seed}:{name}")  # noqa: S311  # a simulation must repeat
        return self._streams[name]

    def hits(self, name: str) -> bool:
        """Whether a fault happens at this opportunity; it is counted when it does."""
        number = self.opportunities.get(name, 0)
        self.opportunities[name] = number + 1
        plan = self.plan
        if name not in plan.rates and name not in plan.schedule:
            return False
        rate = plan.rates.get(name, 0.0)
        happens = number in plan.schedule.get(name, ()) or (rate > 0 and self.chance(name).random() < rate)
        self.counts[name] += happens
        return happens

    def hresult(self) -> tuple[str, str]:
        """An HRESULT of the plan with its message."""
        code = self.chance("hresult").choice(tuple(self.plan.hresults))
        return code, HRESULTS.get(code, "Unexpected error.")

    def death(self) -> Death:
        """When QuickBooks dies over a message set, if it does."""
        deaths: tuple[Death, ...] = ("before", "midway", "after")
        return next((death for death in deaths if self.hits(f"die_{death}")), "")

    def gone(self) -> Death:
        """Whether the machine goes away once QuickBooks has run a message set, and what it loses with it."""
        if self.hits("answer_and_store_lost"):
            return "unstored"
        return "after" if self.hits("answer_lost") else ""

    def spoil(self, answer: str) -> str:
        """Damage an answer text as the plan says."""
        if self.hits("truncated_answer"):
            return answer[: len(answer) // 2]
        if self.hits("non_xml_answer"):
            return "QuickBooks has stopped working. A problem caused the program to stop working correctly."
        if self.hits("cp1252_answer"):
            return answer.replace('<?xml version="1.0" ?>', '<?xml version="1.0" encoding="windows-1252" ?>', 1)
        return answer

    def between_sessions(self, company: CompanyFile) -> list[str]:
        """What happens to a company file while no session is open; returns what was done, for the log."""
        done = []
        if self._backups and self.hits("restore_backup"):
            self._restore(company)
            done.append("restored from a backup")
        if self.plan.rates.get("restore_backup") or self.plan.schedule.get("restore_backup"):
            self._backups = [*self._backups, backup(company)][-self.plan.backups_kept :]
        if company.books.txns and self.hits("user_edit"):
            done.append(self._edit(company))
        if company.books.txns and self.hits("user_delete"):
            txn = self._pick(company, "user_delete")
            user_deletes(company, txn.txn_id)
            done.append(f"{txn.kind} {txn.txn_id} deleted")
        return done

    def _restore(self, company: CompanyFile) -> None:
        restore(company, self.chance("restore_backup").choice(self._backups))

    def _edit(self, company: CompanyFile) -> str:
        txn = self._pick(company, "user_edit")
        what = self.chance("user_edit").choice(("memo", "reference", "amount"))
        if what == "memo":
            user_edits(company, txn.txn_id, memo="checked by hand")
        elif what == "reference":
            user_edits(company, txn.txn_id, reference="HAND-1")
        else:
            user_edits(company, txn.txn_id, amount=txn.amount + Decimal("0.01"))
        return f"{txn.kind} {txn.txn_id}: {what} edited"

    def _pick(self, company: CompanyFile, name: str) -> Txn:
        return self.chance(name).choice(list(company.books.txns.values()))
