"""Files and folders in, one report out: in order, complete, and in three formats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine import report
from engine.diagnostics import Diagnostic, Edit, Location
from engine.errors import FlowFileUnreadable
from engine.validate import Report, flow_files, validate
from tests.engine.flow_fakes import fake_connectors

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = (
    (ROOT / "tests" / "validate" / "good" / "minimal.yaml")
    .read_text(encoding="utf-8")
    .replace(", template: vendor_add.xml.j2", "")
)
SOUND = MINIMAL.replace("VendorAdd", "NotePost")


def check(*paths: Path) -> Report:
    with fake_connectors():
        return validate(paths)


def test_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SOUND)
    found = check(path)
    assert (found.ok, found.files, found.problems) == (True, (str(path),), ())
    assert [flow.name for flow in found.flows] == ["minimal"]
    assert found.sources == {str(path): SOUND}


def test_problems_of_all_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(SOUND.replace("minimal", "b").replace("1d", "1x").replace("NotePost", "NotPost"))
    (tmp_path / "a.yml").write_text("flow: [}")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.yaml").write_text(SOUND.replace("stream: vendors", "stream: vendor"))
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "d.yaml").write_text("flow: [}")
    (tmp_path / "readme.md").write_text("no flow")
    found = check(tmp_path, tmp_path / "a.yml")
    assert [Path(path).name for path in found.files] == ["a.yml", "b.yaml", "c.yaml"]
    assert [(Path(p.location.path).name, p.location.line, p.code) for p in found.problems] == [
        ("a.yml", 1, "F002"),
        ("b.yaml", 8, "F016"),
        ("b.yaml", 12, "F031"),
        ("c.yaml", 9, "F023"),
    ]
    assert (found.ok, found.flows, found.count("error"), found.count("warning")) == (False, (), 4, 0)


def test_warnings_are_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SOUND.replace("    trigger: {every: 1d}\n", ""))
    found = check(path)
    assert (found.ok, [flow.name for flow in found.flows]) == (True, ["minimal"])
    assert report.text(found) == (
        f"{path}:7:3: warning[F038]: streams.vendors: nothing starts the stream `vendors`\n"
        "  hint: give it a `trigger`, for example `trigger: {every: 1h}`\n"
        "  7 |   vendors:\n"
        "    |   ^\n"
    )


def test_two_flows_of_one_name(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (tmp_path / name).write_text(SOUND if name != "c.yaml" else "[]")
    found = check(tmp_path)
    expected = (
        f"{tmp_path}/b.yaml:1:7: error[F008]: flow: the flow `minimal` is also in {tmp_path}/a.yaml\n"
        "  hint: give each flow a name of its own"
    )
    assert [str(p) for p in found.problems if p.code == "F008"] == [expected]
    assert [flow.path for flow in found.flows] == [f"{tmp_path}/a.yaml"]


def test_paths_that_hold_no_flow(tmp_path: Path) -> None:
    with pytest.raises(FlowFileUnreadable) as caught:
        check(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: the folder holds no .yaml file"
    with pytest.raises(FlowFileUnreadable) as caught:
        check(tmp_path / "absent")
    assert str(caught.value) == f"{tmp_path}/absent: cannot be read: there is no such file or folder"


def test_files_are_taken_as_given(tmp_path: Path) -> None:
    path = tmp_path / "flow.txt"
    path.write_text(SOUND)
    assert list(flow_files([path])) == [path]


def made(*problems: Diagnostic, source: str = "one\n\ttwo: x\n" + "y" * 300) -> Report:
    return Report(("f.yaml",), problems, (), {"f.yaml": source})


AT = Location("f.yaml", 2, 7)
SECOND = Diagnostic(AT, "F010", "a.b", "50% is\nwrong", "try, `this`: now", edit=Edit(AT, "x", "y"))
WHOLE = Diagnostic(Location("g.yaml"), "F005", "", "too large", None, "warning")


def test_text_report() -> None:
    assert report.text(made(SECOND, WHOLE)) == (
        "f.yaml:2:7: error[F010]: a.b: 50% is\nwrong\n  hint: try, `this`: now\n"
        "  2 |  two: x\n"
        "    |       ^\n"
        "g.yaml: warning[F005]: too large\n"
    )


def test_caret_of_a_long_line_stays_in_sight() -> None:
    problem = Diagnostic(Location("f.yaml", 3, 200), "F010", "", "here")
    assert report.text(made(problem)) == (
        "f.yaml:3:200: error[F010]: here\n" + "  3 | " + "y" * 120 + "\n" + "    | " + " " * 70 + "^\n"
    )


def test_caret_beyond_the_end() -> None:
    problems = (
        Diagnostic(Location("f.yaml", 1, 9), "F002", "", "here"),
        Diagnostic(Location("f.yaml", 4, 1), "F002", "", "there"),
    )
    assert report.text(made(*problems)) == (
        "f.yaml:1:9: error[F002]: here\n  1 | one\n    |    ^\nf.yaml:4:1: error[F002]: there\n"
    )


def test_json_report() -> None:
    text = report.as_json(made(SECOND, WHOLE))
    assert text.endswith("\n}\n")
    assert json.loads(text) == {
        "ok": False,
        "files": ["f.yaml"],
        "problems": [
            {
                "path": "f.yaml",
                "line": 2,
                "column": 7,
                "end_column": 8,
                "level": "error",
                "code": "F010",
                "where": "a.b",
                "message": "50% is\nwrong",
                "hint": "try, `this`: now",
                "fix": {"line": 2, "column": 7, "old": "x", "new": "y"},
            },
            {
                "path": "g.yaml",
                "line": 0,
                "column": 0,
                "end_column": 0,
                "level": "warning",
                "code": "F005",
                "where": "",
                "message": "too large",
                "hint": None,
                "fix": None,
            },
        ],
    }


def test_github_report() -> None:
    odd = Diagnostic(Location("a,b:c%\r\n.yaml", 1, 2), "F010", "", "here::error file=x::\r")
    assert report.github(made(SECOND, WHOLE, odd)) == (
        "::error file=f.yaml,line=2,endLine=2,col=7,endColumn=7,title=F010::a.b: 50%25 is%0Awrong%0Ahint: try, `this`: now\n"
        "::warning file=g.yaml,title=F005::too large\n"
        "::error file=a%2Cb%3Ac%25%0D%0A.yaml,line=1,endLine=1,col=2,endColumn=2,title=F010::here::error file=x::%0D\n"
    )


def test_reporters_by_name() -> None:
    assert list(report.REPORTERS) == ["text", "json", "github", "sarif"]
    assert {name: reporter(made()) for name, reporter in report.REPORTERS.items() if name != "sarif"} == {
        "text": "",
        "json": '{\n  "ok": true,\n  "files": [\n    "f.yaml"\n  ],\n  "problems": []\n}\n',
        "github": "",
    }


def test_shipped_flows_are_sound_and_cheap_to_check() -> None:
    heavy = (
        "httpx",
        "starlette",
        "xmlschema",
        "prometheus_client",
        "opentelemetry",
        "jsonschema",
        "sqlite_utils",
        "cryptography",
        "authlib",
        "jinja2",
        "lxml",
        "dbos",
        "sqlalchemy",
        "pygls",
        "lsprotocol",
        "argon2",
        "click",
        "difflib",
        "importlib.resources",
        "orjson",
        "random",
        "tempfile",
        "engine.contract",
        "engine.mapping.compiler",
        "engine.store",
    )
    code = (
        "import sys\nfrom pathlib import Path\nfrom engine import report\nfrom engine.validate import validate\n"
        f"found = validate([Path('flows')])\nprint(report.text(found), [m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == " []\n"
