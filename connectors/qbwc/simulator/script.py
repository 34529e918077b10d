"""A company file under a script: given lists, scripted answers, faults aimed at a request, and what people do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile, close_books, user_deletes, user_edits
from connectors.qbwc.simulator.faults import FAULTS, FaultPlan, Faults
from connectors.qbwc.simulator.model import Behaviour, ListObject, Preferences, Txn
from connectors.qbwc.simulator.seed import Account, add, seed_company
from engine.clock import Clock
from engine.contract import Json
from engine.errors import UnknownName, UsageError

# Faults that belong to a session as a whole: they happen at the first opportunity.
_OF_A_SESSION = frozenset(
    {"connection_error", "switch_file", "restore_backup", "user_edit", "user_delete", "abandon_before", "abandon_after"}
)
_WRITE = ("AddRq ", "ModRq ")


class AimedFaults(Faults):
    """Faults that strike once: at the first message set that holds a given request, or any write."""

    def __init__(self, aims: Mapping[str, str]) -> None:
        super().__init__(FaultPlan())
        self.aims = dict(aims)
        # What the service sent last; the script keeps it up to date.
        self.last_sent = ""

    def hits(self, name: str) -> bool:
        """Whether an aimed fault happens now."""
        if name not in self.aims:
            return False
        wanted = (f"<{self.aims[name]} ",) if self.aims[name] else _WRITE
        if name not in _OF_A_SESSION and not any(word in self.last_sent for word in wanted):
            return False
        del self.aims[name]
        self.counts[name] += 1
        return True


@dataclass(slots=True)
class Script:
    """What is planned: `answers` by number of the message set, counted over those that are more than reading lists."""

    answers: dict[int, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    used: list[int] = field(default_factory=list)

    def arm(self, fault: str, at: str = "") -> None:
        """Let a fault happen in the next session."""
        if fault not in FAULTS:
            raise UnknownName("fault", fault, tuple(FAULTS))
        self.faults[fault] = at

    def answer(self, request: str) -> str | None:
        """The scripted answer to a message set, if there is one."""
        if not notable(request):
            return None
        self.sent += 1
        text = self.answers.get(self.sent)
        if text is None:
            return None
        self.used.append(self.sent)
        return _enveloped(text, request)


def notable(request: str) -> bool:
    """Whether a message set is more than reading lists: it writes, checks on a write, or looks for one."""
    root = etree.fromstring(request.encode())
    if root.find("QBXMLMsgsRq[@newMessageSetID]") is not None:
        return True
    messages = root.find("QBXMLMsgsRq")
    names = [str(child.tag) for child in messages] if messages is not None else []
    return any(name not in _LIST_QUERIES or child_count(messages, name) for name in names)


_LIST_QUERIES = frozenset(
    f"{name}QueryRq"
    for name in (
        *("Host", "Company", "Preferences", "Account", "Vendor", "Class", "Customer", "Employee", "StandardTerms"),
        *("DateDrivenTerms", "Terms", "Item", "Currency"),
    )
)


def child_count(messages: etree._Element | None, name: str) -> bool:
    """Whether a query of this name asks for one object by name, which is a look for a write and not a list."""
    return messages is not None and messages.find(f"{name}/FullName") is not None


def _enveloped(text: str, request: str) -> str:
    """A scripted response in the envelope, and with the ids, that QuickBooks would give it."""
    asked = etree.fromstring(request.encode()).find("QBXMLMsgsRq")
    assert asked is not None
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, remove_blank_text=True))
    answer = root if root.tag == "QBXML" else etree.Element("QBXML")
    if answer is not root:
        messages = etree.SubElement(answer, "QBXMLMsgsRs")
        for name in ("newMessageSetID",):
            if asked.get(name):
                messages.set(name, asked.get(name, ""))
        messages.set("messageSetStatusCode", "0")
        messages.append(root)
    for request_element, response in zip(asked, answer.iterfind("QBXMLMsgsRs/*"), strict=False):
        if response.get("requestID") is None:
            response.set("requestID", request_element.get("requestID", ""))
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
    """A person adds an object to a list: `list`, `name`, and for accounts `type` and `number`; `currency` by name."""
    values = {"Account": {"AccountType": item.get("type", "Expense"), "AccountNumber": item.get("number", "")}}
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


def _deactivate(company: CompanyFile, _script: Script, value: Json) -> None:
    item = _item(company, value)
    company.put_list(replace(item, active=False, modified_at=company.clock.now()))


def _rename(company: CompanyFile, _script: Script, value: Json) -> None:
    item, name = _item(company, value), value["to"]
    edit = company.next_edit(item.edit_sequence)
    company.put_list(replace(item, name=name.rpartition(":")[2], full_name=name, edit_sequence=edit))


def _fault(_company: CompanyFile, script: Script, value: Any) -> None:
    named = value if isinstance(value, dict) else {"name": value}
    script.arm(named["name"], named.get("at", ""))


_ACTIONS: Mapping[str, Callable[[CompanyFile, Script, Any], None]] = {
    "add": lambda company, _script, value: put(company, value),
    "edit": _edit,
    "delete": lambda company, _script, value: _ignore(user_deletes(company, _txn(company, value).txn_id)),
    "delete_item": lambda company, _script, value: _ignore(company.delete(_item(company, value).list_id)),
    "deactivate": _deactivate,
    "rename": _rename,
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
    return lines
