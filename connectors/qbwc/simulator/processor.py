"""QuickBooks' request processor: a QBXML document in, a QBXML document out, as one connected application sees it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from lxml import etree

from connectors.qbwc.simulator import recovery
from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.dataext import define_data_ext, write_data_ext
from connectors.qbwc.simulator.info import company_ret, host_ret, preferences_ret
from connectors.qbwc.simulator.lists import add_list, delete_list, modify_list
from connectors.qbwc.simulator.model import Death, ListObject, ProcessorError, Refused, StoredAnswer, Txn
from connectors.qbwc.simulator.queries import (
    LISTS_BY_QUERY,
    NOTHING,
    QUERYABLE,
    Connection,
    Found,
    bills_to_pay,
    deleted,
    run_query,
)
from connectors.qbwc.simulator.reading import Context, kids, tag, text_of, texts
from connectors.qbwc.simulator.render import Shown, add_text, list_ret, local_time, txn_ret
from connectors.qbwc.simulator.specs import LISTS, TXNS
from connectors.qbwc.simulator.txns import add_txn, delete_txn, modify_txn, void_txn

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
VERSION = re.compile(r'<\?qbxml\s+version="(?:CA|UK|OE)?([0-9.]+)"\s*\?>')
EMPTY_LISTS = frozenset({"DateDrivenTermsQueryRq", "DataExtDefQueryRq"})
# FACTS section 6: what a query meets that QuickBooks will not, or cannot, answer for now.
REFUSALS = {
    1000: "There has been an internal error when processing the request.",
    3260: "Insufficient permission level to perform this action.",
}
PARSE_ERROR = "QuickBooks found an error when parsing the provided XML text stream."
GONE = "Unexpected error. Check the qbsdklog.txt file for possible, additional information."


class Validate(Protocol):
    """A judge of whole documents: the empty text lets one pass."""

    def __call__(self, root: etree._Element, /) -> str:
        """Why the document is refused."""
        ...


class RequestProcessor:
    """One connection of one application to one company file; iterators end with it."""

    def __init__(self, company: CompanyFile, application: str = "flowctl", validate: Validate | None = None) -> None:
        self.company = company
        self.connection = Connection(application)
        self._validate = validate or schema_problem
        # What happens in QuickBooks before the request at a position: a set may take long, and others do not wait for it.
        self.pauses: Callable[[int], None] = lambda _position: None

    def process(self, text: str, *, die: Death = "") -> str:
        """Answer a message set; `die` says when QuickBooks goes away while it works.

        Raises:
            ProcessorError: the document is refused as a whole, or QuickBooks is gone; there is no answer text.
        """
        messages = self._read(text)
        if die == "before":
            raise ProcessorError("0x80040402", GONE)
        application, new_id = self.connection.application, messages.get("newMessageSetID", "")
        # Only a set with an id is ever compared.
        digest = recovery.checksum(self.company, text.encode(), messages) if new_id else ""
        verdict = recovery.decide(self.company, application, new_id, messages.get("oldMessageSetID", ""), digest)
        answer = etree.Element("QBXMLMsgsRs")
        if verdict.new_id:
            answer.set("newMessageSetID", verdict.new_id)
        code = verdict.code
        if verdict.run:
            self._run_all(messages, answer, die)
            if new_id:
                stored = StoredAnswer(digest, self._storable(answer))
                if die == "unstored" or not recovery.keep(self.company, application, new_id, stored):
                    code = "9005"
        if code:
            answer.set("messageSetStatusCode", code)
        for child in etree.fromstring(verdict.stored) if verdict.stored else ():
            answer.append(child)
        if die:
            raise ProcessorError("0x80040402", GONE)
        return _document(answer)

    def _read(self, text: str) -> etree._Element:
        body = DECLARATION.sub("", text).encode()
        try:
            root = etree.fromstring(body, _PARSER)
        except etree.XMLSyntaxError as error:
            raise ProcessorError("0x80040400", PARSE_ERROR, str(error)) from error
        version = VERSION.search(text)
        # ASSUMED: a version that the product does not speak is refused with the same code as a bad document.
        if version is None or version[1] not in self.company.preferences.qbxml_versions:
            said = "The version of qbXML that was requested is not supported or unknown."
            raise ProcessorError("0x80040400", said)
        problem = self._validate(root)
        messages = root.find("QBXMLMsgsRq")
        if problem or messages is None:
            raise ProcessorError("0x80040400", PARSE_ERROR, problem)
        return messages

    def _run_all(self, messages: etree._Element, answer: etree._Element, die: Death) -> None:
        context = Context(self.company)
        requests = list(kids(messages))
        stop = messages.get("onError") == "stopOnError"
        stopped = False
        for position, request in enumerate(requests):
            if die == "midway" and position == len(requests) // 2:
                raise ProcessorError("0x80040402", GONE)
            self.pauses(position)
            if stopped:
                if self.company.behaviour.unrun_requests == "3231":
                    answer.append(_response(request, 3231, "The request has not been processed."))
                continue
            response = self._run(context, request)
            if messages.get("responseData") == "includeNone":
                for child in list(response):
                    response.remove(child)
            answer.append(response)
            stopped = stop and response.get("statusSeverity") == "Error"

    def _run(self, context: Context, request: etree._Element) -> etree._Element:
        if len(request.get("requestID", "")) > 50:
            return _response(request, 1060, "The request ID is invalid; it has more than 50 characters.")
        try:
            found = self._dispatch(context, request)
        except Refused as refused:
            return _response(request, refused.code, refused.message)
        response = _response(request, found.code, found.message)
        for name, value in found.attributes.items():
            response.set(name, value)
        response.extend(found.rets)
        return response

    def _dispatch(self, context: Context, request: etree._Element) -> Found:
        name = tag(request)
        if name.endswith("QueryRq"):
            return self._query(request)
        if name in ("TxnDelRq", "ListDelRq", "TxnVoidRq"):
            return _remove(context, request)
        body = next(kids(request))
        if name == "DataExtDefAddRq":
            return Found([define_data_ext(context, body)])
        if name in ("DataExtAddRq", "DataExtModRq"):
            return Found([write_data_ext(context, body, new=name == "DataExtAddRq")])
        kind, action = name.removesuffix("Rq")[:-3], name.removesuffix("Rq")[-3:]
        if kind in LISTS and action in ("Add", "Mod"):
            item = (add_list if action == "Add" else modify_list)(context, kind, body)
            return Found([self._show(item, request)])
        if kind in TXNS and action in ("Add", "Mod"):
            txn = (add_txn if action == "Add" else modify_txn)(context, kind, body)
            return Found([self._show(txn, request)])
        raise Refused(1030, f"The request {name} is not supported.")

    def _query(self, request: etree._Element) -> Found:
        name = tag(request)
        if name in self.company.refusals:
            raise Refused(self.company.refusals[name], REFUSALS[self.company.refusals[name]])
        if name in ("HostQueryRq", "CompanyQueryRq", "PreferencesQueryRq"):
            show = {"HostQueryRq": host_ret, "CompanyQueryRq": company_ret, "PreferencesQueryRq": preferences_ret}[name]
            return Found([show(self.company, request)])
        if name == "BillToPayQueryRq":
            return bills_to_pay(self.company, request)
        if name in ("TxnDeletedQueryRq", "ListDeletedQueryRq"):
            return deleted(self.company, request)
        if LISTS_BY_QUERY.get(name, name.removesuffix("QueryRq")) in QUERYABLE:
            return run_query(self.company, self.connection, request)
        if name in EMPTY_LISTS:
            return Found([], 1, NOTHING)
        raise Refused(1030, f"The request {name} is not supported.")

    def _show(self, item: ListObject | Txn, request: etree._Element) -> etree._Element:
        only = frozenset(texts(request, "IncludeRetElement"))
        shown = Shown(guid=self.company.behaviour.guid_in_add_answers, only=only)
        return txn_ret(self.company, item, shown) if isinstance(item, Txn) else list_ret(self.company, item, shown)

    def _storable(self, answer: etree._Element) -> str:
        if self.company.behaviour.stored_answer == "ids":
            answer = copy.deepcopy(answer)
            recovery.reduce_to_ids(answer)
        return etree.tostring(answer, encoding="unicode")


def schema_problem(root: etree._Element) -> str:
    """Why the request processor would refuse a document as a whole, or an empty text."""
    messages = root.find("QBXMLMsgsRq")
    if root.tag != "QBXML" or messages is None or len(root) != 1:
        return "/QBXML: it must hold one QBXMLMsgsRq"
    unknown = set(messages.attrib) - {"onError", "responseData", "newMessageSetID", "oldMessageSetID"}
    if unknown or messages.get("onError") not in ("stopOnError", "continueOnError", "rollbackOnError"):
        return "/QBXML/QBXMLMsgsRq: an attribute is missing or not allowed"
    if messages.get("responseData", "includeAll") not in ("includeAll", "includeNone"):
        return "/QBXML/QBXMLMsgsRq/@responseData: not allowed"
    for request in kids(messages):
        problem = _request_problem(tag(request), etree.tostring(request, with_tail=False))
        if problem:
            return problem
    return ""


@lru_cache(maxsize=1024)
def _request_problem(name: str, request: bytes) -> str:
    """The same for one request; the queries of a session are those of the one before."""
    from engine.qbxml.check import check_request, known_requests

    if name.removesuffix("Rq") not in known_requests():
        return f"/QBXML/QBXMLMsgsRq/{name}: no such request"
    problems = check_request(name, request)
    return f"{problems[0].xpath}: {problems[0].message}" if problems else ""


def _remove(context: Context, request: etree._Element) -> Found:
    """TxnDel, ListDel and TxnVoid, whose answers have their elements without a Ret around them."""
    company, name = context.company, tag(request).removesuffix("Rq")
    kind = text_of(context, request.find(f"{name}Type"))
    holder = etree.Element("holder")
    add_text(holder, f"{name}Type", kind)
    if name == "ListDel":
        gone = delete_list(context, kind, text_of(context, request.find("ListID")))
        add_text(holder, "ListID", gone.id)
        add_text(holder, "TimeDeleted", local_time(company, gone.deleted_at))
        add_text(holder, "FullName", gone.reference)
        return Found(list(holder))
    txn_id = text_of(context, request.find("TxnID"))
    if kind not in TXNS:
        raise Refused(1030, f"The type {kind} is not supported.")
    add_text(holder, "TxnID", txn_id)
    if name == "TxnDel":
        gone = delete_txn(context, kind, txn_id)
        add_text(holder, "TimeDeleted", local_time(company, gone.deleted_at))
        reference = gone.reference
    else:
        txn = void_txn(context, kind, txn_id)
        add_text(holder, "TimeCreated", local_time(company, txn.created_at))
        add_text(holder, "TimeModified", local_time(company, txn.modified_at))
        reference = txn.values.get("RefNumber", "")
    if reference:
        add_text(holder, "RefNumber", reference)
    return Found(list(holder))


def _response(request: etree._Element, code: int, message: str) -> etree._Element:
    response = etree.Element(tag(request).removesuffix("Rq") + "Rs")
    if request.get("requestID") is not None:
        response.set("requestID", request.get("requestID", ""))
    response.set("statusCode", str(code))
    response.set("statusSeverity", "Info" if code < 500 else "Warn" if code < 1000 else "Error")
    response.set("statusMessage", message)
    return response


def _document(answer: etree._Element) -> str:
    """Real answers start with a prolog that has a space before its end and names no encoding."""
    return f'<?xml version="1.0" ?>\n<QBXML>{etree.tostring(answer, encoding="unicode")}</QBXML>'
