"""Merges a modify with what people have done in QuickBooks meanwhile, field by field, before it is sent.

Three sides are compared: what we wrote last, what is there now, and what the source says now. A field that the source did
not change stays as it is there; one that only the source changed is sent; one that both changed is for a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from lxml import etree

from connectors.qbwc.probe import id_of, receipt
from engine.contract import Json, Operation, OperationOutcome
from engine.dataclass import dataclass
from engine.errors import Bug, RenderError
from engine.qbxml import freeze_request
from engine.qbxml.queries import TXN_KINDS, TxnFilter, list_query, txn_query
from engine.qbxml.requirements import requirements
from engine.qbxml.response import Response, text_at

# FACTS section 6: 1 is an empty answer; 500 says that the named object does not exist.
ABSENT = frozenset({1, 500})
_HEAD = frozenset({"TxnID", "ListID", "EditSequence", "ExternalGUID"})
_LINE = "ExpenseLine"
_LINE_TAG = re.compile(r"Line(Add|Mod)$")
# What of a line is ours; everything else that QuickBooks shows of it is its own.
_OF_A_LINE = ("AccountRef", "Amount", "Memo", "CustomerRef", "ClassRef", "BillableStatus")
_AMOUNTS = frozenset({"Amount", "TaxAmount", "ExchangeRate", "CreditLimit"})
_LINES = "lines"
_SPOKEN = {
    "VendorRef": "vendor",
    "APAccountRef": "accounts payable account",
    "TxnDate": "date",
    "DueDate": "due date",
    "RefNumber": "reference number",
    "TermsRef": "terms",
    "Memo": "memo",
    "Name": "name",
    "CompanyName": "company name",
}
_SHOWN = 80

NOTHING_SENT = "nothing_sent"
EDITED_THERE = "edited_there"
GONE_THERE = "gone_there"
BY_HAND = "by_hand"
NOT_SHOWN = "not_shown"


@dataclass(frozen=True, slots=True)
class Ready:
    """The modify can be sent, as these bytes: what only the source changed, for the version that is there now.

    `clean` when nobody else has changed what is there since we wrote it, as far as a modify could change it.
    """

    body: bytes
    clean: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """QuickBooks did not say what is there; it is asked again."""

    message: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an object of a list, by its id, its full name, or both."""

    list_id: str = ""
    full_name: str = ""


