"""What QuickBooks' codes mean: each row of the table, and what is unknown."""

from __future__ import annotations

import pytest

from connectors.qbwc.status import COM_ERRORS, RULES, com_error, com_text, list_named, rule_for, set_meaning

LOCKED = "The object is locked by another user."


@pytest.mark.parametrize(
    ("code", "message", "action"),
    [
        (0, "Status OK", "posted"),
        (1, "", "find_out"),
        (500, "", "find_out"),
        (530, "", "find_out"),
        (550, "", "posted"),
        (560, "", "posted"),
        (570, "", "posted"),
        (600, "", "find_out"),
        (1000, "", "find_out"),
        (1010, "", "retry"),
        (1030, "", "failed"),
        (1060, "", "held"),
        (3000, "The given object ID is invalid.", "failed"),
        (3000, 'The given object ID "1" in the field "Vendor" is invalid.', "mapped"),
        (3040, "", "failed"),
        (3070, "", "failed"),
        (3100, "", "look_up"),
        (3120, "", "mapped"),
        (3130, "", "failed"),
        (3140, "", "mapped"),
        (3150, "", "failed"),
        (3161, "", "failed"),
        (3170, "The list has been modified by another user.", "retry"),
        (3170, "The transaction is in a closed period.", "deferred"),
        (3170, "It cannot be modified.", "failed"),
        (3171, "", "deferred"),
        (3175, "", "retry"),
        (3176, "", "retry"),
        (3180, LOCKED, "retry"),
        (3180, "There was an error when saving a Bill.", "failed"),
        (3200, "", "stale"),
        (3210, "", "failed"),
        (3231, "", "retry"),
        (3250, "", "failed"),
        (3260, "", "held"),
        (3261, "", "held"),
        (3270, "", "failed"),
        (3290, "", "failed"),
        (9100, "", "failed"),
        (9199, "", "failed"),
        (-1, "", "held"),
        (4242, "", "held"),
        (3999, LOCKED, "held"),
        (10_000, "", "held"),
    ],
)
def test_a_code_has_its_action(code: int, message: str, action: str) -> None:
    assert rule_for(code, message).action == action


def test_every_row_can_be_reached() -> None:
    texts = ("", LOCKED, "in a closed period", "Account", "it is already void")
    reached = {rule_for(code, text, name) for code in range(10_000) for text in texts for name in ("", "TxnVoid")}
    assert set(RULES) <= reached


def test_every_row_that_needs_a_person_says_what_to_do() -> None:
    assert [rule for rule in RULES if rule.action != "posted" and not rule.hint] == []


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (
            'There is an invalid reference to QuickBooks Vendor "Nope" in the Bill.  QuickBooks error message: Invalid argument.',
            "Vendor",
        ),
        ('There is an invalid reference to QuickBooks Account "Class A" in the Bill line.', "Account"),
        ('There is an invalid reference to QuickBooks Class "Ops" in the Bill.', "Class"),
        ('There is an invalid reference to QuickBooks Customer "x" in the Bill.', "Customer"),
        ('There is an invalid reference to QuickBooks Terms "x" in the Bill.', "Terms"),
        ('Object "12-3" specified in the request cannot be found.', None),
        ("The vendor cannot be found.", "Vendor"),
        ("", None),
    ],
)
def test_the_list_is_read_from_the_text(message: str, name: str | None) -> None:
    assert list_named(message) == name


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (None, "answered"),
        (0, "answered"),
        (600, "not_kept"),
        (9001, "other_bytes"),
        (9002, "not_kept"),
        (9003, "not_kept"),
        (9004, "bad_id"),
        (9005, "not_kept"),
        (77, "not_kept"),
    ],
)
def test_a_message_set_code_has_its_meaning(code: int | None, meaning: str) -> None:
    assert set_meaning(code) == meaning


@pytest.mark.parametrize(
    ("hresult", "code", "recourse"),
    [
        ("0x80040400", 0x80040400, "template"),
        ("80040400", 0x80040400, "template"),
        ("0X8004040a", 0x8004040A, "person"),
        ("-2147220480", 0x80040400, "template"),
        ("0x80040408", 0x80040408, "wait"),
        ("0x80040422", 0x80040422, "person"),
        ("0x80049999", 0x80049999, "wait"),
        ("nonsense", 0, "wait"),
        ("", 0, "wait"),
    ],
)
def test_an_hresult_is_read_however_it_is_written(hresult: str, code: int, recourse: str) -> None:
    assert (com_error(hresult).code, com_error(hresult).recourse) == (code, recourse)


def test_com_errors_are_listed_once_in_order() -> None:
    codes = [error.code for error in COM_ERRORS]
    assert codes == sorted(set(codes))


def test_a_bookkeeper_reads_what_happened_and_what_to_do() -> None:
    assert com_text("0x80040414", "A modal dialog box is showing.") == (
        "a dialog is open in QuickBooks (0x80040414). It said: A modal dialog box is showing. What to do: close the dialog in QuickBooks."
    )
