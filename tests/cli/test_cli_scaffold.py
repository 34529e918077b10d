"""`flowctl init` and `flowctl new`: what they write works, and nothing is overwritten."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from engine import registry
from engine.cli import common
from engine.flowlang.flowschema import flow_schema_text
from engine.scaffold import project
from engine.scaffold.case import end_in
from engine.scaffold.flow import Wanted, make_flow
from engine.validate import validate
from tests.cli.cli_kit import run, within
from tests.reference import ROOT

INIT = """\
[0]
made shop/flows/ramp_to_books.yaml; 4 guesses to look at, marked by a comment
made shop/tests/flows/ramp_to_books/first/ (11 files)
made shop/schemas/flow.schema.json
made shop/README.md
made shop/requirements.txt
made shop/.gitignore
made shop/.gitattributes
made shop/.editorconfig
made shop/.vscode/settings.json
made shop/.vscode/extensions.json
made shop/.github/workflows/flows.yml
next:
  cd shop && flowctl validate
  flowctl test
  flowctl preview ramp_to_books --stream bills
--
"""
OK = "[0]\n--\n1 flow file: 0 errors, 0 warnings\n"
CLOSED = ["bills GP-2201 | Granite Peak Supply Co. | 2026-02-20 | 1050.00 USD: closed"]
FOGLINE = "expenses 1010 | Fogline Coffee | 2026-02-25 | 18.40 USD: deferred"
# Source with its stream, target, and what becomes of the one record of the stream.
PAIRS = [
    ("ramp.bills", "ledger", CLOSED),
    ("ramp.transactions", "qbwc", ["transactions 5e0c9fd0f38 | Paper Mill | 2026-02-27 | 23.45 USD: closed"]),
    ("ramp.vendors", "qbwc", ["vendors Granite Peak Supply Co.: closed"]),
    ("bill", "qbwc", CLOSED),
    ("bill.vendor_credits", "ledger", ["vendor_credits GP-CM7 | 2026-02-24 | 50.00 USD: closed"]),
    ("expensify", "ledger", ["reports 00u0QoDlGCz | ana@example.com | 2026-02-25 | 80.00 USD: closed"]),
    ("freshbooks", "qbwc", ["bills A-201 | Acme Supply | 2026-02-20 | 120.50 USD: closed"]),
    ("freshbooks", "ramp", ["bills A-201 | Acme Supply | 2026-02-20 | 120.50 USD: closed"]),
    ("freshbooks.expenses", "ledger", [FOGLINE]),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to work in; nothing tells commands that this is CI."""
    return tmp_path


def outcome(flow: str) -> list[str]:
    """What became of the records of the flow's first case, without reasons."""
    text = Path(f"tests/flows/{flow}/first/expected/outcome.txt").read_text(encoding="utf-8")
    return [line[2:] for line in text.partition("alerts:")[0].splitlines()[1:] if not line.startswith("   ")]


