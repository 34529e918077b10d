"""A service with one company, and a hand to call its methods one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from connectors.qbwc.auth import Doorkeeper
from connectors.qbwc.session import Result, Service
from connectors.qbwc.soap import Call
from engine.access.passwords import hash_password
from engine.contract import Login
from tests.connectors.qbwc.memory_outbox import FakeClock, FakeIds, MemoryOutbox, settings

OWNER = "{57F3B9B1-86F1-4FCC-B1EE-566DE1813D20}"
FILE = "{90A44FB5-33D9-4815-AC85-BC87A7E7D1EB}"
PATH = "C:\\Books\\acme.qbw"


@cache
def password_hash() -> str:
    return hash_password("pw")


def hello(
    company: str = "Acme",
    file_id: str = FILE,
    versions: tuple[str, ...] = ("12.0", "13.0"),
    owner: str = OWNER,
    mode: str = "SingleUser",
) -> str:
    """What QuickBooks says of itself in the first call of a session."""
    listed = "".join(f"<SupportedQBXMLVersion>{v}</SupportedQBXMLVersion>" for v in versions)
    listed += f"<QBFileMode>{mode}</QBFileMode>" if mode else ""
    extra = (
        f"<DataExtRet><OwnerID>{owner}</OwnerID><DataExtName>FileID</DataExtName><DataExtType>STR255TYPE</DataExtType>"
        f"<DataExtValue>{file_id}</DataExtValue></DataExtRet>"
        if file_id
        else ""
    )
    return answer(
        f'<HostQueryRs requestID="0" statusCode="0"><HostRet><ProductName>QuickBooks</ProductName>{listed}</HostRet></HostQueryRs>'
        f'<CompanyQueryRs requestID="1" statusCode="0"><CompanyRet><CompanyName>{company}</CompanyName>{extra}</CompanyRet></CompanyQueryRs>'
    )


def answer(inner: str = "", attributes: str = "") -> str:
    return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs{attributes}>{inner}</QBXMLMsgsRs></QBXML>'


def posted(op_id: str, txn_id: str = "1A-1", request: str = "BillAdd", set_id: str | None = None) -> str:
    kind = request.removesuffix("Add")
    ret = f"<{kind}Ret><TxnID>{txn_id}</TxnID><EditSequence>7</EditSequence></{kind}Ret>"
    inner = f'<{request}Rs requestID="{op_id}" statusCode="0" statusSeverity="Info" statusMessage="Status OK">{ret}</{request}Rs>'
    return answer(inner, f' newMessageSetID="{op_id if set_id is None else set_id}" messageSetStatusCode="0"')


def refused(op_id: str, code: int, message: str = "no", request: str = "BillAdd") -> str:
    inner = f'<{request}Rs requestID="{op_id}" statusCode="{code}" statusSeverity="Error" statusMessage="{message}"/>'
    return answer(inner, f' newMessageSetID="{op_id}" messageSetStatusCode="0"')


_QUERY = re.compile(r'<(\w+)QueryRq requestID="([^"]+)"[^>]*>(.*?)</\1QueryRq>')


def is_survey(document: str) -> bool:
    """Whether a document looks around: it asks for what was changed, page by page, or for ids alone."""
    found = _QUERY.findall(document)
    return bool(found) and all(
        "<IncludeRetElement>" in inner
        and (inner.startswith(("<TxnID>", "<ListID>")) or ("iterator=" in document and "ModifiedDate>" in inner))
        for _, _, inner in found
    )


def quiet(document: str, **told: str) -> str:
    """The answer to a look around: `told` for its kinds, nothing changed for the others, and every id is there."""
    parts = []
    for kind, name, inner in _QUERY.findall(document):
        ids = re.findall(r"<(TxnID|ListID)>([^<]+)<", inner)
        rets = "".join(
            f"<{kind}Ret><{tag}>{text}</{tag}><EditSequence>7</EditSequence></{kind}Ret>" for tag, text in ids
        )
        rets = rets or told.get(kind, "")
        status = 'statusCode="0" iteratorRemainingCount="0"' if rets else 'statusCode="1"'
        parts.append(f'<{kind}QueryRs requestID="{name}" {status} statusMessage="">{rets}</{kind}QueryRs>')
    return answer("".join(parts))


@dataclass
class Kit:
    """One company, one service, and the ticket of its newest session."""

    clock: FakeClock = field(default_factory=FakeClock)
    client: str = "10.0.0.1"
    ticket: str = ""

    def __post_init__(self) -> None:
        self.outbox = MemoryOutbox(self.clock)
        self.configure()
        self.ids = FakeIds()
        self.service = Service(self.outbox, self.clock, self.ids, Doorkeeper(self.clock))

    def configure(self, **more: str | int | bool) -> None:
        values = settings(**{"owner_id": OWNER, "file_id": FILE, "batch": 1, **more})
        self.outbox.data.logins["books"] = Login("acme", "books", password_hash(), values)

    def call(self, method: str, **arguments: str) -> Result:
        return self.service.answer(Call(method, arguments), self.client)

    def login(self, password: str = "pw", user: str = "books") -> tuple[str, ...]:
        found = self.call("authenticate", strUserName=user, strPassword=password)
        assert isinstance(found, tuple)
        self.ticket = found[0]
        return found

    def send(self, hcp: str = "", path: str = PATH, **more: str) -> str:
        arguments = {
            "ticket": self.ticket,
            "strHCPResponse": hcp,
            "strCompanyFileName": path,
            "qbXMLMajorVers": "13",
            "qbXMLMinorVers": "0",
        }
        found = self.call("sendRequestXML", **{**arguments, **more})
        assert isinstance(found, str)
        return found

    def receive(self, response: str = "", hresult: str = "", message: str = "") -> int:
        found = self.call("receiveResponseXML", ticket=self.ticket, response=response, hresult=hresult, message=message)
        assert isinstance(found, int)
        return found

    def error(self) -> str:
        return str(self.call("getLastError", ticket=self.ticket))

    def close(self) -> str:
        return str(self.call("closeConnection", ticket=self.ticket))

    def start(self) -> str:
        """Log in and make the first call; returns what was sent, after the look around."""
        assert self.login()[1] == ""
        return self.past_survey(self.send(hello()))

    def next(self) -> str:
        """What is sent next, after the look around."""
        return self.past_survey(self.send())

    def past_survey(self, document: str) -> str:
        """Answer a look around with nothing changed and everything there; returns what is sent after it."""
        while is_survey(document):
            assert self.receive(quiet(document)) >= 0
            document = self.send()
        return document

    @property
    def events(self) -> list[str]:
        return [event for event, _, _ in self.outbox.data.notes]
