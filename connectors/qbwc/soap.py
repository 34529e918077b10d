"""SOAP 1.1 document/literal for the Web Connector's methods: bytes in, a call out; a result in, bytes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal
from xml.parsers import expat

from engine.dataclass import dataclass
from engine.errors import FlowctlError

NAMESPACE = "http://developer.intuit.com/"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_ENVELOPE_12 = "http://www.w3.org/2003/05/soap-envelope"
# Names as expat gives them, with their namespace.
_ENVELOPE, _HEADER, _BODY = (f"{ENVELOPE} {name}" for name in ("Envelope", "Header", "Body"))
_PARTS = frozenset({_HEADER, _BODY})
_NAMESPACES = frozenset({NAMESPACE, ""})

SIZE_LIMIT = 8 * 1024 * 1024
# The longest real message has an envelope, a body, a method and six arguments; headers may add a few.
ELEMENT_LIMIT = 64
DEPTH_LIMIT = 16
# One tag, comment or the like. Text is not limited by it: expat hands text out as it comes.
TOKEN_LIMIT = 64 * 1024
_PLAIN_LIMIT = 2048

Kind = Literal["text", "integer", "strings"]
FaultCode = Literal["Client", "Server", "VersionMismatch", "MustUnderstand"]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the WSDL: its parameters in order, each `string` or `int`, and what it returns."""

    name: str
    parameters: tuple[tuple[str, Literal["string", "int"]], ...] = ()
    returns: Kind = "text"
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(name for name, _ in self.parameters))


def _texts(*names: str) -> tuple[tuple[str, Literal["string", "int"]], ...]:
    return tuple((name, "string") for name in names)


# Programmer's Guide p.61: parameter names are significant. p.74 calls the first one `getServerVersion(ticket)`, but
# what the Web Connector calls is `serverVersion` without arguments (its logs, and Intuit's own WSDL): both are served.
METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("serverVersion"),
        Method("getServerVersion", _texts("ticket")),
        Method("clientVersion", _texts("strVersion")),
        Method("authenticate", _texts("strUserName", "strPassword"), "strings"),
        Method("connectionError", _texts("ticket", "hresult", "message")),
        Method(
            "sendRequestXML",
            (
                *_texts("ticket", "strHCPResponse", "strCompanyFileName", "qbXMLCountry"),
                ("qbXMLMajorVers", "int"),
                ("qbXMLMinorVers", "int"),
            ),
        ),
        Method("receiveResponseXML", _texts("ticket", "response", "hresult", "message"), "integer"),
        Method("getLastError", _texts("ticket")),
        Method("closeConnection", _texts("ticket")),
        Method("getInteractiveURL", _texts("wcTicket", "sessionID")),
        Method("interactiveDone", _texts("wcTicket")),
        Method("interactiveRejected", _texts("wcTicket", "reason")),
    )
}


# How .NET writes nearly every call: nothing in it needs a parser. What is not exactly this is read by one.
_PLAIN = re.compile(
    rb'<\?xml version="1\.0" encoding="utf-8"\?><soap:Envelope xmlns:soap="http://schemas\.xmlsoap\.org/soap/envelope/" '
    rb'xmlns:xsi="http://www\.w3\.org/2001/XMLSchema-instance" xmlns:xsd="http://www\.w3\.org/2001/XMLSchema"><soap:Body>'
    rb'<([A-Za-z]+) xmlns="http://developer\.intuit\.com/">'
    rb"<([A-Za-z]+)>([\x20-%\x27-;=?-~]*)</\2>(?:<([A-Za-z]+)>([\x20-%\x27-;=?-~]*)</\4>)?</\1></soap:Body></soap:Envelope>"
)


class SoapRefused(FlowctlError):
    """The message is no SOAP call that this service offers."""

    def __init__(self, code: FaultCode, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """One call; absent and nil arguments are empty texts. They hold passwords and tickets, so no repr shows them."""

    method: str
    arguments: Mapping[str, str] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        return self.arguments.get(name, "")


def decode(body: bytes) -> Call:
    """Read a call; the element's name decides, whatever the SOAPAction header says.

    Raises:
        SoapRefused: anything else than a plain SOAP 1.1 call of a method in `METHODS`.
    """
    if len(body) > SIZE_LIMIT:
        raise SoapRefused("Client", f"the message is larger than {SIZE_LIMIT >> 20} MiB")
    if (plain := _plain(body)) is not None:
        return plain
    reader = _Reader()
    try:
        reader.read(body.lstrip(b" \t\r\n") if body[:1].isspace() else body)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "not XML")
        raise SoapRefused("Client", f"the message is not well-formed XML: {reason} at line {error.lineno}") from None
    except (LookupError, ValueError):
        # An encoding that Python does not know, or one that is no character encoding at all.
        raise SoapRefused("Client", "the message is in an encoding that is not known here", hint="send UTF-8") from None
    return reader.call()


def _plain(body: bytes) -> Call | None:
    """A call of one or two short arguments as .NET writes it; None for any other message."""
    found = _PLAIN.fullmatch(body) if len(body) <= _PLAIN_LIMIT else None
    if found is None:
        return None
    name, *given = found.groups()
    method = METHODS.get(name.decode())
    arguments = {key.decode(): value.decode() for key, value in zip(given[::2], given[1::2], strict=True) if key}
    twice = given[0] == given[2]
    return (
        Call(method.name, arguments) if method is not None and not twice and arguments.keys() <= method.names else None
    )


