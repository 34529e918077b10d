"""Flows as people of a company see them, and the colours of their file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import flowswitch, flowview
from engine.cli.common import program
from engine.follow import Hand
from engine.panel import yamlcolour
from engine.store import companies, work
from tests.engine.kit import FLOW, YAML, bill
from tests.panel.kit import Office, text_of

FLOWS = sorted((Path(__file__).parents[2] / "flows").glob("*.yaml"))


def view(office: Office) -> flowview.View:
    with office.world.store.read() as tx:
        return flowview.view(tx, "acme", office.bench.program)


def test_the_list(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    office.clock.sleep(7200)
    browser = office.as_("viewer")
    assert text_of(browser.get("/c/acme/flows")).replace("\N{EN DASH}", "-").splitlines() == [
        "Flows",
        "A flow carries one kind of bookkeeping from one service into another. These run on this server.",
        "Flow For this company Newest run Next",
        f"{FLOW} Bills of a shop post into a ledger.",
        "on",
        "2 h ago",
        "-",
    ]


def test_off_and_not_connected(office: Office) -> None:
    with office.world.store.write() as tx:
        flowswitch.switch(tx, Hand("acme", office.world.at(), "panel:admin"), office.bench.program.flow, on=False)
        companies.add(tx, "other", "Other", office.world.at())
        work.due_streams(tx, "acme", FLOW, ("bills",), office.world.at())
    browser = office.as_("viewer")
    assert text_of(browser.get("/c/acme/flows")).replace("\N{EN DASH}", "-").splitlines()[4:] == ["off", "never", "-"]
    shown = text_of(browser.get("/c/other/flows")).replace("\N{EN DASH}", "-").splitlines()[4:]
    assert shown == ["not connected Shop, Ledger: to be connected first", "never", "-"]
    assert browser.get("/c/acme/flows/no_such").status_code == 404


def test_the_way_of_its_records(office: Office) -> None:
    found = view(office)
    assert [
        (
            stream.name,
            stream.after,
            [(stop.joint, stop.does, stop.where, stop.word, stop.says) for stop in stream.stops],
        )
        for stream in found.streams
    ] == [
        (
            "vendors",
            (),
            [
                ("then", "is read from", "Shop", "vendors", ()),
                ("then", "is left out in", "one case", "", ("the vendor is closed",)),
                ("then", "add a vendor", "Ledger", "VendorAdd", ()),
            ],
        ),
        (
            "bills",
            ("vendors",),
            [
                ("then", "is read from", "Shop", "bills", ()),
                ("then", "is left out in", "one case", "", ("the bill is a draft",)),
                ("then", "fails in", "one case", "", ("the lines do not add up to the bill",)),
                ("then", "enter a bill", "Ledger", "BillAdd", ()),
                ("then", "hears of it", "Shop", "BILL", ()),
            ],
        ),
        (
            "payments",
            ("bills",),
            [
                ("then", "is read from", "Shop", "bills", ()),
                ("then", "is left out in", "one case", "", ("not selected: status == 'paid'",)),
                ("then", "leave a card note", "Ledger", "CardPost", ()),
                ("or", "leave a note", "Ledger", "NotePost", ()),
            ],
        ),
    ]


def test_when_it_runs_and_what_it_is_set_to(office: Office) -> None:
    with office.world.store.write() as tx:
        work.sooner(tx, "acme", FLOW, "bills", "2026-03-02T15:30:00.000000Z")
        work.reading(tx, "acme", FLOW, ["bills"], "2026-03-02T13:30:00.000000Z")
        companies.put_setting(tx, "acme", FLOW, "with_payments", False)
        companies.put_setting(tx, "acme", FLOW, "card_payments", True, "policy-1")
        tx.run("company_zone", {"company": "acme", "time_zone": "Europe/Berlin"})
    found = view(office)
    assert [(s.name, s.is_on, s.starts, s.webhooks, s.read_at[:16], s.next_at[:16]) for s in found.streams] == [
        ("vendors", True, ("every 6h", "when the service sends a notice"), ("vendor.changed",), "", ""),
        (
            "bills",
            True,
            ("every 1h", "when the service sends a notice"),
            ("bill.ready", "bill.paid"),
            "2026-03-02T13:30",
            "2026-03-02T15:30",
        ),
        ("payments", False, (), (), "", ""),
    ]
    assert [(one.name, one.value, one.is_chosen, one.scopes) for one in found.settings] == [
        ("card_payments", "no", False, (("policy-1", "yes"),)),
        ("with_payments", "no", True, ()),
    ]
    assert [(one.name, one.list, one.target, one.by[0]) for one in found.lookups] == [
        ("vendor", "Vendor", "Ledger", "a mapping that was saved"),
        ("account", "Account", "Ledger", "a mapping that was saved"),
    ]
    page = text_of(office.as_("viewer").get(f"/c/acme/flows/{FLOW}"))
    assert "payments off by a setting" in page
    assert "2026-03-02 14:30" in page
    assert "2026-03-02 16:30" in page


def test_streams_lead_to_their_lines(office: Office) -> None:
    text = office.as_("viewer").get(f"/c/acme/flows/{FLOW}").text
    lines = dict(re.findall(r'<h3><a href="#L(\d+)">(\w+)</a>', text))
    shown = re.findall(r'<span class="line" id="L(\d+)">(.*?)\n</span>', text)
    assert {name: re.sub(r"<[^>]+>", "", dict(shown)[number]) for number, name in lines.items()} == {
        "vendors": "  vendors:", "bills": "  bills:", "payments": "  payments:",
    }  # fmt: skip
    assert len(shown) == len(YAML.splitlines())
    assert "style=" not in text


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_every_shipped_flow_is_shown(path: Path, office: Office) -> None:
    shipped = program(str(path))
    with office.world.store.read() as tx:
        found = flowview.view(tx, "acme", shipped)
    source = path.read_text(encoding="utf-8").splitlines()
    assert [source[stream.line - 1].strip().rstrip(":") for stream in found.streams] == [s.name for s in found.streams]
    assert all(stream.stops[0].kind == "read" for stream in found.streams)
    coloured = yamlcolour.lines(shipped.flow.source)
    assert ["".join(text for _, text in parts) for parts in coloured] == source


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("# all of it", [("comment", "# all of it")]),
        ("  bills:", [("", "  "), ("key", "bills"), ("", ":")]),
        (
            "trigger: {every: 6h, n: -1.5} # why",
            [
                ("key", "trigger"), ("", ": {"), ("key", "every"), ("", ": "), ("value", "6h"), ("", ", "), ("key", "n"),
                ("", ": "), ("value", "-1.5"), ("", "} "), ("comment", "# why"),
            ],
        ),
        ("say: the bill's 2 lines don't", [("key", "say"), ("", ": the bill's "), ("value", "2"), ("", " lines don't")]),
        ('- {only: "a: 1 # no", x: \'it\'\'s\'}', [
            ("", "- {"), ("key", "only"), ("", ": "), ("text", '"a: 1 # no"'), ("", ", "), ("key", "x"), ("", ": "),
            ("text", "'it''s'"), ("", "}"),
        ]),
        ("", []),
    ],
)  # fmt: skip
def test_colours_of_a_line(line: str, parts: list[tuple[str, str]]) -> None:
    assert list(yamlcolour._parts(line)) == parts


def test_text_of_several_lines_is_one_text() -> None:
    found = yamlcolour.lines("merchant: >-\n  a: 1\n\n  # no comment\nnext: 1\n- |\n  x: 1\ny: 2")
    assert [[kind for kind, _ in parts] for parts in found] == [
        ["key", ""], ["text"], ["text"], ["text"], ["key", "", "value"], [""], ["text"], ["key", "", "value"],
    ]  # fmt: skip
