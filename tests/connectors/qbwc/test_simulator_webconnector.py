from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from connectors.qbwc.simulator import (
    FAULTS,
    Application,
    FaultPlan,
    Faults,
    SessionReport,
    WebConnector,
    handler_post,
    http_post,
    seed_company,
    to_json,
    total_of,
)
from connectors.qbwc.simulator.dotnet import ClientFault, number, request, result, strings, text
from engine.contract import HttpCall, HttpReply
from engine.errors import UnknownName
from tests.reference import reference

INTUIT = "http://developer.intuit.com/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PROLOG = '<?xml version="1.0"?><?qbxml version="13.0"?>'


def bill(guid: str = "1", amount: str = "100.00", set_id: str = "") -> str:
    attributes = f' newMessageSetID="{set_id}"' if set_id else ""
    return (
        f'{PROLOG}<QBXML><QBXMLMsgsRq{attributes} onError="stopOnError"><BillAddRq requestID="1"><BillAdd>'
        "<VendorRef><FullName>Acme Supply</FullName></VendorRef>"
        f"<ExternalGUID>{{{guid * 8}-1111-4222-8333-444455556666}}</ExternalGUID><ExpenseLineAdd><AccountRef>"
        f"<FullName>Travel</FullName></AccountRef><Amount>{amount}</Amount></ExpenseLineAdd></BillAdd></BillAddRq></QBXMLMsgsRq></QBXML>"
    )


def reply(method: str, inside: str) -> bytes:
    answer = f'<{method}Response xmlns="{INTUIT}"><{method}Result>{inside}</{method}Result></{method}Response>'
    return f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{answer}</s:Body></s:Envelope>'.encode()


class Service:
    """A web service with a list of requests to send; it notes every call it gets."""

    def __init__(self, requests: list[str], **answers: Any) -> None:
        self.requests = list(requests)
        self.answers = answers
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.headers: list[Mapping[str, str]] = []

    def post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        call = etree.fromstring(body)[0][0]
        method = etree.QName(call).localname
        self.calls.append((method, {etree.QName(child).localname: child.text or "" for child in call}))
        self.headers.append(headers)
        answer = self.answers.get(method)
        if callable(answer):
            answer = answer()
        if answer is None:
            answer = self.default(method)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            return answer
        inside = (
            "".join(f"<string>{escape(s)}</string>" for s in answer)
            if isinstance(answer, list)
            else escape(str(answer))
        )
        return 200, reply(method, inside), "text/xml; charset=utf-8"

    def default(self, method: str) -> str | list[str] | int:
        if method == "authenticate":
            return ["ticket-1", ""]
        if method == "sendRequestXML":
            return self.requests.pop(0) if self.requests else ""
        if method == "receiveResponseXML":
            return 50 if self.requests else 100
        return {
            "serverVersion": "1.0",
            "clientVersion": "",
            "getLastError": "",
            "closeConnection": "OK",
            "connectionError": "done",
        }[method]

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


def connector(service: Service, faults: Faults | None = None, **more: Any) -> WebConnector:
    return WebConnector(
        service.post, "user", "pass", more.pop("company", None) or seed_company(7), faults=faults, **more
    )


def run(service: Service, **schedule: list[int]) -> tuple[SessionReport, WebConnector, Faults]:
    faults = Faults(FaultPlan(3, schedule=schedule))
    qbwc = connector(service, faults)
    return qbwc.update(), qbwc, faults


# --- SOAP on the wire ---------------------------------------------------------------------------------------------------


def test_a_call_is_byte_for_byte_what_the_dotnet_client_sends() -> None:
    raw = (reference("qbd", "samples") / "real" / "mono_SoapHttpClientProtocol_authenticate_raw.txt").read_text(
        encoding="utf-8"
    )
    head, body = raw.replace("\r\n", "\n").split("\n\n", 1)
    sent, headers = request("authenticate", {"strUserName": "u", "strPassword": "pé&<"})
    assert sent.decode() == body
    wire = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert {name: wire[name] for name in headers} == headers


def test_empty_arguments_look_as_in_a_real_session() -> None:
    raw = (reference("qbd", "samples") / "real" / "flowlink_receiveResponseXML_invoice_add.xml").read_text(
        encoding="utf-8"
    )
    call = etree.fromstring(raw.encode())[0][0]
    arguments = {etree.QName(child).localname: child.text or "" for child in call}
    sent, _ = request("receiveResponseXML", arguments)
    assert sent.decode() == raw.strip()


