from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.bill import CONNECTOR
from engine.clock import from_iso
from engine.contract import Connector, Page, Source, Webhooks
from engine.errors import AuthRefused, BadAnswer, Rejected, RunError, Transient
from tests.connectors.bill.bill_kit import PATHS, FakeBill, Row, bill, error, errors, ids, named
from tests.connectors.http_kit import everything_said, reply

BILLS = [bill(n) for n in range(1, 8)]
ALL = [row["id"] for row in BILLS]


def last(pages: list[Page]) -> dict[str, Any]:
    """What the last page left: the watermark, without the question it belongs to."""
    checkpoint = pages[-1].checkpoint
    assert checkpoint is not None
    left: dict[str, Any] = json.loads(checkpoint)
    assert left.pop("of").startswith("bills:")
    return left


def params(fake: FakeBill, number: int = -1) -> dict[str, str]:
    return dict(fake.script.requests[number].url.params)


def test_it_is_a_connector_a_source_and_takes_webhooks() -> None:
    connector: Connector = CONNECTOR
    assert isinstance(CONNECTOR, Webhooks)
    source = FakeBill().open()
    assert isinstance(source, Source)
    assert connector.spec.name == "bill"
    source.close()


@pytest.mark.parametrize(("path", "stream"), PATHS.items())
def test_every_stream_is_read_from_its_own_list(path: str, stream: str) -> None:
    fake = FakeBill(**{stream: [named("id1", "one"), named("id2", "two"), named("id3", "three")]})
    source = fake.open()
    pages = list(source.read(stream, {}, None))
    assert ids(pages) == ["id1", "id2", "id3"]
    assert set(fake.calls()) == {f"GET {path}"}
    spec = CONNECTOR.spec.stream(stream)
    assert spec is not None
    assert (pages[-1].checkpoint is None) == (spec.changes == "all")
    assert [page.checkpoint is None for page in pages[:-1]] == [False]
    assert source.get(stream, "id2") == pages[0].records[1]
    assert fake.calls()[-1] == f"GET {path}/id2"


def test_all_pages_are_read_in_order_and_each_can_be_resumed() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open(page_size=50)
    pages = list(source.read("bills", {}, None))
    assert ids(pages) == ALL
    assert [len(page.records) for page in pages] == [2, 2, 2, 1]
    assert params(fake, 1) == {"max": "50", "sort": "createdTime:asc"}
    assert params(fake, 2) == {"max": "50", "sort": "createdTime:asc", "page": "cursor-2"}
    for number, page in enumerate(pages[:-1]):
        rest = list(source.read("bills", {}, page.checkpoint))
        assert ids(rest) == ALL[2 * number + 2 :]
        assert last(rest) == last(pages)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 100])
def test_any_page_size_gives_the_same_records_and_watermark(size: int) -> None:
    fake = FakeBill(size, bills=BILLS)
    pages = list(fake.open(page_size=size).read("bills", {}, None))
    assert ids(pages) == ALL
    assert params(fake)["max"] == str(size)
    assert last(pages) == {"since": "2026-11-20T10:07:00.000000Z"}


def test_a_checkpoint_of_another_question_is_no_use() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    pages = list(source.read("bills", {}, None))
    for page in (pages[0], pages[-1]):
        assert ids(list(source.read("bills", {"archived": False}, page.checkpoint))) == ALL
        assert "filters" not in params(fake)
        assert ids(list(source.read("payments", {}, page.checkpoint))) == []
        assert "filters" not in params(fake)
        fake.at_login = lambda _: reply(200, {"sessionId": "session-canary-9"})
        assert ids(list(fake.open(organization_id="00801OTHER").read("bills", {}, page.checkpoint))) == ALL
        assert "filters" not in params(fake)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: "rubbish",
        lambda _: "[]",
        lambda _: "null",
        lambda _: "{}",
        lambda saved: json.dumps({**saved, "since": "yesterday"}),
        lambda saved: json.dumps({**saved, "since": 7}),
        lambda saved: json.dumps({**saved, "page": "cursor-2"}),
        lambda saved: json.dumps({**saved, "page": "cursor-2", "begun": "now", "seen": None}),
    ],
)
def test_a_checkpoint_that_cannot_be_read_begins_again(change: Callable[[dict[str, Any]], str]) -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    checkpoint = list(source.read("bills", {}, None))[-1].checkpoint
    assert checkpoint is not None
    assert ids(list(source.read("bills", {}, change(json.loads(checkpoint))))) == ALL
    assert "filters" not in params(fake, -4)


