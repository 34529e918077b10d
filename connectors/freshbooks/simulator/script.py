"""A FreshBooks account under a script: vendors, bills and expenses given as data, and what people do to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from datetime import date
from typing import Any, get_args

from connectors.freshbooks.simulator import resources
from connectors.freshbooks.simulator.core import FreshBooksSimulator
from connectors.freshbooks.simulator.faults import Fault, FaultName
from connectors.freshbooks.simulator.records import ACTIVE, ARCHIVED, DELETED, Line, Options
from connectors.freshbooks.simulator.world import World
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import UnknownName
from engine.money import format_money, parse_money

_PARTS = ("categories", "vendors", "bills", "expenses", "options")
_VENDOR = {
    "name": "name", "email": "email", "phone": "phone", "number": "account_number", "currency": "currency",
    "contact": "contact", "street": "street", "city": "city", "province": "province", "postal_code": "postal_code",
    "country": "country",
}  # fmt: skip
_BILL = {"number": "number", "terms": "offset_days", "currency": "currency"}
_EXPENSE = {
    "vendor": "vendor", "notes": "notes", "currency": "currency", "receipt": "has_receipt", "status": "status", "card": "on_card",
}  # fmt: skip
_STATES = {ACTIVE: "", DELETED: " | deleted", ARCHIVED: " | archived"}


@dataclass(slots=True)
class Story:
    """The simulator with the names that a case gives to its objects."""

    simulator: FreshBooksSimulator
    ids: dict[str, int] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The account."""
        return self.simulator.world

    def id_of(self, kind: str, name: str) -> int:
        """The id of an object by the name that the case gave it."""
        found = self.ids.get(f"{kind}:{name}")
        if found is None:
            known = tuple(key.partition(":")[2] for key in self.ids if key.startswith(f"{kind}:"))
            raise UnknownName(kind, name, known)
        return found


