"""The schema of flow files in the YAML language server that editors run: what it reports, completes and explains.

`make editor` installs it; its version and its digests stand in `package-lock.json` beside this file.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import registry
from engine.flowlang.language import CONNECTION, STREAM, Object
from engine.listspec import streams_of
from engine.spec import CHANGING, ConnectorSpec
from tests.editor.client import Editor, editor
from tests.reference import ROOT

HERE = Path(__file__).resolve().parent
SERVER = HERE / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
# The server may not look on the network for schemas of its own.
SETTINGS = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
HEAD = """\
# yaml-language-server: $schema=../schemas/flow.schema.json
flow: mine
version: 1
connections: {ramp: {connector: ramp}, books: {connector: qbwc}, shop: {connector: somebody_elses}}
"""
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Editor]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    if not SERVER.exists():
        pytest.skip("the YAML language server is not installed: run `make editor`")
    with editor([node, str(SERVER), "--stdio"], ROOT, SETTINGS) as started:
        yield started


def a_path() -> Path:
    """A document of its own beside the shipped flows; nothing is written there."""
    return ROOT / "flows" / f"not_on_disk_{next(NUMBERS)}.yaml"


def spec(name: str) -> ConnectorSpec:
    connector = registry.find(name)
    assert connector is not None
    return connector.spec


def labels(items: Any) -> list[str]:
    return [item["label"] for item in items]


def keys(kind: Object) -> list[str]:
    return [key.name for key in kind.keys]


def stream(text: str) -> str:
    """A file whose one stream goes on with `text`."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return f"{HEAD}streams:\n  bills:\n{lines}"