Value = str | Ref
Fields = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the three sides. `fields` are by name, those within a group as `VendorAddress/Country`.

    `line_ids` are those of `lines`, where QuickBooks has told them. `others` are lines that are no expense lines, each as
    text.
    """

    fields: Fields
    lines: tuple[Fields, ...] = ()
    line_ids: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Clash:
    name: str
    wrote: str
    there: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name}: we wrote {self.wrote}, QuickBooks has {self.there}, the source says {self.wanted}"


@dataclass(slots=True)
class _Changes:
    """What has to be sent, and what must not be."""

    fields: dict[str, Value | None] = field(default_factory=dict)
    lines: bool = False
    clashes: list[_Clash] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


def queries(operation: Operation, prefix: str) -> tuple[bytes, ...]:
    """The request that shows the object of a modify as it is now, with its lines, named `prefix`."""
    kind = _kind(operation)
    if kind in TXN_KINDS:
        return (txn_query(kind, TxnFilter(txn_ids=(operation.target_id,)), request_id=prefix, lines=True),)
    return (list_query(kind, request_id=prefix, list_ids=(operation.target_id,), only=()),)


def decide(operation: Operation, response: Response | None) -> Ready | OperationOutcome | Later:
    """What becomes of a modify, from the answer to its query; `operation` has its base, as the outbox gives it."""
    if response is None:
        return Later("QuickBooks left a query unanswered")
    data = next((each for each in response.objects if id_of(each) == operation.target_id), None)
    if data is None:
        if response.code in ABSENT:
            return gone(operation)
        return Later(f"{response.code}: {response.message}")
    whole = _inner(operation.whole or operation.body)
    base = _written(_inner(operation.base)) if operation.base else Side({})
    there, said = _shown(data), _written(whole)
    known = _Known(there)
    base, wanted = known.complete(base), known.complete(said)
    if _passed_over(base, wanted):
        return _by_hand(operation)
    # Nobody has touched it since we wrote it: where it differs from what we wrote, QuickBooks has made it so.
    untouched = is_known(operation, text_at(data, "EditSequence"))
    changes = _merged(base, wanted, there, untouched=untouched)
    if changes.clashes:
        return _edited(operation, changes.clashes)
    if changes.stuck:
        return _stuck(operation, changes.stuck)
    if not changes.fields and not changes.lines:
        text = "QuickBooks says the same already; nothing was sent"
        # An object of this version is as we wrote it last, which is what this modify says: or no version is kept.
        clean = untouched or _says_all(wanted, there, operation.request)
        version = text_at(data, "EditSequence") if clean else ""
        return OperationOutcome(
            operation.id, "posted", {**receipt(data), "EditSequence": version}, code=NOTHING_SENT, message=text
        )
    try:
        body = _modify(operation, data, changes, said, there)
        return Ready(body, untouched or _says_all(base, there, operation.request))
    except RenderError as error:
        return OperationOutcome(operation.id, "failed", code="invalid", message=str(error), hint=error.hint or "")


def is_known(operation: Operation, version: str) -> bool:
    """Whether an object of this version is as we wrote it last: a modify is prepared with the version of our receipt.

    A receipt has a version only when QuickBooks gave it in the answer to our own write, and nobody else's change was in
    what was written.
    """
    return bool(version) and version == (_inner(operation.whole or operation.body).findtext("EditSequence") or "")


def is_for_known(operation: Operation) -> bool:
    """Whether a modify, as it was sent, was made for an object that nobody had touched."""
    return is_known(operation, _inner(operation.body).findtext("EditSequence") or "")


def has_run(operation: Operation, response: Response | None) -> Mapping[str, str] | None:
    """The receipt of a modify whose answer was lost, when what is there now shows that it ran; else None.

    QuickBooks runs a modify whole or not at all. One part that is as it was sent, and was not so before, says that it ran,
    whatever people have made of the other parts since: otherwise what we wrote would be taken for an edit of theirs. One
    part that is as it was before speaks against it: somebody may have entered the rest by hand.
    """
    data = next((each for each in response.objects if id_of(each) == operation.target_id), None) if response else None
    if data is None or not operation.base:
        return None
    there, sent = _shown(data), _written(_inner(operation.body))
    known = _Known(there)
    base = known.complete(_written(_inner(operation.base)))
    wanted = known.complete(_written(_inner(operation.whole or operation.body)))
    was, now, meant = _parts_of(base), _parts_of(there), _parts_of(wanted)
    concerned = set(sent.fields)
    if sent.lines or "ClearExpenseLines" in sent.fields:
        concerned |= {name for name in (*was, *meant) if name[0].isdigit()}
    changed = [
        name for name in concerned & (was.keys() | meant.keys()) if not _same(name, was.get(name), meant.get(name))
    ]
    ran = any(_same(name, now.get(name), meant.get(name)) for name in changed)
    if not ran or any(_same(name, now.get(name), was.get(name)) for name in changed):
        return None
    # No version: a person may have changed it since.
    return {**receipt(data), "EditSequence": ""}


def _parts_of(side: Side) -> Fields:
    """The fields of a side and those of its lines, each line's by its place: `2/Amount`."""
    names = [name for name in _OF_A_LINE if name != "BillableStatus"]  # QuickBooks gives lines one of its own
    lines = {f"{n}/{name}": line[name] for n, line in enumerate(side.lines, 1) for name in names if name in line}
    return {**side.fields, **lines}


# --- three sides ---------------------------------------------------------------------------------------------------


def _merged(base: Side, wanted: Side, there: Side, *, untouched: bool) -> _Changes:
    changes = _Changes()
    for name in dict.fromkeys((*wanted.fields, *base.fields)):
        ours, now, new = base.fields.get(name), there.fields.get(name), wanted.fields.get(name)
        if _same(name, ours, new) or _same(name, now, new):
            continue
        # ASSUMED: what QuickBooks has filled in by itself, and what a person has, cannot be told apart where we wrote
        # nothing; a value there is then taken for a person's.
        if not untouched and not _same(name, now, ours):
            changes.clashes.append(_Clash(_spoken(name), _quoted(ours), _quoted(now), _quoted(new)))
        elif new is None and isinstance(now, Ref):
            changes.stuck.append(_spoken(name))
        else:
            changes.fields[name] = new
    if not _same_lines(base.lines, wanted.lines) and not _same_lines(wanted.lines, there.lines, theirs=True):
        if untouched or _same_lines(base.lines, there.lines, theirs=True):
            changes.lines = True
        else:
            sides = (_lines_text(side.lines) for side in (base, there, wanted))
            changes.clashes.append(_Clash(_LINES, *sides))
    return changes