def tell(story: Story, given: Json) -> None:
    """Add categories, vendors, bills and expenses, and throw switches."""
    _known("freshbooks", given, _PARTS)
    if "options" in given:
        story.world.options = options_of(given["options"], story.world.options)
    for name in given.get("categories", ()):
        story.world.add_category(str(name))
    makers: Mapping[str, Callable[[Story, str, Json], None]] = {
        "vendors": _vendor,
        "bills": _bill,
        "expenses": _expense,
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
    """What a person does in FreshBooks, or what befalls it."""
    if action not in _ACTIONS:
        raise UnknownName("action", action, tuple(_ACTIONS))
    with story.simulator.changing():
        _ACTIONS[action](story, value)


def contents(story: Story) -> list[str]:
    """Bills and expenses as FreshBooks' pages show them."""
    world = story.world
    names = {(key.partition(":")[0], id_): key.partition(":")[2] for key, id_ in story.ids.items()}
    lines = []
    for bill in world.bills.values():
        status = resources.show_bill(world, bill)["status"]
        name, state = names.get(("bill", bill.id), bill.id), _STATES[bill.vis_state]
        lines.append(f"bill {name} | {bill.number or '-'} | {format_money(bill.total)} | {status}{state}")
    for expense in world.expenses.values():
        name, state = names.get(("expense", expense.id), expense.id), _STATES[expense.vis_state]
        lines.append(f"expense {name} | {expense.vendor or '-'} | {format_money(expense.amount)}{state}")
    return lines


# --- making -----------------------------------------------------------------------------------------------------------


def _vendor(story: Story, name: str, given: Json) -> None:
    _known(f"vendors.{name}", given, tuple(_VENDOR))
    made = {ours: given[key] for key, ours in _VENDOR.items() if key in given}
    story.ids[f"vendor:{name}"] = story.world.add_vendor(made.pop("name"), **made).id


def _bill(story: Story, name: str, given: Json) -> None:
    _known(f"bills.{name}", given, ("vendor", "issued", "lines", "rounding", *_BILL))
    made = _bill_fields(story, given)
    lines = made.pop("lines")
    story.ids[f"bill:{name}"] = story.world.add_bill(made.pop("vendor_id"), lines, **made).id


def _bill_fields(story: Story, given: Json) -> dict[str, Any]:
    made: dict[str, Any] = {ours: given[key] for key, ours in _BILL.items() if key in given}
    if "vendor" in given:
        made["vendor_id"] = story.id_of("vendor", given["vendor"])
    if "issued" in given:
        made["issued_on"] = date.fromisoformat(given["issued"])
    if "rounding" in given:
        made["rounding"] = parse_money(given["rounding"])
    if "lines" in given:
        made["lines"] = tuple(_line(story, item, index) for index, item in enumerate(given["lines"]))
    return made


def _line(story: Story, item: Json, index: int) -> Line:
    _known(f"lines[{index}]", item, ("amount", "category", "memo", "quantity", "tax"))
    category = story.world.add_category(str(item["category"])).id if "category" in item else 0
    quantity, tax = parse_money(item.get("quantity", "1")), parse_money(item.get("tax", "0"))
    return Line(parse_money(item["amount"]), category, item.get("memo"), quantity, tax)


def _expense(story: Story, name: str, given: Json) -> None:
    _known(f"expenses.{name}", given, ("amount", "category", "on", *_EXPENSE))
    made = _expense_fields(story, given)
    category = made.pop("category_id", 0)
    story.ids[f"expense:{name}"] = story.world.add_expense(made.pop("amount"), category, **made).id


def _expense_fields(story: Story, given: Json) -> dict[str, Any]:
    made: dict[str, Any] = {ours: given[key] for key, ours in _EXPENSE.items() if key in given}
    if "amount" in given:
        made["amount"] = parse_money(given["amount"])
    if "category" in given:
        made["category_id"] = story.world.add_category(str(given["category"])).id
    if "on" in given:
        made["on"] = date.fromisoformat(given["on"])
    return made


# --- acting -----------------------------------------------------------------------------------------------------------


def _edit_vendor(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "vendor"}
    _known("edit_vendor", given, tuple(_VENDOR))
    changes = {ours: given[key] for key, ours in _VENDOR.items() if key in given}
    story.world.edit_vendor(story.id_of("vendor", value["vendor"]), **changes)


def _edit_bill(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "bill"}
    _known("edit_bill", given, ("vendor", "issued", "lines", "rounding", *_BILL))
    story.world.edit_bill(story.id_of("bill", value["bill"]), **_bill_fields(story, given))


def _edit_expense(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "expense"}
    _known("edit_expense", given, ("amount", "category", "on", *_EXPENSE))
    story.world.edit_expense(story.id_of("expense", value["expense"]), **_expense_fields(story, given))


def _pay_bill(story: Story, value: Json) -> None:
    _known("pay_bill", value, ("bill", "amount", "on"))
    on = date.fromisoformat(value["on"]) if "on" in value else None
    story.world.pay_bill(story.id_of("bill", value["bill"]), parse_money(value["amount"]), on)


def _unpay_bill(story: Story, name: str) -> None:
    """Delete all payments of a bill."""
    bill = story.world.bills[story.id_of("bill", name)]
    story.world.edit_bill(bill.id, payments=tuple(replace(payment, vis_state=DELETED) for payment in bill.payments))


def _state(kind: str, vis_state: int) -> Callable[[Story, Any], object]:
    """Delete, archive or restore an object by its name."""

    def change(story: Story, name: Any) -> object:
        world = story.world
        edits: Mapping[str, Callable[..., object]] = {
            "bill": world.edit_bill,
            "expense": world.edit_expense,
            "vendor": world.edit_vendor,
        }
        return edits[kind](story.id_of(kind, name), vis_state=vis_state)

    return change


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
    "edit_vendor": _edit_vendor,
    "edit_bill": _edit_bill,
    "edit_expense": _edit_expense,
    "pay_bill": _pay_bill,
    "unpay_bill": _unpay_bill,
    **{f"delete_{kind}": _state(kind, DELETED) for kind in ("bill", "expense", "vendor")},
    **{f"archive_{kind}": _state(kind, ARCHIVED) for kind in ("bill", "vendor")},
    **{f"restore_{kind}": _state(kind, ACTIVE) for kind in ("bill", "expense", "vendor")},
    "move_user": lambda story, value: story.world.move_user(str(value)),
    "options": lambda story, value: tell(story, {"options": value}),
    "expire_tokens": lambda story, _value: story.simulator.grants.expire(),
    "revoke": lambda story, _value: story.simulator.grants.revoke(),
    "fault": _plan_fault,
}


def _known(where: str, given: Json, names: Sequence[str]) -> None:
    for name in given:
        if name not in names:
            raise UnknownName(f"part of {where}", name, tuple(names))
