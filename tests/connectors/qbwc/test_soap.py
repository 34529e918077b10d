"""SOAP in and out: every row of the table of what breaks a .NET client, and every shape that must be refused quickly."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

import pytest

from connectors.qbwc import soap
from connectors.qbwc.simulator import dotnet
from connectors.qbwc.soap import METHODS, Call, SoapRefused, decode, encode, encode_fault
from tests.reference import reference

NS = f"{{{soap.NAMESPACE}}}"
OPEN = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
SHUT = "</s:Body></s:Envelope>"


def call(inner: str) -> Call:
    return decode(f"{OPEN}{inner}{SHUT}".encode())


def refusal(body: bytes) -> SoapRefused:
    with pytest.raises(SoapRefused) as caught:
        decode(body)
    return caught.value


def test_the_raw_request_of_a_dotnet_client_is_read() -> None:
    raw = reference("qbd", "samples", "real", "mono_SoapHttpClientProtocol_authenticate_raw.txt").read_bytes()
    body = raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1]
    found = decode(body)
    assert (found.method, dict(found.arguments)) == ("authenticate", {"strUserName": "u", "strPassword": "pé&<"})


def test_a_real_answer_inside_a_dotnet_request_is_read_as_text() -> None:
    body = reference("qbd", "samples", "real", "flowlink_receiveResponseXML_invoice_add.xml").read_bytes()
    found = decode(body)
    assert found.method == "receiveResponseXML"
    assert found["ticket"] == "354f40b4-b661-4472-a13f-8abf13a743c3"
    assert found["response"].startswith('<?xml version="1.0" ?>\n<QBXML>')
    assert (found["hresult"], found["message"]) == ("", "")


@pytest.mark.parametrize(
    "given",
    [
        {"strUserName": "u", "strPassword": " p'a\"s]~ "},
        {"strUserName": "u"},
        {"strUserName": "", "strPassword": ""},
        {"strUserName": "u&v", "strPassword": "<é>\r\n"},
        {"strUserName": "u", "other": "x"},
    ],
)
def test_what_dotnet_writes_is_read_the_same_without_a_parser(given: dict[str, str]) -> None:
    body, _ = dotnet.request("authenticate", given)
    known = {name: value for name, value in given.items() if name != "other"}
    for message in (body, body.replace(b"utf-8", b"UTF-8"), body + b"\n"):
        found = decode(message)
        assert (found.method, dict(found.arguments)) == ("authenticate", known)


def test_a_plain_call_that_is_none_of_ours_is_refused_as_any() -> None:
    body, _ = dotnet.request("authenticate", {"strUserName": "u", "strPassword": "p"})
    assert str(refusal(body.replace(b"authenticate", b"dance"))) == "there is no such method"
    assert str(refusal(body.replace(b"strPassword", b"strUserName"))) == "the argument strUserName is there twice"


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_round_trips(name: str) -> None:
    method = METHODS[name]
    inner = "".join(f"<{parameter}>{n}</{parameter}>" for n, (parameter, _) in enumerate(method.parameters))
    found = call(f'<{name} xmlns="{soap.NAMESPACE}">{inner}</{name}>')
    assert found.method == name
    assert [found[parameter] for parameter, _ in method.parameters] == [str(n) for n in range(len(method.parameters))]
    body = ET.fromstring(encode(name, "x"))[0][0]
    assert (body.tag, body[0].tag, body[0].text) == (f"{NS}{name}Response", f"{NS}{name}Result", "x")


@pytest.mark.parametrize(
    "inner",
    [
        '<i:authenticate xmlns:i="http://developer.intuit.com/"><i:strUserName>u</i:strUserName></i:authenticate>',
        '<i:authenticate xmlns:i="http://developer.intuit.com/"><strUserName>u</strUserName></i:authenticate>',
        '<authenticate xmlns="http://developer.intuit.com/"><strUserName><![CDATA[u]]></strUserName><strPassword/></authenticate>',
        '<authenticate xmlns="http://developer.intuit.com/"><unknown>x</unknown><strUserName>u</strUserName></authenticate>',
        '<authenticate xmlns="http://developer.intuit.com/"><!-- c --><strUserName>u</strUserName><strPassword n:nil="true" xmlns:n="http://www.w3.org/2001/XMLSchema-instance"/></authenticate>',
    ],
)
def test_prefixes_cdata_nil_and_unknown_parameters_do_not_matter(inner: str) -> None:
    found = call(inner)
    assert (found.method, found["strUserName"], found["strPassword"]) == ("authenticate", "u", "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252", "iso-8859-1"])
def test_declared_encodings_and_byte_order_marks_are_honoured(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>{OPEN}<clientVersion xmlns="{soap.NAMESPACE}"><strVersion>é</strVersion></clientVersion>{SHUT}'
    assert decode(text.encode(encoding))["strVersion"] == "é"


def test_a_newline_before_the_declaration_is_forgiven_on_the_way_in() -> None:
    assert (
        decode(f'\r\n<?xml version="1.0"?>{OPEN}<serverVersion xmlns="{soap.NAMESPACE}"/>{SHUT}'.encode()).method
        == "serverVersion"
    )


def test_a_header_is_passed_over_unless_it_must_be_understood() -> None:
    inner = f'<serverVersion xmlns="{soap.NAMESPACE}"/>'
    head = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><a{}>1</a></s:Header><s:Body>'
    assert decode(f"{head.format('')}{inner}{SHUT}".encode()).method == "serverVersion"
    must = head.format(' s:mustUnderstand="1"')
    error = refusal(f"{must}{inner}{SHUT}".encode())
    assert (error.code, str(error)) == (
        "MustUnderstand",
        "the message has a header that must be understood; none is known here",
    )


# --- answers: FACTS section 1, "what breaks a .NET client" ----------------------------------------------------------


def test_both_strings_are_there_in_intuits_namespace_with_its_trailing_slash() -> None:
    body = encode("authenticate", ("ticket", ""))
    assert body == (
        b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        b'<authenticateResponse xmlns="http://developer.intuit.com/"><authenticateResult><string>ticket</string><string></string>'
        b"</authenticateResult></authenticateResponse></soap:Body></soap:Envelope>"
    )
    items = ET.fromstring(body).findall(f".//{NS}authenticateResult/{NS}string")
    assert [item.text for item in items] == ["ticket", None]


def test_nothing_stands_before_the_declaration() -> None:
    for body in (encode("getLastError", "\n x"), encode_fault("Client", "\n x")):
        assert body.startswith(b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope ')


def test_characters_that_xml_forbids_are_stripped_and_others_survive() -> None:
    text = "a\x0b\x00\x1f\ud800\ufffe\uffffb\r\n<&>\"'é\U0001f600\t"
    found = ET.fromstring(encode("getLastError", text))[0][0][0].text
    assert found == "ab\r\n<&>\"'é\U0001f600\t"


def test_an_integer_is_plain_digits() -> None:
    assert b"<receiveResponseXMLResult>-1</receiveResponseXMLResult>" in encode("receiveResponseXML", -1)


def test_a_fault_says_who_is_wrong_and_why() -> None:
    assert encode_fault("Client", "a < b") == (
        b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        b"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>a &lt; b</faultstring></soap:Fault></soap:Body></soap:Envelope>"
    )


def test_a_call_shows_no_password_in_its_repr() -> None:
    assert repr(Call("authenticate", {"strPassword": "secret"})) == "Call(method='authenticate')"


# --- what is refused, and how fast ----------------------------------------------------------------------------------

KNOWN = ", ".join(sorted(METHODS))
WELL = f'<serverVersion xmlns="{soap.NAMESPACE}"/>'
BAD: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "Client", "the message is not well-formed XML: no element found at line 1"),
    "blank": (b" \n ", "Client", "the message is not well-formed XML: no element found at line 1"),
    "not xml": (b"hello", "Client", "the message is not well-formed XML: syntax error at line 1"),
    "zeros": (
        b"\0" * 1_000_000,
        "Client",
        "the message is not well-formed XML: not well-formed (invalid token) at line 1",
    ),
    "truncated": (f"{OPEN}{WELL}".encode(), "Client", "the message is not well-formed XML: no element found at line 1"),
    "two roots": (
        f"{OPEN}{WELL}{SHUT}<a/>".encode(),
        "Client",
        "the message is not well-formed XML: junk after document element at line 1",
    ),
    "undefined entity": (
        f"{OPEN}<getLastError xmlns='{soap.NAMESPACE}'><ticket>&x;</ticket></getLastError>{SHUT}".encode(),
        "Client",
        "the message is not well-formed XML: undefined entity at line 1",
    ),
    "billion laughs": (
        b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>',
        "Client",
        "the message declares a document type",
    ),
    "external entity": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "Client",
        "the message declares a document type",
    ),
    "external dtd": (
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>',
        "Client",
        "the message declares a document type",
    ),
    "parameter entity": (
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]><a/>',
        "Client",
        "the message declares a document type",
    ),
    "deep": (
        OPEN.encode() + b'<serverVersion xmlns="http://developer.intuit.com/">' + b"<a>" * 100_000,
        "Client",
        "the argument a holds XML elements",
    ),
    "deep header": (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>' + b"<a>" * 100_000,
        "Client",
        "the message has more than 64 elements or 16 levels",
    ),
    "many elements": (
        OPEN.encode() + b'<serverVersion xmlns="http://developer.intuit.com/">' + b"<a/>" * 1_900_000,
        "Client",
        "the message has more than 64 elements or 16 levels",
    ),
    "many attributes": (
        OPEN.encode() + b"<a " + b" ".join(b'a%d="1"' % n for n in range(500_000)) + b"/>",
        "Client",
        "the message holds a tag of more than 64 KiB",
    ),
    "many namespaces": (
        OPEN.encode() + b"<a " + b" ".join(b'xmlns:a%d="u%d"' % (n, n) for n in range(300_000)) + b"/>",
        "Client",
        "the message holds a tag of more than 64 KiB",
    ),
    "long attribute": (
        OPEN.encode() + b'<a b="' + b"x" * 8_000_000,
        "Client",
        "the message holds a tag of more than 64 KiB",
    ),
    "long comment": (
        OPEN.encode() + b"<!--" + b"x" * 8_000_000,
        "Client",
        "the message holds a tag of more than 64 KiB",
    ),
    "long text": (
        OPEN.encode() + b"x" * 8_000_000,
        "Client",
        "the message is not well-formed XML: no element found at line 1",
    ),
    "too large": (b" " * (soap.SIZE_LIMIT + 1), "Client", "the message is larger than 8 MiB"),
    "unknown encoding": (
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        "Client",
        "the message is in an encoding that is not known here",
    ),
    "no character encoding": (
        b'<?xml version="1.0" encoding="base64"?><a/>',
        "Client",
        "the message is in an encoding that is not known here",
    ),
    "soap 1.2": (
        f'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{WELL}</e:Body></e:Envelope>'.encode(),
        "VersionMismatch",
        "this service speaks SOAP 1.1, the message is SOAP 1.2",
    ),
    "no envelope": (WELL.encode(), "VersionMismatch", "the message is not a SOAP 1.1 envelope"),
    "no body": (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><a/></s:Envelope>',
        "Client",
        "the envelope holds something that is neither Header nor Body",
    ),
    "empty body": (f"{OPEN}{SHUT}".encode(), "Client", "the SOAP body is empty"),
    "two calls": (f"{OPEN}{WELL}{WELL}{SHUT}".encode(), "Client", "the SOAP body holds more than one call"),
    "no slash": (
        f"{OPEN}<serverVersion xmlns='http://developer.intuit.com'/>{SHUT}".encode(),
        "Client",
        "the called method is not in the namespace http://developer.intuit.com/",
    ),
    "no namespace": (
        f"{OPEN}<serverVersion/>{SHUT}".encode(),
        "Client",
        "the called method is not in the namespace http://developer.intuit.com/",
    ),
    "unknown method": (f"{OPEN}<format xmlns='{soap.NAMESPACE}'/>{SHUT}".encode(), "Client", "there is no such method"),
    "nested argument": (
        f"{OPEN}<getLastError xmlns='{soap.NAMESPACE}'><ticket><QBXML/></ticket></getLastError>{SHUT}".encode(),
        "Client",
        "the argument ticket holds XML elements",
    ),
    "argument twice": (
        f"{OPEN}<getLastError xmlns='{soap.NAMESPACE}'><ticket>a</ticket><ticket>b</ticket></getLastError>{SHUT}".encode(),
        "Client",
        "the argument ticket is there twice",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_malformed_message_is_refused_with_words_and_quickly(name: str) -> None:
    body, code, text = BAD[name]
    started = time.process_time()
    error = refusal(body)
    assert time.process_time() - started < 0.25
    assert (error.code, str(error)) == (code, text)


@pytest.mark.parametrize("filler", ["x", "&amp;", "&lt;", "\r\n", "é"])
def test_the_largest_real_answer_is_read_quickly(filler: str) -> None:
    size = soap.SIZE_LIMIT - 1000
    text = filler * (size // len(filler.encode()))
    body = f"{OPEN}<receiveResponseXML xmlns='{soap.NAMESPACE}'><response>{text}</response></receiveResponseXML>{SHUT}".encode()
    started = time.process_time()
    found = decode(body)["response"]
    assert time.process_time() - started < 0.5
    assert len(found) == len(text.replace("&amp;", "&").replace("&lt;", "<").replace("\r\n", "\n"))


def test_every_cut_of_a_message_is_refused() -> None:
    whole = f"{OPEN}<getLastError xmlns='{soap.NAMESPACE}'><ticket>a</ticket></getLastError>{SHUT}".encode()
    for end in range(len(whole)):
        refusal(whole[:end])
    assert decode(whole)["ticket"] == "a"