def test_a_call_without_arguments_is_an_empty_element() -> None:
    sent, headers = request("serverVersion", {})
    assert b'<soap:Body><serverVersion xmlns="http://developer.intuit.com/" /></soap:Body>' in sent
    assert headers["SOAPAction"] == '"http://developer.intuit.com/serverVersion"'


ARRAY = '<authenticateResponse xmlns="http://developer.intuit.com/"><authenticateResult>{}</authenticateResult></authenticateResponse>'


def envelope(inside: str, before: str = "") -> bytes:
    return f'{before}<s:Envelope xmlns:s="{SOAP}"><s:Body>{inside}</s:Body></s:Envelope>'.encode()


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (envelope(ARRAY.format("<string>t</string><string></string>")), ["t", ""]),
        (envelope(ARRAY.format("<string>t</string><string/>"), "\ufeff"), ["t", ""]),
        (envelope(ARRAY.format("<string><![CDATA[t]]></string><string>é</string>")), ["t", "é"]),
        (envelope(ARRAY.format("<string>t</string>")), ["t"]),
        (
            envelope(
                ARRAY.format('<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/Arrays">t</string>')
            ),
            [],
        ),
        (envelope(ARRAY.format("<string>t</string>").replace("intuit.com/", "intuit.com")), []),
        (
            envelope(
                '<a:authenticateResponse xmlns:a="http://developer.intuit.com/"><authenticateResult/></a:authenticateResponse>'
            ),
            [],
        ),
    ],
)
def test_what_dotnet_reads_from_an_array(body: bytes, seen: list[str]) -> None:
    assert strings(result("authenticate", 200, body, "text/xml")) == seen


FAULT = "<s:Fault><faultcode>s:Server</faultcode><faultstring>no luck</faultstring></s:Fault>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (
            200,
            envelope(""),
            "application/xml",
            "Client found response content type of 'application/xml', but expected 'text/xml'.",
        ),
        (500, b"<html/>", "text/html", "Client found response content type of 'text/html', but expected 'text/xml'."),
        (404, b"", "text/xml", "The request failed with HTTP status 404."),
        (200, b'\n<?xml version="1.0"?>' + envelope(""), "text/xml", "Response is not well-formed XML."),
        (200, envelope("&#x0B;"), "text/xml", "Response is not well-formed XML."),
        (200, b"<a/>", "text/xml", "Possible SOAP version mismatch: Envelope namespace was unexpected."),
        (200, envelope(FAULT), "text/xml", "no luck"),
        (500, envelope(FAULT), "text/xml", "no luck"),
    ],
)
def test_what_makes_dotnet_throw(status: int, body: bytes, kind: str, said: str) -> None:
    with pytest.raises(ClientFault) as caught:
        result("authenticate", status, body, kind)
    assert str(caught.value) == said


def test_numbers_and_texts() -> None:
    one = etree.fromstring("<a> 42 </a>")
    assert (number(one), number(None), text(None), text(etree.fromstring("<a/>"))) == (42, 0, "", "")
    with pytest.raises(ClientFault) as caught:
        number(etree.fromstring("<a>x</a>"))
    assert str(caught.value) == "There is an error in XML document: Input string was not in a correct format."


# --- one session --------------------------------------------------------------------------------------------------------


def test_a_session_in_the_real_order() -> None:
    service = Service([bill("1"), bill("2", "50.00")])
    qbwc = connector(service)
    report = qbwc.update()
    loop = ["sendRequestXML", "receiveResponseXML"]
    assert service.methods == ["serverVersion", "clientVersion", "authenticate", *loop, *loop, "closeConnection"]
    assert report.calls == service.methods
    assert (report.outcome, report.percents, report.errors, report.messages) == ("done", [50, 100], [], ["OK"])
    assert service.calls[2][1] == {"strUserName": "user", "strPassword": "pass"}
    first, second = service.calls[3][1], service.calls[5][1]
    assert first.pop("strHCPResponse").startswith(
        '<?xml version="1.0" ?>\n<QBXML><QBXMLMsgsRs><HostQueryRs requestID="0"'
    )
    assert second.pop("strHCPResponse") == ""
    assert (
        first
        == second
        == {
            "ticket": "ticket-1",
            "strCompanyFileName": "C:\\QuickBooks\\sandbox-7.qbw",
            "qbXMLCountry": "US",
            "qbXMLMajorVers": "13",
            "qbXMLMinorVers": "0",
        }
    )
    assert [r.get("statusCode") for r in etree.fromstring(report.responses[1])[0]] == ["0"]
    assert total_of(qbwc.company, "Bill") == 150


