"""Bills, bill vendors, expenses, categories and accounts: lists, single objects, and what people and programs change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.freshbooks.simulator import lists, receipts
from connectors.freshbooks.simulator.records import ARCHIVED, DELETED, Account, Bill, Category, Expense, Line, Vendor
from connectors.freshbooks.simulator.wire import ApiError, JsonObject, Request, eastern, money, result, utc
from connectors.freshbooks.simulator.world import World, status_of
from engine.contract import HttpReply

Handler = Callable[[World, Request], HttpReply]


# --- how objects show -------------------------------------------------------------------------------------------------


def show_vendor(world: World, vendor: Vendor, *, balance: bool = True) -> JsonObject:
    """A bill vendor; inside a bill it has no balance, as in the sample (bill_list_response.json)."""
    time = utc if world.options.vendor_times == "utc" else eastern
    owed = _owed(world, vendor) if balance else Decimal(0)
    blank = ("website", "street2", "note")
    first, _, last = (vendor.contact or "").partition(" ")
    return {
        "vendorid": vendor.id,
        "vendor_name": vendor.name,
        "account_number": vendor.account_number,
        "currency_code": vendor.currency,
        "is_1099": False,
        "language": "en",
        "outstanding_balance": [money(owed, vendor.currency)] if owed else [],
        "overdue_balance": [],
        "phone": vendor.phone,
        **dict.fromkeys(blank),
        "street": vendor.street,
        "city": vendor.city,
        "province": vendor.province,
        "postal_code": vendor.postal_code,
        "country": vendor.country,
        "primary_contact_email": vendor.email,
        "primary_contact_first_name": first or None,
        "primary_contact_last_name": last or None,
        "tax_defaults": [],
        "created_at": time(vendor.created),
        "updated_at": time(vendor.updated),
        "vis_state": vendor.vis_state,
    }


def _owed(world: World, vendor: Vendor) -> Decimal:
    bills = [bill for bill in world.bills.values() if bill.vendor_id == vendor.id and not bill.vis_state]
    return sum((bill.total - bill.paid for bill in bills), Decimal(0))


def show_bill(world: World, bill: Bill) -> JsonObject:
    """A bill with its lines, payments and vendor."""
    code = bill.currency
    names = [_category_name(world, line) for line in bill.lines]
    return {
        "id": bill.id,
        "vendorid": bill.vendor_id,
        "bill_number": bill.number,
        "status": status_of(world, bill),
        "vis_state": bill.vis_state,
        "issue_date": bill.issued_on.isoformat(),
        "due_date": bill.due_on.isoformat(),
        "due_offset_days": bill.offset_days,
        "currency_code": code,
        "language": "en",
        "amount": money(bill.amount, code),
        "tax_amount": money(bill.tax, code),
        "total_amount": money(bill.total, code),
        "paid": money(bill.paid, code),
        "outstanding": money(bill.total - bill.paid, code),
        "overall_category": ", ".join(dict.fromkeys(name for name in names if name)),
        "overall_description": ", ".join(line.description for line in bill.lines if line.description),
        "attachment": None,
        "created_at": utc(bill.created),
        "updated_at": utc(bill.updated),
        "bill_payments": [
            {
                "id": payment.id,
                "billid": bill.id,
                "amount": money(payment.amount, code),
                "paid_date": payment.on.isoformat(),
                "payment_type": payment.type,
                "note": "",
                "vis_state": payment.vis_state,
            }
            for payment in bill.payments
            if payment.vis_state != DELETED or world.options.shows_deleted_payments
        ],
        "lines": [_show_line(world, line, place, code) for place, line in enumerate(bill.lines, 1)],
        "vendor": show_vendor(world, world.vendors[bill.vendor_id], balance=False)
        if bill.vendor_id in world.vendors
        else None,
    }


def _show_line(world: World, line: Line, place: int, code: str) -> JsonObject:
    whole = line.quantity == line.quantity.to_integral_value()
    blank = ("tax_name2", "tax_percent2", "tax_authorityid1", "tax_authorityid2", "tax_amount2")
    return {
        "list_index": place,
        "category": _category_name(world, line),
        "categoryid": line.category_id or None,
        "description": line.description,
        "quantity": int(line.quantity) if whole else float(line.quantity),
        "unit_cost": money(line.unit_cost, code),
        "amount": money(line.amount, code),
        "total_amount": money(line.amount + line.tax, code),
        "tax_name1": "Tax" if line.tax else None,
        "tax_percent1": None,
        "tax_amount1": money(line.tax, code) if line.tax else None,
        **dict.fromkeys(blank),
    }


def _category_name(world: World, line: Line) -> str | None:
    category = world.categories.get(line.category_id)
    return category.name if category is not None else None


def show_expense(world: World, expense: Expense) -> JsonObject:
    """An expense."""
    given_id = str(expense.id) if world.options.text_ids else expense.id
    return {
        "id": given_id,
        "expenseid": given_id,
        "accounting_systemid": world.account_id,
        "account_name": "",
        "accountid": None,
        "amount": money(expense.amount, expense.currency),
        "bank_name": "",
        "categoryid": str(expense.category_id) if world.options.text_ids else expense.category_id,
        "clientid": expense.client_id,
        "projectid": expense.project_id,
        "staffid": 1,
        "invoiceid": None,
        "ext_invoiceid": 0,
        "ext_systemid": 0,
        "profileid": None,
        "transactionid": None,
        "compounded_tax": False,
        "date": expense.on.isoformat(),
        "from_bulk_import": False,
        "has_receipt": expense.has_receipt,
        "include_receipt": False,
        "is_cogs": False,
        "isduplicate": False,
        "markup_percent": "0",
        "notes": expense.notes,
        "status": expense.status,
        **{f"tax{part}{number}": None for part in ("Amount", "Name", "Percent") for number in (1, 2)},
        "updated": eastern(expense.updated),
        "vendor": expense.vendor,
        "vis_state": expense.vis_state,
    }


def show_with_receipt(world: World, expense: Expense) -> JsonObject:
    """An expense with `include[]=attachment`."""
    shown = show_expense(world, expense)
    attached = receipts.attachment(world, expense) if expense.has_receipt else None
    return {**shown, "attachment": attached}


def show_category(_world: World, category: Category) -> JsonObject:
    """An expense category."""
    since = "2019-01-07 09:00:00"
    return {
        "id": category.id,
        "categoryid": category.id,
        "category": category.name,
        "parentid": category.parent_id,
        "is_cogs": category.is_cogs,
        "is_editable": True,
        "created_at": since,
        "updated_at": since,
        "vis_state": category.vis_state,
    }


def show_account(world: World, account: Account) -> JsonObject:
    """An account of the chart. ASSUMED: the accounts below it show in the same shape."""
    return {
        "id": account.id,
        "accountid": account.id,
        "account_name": account.name,
        "account_number": account.number,
        "account_type": account.type,
        "accounting_systemid": world.account_id,
        "balance": "0.00",
        "currency_code": "USD",
        "created_at": "2019-01-07 09:00:00",
        "sub_accounts": [show_account(world, sub) for sub in account.subs],
    }


# --- lists and objects ------------------------------------------------------------------------------------------------


def list_bills(world: World, request: Request) -> HttpReply:
    """GET bills; no filter by date or change exists."""
    _entitled(world.options.has_bills, "41001", "bills")
    rows = lists.shown_in_lists(world, request, list(world.bills.values()))
    return lists.answer(world, request, "bills", lists.narrowed(world, request, rows, lists.BILL_FILTERS), show_bill)


def list_vendors(world: World, request: Request) -> HttpReply:
    """GET bill_vendors; no filter works."""
    _entitled(world.options.has_vendors, "31001", "bill vendors")
    return lists.answer(
        world, request, "bill_vendors", lists.shown_in_lists(world, request, list(world.vendors.values())), show_vendor
    )


def list_expenses(world: World, request: Request) -> HttpReply:
    """GET expenses; `updated_min` knows only days."""
    _entitled(world.options.has_expenses, "1003", "expenses")
    rows = lists.shown_in_lists(world, request, list(world.expenses.values()))
    found = lists.narrowed(world, request, rows, lists.EXPENSE_FILTERS)
    return lists.answer(world, request, "expenses", found, _shower(request))


def list_categories(world: World, request: Request) -> HttpReply:
    """GET categories."""
    return lists.answer(world, request, "categories", list(world.categories.values()), show_category)


def list_accounts(world: World, request: Request) -> HttpReply:
    """GET journal_entry_accounts; no filter works."""
    return lists.answer(world, request, "journal_entry_accounts", list(world.accounts.values()), show_account)


def get_bill(world: World, request: Request) -> HttpReply:
    """GET one bill. ASSUMED, and a switch: a deleted one is shown, with its `vis_state`."""
    _entitled(world.options.has_bills, "41001", "bills")
    return result({"bill": show_bill(world, _seen(world, world.bills, request, "Bill"))})


def get_vendor(world: World, request: Request) -> HttpReply:
    """GET one vendor."""
    _entitled(world.options.has_vendors, "31001", "bill vendors")
    return result({"bill_vendor": show_vendor(world, _seen(world, world.vendors, request, "Vendor"))})


def get_expense(world: World, request: Request) -> HttpReply:
    """GET one expense."""
    _entitled(world.options.has_expenses, "1003", "expenses")
    return result({"expense": _shower(request)(world, _seen(world, world.expenses, request, "Expense"))})


def get_category(world: World, request: Request) -> HttpReply:
    """GET one category."""
    return result({"category": show_category(world, _found(world.categories, request, "Category"))})


def post_vendor(world: World, request: Request) -> HttpReply:
    """POST a vendor."""
    given = request.given("bill_vendor")
    made = world.add_vendor(str(given.get("vendor_name") or ""), **_vendor_fields(given))
    return result({"bill_vendor": show_vendor(world, made)})


def put_vendor(world: World, request: Request) -> HttpReply:
    """PUT a vendor: only what is sent changes; `vis_state` deletes it."""
    found, given = _found(world.vendors, request, "Vendor"), request.given("bill_vendor")
    changes: dict[str, Any] = _vis_state(given) or _vendor_fields(given)
    if "vendor_name" in given and "vis_state" not in given:
        changes["name"] = str(given["vendor_name"])
    return result({"bill_vendor": show_vendor(world, world.edit_vendor(found.id, **changes))})


def post_bill(world: World, request: Request) -> HttpReply:
    """POST a bill."""
    given = request.given("bill")
    vendor_id = given.get("vendorid")
    if vendor_id not in world.vendors:
        raise ApiError(422, "1012", "Vendor not found.", field="vendorid")
    fields = _bill_fields(world, given)
    made = world.add_bill(vendor_id, fields.pop("lines", ()), **fields)
    return result({"bill": show_bill(world, made)})


def put_bill(world: World, request: Request) -> HttpReply:
    """PUT a bill: only what is sent changes; a field that FreshBooks computes is refused."""
    found, given = _found(world.bills, request, "Bill"), request.given("bill")
    for name in ("amount", "overall_category", "overall_description", "status"):
        if name in given:
            raise ApiError(403, "1038", f"{name} is read only.", field=name)
    return result(
        {"bill": show_bill(world, world.edit_bill(found.id, **(_vis_state(given) or _bill_fields(world, given))))}
    )


def put_expense(world: World, request: Request) -> HttpReply:
    """PUT an expense. ASSUMED: of its fields only notes, vendor and `vis_state` are changed by programs."""
    found, given = _found(world.expenses, request, "Expense"), request.given("expense")
    changes = _vis_state(given) or {name: given[name] for name in ("notes", "vendor") if name in given}
    return result({"expense": show_expense(world, world.edit_expense(found.id, **changes))})


def _entitled(has: bool, code: str, what: str) -> None:
    """What the plan lacks is answered with HTTP 200 (FACTS.md, URL families)."""
    if not has:
        raise ApiError(200, code, f"You do not have access to {what}.")


def _seen(world: World, objects: dict[int, Any], request: Request, what: str) -> Any:
    """An object that is shown: whether deleted ones are is a switch."""
    found = _found(objects, request, what)
    if found.vis_state == DELETED and not world.options.shows_deleted:
        raise ApiError(404, "1012", f"{what} not found.", field="id")
    return found


def _shower(request: Request) -> Callable[[World, Expense], JsonObject]:
    """An expense has its receipt only where that is asked for."""
    return show_with_receipt if ("include[]", "attachment") in request.query else show_expense


def _found(objects: dict[int, Any], request: Request, what: str) -> Any:
    key = int(request.record_id) if request.record_id.isascii() and request.record_id.isdigit() else -1
    if key not in objects:
        raise ApiError(404, "1012", f"{what} not found.", field="id")
    return objects[key]


def _vis_state(given: JsonObject) -> dict[str, int]:
    """The state that a PUT gives; whatever else it gives is then dropped (freshbooks.com/api/active_deleted)."""
    if "vis_state" not in given:
        return {}
    value = given["vis_state"]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= ARCHIVED:
        raise ApiError(422, "1015", "vis_state must be 0, 1 or 2.", field="vis_state")
    return {"vis_state": value}


def _vendor_fields(given: JsonObject) -> dict[str, Any]:
    ours = {
        "account_number": "account_number",
        "primary_contact_email": "email",
        "phone": "phone",
        "currency_code": "currency",
    }
    return {name: given[key] for key, name in ours.items() if key in given}


def _bill_fields(world: World, given: JsonObject) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "bill_number" in given:
        made["number"] = given["bill_number"]
    if "currency_code" in given:
        made["currency"] = given["currency_code"]
    if "due_offset_days" in given:
        made["offset_days"] = int(given["due_offset_days"])
    try:
        if "issue_date" in given:
            made["issued_on"] = date.fromisoformat(str(given["issue_date"]))
        if "lines" in given:
            made["lines"] = tuple(_line(world, item) for item in given["lines"])
    except (ValueError, TypeError, KeyError, InvalidOperation, AttributeError) as error:
        raise ApiError(422, "1015", "A value has a wrong type.", field="lines") from error
    return made


def _line(world: World, item: JsonObject) -> Line:
    category_id = int(item.get("categoryid") or 0)
    if category_id and category_id not in world.categories:
        raise ApiError(422, "1012", "Category not found.", field="categoryid")
    cost = Decimal(str(item["unit_cost"]["amount"]))
    return Line(cost, category_id, item.get("description"), Decimal(str(item.get("quantity", 1))))
