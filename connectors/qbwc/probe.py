"""Knows our writes again in QuickBooks: which queries find them after a lost answer, and whether an object is ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from lxml import etree

from connectors.qbwc.written import ENTITY, JOURNAL, TOTALS, VOID, Marks, amount_of, inner, joined, marks_of
from engine.contract import Json, Operation
from engine.dataclass import dataclass
from engine.errors import Bug
from engine.evidence import plain_guid
from engine.qbxml.queries import TXN_KINDS, TxnFilter, list_query, txn_query
from engine.qbxml.response import Answer, Response, text_at

# The workstation's clock stamps what it saves, in a local time without a zone: a day for the zone, a day for the clock.
CLOCK_MARGIN = timedelta(days=2)
# How far a look goes back where no time is known from which it could start. What we may have written before a backup was put
# back is newer than this.
FIRST_LOOK = timedelta(days=60)
_WITHOUT_REF_NUMBER = frozenset({"Deposit", "Transfer"})
# Of those that look alike a text names no more than these.
_MOST_NAMED = 3
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
# What of a line a person may code anew, and the rows of an answer that show what a request's lines have made.
_CODING = ("AccountRef", "ClassRef", "CustomerRef")
ROWS: Mapping[str, tuple[str, ...]] = {
    "ExpenseLineRet": ("ExpenseLineAdd", "ExpenseLineMod"),
    "DepositLineRet": ("DepositLineAdd",),
    **{name: (name,) for name in JOURNAL},
}
# What money leaves or comes to, and how an answer shows which bills a payment pays.
_DRAWN_ON = ("BankAccountRef", "CreditCardAccountRef", "AccountRef", "DepositToAccountRef")
APPLIED = "AppliedToTxnRet"
# What a kind shows of how its money is spread, beside its head.
LINED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Bill", "VendorCredit", "CreditCardCharge", "CreditCardCredit", "Check"), ("ExpenseLineRet",)),
    "Deposit": ("DepositLineRet",),
    "JournalEntry": JOURNAL,
    "BillPaymentCheck": ("AppliedToTxnRet", "BankAccountRef"),
}
# FACTS sections 5 and 6: 1 is an empty answer; 500 says that one of the named objects does not exist.
READABLE = frozenset({0, 1, 500})
# What of a transaction tells whether it is ours, and as we wrote it.
# ASSUMED: IncludeRetElement takes names that this kind of object does not have.
KEPT = (
    "TxnID", "EditSequence", "TxnNumber", "ExternalGUID", "RefNumber", "TxnDate", "Memo", *ENTITY, *TOTALS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up says of one operation.

    `hit`: it is there, once, with these ids. `none`: it is not there. `twice`, `alike`: a person must look. `later`:
    the look-up itself failed. `changed`: a modify, and the object is no longer what the modify was made for. `ids` are
    those of the objects that a person must look at.
    """

    kind: Literal["hit", "none", "twice", "alike", "changed", "later"]
    receipt: Mapping[str, str]
    message: str = ""
    ids: tuple[str, ...] = ()


def questions(
    operations: Sequence[Operation], prefix: str, now: datetime
) -> tuple[tuple[bytes, ...], Mapping[str, tuple[str, ...]]]:
    """The requests that would find these operations, and for each operation the names of those that speak of it.

    A new transaction is asked for twice: by its number, which works whatever the workstation's clock says, and among
    all that were saved since the operation was frozen, which works whatever a user has edited since; that is asked once
    for all operations of a kind. ExternalGUID cannot be asked for (FACTS section 7), so it is compared afterwards.
    Requests are named `<prefix>.<number of the operation>.<0 or 1>`.
    """
    requests: list[bytes] = []
    names: dict[str, tuple[str, ...]] = {}
    recent: dict[str, str] = {}
    oldest: dict[str, datetime] = {}
    for operation in operations:
        oldest[operation.request] = min(operation.created_at, oldest.get(operation.request, operation.created_at))
    for number, operation in enumerate(operations):
        marks = marks_of(operation)
        own = f"{prefix}.{number}"
        if marks.kind == "Vendor" or marks.txn_id:
            requests.append(_by_name(marks, f"{own}.0"))
            names[operation.id] = (f"{own}.0",)
            continue
        if marks.kind not in TXN_KINDS:
            raise Bug(f"there is no way to find a {operation.request} again")
        if marks.kind not in recent:
            since = TxnFilter(modified=(_since(oldest[operation.request], now), None))
            requests.append(_told_by(marks.kind, since, f"{own}.0"))
            recent[marks.kind] = f"{own}.0"
        names[operation.id] = (recent[marks.kind],)
        if marks.ref_number and marks.kind not in _WITHOUT_REF_NUMBER:
            numbered = TxnFilter(ref_numbers=(marks.ref_number,))
            requests.append(_told_by(marks.kind, numbered, f"{own}.1"))
            names[operation.id] += (f"{own}.1",)
    return tuple(requests), names


