"""How long the slow test files take, which tests/conftest.py orders them by; written anew from a report of a run.

    pytest -n auto --dist loadfile --junit-xml=report.xml && python -m tests.timings report.xml

It is enough that the long ones are known as long: write it anew when a file has become slow, or a new one is.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.reference import ROOT

TABLE = Path(__file__).with_name("timings.json")
# What takes less can begin at any time.
_LEAST_S = 3.0


def seconds_of(report: Path) -> dict[str, float]:
    """Seconds by test file, longest first, from a JUnit report, whose test cases name modules."""
    found: dict[str, float] = defaultdict(float)
    for case in ET.parse(report).iter("testcase"):
        path = f"{case.attrib['classname'].replace('.', '/')}.py"
        if (ROOT / path).is_file():
            found[path] += float(case.attrib["time"])
    slow = ((path, round(seconds, 1)) for path, seconds in found.items() if seconds >= _LEAST_S)
    return dict(sorted(slow, key=lambda item: (-item[1], item[0])))


if __name__ == "__main__":
    TABLE.write_text(json.dumps(seconds_of(Path(sys.argv[1])), indent=2) + "\n", encoding="utf-8")
