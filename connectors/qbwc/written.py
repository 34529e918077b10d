"""What the frozen bytes of a write say of the object that they make or change: enough to know it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from lxml import etree

from engine.contract import Operation
from engine.dataclass import dataclass
from engine.evidence import plain_guid

VOID = "TxnVoid"
ENTITY = ("VendorRef", "PayeeEntityRef", "EntityRef", "CustomerRef")
TOTALS = ("AmountDue", "Amount", "CreditAmount", "DepositTotal")
# A journal entry has its memo on its lines.
JOURNAL = ("JournalDebitLine", "JournalCreditLine")
_LINES = frozenset({
    "ExpenseLineAdd", "ExpenseLineMod", "ItemLineAdd", "ItemLineMod", "AppliedToTxnAdd", "DepositLineAdd",
    "JournalDebitLine",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Marks:
    """What an operation's frozen body says of the object it makes: enough to know it again."""

    kind: str
    name: str = ""
    txn_id: str = ""
    list_id: str = ""
    edit_sequence: str = ""
    guid: str = ""
    ref_number: str = ""
    date: str = ""
    memo: str = ""
    entity: tuple[str, str] = ("", "")
    total: Decimal | None = None


def joined(memos: Iterable[str]) -> str:
    """The memos of the lines of a journal entry as one text, each once; QuickBooks has its own order of lines."""
    return "\n".join(sorted({text for memo in memos if (text := memo.strip())}))


def reads_first(request: str) -> bool:
    """Whether a request changes an object that is there, and so is held against it before it is sent."""
    return request == VOID or request.endswith("Mod")


def marks_of(operation: Operation) -> Marks:
    """Read the frozen body."""
    return _marks(operation.request, operation.body)


@lru_cache(maxsize=128)
def _marks(request: str, frozen: bytes) -> Marks:
    """The same; a body is judged in several calls of a session, and its bytes never change."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = etree.fromstring(frozen, parser)
    if request == VOID:
        return Marks((root.findtext("TxnVoidType") or "").strip(), txn_id=(root.findtext("TxnID") or "").strip())
    body = inner(root)
    texts = {str(child.tag): (child.text or "").strip() for child in body if not len(child)}
    return Marks(
        kind=request.removesuffix("Add").removesuffix("Mod"),
        name=texts.get("Name", ""),
        txn_id=texts.get("TxnID", "") if request.endswith("Mod") else "",
        list_id=texts.get("ListID", "") if request.endswith("Mod") else "",
        edit_sequence=texts.get("EditSequence", ""),
        guid=plain_guid(texts.get("ExternalGUID", "")),
        ref_number=texts.get("RefNumber", ""),
        date=texts.get("TxnDate", ""),
        memo=joined(line.findtext("Memo") or "" for name in JOURNAL for line in body.iterchildren(name))
        if request.startswith("JournalEntry")
        else texts.get("Memo", ""),
        entity=_entity_of(body),
        total=_total_of(body),
    )


def inner(request: etree._Element) -> etree._Element:
    """`<BillAdd>` inside `<BillAddRq>`; a body may also be the inner element alone."""
    return request[0] if str(request.tag).endswith("Rq") and len(request) else request


def _entity_of(body: etree._Element) -> tuple[str, str]:
    for name in ENTITY:
        reference = body.find(name)
        if reference is not None:
            return (reference.findtext("ListID") or "").strip(), (reference.findtext("FullName") or "").strip()
    return "", ""


def _total_of(body: etree._Element) -> Decimal | None:
    """The amount of the whole, when the body tells it: its own, or the sum of its lines."""
    own = amount_of(body.findtext("Amount") or "")
    if own is not None:
        return own
    texts = [line.findtext("Amount") or line.findtext("PaymentAmount") or "" for line in lines_of(body)]
    amounts = [amount_of(text) for text in texts]
    return sum((a for a in amounts if a is not None), Decimal(0)) if amounts and None not in amounts else None


def lines_of(body: etree._Element) -> Iterator[etree._Element]:
    """The lines that money is on."""
    return (child for child in body if str(child.tag) in _LINES)


def amount_of(text: str) -> Decimal | None:
    """An amount, or None where there is none."""
    try:
        return Decimal(text) if text.strip() else None
    except InvalidOperation:
        return None
