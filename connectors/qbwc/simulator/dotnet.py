"""SOAP 1.1 as .NET's SoapHttpClientProtocol writes and reads it, seen with Mono's class of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from lxml import etree

INTUIT = "http://developer.intuit.com/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_ENVELOPE, _BODY, _FAULT = (f"{{{SOAP}}}{name}" for name in ("Envelope", "Body", "Fault"))
_OURS = f"{{{INTUIT}}}"
_NIL = f"{{{XSI}}}nil"
AGENT = "Mozilla/4.0 (compatible; MSIE 6.0; MS Web Services Client Protocol 4.0.30319.42000)"
_OPEN = (
    f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{SOAP}" xmlns:xsi="{XSI}" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soap:Body>'
)
_CLOSE = "</soap:Body></soap:Envelope>"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


class ClientFault(Exception):  # it stands for the exception that the .NET client would see
    """The .NET client throws; its text is what QBWCLog.txt shows."""


def request(method: str, arguments: Mapping[str, str | int]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a call."""
    inside = "".join(_element(name, value) for name, value in arguments.items())
    call = f'<{method} xmlns="{INTUIT}">{inside}</{method}>' if inside else f'<{method} xmlns="{INTUIT}" />'
    body = f"{_OPEN}{call}{_CLOSE}".encode()
    headers = {
        "User-Agent": AGENT,
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": f'"{INTUIT}{method}"',
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
        "Connection": "keep-alive",
    }
    return body, headers


def _element(name: str, value: str | int) -> str:
    text = escape(str(value)).replace("\r", "&#xD;")
    return f"<{name}>{text}</{name}>" if text else f"<{name} />"


def result(method: str, status: int, body: bytes, content_type: str) -> etree._Element | None:
    """The result element of an answer, or None where .NET would see null.

    Raises:
        ClientFault: .NET would throw.
    """
    if status not in (200, 500):
        raise ClientFault(f"The request failed with HTTP status {status}.")
    if content_type.split(";", maxsplit=1)[0].strip().lower() != "text/xml":
        raise ClientFault(f"Client found response content type of '{content_type}', but expected 'text/xml'.")
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise ClientFault("Response is not well-formed XML.") from error
    if root.tag != _ENVELOPE:
        raise ClientFault("Possible SOAP version mismatch: Envelope namespace was unexpected.")
    content = next(root.iterchildren(_BODY), None)
    if content is None:
        raise ClientFault("There is an error in XML document: no Body.")
    fault = next(content.iterchildren(_FAULT), None)
    if fault is not None:
        raise ClientFault(fault.findtext("faultstring") or "The server sent a fault without a text.")
    if status == 500:
        raise ClientFault("The request failed with HTTP status 500: Internal Server Error.")
    results = (found for response in content.iterchildren(f"{_OURS}{method}Response") for found in response)
    return next((found for found in results if found.tag == f"{_OURS}{method}Result"), None)


def text(element: etree._Element | None) -> str:
    """A string result; null reads as the empty text."""
    if element is None or element.get(_NIL) in ("true", "1"):
        return ""
    return element.text or ""


def number(element: etree._Element | None) -> int:
    """An int result; a result that is not there leaves the default, zero."""
    if element is None:
        return 0
    try:
        return int((element.text or "").strip())
    except ValueError as error:
        raise ClientFault("There is an error in XML document: Input string was not in a correct format.") from error


def strings(element: etree._Element | None) -> list[str]:
    """A string[] result: only `string` elements of Intuit's namespace count, empty ones included."""
    return [] if element is None else [text(child) for child in element.findall(f"{{{INTUIT}}}string")]