def _since(frozen_at: datetime, now: datetime) -> datetime:
    """From when on an operation that was frozen then may have been saved, by the workstation's clock.

    There is no end: that clock may be ahead of ours by any amount. What was frozen in what is the future now was frozen while
    our clock was ahead; when that was, nobody knows.
    """
    return frozen_at - CLOCK_MARGIN if frozen_at <= now else now - FIRST_LOOK


def _told_by(kind: str, which: TxnFilter, request_id: str) -> bytes:
    """Ask for what tells whether a transaction is ours."""
    return txn_query(kind, which, request_id=request_id, lines=kind == "JournalEntry", only=kept_of(kind))


def kept_of(kind: str) -> tuple[str, ...]:
    """What of a transaction tells whether it is ours; a journal entry has amounts and memos on its lines alone."""
    return (*KEPT, *JOURNAL) if kind == "JournalEntry" else KEPT


def _by_name(marks: Marks, request_id: str) -> bytes:
    """Ask for a vendor, or for what a modify names by its id."""
    if marks.txn_id:
        # Of a void, which has no version, what is found decides whether it may be sent again: what pays it counts too.
        which, links = TxnFilter(txn_ids=(marks.txn_id,)), not marks.edit_sequence
        return txn_query(marks.kind, which, request_id=request_id, lines=True, links=links)
    if marks.list_id:
        # Its name may be what the modify changes.
        return list_query("Vendor", request_id=request_id, list_ids=(marks.list_id,), only=())
    return list_query("Vendor", request_id=request_id, names=(marks.name,))


def look(operation: Operation, answer: Answer, names: Sequence[str], others: Collection[str] = ()) -> Found:
    """Read the answers to the requests that `questions` named for one operation.

    `others` are ids of objects that are known to stand for something else, unless one carries this operation's marker.
    """
    marks = marks_of(operation)
    responses = [answer.by_request_id(name) for name in names]
    readable = [r for r in responses if r is not None and r.code in READABLE]
    if marks.txn_id or marks.list_id:
        found = _modified(marks, readable[0] if readable else None)
    else:
        objects = _by_id(data for response in readable for data in response.objects)
        free = [data for key, data in objects.items() if key not in others or _carries(marks, data)]
        found = judge(marks, free)
        if found.kind == "none" and marks.kind != "Vendor":
            found = _worn(free, marks)
    if found.kind in {"none", "alike", "changed"} and len(readable) < len(names):
        # What a failed query would have shown is not known, so its silence proves nothing.
        return Found("later", {}, _complaint(responses))
    return found


def judge(marks: Marks, objects: Sequence[Json]) -> Found:
    """Whether one of the objects is what a new transaction or vendor would make, or looks like it."""
    return _vendor(marks, objects) if marks.kind == "Vendor" else _transaction(marks, objects)


def strange(marks: Marks, objects: Sequence[Json]) -> Found:
    """Whether one of the objects, which carry markers of no record of ours, looks like what a transaction would make."""
    bare = [{name: value for name, value in data.items() if name != "ExternalGUID"} for data in objects]
    return _looking_alike(marks, [data for data in bare if _is_alike(marks, data)])


# --- is it ours? ---------------------------------------------------------------------------------------------------


def _transaction(marks: Marks, hits: Sequence[Json]) -> Found:
    ours = [data for data in hits if _is_ours(marks, data)]
    if len(ours) == 1:
        return Found("hit", receipt(ours[0]))
    if ours:
        ids = tuple(text_at(data, "TxnID") for data in ours)
        return Found("twice", {}, f"it is in QuickBooks {len(ours)} times: {', '.join(ids)}", ids)
    return _looking_alike(marks, [data for data in hits if _is_alike(marks, data)])


def _worn(hits: Sequence[Json], marks: Marks) -> Found:
    """After a lost answer: where QuickBooks shows no marker, a person may have changed the memo and more than that."""
    bare = replace(marks, ref_number="")
    return _looking_alike(marks, [data for data in hits if _is_alike(bare, data) or _may_be_left(marks, data)])