def test_the_first_connect_marks_the_company_and_the_answers_are_valid_for_intuit() -> None:
    service = Service([bill()])
    application = Application()
    connector(service, application=application).update()
    hcp = etree.fromstring(service.calls[3][1]["strHCPResponse"])
    found = {e.findtext("DataExtName"): e.findtext("DataExtValue") for e in hcp.iter("DataExtRet")}
    assert found == {"FileID": application.file_id, "AppLock": "LOCKED:SANDBOX:639080568000000000"}
    schema = etree.XMLSchema(etree.parse(reference("qbd", "xsd") / "qbxmlops130.xsd"))
    assert schema.validate(hcp), str(schema.error_log)


def test_a_company_keeps_the_file_id_it_has() -> None:
    company = seed_company(7)
    connector(Service([]), company=company, application=Application(file_id="{1}")).update()
    service = Service([])
    connector(service, company=company, application=Application(file_id="{2}")).update()
    assert "<DataExtValue>{1}</DataExtValue>" in service.calls[3][1]["strHCPResponse"]


@pytest.mark.parametrize(
    ("answer", "outcome", "errors"),
    [
        (["", "nvu"], "refused", ["QBWC1040: Invalid username/password."]),
        (["t", "none"], "no_work", []),
        (["t", "busy"], "busy", []),
        (["t", "", "60"], "postponed", []),
        (["t"], "error", ["QBWC1012: Authentication failed. Index was outside the bounds of the array."]),
    ],
)
def test_how_authenticate_can_end_a_session(answer: list[str], outcome: str, errors: list[str]) -> None:
    service = Service([bill()], authenticate=answer)
    report = connector(service).update()
    assert (report.outcome, report.errors) == (outcome, errors)
    assert "sendRequestXML" not in service.methods
    assert ("closeConnection" in service.methods) is (outcome != "error")


def test_a_minimum_for_every_min_is_noted() -> None:
    assert connector(Service([], authenticate=["t", "none", "", "300"])).update().every_min_s == 300


@pytest.mark.parametrize(("said", "goes_on"), [("", True), ("W:old", True), ("E:no", False), ("O:2.0", False)])
def test_client_version_can_stop_the_session(said: str, goes_on: bool) -> None:
    service = Service([bill()], clientVersion=said)
    report = connector(service).update()
    assert ("authenticate" in service.methods) is goes_on
    assert report.outcome == ("done" if goes_on else "refused")


def test_a_service_without_server_version_still_works() -> None:
    report = connector(Service([bill()], serverVersion=(500, envelope(FAULT), "text/xml"))).update()
    assert (report.outcome, report.messages[0]) == ("done", "serverVersion: no luck")


def test_no_op_waits_five_virtual_seconds_and_asks_again() -> None:
    answers = iter(["NoOp", "NoOp", bill()])
    report = connector(Service([], sendRequestXML=lambda: next(answers), getLastError="NoOp")).update()
    assert (report.outcome, report.elapsed_s, report.calls.count("getLastError")) == ("done", 10.0, 2)
    assert len(report.requests) == 1


def test_an_empty_request_ends_with_the_last_error() -> None:
    report = connector(Service([], getLastError="nothing to do")).update()
    assert report.messages == ["nothing to do", "OK"]
    assert report.calls[-3:] == ["sendRequestXML", "getLastError", "closeConnection"]


def test_a_negative_receive_asks_for_the_error_and_closes() -> None:
    report = connector(Service([bill(), bill()], receiveResponseXML=-101, getLastError="wrong file")).update()
    assert (report.outcome, report.percents, report.messages) == ("stopped", [-101], ["wrong file", "OK"])
    assert report.calls[-3:] == ["receiveResponseXML", "getLastError", "closeConnection"]


def test_another_company_file_is_asked_for() -> None:
    service = Service([bill()], authenticate=["t", "C:\\other.qbw"])
    report = connector(service).update()
    assert report.outcome == "connection_error"
    assert service.calls[3] == (
        "connectionError",
        {
            "ticket": "t",
            "hresult": "0x8004040A",
            "message": "A QuickBooks company data file is already open and it is different from the one requested.",
        },
    )
    retried = connector(
        Service([bill()], authenticate=["t", "C:\\other.qbw"], connectionError="C:\\QuickBooks\\SANDBOX-7.qbw")
    ).update()
    assert (retried.outcome, retried.calls.count("connectionError")) == ("done", 1)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("clientVersion", "QBWC1036"),
        ("authenticate", "QBWC1012"),
        ("sendRequestXML", "QBWC1041"),
        ("receiveResponseXML", "QBWC1042"),
        ("getLastError", "QBWC1043"),
        ("closeConnection", "QBWC1044"),
    ],
)
def test_every_call_that_throws_has_its_code(method: str, code: str) -> None:
    work = [] if method == "getLastError" else [bill()]
    report = connector(Service(work, **{method: ConnectionRefusedError("nobody there")})).update()
    assert (report.outcome, report.errors) == ("error", [f"{code}: Error in {method}: nobody there"])
    assert report.calls[-1] == method