def test_a_watermark_limits_the_next_read_with_an_overlap() -> None:
    fake = FakeBill(100, bills=BILLS)
    for minutes, since in ((10, "2026-11-20T09:57:00.000Z"), (1, "2026-11-20T10:06:00.000Z")):
        source = fake.open(overlap_minutes=minutes)
        checkpoint = list(source.read("bills", {}, None))[-1].checkpoint
        list(source.read("bills", {}, checkpoint))
        assert params(fake) == {
            "max": "100",
            "sort": "createdTime:asc",
            "filters": f'updatedTime:gte:"{since}"',
        }


def test_the_watermark_is_the_newest_change_whatever_the_order() -> None:
    fake = FakeBill(bills=BILLS[4:] + BILLS[:4])
    assert last(list(fake.open().read("bills", {}, None))) == {"since": "2026-11-20T10:07:00.000000Z"}


def test_the_watermark_is_never_later_than_the_beginning_of_the_read() -> None:
    future = [bill(n, updatedTime="2026-11-21T09:30:00.000+00:00") for n in range(1, 6)]
    fake = FakeBill(bills=future)
    source = fake.open()
    pages = []
    for page in source.read("bills", {}, None):
        pages.append(page)
        fake.clock.elapsed_s += 600
    assert last(pages) == {"since": "2026-11-21T09:00:00.000000Z"}
    # Nor is it when the read is taken up again later.
    assert last(list(source.read("bills", {}, pages[0].checkpoint))) == {"since": "2026-11-21T09:00:00.000000Z"}


def test_the_watermark_stays_where_nothing_came_or_only_the_overlap() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    first = list(source.read("bills", {}, None))[-1].checkpoint
    fake.lists["bills"] = []
    second = list(source.read("bills", {}, first))
    assert [(list(page.records), page.checkpoint) for page in second] == [([], first)]
    fake.lists["bills"] = BILLS[:3]
    third = list(source.read("bills", {}, second[-1].checkpoint))
    assert (ids(third), third[-1].checkpoint) == (ALL[:3], first)


def test_an_empty_organization_leaves_a_watermark_that_reads_everything() -> None:
    fake = FakeBill()
    source = fake.open()
    pages = list(source.read("bills", {}, None))
    assert last(pages) == {"since": None}
    fake.lists["bills"] = BILLS
    assert ids(list(source.read("bills", {}, pages[-1].checkpoint))) == ALL
    assert "filters" not in params(fake)


@pytest.mark.parametrize(
    ("time", "since"),
    [
        ("2026-11-20T10:07:00.123+00:00", "2026-11-20T10:07:00.123000Z"),
        ("2026-11-20T10:07:00.123Z", "2026-11-20T10:07:00.123000Z"),
        ("2026-11-20T10:07:00.123", "2026-11-20T10:07:00.123000Z"),
        ("2026-11-20T02:07:00.000-08:00", "2026-11-20T10:07:00.000000Z"),
        ("2026-11-20T02:07:00.000-0800", "2026-11-20T10:07:00.000000Z"),
        ("2026-11-20", "2026-11-20T00:00:00.000000Z"),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
        (1763632000, None),
        (None, None),
        ({"at": 1}, None),
    ],
)
def test_times_of_every_form_move_the_watermark_or_leave_it(time: object, since: str | None) -> None:
    fake = FakeBill(bills=[bill(1, updatedTime=time)])
    assert last(list(fake.open().read("bills", {}, None))) == {"since": since}


def test_a_watermark_at_the_beginning_of_time_reads_everything() -> None:
    fake = FakeBill(bills=[bill(1, updatedTime="0001-01-01T00:00:00Z")])
    source = fake.open()
    pages = list(source.read("bills", {}, None))
    assert last(pages) == {"since": "0001-01-01T00:00:00.000000Z"}
    assert ids(list(source.read("bills", {}, pages[-1].checkpoint))) == ALL[:1]
    assert "filters" not in params(fake)


