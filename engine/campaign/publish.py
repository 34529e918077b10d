"""Writes what a campaign came to into its page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "campaign.md"
HEADING = "## Last published result"
_ZERO = ("lost", "duplicated", "wrong_file", "cents_off", "stuck")


class NoResult(UsageError):
    """A file that does not end with the JSON line of a campaign."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file}: the last line is not what a campaign prints",
            hint="write the output of `make campaign` into a file, and give that file",
        )


class PartsApart(UsageError):
    """Results that are not parts of one campaign."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file}: {reason}", hint="give the parts of one flow and one commit in the order of their seeds"
        )


def publish(files: Sequence[Path], page: Path = PAGE, commit_name: str | None = None) -> str:
    """Rewrite the section of the page that tells the last result of the same flow; returns the section.

    Several files are parts of one campaign: each begins with the seed after the last of the one before. They were played
    by the code of `commit_name`, or of the commit that is checked out.

    Raises:
        NoResult: when a file does not end with the line of a campaign.
        PartsApart: when one does not go on where the one before ended.
    """
    found: dict[str, Any] = {}
    for file in files:
        try:
            part = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
            # A line that lacks something is none of ours.
            section(part, "")
        except (ValueError, LookupError, TypeError, OSError) as error:
            raise NoResult(file) from error
        found = _joined(found, part, file) if found else part
    text = section(found, commit() if commit_name is None else commit_name)
    before, *sections = page.read_text(encoding="utf-8").split(f"{HEADING}: ")
    kept = {each.partition("\n")[0]: f"{HEADING}: {each.rstrip()}\n" for each in sections}
    kept[_flow(found)] = text
    page.write_text("\n".join([before.rstrip() + "\n", *(kept[name] for name in sorted(kept))]), encoding="utf-8")
    return text


def _joined(one: dict[str, Any], other: dict[str, Any], file: Path) -> dict[str, Any]:
    """Two parts as one: what is counted is added up."""
    following = int(one["first_seed"]) + int(one["schedules"])
    if _flow(one) != _flow(other):
        raise PartsApart(file, f"it is of {_flow(other)}, and the part before of {_flow(one)}")
    if int(other["first_seed"]) != following:
        raise PartsApart(file, f"its first seed is {other['first_seed']}, and the next is {following}")
    made = dict(one)
    for name, value in other.items():
        if isinstance(value, dict):
            made[name] = {key: one[name].get(key, 0) + value.get(key, 0) for key in {**one[name], **value}}
        elif isinstance(value, list):
            made[name] = [*one[name], *value]
        elif isinstance(value, (int, float)) and name != "first_seed":
            made[name] = round(one[name] + value, 1)
    return made


def _flow(found: dict[str, Any]) -> str:
    return str(found.get("flow", "ramp_to_quickbooks"))


def section(found: dict[str, Any], commit_name: str) -> str:
    """The section as Markdown."""
    schedules, first = int(found["schedules"]), int(found["first_seed"])
    at = f" at commit `{commit_name}`" if commit_name else ""
    asked = f"make campaign FLOW={_flow(found)} SCHEDULES={schedules} SEED={first}"
    came_to = f"{schedules:,} schedules, {found['faults']:,} faults, {found['seconds']:,} seconds."
    lines = [
        f"{HEADING}: {_flow(found)}",
        "",
        f"`{asked}`, seeds {first} to {first + schedules - 1}{at}: {came_to}",
        "",
        "| Name | Count |",
        "| --- | ---: |",
        *(
            f"| `{name}` | {found[name]:,} |"
            for name in (*_ZERO, "posted", "changed", "parked", "unclaimed", "failing")
        ),
        "",
        _findings(found),
        "",
        "| Fault | Times |",
        "| --- | ---: |",
        *(f"| `{name}` | {count:,} |" for name, count in sorted(found["faults_by_name"].items())),
    ]
    return "\n".join(lines) + "\n"


def _findings(found: dict[str, Any]) -> str:
    if not found["failing"]:
        return "No schedule failed, and no invariant was broken."
    broken = ", ".join(f"{number} ({times})" for number, times in found["invariants_broken"].items())
    seeds = ", ".join(str(seed) for seed in found["failing_seeds"])
    return f"Failing seeds: {seeds}.{f' Invariants broken: {broken}.' if broken else ''}"


def commit() -> str:
    """The commit that is checked out; empty where there is no repository."""
    try:
        said = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - the one on the path, whatever it is
            cwd=PAGE.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()