def test_a_refused_document_reports_its_hresult_and_why() -> None:
    service = Service([bill().replace("100.00", "1.5")])
    report = connector(service).update()
    assert service.calls[4][1] == {
        "ticket": "ticket-1",
        "response": "",
        "hresult": "0x80040400",
        "message": "QuickBooks found an error when parsing the provided XML text stream.",
    }
    assert report.errors[0].startswith("qbsdklog: ")
    assert "Amount" in report.errors[0]


def test_a_qwc_file_installs_an_application() -> None:
    document = b"<QBWCXML><AppName>A</AppName><OwnerID>{1}</OwnerID><FileID>{2}</FileID></QBWCXML>"
    assert Application.from_qwc(document) == Application("A", "{1}", "{2}")


# --- faults -------------------------------------------------------------------------------------------------------------


def test_every_fault_is_described_and_unknown_ones_are_refused() -> None:
    assert all(text.endswith(".") for text in FAULTS.values())
    with pytest.raises(UnknownName) as caught:
        FaultPlan(rates={"slow_answers": 1.0})
    assert str(caught.value) == "there is no fault `slow_answers`"


@pytest.mark.parametrize(
    ("fault", "outcome", "posted", "stored", "hresult"),
    [
        ("drop_send_answer", "error", 0, 0, None),
        ("drop_receive_answer", "error", 1, 1, ""),
        ("die_before", "done", 0, 0, "0x80040402"),
        ("die_midway", "done", 0, 0, "0x80040402"),
        ("die_after", "done", 1, 1, "0x80040402"),
        ("answer_lost", "abandoned", 1, 1, None),
        ("answer_and_store_lost", "abandoned", 1, 0, None),
    ],
)
def test_where_an_answer_can_be_lost(fault: str, outcome: str, posted: int, stored: int, hresult: str | None) -> None:
    service = Service([bill(set_id="x")])
    report, qbwc, faults = run(service, **{fault: [0]})
    received = [arguments["hresult"] for method, arguments in service.calls if method == "receiveResponseXML"]
    assert report.outcome == outcome
    assert len(list(qbwc.company.txns("Bill"))) == posted
    assert len(qbwc.company.books.recovery.get("flowctl", {})) == stored
    assert received == ([] if hresult is None else [hresult])
    assert faults.counts == Counter({fault: 1})


def test_a_hresult_of_the_plan() -> None:
    service = Service([bill()])
    faults = Faults(FaultPlan(schedule={"hresult": [0]}, hresults=["0x80040414"]))
    qbwc = connector(service, faults)
    qbwc.update()
    assert service.calls[4][1]["hresult"] == "0x80040414"
    assert service.calls[4][1]["message"] == "A modal dialog box is showing in the QuickBooks user interface."
    assert not qbwc.company.books.txns


def test_receive_is_delivered_twice() -> None:
    service = Service([bill()])
    run(service, duplicate_receive=[0])
    assert service.calls[4] == service.calls[5]
    assert service.methods[4:] == ["receiveResponseXML", "receiveResponseXML", "closeConnection"]


@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize("when", ["abandon_before", "abandon_after"])
def test_a_session_can_be_abandoned_at_any_call(when: str, call: int) -> None:
    service = Service([bill()])
    report, _, _ = run(service, **{when: [call]})
    assert report.outcome == "abandoned"
    assert len(service.calls) == (call if when == "abandon_before" else call + 1)


