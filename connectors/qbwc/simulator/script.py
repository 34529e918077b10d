"""A company file under a script: given lists, scripted answers, faults aimed at a request, and what people do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from lxml import etree

from connectors.qbwc.simulator.company import Books, CompanyFile, backup, close_books, restore, user_deletes, user_edits
from connectors.qbwc.simulator.faults import FAULTS, FaultPlan, Faults
from connectors.qbwc.simulator.model import Behaviour, ListObject, Preferences, Txn
from connectors.qbwc.simulator.processor import RequestProcessor
from connectors.qbwc.simulator.seed import Account, add, seed_company
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import UnknownName, UsageError

# Faults that belong to a session as a whole: they happen at the first opportunity.
_OF_A_SESSION = frozenset(
    {"connection_error", "switch_file", "restore_backup", "user_edit", "user_delete", "abandon_before", "abandon_after"}
)
_WRITE = ("AddRq ", "ModRq ")


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a fault strikes: at the `number`-th message set that holds the request `at`, or any write when it is empty."""

    at: str = ""
    number: int = 1


class AimedFaults(Faults):
    """Faults that strike once, where they are aimed."""

    def __init__(self, aims: Mapping[str, Aim]) -> None:
        super().__init__(FaultPlan())
        self.aims = dict(aims)
        # What the service sent last; the script keeps it up to date.
        self.last_sent = ""

    def hits(self, name: str) -> bool:
        """Whether an aimed fault happens now."""
        if name not in self.aims:
            return False
        aim = self.aims[name]
        wanted = (f"<{aim.at} ",) if aim.at else _WRITE
        if name not in _OF_A_SESSION and not any(word in self.last_sent for word in wanted):
            return False
        if aim.number > 1:
            self.aims[name] = replace(aim, number=aim.number - 1)
            return False
        del self.aims[name]
        self.counts[name] += 1
        return True


@dataclass(slots=True)
class Script:
    """What is planned: `answers` to requests, each by its name and how often such a request was sent: `02-BillAddRs`.

    `backups` are copies of the books, by the names that a case gives them.
    """

    answers: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Aim] = field(default_factory=dict)
    backups: dict[str, Books] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)

    def arm(self, fault: str, at: str = "", number: int = 1) -> None:
        """Let a fault happen from the next session on."""
        if fault not in FAULTS:
            raise UnknownName("fault", fault, tuple(FAULTS))
        self.faults[fault] = Aim(at, number)

    def answer(self, document: str, run: Callable[[str], str]) -> str | None:
        """The answer to a message set when some of it is scripted; `run` lets QuickBooks answer the rest of it."""
        root = etree.fromstring(document.encode())
        planned: dict[int, str] = {}
        for position, request in enumerate(root[0]):
            name = str(request.tag).removesuffix("Rq")
            self.sent[name] += 1
            key = f"{self.sent[name]:02}-{name}Rs"
            if key in self.answers:
                planned[position] = self.answers[key]
                self.used.add(key)
        return _answered(document, root, planned, run) if planned else None


def notable(request: str) -> bool:
    """Whether a message set is more than reading lists: it writes, checks on a write, or looks for something."""
    root = etree.fromstring(request.encode())
    if root.find("QBXMLMsgsRq[@newMessageSetID]") is not None:
        return True
    messages = root.find("QBXMLMsgsRq")
    return messages is not None and any(
        child.tag not in _LIST_QUERIES or any(child.find(name) is not None for name in _FOR_SOME) for child in messages
    )


_LIST_QUERIES = frozenset(
    f"{name}QueryRq"
    for name in (
        *("Host", "Company", "Preferences", "Account", "Vendor", "Class", "Customer", "Employee", "StandardTerms"),
        *("DateDrivenTerms", "Terms", "Item", "ItemSalesTax", "Currency"),
    )
)
# What a query has that asks for some objects, and not for a list.
_FOR_SOME = ("FullName", "ListID", "FromModifiedDate")


def _answered(document: str, root: etree._Element, planned: Mapping[int, str], run: Callable[[str], str]) -> str:
    """A whole answer: scripted responses, with the ids that QuickBooks would give them, beside its own to the rest."""
    requests = list(root[0])
    for position in planned:
        root[0].remove(requests[position])
    if len(root[0]):
        head = document.partition("<QBXML")[0]
        answer = etree.fromstring(run(f"{head}{etree.tostring(root, encoding='unicode')}").encode())
    else:
        answer = etree.Element("QBXML")
        messages = etree.SubElement(answer, "QBXMLMsgsRs")
        if new_id := root[0].get("newMessageSetID"):
            messages.set("newMessageSetID", new_id)
        messages.set("messageSetStatusCode", "0")
    parser = etree.XMLParser(resolve_entities=False, remove_blank_text=True)
    for position, text in sorted(planned.items()):
        response = etree.fromstring(text.encode(), parser)
        if response.get("requestID") is None:
            response.set("requestID", requests[position].get("requestID", ""))
        answer[0].insert(position, response)
    return f'<?xml version="1.0" ?>\n{etree.tostring(answer, encoding="unicode")}'


