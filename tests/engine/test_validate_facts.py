"""The facts kept about shipped templates are true, and are not used once anything they depend on has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.flowlang.flowfile import parse_flow
from engine.lints import facts
from engine.lints.facts import Facts, find_facts, proof, shipped_facts
from engine.mapping.types import ResultType, object_type
from engine.validate import environment, validate
from tests.engine.flow_fakes import fake_connectors

ROOT = Path(__file__).resolve().parents[2]
TEXT = ResultType("text")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    shipped_facts.cache_clear()


def test_file_is_up_to_date() -> None:
    written = (ROOT / "schemas" / facts.NAME).read_text(encoding="utf-8")
    assert written == find_facts() + "\n", "run: python -m engine.lints.facts > schemas/template_facts.json"


def test_facts_are_dropped_when_a_template_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped_facts().proofs
    shipped_facts.cache_clear()
    monkeypatch.setattr(facts, "templates_digest", lambda: "other")
    assert shipped_facts() == Facts()
    shipped_facts.cache_clear()


@pytest.mark.parametrize("content", ["", "{", "\ufffd"])
def test_unreadable_facts_are_no_facts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    (tmp_path / facts.NAME).write_text(content, encoding="utf-8")
    monkeypatch.setattr(facts, "shipped", lambda _: tmp_path)
    assert shipped_facts() == Facts()
    (tmp_path / facts.NAME).unlink()
    shipped_facts.cache_clear()
    assert shipped_facts() == Facts()
    shipped_facts.cache_clear()


def test_a_proof_depends_on_request_template_and_types() -> None:
    mapped = object_type([("name", TEXT)])
    same = proof("VendorAdd", "vendor_add.xml.j2", object_type([("name", TEXT)]))
    assert proof("VendorAdd", "vendor_add.xml.j2", mapped) == same
    others = {
        proof("BillAdd", "vendor_add.xml.j2", mapped),
        proof("VendorAdd", "bill_add.xml.j2", mapped),
        proof("VendorAdd", "vendor_add.xml.j2", object_type([("name", TEXT.present())])),
    }
    assert len(others | {same}) == 4


def test_a_flow_with_templates_of_its_own_uses_no_facts(tmp_path: Path) -> None:
    text = (ROOT / "tests" / "validate" / "good" / "minimal.yaml").read_bytes()
    with fake_connectors():
        bare = environment(parse_flow(text, str(tmp_path / "f.yaml")))
        (tmp_path / "templates").mkdir()
        own = environment(parse_flow(text, str(tmp_path / "f.yaml")))
    assert bare is not None
    assert own is not None
    assert bare.facts.variables
    assert own.facts == Facts()


def test_shipped_flows_are_found_sound_without_facts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.validate.shipped_facts", Facts)
    assert validate([ROOT / "flows"]).problems == ()