def _may_be_left(marks: Marks, data: Json) -> bool:
    """Whether the number or the amount still agrees, and one thing more: too much for chance while the one is in doubt.

    Of what names no party, such as a journal entry or a card charge without a payee, nothing more may be left: a person may
    have changed the number, the date and the memo. One without a number has its amount alone, and a person may have changed
    that too: its party and date are enough.
    """
    if marks.guid and plain_guid(text_at(data, "ExternalGUID")):
        return False
    same = _compared(marks, data)
    if same.get("number") or same.get("total"):
        return "party" not in same or sum(same.values()) > 1
    return not marks.ref_number and sum(same.values()) > 1


def _looking_alike(marks: Marks, alike: Sequence[Json]) -> Found:
    """Those that a person must tell from the one to be posted, each as it stands in QuickBooks."""
    if not alike:
        return Found("none", {})
    there = [_told(data) for data in alike]
    total = abs(marks.total) if marks.total is not None else None
    ours = _Told(marks.ref_number, marks.entity[1], marks.date, total)
    what = _WORD.sub(" ", marks.kind).lower()
    named = [f"{what}{told}" for told in there[:_MOST_NAMED]]
    if len(there) > _MOST_NAMED:
        named.append(f"{len(there) - _MOST_NAMED} more")
    *others, last = named
    listed = f"{', '.join(others)} and {last}" if others else last
    is_other = any(_same_party(marks, data) is False for data in alike)
    party = f"for {ours.party or 'another name'}" if is_other else ""
    differs = " ".join(filter(None, (ours.beside(there, "date"), ours.beside(there, "total"), party)))
    number = ours.beside(there, "number")
    differs = f"{number} and is {differs}" if number and differs else number or (f"is {differs}" if differs else "")
    beside = f"the one to be posted {differs}" if differs else "the one to be posted agrees with it"
    ids = tuple(text_at(data, "TxnID") for data in alike)
    return Found("alike", {}, f"QuickBooks already has {listed}; {beside}", ids)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a bookkeeper knows a transaction by."""

    number: str = ""
    party: str = ""
    date: str = ""
    total: Decimal | None = None

    def __str__(self) -> str:
        """` A-157 of Acme Supply dated 2026-02-20 over 99.00`, without what is not known."""
        number = f" {' '.join(self.number.split())[:40]}" if self.number else ""
        party = f" of {' '.join(self.party.split())[:100]}" if self.party else ""
        return "".join((number, party, *(f" {text}" for text in (self._date(), self._total()) if text)))

    def beside(self, others: Sequence[_Told], name: Literal["number", "date", "total"]) -> str:
        """What it says of itself where any of the others says something else; empty where all agree or it is silent."""
        mine = getattr(self, name)
        if mine in ("", None) or all(getattr(other, name) == mine for other in others):
            return ""
        return {"number": f"has the number {self.number}", "date": self._date(), "total": self._total()}[name]

    def _date(self) -> str:
        return f"dated {self.date}" if self.date else ""

    def _total(self) -> str:
        return f"over {abs(self.total):.2f}" if self.total is not None else ""


def _told(data: Json) -> _Told:
    party = next((text for name in ENTITY if (text := text_at(data, name, "FullName").strip())), "")
    total = total_there(data)
    date = text_at(data, "TxnDate").strip()[:10]
    return _Told(text_at(data, "RefNumber").strip(), party, date, abs(total) if total is not None else None)


def for_a_person(found: Found) -> str:
    """What to do about one that is there twice or looks alike; the engine puts the record in the place of `ID`."""
    if found.kind == "twice":
        return (
            "delete all but one of them in QuickBooks, then name the one that stays: "
            f"`flowctl retry ID --there {found.ids[0]}`"
        )
    if len(found.ids) == 1:
        there, which = f"When it is the same, run `flowctl retry ID --there {found.ids[0]}`", "it is another one"
    else:
        ids = ", ".join(found.ids[:_MOST_NAMED])
        there = (
            f"When one of them is the same, run `flowctl retry ID --there {found.ids[0]}`, with its own TxnID (in the "
            f"order above: {ids}),"
        )
        which = "none of them is"
    return (
        f"somebody may have entered it by hand; look at it in QuickBooks. {there} and nothing is written; when {which}, "
        "run `flowctl retry ID --not-there` and this one is written as well"
    )


def looked_for_by(data: Json) -> tuple[str, str]:
    """The number or the name, in lower case, and the date by which an object without a marker can be found."""
    return (text_at(data, "RefNumber").strip() or _name_of(data)).casefold(), text_at(data, "TxnDate").strip()


def _carries(marks: Marks, data: Json) -> bool:
    return bool(marks.guid) and plain_guid(text_at(data, "ExternalGUID")) == marks.guid


def _is_ours(marks: Marks, data: Json) -> bool:
    """ExternalGUID decides where there is one; else everything that we wrote, and the memo names the source record."""
    guid = plain_guid(text_at(data, "ExternalGUID"))
    if guid and marks.guid:
        return guid == marks.guid
    # ASSUMED: QuickBooks may take ExternalGUID and not give it back for every type (RELIABILITY section 2: not known).
    same = _compared(marks, data)
    # Two journal entries without a number have no party either to tell them apart.
    is_told = marks.kind != "JournalEntry" or "number" in same
    return bool(marks.memo) and memo_there(data) == marks.memo and is_told and all(same.values())


def _is_alike(marks: Marks, data: Json) -> bool:
    guid = plain_guid(text_at(data, "ExternalGUID"))
    if guid and marks.guid:
        return False
    if marks.memo and memo_there(data) == marks.memo:
        # The memo names the source record; whatever else differs, a person may have changed it since.
        return True
    same = _compared(marks, data)
    if "number" in same:
        # The same number, day and amount under another name: a person may have corrected the name.
        return same["number"] and (same.get("party", True) or (same.get("date", False) and same.get("total", False)))
    return all(same.values())


def _compared(marks: Marks, data: Json) -> Mapping[str, bool]:
    """Whether number, date, total and party are the same, each as far as both sides tell it."""
    total, party = total_there(data), _same_party(marks, data)
    same: dict[str, bool | None] = {
        "number": _same_number(marks, data) if marks.ref_number else None,
        "date": text_at(data, "TxnDate").strip() == marks.date if marks.date else None,
        "total": abs(marks.total) == abs(total) if marks.total is not None and total is not None else None,
        "party": party,
    }
    return {name: agrees for name, agrees in same.items() if agrees is not None}


def _same_number(marks: Marks, data: Json) -> bool:
    """QuickBooks' own filter tells no case from another."""
    return text_at(data, "RefNumber").strip().casefold() == marks.ref_number.casefold()