def _says_all(side: Side, there: Side, request: str) -> bool:
    """Whether all that a modify can say of what is there is what this side says."""
    names = {*side.fields, *(name for name in there.fields if name.partition("/")[0] in _order(request))}
    same = all(_same(name, side.fields.get(name), there.fields.get(name)) for name in names)
    return same and _same_lines(side.lines, there.lines, theirs=True) and not there.others


def _passed_over(base: Side, wanted: Side) -> bool:
    """Whether the source has changed lines that are not compared, or lines beside them."""
    if base.others == wanted.others:
        return bool(wanted.others) and not _same_lines(base.lines, wanted.lines)
    return True


def _same(name: str, left: Value | None, right: Value | None) -> bool:
    """Whether two values of a field mean the same; none and an empty one do."""
    if isinstance(left, Ref) or isinstance(right, Ref):
        return _same_ref(left or Ref(), right or Ref())
    one, other = left or "", right or ""
    if name.rpartition("/")[2] in _AMOUNTS:
        return _amount(one) == _amount(other)
    return _stored(one) == _stored(other)


def _same_ref(left: Value, right: Value) -> bool:
    if not isinstance(left, Ref) or not isinstance(right, Ref):
        return False
    if left.list_id and right.list_id:
        return left.list_id == right.list_id
    if left.full_name or right.full_name:
        return left.full_name.casefold() == right.full_name.casefold()
    return left.list_id == right.list_id


def _same_lines(left: Sequence[Fields], right: Sequence[Fields], *, theirs: bool = False) -> bool:
    """Whether the lines say the same, in order; with `theirs`, `right` is what QuickBooks shows."""
    return len(left) == len(right) and all(
        _same_line(mine, other, theirs=theirs) for mine, other in zip(left, right, strict=True)
    )


def _same_line(mine: Fields, other: Fields, *, theirs: bool) -> bool:
    names = dict.fromkeys((*_OF_A_LINE, *mine, *(() if theirs else other)))
    if theirs and "BillableStatus" not in mine:
        # QuickBooks gives every line of a customer a status of its own.
        names.pop("BillableStatus")
    return all(_same(name, mine.get(name), other.get(name)) for name in names)


def _stored(text: str) -> str:
    """A text as QuickBooks keeps it: Windows-1252, where everything else becomes `?` (FACTS section 7)."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return plain.encode("cp1252", "replace").decode("cp1252")


def _amount(text: str) -> Decimal | str | None:
    try:
        return Decimal(text) if text.strip() else None
    except InvalidOperation:
        return text


class _Known:
    """What QuickBooks tells of the objects that its side refers to, so that an id and a name can be held together."""

    def __init__(self, there: Side) -> None:
        refs = [
            (name, value)
            for fields in (there.fields, *there.lines)
            for name, value in fields.items()
            if isinstance(value, Ref)
        ]
        self._by_id = {(name, ref.list_id): ref for name, ref in refs if ref.list_id}
        self._by_name = {(name, ref.full_name.casefold()): ref for name, ref in refs if ref.full_name}

    def complete(self, side: Side) -> Side:
        """The side with its references completed."""
        return replace(side, fields=self._fields(side.fields), lines=tuple(map(self._fields, side.lines)))

    def _fields(self, fields: Fields) -> Fields:
        return {name: self._ref(name, value) if isinstance(value, Ref) else value for name, value in fields.items()}

    def _ref(self, name: str, ref: Ref) -> Ref:
        if ref.list_id:
            return self._by_id.get((name, ref.list_id), ref)
        return self._by_name.get((name, ref.full_name.casefold()), ref)


# --- reading -------------------------------------------------------------------------------------------------------


def _kind(operation: Operation) -> str:
    kind = operation.request.removesuffix("Mod")
    if kind == operation.request or not (kind in TXN_KINDS or kind == "Vendor"):
        raise Bug(f"there is no way to merge a {operation.request}")
    return kind


def _inner(request: bytes) -> etree._Element:
    """`<BillMod>` inside `<BillModRq>`."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(request, parser)[0]