class _Reader:
    """Collects one call while expat parses, and stops the parse at the first thing that a call never holds."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        # No message of the Web Connector declares a type; refusing the declaration refuses every entity with it.
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self._path: list[str] = []
        self._count = 0
        self._method: Method | None = None
        self._arguments: dict[str, str] = {}
        self._name = ""
        self._text: list[str] = []

    def read(self, body: bytes) -> None:
        """Parse piece by piece, so that a tag with a million attributes is refused before anything is made of it."""
        view = memoryview(body)
        for end in range(TOKEN_LIMIT, len(body) + TOKEN_LIMIT, TOKEN_LIMIT):
            self.parser.Parse(view[end - TOKEN_LIMIT : end], end >= len(body))
            if end < len(body) and end - self.parser.CurrentByteIndex > TOKEN_LIMIT:
                raise SoapRefused("Client", f"the message holds a tag of more than {TOKEN_LIMIT >> 10} KiB")
        if not body:
            self.parser.Parse(b"", True)

    def call(self) -> Call:
        """The call that was read."""
        if self._method is None:
            raise SoapRefused("Client", "the SOAP body is empty", hint=f"call one of: {', '.join(sorted(METHODS))}")
        return Call(self._method.name, self._arguments)

    def _doctype(self, *_: object) -> None:
        raise SoapRefused("Client", "the message declares a document type", hint="SOAP 1.1 section 3 forbids it")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        depth = len(self._path)
        if self._count > ELEMENT_LIMIT or depth >= DEPTH_LIMIT:
            raise SoapRefused("Client", f"the message has more than {ELEMENT_LIMIT} elements or {DEPTH_LIMIT} levels")
        self._path.append(tag)
        if depth == 0:
            self._envelope(tag)
        elif depth == 1:
            if tag not in _PARTS:
                raise SoapRefused("Client", "the envelope holds something that is neither Header nor Body")
        elif depth == 2:
            self._part(tag, attributes)
        elif self._path[1] == _BODY:
            self._argument(tag, depth)

    def _envelope(self, tag: str) -> None:
        if tag == f"{_ENVELOPE_12} Envelope":
            raise SoapRefused("VersionMismatch", "this service speaks SOAP 1.1, the message is SOAP 1.2")
        if tag != _ENVELOPE:
            raise SoapRefused("VersionMismatch", "the message is not a SOAP 1.1 envelope")

    def _part(self, tag: str, attributes: dict[str, str]) -> None:
        if self._path[1] == _HEADER:
            if attributes.get(f"{ENVELOPE} mustUnderstand") in {"1", "true"}:
                raise SoapRefused(
                    "MustUnderstand", "the message has a header that must be understood; none is known here"
                )
            return
        namespace, _, name = tag.rpartition(" ")
        if self._method is not None:
            raise SoapRefused("Client", "the SOAP body holds more than one call")
        if namespace != NAMESPACE:
            raise SoapRefused("Client", f"the called method is not in the namespace {NAMESPACE}")
        if name not in METHODS:
            raise SoapRefused("Client", "there is no such method", hint=f"call one of: {', '.join(sorted(METHODS))}")
        self._method = METHODS[name]

    def _argument(self, tag: str, depth: int) -> None:
        if depth > 3:
            name = self._path[3].rpartition(" ")[2][:40]
            raise SoapRefused("Client", f"the argument {name} holds XML elements", hint="escape QBXML once, as text")
        namespace, _, name = tag.rpartition(" ")
        # Clients that build the call by hand leave the parameters unqualified; their names still say what they are.
        known = namespace in _NAMESPACES and self._method is not None and name in self._method.names
        if known and name in self._arguments:
            raise SoapRefused("Client", f"the argument {name} is there twice")
        self._name = name if known else ""
        self._text = []

    def _end(self, _tag: str) -> None:
        if len(self._path) == 4 and self._path[1] == _BODY:
            if self._name:
                self._arguments[self._name] = "".join(self._text)
            self._name, self._text = "", []
        self._path.pop()

    def _data(self, text: str) -> None:
        if self._name:
            self._text.append(text)


# --- encoding ------------------------------------------------------------------------------------------------------

# A .NET client refuses a whole answer for one character that XML 1.0 forbids (FACTS section 1, tested with Mono).
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The declaration must be the very first bytes: a leading newline is "not well-formed XML" to .NET (QBWC1042).
_HEAD = f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body>'
_TAIL = "</soap:Body></soap:Envelope>"


def clean(text: str) -> str:
    """The text without characters that XML 1.0 cannot hold."""
    return _ILLEGAL.sub("", text)


def escaped(text: str) -> str:
    """Character data: a carriage return as a reference, or a parser would turn it into a line feed."""
    marked = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return marked.replace("\r", "&#13;")


def encode(method: str, result: str | int | tuple[str, ...]) -> bytes:
    """The answer to a call.

    Array items are `<string>` in Intuit's own namespace, and all of them are there: with a missing one the Web
    Connector fails with QBWC1012, and items in the WCF array namespace read as none (FACTS section 1).
    """
    items = [f"<string>{escaped(item)}</string>" for item in result] if isinstance(result, tuple) else None
    value = escaped(str(result)) if items is None else "".join(items)
    name = METHODS[method].name
    body = f'<{name}Response xmlns="{NAMESPACE}"><{name}Result>{value}</{name}Result></{name}Response>'
    return f"{_HEAD}{body}{_TAIL}".encode()


def encode_fault(code: FaultCode, message: str) -> bytes:
    """A SOAP Fault; .NET shows the text as an exception and ends the session."""
    body = f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{escaped(message)}</faultstring></soap:Fault>"
    return f"{_HEAD}{body}{_TAIL}".encode()