def ran_without(script: str, variable: str) -> tuple[int, str]:
    """Exit status and output of a CI step where a variable is empty, as CI gives one that is not set."""
    env = {"PATH": "/usr/bin:/bin", variable: ""}
    ran = subprocess.run(["sh", "-e", "-c", script], env=env, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def required(folder: Path) -> list[str]:
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


# --- init -------------------------------------------------------------------------------------------------------------


def test_init_says_what_it_made_and_every_command_it_names_works(place: Path) -> None:
    with within(place):
        assert run("init", "shop").text() == INIT
    with within(place / "shop"):
        assert run("validate").text() == OK
        assert run("validate", "--format", "github").text() == OK
        assert run("test", env={"CI": "true"}).text() == "[0]\nok ramp_to_books/first\n1 passed, 0 failed\n--\n"
        shown = run("preview", "ramp_to_books", "--stream", "bills")
        assert (shown.status, shown.err) == (0, "")
        assert "  it would be posted\n" in shown.out


def test_what_init_writes_is_of_its_kind(place: Path) -> None:
    with within(place):
        run("init", "shop", "--ci", "gitlab")
    shop = place / "shop"
    flow = (shop / "flows/ramp_to_books.yaml").read_text(encoding="utf-8")
    assert flow.splitlines()[0] == "# yaml-language-server: $schema=../schemas/flow.schema.json"
    assert (shop / "schemas/flow.schema.json").read_text(encoding="utf-8") == flow_schema_text()
    settings = json.loads((shop / ".vscode/settings.json").read_text(encoding="utf-8"))
    assert settings["yaml.schemas"] == {"./schemas/flow.schema.json": "flows/*.yaml"}
    assert json.loads((shop / ".vscode/extensions.json").read_text(encoding="utf-8")) == {
        "recommendations": ["redhat.vscode-yaml", "editorconfig.editorconfig"]
    }
    jobs = yaml.safe_load((shop / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    assert jobs["flows"]["script"][1:] == [
        "pip install -r requirements.txt",
        "flowctl validate",
        "flowctl test --junit results.xml",
    ]
    assert ran_without(jobs["flows"]["script"][0], "FLOWCTL_WHEEL") == (
        1,
        "FLOWCTL_WHEEL is not set: make it a CI/CD variable of the project, with the https:// address of the wheel\n",
    )
    assert not (shop / ".github").exists()
    assert "<<" not in "".join(path.read_text(encoding="utf-8") for path in shop.rglob("*") if path.is_file())


def test_the_workflow_of_init(place: Path) -> None:
    with within(place):
        run("init", "shop")
    workflow = yaml.safe_load((place / "shop/.github/workflows/flows.yml").read_text(encoding="utf-8"))
    install, *steps = [step for step in workflow["jobs"]["flows"]["steps"] if "run" in step]
    assert install["env"] == {"FLOWCTL_WHEEL": "${{ vars.FLOWCTL_WHEEL }}"}
    assert install["run"].splitlines()[-1] == "pip install -r requirements.txt"
    assert ran_without(install["run"], "FLOWCTL_WHEEL") == (
        1,
        "::error::FLOWCTL_WHEEL is not set: make it a variable of the repository, with the https:// address of the wheel\n",
    )
    assert [step["run"] for step in steps] == [
        "flowctl validate --format github",
        "flowctl test --junit results.xml",
    ]


def test_nothing_is_installed_by_a_name_that_another_may_own(place: Path) -> None:
    with within(place):
        run("init", "shop")
        run("new", "connector", "acme")
    assert required(place / "shop") == ["flowctl @ ${FLOWCTL_WHEEL}"]
    package = tomllib.loads((place / "flowctl-acme/pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (package["dependencies"], package["optional-dependencies"]) == ([], {"test": ["pytest>=8"]})
    page = (ROOT / "docs/howto/write-a-connector.md").read_text(encoding="utf-8")
    assert re.findall(r"^dependencies = .*$", page, re.MULTILINE) == ["dependencies = []"]
    texts = [path.read_text(encoding="utf-8") for path in place.rglob("*") if path.is_file()]
    assert [text for text in (*texts, (ROOT / "README.md").read_text(encoding="utf-8")) if "pypi.org" in text] == []


def test_a_connector_from_outside_is_installed_by_its_address(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"bill": "Flowctl-Paper.hill"}
    monkeypatch.setattr(registry, "package_of", packages.get)
    monkeypatch.setattr(project, "version", {"flowctl": "1.2", "Flowctl-Paper.hill": "3.4"}.__getitem__)
    with within(place):
        assert run("init", "shop", "--source", "bill").status == 0
    assert (place / "shop/requirements.txt").read_text(encoding="utf-8").splitlines()[3:] == [
        "flowctl @ ${FLOWCTL_WHEEL}",
        "# The connector `bill` comes with the package Flowctl-Paper.hill 3.4.",
        "Flowctl-Paper.hill @ ${FLOWCTL_PAPER_HILL_WHEEL}",
    ]
    workflow = yaml.safe_load((place / "shop/.github/workflows/flows.yml").read_text(encoding="utf-8"))
    install = next(step for step in workflow["jobs"]["flows"]["steps"] if "run" in step)
    assert install["env"] == {
        "FLOWCTL_WHEEL": "${{ vars.FLOWCTL_WHEEL }}",
        "FLOWCTL_PAPER_HILL_WHEEL": "${{ vars.FLOWCTL_PAPER_HILL_WHEEL }}",
    }


def test_the_package_of_a_connector() -> None:
    assert (registry.package_of("ramp"), registry.package_of("nobodys")) == ("flowctl", None)


def test_without_names_the_flows_of_the_folder_are_taken_alone(place: Path) -> None:
    with within(place):
        assert list(common.programs(())) == sorted(common.flow_names())
        run("init", "--source", "bill")
        assert list(common.programs(())) == ["bill_to_books"]
        assert list(common.programs(("ramp_to_quickbooks",))) == ["ramp_to_quickbooks"]
        checked = run("doctor", "--offline", "--home", str(place / "home")).out
        assert re.findall(r"flow (\w+)", checked) == ["bill_to_books"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")
def test_git_leaves_the_store_alone(place: Path) -> None:
    with within(place):
        run("init", "shop")
        subprocess.run(["git", "init", "-q", "shop"], check=True)
    paths = [
        ".flowctl/flowctl.db",
        ".flowctl/key",
        "acme.qwc",
        "password.txt",
        "results.xml",
        "flows/ramp_to_books.yaml",
    ]
    ran = subprocess.run(
        ["git", "check-ignore", *paths], cwd=place / "shop", capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == paths[:-1]


def test_init_overwrites_nothing(place: Path) -> None:
    (place / "README.md").write_text("mine", encoding="utf-8")
    (place / ".gitignore").write_text("mine too", encoding="utf-8")
    with within(place):
        ran = run("init")
    assert ran.text() == (
        "[2]\n--\n"
        "error: 2 files are there already and would be overwritten; nothing was written:\n"
        "  README.md\n"
        "  .gitignore\n"
        "  hint: move them away, or give another folder or name; `flowctl new flow` adds a flow to a project\n"
    )
    assert sorted(path.name for path in place.iterdir()) == [".gitignore", "README.md"]
    assert (place / "README.md").read_text(encoding="utf-8") == "mine"


def test_init_twice_changes_nothing(place: Path) -> None:
    with within(place):
        run("init")
        before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
        said = f"nothing to write: all {len(before)} files are there already, with the same content"
        assert run("init").out.splitlines()[0] == said
        assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_init_makes_what_is_missing(place: Path) -> None:
    with within(place):
        run("init")
        Path("README.md").unlink()
        kept = sum(1 for path in place.rglob("*") if path.is_file())
        assert run("init").out.splitlines()[:2] == [
            "made README.md",
            f"left alone {kept} files that had the same content already",
        ]


def test_a_record_that_waits_is_told_of(place: Path) -> None:
    with within(place):
        made = run("init", "--source", "freshbooks.expenses", "--target", "ledger")
        added = run("new", "flow", "mine", "--from", "freshbooks.expenses", "--to", "ledger")
        title = "case: One record of freshbooks expenses waits for a vendor mapping."
        for flow in ("freshbooks_to_books", "mine"):
            assert Path(f"tests/flows/{flow}/first/case.yaml").read_text(encoding="utf-8").splitlines()[0] == title
        assert run("test").text() == "[0]\nok freshbooks_to_books/first\nok mine/first\n2 passed, 0 failed\n--\n"
    assert made.out.splitlines()[:2] == [
        "made flows/freshbooks_to_books.yaml; 2 guesses to look at, marked by a comment",
        "made tests/flows/freshbooks_to_books/first/ (4 files); the record waits for a vendor mapping",
    ]
    assert added.out.splitlines()[:2] == [
        "made flows/mine.yaml; 2 guesses to look at, marked by a comment",
        "made tests/flows/mine/first/: what is given, and all that came out; the record waits for a vendor mapping",
    ]


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        ("records:\n  bills A: 1 | x: posted\nworklist:\n  none\n", ""),
        ("records:\n  vendors A: skipped\n  bills A: closed\nworklist:\n  none\n", ""),
        ("records:\n  bills A: failed\n    refused: no\nworklist:\n  none\n", "ends as failed"),
        ("records:\n  none\nworklist:\n  none\n", "is not read"),
        (
            "records:\n  bills A: deferred\nworklist:\n  account `1`: 1 waiting\n  account `2`: 1 waiting\n  vendor `b`: 1 waiting\n",
            "waits for an account mapping and a vendor mapping",
        ),
    ],
)
def test_how_a_case_ended(outcome: str, end: str) -> None:
    assert end_in("bills", {"expected/outcome.txt": outcome}) == end


def test_an_empty_file_is_no_obstacle(place: Path) -> None:
    (place / "README.md").touch()
    with within(place):
        assert run("init").status == 0
    assert (place / "README.md").read_text(encoding="utf-8").startswith(f"# {place.name}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("init", "--source", "rampp"),
            (
                "error: there is no connector `rampp`\n"
                "  hint: did you mean `ramp`? known: bill, expensify, freshbooks, ledger, qbwc, ramp\n"
            ),
        ),
        (
            ("init", "--source", "ramp.bils"),
            (
                "error: there is no stream `bils`\n"
                "  hint: did you mean `bills`? known: bills, cashbacks, departments, entities, reimbursements, transactions, "
                "transfers, users, vendor_credits, vendors\n"
            ),
        ),
        (
            ("init", "--source", "ramp", "--target", "ramp"),
            "error: the flow would read from what it writes to\n  hint: give two connectors: --from and --to\n",
        ),
        (
            ("init", "--source", "ledger"),
            "error: nothing can be read from `ledger`\n  hint: `flowctl connectors` shows which have streams\n",
        ),
        (
            ("init", "--flow", "My flow"),
            (
                "error: `My flow` cannot be the name of a flow: lower-case letters, digits and `_` are allowed, a letter first\n"
                "  hint: write it like acme_to_books\n"
            ),
        ),
        (
            ("new", "flow", "x", "--from", "ramp.departments"),
            (
                "error: nothing says what `departments` becomes in qbwc\n"
                "  hint: give --request with one of: VendorAdd, BillAdd, VendorCreditAdd, CreditCardChargeAdd, CreditCardCreditAdd\n"
            ),
        ),
        (
            ("new", "flow", "x", "--request", "BilAdd"),
            (
                "error: no skeleton can be made for `BilAdd` of qbwc\n"
                "  hint: did you mean `BillAdd`? known: BillAdd, CreditCardChargeAdd, CreditCardCreditAdd, VendorAdd, "
                "VendorCreditAdd\n"
            ),
        ),
        (
            ("new", "connector", "Acme"),
            (
                "error: `Acme` cannot be the name of a connector: lower-case letters, digits and `_` are allowed\n"
                "  hint: write it like acme_pay\n"
            ),
        ),
        (
            ("new", "connector", "ramp"),
            "error: `ramp` cannot be the name of a connector: one of that name is installed\n  hint: give another name\n",
        ),
    ],
)
def test_what_cannot_be_written(place: Path, arguments: tuple[str, ...], said: str) -> None:
    with within(place):
        ran = run(*arguments)
    assert ran.text() == f"[2]\n--\n{said}"
    assert list(place.iterdir()) == []


def test_a_folder_that_cannot_be_made(place: Path) -> None:
    (place / "file").touch()
    with within(place):
        ran = run("init", "file/below")
    assert ran.text() == (
        "[2]\n--\nerror: file/below/flows/ramp_to_books.yaml: cannot be written: Not a directory\n"
        "  hint: give a folder that you may write to\n"
    )


# --- new flow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target", "records"), PAIRS, ids=[f"{s}-{t}" for s, t, _ in PAIRS])
def test_new_flow_validates_and_its_case_passes(place: Path, source: str, target: str, records: list[str]) -> None:
    with within(place):
        made = run("new", "flow", "mine", "--from", source, "--to", target)
        assert (made.status, made.err) == (0, ""), made.text()
        assert run("validate", "flows/mine.yaml").text() == OK
        assert run("test", "mine").text() == "[0]\nok mine/first\n1 passed, 0 failed\n--\n"
        assert outcome("mine")[-len(records) :] == records


def test_guesses_are_marked() -> None:
    made = make_flow(Wanted("mine", "expensify", "ledger", "reports"))
    notes = re.findall(r"^      (\w+): .*?  # (.*)$", made.text, re.MULTILINE)
    assert notes == [
        ("country", "nothing in the stream says it"),
        ("due", "nothing in the stream says it"),
        ("amount", "a guess"),
    ]


def test_new_flow_overwrites_nothing(place: Path) -> None:
    with within(place):
        assert run("new", "flow", "mine").status == 0
        Path("flows/mine.yaml").write_text("flow: mine\n", encoding="utf-8")
        assert run("new", "flow", "mine").text() == (
            "[2]\n--\nerror: 1 file is there already and would be overwritten; nothing was written:\n  flows/mine.yaml\n"
            "  hint: move them away, or give another folder or name; `flowctl new flow` adds a flow to a project\n"
        )
        assert Path("flows/mine.yaml").read_text(encoding="utf-8") == "flow: mine\n"


def test_a_flow_in_a_project_points_at_its_schema(place: Path) -> None:
    with within(place):
        run("init")
        run("new", "flow", "mine", "--from", "bill")
        first = Path("flows/mine.yaml").read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=../schemas/flow.schema.json"
        assert run("validate").text() == "[0]\n--\n2 flow files: 0 errors, 0 warnings\n"


def test_every_stream_of_every_connector_gives_a_flow_or_says_why_not(place: Path) -> None:
    from engine.errors import UsageError

    made = 0
    for source in registry.names():
        connector = registry.find(source)
        assert connector is not None
        for stream in connector.spec.streams:
            for target in {"qbwc", "ramp", "bill"} - {source}:
                try:
                    text = make_flow(Wanted("mine", source, target, stream.name)).text
                except UsageError:
                    continue
                made += 1
                path = place / "mine.yaml"
                path.write_text(text, encoding="utf-8")
                assert [str(p) for p in validate([path]).problems] == [], f"{source}.{stream.name} to {target}"
    assert made > 20


def test_the_page_shows_what_is_said(place: Path) -> None:
    page = (ROOT / "docs/howto/start-a-project.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```text\n\$ flowctl ([^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [line for line, _ in shown] == ["init shop", "new flow card_spend --from ramp.transactions --to qbwc"]
    for folder, (line, said) in zip((place, place / "shop"), shown, strict=True):
        with within(folder):
            assert run(*line.split()).text() == f"[0]\n{said}--\n"


# --- new connector ----------------------------------------------------------------------------------------------------


def test_new_connector_passes_its_own_tests(place: Path) -> None:
    with within(place):
        made = run("new", "connector", "acme_pay")
        assert made.status == 0, made.text()
        assert made.out.splitlines()[-4:] == [
            "next:",
            "  cd flowctl-acme-pay && pip install -e '.[test]'",
            "  pytest",
            "  flowctl connectors acme_pay",
        ]
        assert run("new", "connector", "acme_pay").status == 0
    package = place / "flowctl-acme-pay"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(package)]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, cwd=package, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1].split(" in ")[0]) == (0, "42 passed"), ran.stdout


def test_the_skeleton_is_clean(place: Path) -> None:
    with within(place):
        run("new", "connector", "acme")
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(ROOT / "pyproject.toml")]
    for arguments in (["check", *config, "flowctl_acme"], ["format", "--check", *config, "."]):
        command = [*ruff, *arguments, "--no-cache"]
        ran = subprocess.run(command, cwd=place / "flowctl-acme", capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


def test_a_link_to_nowhere_is_in_the_way(tmp_path: Path) -> None:
    from engine.scaffold.files import InTheWay, write

    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(InTheWay):
        write(tmp_path, {"link": "text", "other": "text"})
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