class Moving:
    """A list as BILL may keep it: pages by offset, sorted and filtered as asked; edits happen between the pages."""

    def __init__(self, count: int, edits: Mapping[int, int]) -> None:
        self.rows = {n: bill(n, createdTime=f"2026-11-02T10:{n:02d}:00.000Z") for n in range(1, count + 1)}
        self.edits, self.asked = edits, 0
        self.fake = FakeBill(2)
        self.fake.before = self.answer

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = dict(request.url.params)
        self.fake.clock.elapsed_s += 1
        now = self.fake.clock.now().isoformat(timespec="milliseconds")
        self.asked += 1
        if (edited := self.edits.get(self.asked)) in self.rows:
            self.rows[edited] = {**self.rows[edited], "updatedTime": now, "description": f"edited at {now}"}
        since = asked.get("filters", 'updatedTime:gte:"2000-01-01T00:00:00Z"').partition("gte:")[2].strip('"')
        found = [row for row in self.rows.values() if from_iso(row["updatedTime"]) >= from_iso(since)]
        field, _, order = asked["sort"].partition(":")
        assert order == "asc"
        found.sort(key=lambda row: (from_iso(row[field]), row["id"]))
        first = int(asked.get("page", "0"))
        following = {"nextPage": str(first + 2)} if first + 2 < len(found) else {}
        return reply(200, {"results": found[first : first + 2], **following})


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 9),
    edits=st.dictionaries(st.integers(1, 8), st.integers(1, 9), max_size=5),
)
def test_whatever_is_edited_while_a_list_is_read_is_seen_in_the_end(count: int, edits: dict[int, int]) -> None:
    moving = Moving(count, edits)
    source = moving.fake.open()
    seen: dict[str, Any] = {}
    checkpoint = None
    for _ in range(3):
        for page in source.read("bills", {}, checkpoint):
            seen |= {record["id"]: record["description"] for record in page.records}
            checkpoint = page.checkpoint
        moving.fake.clock.elapsed_s += 3600
        moving.edits = {}
    assert seen == {row["id"]: row.get("description") for row in moving.rows.values()}


def test_an_empty_page_with_a_next_page_goes_on() -> None:
    fake = FakeBill(bills=BILLS)
    empty = [reply(200, {"results": [], "nextPage": "cursor-0"}), reply(200, {"results": [], "nextPage": "odd"})]
    fake.before = lambda _: empty.pop() if empty else None
    pages = list(fake.open().read("bills", {}, None))
    assert (ids(pages), [len(page.records) for page in pages]) == (ALL, [0, 0, 2, 2, 2, 1])


@pytest.mark.parametrize("end", [{}, {"nextPage": None}, {"nextPage": ""}])
def test_only_an_absent_next_page_ends_the_list(end: Row) -> None:
    fake = FakeBill()
    fake.before = lambda _: reply(200, {"results": BILLS[:2], "prevPage": "x", **end})
    assert ids(list(fake.open().read("bills", {}, None))) == ALL[:2]
    assert len(fake.calls()) == 1


def endless(kind: str) -> Callable[[httpx.Request], httpx.Response]:
    count = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        cursor = {"same cursor": "x", "two in turn": f"x{count % 2}"}.get(kind, f"x{count}")
        rows = {"same rows": BILLS[:2], "no rows": []}.get(kind, [bill(count)])
        return reply(200, {"results": rows, "nextPage": cursor})

    return answer


@pytest.mark.parametrize(("kind", "calls"), [("same cursor", 2), ("two in turn", 3), ("same rows", 2), ("no rows", 51)])
def test_a_list_that_would_never_end_is_given_up(kind: str, calls: int) -> None:
    fake = FakeBill()
    fake.before = endless(kind)
    with pytest.raises(BadAnswer) as caught:
        list(fake.open().read("bills", {}, None))
    expected = "acme/bill: GET /connect/v3/bills: 200 (trace trace-1): the list repeats itself and would never end"
    assert str(caught.value) == expected
    assert len(fake.calls()) == calls


def test_a_saved_cursor_that_comes_again_is_given_up() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    checkpoint = next(source.read("bills", {}, None)).checkpoint
    fake.before = lambda _: reply(200, {"results": BILLS[:2], "nextPage": "cursor-2"})
    with pytest.raises(BadAnswer):
        list(source.read("bills", {}, checkpoint))


