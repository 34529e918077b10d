"""The lists of a polled target as a source: as the store has them, with the fields that the connector promises."""

from __future__ import annotations

import pytest

from engine.contract import ListObject, MarkCall
from engine.errors import Bug, NotYet
from engine.listsource import ListSource
from engine.listspec import stream_of, streams_of
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, StreamSpec
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY
from tests.engine.push_kit import FLOW, VENDORS, cloud_bench

SPEC = ConnectorSpec(
    "books",
    "Books",
    "keeps books",
    streams=(StreamSpec("Visits", "visits", "id", ()),),
    lists=(
        ListSpec(
            "Vendor", "vendors", (FieldSpec("list_id", "id", "its own words"), FieldSpec("Email", "text", "mail"))
        ),
        ListSpec("Terms", "terms"),
    ),
    delivery="pull",
)
COMMON = ["list_id", "full_name", "active", "number", "edit_sequence", "currency"]


def test_the_fields_of_a_list_are_those_that_all_have_and_its_own() -> None:
    vendor, terms = stream_of(SPEC, "Vendor"), stream_of(SPEC, "Terms")
    assert vendor is not None
    assert terms is not None
    assert [field.name for field in vendor.fields] == [*COMMON, "Email"]
    assert (vendor.key, vendor.changes, vendor.filters) == ("list_id", "all", ())
    assert [field.name for field in terms.fields] == COMMON
    assert stream_of(SPEC, "Visits") is SPEC.streams[0]
    assert stream_of(SPEC, "Vendors") is None
    assert streams_of(SPEC) == ("Visits", "Vendor", "Terms")


def test_the_lists_of_a_called_target_cannot_be_read() -> None:
    spec = ConnectorSpec("cloud", "Cloud", "a cloud", lists=(ListSpec("Vendor", "vendors"),))
    assert stream_of(spec, "Vendor") is None
    assert streams_of(spec) == ()


def test_all_objects_in_pages_that_can_be_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.listsource._PAGE", 2)
    objects = [
        ListObject("V-3", "Three", number="30", edit_sequence="7", data={"Email": "a@b.example", "Phone": "1"}),
        ListObject("V-1", "One", active=False, data={"currency": "EUR"}),
        ListObject("V-2", "Two"),
    ]
    with kit.bench(lists=False) as bench:
        bench.read_lists(objects)
        source = ListSource(bench.world.store, COMPANY, SPEC)
        pages = list(source.read("Vendor", {}, None))
        assert [[r["list_id"] for r in page.records] for page in pages] == [["V-1", "V-2"], ["V-3"]]
        assert [page.checkpoint for page in pages] == ["V-2", "V-3"]
        assert pages[1].records == [
            {
                "list_id": "V-3", "full_name": "Three", "active": True, "number": "30", "edit_sequence": "7",
                "currency": None, "Email": "a@b.example",
            }
        ]  # fmt: skip
        assert pages[0].records[0]["active"] is False
        assert pages[0].records[0]["currency"] == "EUR"
        assert list(source.read("Vendor", {}, "V-2")) == pages[1:]
        assert source.get("Vendor", "V-3") == pages[1].records[0]
        assert source.get("Vendor", "V-9") is None


def test_a_list_that_was_never_read_says_nothing() -> None:
    with kit.bench(lists=False) as bench:
        source = ListSource(bench.world.store, COMPANY, SPEC)
        with pytest.raises(NotYet) as caught:
            next(source.read("Vendor", {}, None))
        assert str(caught.value) == "the Vendor list of Books was never read"
        with pytest.raises(NotYet):
            source.get("Vendor", "V-1")


def test_a_list_is_told_nothing() -> None:
    with kit.bench() as bench, pytest.raises(Bug):
        ListSource(bench.world.store, COMPANY, SPEC).mark(MarkCall("X", "k"))


def test_a_flow_reads_a_list_as_soon_as_it_was_read_there() -> None:
    with cloud_bench(lists=False) as bench:
        assert bench.run() == {"vendors": {}, "bills": {}}
        with bench.outbox.transaction() as desk:
            assert "Vendor" in desk.books.due(COMPANY)
        with bench.world.store.write() as tx:
            tx.run(
                "schedule_create", {"company": COMPANY, "flow": bench.program.flow.name, "stream": "vendors", "at": "9"}
            )
        bench.read_lists(VENDORS)
        with bench.world.store.read() as tx:
            due = tx.rows("schedule_due", {"company": COMPANY, "flow": bench.program.flow.name, "at": bench.world.at()})
        assert [row["stream"] for row in due] == ["vendors"]
        assert bench.run()["vendors"] == {"read": 2, "intended": 1, "skipped": 1}
        assert bench.titles() == ["Grün & Söhne"]


def test_what_is_no_longer_known_is_not_gone() -> None:
    with cloud_bench(vendors=False) as bench:
        bench.cloud.faults[1] = "before"
        bench.runner.run(bench.program, COMPANY)
        bench.read_lists([ListObject("V-5", ""), *VENDORS])
        bench.runner.run(bench.program, COMPANY, streams=("vendors",))
        assert bench.states("vendors") == {"V-1": "unknown", "V-2": "skipped", "V-5": "failed"}
        stores.raw(bench.world.store, "UPDATE lists SET loaded_at = NULL")
        bench.run("vendors")
        assert bench.states("vendors") == {"V-1": "unknown", "V-2": "skipped", "V-5": "failed"}


def test_what_left_a_list_that_was_read_again_is_gone() -> None:
    with cloud_bench() as bench:
        bench.read_lists([ListObject("V-5", ""), *VENDORS])
        bench.runner.run(bench.program, COMPANY)
        bench.read_lists(VENDORS)
        bench.run("vendors")
        assert bench.states("vendors")["V-5"] == "skipped"
        assert bench.reasons("V-5", "vendors") == [("gone", "the source no longer has it")]


def test_a_dry_run_over_a_list_that_was_never_read() -> None:
    with cloud_bench(FLOW, lists=False) as bench:
        seen = bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None)
        assert [(stream.stream, dict(stream.counts)) for stream in seen.streams] == [("vendors", {}), ("bills", {})]