def _same_party(marks: Marks, data: Json) -> bool | None:
    """Whether it is for the same party; None where both sides do not tell."""
    list_id, full_name = marks.entity
    for name in ENTITY:
        their_id, their_name = text_at(data, name, "ListID"), text_at(data, name, "FullName")
        if (list_id and their_id) or (full_name and their_name):
            return list_id == their_id if list_id and their_id else full_name.casefold() == their_name.casefold()
    return None


def _vendor(marks: Marks, hits: Sequence[Json]) -> Found:
    # One that carries our marker is ours whatever a person calls it now; then names are unique in QuickBooks.
    ours = [data for data in hits if marks.guid and plain_guid(text_at(data, "ExternalGUID")) == marks.guid]
    named = ours or [data for data in hits if _name_of(data).casefold() == marks.name.casefold()]
    if not named:
        return Found("none", {})
    data = named[0]
    if (
        text_at(data, "IsActive").strip().lower() in {"false", "0"}
        and plain_guid(text_at(data, "ExternalGUID")) != marks.guid
    ):
        return Found("alike", {}, f"the vendor `{_name_of(data)}` exists in QuickBooks but is inactive")
    # Names are unique in QuickBooks, so a vendor of that name is the one, whoever entered it.
    return Found("hit", receipt(data))


def _modified(marks: Marks, response: Response | None) -> Found:
    data = next(iter(response.objects), None) if response is not None else None
    if data is None:
        return Found("changed", {}, "what was to be changed is no longer in QuickBooks")
    if text_at(data, "EditSequence") == marks.edit_sequence:
        return Found("none", {})
    return Found("changed", {}, "it was changed in QuickBooks meanwhile, perhaps by this very request")


def receipt(data: Json) -> Mapping[str, str]:
    """The ids of a found object, as a receipt holds them.

    Without its version: an object with the version of a receipt is taken to be as we wrote it (`merge.decide`), and a
    person may have changed this one before it was found.
    """
    names = ("TxnID", "ListID", "TxnNumber", "RefNumber", "FullName", "Name", "ExternalGUID")
    return {name: text for name in names if (text := text_at(data, name))}


# --- is it still as we wrote it? ------------------------------------------------------------------------------------