def test_a_cursor_that_bill_forgot_begins_the_read_again_at_its_watermark() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    watermark = list(source.read("bills", {}, None))[-1].checkpoint
    checkpoint = next(source.read("bills", {}, watermark)).checkpoint
    forgot = [errors(400, error("BDC_1170"))]
    fake.before = lambda r: forgot.pop() if forgot and "page" in r.url.params else None
    pages = list(source.read("bills", {}, checkpoint))
    assert (ids(pages), last(pages)) == (ALL, {"since": "2026-11-20T10:07:00.000000Z"})
    assert params(fake, -4) == {
        "max": "100",
        "sort": "createdTime:asc",
        "filters": 'updatedTime:gte:"2026-11-20T09:57:00.000Z"',
    }
    # One that BILL has just given is another matter.
    fake.before = lambda r: errors(400, error("BDC_1170")) if "page" in r.url.params else None
    with pytest.raises(Rejected):
        list(source.read("bills", {}, None))
    with pytest.raises(Rejected):
        list(source.read("bills", {}, checkpoint))


PAGES: list[tuple[object, str]] = [
    ([], "no page with `results`"),
    ({}, "no page with `results`"),
    ("canary", "no page with `results`"),
    (7, "no page with `results`"),
    ({"results": None}, "no page with `results`"),
    ({"results": {"canary": 1}}, "no page with `results`"),
    ({"results": ["canary"]}, "a row without an `id`"),
    ({"results": [None]}, "a row without an `id`"),
    ({"results": [{}]}, "a row without an `id`"),
    ({"results": [{"id": ""}]}, "a row without an `id`"),
    ({"results": [{"id": 7}]}, "a row without an `id`"),
    ({"results": [], "nextPage": 7}, "a `nextPage` that is no cursor"),
    ({"results": [], "nextPage": ["canary"]}, "a `nextPage` that is no cursor"),
    ({"results": [], "nextPage": "canary\n"}, "a `nextPage` that is no cursor"),
    ({"results": [], "nextPage": "canaryé"}, "a `nextPage` that is no cursor"),
    ({"results": [], "nextPage": "x" * 4001}, "a `nextPage` that is no cursor"),
]


@pytest.mark.parametrize(("body", "text"), PAGES)
def test_a_page_of_a_wrong_shape_is_not_read(body: object, text: str) -> None:
    fake = FakeBill()
    fake.before = lambda _: reply(200, body)
    with pytest.raises(BadAnswer) as caught:
        list(fake.open().read("bills", {}, None))
    assert str(caught.value) == f"acme/bill: GET /connect/v3/bills: 200 (trace trace-1): {text}"
    assert "canary" not in everything_said(caught.value)


def test_a_lone_surrogate_in_a_cursor_is_refused() -> None:
    fake = FakeBill()
    fake.before = lambda _: httpx.Response(200, content=b'{"results": [], "nextPage": "\\ud800"}')
    with pytest.raises(BadAnswer):
        list(fake.open().read("bills", {}, None))


def test_a_cursor_is_sent_back_as_it_came() -> None:
    fake = FakeBill()
    odd = 'a&b=c d+e/f%2F#?"{}'
    pages = [{"results": BILLS[2:]}, {"results": BILLS[:2], "nextPage": odd}]
    fake.before = lambda _: reply(200, pages.pop())
    source = fake.open()
    read = list(source.read("bills", {}, None))
    assert ids(read) == ALL
    assert params(fake)["page"] == odd
    pages.append({"results": BILLS[2:]})
    assert ids(list(source.read("bills", {}, read[0].checkpoint))) == ALL[2:]
    assert params(fake)["page"] == odd


@pytest.mark.parametrize("fault", [lambda: httpx.Response(503), lambda: errors(400, error("BDC_1322"))])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_fault_in_mid_read_keeps_what_came_and_can_be_resumed(
    fault: Callable[[], httpx.Response], number: int
) -> None:
    fake, count = FakeBill(bills=BILLS), 0

    def strike(_: httpx.Request) -> httpx.Response | None:
        nonlocal count
        count += 1
        return fault() if count == number else None

    fake.before = strike
    source, pages = fake.open(), list[Page]()
    with pytest.raises(Transient):
        pages.extend(source.read("bills", {}, None))
    assert len(pages) == number - 1
    rest = list(source.read("bills", {}, pages[-1].checkpoint if pages else None))
    assert ids(pages) + ids(rest) == ALL
    assert last(rest) == {"since": "2026-11-20T10:07:00.000000Z"}


