"""The HTTP side: POST is SOAP, GET ?wsdl the description, any other GET a short page for people and for AppSupport."""

from __future__ import annotations

import time

from connectors.qbwc.auth import Doorkeeper
from connectors.qbwc.session import Result, Service
from connectors.qbwc.soap import SIZE_LIMIT, FaultCode, SoapRefused, decode, encode, encode_fault
from connectors.qbwc.wsdl import location, wsdl
from engine.clock import Clock, Ids
from engine.contract import Handler, HttpCall, HttpReply, Outbox
from engine.dataclass import dataclass
from engine.errors import FlowctlError, NotAtOnce, StaleLease, StoreBusy
from engine.telemetry import meter, meters, trace

# .NET reads an answer only when it is text/xml; `application/xml` is an exception to it (FACTS section 1).
_XML = {"content-type": "text/xml; charset=utf-8", "cache-control": "no-store"}
# Neither needs the store; a longer message than such a call is does not keep others from being read.
_GREETINGS = frozenset({"serverVersion", "getServerVersion", "clientVersion"})
_SHORT = 4096
_PAGE = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><title>flowctl</title><h1>flowctl</h1>'
    b"<p>This is the address of the QuickBooks Web Connector service. Open the .qwc file that you were given "
    b"in the Web Connector and type your password there; nothing is to be done on this page.</p></html>"
)
_BUSY = "The service is busy or being moved. Nothing was lost; the next update goes on from here."
_BROKEN = "The service met an internal error and did nothing. Its operator finds the cause in its log."


def make_handler(outbox: Outbox, clock: Clock, ids: Ids) -> Handler:
    """The handler for every path below the mount point."""
    return handler_of(Service(outbox, clock, ids, Doorkeeper(clock)))


def handler_of(service: Service) -> Handler:
    """The same for a service that is there."""
    return _Handler(service)


@dataclass(frozen=True, slots=True)
class _Handler:
    service: Service

    def __call__(self, call: HttpCall) -> HttpReply:
        """Answer one request."""
        if call.method == "POST":
            return _soap(self.service, call)
        if call.method in {"GET", "HEAD"}:
            return _get(call)
        return HttpReply(
            405, {"allow": "GET, HEAD, POST", "content-type": "text/plain; charset=utf-8"}, b"use POST for SOAP\n"
        )

    def greeting(self, call: HttpCall) -> HttpReply | None:
        """The answer to a call with which every update begins, and that is the same for all; None for any other."""
        named = call.headers.get("soapaction", "").strip('" ').rpartition("/")[2]
        if named not in _GREETINGS or call.method != "POST" or len(call.body) > _SHORT:
            return None
        try:
            # The element decides, whatever the header says.
            is_one = decode(call.body).method in _GREETINGS
        except SoapRefused:
            return None
        return _soap(self.service, call) if is_one else None


def _soap(service: Service, call: HttpCall) -> HttpReply:
    if len(call.body) > SIZE_LIMIT:
        return _fault(413, "Client", f"the message is larger than {SIZE_LIMIT >> 20} MiB")
    if call.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return _fault(415, "Client", "compressed messages are not read here")
    method, outcome, began = "unknown", "fault", time.perf_counter()
    try:
        request = decode(call.body)
        method = request.method
        with trace.span(f"soap {method}", {"method": method}):
            result = service.answer(request, call.client, at_once=call.at_once)
        reply = HttpReply(200, _XML, encode(method, result))
        outcome = _outcome(method, result)
        return reply  # noqa: TRY300 - what is counted below is what the caller gets
    except NotAtOnce:
        # It is asked again, and counted then.
        outcome = ""
        raise
    except SoapRefused as error:
        return _fault(500, error.code, f"{error}; {error.hint}" if error.hint else str(error))
    except (StoreBusy, StaleLease):
        return _fault(500, "Server", _BUSY)
    except FlowctlError as error:
        # Its text may speak of the inside: the log has it, the caller does not.
        return _fault(500, "Server", _BROKEN, error)
    except Exception as error:  # noqa: BLE001 - the edge: a .NET client can read nothing but text/xml, whatever happened
        return _fault(500, "Server", _BROKEN, error)
    finally:
        if outcome:
            meter.add(meters.SOAP_CALLS, method, outcome)
            meter.observe(meters.SOAP_SECONDS, time.perf_counter() - began, method)


def _outcome(method: str, result: Result) -> str:
    """An answer in a word."""
    if method == "authenticate" and isinstance(result, tuple):
        return {"nvu": "refused", "none": "nothing", "busy": "busy"}.get(result[1], "ok")
    if method == "receiveResponseXML" and isinstance(result, int) and result < 0:
        return "refused"
    return "nothing" if method == "sendRequestXML" and result == "" else "ok"


def _get(call: HttpCall) -> HttpReply:
    if call.query.lower().split("=")[0] in {"wsdl", "singlewsdl"}:
        secure = call.headers.get("x-forwarded-proto", "").lower() == "https"
        body = wsdl(location(call.headers.get("host", ""), call.path, secure=secure))
        return HttpReply(200, _XML, body)
    return HttpReply(200, {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}, _PAGE)


def _fault(status: int, code: FaultCode, message: str, error: BaseException | None = None) -> HttpReply:
    return HttpReply(status, _XML, encode_fault(code, message), error)
