"""A BILL organization under a script: vendors, bills, credits and payments given as data, and what people do to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, get_args

from connectors.bill.simulator import build
from connectors.bill.simulator.core import BillSimulator
from connectors.bill.simulator.faults import Fault, FaultName
from connectors.bill.simulator.payments import show as show_payment
from connectors.bill.simulator.records import Approval, Coding, Line, ListName, Options
from connectors.bill.simulator.world import World
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import UnknownName
from engine.money import format_money, parse_money

_PARTS = ("vendors", "bills", "credits", "payments", "options", "counted")
_CODING: Mapping[str, tuple[ListName, str]] = {
    "account": ("chart-of-accounts", "account"),
    "class": ("accounting-classes", "tag"),
    "department": ("departments", "department"),
    "location": ("locations", "location"),
}
_VENDOR = {
    "name": "name", "currency": "currency", "archived": "archived", "email": "email", "phone": "phone", "company": "company_name",
    "payee": "payee_name", "number": "account_number", "type": "account_type", "short": "short_name",
}  # fmt: skip
_BILL = {
    "invoice": "invoice_number", "memo": "description", "approval": "approval", "archived": "archived",
    "order": "purchase_order", "listed": "listed",
}  # fmt: skip
_BILL_PARTS = ("id", "vendor", "issued", "due", "lines", "rate", *_BILL, *_CODING)
_CREDIT_PARTS = ("id", "vendor", "reference", "on", "memo", "lines", "archived", *_CODING)
_LINE_PARTS = ("amount", "memo", "quantity", "price", "times", *_CODING)
_PAYMENT = {
    "memo": "description", "method": "method", "check": "check_number", "online": "is_online", "status": "status",
    "single_status": "single_status",
}  # fmt: skip
_PAYMENT_PARTS = ("id", "on", "bills", "credits", "rate", *_PAYMENT)


@dataclass(slots=True)
class Story:
    """The simulator with the names that a case gives to its objects."""

    simulator: BillSimulator
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The organization."""
        return self.simulator.world

    def id_of(self, kind: str, name: str) -> str:
        """The id of an object by the name that the case gave it."""
        found = self.ids.get(f"{kind}:{name}")
        if found is None:
            known = tuple(key.partition(":")[2] for key in self.ids if key.startswith(f"{kind}:"))
            raise UnknownName(kind, name, known)
        return found

    def new_id(self, kind: str, name: str, given: Json) -> str:
        """An id that always belongs to this name, or the one the case wants."""
        made = str(given.get("id") or self.world.new_id(kind, name))
        self.ids[f"{kind}:{name}"] = made
        return made


def tell(story: Story, given: Json) -> None:
    """Add vendors, bills, credits and payments, throw switches, and say what the flow is set to post (`counted`)."""
    _known("bill", given, _PARTS)
    if "options" in given:
        story.world.options = options_of(given["options"], story.world.options)
    if "counted" in given:
        _known("counted", given["counted"], ("approvals", "outside"))
        counted = {**given["counted"]}
        if "approvals" in counted:
            counted["approvals"] = frozenset(counted["approvals"])
        story.world.counted = replace(story.world.counted, **counted)
    makers: Mapping[str, Callable[[Story, str, Json], None]] = {
        "vendors": _vendor,
        "bills": _bill,
        "credits": _credit,
        "payments": _payment,
    }
    for part, make in makers.items():
        for name, value in given.get(part, {}).items():
            make(story, name, value if isinstance(value, dict) else {"name": value})


def options_of(given: Json, before: Options | None = None) -> Options:
    """The simulator's switches by name.

    Raises:
        UnknownName: for one that it does not have.
    """
    _known("options", given, tuple(item.name for item in fields(Options)))
    return replace(before or Options(), **given)


def act(story: Story, action: str, value: Any) -> None:
    """What a person does in BILL, or what befalls it."""
    if action not in _ACTIONS:
        raise UnknownName("action", action, tuple(_ACTIONS))
    with story.simulator.changing():
        _ACTIONS[action](story, value)