MIXED = [
    bill(1, vendorId="v1", archived=True),
    bill(2, vendorId="v2", paymentStatus="PAID"),
    bill(3, vendorId="v2"),
    {"id": "bare"},
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [MIXED[0]["id"], MIXED[1]["id"], MIXED[2]["id"], "bare"]),
        ({"archived": None, "vendor_id": None}, [MIXED[0]["id"], MIXED[1]["id"], MIXED[2]["id"], "bare"]),
        ({"archived": True}, [MIXED[0]["id"], "bare"]),
        ({"archived": False}, [MIXED[1]["id"], MIXED[2]["id"], "bare"]),
        ({"vendor_id": "v2"}, [MIXED[1]["id"], MIXED[2]["id"], "bare"]),
        ({"vendor_id": "v2", "payment_status": "PAID"}, [MIXED[1]["id"], "bare"]),
    ],
)
def test_filters_are_applied_here_so_that_no_record_moves_while_a_list_is_read(
    filters: dict[str, str | bool | None], found: list[str]
) -> None:
    fake = FakeBill(bills=MIXED)
    pages = list(fake.open().read("bills", filters, None))
    assert ids(pages) == found
    assert len(pages) == 2
    assert params(fake, 1) == {"max": "100", "sort": "createdTime:asc"}
    assert last(pages)["since"] == "2026-11-20T10:03:00.000000Z"


@pytest.mark.parametrize(
    ("stream", "filters", "text", "hint"),
    [
        (
            "bills",
            {"vendorId": "v2"},
            "acme/bill: `bills` has no filter `vendorId`",
            "did you mean `vendor_id`? known: archived, payment_status, vendor_id",
        ),
        ("payments", {"archived": True}, "acme/bill: `payments` has no filter `archived`", None),
        ("bill", {}, "acme/bill: there is no stream `bill`", None),
    ],
)
def test_what_does_not_exist_is_refused_before_any_call(
    stream: str, filters: dict[str, str | bool], text: str, hint: str | None
) -> None:
    fake = FakeBill()
    with pytest.raises(Rejected) as caught:
        list(fake.open().read(stream, filters, None))
    assert str(caught.value) == text
    assert hint is None or caught.value.hint == hint
    assert fake.script.requests == []


def test_one_record_is_read_or_missing() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    found = source.get("bills", ALL[3])
    assert found is not None
    assert found == next(r for page in source.read("bills", {}, None) for r in page.records if r["id"] == ALL[3])
    assert source.get("bills", "00n00000000000009999") is None
    fake.before = lambda _: errors(404, {"message": "canary", "severity": "ERROR"})
    assert source.get("bills", ALL[3]) is None


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (lambda: reply(200, bill(2)), BadAnswer, "200 (trace trace-1): another object than was asked for"),
        (lambda: reply(200, {}), BadAnswer, "200 (trace trace-1): no object with an `id`"),
        (lambda: reply(200, [bill(1)]), BadAnswer, "200 (trace trace-1): no object with an `id`"),
        (
            lambda: httpx.Response(404, html="<p>"),
            BadAnswer,
            "404: refused with a page that is no answer of BILL's API",
        ),
        (lambda: reply(404, {"message": "x"}), Rejected, "404 (trace trace-1): refused"),
        (lambda: errors(403, error("BDC_1")), AuthRefused, "403 (trace trace-1): not permitted (BDC_1)"),
    ],
)
def test_other_answers_to_one_record_are_not_its_absence(
    answer: Callable[[], httpx.Response], kind: type[RunError], text: str
) -> None:
    fake = FakeBill(bills=BILLS)
    fake.before = lambda _: answer()
    with pytest.raises(RunError) as caught:
        fake.open().get("bills", ALL[0])
    assert type(caught.value) is kind
    assert str(caught.value) == f"acme/bill: GET /connect/v3/bills/{ALL[0]}: {text}"


@pytest.mark.parametrize("record_id", ["", "../vendors", "a/b", "a b", "é", "x" * 65, "\ud800"])
def test_an_id_that_bill_cannot_have_given_is_never_sent(record_id: str) -> None:
    fake = FakeBill()
    with pytest.raises(Rejected) as caught:
        fake.open().get("bills", record_id)
    assert str(caught.value) == "acme/bill: an id that BILL cannot have given"
    assert fake.script.requests == []


def test_checkpoints_are_short_and_plain() -> None:
    fake = FakeBill(bills=BILLS)
    checkpoints = [page.checkpoint or "" for page in fake.open().read("bills", {}, None)]
    assert len(set(checkpoints)) == len(checkpoints)
    assert all(len(text) < 220 and text.isascii() for text in checkpoints)
    seen = [json.loads(text)["seen"] for text in checkpoints[:-1]]
    assert all(first < second for first, second in pairwise(seen))
