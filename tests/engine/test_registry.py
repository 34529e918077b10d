"""Connectors are found by entry point, imported only when asked for, and a broken one is said to be broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import registry
from engine.errors import ConnectorBroken
from engine.registry import find, names, parse_entry_points, registered
from tests.engine.flow_fakes import SOURCE, FakeConnector, fake_connectors

ROOT = Path(__file__).resolve().parents[2]


def installed(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    monkeypatch.setattr(registry, "_targets", lambda: targets)


def test_names_are_sorted_and_cover_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, zoho="nowhere:CONNECTOR")
    with fake_connectors():
        assert names() == ("qbwc", "ramp", "zoho")
    assert names() == ("zoho",)


def test_unknown_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    assert find("ramp") is None


def test_registered_connectors_go_first_and_end_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    mine, other = FakeConnector(SOURCE), FakeConnector(SOURCE)
    with registered({"ramp": mine}):
        with registered({"ramp": other}):
            assert find("ramp") is other
        assert find("ramp") is mine
    assert find("ramp") is None


def test_connector_is_imported_by_its_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plugin_for_test.py").write_text(
        "from engine.spec import ConnectorSpec\nclass C:\n    spec = ConnectorSpec('x', 'X', 'x')\nCONNECTOR = C()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, x="plugin_for_test:CONNECTOR")
    found = find("x")
    assert found is not None
    assert found.spec.title == "X"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: invalid syntax (plugin_{}.py, line 1)"),
        ("", "AttributeError: module 'plugin_{}' has no attribute 'CONNECTOR'"),
        ("CONNECTOR = 7", "it has no `spec`"),
    ],
    ids=["import", "zero", "syntax", "empty", "number"],
)
def test_broken_connector_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, reason: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    (tmp_path / f"plugin_{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, x=f"plugin_{name}:CONNECTOR")
    with pytest.raises(ConnectorBroken) as caught:
        find("x")
    expected = f"the connector `x` (plugin_{name}:CONNECTOR) cannot be loaded: {reason.format(name)}"
    assert (str(caught.value), caught.value.hint) == (expected, "install it again, or remove its package")


def test_entry_points_file() -> None:
    text = (
        "[console_scripts]\nflowctl = engine.cli.main:main\n\n[flowctl.connectors]\n# ours\nramp = connectors.ramp:CONNECTOR\n"
        "zoho=zoho.plugin:CONNECTOR [extra]\n; theirs\n\n[other]\nx = y:z\n"
    )
    assert parse_entry_points(text) == {"ramp": "connectors.ramp:CONNECTOR", "zoho": "zoho.plugin:CONNECTOR"}


def scan(code: str, *folders: Path) -> str:
    script = f"import sys; sys.path[:0] = {[str(f) for f in folders]!r}\nfrom engine import registry\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def test_distributions_on_the_path_are_scanned(tmp_path: Path) -> None:
    info = tmp_path / "zoho-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[flowctl.connectors]\nzoho = zoho:CONNECTOR\n")
    (tmp_path / "bad-1.0.dist-info").mkdir()
    code = "print(registry._targets()['zoho'], 'importlib.metadata' in sys.modules)"
    assert scan(code, tmp_path, tmp_path / "absent") == "zoho:CONNECTOR False\n"


def test_without_files_the_standard_library_is_asked() -> None:
    code = "registry._entry_point_files = lambda folder: iter(())\nprint(type(registry._targets()).__name__, 'importlib.metadata' in sys.modules)"
    assert scan(code) == "dict True\n"