@pytest.mark.parametrize("path", FLOWS, ids=lambda p: p.stem)
def test_a_shipped_flow_has_no_problem(server: Editor, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../schemas/flow.schema.json\n")
    assert server.open(path, text) == []
    # It is the schema that finds nothing: with a key more it does.
    (problem,) = server.open(a_path(), f"{text}\nunheard_of: 1\n")
    assert problem["message"] == "Property unheard_of is not allowed."


def test_an_unknown_key_is_reported_where_it_stands(server: Editor) -> None:
    text = stream("fetch: {from: ramp, stream: bills, swep: 6h}\nkey: id\nmap: {id: id}\n")
    (problem,) = server.open(a_path(), text)
    assert (problem["message"], problem["range"]) == (
        "Property swep is not allowed.",
        {"start": {"line": 6, "character": 39}, "end": {"line": 6, "character": 43}},
    )
    text = stream(
        "fetch: {from: ramp, stream: bills}\nkey: id\nmap: {id: id}\nselect:\n  - {only: paid, sya: not yet}\n"
    )
    (problem,) = server.open(a_path(), text)
    assert (problem["message"], problem["range"]) == (
        "Property sya is not allowed.",
        {"start": {"line": 10, "character": 21}, "end": {"line": 10, "character": 24}},
    )


def test_what_is_wrong_is_said_in_our_words(server: Editor) -> None:
    text = stream("fetch: {from: Ramp, stream: bills, sweep: 6}\nkey: id\ntrigger: {every: hourly}\n")
    assert sorted((p["range"]["start"]["line"], p["message"]) for p in server.open(a_path(), text)) == [
        (5, 'Missing property "map".'),
        (6, 'Incorrect type. Expected "string".'),
        (6, "Use lower-case letters, digits and _, beginning with a letter."),
        (8, "Write a number and s, m, h or d: 30m, 6h, 1d."),
    ]


def test_nothing_of_another_connector_is_wrong(server: Editor) -> None:
    text = stream("fetch: {from: shop, stream: orders, with: {of: 1}}\nkey: id\nmap: {id: id}\n")
    assert server.open(a_path(), text) == []


@pytest.mark.parametrize("form", ["fetch: {{from: {role}, stream: ¦}}", "fetch:\n  from: {role}\n  stream: ¦"])
@pytest.mark.parametrize("role", ["ramp", "books"])
def test_streams_of_the_connector_are_completed(server: Editor, role: str, form: str) -> None:
    items = server.completions(a_path(), stream(form.format(role=role)))
    connector = spec({"ramp": "ramp", "books": "qbwc"}[role])
    assert labels(items) == list(streams_of(connector))
    if role == "ramp":
        assert [item["documentation"] for item in items] == [each.help for each in connector.streams]


def test_streams_of_all_connectors_are_completed_for_a_role_that_nothing_is_known_of(server: Editor) -> None:
    items = server.completions(a_path(), stream("fetch: {from: shop, stream: ¦}"))
    every = [name for connector in registry.names() for name in streams_of(spec(connector))]
    assert labels(items) == list(dict.fromkeys(every))
    said = next(item["documentation"] for item in items if item["label"] == "departments")
    assert said == "BILL: Departments. Ramp: Departments that users belong to"


def test_keys_of_a_stream_are_completed(server: Editor) -> None:
    items = server.completions(a_path(), stream("fetch: {from: ramp, stream: bills}\nkey: id\n¦"))
    # One that puts all needed keys at once stands under the name of what it completes.
    assert sorted(labels(items)) == sorted([*(name for name in keys(STREAM) if name not in ("fetch", "key")), "stream"])


def test_keys_with_choices_are_completed(server: Editor) -> None:
    filters = stream("fetch:\n  from: ramp\n  stream: bills\n  with:\n    ¦")
    bills = spec("ramp").stream("bills")
    assert bills is not None
    assert labels(server.completions(a_path(), filters)) == ["filter", *(each.name for each in bills.filters)]
    mapped = stream("write: {to: ramp, request: VendorLink}\nmap:\n  ¦")
    request = spec("ramp").request("VendorLink")
    assert request is not None
    assert labels(server.completions(a_path(), mapped)) == ["name", *(each.name for each in request.fields)]


def test_words_of_connectors_are_completed(server: Editor) -> None:
    def completed(text: str) -> list[str]:
        return labels(server.completions(a_path(), text))

    ramp, qbwc = spec("ramp"), spec("qbwc")
    assert completed(f"{HEAD}lookups:\n  vendor: {{target: ¦}}\n") == [
        *(f"books.{each.name}" for each in qbwc.lists),
        *(f"ramp.{each.name}" for each in ramp.lists),
    ]
    assert completed(stream("write: {to: books, request: ¦}")) == [
        each.name for each in qbwc.requests if not each.undoes and not each.name.endswith(CHANGING)
    ]
    assert completed(stream("write:\n  to: books\n  change: {request: ¦}")) == ["VendorMod", "BillMod"]
    assert completed(stream("write:\n  to: books\n  undo: {request: ¦}")) == ["TxnVoid"]
    assert completed(stream("mark_synced: {in: ramp, as: ¦}")) == [each.name for each in ramp.marks]
    assert completed(stream("fetch: {from: ramp}\ntrigger: {webhook: [¦]}")) == list(ramp.webhooks)
    assert completed(stream("write: {to: books, template: ¦}"))[:2] == ["bill_add.xml.j2", "bill_mod.xml.j2"]


def test_connectors_are_completed_with_what_they_are(server: Editor) -> None:
    text = "# yaml-language-server: $schema=../schemas/flow.schema.json\nconnections: {mine: {connector: ¦}}\n"
    items = server.completions(a_path(), text)
    connectors = [spec(name) for name in registry.names()]
    assert keys(CONNECTION) == ["connector"]
    assert [(item["label"], item["documentation"]) for item in items] == [
        (each.name, f"{each.title}: {each.help}") for each in connectors
    ]


def test_a_new_stream_is_a_snippet(server: Editor) -> None:
    items = server.completions(a_path(), f"{HEAD}streams:\n  ¦\n")
    assert labels(items) == ["new stream", "name"]
    assert items[0]["insertText"] == (
        "${1:bills}:\n"
        "  trigger:\n"
        "    every: ${2:1h}\n"
        "  fetch:\n"
        "    from: ${3:ramp}\n"
        "    stream: ${4:bills}\n"
        "  key: ${5:id}\n"
        "  map:\n"
        "    ${6:name}: ${7:name}\n"
        "  write:\n"
        "    to: ${8:books}\n"
        "    request: ${9:BillAdd}\n"
        "    template: ${10:bill_add.xml.j2}"
    )


def test_a_key_is_explained(server: Editor) -> None:
    source = f"Source: [flow.schema.json]({(ROOT / 'schemas' / 'flow.schema.json').as_uri()})"
    said = server.hover(a_path(), stream("fe¦tch: {from: ramp, stream: bills}"))
    assert said == f"#### fetch\n\nWhat is read.\n\n```yaml\nfetch: {{from: ramp, stream: bills}}\n```\n\n{source}"
    said = server.hover(a_path(), stream("fetch: {from: ramp, stream: bills, with: {is_arch¦ived: true}}"))
    assert said == (
        "#### value\n\nOnly archived, or only current bills; Ramp's default is current\n\n"
        f"Allowed Values:\n\n* `true`\n* `false`\n\n{source}"
    )