# --- the file ---------------------------------------------------------------------------------------------------------


def company_of(seed: int, clock: Clock, given: Json) -> CompanyFile:
    """The standard company file, with its lists exchanged for those that are given, and `add` beside them."""
    _known("books", given, ("accounts", "vendors", "classes", "customers", "preferences", "behaviour", "add"))
    lists: dict[str, Any] = {name: tuple(given[name]) for name in ("classes", "customers") if name in given}
    if "accounts" in given:
        lists["accounts"] = tuple(
            Account(a["name"], a["type"], a.get("number", ""), a.get("currency", "")) for a in given["accounts"]
        )
    if "vendors" in given:
        lists["vendors"] = ()
    preferences = Preferences(**given.get("preferences", {}))
    company = seed_company(seed, clock=clock, preferences=preferences, **lists)
    company.behaviour = Behaviour(**given.get("behaviour", {}))
    for vendor in given.get("vendors", ()):
        put(company, {"list": "Vendor", **(vendor if isinstance(vendor, dict) else {"name": vendor})})
    for item in given.get("add", ()):
        put(company, item)
    return company


def put(company: CompanyFile, item: Json) -> None:
    """A person adds an object to a list: `list`, `name`; `type` and `number` of accounts, the `rate` of sales tax items.

    `currency` is by name, and a rate in percent.
    """
    values = {
        "Account": {"AccountType": item.get("type", "Expense"), "AccountNumber": item.get("number", "")},
        "ItemSalesTax": {"TaxRate": item.get("rate", "")},
    }
    currency = company.named("Currency", item.get("currency", company.preferences.home_currency))
    refs = {"CurrencyRef": currency.list_id} if currency and item["list"] in ("Account", "Vendor", "Customer") else {}
    add(company, item["list"], item["name"], values.get(item["list"], {}), refs)


def act(company: CompanyFile, script: Script, action: str, value: Any) -> None:
    """What a person does in QuickBooks, or what befalls it."""
    if action not in _ACTIONS:
        raise UnknownName("action", action, tuple(_ACTIONS))
    _ACTIONS[action](company, script, value)


def _edit(company: CompanyFile, _script: Script, value: Json) -> None:
    amount = value.get("amount")
    user_edits(
        company,
        _txn(company, value["txn"]).txn_id,
        memo=value.get("memo"),
        reference=value.get("reference"),
        amount=Decimal(amount) if amount is not None else None,
    )


def _activity(company: CompanyFile, value: Json, *, active: bool) -> None:
    item = _item(company, value)
    company.put_list(replace(item, active=active, modified_at=company.clock.now()))


def _rename(company: CompanyFile, _script: Script, value: Json) -> None:
    item, name = _item(company, value), value["to"]
    edit = company.next_edit(item.edit_sequence)
    company.put_list(replace(item, name=name.rpartition(":")[2], full_name=name, edit_sequence=edit))


def _renumber(company: CompanyFile, _script: Script, value: Json) -> None:
    """An account gets another number."""
    _known("renumber", value, ("account", "to"))
    item = _item(company, {"list": "Account", "name": value["account"]})
    edit = company.next_edit(item.edit_sequence)
    company.put_list(replace(item, values={**item.values, "AccountNumber": value["to"]}, edit_sequence=edit))


def _tax(company: CompanyFile, _script: Script, value: Json) -> None:
    """A sales tax item gets another rate, in percent."""
    _known("tax", value, ("item", "rate"))
    item = _item(company, {"list": "ItemSalesTax", "name": value["item"]})
    edit = company.next_edit(item.edit_sequence)
    company.put_list(replace(item, values={**item.values, "TaxRate": value["rate"]}, edit_sequence=edit))


def _fault(_company: CompanyFile, script: Script, value: Any) -> None:
    named = value if isinstance(value, dict) else {"name": value}
    _known("a fault", named, ("name", "at", "number"))
    script.arm(named["name"], named.get("at", ""), int(named.get("number", 1)))


