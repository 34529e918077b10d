"""Add, modify, void and delete transactions, with the checks QuickBooks makes before it saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import date, timedelta
from decimal import Decimal

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile, today
from connectors.qbwc.simulator.model import ZERO, Applied, Deleted, Line, ListObject, Refused, Txn
from connectors.qbwc.simulator.reading import (
    NOT_THERE,
    Context,
    check_edit,
    check_lock,
    check_open_period,
    define,
    existing_txn,
    kids,
    money_of,
    not_found,
    resolve,
    tag,
    text_of,
)
from connectors.qbwc.simulator.render import read_date
from connectors.qbwc.simulator.specs import REFS, TXNS, TxnKind
from engine.dataclass import dataclass

HEAD = frozenset({"TxnID", "EditSequence", "ExternalGUID", "TxnDate"})


@dataclass(slots=True)
class Draft:
    """A transaction as it is read from a request, before the checks."""

    values: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    cleared: set[str] = field(default_factory=set)
    amount: Decimal = ZERO


def add_txn(context: Context, kind: str, body: etree._Element) -> Txn:
    """Run BillAdd and the like."""
    company, spec = context.company, TXNS[kind]
    check_lock(company, kind)
    draft = _read(context, spec, body, {})
    day = _day(context, body, today(company))
    _fill_in(company, spec, draft, day)
    _check(company, spec, draft, day)
    _check_payment(company, draft, "")
    txn = Txn(
        kind=kind,
        txn_id=company.next_id("txn"),
        number=company.count("number"),
        created_at=company.clock.now(),
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(),
        date=day,
        amount=draft.amount,
        values=draft.values,
        refs=draft.refs,
        lines=tuple(replace(line, line_id=company.next_id("txn")) for line in draft.lines),
        applied=tuple(draft.applied),
        guid=text_of(context, body.find("ExternalGUID")),
    )
    define(context, body, txn.txn_id)
    company.put_txn(txn)
    _touch_bills(company, txn)
    return txn


def modify_txn(context: Context, kind: str, body: etree._Element) -> Txn:
    """Run BillMod and the like: lines that are not named in the request are removed once any line is given."""
    company, spec = context.company, TXNS[kind]
    txn = existing_txn(context, text_of(context, body.find("TxnID")), kind)
    check_edit(context, body, txn.edit_sequence)
    check_open_period(company, txn.date, spec.label)
    draft = _read(context, spec, body, {line.line_id: line for line in txn.lines})
    touched = {line.kind for line in draft.lines} | draft.cleared
    if any(kind.startswith("Journal") for kind in touched):
        touched = set(spec.lines)
    draft.lines = [line for line in txn.lines if line.kind not in touched] + draft.lines
    draft.values = {**txn.values, **draft.values}
    draft.refs = {**txn.refs, **draft.refs}
    if body.find("AppliedToTxnMod") is None:
        draft.applied = list(txn.applied)
    day = _day(context, body, txn.date)
    _fill_in(company, spec, draft, day)
    _check(company, spec, draft, day)
    _check_payment(company, draft, txn.txn_id)
    changed = replace(
        txn,
        date=day,
        amount=draft.amount,
        values=draft.values,
        refs=draft.refs,
        lines=tuple(line if line.line_id else replace(line, line_id=company.next_id("txn")) for line in draft.lines),
        applied=tuple(draft.applied),
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(txn.edit_sequence),
    )
    company.put_txn(changed)
    _touch_bills(company, changed)
    return changed


def _touch_bills(company: CompanyFile, payment: Txn) -> None:
    if not company.behaviour.payment_touches_bill:
        return
    paid = [applied.txn_id for applied in payment.applied]
    used = [credit for applied in payment.applied for credit, _ in applied.credits]
    for bill_id in dict.fromkeys([*paid, *used]):
        bill = company.books.txns[bill_id]
        edit = company.next_edit(bill.edit_sequence)
        company.put_txn(replace(bill, modified_at=company.clock.now(), edit_sequence=edit))


def delete_txn(context: Context, kind: str, txn_id: str) -> Deleted:
    """Run TxnDel: refused while a payment is applied, and for types the API cannot delete."""
    company = context.company
    if not TXNS[kind].deletable:
        raise not_found(txn_id)
    txn = existing_txn(context, txn_id, kind)
    check_open_period(company, txn.date, TXNS[kind].label)
    if company.payments_of(txn_id) or company.uses_of(txn_id):
        raise Refused(3160, f'Cannot delete the object specified by the id = "{txn_id}".  A payment is applied to it.')
    return company.delete(txn_id)


def void_txn(context: Context, kind: str, txn_id: str) -> Txn:
    """Run TxnVoid: the transaction stays, with all amounts zero."""
    company = context.company
    txn = existing_txn(context, txn_id, kind)
    check_open_period(company, txn.date, TXNS[kind].label)
    if txn.void and company.behaviour.void_again == "refused":
        said = f"There was an error when voiding a {TXNS[kind].label}.  QuickBooks error message: "
        raise Refused(3180, f"{said}The transaction is already void.")
    if txn.void:
        return txn
    return put_void(company, txn)


def put_void(company: CompanyFile, txn: Txn) -> Txn:
    """A transaction loses its amounts, whoever voids it; what it had paid or used is open again."""
    # A journal entry has no memo of its own.
    on_lines = txn.kind == "JournalEntry"
    _touch_bills(company, txn)
    voided = replace(
        txn,
        void=True,
        amount=ZERO,
        values=txn.values if on_lines else {**txn.values, "Memo": _void_memo(txn.values)},
        lines=tuple(
            replace(
                line, amount=ZERO, values={**line.values, "Memo": _void_memo(line.values)} if on_lines else line.values
            )
            for line in txn.lines
        ),
        applied=(),
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(txn.edit_sequence),
    )
    company.put_txn(voided)
    return voided


def _void_memo(values: Mapping[str, str]) -> str:
    return f"VOID: {values.get('Memo', '')}".rstrip()


# --- reading --------------------------------------------------------------------------------------------------------


def _day(context: Context, body: etree._Element, otherwise: date) -> date:
    given = text_of(context, body.find("TxnDate"))
    return read_date(given) if given else otherwise


def _read(context: Context, spec: TxnKind, body: etree._Element, known: Mapping[str, Line]) -> Draft:
    draft = Draft()
    for child in kids(body):
        name = tag(child)
        if name in HEAD:
            continue
        if name.startswith("AppliedToTxn"):
            draft.applied.append(_applied(context, child))
        elif name.startswith("Clear"):
            draft.cleared.add(name.removeprefix("Clear").removesuffix("s"))
        elif _line_kind(context, child) in spec.lines:
            draft.lines.append(_line(context, spec, child, known))
        elif name.endswith("Ref"):
            draft.refs[name] = resolve(context, child, spec.label).list_id
        elif not len(child):
            draft.values[name] = text_of(context, child)
    if spec.kind == "JournalEntry":
        # The schema lets a header Memo through, but QuickBooks Desktop does not implement it.
        draft.values.pop("Memo", None)
    return draft


def _line_kind(context: Context, element: etree._Element) -> str:
    if tag(element) == "JournalLineMod":
        return f"Journal{text_of(context, element.find('JournalLineType')) or 'Debit'}Line"
    return tag(element).removesuffix("Add").removesuffix("Mod")


def _line(context: Context, spec: TxnKind, element: etree._Element, known: Mapping[str, Line]) -> Line:
    line_id = text_of(context, element.find("TxnLineID")) if known else ""
    if line_id and line_id != "-1" and line_id not in known:
        raise Refused(3120, f'Object "{line_id}" specified in the request cannot be found.  {NOT_THERE}')
    before = known.get(line_id)
    values, refs = dict(before.values if before else {}), dict(before.refs if before else {})
    for child in kids(element):
        name = tag(child)
        if name in REFS:
            refs[name] = resolve(context, child, f"{spec.label} line").list_id
        elif not len(child) and name not in ("TxnLineID", "Amount", "JournalLineType"):
            values[name] = text_of(context, child)
    if "ItemRef" in refs:
        refs["AccountRef"] = context.company.books.lists[refs["ItemRef"]].refs["AccountRef"]
    kind = before.kind if before and tag(element) == "JournalLineMod" else _line_kind(context, element)
    amount = before.amount if before else ZERO
    if element.find("Amount") is not None:
        amount = money_of(context, element.find("Amount"))
    elif "Cost" in values:
        amount = (Decimal(values.get("Quantity") or "1") * Decimal(values["Cost"] or "0")).quantize(ZERO)
    return Line(line_id if before else "", kind, amount, values, refs)


def _applied(context: Context, element: etree._Element) -> Applied:
    account = element.find("DiscountAccountRef")
    return Applied(
        txn_id=text_of(context, element.find("TxnID")),
        amount=money_of(context, element.find("PaymentAmount")),
        discount=money_of(context, element.find("DiscountAmount")),
        discount_account="" if account is None else resolve(context, account, "Bill Payment").list_id,
        credits=tuple(
            (text_of(context, each.find("CreditTxnID")), money_of(context, each.find("AppliedAmount")))
            for each in element.findall("SetCredit")
        ),
    )


# --- defaults and checks --------------------------------------------------------------------------------------------


def _fill_in(company: CompanyFile, spec: TxnKind, draft: Draft, day: date) -> None:
    """What QuickBooks sets when the request leaves it out."""
    if "APAccountRef" in spec.order and "APAccountRef" not in draft.refs:
        payable = next((a for a in company.items("Account") if _type(a) == "AccountsPayable"), None)
        if payable is None:
            raise Refused(3270, "There is a missing posting account: the company has no accounts payable account.")
        draft.refs["APAccountRef"] = payable.list_id
    if spec.kind == "Bill":
        vendor = company.books.lists[draft.refs["VendorRef"]]
        if "TermsRef" not in draft.refs and "TermsRef" in vendor.refs:
            draft.refs["TermsRef"] = vendor.refs["TermsRef"]
        if not draft.values.get("DueDate"):
            terms = company.books.lists.get(draft.refs.get("TermsRef", ""))
            days = int(terms.values.get("StdDueDays", "0")) if terms else company.preferences.days_bills_are_due
            draft.values["DueDate"] = (day + timedelta(days=days)).isoformat()
    if "IsToBePrinted" in spec.order:
        draft.values.setdefault("IsToBePrinted", "false" if draft.values.get("RefNumber") else "true")
    if spec.kind == "JournalEntry":
        draft.values.setdefault("IsAdjustment", "false")
    for position, line in enumerate(draft.lines):
        if "CustomerRef" in line.refs and "BillableStatus" not in line.values:
            draft.lines[position] = replace(line, values={**line.values, "BillableStatus": "Billable"})
    draft.amount = _total(spec, draft)


def _total(spec: TxnKind, draft: Draft) -> Decimal:
    if spec.kind == "BillPaymentCheck":
        return sum((a.amount for a in draft.applied), ZERO)
    if spec.kind == "Transfer":
        return Decimal(draft.values.pop("Amount", "") or draft.amount).quantize(ZERO)
    counted = (line.amount for line in draft.lines if line.kind != "JournalCreditLine")
    return sum(counted, ZERO)


def _type(item: ListObject | None) -> str:
    return item.values.get("AccountType", "") if item else ""


def _check(company: CompanyFile, spec: TxnKind, draft: Draft, day: date) -> None:
    check_open_period(company, day, spec.label)
    for name, allowed in (spec.types or {}).items():
        account = company.books.lists.get(draft.refs.get(name, ""))
        if account is not None and _type(account) not in allowed:
            code = company.behaviour.wrong_account_code
            said = f'The "{name}" field has an invalid value "{account.full_name}".  QuickBooks error message: '
            said += "The account is of the wrong type."
            raise Refused(code, said)
    if spec.kind == "BillPaymentCheck":
        _check_vendor(company, draft)
    if spec.kind == "JournalEntry":
        _check_journal(company, spec, draft)
    elif company.behaviour.refuse_negative_total and draft.amount < ZERO:
        said = (
            f"There was an error when saving a {spec.label}.  QuickBooks error message: The total cannot be negative."
        )
        raise Refused(3180, said)
    if company.preferences.multi_currency:
        _check_currency(company, spec, draft)


def _check_vendor(company: CompanyFile, draft: Draft) -> None:
    payee = company.books.lists[draft.refs["PayeeEntityRef"]]
    if payee.kind != "Vendor":
        said = (
            f'There is an invalid reference to QuickBooks Vendor "{payee.full_name}" in the Bill Payment.  {NOT_THERE}'
        )
        raise Refused(3140, said)


def _check_journal(company: CompanyFile, spec: TxnKind, draft: Draft) -> None:
    debit = sum((line.amount for line in draft.lines if line.kind == "JournalDebitLine"), ZERO)
    credit = sum((line.amount for line in draft.lines if line.kind == "JournalCreditLine"), ZERO)
    saving = f"There was an error when saving a {spec.label}.  QuickBooks error message: "
    if debit != credit:
        said = "Transaction is not in balance.  Make sure the amounts in the Debit column equal "
        said += "the amounts in the Credit column."
        raise Refused(3180, saving + said)
    for line in draft.lines:
        account = company.books.lists.get(line.refs.get("AccountRef", ""))
        entity = company.books.lists.get(line.refs.get("EntityRef", ""))
        wants = {"AccountsPayable": "Vendor", "AccountsReceivable": "Customer"}.get(_type(account))
        if account and wants and (entity is None or entity.kind != wants):
            said = f"A {wants.lower()} is needed on a line that uses the account {account.full_name}."
            raise Refused(3180, saving + said)


def _check_currency(company: CompanyFile, spec: TxnKind, draft: Draft) -> None:
    """The vendor and the account that is owed from or paid from share one currency, as do a journal entry and its lines."""
    home = company.named("Currency", company.preferences.home_currency)
    home_id = home.list_id if home else ""
    names = [name for name in (spec.party, "APAccountRef", spec.account) if name and name in draft.refs]
    objects = [company.books.lists[draft.refs[name]] for name in names]
    found = {o.refs.get("CurrencyRef", home_id) for o in objects if o.kind in ("Vendor", "Account")}
    if spec.kind == "JournalEntry":
        found = {draft.refs.get("CurrencyRef", home_id), *_entry_currencies(company, draft, home_id)}
    if len(found) > 1:
        said = "QuickBooks error message: The currency of the name and of the account must be the same."
        raise Refused(
            company.behaviour.currency_mismatch_code, f'The "CurrencyRef" field has an invalid value.  {said}'
        )
    if spec.currency_of and found:
        draft.refs.setdefault("CurrencyRef", found.pop())


def _entry_currencies(company: CompanyFile, draft: Draft, home_id: str) -> set[str]:
    """Currencies that the lines of a journal entry ask for.

    Any line may use an account of the home currency, but what somebody owes or is owed is in the entry's currency.
    """
    found: set[str] = set()
    for line in draft.lines:
        account, entity = (company.books.lists.get(line.refs.get(name, "")) for name in ("AccountRef", "EntityRef"))
        is_owed = _type(account) in ("AccountsPayable", "AccountsReceivable")
        asked = {o.refs.get("CurrencyRef", home_id) for o in (account, entity if is_owed else None) if o is not None}
        found |= asked if is_owed else asked - {home_id}
    return found


def _check_payment(company: CompanyFile, draft: Draft, own_id: str) -> None:
    """A payment can only pay bills of its vendor, and not more than is open.

    ASSUMED: the wording of a bill that belongs to another vendor.
    """
    for applied in draft.applied:
        bill = company.books.txns.get(applied.txn_id)
        if bill is None or bill.kind != "Bill":
            raise not_found(applied.txn_id)
        check_lock(company, bill.txn_id, related=True)
        own = (a.settled for p, a in company.payments_of(bill.txn_id) if p.txn_id == own_id)
        still_open = company.open_amount(bill) + sum(own, ZERO)
        value = f'The "PaymentAmount" field has an invalid value "{applied.amount}".  QuickBooks error message: '
        if bill.refs["VendorRef"] != draft.refs["PayeeEntityRef"]:
            raise Refused(3210, f"{value}The bill belongs to another vendor.")
        if applied.settled > still_open:
            raise Refused(3210, f"{value}You cannot pay more than the amount due.")
    _check_credits(company, draft, own_id)


def _check_credits(company: CompanyFile, draft: Draft, own_id: str) -> None:
    """A payment can use only credits of its vendor, and not more than is left of each.

    ASSUMED: the code and the wording.
    """
    wanted: dict[str, Decimal] = {}
    for applied in draft.applied:
        for credit_id, used in applied.credits:
            wanted[credit_id] = wanted.get(credit_id, ZERO) + used
    for credit_id, used in wanted.items():
        credit = company.books.txns.get(credit_id)
        if credit is None or credit.kind != "VendorCredit":
            raise not_found(credit_id)
        own = (each for p, _, each in company.uses_of(credit_id) if p.txn_id == own_id)
        value = f'The "AppliedAmount" field has an invalid value "{used}".  QuickBooks error message: '
        if credit.refs["VendorRef"] != draft.refs["PayeeEntityRef"]:
            raise Refused(3210, f"{value}The credit belongs to another vendor.")
        if used > company.open_amount(credit) + sum(own, ZERO):
            raise Refused(3210, f"{value}You cannot use more than is left of the credit.")
