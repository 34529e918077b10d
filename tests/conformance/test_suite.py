"""The suite itself: what fits a declared shape, what is left out, and what it finds in webhooks and targets."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import pytest

from engine import registry
from engine.conformance import Subject, UnknownCheck, checks_of, conformance, shapes
from engine.contract import Event, Page
from engine.errors import Rejected, RunError
from engine.spec import FieldSpec, FieldType, a_field, a_list, an_object

FITTING: list[tuple[FieldType, object]] = [
    ("text", "x"),
    ("id", "1"),
    ("money", "1050.00"),
    ("money", "-3"),
    ("decimal", Decimal("0.0825")),
    ("decimal", "1.5"),
    ("integer", 3),
    ("boolean", False),
    ("date", "2026-02-28"),
    ("datetime", "2026-02-28T10:00:00Z"),
    ("any", [1]),
    ("text", None),
]
UNFITTING: list[tuple[FieldType, object, str]] = [
    ("text", 1, "r.f: is a whole number that is no text"),
    ("id", 7, "r.f: is a whole number that is no id"),
    ("money", "1,050.00", "r.f: is a text that is no money"),
    ("money", Decimal("1.00"), "r.f: is a Decimal that is no money"),
    ("money", 1.5, "r.f: is a float; read JSON with `parse_json`, and keep money as text"),
    ("integer", True, "r.f: is a boolean that is no integer"),
    ("boolean", "false", "r.f: is a text that is no boolean"),
    ("date", "2026-02-30", "r.f: is a text that is no date"),
    ("date", "20260228", "r.f: is a text that is no date"),
    ("datetime", "2026-02-28T10:00:00", "r.f: is a text that is no datetime"),
    ("object", "x", "r.f: is a text, not an object"),
    ("list", {}, "r.f: is an object, not a list"),
]


@pytest.mark.parametrize(("kind", "value"), FITTING)
def test_what_fits(kind: FieldType, value: object) -> None:
    assert list(shapes.problems({"f": value}, (a_field("f", kind, "help"),), "r")) == []


@pytest.mark.parametrize(("kind", "value", "said"), UNFITTING)
def test_what_does_not_fit(kind: FieldType, value: object, said: str) -> None:
    assert next(shapes.problems({"f": value}, (a_field("f", kind, "help"),), "r")) == said


def test_what_lies_deeper() -> None:
    fields = (
        an_object("vendor", "help", FieldSpec("id", "id", "help", required=True)),
        a_list("lines", "help", a_field("amount", "money", "help")),
    )
    assert list(shapes.problems({"vendor": {}, "lines": [{"amount": "1"}, {"amount": "one"}]}, fields, "r")) == [
        "r.vendor.id: is missing, and the spec says that it is always there",
        "r.lines[].amount: is a text that is no money",
    ]


def test_a_record_that_is_none() -> None:
    assert list(shapes.problems([], (), "r")) == ["r: is a list, not an object"]


# --- leaving out ------------------------------------------------------------------------------------------------------


def test_a_check_is_left_out_with_its_reason() -> None:
    ledger = registry.find("ledger")
    assert ledger is not None
    made: Any = conformance(ledger, without={"finds": "the file is elsewhere"})
    (marks,) = made.pytestmark
    skipped = {param.id: param.marks[0].kwargs for param in marks.args[1] if param.marks}
    assert skipped == {"finds": {"reason": "the file is elsewhere"}}
    assert [param.id for param in marks.args[1]] == [check.name for check in checks_of(Subject(ledger))]


def test_a_check_that_does_not_exist_cannot_be_left_out() -> None:
    ledger = registry.find("ledger")
    assert ledger is not None
    with pytest.raises(UnknownCheck, match=r"^there is no check `find` for this connector$") as caught:
        conformance(ledger, without={"find": "for no reason"})
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean `finds`?")


def test_what_is_wrong_fails_the_test_with_all_of_it() -> None:
    made: Any = conformance(Planted(_bill(), verify=lambda *_: Event("1", "bill.odd", None)))
    (marks,) = made.pytestmark
    check = next(param.values[0] for param in marks.args[1] if param.id == "verifies")
    with pytest.raises(pytest.fail.Exception) as caught:
        made(check)
    assert str(caught.value).splitlines() == [
        "bill: What the vendor sends is taken; changed by one byte, or without its headers or our secret, it is refused.",
        "the event `bill.odd` is none of the connector's `webhooks`",
        "a webhook with its last byte changed is taken",
        "a webhook with its headers left out is taken",
        "a webhook is taken although no secret is known",
    ]


# --- webhooks and targets that are wrong ------------------------------------------------------------------------------


def _bill() -> Any:
    return registry.find("bill")


class Planted:
    """A connector with some of its methods replaced, and some of those of its open connection."""

    def __init__(self, inner: Any, opened: Mapping[str, Any] | None = None, **own: Any) -> None:
        self._inner, self._opened = inner, opened or {}
        vars(self).update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open(self, binding: Any, tools: Any) -> Any:
        return Planted(self._inner.open(binding, tools), **self._opened)


def _found(connector: Any, name: str) -> list[str]:
    subject = Subject(connector, {"profile": "2026-08"} if connector.spec.name == "ramp" else {})
    return [problem for check in checks_of(subject) if check.name == name for problem in check.problems(subject)]


def test_forged_webhooks_that_are_taken() -> None:
    taken = Planted(_bill(), verify=lambda *_: Event("1", "bill.updated", None))
    assert _found(taken, "forged") == [f"forged webhook {number}: is taken as an event" for number in range(1, 7)]


def test_webhooks_that_break_the_program() -> None:
    broken = Planted(_bill(), verify=lambda _binding, headers, _body: headers["x-bill-sha-signature"])
    assert _found(broken, "forged")[0] == "forged webhook 1: is a KeyError, not a `ForgedWebhook`"


def test_a_target_that_never_finds() -> None:
    class Blind(Planted):
        def open(self, binding: Any, tools: Any) -> Any:
            opened = self._inner.open(binding, tools)
            return Planted(opened, find=lambda operation: (opened.find(operation), None)[1])

    blind = Blind(_bill())
    assert _found(blind, "finds") == ["VendorCreate: what was written is not found again"]
    assert _found(blind, "finds_lost") == [
        "VendorCreate: its answer was lost, and it is not found: it would be written twice"
    ]


def test_a_target_that_believes_in_every_write() -> None:
    from engine.contract import Receipt

    believing = Planted(_bill(), {"write": lambda _operation: Receipt({"id": "1"})})
    assert _found(believing, "finds_lost") == ["VendorCreate: its answer was lost, and the write counts as done"]


# --- marks and reads that are wrong -----------------------------------------------------------------------------------


def _changed(name: str, **ways: Any) -> Any:
    """A shipped connector with methods of its open connection replaced; each is given the real connection first."""

    class Changed(Planted):
        def open(self, binding: Any, tools: Any) -> Any:
            opened = self._inner.open(binding, tools)
            return Planted(opened, None, **{name: partial(way, opened, binding) for name, way in ways.items()})

    return Changed(registry.find(name))


def _telling_all(binding: Any) -> str:
    known = f"user:{binding.secrets['client_secret']}"
    return f"it failed with {base64.b64encode(known.encode()).decode()}"


def test_a_source_that_reads_the_first_page_only() -> None:
    def first(opened: Any, _binding: Any, *asked: Any) -> Iterator[Page]:
        for page in opened.read(*asked):
            yield Page(page.records, None)
            return

    found = _found(_changed("freshbooks", read=first), "reads_many")
    assert found[0] == "bills: 3 records on small pages, and 19 on large"


def test_secrets_in_the_errors_of_marks_and_of_single_records() -> None:
    def mark(opened: Any, binding: Any, call: Any) -> None:
        try:
            opened.mark(call)
        except RunError:
            raise Rejected(_telling_all(binding)) from None

    def get(opened: Any, binding: Any, *asked: Any) -> Any:
        try:
            return opened.get(*asked)
        except RunError:
            raise Rejected(_telling_all(binding)) from None

    shown = "the error shows the secret `client_secret`"
    leaky = _changed("ramp", mark=mark, get=get)
    assert _found(leaky, "refused") == [f"an unknown mark: {shown}"]
    assert _found(leaky, "fails_500") == [f"BILL_SYNC, 500: {shown}", f"vendors by `get`, 500: {shown}"]


def test_marks_that_are_told_twice_or_under_another_key() -> None:
    def twice(opened: Any, _binding: Any, call: Any) -> None:
        opened.mark(call)
        opened.mark(call)

    def renewed(opened: Any, _binding: Any, call: Any) -> None:
        opened.mark(replace(call, idempotency_key=f"{call.idempotency_key}-{next(numbers)}"))

    numbers, ramp = count(), _changed("ramp", mark=renewed)
    assert _found(_changed("ramp", mark=twice), "twice")[0] == "BILL_SYNC: the same call is made twice for one mark"
    assert _found(ramp, "twice") == [
        f"{mark.name}: told again, it is sent with another idempotency key" for mark in Subject(ramp).spec.marks
    ]
