"""What answers mean: files that are not ready, codes in bodies of any status, limits, and nothing secret in errors."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from connectors.expensify.client import Missing
from engine.errors import AuthRefused, BadAnswer, RateLimited, Rejected, RunError, Transient
from tests.connectors.expensify.source_kit import SECRET, USER, FakeExpensify, Raw, envelope, file, ids, plain, report
from tests.connectors.http_kit import everything_said

WHERE = "acme/expensify: POST /Integration-Server/ExpensifyIntegrations"
OLD_LIMIT = "You have been rate-limited. Please try again later or contact help@expensify.com for assistance."
NOT_READY: dict[str, Callable[[], httpx.Response]] = {
    "404 with a page": lambda: httpx.Response(404, text="<html>canary-body</html>"),
    "404 without a body": lambda: httpx.Response(404),
    "an empty body": lambda: httpx.Response(200, content=b""),
    "white space": lambda: httpx.Response(200, content=b" \r\n"),
    "an envelope that says 404": lambda: envelope(404),
    "an envelope that says 500": lambda: envelope(500),
    "an envelope that says 410": lambda: envelope(410),
    "an envelope that says 200": lambda: envelope(200),
    "an envelope that says 207": lambda: envelope(207),
    "an envelope with HTTP 404": lambda: envelope(404, status=404),
    "an object that says nothing": lambda: plain({}),
    "an odd text": lambda: httpx.Response(200, text="File not found canary-body"),
    "half a file": lambda: httpx.Response(200, content=file(report(1))[:200]),
    "an odd status": lambda: httpx.Response(409, text="canary-body"),
    "a gateway's page": lambda: httpx.Response(502, text="<html>canary-body</html>"),
    "too many calls": lambda: httpx.Response(429, text="canary-body"),
    "the older words for too many": lambda: envelope(500, OLD_LIMIT),
}


def downloads(vendor: FakeExpensify, *answers: Callable[[], httpx.Response], then: bool = True) -> list[float]:
    """Answer downloads with these, the last one for ever unless the file follows; returns the moments of downloads."""
    moments: list[float] = []

    def before(job: Raw) -> httpx.Response | None:
        if job["type"] != "download":
            return None
        moments.append(vendor.clock.elapsed_s)
        if len(moments) > len(answers) and then:
            return None
        return answers[min(len(moments), len(answers)) - 1]()

    vendor.before = before
    return moments


def failing(vendor: FakeExpensify, answer: Callable[[], httpx.Response], stream: str = "reports") -> RunError:
    vendor.before = lambda _: answer()
    with pytest.raises(RunError) as caught:
        list(vendor.source().read(stream, {}, None))
    silent(caught.value)
    return caught.value


def silent(error: BaseException) -> None:
    said = everything_said(error)
    for secret in (SECRET, USER, "canary", "ann@example.com", "requestJobDescription", "partnerUserSecret="):
        assert secret not in said, said


class TestFilesThatAreNotReady:
    @pytest.mark.parametrize("form", NOT_READY)
    def test_the_file_is_asked_for_until_it_is_there(self, form: str) -> None:
        vendor = FakeExpensify(report(1))
        downloads(vendor, NOT_READY[form], NOT_READY[form])
        assert ids(list(vendor.source().read("reports", {}, None))) == ["R00000000001"]

    @pytest.mark.parametrize("form", NOT_READY)
    def test_waiting_ends_at_the_deadline(self, form: str) -> None:
        vendor = FakeExpensify(report(1))
        moments = downloads(vendor, NOT_READY[form], then=False)
        with pytest.raises(Transient) as caught:
            list(vendor.source(download_wait_s=100).read("reports", {}, None))
        silent(caught.value)
        assert moments[-1] == vendor.clock.elapsed_s == 100.0
        assert caught.value.retry_after_s == 60.0
        assert len(vendor.files) == 1  # the export itself is not asked for again and again

    def test_pauses_grow_to_a_quarter_of_a_minute(self) -> None:
        vendor = FakeExpensify(report(1))
        downloads(vendor, lambda: httpx.Response(404), then=False)
        with pytest.raises(Transient) as caught:
            list(vendor.source(download_wait_s=70).read("reports", {}, None))
        assert vendor.clock.slept == [2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 11.0]
        assert str(caught.value) == f"{WHERE}: 404: nothing is there: not ready after 70 s"
        assert caught.value.hint == (
            "it is tried again; if it never succeeds, raise the setting `download_wait_s`, or lower `export_limit`"
        )

    def test_too_many_calls_while_waiting_are_waited_for(self) -> None:
        vendor = FakeExpensify(report(1))
        downloads(vendor, lambda: httpx.Response(429, headers={"Retry-After": "33"}))
        list(vendor.source().read("reports", {}, None))
        assert vendor.clock.slept == [33.0]

    def test_credentials_that_are_refused_while_waiting_are_said_so_at_the_end(self) -> None:
        vendor = FakeExpensify(report(1))
        downloads(vendor, lambda: envelope(403), then=False)
        with pytest.raises(AuthRefused) as caught:
            list(vendor.source().read("reports", {}, None))
        assert str(caught.value) == f"{WHERE}: 200: the credentials are not accepted for this (responseCode 403)"

    def test_a_lost_connection_while_waiting_costs_nothing_but_time(self) -> None:
        vendor = FakeExpensify(report(1))

        def drop() -> httpx.Response:
            raise httpx.ReadTimeout("canary-body")

        downloads(vendor, drop)
        assert ids(list(vendor.source().read("reports", {}, None))) == ["R00000000001"]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"template": "flowctl-1", "reports": []}, "the file was written by another template than flowctl-2"),
            ({"template": "flowctl-2", "reports": {}}, "the file has no list of reports"),
            ({"template": "flowctl-2", "reports": ["R1"]}, "the file has no list of reports"),
            ({"template": "flowctl-2", "reports": [{"reportID": None}]}, "a report without a `reportID`"),
            ({"template": "flowctl-2", "reports": [{"reportID": " "}]}, "a report without a `reportID`"),
            ({"template": "flowctl-2", "reports": [{"reportID": "R1"}]}, "a report without its expenses"),
        ],
    )
    def test_a_file_of_another_form_is_not_believed(self, body: object, message: str) -> None:
        vendor = FakeExpensify()
        downloads(vendor, lambda: plain(body), then=False)
        with pytest.raises(BadAnswer) as caught:
            list(vendor.source().read("reports", {}, None))
        assert str(caught.value) == f"{WHERE}: 200: {message}"
        assert vendor.clock.slept == []

    def test_a_redirect_is_not_followed(self) -> None:
        vendor = FakeExpensify()
        downloads(vendor, lambda: httpx.Response(302, headers={"location": "https://evil.example/"}), then=False)
        with pytest.raises(BadAnswer, match="a redirect, which is never followed"):
            list(vendor.source().read("reports", {}, None))


class TestNamesOfFiles:
    @pytest.mark.parametrize(
        "body",
        [
            "export0fd99e06-a636-4974-b6bc-3ceb12163386.json",
            " export0fd99e06-a636-4974-b6bc-3ceb12163386.json\r\n",
            '"export0fd99e06-a636-4974-b6bc-3ceb12163386.json"',
            '{"responseCode":200,"filename":"export0fd99e06-a636-4974-b6bc-3ceb12163386.json"}',
            '{"responseCode":"200","fileName":"export0fd99e06-a636-4974-b6bc-3ceb12163386.json"}',
        ],
    )
    def test_a_name_is_taken_in_every_form(self, body: str) -> None:
        vendor = FakeExpensify()
        vendor.files["export0fd99e06-a636-4974-b6bc-3ceb12163386.json"] = file(report(1))
        vendor.before = lambda job: httpx.Response(200, text=body) if job["type"] == "file" else None
        assert ids(list(vendor.source().read("reports", {}, None))) == ["R00000000001"]

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "OK",
            "export.csv",
            "../../etc/passwd.json",
            "a b.json",
            "[]",
            "true",
            '{"responseCode":200}',
            "<html>canary-body",
            "[" * 100,
            "\xff\xfe",
        ],
    )
    def test_anything_else_is_no_name(self, body: str) -> None:
        error = failing(FakeExpensify(), lambda: httpx.Response(200, content=body.encode("latin-1")))
        assert (type(error), str(error)) == (BadAnswer, f"{WHERE}: 200: no name of a file")

    def test_an_object_without_a_code_is_not_believed(self) -> None:
        error = failing(FakeExpensify(), lambda: plain({"filename": "export1.json"}))
        assert (type(error), str(error)) == (BadAnswer, f"{WHERE}: 200: an answer without a responseCode")


CODES: list[tuple[object, str, type[RunError], str]] = [
    (207, "canary-body", Transient, "done only in part (responseCode 207), and a part is not taken"),
    (401, "canary-body", AuthRefused, "the credentials are not accepted for this (responseCode 401)"),
    (403, "canary-body", AuthRefused, "the credentials are not accepted for this (responseCode 403)"),
    (500, "Not authorized to authenticate as user canary@x.y", AuthRefused, "the credentials are not accepted for this (responseCode 500)"),
    (500, "Authentication error", AuthRefused, "the credentials are not accepted for this (responseCode 500)"),
    (404, "canary-body", Missing, "there is no such thing (responseCode 404)"),
    (410, "Required parameter 'policyIDList' is missing", Rejected, "a value is missing or not accepted (responseCode 410): policyIDList"),
    (410, "Status 'canary' is not supported", Rejected, "a value is missing or not accepted (responseCode 410)"),
    ("410", "canary-body", Rejected, "a value is missing or not accepted (responseCode 410)"),
    (429, "canary-body", RateLimited, "too many requests (responseCode 429)"),
    (500, OLD_LIMIT, RateLimited, "too many requests (responseCode 500)"),
    (200.5, "canary-body", BadAnswer, "an answer without a responseCode"),
    (None, "canary-body", BadAnswer, "an answer without a responseCode"),
    (True, "canary-body", BadAnswer, "an answer without a responseCode"),
    (500, "canary-body", Transient, "Expensify failed (responseCode 500)"),
    (666, "Rule already exists with those actions, canary-body", Transient, "Expensify failed (responseCode 666)"),
    (418, "canary-body", Rejected, "refused (responseCode 418)"),
]  # fmt: skip


@pytest.mark.parametrize("stream", ["reports", "categories"])
@pytest.mark.parametrize(("code", "message", "kind", "said"), CODES)
def test_a_code_counts_and_not_the_status(
    stream: str, code: object, message: str, kind: type[RunError], said: str
) -> None:
    error = failing(FakeExpensify(), lambda: envelope(code, message), stream)
    assert (type(error), str(error)) == (kind, f"{WHERE}: 200: {said}")


@pytest.mark.parametrize(
    ("code", "message", "kind", "said"), [c for c in CODES if isinstance(c[0], int) and c[0] is not True]
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_code_counts_at_every_status(
    status: int, code: object, message: str, kind: type[RunError], said: str
) -> None:
    error = failing(FakeExpensify(), lambda: envelope(code, message, status))
    assert (type(error), str(error)) == (kind, f"{WHERE}: {status}: {said}")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, AuthRefused),
        (403, AuthRefused),
        (404, Rejected),
        (408, Transient),
        (429, RateLimited),
        (500, Transient),
        (503, Transient),
    ],
)
@pytest.mark.parametrize("body", ["", "<html>canary-body</html>", "[]", '{"error":"canary-body"}'])
def test_a_status_counts_where_there_is_no_code(status: int, kind: type[RunError], body: str) -> None:
    assert type(failing(FakeExpensify(), lambda: httpx.Response(status, text=body))) is kind


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(429, text="Too Many Requests"),
        lambda: envelope(429, OLD_LIMIT),
        lambda: envelope(500, OLD_LIMIT),
        lambda: httpx.Response(200, text=OLD_LIMIT),
    ],
)
@pytest.mark.parametrize("stream", ["reports", "policies"])
def test_both_wordings_of_the_limit_say_how_long_to_wait(stream: str, answer: Callable[[], httpx.Response]) -> None:
    error = failing(FakeExpensify(), answer, stream)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 60.0


def test_a_header_says_better_how_long_to_wait() -> None:
    error = failing(FakeExpensify(), lambda: httpx.Response(429, headers={"Retry-After": "12"}))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 12.0


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_lost_calls_are_tried_again(fault: type[httpx.TransportError]) -> None:
    def drop() -> httpx.Response:
        raise fault("canary-body")

    assert type(failing(FakeExpensify(), drop)) is Transient


def test_hints_tell_a_bookkeeper_what_to_do() -> None:
    refused = failing(FakeExpensify(), lambda: envelope(403))
    assert refused.hint == (
        "check partnerUserID and partnerUserSecret with `flowctl connect`; their account must be an admin of the policies"
    )
    invalid = failing(FakeExpensify(), lambda: envelope(410))
    assert invalid.hint == (
        "check the connection's settings; if they are right, this is a fault of flowctl or a change of Expensify's"
    )


def test_nothing_secret_shows_in_a_repr() -> None:
    vendor = FakeExpensify()
    source = vendor.source()
    from connectors.expensify.jobs import Credentials
    from connectors.expensify.settings import read_settings
    from tests.connectors.expensify.source_kit import binding

    said = " ".join(map(repr, (source, binding(), read_settings(binding()), Credentials(USER, SECRET))))
    assert SECRET not in said
    assert json.dumps(vendor.jobs) == "[]"
