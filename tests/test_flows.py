"""Every golden case of every flow; `flowctl test -k NAME` plays one alone and shows what differs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine.cli import common
from engine.golden.case import find_folders
from engine.golden.compare import check
from engine.program import FlowProgram
from tests.reference import ROOT

CASES = ROOT / "tests" / "flows"


@cache
def program(flow: str) -> FlowProgram:
    return common.program(str(ROOT / "flows" / f"{flow}.yaml"))


@pytest.mark.parametrize("folder", list(find_folders(CASES)), ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_golden_case(folder: Path) -> None:
    verdict = check(folder, program(folder.parent.name))
    assert verdict.ok, "\n".join(verdict.problems)


def test_the_shipped_flow_has_the_cases_that_matter_most() -> None:
    named = {folder.name for folder in find_folders(CASES, ("ramp_to_quickbooks",))}
    assert named >= {
        *("happy_path", "second_run", "missing_vendor", "missing_account", "refused_by_quickbooks", "answer_lost"),
        *("answer_and_state_lost", "refund", "split_lines", "paid_bill", "partially_paid_bill", "non_ascii_names"),
        *("two_hundred_lines", "journal_entry", "currency_mismatch", "freshbooks_bill", "vendor_name_taken"),
        *("archived_in_ramp", "edited_before_sending", "export_before_posting"),
        *("bill_entered_by_hand", "bill_entered_by_hand_is_another", "deleted_in_quickbooks", "backup_restored"),
        *("newer_file_opened_again", "edited_in_quickbooks", "several_in_one_set", "several_in_one_set_answer_lost"),
    }


def test_the_accounting_sync_has_the_cases_that_matter_most() -> None:
    named = {folder.name for folder in find_folders(CASES, ("ramp_accounting",))}
    assert named >= {
        *(
            "happy_path",
            "second_run",
            "chart_pushed",
            "account_renamed",
            "account_switched_off_and_on",
            "account_deleted",
        ),
        *(
            "class_hidden_and_shown",
            "one_account_refused",
            "existing_in_ramp",
            "upload_answer_lost",
            "foreign_connection",
        ),
        *("direct_connection", "connection_taken_over", "foreign_coding", "missing_account", "coding_answer_lost"),
        *("bill_open", "bill_paid", "bill_paid_later", "bill_synced_elsewhere", "vendor_created_before_sync", "refund"),
        *("foreign_currency_bill", "entity_accounts", "entity_left_out", "sync_button_in_time", "sync_button_queued"),
        *(
            "failure_texts",
            "export_before_posting",
            "webhook_twice",
            "webhook_forged",
            "mark_answer_lost",
            "freshbooks_bill",
        ),
    }
