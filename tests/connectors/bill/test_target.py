from __future__ import annotations

import json

import httpx
import pytest

from engine.contract import MarkCall, Receipt, Target
from engine.errors import Ambiguous, Rejected, RunError
from tests.connectors.bill.bill_kit import SECRETS, VENDOR_BODY, FakeBill, error, errors, named, operation
from tests.connectors.http_kit import everything_said, reply


def vendor(number: int, name: str = "Müller & Söhne, GmbH", **fields: object) -> dict[str, object]:
    return named(f"009{number:017d}", name, createdTime="2026-11-20T00:00:00.000+00:00", **fields)


def test_it_is_a_target_and_sends_the_frozen_bytes() -> None:
    fake = FakeBill()
    target = fake.open()
    assert isinstance(target, Target)
    assert target.write(operation()) == Receipt({"id": "00900000000000000099", "name": "Müller & Söhne, GmbH"})
    assert fake.created == [VENDOR_BODY]
    request = fake.script.requests[-1]
    assert (request.method, str(request.url)) == ("POST", "https://gateway.prod.bill.com/connect/v3/vendors")
    assert request.headers["content-type"] == "application/json"


def test_a_session_that_ends_at_a_write_is_no_doubt() -> None:
    fake = FakeBill()
    first = [errors(401, error("BDC_1109"))]
    fake.before = lambda _: first.pop() if first else None
    assert fake.open().write(operation()).ids["id"] == "00900000000000000099"
    assert (len(fake.logins), len(fake.created)) == (2, 1)


def lost(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("canary")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lost, "the answer was lost (ReadTimeout); it may or may not have been done"),
        (
            lambda _: httpx.Response(201, content=b'{"id": "0090'),
            "201: the answer was lost (the answer was cut off); it may or may not have been done",
        ),
        (
            lambda _: httpx.Response(200, html="<p>canary</p>"),
            "200: the answer cannot be read (an HTML page instead of JSON); it may or may not have been done",
        ),
        (
            lambda _: reply(201, {"name": "canary"}),
            "201 (trace trace-1): no vendor with an `id` in the answer; it may or may not have been created",
        ),
        (
            lambda _: reply(201, ["canary"]),
            "201 (trace trace-1): no vendor with an `id` in the answer; it may or may not have been created",
        ),
        (
            lambda _: reply(201, {"id": 7}),
            "201 (trace trace-1): no vendor with an `id` in the answer; it may or may not have been created",
        ),
    ],
)
def test_an_answer_that_is_lost_or_no_answer_leaves_a_doubt(answer: object, text: str) -> None:
    fake = FakeBill()
    assert callable(answer)
    fake.before = answer
    with pytest.raises(Ambiguous) as caught:
        fake.open().write(operation())
    assert str(caught.value) == f"acme/bill: POST /connect/v3/vendors: {text}"
    assert "canary" not in everything_said(caught.value)


def test_a_refused_vendor_is_refused_for_good() -> None:
    fake = FakeBill()
    fake.before = lambda _: errors(
        400, error("BDC_1234", message="", params=[{"name": "billCurrency", "value": "canary"}])
    )
    with pytest.raises(Rejected) as caught:
        fake.open().write(operation())
    text = "acme/bill: POST /connect/v3/vendors: 400 (trace trace-1): refused (BDC_1234; fields billCurrency)"
    assert (str(caught.value), caught.value.code) == (text, "BDC_1234")
    assert "canary" not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (400, "Invalid country code: ZZ", ": Invalid country code: ZZ"),
        (409, "A vendor of `that` name\r\nexists\x1b[31m\u202e\x00", ": A vendor of 'that' name exists [31m"),
        (422, "x" * 201, f": {'x' * 197}..."),
        (422, "x" * 200, f": {'x' * 200}"),
        (400, "", ""),
        (400, 7, ""),
        (400, {"canary": "canary"}, ""),
        (410, "canary", ""),
        *((400, f"Not valid: {secret} (header)", "") for secret in (*SECRETS.values(), "session-canary-1")),
    ],
)
def test_what_bill_says_of_a_refused_document_is_told_and_no_secret(status: int, message: object, said: str) -> None:
    fake = FakeBill()
    fake.before = lambda _: errors(status, {**error(""), "message": message})
    with pytest.raises(Rejected) as caught:
        fake.open().write(operation())
    assert str(caught.value) == f"acme/bill: POST /connect/v3/vendors: {status} (trace trace-1): refused{said}"
    assert "canary" not in everything_said(caught.value)


