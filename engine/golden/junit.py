"""Verdicts as JUnit XML, as GitLab, Jenkins and GitHub actions read it: a suite a flow, a test case a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dataclass import dataclass

if TYPE_CHECKING:
    from lxml import etree

    from engine.golden.compare import Verdict

# What XML 1.0 cannot hold, however it is escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# No reader shows more of one message.
_MOST = 60_000


@dataclass(frozen=True, slots=True)
class Played:
    """A case, how it ended, and how long that took; `verdict` is None for one that was not chosen."""

    folder: Path
    verdict: Verdict | None
    seconds: float = 0.0

    @property
    def flow(self) -> str:
        """The flow that it is a case of."""
        return self.folder.parent.name


def junit(played: Sequence[Played], began: datetime, left_out: str = "not chosen by -k") -> bytes:
    """The document. `began` is when the first case was played; `left_out` says why cases were not."""
    from lxml import etree

    root = etree.Element("testsuites", {"name": "flowctl test", **_counts(played)})
    for number, flow in enumerate(dict.fromkeys(each.flow for each in played)):
        cases = [each for each in played if each.flow == flow]
        about = {"name": legal(flow), "id": str(number), "timestamp": began.strftime("%Y-%m-%dT%H:%M:%S")}
        suite = etree.SubElement(root, "testsuite", {**about, **_counts(cases)})
        for each in cases:
            _case(suite, each, left_out)
    etree.indent(root)
    text: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _counts(played: Sequence[Played]) -> dict[str, str]:
    verdicts = [each.verdict for each in played]
    ended = [verdict for verdict in verdicts if verdict is not None]
    return {
        "tests": str(len(verdicts)),
        "failures": str(sum(1 for verdict in ended if verdict.problems and not verdict.broken)),
        "errors": str(sum(1 for verdict in ended if verdict.broken)),
        "skipped": str(len(verdicts) - len(ended)),
        "time": f"{sum(each.seconds for each in played):.3f}",
    }


def _case(suite: etree._Element, each: Played, left_out: str) -> None:
    from lxml import etree

    made = etree.SubElement(
        suite,
        "testcase",
        classname=legal(each.flow),
        name=legal(each.folder.name),
        file=legal((each.folder / "case.yaml").as_posix()),
        time=f"{each.seconds:.3f}",
    )
    if each.verdict is None:
        etree.SubElement(made, "skipped", message=legal(left_out))
    elif each.verdict.problems:
        first, *_ = each.verdict.problems[0].splitlines() or [""]
        count = len(each.verdict.problems)
        more = f" (and {count - 1} more)" if count > 1 else ""
        kind = "error" if each.verdict.broken else "failure"
        type_ = "case could not be played" if each.verdict.broken else "not as expected"
        found = etree.SubElement(
            made, kind, message=legal(_headline(each.verdict.problems[0], first) + more), type=type_
        )
        text = legal("\n".join(each.verdict.problems))
        found.text = text if len(text) <= _MOST else f"{text[:_MOST]}\n... cut off"


def _headline(problem: str, first: str) -> str:
    """The first line; of a difference in words, the file and the first thing that differs."""
    lines = problem.splitlines()
    if first.endswith(":") and len(lines) > 1 and lines[1].startswith("  "):
        return f"{first} {lines[1].strip()}"
    return first


def legal(text: str) -> str:
    """Give a text that XML can hold: other characters are written as Python writes them in a literal."""
    return _NO_XML.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