def _written(body: etree._Element) -> Side:
    """What a frozen request says, of an Add or a Mod."""
    rows = [child for child in body if _LINE_TAG.search(str(child.tag))]
    lines = tuple(dict(_values(child)) for child in rows if str(child.tag).startswith(_LINE))
    others = tuple(_as_text(child) for child in rows if not str(child.tag).startswith(_LINE))
    return Side(dict(_values(body)), lines, others=others)


def _as_text(line: etree._Element) -> str:
    """A line of any kind without its own id; the same for an Add and a Mod."""
    parts = ((part.tag, (part.text or "").strip()) for part in line.iter() if part.tag != "TxnLineID")
    return " ".join(f"{_LINE_TAG.sub('Line', str(tag))} {text}" for tag, text in parts)


def _values(element: etree._Element) -> Iterator[tuple[str, Value]]:
    for child in element:
        name = str(child.tag)
        if name in _HEAD or name == "TxnLineID" or _LINE_TAG.search(name):
            continue
        if name.endswith("Ref"):
            yield name, Ref((child.findtext("ListID") or "").strip(), (child.findtext("FullName") or "").strip())
        elif len(child):
            yield from ((f"{name}/{part.tag}", part.text or "") for part in child)
        else:
            yield name, child.text or ""


def _shown(data: Json) -> Side:
    """What QuickBooks shows of an object."""
    found = data.get(f"{_LINE}Ret", [])
    lines = [line for line in (found if isinstance(found, list) else [found]) if isinstance(line, Mapping)]
    ids = tuple(text_at(line, "TxnLineID") for line in lines)
    others = tuple(name for name in data if name.endswith("LineRet") and name != f"{_LINE}Ret")
    return Side(dict(_told(data)), tuple(dict(_told(line)) for line in lines), ids, others)


def _told(data: Json) -> Iterator[tuple[str, Value]]:
    for name, value in data.items():
        if name in _HEAD or name == "TxnLineID":
            continue
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, Mapping) and name.endswith("Ref"):
            yield name, Ref(text_at(value, "ListID").strip(), text_at(value, "FullName").strip())
        elif isinstance(value, Mapping):
            yield from ((f"{name}/{part}", text) for part, text in value.items() if isinstance(text, str))


# --- writing -------------------------------------------------------------------------------------------------------


def _modify(operation: Operation, data: Json, changes: _Changes, wanted: Side, there: Side) -> bytes:
    """The request reduced to what changes: an element that is left out stays as it is (FACTS section 7)."""
    request = operation.request
    root = etree.Element(f"{request}Rq", {"requestID": operation.id})
    body = etree.SubElement(root, request)
    _put(body, "TxnID" if _kind(operation) in TXN_KINDS else "ListID", operation.target_id)
    _put(body, "EditSequence", text_at(data, "EditSequence"))
    for name in _order(request):
        inside = [part for part in changes.fields if part.startswith(f"{name}/")]
        if inside:
            # ASSUMED: parts of an address that are left out may be emptied, so all that is there is given again.
            group = etree.SubElement(body, name)
            parts = {**_parts(there.fields, name), **{part: changes.fields[part] for part in inside}}
            for part in _order(f"{request}/{name}"):
                if f"{name}/{part}" in parts:
                    _put(group, part, parts[f"{name}/{part}"])
        elif name in changes.fields:
            _put(body, name, changes.fields[name])
    if changes.lines:
        _put_lines(body, wanted, there, request)
    return freeze_request(request, etree.tostring(root, encoding="unicode"))


def _parts(fields: Fields, group: str) -> dict[str, Value | None]:
    return {name: value for name, value in fields.items() if name.startswith(f"{group}/")}


