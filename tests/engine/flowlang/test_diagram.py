"""A flow as a Mermaid diagram: every part that the YAML names, in texts that Mermaid can read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.flowlang.diagram import diagram, span, starts, text
from engine.flowlang.flowfile import load_flow, parse_flow
from engine.model import Flow, Trigger
from tests.cli.cli_kit import run
from tests.reference import ROOT

FLOW = """\
flow: odd
version: 1
connections:
  source: {connector: source}
  "end": {connector: qbwc}
  log: {connector: other}
streams:
  parties:
    trigger: {every: 6h, webhook: [party.made], visit: 5m}
    fetch: {from: source, stream: 'say "hi" #1 <b>'}
    key: id
    map: {name: name}
    write: {to: "end", request: VendorAdd, template: vendor_add.xml.j2, change: {request: VendorMod, template: x}}
  "subgraph `end`":
    after: [parties, nobody]
    trigger: {every: 90m, webhook: [a.b, c.d]}
    fetch: {from: source, stream: bills}
    key: id
    map: {name: name}
    write:
      to: "end"
      one_of:
        - {when: void, request: CheckAdd, template: x, undo: {when: gone, request: TxnVoid, template: x}}
        - {request: BillAdd, template: x}
    mark_synced: {in: source, as: BILL_SYNC, reference: receipt.TxnID}
  accounts:
    fetch: {from: "end", stream: Account}
    key: list_id
    map: {name: full_name}
    mark_synced: {in: log, as: SEEN, reference: id}
"""
DRAWN = """\
flowchart LR
  subgraph from0 ["source"]
    read0x0["say #quot;hi#quot; #35;1 #lt;b#gt;"]
    read0x1["bills"]
  end
  subgraph from1 ["end (qbwc)"]
    read1x0["Account"]
  end
  subgraph flow ["odd"]
    stream0(["parties<br/>every 6h<br/>a visit after 5m<br/>webhook party.made"])
    stream1(["subgraph #96;end#96;<br/>every 90m<br/>webhooks"])
    stream2(["accounts<br/>compares only"])
  end
  to1[("end (qbwc)")]
  to3[("log (other)")]
  read0x0 --> stream0
  stream0 -->|"VendorAdd, changed by VendorMod"| to1
  read0x1 --> stream1
  stream0 -. "before" .-> stream1
  stream1 -->|"CheckAdd, undone by TxnVoid<br/>BillAdd"| to1
  stream1 -. "BILL_SYNC" .-> read0x1
  read1x0 --> stream2
  stream2 -. "SEEN" .-> to3
"""


def flow() -> Flow:
    loaded = parse_flow(FLOW.encode(), "odd.yaml")
    assert loaded.flow is not None
    return loaded.flow


def test_every_part_is_drawn_and_no_name_can_break_it() -> None:
    assert diagram(flow()) == DRAWN


@pytest.mark.parametrize("path", sorted((ROOT / "flows").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_flows_are_drawn_whole(path: Path) -> None:
    loaded, _ = load_flow(path)
    assert loaded is not None
    lines = diagram(loaded).splitlines()
    made = set(re.findall(r"^ *(?:subgraph )?(\w+?) ?[\[(]", "\n".join(lines), re.MULTILINE))
    used = {
        name
        for line in lines
        if (edge := re.fullmatch(r"  (\w+) -(?:->|->\|.*\||\. .* \.->) ?(\w+)", line))
        for name in edge.groups()
    }
    assert used <= made
    assert sum(" --> stream" in line for line in lines) == len(loaded.streams)
    assert [line for line in lines if line.count('"') % 2] == []


def test_what_starts_a_stream_in_words() -> None:
    assert starts(Trigger(3600, ("a.b", "c.d"), 300)) == ["every 1h", "webhook a.b", "webhook c.d", "a visit after 5m"]
    assert starts(Trigger()) == []
    assert [span(s) for s in (45, 90, 5400, 7200, 86400)] == ["45s", "90s", "90m", "2h", "1d"]


def test_a_text_of_several_lines() -> None:
    assert text("a  b\n c", 'x"y\\z') == '"a b c<br/>x#quot;y#92;z"'


def test_the_command_prints_either_form(tmp_path: Path) -> None:
    path = str(ROOT / "flows" / "bill_to_quickbooks.yaml")
    plain = run("diagram", path)
    loaded, _ = load_flow(Path(path))
    assert loaded is not None
    assert plain.text() == f"[0]\n{diagram(loaded)}--\n"
    assert run("diagram", path, "--format", "markdown").text() == f"[0]\n```mermaid\n{plain.out}```\n--\n"
    broken = tmp_path / "broken.yaml"
    broken.write_text("flow: x\nversion: 1\nconnections: {ramp: {conector: ramp}}\nstreams: {}\n")
    ran = run("diagram", str(broken))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.splitlines()[0] == f"error: {broken} does not validate:"
    assert ran.err.splitlines()[-1] == f"  hint: run `flowctl validate {broken}`"
