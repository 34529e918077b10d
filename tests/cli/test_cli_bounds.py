"""`flowctl company set`: a whole number is within the bounds that the flow gives it."""

from __future__ import annotations

import pytest

from tests.cli.cli_kit import Cli

FLOW = "freshbooks_to_ramp"


@pytest.mark.parametrize("value", ["-3", "61", "999999999999999999"])
def test_what_is_out_of_bounds_is_refused(cli: Cli, value: str) -> None:
    cli.ok("company", "add", "main")
    assert cli("company", "set", FLOW, f"match_wait_days={value}").err == (
        f"error: setting `match_wait_days`: `{value}` is no whole number from 0 to 60\n"
        "  hint: So many days an expense waits for its card transaction before it becomes a bill\n"
    )


@pytest.mark.parametrize("value", ["0", "60"])
def test_the_bounds_themselves_are_taken(cli: Cli, value: str) -> None:
    cli.ok("company", "add", "main")
    assert cli.ok("company", "set", FLOW, f"match_wait_days={value}").out.startswith(
        f"{FLOW}: match_wait_days = {value}\n"
    )