def _enter_bill(company: CompanyFile, _script: Script, value: Json) -> None:
    """A person enters a bill of one line by hand: it bears no marker of ours."""
    _known("a bill", value, ("vendor", "number", "date", "amount", "account", "memo"))
    root = etree.Element("QBXML")
    bill = etree.SubElement(
        etree.SubElement(etree.SubElement(root, "QBXMLMsgsRq", onError="stopOnError"), "BillAddRq", requestID="1"),
        "BillAdd",
    )
    etree.SubElement(etree.SubElement(bill, "VendorRef"), "FullName").text = value["vendor"]
    for name, key in (("TxnDate", "date"), ("RefNumber", "number"), ("Memo", "memo")):
        if key in value:
            etree.SubElement(bill, name).text = value[key]
    line = etree.SubElement(bill, "ExpenseLineAdd")
    etree.SubElement(etree.SubElement(line, "AccountRef"), "FullName").text = value["account"]
    etree.SubElement(line, "Amount").text = value["amount"]
    head = f'<?xml version="1.0"?><?qbxml version="{company.preferences.qbxml_versions[-1]}"?>'
    said = RequestProcessor(company, "by hand").process(f"{head}{etree.tostring(root, encoding='unicode')}")
    response = etree.fromstring(said.encode())[0][0]
    if response.get("statusCode") != "0":
        raise UsageError(f"the bill cannot be entered: {response.get('statusMessage')}", hint="correct the case")


def _restore(company: CompanyFile, script: Script, value: str) -> None:
    if value not in script.backups:
        raise UnknownName("backup", value, tuple(script.backups))
    restore(company, script.backups[value])


_ACTIONS: Mapping[str, Callable[[CompanyFile, Script, Any], None]] = {
    "add": lambda company, _script, value: put(company, value),
    "edit": _edit,
    "enter_bill": _enter_bill,
    "backup": lambda company, script, value: script.backups.update({value: backup(company)}),
    "restore": _restore,
    "delete": lambda company, _script, value: _ignore(user_deletes(company, _txn(company, value).txn_id)),
    "delete_item": lambda company, _script, value: _ignore(company.delete(_item(company, value).list_id)),
    "deactivate": lambda company, _script, value: _activity(company, value, active=False),
    "activate": lambda company, _script, value: _activity(company, value, active=True),
    "rename": _rename,
    "renumber": _renumber,
    "tax": _tax,
    "close_books": lambda company, _script, value: close_books(company, date.fromisoformat(value) if value else None),
    "lock": lambda company, _script, value: company.locks.update({value["of"]: int(value["code"])}),
    "unlock": lambda company, _script, value: _ignore(company.locks.pop(value)),
    "fault": _fault,
}


def _ignore(_value: object) -> None:
    return


def _txn(company: CompanyFile, reference: str) -> Txn:
    """The transaction of that number; with a kind before it, such as `Bill INV-1`, the one of that kind."""
    kind, _, number = reference.partition(" ")
    wanted = [
        txn
        for txn in company.books.txns.values()
        if txn.values.get("RefNumber") == reference or (txn.kind == kind and txn.values.get("RefNumber") == number)
    ]
    if len(wanted) != 1:
        raise UsageError(f"{len(wanted)} transactions have the number `{reference}`", hint="name one that is there")
    return wanted[0]


def _item(company: CompanyFile, value: Json) -> ListObject:
    found = company.named(value["list"], value["name"])
    if found is None:
        known = tuple(item.full_name for item in company.items(value["list"]))
        raise UnknownName(value["list"], value["name"], known)
    return found


def _known(where: str, given: Json, names: Sequence[str]) -> None:
    for name in given:
        if name not in names:
            raise UnknownName(f"part of {where}", name, tuple(names))


# --- what is in it ----------------------------------------------------------------------------------------------------


def contents(company: CompanyFile) -> list[str]:
    """Every transaction with its lines, as a bookkeeper would read them in a register."""
    lines = []
    for txn in company.books.txns.values():
        refs = {
            name: company.books.lists[id_].full_name for name, id_ in txn.refs.items() if id_ in company.books.lists
        }
        values = txn.values
        head = [txn.kind, txn.date.isoformat(), values.get("RefNumber", "-"), *refs.values(), str(txn.amount)]
        if values.get("DueDate"):
            head.append(f"due {values['DueDate']}")
        lines.append(" | ".join(head) + (f" | {values['Memo']}" if values.get("Memo") else ""))
        for line in txn.lines:
            named = [company.books.lists[id_].full_name for id_ in line.refs.values() if id_ in company.books.lists]
            shown = [line.kind, *named, str(line.amount), *([line.values["Memo"]] if line.values.get("Memo") else [])]
            lines.append("    " + " | ".join(shown))
        for applied in txn.applied:
            paid = company.books.txns.get(applied.txn_id)
            what = f"{paid.kind} {paid.values.get('RefNumber', '-')}" if paid else "a deleted bill"
            lines.append(f"    pays {what} {applied.amount}, open {company.open_amount(paid) if paid else '-'}")
            for credit_id, used in applied.credits:
                credit = company.books.txns[credit_id]
                number = credit.values.get("RefNumber", "-")
                lines.append(f"        with credit {number} {used}, left {company.open_amount(credit)}")
    return lines