def differences(written: Operation, data: Json) -> tuple[str, ...]:
    """In what an object is no longer as we wrote it: `amount 100.00 there, 120.00 here`, nothing where either is silent.

    Paying a bill changes its EditSequence and nothing that is compared here.
    """
    if written.request == VOID:
        total = total_there(data)
        return (f"amount {abs(total):.2f} there, 0.00 here",) if total else ()
    body = written.whole or written.body
    marks = marks_of(replace(written, body=body))
    if marks.kind == "Vendor":
        name = _name_of(data)
        return (f"name `{name}` there, `{marks.name}` here",) if marks.name and name and name != marks.name else ()
    found = [
        f"{label} {_shown(theirs)} there, {_shown(ours)} here"
        for label, ours, theirs in (
            ("number", marks.ref_number, text_at(data, "RefNumber")),
            ("date", marks.date, text_at(data, "TxnDate")[:10]),
            *_memos(marks, data),
        )
        if ours and " ".join(ours.split()) != " ".join(theirs.split())
    ]
    total = total_there(data)
    if marks.total is not None and total is not None and abs(marks.total) != abs(total):
        found.append(f"amount {abs(total):.2f} there, {abs(marks.total):.2f} here")
    if _same_party(marks, data) is False:
        theirs = next((text for name in ENTITY if (text := text_at(data, name, "FullName"))), "")
        found.append(f"party {_shown(theirs)} there, {_shown(marks.entity[1] or marks.entity[0])} here")
    found += _paid_otherwise(body, data)
    return (*found, *_recoded(body, data, sum_told=any(text.startswith("amount ") for text in found)))


def _memos(marks: Marks, data: Json) -> Iterator[tuple[str, str, str]]:
    """Our memo and theirs; of a journal entry, those of lines that differ, where its lines are shown."""
    if marks.kind != "JournalEntry":
        yield "memo", marks.memo, text_at(data, "Memo")
    elif any(name in data for name in JOURNAL):
        ours, theirs = marks.memo.splitlines(), memo_there(data).splitlines()
        yield "memo", joined(set(ours) - set(theirs)), joined(set(theirs) - set(ours))


def _paid_otherwise(body: bytes, data: Json) -> Iterator[str]:
    """In what a payment is drawn on another account, or pays other bills, where QuickBooks shows them.

    The vendor credits that it used are not shown with it.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = inner(etree.fromstring(body, parser))
    for name in _DRAWN_ON:
        ours, theirs = root.find(name), data.get(name)
        if ours is None or not isinstance(theirs, Mapping):
            continue
        pairs = [
            ((ours.findtext(part) or "").strip(), text_at(theirs, part).strip()) for part in ("ListID", "FullName")
        ]
        told = next(((mine, other) for mine, other in pairs if mine and other), None)
        if told is not None and told[0].casefold() != told[1].casefold():
            yield f"account {_shown(pairs[1][1])} there, {_shown(pairs[1][0] or 'another one')} here"
    applied = root.findall("AppliedToTxnAdd")
    if not applied or APPLIED not in data:
        return
    rows = {text_at(row, "TxnID"): row for row in rows_of(data[APPLIED])}
    there = {key: amount_of(text_at(row, "Amount")) or Decimal(0) for key, row in rows.items()}
    here = {each.findtext("TxnID") or "": _applied(each) for each in applied}
    if all(there.get(key, Decimal(0)) in here.get(key, (Decimal(0),)) for key in {**there, **here}):
        return
    numbers = {key: text_at(row, "RefNumber") or key for key, row in rows.items()}
    theirs = ", ".join(f"{numbers[key]} {amount:.2f}" for key, amount in there.items())
    mine = ", ".join(f"{numbers.get(key, key)} {amounts[0]:.2f}" for key, amounts in here.items())
    yield f"bills {_shown(theirs)} there, {_shown(mine)} here"


def _applied(element: etree._Element) -> tuple[Decimal, ...]:
    """What a payment pays of a bill: the money, and as it may be shown with the credits that it used.

    ASSUMED: AppliedToTxnRet gives the money alone; no source says it.
    """
    money = amount_of(element.findtext("PaymentAmount") or "") or Decimal(0)
    credit = sum(
        (amount_of(each.findtext("AppliedAmount") or "") or Decimal(0) for each in element.findall("SetCredit")), money
    )
    return (money, credit) if credit != money else (money,)


def _recoded(body: bytes, data: Json, *, sum_told: bool) -> Iterator[str]:
    """In what the lines differ, where QuickBooks shows them: `lines `Travel 5.00` there, `Rent 5.00` here`.

    Their order is QuickBooks' own. When the amount of the whole was told, another amount on the same account is no news.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = inner(etree.fromstring(body, parser))
    ours, theirs = [], []
    for shown, tags in ROWS.items():
        if shown not in data:
            continue
        rest = rows_of(data[shown])
        for line in (child for child in root if str(child.tag) in tags):
            same = next((row for row in rest if _is_coded_as(line, row)), None)
            if same is None:
                ours.append(line)
            else:
                rest.remove(same)
        theirs += rest
    if sum_told and len(ours) == len(theirs) and all(map(_is_on_same_account, ours, theirs)):
        return
    if ours or theirs:
        names = {text_at(row, "AccountRef", "ListID"): text_at(row, "AccountRef", "FullName") for row in theirs}
        there = ", ".join(_coding(names, lambda *path, row=row: text_at(row, *path)) for row in theirs)
        here = ", ".join(_coding(names, lambda *path, line=line: line.findtext("/".join(path)) or "") for line in ours)
        yield f"lines {_shown(there)} there, {_shown(here)} here"