def contents(story: Story) -> list[str]:
    """Vendors, bills, credits and payments as BILL's pages show them."""
    from connectors.bill.simulator import bills, credits  # noqa: A004 - BILL's own word

    world = story.world
    names = {id_: key.partition(":")[2] for key, id_ in story.ids.items()}
    lines = [f"vendor {names.get(v.id, v.name)}{' | archived' if v.archived else ''}" for v in world.vendors.values()]
    for bill in world.bills.values():
        shown = bills.show(world, bill)
        archived = " | archived" if bill.archived else ""
        number, amount = shown["invoice"].get("invoiceNumber"), format_money(bill.amount)
        states = f"{bill.approval} | {shown['paymentStatus']}"
        lines.append(f"bill {names.get(bill.id, bill.id)} | {number} | {amount} | {states}{archived}")
    for credit in world.credits.values():
        status, amount = credits.show(world, credit)["status"], format_money(credit.amount)
        archived = " | archived" if credit.archived else ""
        lines.append(f"credit {names.get(credit.id, credit.id)} | {credit.reference} | {amount} | {status}{archived}")
    for payment in world.payments.values():
        amount = format_money(payment.cash)
        status = f"{payment.status} | {show_payment(world, payment)['singleStatus']}"
        lines.append(f"payment {names.get(payment.id, payment.id)} | {amount} | {status}")
    return lines


# --- making -----------------------------------------------------------------------------------------------------------


def _vendor(story: Story, name: str, given: Json) -> None:
    _known(f"vendors.{name}", given, ("id", "address", *_VENDOR))
    made = {ours: given[key] for key, ours in _VENDOR.items() if key in given}
    if "address" in given:
        made["address"] = tuple((str(key), str(value)) for key, value in given["address"].items())
    build.add_vendor(story.world, made.pop("name"), id=story.new_id("vendor", name, given), **made)


def _bill(story: Story, name: str, given: Json) -> None:
    _known(f"bills.{name}", given, _BILL_PARTS)
    made = _bill_fields(story, given)
    issued = made.setdefault("invoiced_on", story.world.now.date())
    made.setdefault("due_on", issued)
    bill_id = story.new_id("bill", name, given)
    build.add_bill(story.world, made.pop("lines"), id=bill_id, **made)


def _bill_fields(story: Story, given: Json) -> dict[str, Any]:
    """What the case says of a bill, in the simulator's own terms; only what it says."""
    made: dict[str, Any] = {ours: given[key] for key, ours in _BILL.items() if key in given}
    if "vendor" in given:
        made["vendor_id"] = story.id_of("vendor", given["vendor"])
    for key, ours in (("issued", "invoiced_on"), ("due", "due_on")):
        if key in given:
            made[ours] = date.fromisoformat(given[key])
    if "rate" in given:
        made["exchange_rate"] = parse_money(given["rate"])
    if "lines" in given:
        made["lines"] = _lines(story, given["lines"])
    coding = _coding(story, given)
    if coding != Coding():
        made["coding"] = coding
    return made


def _lines(story: Story, given: Sequence[Json]) -> tuple[Line, ...]:
    made: list[Line] = []
    for index, item in enumerate(given):
        _known(f"lines[{index}]", item, _LINE_PARTS)
        price, quantity = (parse_money(item[key]) if key in item else None for key in ("price", "quantity"))
        line = Line(parse_money(item["amount"]), _coding(story, item), item.get("memo"), quantity, price)
        made += [line] * int(item.get("times", 1))
    return tuple(made)


def _coding(story: Story, given: Json) -> Coding:
    """What a line is coded to: full names of BILL's lists, or `{name, code, parent}` of something that only BILL has."""
    found = {}
    for key, (kind, ours) in _CODING.items():
        if key in given:
            found[ours] = _entry(story, kind, given[key])
    return replace(Coding(), **found)


def _entry(story: Story, kind: ListName, value: Any) -> str:
    given = value if isinstance(value, dict) else {"name": value}
    _known("coding", given, ("name", "code", "parent", "type"))
    name = f"{given['parent']}:{given['name']}" if "parent" in given else str(given["name"])
    found = build.entry_of(story.world, kind, name)
    if found is not None:
        return found.id
    # Departments and locations are BILL's own; accounts and classes are the books' unless a case says otherwise.
    if isinstance(value, dict) or kind in ("departments", "locations"):
        more = {"type": given["type"]} if "type" in given else {}
        return build.add_path(story.world, kind, name, str(given.get("code", "")), **more).id
    entries = story.world.lists[kind].values()
    raise UnknownName(kind, name, tuple(build.path_of(story.world, kind, entry) for entry in entries))


def _credit(story: Story, name: str, given: Json) -> None:
    _known(f"credits.{name}", given, _CREDIT_PARTS)
    made = _credit_fields(story, given)
    credit_id = story.new_id("credit", name, given)
    build.add_credit(story.world, made.pop("vendor_id"), made.pop("lines"), id=credit_id, **made)


