"""`docs/howto/write-a-connector.md` is followed word by word: what it builds works, and is small."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import registry
from engine.conformance import Check, Subject, checks_of
from tests.cli.cli_kit import run, within
from tests.reference import ROOT

PAGE = ROOT / "docs" / "howto" / "write-a-connector.md"
_SAVED = re.compile(r"^Save as `([^`]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _files() -> Mapping[str, str]:
    return dict(_SAVED.findall(PAGE.read_text(encoding="utf-8")))


@contextmanager
def installed(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """The package as it is installed: its files, and the entry point in the metadata beside them."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    metadata = folder / "flowctl_paperhill-0.1.0.dist-info"
    metadata.mkdir()
    point = files["pyproject.toml"].partition('[project.entry-points."flowctl.connectors"]')[2].split("[")[0]
    (metadata / "entry_points.txt").write_text(f"[flowctl.connectors]{point.replace(chr(34), '')}", encoding="utf-8")
    sys.path.insert(0, str(folder))
    _forget()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _forget()


def _forget() -> None:
    registry._targets.cache_clear()
    registry._load.cache_clear()
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.startswith("flowctl_paperhill")]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    with installed(tmp_path / "package", _files()):
        yield tmp_path / "package"


def _subject() -> Subject:
    connector = registry.find("paperhill")
    assert connector is not None
    return Subject(connector)


def _problems() -> dict[str, list[str]]:
    """What each check finds, those without a finding left out."""
    subject = _subject()
    found = {check.name: list(check.problems(subject)) for check in checks_of(subject)}
    return {name: problems for name, problems in found.items() if problems}


def test_it_is_small() -> None:
    written = [
        line
        for path, text in _files().items()
        if path.startswith("flowctl_paperhill/")
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith('"""')
    ]
    assert 100 < len(written) < 150


@pytest.mark.usefixtures("package")
def test_it_passes_the_suite() -> None:
    assert _problems() == {}
    assert len(checks_of(_subject())) == 40


@pytest.mark.usefixtures("package")
def test_a_flow_of_it_runs_into_a_ledger(tmp_path: Path) -> None:
    with within(tmp_path):
        made = run("init", "books", "--source", "paperhill", "--target", "ledger")
        assert made.status == 0, made.text()
    with within(tmp_path / "books"):
        assert run("validate").text() == "[0]\n--\n1 flow file: 0 errors, 0 warnings\n"
        assert run("test").text() == "[0]\nok paperhill_to_books/first\n1 passed, 0 failed\n--\n"
    outcome = tmp_path / "books/tests/flows/paperhill_to_books/first/expected/outcome.txt"
    assert outcome.read_text(encoding="utf-8").splitlines()[:2] == [
        "records:",
        "  invoices PH-1 | Acme Supply | 2026-02-20 | 120.50: closed",
    ]


def test_its_own_tests_run(package: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(package), "tests"]
    env = {"PYTHONPATH": f"{package}:{ROOT}", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, cwd=package, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1].split(" in ")[0]) == (0, "40 passed"), ran.stdout


def test_the_page_shows_what_the_suite_says(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import Rejected

    source = importlib.import_module("flowctl_paperhill.source")
    monkeypatch.setattr(source, "classify", lambda failure: Rejected(failure.where))
    check = _check("fails_429")
    said = [f"paperhill: {check.says}", *check.problems(_subject())]
    shown = PAGE.read_text(encoding="utf-8").split("```text\npaperhill: too many requests\n")[1].split("```")[0]
    assert said[0] == "paperhill: too many requests"
    assert any(line.startswith(shown.splitlines()[0].removesuffix("...")) for line in said), said


def _check(name: str) -> Check:
    return next(check for check in checks_of(_subject()) if check.name == name)


# --- the suite finds what is wrong ------------------------------------------------------------------------------------

PAGE_OF = 'self._get("/v2/invoices", page, params)'
BY_STATUS = 'return by_status(failure, expired="give a new token with `flowctl connect`", refused="let the token read invoices")'
READ = f"before, (records, cursor) = cursor, {PAGE_OF}"
READ_NOTHING = f"""before = cursor
            try:
                records, cursor = {PAGE_OF}
            except Rejected:
                records, cursor = [], None"""
SEND = 'self._http.send(Call("PUT", path, headers=self._headers, json=body, write=True))'
# What is planted: file, old text, new text, and a check that must find it.
PLANTED = {
    "money as float": ("source", '"total": format_money(parse_money(row["total"]))', '"total": float(row["total"])', "fits"),
    "money in words": ("source", '"total": format_money(parse_money(row["total"]))', '"total": "much"', "fits"),
    "a needed field": ("source", '"id": str(row["id"])', '"id": None', "reads_many"),
    "a day that is none": ("source", '"issued_on": row["issued"]', '"issued_on": "20.02.2026"', "fits"),
    "no checkpoint": ("source", "yield Page(records, cursor)", "yield Page(records)", "resumes"),
    "first page only": ("source", "            if cursor is None:\n                return", "            return", "resumes"),
    "an error is an empty list": ("source", READ, READ_NOTHING, "fails_404"),
    "a traceback": ("source", "except (KeyError, TypeError, ValueError):", "except ZeroDivisionError:", "fails_null"),
    "the secret in an error": (
        "source", 'f"{answer.where}: not the documented shape"', 'f"{self._headers}"', "fails_other_shape",
    ),
    "the body in an error": ("source", BY_STATUS, "return Rejected(str(failure.body))", "fails_403"),
    "too many requests": ("source", BY_STATUS, "return Rejected(failure.where)", "fails_429"),
    "prints": ("source", "cursor = checkpoint", "cursor = checkpoint; print(self._headers)", "keeps_quiet"),
    "an unknown stream": ("source", 'if stream != "invoices":', "if False:", "unknown_stream"),
    "an unknown mark": ("source", 'if call.kind != "exported":', "if False:", "refused"),
    "a mark that is never sent": ("source", SEND, "pass", "twice"),
    "a mark that is lost": ("source", SEND, f"try:\n                {SEND}\n            except Exception:\n                raise ValueError from None", "lost"),
    "a mark that is added up": (
        "simulator",
        'self.exported.setdefault(one, json.loads(call.body)["reference"])',
        'self.exported[one] = self.exported.get(one, "") + "x"',
        "twice",
    ),
    "a simulator without a lock": ("simulator", 'call.headers.get("authorization") != f"Bearer {TOKEN}"', "False", "wrong_secrets"),
    "a simulator that is empty": ("simulator", "range(1, 6)", "range(1, 1)", "reads_many"),
    "a secret that is shown": ("__init__", "required=True, secret=True", "required=True", "secrets_marked"),
    "a name the store has": ("__init__", '"api_token"', '"token"', "names"),
    "no help": ("__init__", '"number on the invoice"', '""', "documented"),
    "no limits": ("__init__", '("600 calls a minute",)', "()", "documented"),
    "no such key": ("__init__", 'not exported yet", "id"', 'not exported yet", "uuid"', "names"),
    "a heavy import": ("__init__", "from engine.spec", "import httpx\nfrom engine.spec", "loads_lightly"),
    "no example": ("__init__", 'if stream in ("invoices", "exported") else', "if False else", "reads_one"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(PLANTED))
def test_the_suite_finds(name: str, tmp_path: Path) -> None:
    file, old, new, check = PLANTED[name]
    path = f"flowctl_paperhill/{file}.py"
    files = {**_files()}
    assert old in files[path], f"{old} is not in {path}"
    files[path] = files[path].replace(old, new)
    with installed(tmp_path / "package", files):
        assert list(_check(check).problems(_subject())) != []
