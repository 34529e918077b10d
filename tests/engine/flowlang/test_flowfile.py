"""A flow file becomes the model; whatever is in the file, reading it ends in problems and never in an exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import Edit, Location
from engine.errors import FlowFileUnreadable
from engine.flowlang.flowfile import load_flow, parse_flow
from engine.model import (
    Adopt,
    Change,
    Check,
    Expr,
    Fetch,
    Lookup,
    MarkSynced,
    Provide,
    Select,
    Setting,
    Trigger,
    Variant,
    Write,
)
from engine.validate import check_loaded
from tests.engine.flow_fakes import fake_connectors

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "flows" / "ramp_to_quickbooks.yaml"
FULL = ROOT / "tests" / "validate" / "good" / "full.yaml"


def at(line: int, column: int) -> Location:
    return Location(str(FULL), line, column)


def test_shipped_flow_loads() -> None:
    flow, problems = load_flow(SHIPPED)
    assert problems == []
    assert flow is not None
    assert [stream.name for stream in flow.streams] == ["vendors", "bills", "bill_payments", "transactions"]
    assert [len(stream.variants) for stream in flow.streams] == [1, 1, 1, 3]
    assert [stream.phase for stream in flow.streams] == ["post", "post", "payment", "post"]
    assert [stream.trigger.every_s for stream in flow.streams] == [21600, 3600, None, 3600]
    assert flow.source == SHIPPED.read_text(encoding="utf-8")


def test_head_of_a_flow() -> None:
    flow, problems = load_flow(FULL)
    assert problems == []
    assert flow is not None
    assert (flow.name, flow.version, flow.describe, flow.path) == ("full", 1, "Bills and their vendors.", str(FULL))
    assert [(c.name, c.connector) for c in flow.connections] == [("ramp", "ramp"), ("books", "qbwc")]
    assert flow.settings == (
        Setting("create_vendors", "boolean", True, "Create vendors that are missing", (), at(11, 3)),
        Setting("home_currency", "text", "USD", "Home currency", (), at(12, 3)),
        Setting("days", "integer", 30, "Days until a bill is due", (), at(13, 3)),
        Setting("posts_as", "choice", "bill", "What is written", ("bill", "note"), at(14, 3)),
    )
    assert flow.lookups == (Lookup("vendor", "books", "Vendor", ("mapped", "list_id", "exact_name"), at(17, 3)),)
    assert flow.define == (("payee", Expr("vendor.name", at(20, 10))),)


def test_stream_with_a_short_condition() -> None:
    flow, _ = load_flow(FULL)
    stream = flow.stream("vendors") if flow else None
    assert stream is not None
    assert stream.select == (Select(Expr("is_active", at(28, 13)), "not selected: is_active"),)
    assert stream.trigger == Trigger(21600, ("vendors.updated",), 300)
    assert stream.fetch == Fetch("ramp", "vendors", {}, at(25, 5), 86400)
    assert stream.adopt == Adopt(Expr("find('vendor', id, name)", at(29, 12)))
    assert stream.provide == Provide("vendor", Expr("id", at(32, 36)), at(32, 5))
    assert (stream.after, stream.when, stream.phase, stream.mark_synced) == ((), None, "post", None)
    assert stream.about.party == Expr("name", at(27, 20))
    assert stream.about.amount is None


def test_stream_with_everything() -> None:
    flow, _ = load_flow(FULL)
    stream = flow.stream("bills") if flow else None
    assert stream is not None
    assert stream.after == ("vendors",)
    assert stream.when == Expr("setting('create_vendors')", at(35, 11))
    assert stream.fetch == Fetch("ramp", "bills", {"sync_ready": True, "status": "OPEN", "limit": 100}, at(37, 5))
    assert stream.select == (
        Select(Expr("status == 'OPEN'", at(42, 17)), "the bill is paid"),
        Select(
            Expr("currency == setting('home_currency')", at(43, 15)),
            "not selected: currency == setting('home_currency')",
        ),
    )
    assert stream.map[0] == ("vendor", Expr("lookup('vendor', vendor.id, vendor.name)", at(45, 15)))
    assert [name for name, _ in stream.map] == ["vendor", "date", "due", "reference", "amount", "lines"]
    assert stream.map[-1][1].location == at(51, 9)
    assert stream.check == (Check(Expr("sum_money(lines[].amount) == amount", at(55, 19)), "the lines do not add up"),)
    assert stream.write == Write(
        "books",
        (
            Variant(Expr("setting('posts_as') == 'note'", at(59, 18)), "NotePost", None, at(59, 11)),
            Variant(
                None,
                "BillAdd",
                "bill_add.xml.j2",
                at(60, 11),
                Change("BillMod", "bill_mod.xml.j2", at(62, 11)),
            ),
        ),
        at(56, 5),
    )
    assert stream.mark_synced == MarkSynced(
        "ramp", "BILL_SYNC", Expr("receipt.TxnID", at(63, 55)), ("failed", "deferred"), at(63, 5)
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [("45s", 45), ("30m", 1800), ("6h", 21600), ("1d", 86400), ("99999d", 8639913600)]
)
def test_durations(written: str, seconds: int) -> None:
    text = FULL.read_text(encoding="utf-8").replace("every: 6h", f"every: {written}")
    loaded = parse_flow(text.encode(), "f.yaml")
    assert loaded.problems == ()
    assert loaded.flow is not None
    assert loaded.flow.streams[0].trigger.every_s == seconds


@pytest.mark.parametrize("written", ["0h", "h", "6", "-6h", "6.5h", "6w", "100000s", "٣h"])
def test_no_durations(written: str) -> None:
    text = FULL.read_text(encoding="utf-8").replace("every: 6h", f"every: '{written}'")
    loaded = parse_flow(text.encode(), "f.yaml")
    expected = (
        f"f.yaml:24:23: error[F016]: streams.vendors.trigger.every: `{written}` is not a duration\n"
        "  hint: write a number and s, m, h or d: 30m, 6h, 1d"
    )
    assert [str(p) for p in loaded.problems] == [expected]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("6H", "6h"), ("6 h", "6h"), ("6 hours", "6h"), ("1 day", "1d"), ("30 min", "30m"), ("9secs", "9s")],
)
def test_durations_in_other_words(written: str, meant: str) -> None:
    text = FULL.read_text(encoding="utf-8").replace("every: 6h", f"every: '{written}'")
    (problem,) = parse_flow(text.encode(), "f.yaml").problems
    assert problem.hint == f"did you mean `{meant}`? write a number and s, m, h or d: 30m, 6h, 1d"
    assert problem.edit == Edit(Location("f.yaml", 24, 23), written, meant)


def test_failures_are_reported_unless_told_otherwise() -> None:
    text = FULL.read_text(encoding="utf-8")
    for written, wanted in (("", ("failed",)), (", failures: []", ()), (", failures: [deferred]", ("deferred",))):
        loaded = parse_flow(text.replace(", failures: [failed, deferred]", written).encode(), "f.yaml")
        assert loaded.flow is not None
        mark = loaded.flow.streams[1].mark_synced
        assert mark is not None
        assert mark.failures == wanted


def test_file_with_errors_gives_no_flow_but_its_sound_parts(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    text = FULL.read_text(encoding="utf-8").replace("key: id\n    phase", "key: 7\n    phase")
    path.write_text(text, encoding="utf-8")
    flow, problems = load_flow(path)
    assert flow is None
    assert [p.code for p in problems] == ["F013"]
    loaded = parse_flow(text.encode(), "f.yaml")
    assert loaded.flow is not None
    assert [stream.name for stream in loaded.flow.streams] == ["vendors"]


def test_byte_order_mark_is_taken() -> None:
    assert parse_flow(b"\xef\xbb\xbf" + FULL.read_bytes(), "f.yaml").problems == ()


def test_windows_line_ends_are_taken() -> None:
    loaded = parse_flow(FULL.read_bytes().replace(b"\n", b"\r\n"), "f.yaml")
    assert loaded.problems == ()
    assert loaded.flow is not None
    assert loaded.flow.streams[1].map[-1][1].location == Location("f.yaml", 51, 9)


def test_not_utf_8_points_at_the_byte() -> None:
    loaded = parse_flow("flow: bad\ndescribe: é".encode() + b"\xff", "f.yaml")
    assert [str(p) for p in loaded.problems] == [
        "f.yaml:2:12: error[F001]: the file is not UTF-8 text\n  hint: save it in the encoding UTF-8"
    ]


def test_unreadable_file_is_no_diagnostic(tmp_path: Path) -> None:
    with pytest.raises(FlowFileUnreadable) as caught:
        load_flow(tmp_path / "absent.yaml")
    assert str(caught.value) == f"{tmp_path / 'absent.yaml'}: cannot be read: No such file or directory"
    with pytest.raises(FlowFileUnreadable):
        load_flow(tmp_path)


# --- whatever is in the file -----------------------------------------------------------------------------------------

BYTES = FULL.read_bytes()
SHIPPED_BYTES = SHIPPED.read_bytes()
SCRAPS = [
    b"",
    b"[",
    b"{",
    b"]",
    b": ",
    b"\n",
    b"\t",
    b"- ",
    b"'",
    b'"',
    b"&a ",
    b"*a",
    b"!!x ",
    b"|",
    b"\xff",
    b"7",
    b"null",
]


def check_all(data: bytes) -> None:
    with fake_connectors():
        problems = check_loaded(parse_flow(data, "f.yaml"))
    for problem in problems:
        assert str(problem).startswith("f.yaml:")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_give_problems_only(data: bytes) -> None:
    check_all(data)


@given(st.integers(0, len(SHIPPED_BYTES)), st.integers(0, 200), st.sampled_from(SCRAPS))
@settings(max_examples=60, deadline=None)
def test_mutations_of_the_shipped_flow_give_problems_only(start: int, length: int, scrap: bytes) -> None:
    check_all(SHIPPED_BYTES[:start] + scrap + SHIPPED_BYTES[start + length :])


@given(st.integers(0, len(BYTES)), st.integers(0, 40), st.sampled_from(SCRAPS))
@settings(max_examples=250, deadline=None)
def test_mutations_of_a_flow_give_problems_only(start: int, length: int, scrap: bytes) -> None:
    check_all(BYTES[:start] + scrap + BYTES[start + length :])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_values_in_the_wrong_places_give_problems_only(data: st.DataObject) -> None:
    lines = BYTES.decode().split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[index].partition(": ")
        value = data.draw(
            st.sampled_from(["7", "[]", "{}", "null", "[a, {b: c}]", "{a: [b]}", "''", "x.y[", "true", "[[1]]"])
        )
        lines[index] = f"{key}{colon}{value}"
    check_all("\n".join(lines).encode())


@pytest.mark.parametrize(("written", "first"), [("", False), (", for: all", False), (", for: first", True)])
def test_a_condition_of_the_first_write_only(written: str, *, first: bool) -> None:
    text = FULL.read_text(encoding="utf-8").replace("say: the bill is paid}", f"say: the bill is paid{written}}}")
    loaded = parse_flow(text.encode(), "f.yaml")
    assert loaded.problems == ()
    assert loaded.flow is not None
    assert [item.first for item in loaded.flow.streams[1].select] == [first, False]