def test_spoiled_answers() -> None:
    whole, _, _ = run(Service([bill()]))
    cut, _, _ = run(Service([bill()]), truncated_answer=[0])
    garbage, _, _ = run(Service([bill()]), non_xml_answer=[0])
    cp1252, _, _ = run(Service([bill()]), cp1252_answer=[0])
    (answer,) = whole.responses
    assert cut.responses == [answer[: len(answer) // 2]]
    assert garbage.responses == [
        "QuickBooks has stopped working. A problem caused the program to stop working correctly."
    ]
    assert cp1252.responses == [answer.replace('"1.0" ?>', '"1.0" encoding="windows-1252" ?>', 1)]


def test_a_slow_answer_takes_virtual_time() -> None:
    report, _, _ = run(Service([bill()]), slow_answer=[0])
    assert report.elapsed_s == 61.0


def test_quickbooks_cannot_be_reached() -> None:
    service = Service([bill()])
    report, _, _ = run(service, connection_error=[0])
    assert (report.outcome, report.errors) == (
        "connection_error",
        ["QBWC1013: Error connecting to QuickBooks. Could not start QuickBooks."],
    )
    assert service.methods[3:] == ["connectionError", "closeConnection"]


@pytest.mark.parametrize(
    ("fault", "mine", "theirs"), [("switch_file", 0, 2), ("switch_file_midway", 1, 1), ("switch_file_unseen", 1, 1)]
)
def test_another_file_is_opened(fault: str, mine: int, theirs: int) -> None:
    other = seed_company(8)
    service = Service([bill("1"), bill("2")])
    turn = 1 if fault == "switch_file_unseen" else 0
    qbwc = connector(service, Faults(FaultPlan(schedule={fault: [turn]}), other))
    qbwc.update()
    assert (len(qbwc.company.books.txns), len(other.books.txns)) == (mine, theirs)
    paths = [a["strCompanyFileName"][-5:-4] for method, a in service.calls if method == "sendRequestXML"]
    assert (
        paths == {"switch_file": ["8", "8"], "switch_file_midway": ["7", "8"], "switch_file_unseen": ["7", "7"]}[fault]
    )
    assert ("FileID" in service.calls[3][1]["strHCPResponse"]) is (fault != "switch_file")
    qbwc.update()
    assert qbwc.company.path == "C:\\QuickBooks\\sandbox-7.qbw"


def test_what_happens_between_sessions() -> None:
    service = Service([bill("1"), bill("2")])
    faults = Faults(FaultPlan(schedule={"restore_backup": [1], "user_edit": [0]}, backups_kept=1))
    qbwc = connector(service, faults)
    qbwc.update()
    assert total_of(qbwc.company, "Bill") == 200
    qbwc.update()
    now = int(qbwc.clock.now().timestamp())
    assert sorted(t.edit_sequence - now for t in qbwc.company.txns("Bill")) == [0, 1]
    qbwc.update()
    assert sorted(t.edit_sequence - now for t in qbwc.company.txns("Bill")) == [0, 0]
    assert faults.counts == Counter({"user_edit": 1, "restore_backup": 1})


def test_a_deleted_transaction_is_gone() -> None:
    qbwc = connector(Service([bill()]), Faults(FaultPlan(schedule={"user_delete": [0]})))
    qbwc.update()
    assert len(qbwc.company.books.txns) == 1
    qbwc.update()
    assert not qbwc.company.books.txns


def test_one_seed_gives_the_same_bytes() -> None:
    def story(seed: int) -> tuple[list[tuple[str, dict[str, str]]], str, Counter[str]]:
        service = Service([bill(guid, set_id=guid) for guid in "123456789abcdef"] * 3)
        rates = dict.fromkeys(FAULTS, 0.1)
        faults = Faults(FaultPlan(seed, rates=rates), seed_company(8))
        qbwc = connector(service, faults)
        for _ in range(30):
            qbwc.update()
        return service.calls, to_json(qbwc.company), faults.counts

    first = story(5)
    assert first == story(5)
    assert first[2] != story(6)[2]
    assert sum(first[2].values()) > 20


# --- transports -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Callable[[Service], str]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def serve(service: Service) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer, kind = service.post(body, dict(self.headers.items()))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/qbwc"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_session_over_http(served: Callable[[Service], str]) -> None:
    service = Service([bill()])
    post = http_post(served(service))
    qbwc = WebConnector(post, "user", "pass", seed_company(7))
    assert qbwc.update().outcome == "done"
    assert total_of(qbwc.company, "Bill") == 100
    assert service.headers[0]["Content-Type"] == "text/xml; charset=utf-8"
    post.close()


def test_nobody_listens() -> None:
    report = WebConnector(http_post("http://127.0.0.1:9/qbwc"), "user", "pass", seed_company(7)).update()
    assert report.outcome == "error"
    assert report.errors[0].startswith(
        "QBWC1036: Error in clientVersion: the web service at http://127.0.0.1:9/qbwc did not answer: "
    )


def test_a_session_straight_into_a_handler() -> None:
    service = Service([bill()])

    def handler(call: HttpCall) -> HttpReply:
        assert (call.method, call.path, call.headers["soapaction"][:12]) == ("POST", "/qbwc", '"http://deve')
        status, body, kind = service.post(call.body, call.headers)
        return HttpReply(status, {"Content-Type": kind}, body)

    assert WebConnector(handler_post(handler), "user", "pass", seed_company(7)).update().outcome == "done"