def _credit_fields(story: Story, given: Json) -> dict[str, Any]:
    names = {"reference": "reference", "memo": "description", "archived": "archived"}
    made: dict[str, Any] = {ours: given[key] for key, ours in names.items() if key in given}
    if "vendor" in given:
        made["vendor_id"] = story.id_of("vendor", given["vendor"])
    if "on" in given:
        made["given_on"] = date.fromisoformat(given["on"])
    if "lines" in given:
        made["lines"] = _lines(story, given["lines"])
    return made


def _payment(story: Story, name: str, given: Json) -> None:
    """`bills`: amounts of money by the name of a bill; `credits`: by the name of a bill, amounts by that of a credit."""
    _known(f"payments.{name}", given, _PAYMENT_PARTS)
    made: dict[str, Any] = {ours: given[key] for key, ours in _PAYMENT.items() if key in given}
    if "check_number" in made:
        made["check_number"] = int(made["check_number"])
        made.setdefault("method", "CHECK")
    if "rate" in given:
        made["exchange_rate"] = parse_money(given["rate"])
    cash = {story.id_of("bill", key): parse_money(amount) for key, amount in given.get("bills", {}).items()}
    used: dict[str, dict[str, Decimal]] = {
        story.id_of("bill", key): {story.id_of("credit", item): parse_money(amount) for item, amount in parts.items()}
        for key, parts in given.get("credits", {}).items()
    }
    on = date.fromisoformat(given["on"]) if "on" in given else None
    build.pay(story.world, cash, used, on=on, id=story.new_id("payment", name, given), **made)


# --- acting -----------------------------------------------------------------------------------------------------------


def _edit_vendor(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "vendor"}
    _known("edit_vendor", given, tuple(_VENDOR))
    changes = {ours: given[key] for key, ours in _VENDOR.items() if key in given}
    build.edit_vendor(story.world, story.id_of("vendor", value["vendor"]), **changes)


def _edit_bill(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "bill"}
    _known("edit_bill", given, _BILL_PARTS)
    build.edit_bill(story.world, story.id_of("bill", value["bill"]), **_bill_fields(story, given))


def _approve_bill(story: Story, value: Any) -> None:
    approval: Approval = "APPROVED"
    name = value
    if isinstance(value, dict):
        name, approval = value["bill"], value["approval"]
    build.approve_bill(story.world, story.id_of("bill", name), approval)


def _edit_credit(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "credit"}
    _known("edit_credit", given, _CREDIT_PARTS)
    build.edit_credit(story.world, story.id_of("credit", value["credit"]), **_credit_fields(story, given))


def _pay_status(story: Story, value: Json) -> None:
    _known("pay_status", value, ("payment", "status", "single_status"))
    payment_id = story.id_of("payment", value["payment"])
    build.set_payment(story.world, payment_id, value.get("status"), value.get("single_status"))


def _named(part: str, value: Json) -> Json:
    """`{name: ..., rest}` as `tell` takes it: the case's name of the object is its key there."""
    return {part: dict(value)}


def _plan_fault(story: Story, value: Json) -> None:
    """The next requests that fit, one unless told otherwise, meet this fault; `after` lets that many pass before."""
    _known("fault", value, ("name", "method", "path", "times", "after", "seconds"))
    if value["name"] not in get_args(FaultName):
        raise UnknownName("fault", str(value["name"]), get_args(FaultName))
    where = {name: value[name] for name in ("method", "path", "seconds") if name in value}
    first = int(value.get("after", 0))
    numbers = tuple(range(first, first + int(value.get("times", 1))))
    story.simulator.faults.add(Fault(value["name"], at=numbers, **where))


_ACTIONS: Mapping[str, Callable[[Story, Any], object]] = {
    "add": tell,
    "add_vendor": lambda story, value: tell(story, _named("vendors", value)),
    "add_bill": lambda story, value: tell(story, _named("bills", value)),
    "add_credit": lambda story, value: tell(story, _named("credits", value)),
    "pay": lambda story, value: tell(story, _named("payments", value)),
    "pay_status": _pay_status,
    "edit_vendor": _edit_vendor,
    "edit_bill": _edit_bill,
    "edit_credit": _edit_credit,
    "approve_bill": _approve_bill,
    "archive_bill": lambda story, name: build.archive_bill(story.world, story.id_of("bill", name)),
    "restore_bill": lambda story, name: build.archive_bill(story.world, story.id_of("bill", name), is_archived=False),
    "options": lambda story, value: tell(story, {"options": value}),
    "expire_sessions": lambda story, _value: story.simulator.expire_sessions(),
    "fault": _plan_fault,
}


def _known(where: str, given: Json, names: Sequence[str]) -> None:
    for name in given:
        if name not in names:
            raise UnknownName(f"part of {where}", name, tuple(names))