def test_what_bill_says_twice_is_told_once_and_nothing_of_a_question() -> None:
    fake = FakeBill()
    fake.before = lambda _: errors(400, error("BDC_1", "one"), error("BDC_2", "two"), error("BDC_3", "one"))
    with pytest.raises(Rejected) as caught:
        fake.open().write(operation())
    assert str(caught.value).endswith(": refused (BDC_1): one; two")
    with pytest.raises(Rejected) as asked:
        fake.open().find(operation())
    assert str(asked.value).endswith(": refused (BDC_1)")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"name": 7}',
        b'{"name": " "}',
        b'{"email": "x"}',
        b'{"name": "a\\ud800"}',
        b'{"name": "a\\u0000b"}',
    ],
)
def test_a_body_that_names_no_vendor_is_never_sent(body: bytes) -> None:
    fake = FakeBill()
    for call in (fake.open().write, fake.open().find):
        with pytest.raises(Rejected) as caught:
            call(operation(body))
        assert str(caught.value) == "acme/bill: VendorCreate without a plain `name` of a vendor"
    assert fake.script.requests == []


def test_another_request_is_never_sent() -> None:
    fake = FakeBill()
    with pytest.raises(Rejected) as caught:
        fake.open().write(operation(request="BillCreate"))
    assert (str(caught.value), caught.value.hint) == (
        "acme/bill: there is no request `BillCreate`",
        "known: VendorCreate",
    )
    assert fake.script.requests == []


@pytest.mark.parametrize(
    ("vendors", "found"),
    [
        ([], None),
        ([vendor(1, "Müller & Söhne")], None),
        ([vendor(1, "MÜLLER & SÖHNE, GMBH")], None),
        ([vendor(1, "Other"), vendor(2), vendor(3, archived=True)], "00900000000000000002"),
        ([vendor(1, " Müller & Söhne, GmbH ")], "00900000000000000001"),
        ([vendor(1), vendor(2) | {"createdTime": "2026-11-21T08:55:00.000+00:00"}], "00900000000000000002"),
    ],
)
def test_an_earlier_write_is_found_by_its_exact_name(vendors: list[dict[str, object]], found: str | None) -> None:
    fake = FakeBill(vendors=vendors)
    receipt = fake.open().find(operation())
    assert receipt == (None if found is None else Receipt({"id": found, "name": "Müller & Söhne, GmbH"}))
    params = dict(fake.script.requests[1].url.params)
    assert params == {"max": "100", "sort": "createdTime:asc", "filters": 'name:eq:"Müller & Söhne, GmbH"'}


def test_a_vendor_that_is_archived_in_bill_is_not_created_there_again() -> None:
    fake = FakeBill(vendors=[vendor(1, archived=True), vendor(2, "Other")])
    with pytest.raises(Rejected) as caught:
        fake.open().find(operation())
    assert (str(caught.value), caught.value.hint, caught.value.code) == (
        "acme/bill: BILL has the vendor, and it is archived there",
        "restore it in BILL, or make the vendor inactive in QuickBooks",
        "archived",
    )


def test_several_vendors_of_that_name_are_no_answer() -> None:
    for times in (("2026-11-20", "2026-11-20"), ("2026-11-21T09:01:00Z", "2026-11-21T09:02:00Z"), ("", None)):
        fake = FakeBill(vendors=[vendor(n) | {"createdTime": time} for n, time in enumerate(times)])
        with pytest.raises(Ambiguous) as caught:
            fake.open().find(operation())
        assert str(caught.value) == "acme/bill: BILL has several vendors of the name that was to be created"
        assert caught.value.hint == "archive in BILL those that are not used"


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ('The "Best" Co', 'name:sw:"The"'),
        ("A\\B", 'name:sw:"A"'),
        ('"Quoted"', None),
        ("東京オフィス用品", 'name:eq:"東京オフィス用品"'),
    ],
)
def test_a_name_with_quotation_marks_is_found_without_quoting_it(name: str, filters: str | None) -> None:
    fake = FakeBill(vendors=[vendor(1, "The Rest"), vendor(2, name)])
    receipt = fake.open().find(operation(json.dumps({"name": name}).encode()))
    assert receipt == Receipt({"id": "00900000000000000002", "name": name})
    assert fake.script.requests[1].url.params.get("filters") == filters


def test_a_lost_answer_is_cleared_up_by_looking() -> None:
    fake = FakeBill(vendors=[])

    def take_and_lose(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST":
            fake.lists["vendors"] = [json.loads(fake.dispatch(request).content)]
            raise httpx.ReadError("gone")
        return None

    fake.before = take_and_lose
    target = fake.open()
    with pytest.raises(Ambiguous):
        target.write(operation())
    assert target.find(operation()) == Receipt({"id": "00900000000000000099", "name": "Müller & Söhne, GmbH"})
    assert len(fake.created) == 1


def test_bill_takes_no_marks() -> None:
    fake = FakeBill()
    with pytest.raises(RunError) as caught:
        fake.open().mark(MarkCall("BILL_SYNC", "key"))
    assert type(caught.value) is Rejected
    assert (str(caught.value), caught.value.hint) == (
        "acme/bill: BILL takes no marks (`BILL_SYNC`)",
        "take `mark_synced` out of the flow",
    )
    assert fake.script.requests == []