def _put_lines(body: etree._Element, wanted: Side, there: Side, request: str) -> None:
    """All lines, since any that is left out is removed once one is given (FACTS section 7); matched by position."""
    if not wanted.lines:
        _put(body, "ClearExpenseLines", "true")
    for position, line in enumerate(wanted.lines):
        element = etree.SubElement(body, f"{_LINE}Mod")
        before = there.lines[position] if position < len(there.lines) else {}
        # A reference cannot be emptied: a line that loses one is written anew in its place.
        kept = bool(before) and not any(
            isinstance(value, Ref) and name in _OF_A_LINE and name not in line for name, value in before.items()
        )
        _put(element, "TxnLineID", there.line_ids[position] if kept else "-1")
        for name in _order(f"{request}/{_LINE}Mod"):
            if name in line:
                _put(element, name, line[name])
            elif kept and name == "Memo" and before.get(name):
                _put(element, name, "")


def _put(parent: etree._Element, name: str, value: Value | None) -> None:
    """Append an element; an empty one empties the field."""
    element = etree.SubElement(parent, name)
    if not isinstance(value, Ref):
        element.text = value or ""
    elif value.list_id:
        _put(element, "ListID", value.list_id)
    else:
        _put(element, "FullName", value.full_name)


@lru_cache(maxsize=32)
def _order(path: str) -> tuple[str, ...]:
    """The elements below a path such as `BillMod` in the order that QBXML wants."""
    request = path.partition("/")[0]
    prefix = f"{path}/"
    below = (each.removeprefix(prefix) for each in requirements(request).elements if each.startswith(prefix))
    return tuple(name for name in below if "/" not in name)


# --- outcomes ------------------------------------------------------------------------------------------------------


def gone(operation: Operation) -> OperationOutcome:
    """The outcome of what was to be changed and is not there."""
    return OperationOutcome(
        operation.id,
        "deferred",
        code=GONE_THERE,
        message="what is to be changed is no longer in QuickBooks",
        hint="restore it there, or decide about the posted record, then run `flowctl retry ID`; "
        "when it is right that it is gone, run `flowctl reconcile --leave-out ID`",
    )


def _by_hand(operation: Operation) -> OperationOutcome:
    return OperationOutcome(
        operation.id,
        "deferred",
        code=BY_HAND,
        message="its lines are not expense lines alone, and flowctl does not change item lines in QuickBooks",
        hint="change it there by hand; it is posted as it is until then",
    )


def not_shown(operation: Operation, problem: str) -> OperationOutcome:
    """QuickBooks could not show in several sessions what a modify would change."""
    return OperationOutcome(
        operation.id,
        "deferred",
        code=NOT_SHOWN,
        message=f"QuickBooks could not show what is there now, so the change was not made: {problem}",
        hint="make sure that it can be opened in QuickBooks, then run `flowctl retry ID`, or change it there by hand",
    )


def _edited(operation: Operation, clashes: Sequence[_Clash]) -> OperationOutcome:
    return OperationOutcome(
        operation.id,
        "deferred",
        code=EDITED_THERE,
        message=f"it was changed in QuickBooks and in the source: {'; '.join(map(str, clashes))}",
        hint="correct one of the two so that both say the same, then run `flowctl retry ID`; "
        "when QuickBooks is right as it is, run `flowctl reconcile --leave-out ID`",
    )


def _stuck(operation: Operation, names: Sequence[str]) -> OperationOutcome:
    return OperationOutcome(
        operation.id,
        "deferred",
        code="not_emptied",
        message=f"QuickBooks takes no request that empties the {' and the '.join(names)}",
        hint="empty it there, then run `flowctl retry ID`; "
        "when QuickBooks is right as it is, run `flowctl reconcile --leave-out ID`",
    )


def _spoken(name: str) -> str:
    last = name.rpartition("/")[2]
    return _SPOKEN.get(name) or "".join(f" {c.lower()}" if c.isupper() else c for c in last.removesuffix("Ref")).strip()


def _quoted(value: Value | None) -> str:
    text = value.full_name or value.list_id if isinstance(value, Ref) else (value or "").strip()
    return f"`{_short(text)}`" if text else "nothing"


def _lines_text(lines: Sequence[Fields]) -> str:
    """The lines as a person knows them: account and amount."""
    shown = []
    for line in lines:
        account, amount = line.get("AccountRef"), line.get("Amount")
        name = (account.full_name or account.list_id) if isinstance(account, Ref) else ""
        shown.append(f"{name} {amount if isinstance(amount, str) else ''}".strip())
    return f"`{_short(', '.join(shown))}`" if shown else "nothing"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 3]}..."