def _is_on_same_account(line: etree._Element, row: Json) -> bool:
    for part in ("ListID", "FullName"):
        mine = (line.findtext(f"AccountRef/{part}") or "").strip()
        if mine:
            return mine.casefold() == text_at(row, "AccountRef", part).strip().casefold()
    return True


def rows_of(value: object) -> list[Json]:
    """The rows of a part of an answer, which is a list, one row, or nothing."""
    return [row for row in (value if isinstance(value, list) else [value]) if isinstance(row, Mapping)]


def _is_coded_as(line: etree._Element, row: Json) -> bool:
    """Whether a line that we wrote and one that QuickBooks shows say the same, as far as ours says it."""
    amount, theirs = amount_of(line.findtext("Amount") or ""), amount_of(text_at(row, "Amount"))
    if amount is not None and theirs is not None and amount != theirs:
        return False
    for name in _CODING:
        for part in ("ListID", "FullName"):
            mine, other = (line.findtext(f"{name}/{part}") or "").strip(), text_at(row, name, part).strip()
            if mine:
                if mine.casefold() != other.casefold():
                    return False
                break
    return True


def _coding(names: Mapping[str, str], text: Callable[..., str]) -> str:
    """`Travel 5.00 (Sales)`: account, amount, and who or what it is for. An id tells a person nothing."""
    account, *others = (text(name, "FullName") for name in _CODING)
    list_id = text("AccountRef", "ListID")
    if not account and list_id:
        account = names.get(list_id) or "another account"
    beside = ", ".join(filter(None, others))
    return " ".join(filter(None, (account, text("Amount"), f"({beside})" if beside else "")))


def _shown(text: str) -> str:
    plain = " ".join(text.split())
    return f"`{plain[:100]}`" if plain else "nothing"


# --- reading bodies and answers ------------------------------------------------------------------------------------


def total_there(data: Json) -> Decimal | None:
    """The amount of a found object; a journal entry has none of its own, and is told with its lines or not at all."""
    debits = data.get("JournalDebitLine")
    if debits is not None:
        amounts = [amount_of(text_at(line, "Amount")) for line in (debits if isinstance(debits, list) else [debits])]
        return sum((amount for amount in amounts if amount is not None), Decimal(0))
    return next((amount for name in TOTALS if (amount := amount_of(text_at(data, name))) is not None), None)


def memo_there(data: Json) -> str:
    """What a found object says of itself; a journal entry says it on its lines, when they are shown."""
    rows = [row for name in JOURNAL if name in data for row in rows_of(data[name])]
    return joined(text_at(row, "Memo") for row in rows) if rows else text_at(data, "Memo").strip()


def id_of(data: Json) -> str:
    """The TxnID of a transaction, the ListID of an object of a list."""
    return text_at(data, "TxnID") or text_at(data, "ListID")


def _name_of(data: Json) -> str:
    return text_at(data, "Name") or text_at(data, "FullName")


def _by_id(objects: Iterator[Json]) -> dict[str, Json]:
    """One entry for each object: two queries may return the same one."""
    return {key: data for data in objects if (key := text_at(data, "TxnID") or text_at(data, "ListID"))}


def _complaint(responses: Sequence[Response | None]) -> str:
    failed = next((r for r in responses if r is not None and r.code not in READABLE), None)
    return f"{failed.code}: {failed.message}" if failed else "QuickBooks left a query unanswered"
