"""A QuickBooks Web Connector: one session after another against a SOAP service, for one company file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from lxml import etree

from connectors.qbwc.simulator import dotnet
from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.dataext import put_data_ext
from connectors.qbwc.simulator.faults import Faults
from connectors.qbwc.simulator.model import DataExt, ProcessorError
from connectors.qbwc.simulator.processor import RequestProcessor
from connectors.qbwc.simulator.render import data_ext_of
from connectors.qbwc.simulator.transport import HttpPost, Post
from engine.clock import Clock
from engine.dataclass import dataclass

HCP = (
    '<?xml version="1.0" ?><?qbxml version="{version}"?><QBXML><QBXMLMsgsRq onError="continueOnError">'
    '<HostQueryRq requestID="0"/><CompanyQueryRq requestID="1"><OwnerID>{owner}</OwnerID></CompanyQueryRq>'
    '<PreferencesQueryRq requestID="2"/></QBXMLMsgsRq></QBXML>'
)
NO_OP = "NoOp"
PAUSE_S = 5.0
CODES = {
    "clientVersion": "QBWC1036",
    "authenticate": "QBWC1012",
    "sendRequestXML": "QBWC1041",
    "receiveResponseXML": "QBWC1042",
    "getLastError": "QBWC1043",
    "closeConnection": "QBWC1044",
    "connectionError": "QBWC1045",
}


@dataclass(frozen=True, slots=True)
class Application:
    """One application as its .qwc file installs it, and this Web Connector's own version."""

    name: str = "flowctl"
    owner_id: str = "{57F3B9B1-86F1-4FCC-B1EE-566DE1813D20}"
    file_id: str = "{90A44FB5-33D9-4815-AC85-BC87A7E7D1EB}"
    client_version: str = "2.3.0.215"
    machine: str = "SANDBOX"
    max_requests: int = 10_000
    # ASSUMED: after an exception in a call the session is dropped without closeConnection.
    closes_after_error: bool = False
    # ASSUMED: a user clicks OK on the warning that clientVersion may ask for.
    accepts_warning: bool = True
    # Where the .qwc file says that the service is; empty without a file.
    app_url: str = ""

    @classmethod
    def from_qwc(cls, document: bytes) -> Application:
        """Install a .qwc file."""
        root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
        names = ("AppName", "OwnerID", "FileID", "AppURL")
        name, owner, file, url = ((root.findtext(each) or "").strip() for each in names)
        return cls(name, owner, file, app_url=url)


@dataclass(slots=True)
class SessionReport:
    """What one session did: calls in order, QBXML both ways, progress values, and how it ended.

    `last_error` is what the service said when it had no request, or wanted no more; it may be no error.

    `outcome` is one of done, no_work, refused, busy, postponed, stopped, connection_error, error, abandoned.
    """

    outcome: str = "done"
    calls: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    percents: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    last_error: str = ""
    every_min_s: int | None = None
    elapsed_s: float = 0.0


class Abandoned(Exception):  # a way out of the session, not a fault of this program
    """The session ends here and now, without another call."""


class SessionEnd(Exception):  # a way out of the session, not a fault of this program
    """The session ends after an error that was recorded."""


class WebConnector:
    """QBWC on the machine of one company file. `post` carries a SOAP request to the service."""

    def __init__(
        self,
        post: Post,
        user: str,
        password: str,
        company_file: CompanyFile,
        *,
        application: Application | None = None,
        faults: Faults | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.post = post
        self.user = user
        self.password = password
        self.company = company_file
        self.application = application or Application()
        self.faults = faults or Faults()
        self.clock: Clock = clock or company_file.clock
        self.report = SessionReport()
        # A script may answer some requests in place of QuickBooks; it then runs the others only.
        self.answers: Callable[[str, Callable[[str], str]], str | None] = lambda _request, _run: None
        self._home = company_file

    def update(self) -> SessionReport:
        """Run one whole session, as "Update Selected" does."""
        self.report = report = SessionReport()
        started = self.clock.monotonic()
        self.faults.between_sessions(self.company)
        self._switch("switch_file")
        try:
            self._session()
        except Abandoned:
            report.outcome = "abandoned"
        except SessionEnd:
            report.outcome = "error"
        if isinstance(self.post, HttpPost):
            self.post.close()
        self.company = self._home
        report.elapsed_s = self.clock.monotonic() - started
        return report

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, method: str, **arguments: str | int) -> etree._Element | None:
        if self.faults.hits("abandon_before"):
            raise Abandoned
        self.report.calls.append(method)
        body, headers = dotnet.request(method, arguments)
        try:
            answer = self.post(body, headers)
            if self.faults.hits("abandon_after"):
                raise Abandoned
            lost = {"sendRequestXML": "drop_send_answer", "receiveResponseXML": "drop_receive_answer"}.get(method)
            if lost and self.faults.hits(lost):
                raise ConnectionError("The underlying connection was closed: The connection was closed unexpectedly.")
            if method == "receiveResponseXML" and self.faults.hits("duplicate_receive"):
                self.report.calls.append(method)
                answer = self.post(body, headers)
            kind = answer[2] if len(answer) == 3 else "text/xml"
            return dotnet.result(method, answer[0], answer[1], kind)
        except (OSError, dotnet.ClientFault) as error:
            self._fail(method, str(error), arguments)
            return None

    def _fail(self, method: str, reason: str, arguments: dict[str, str | int]) -> None:
        if method == "serverVersion":  # only shown under "More Information"; a service without it still works
            self.report.messages.append(f"serverVersion: {reason}")
            return
        self.report.errors.append(f"{CODES[method]}: Error in {method}: {reason}")
        if self.application.closes_after_error and method != "closeConnection" and "ticket" in arguments:
            self._close(str(arguments["ticket"]))
        raise SessionEnd

    # --- a session ----------------------------------------------------------------------------------------------------

    def _session(self) -> None:
        self._call("serverVersion")
        if not self._version_accepted():
            return
        ticket, flag = self._authenticate()
        if not ticket:
            return
        processor = self._connect(ticket, flag)
        if processor is None:
            return
        self._exchange(ticket, processor)
        self._close(ticket)

    def _version_accepted(self) -> bool:
        said = dotnet.text(self._call("clientVersion", strVersion=self.application.client_version))
        if not said:
            return True
        self.report.messages.append(said)
        warns = said.startswith("W:")
        if said[:2] in ("E:", "O:", "W:"):
            self.report.errors.append("QBWC1037: clientVersion returned a warning or an error.")
        if said.startswith(("E:", "O:")) or (warns and not self.application.accepts_warning):
            self.report.outcome = "refused"
            return False
        return True

    def _authenticate(self) -> tuple[str, str]:
        """The ticket and the company file to open; an empty ticket when the session is over."""
        answer = dotnet.strings(self._call("authenticate", strUserName=self.user, strPassword=self.password))
        if len(answer) < 2:
            self.report.errors.append("QBWC1012: Authentication failed. Index was outside the bounds of the array.")
            raise SessionEnd
        ticket, flag = answer[0], answer[1]
        if len(answer) > 3 and answer[3].strip().isdigit():
            self.report.every_min_s = int(answer[3])
        if flag in ("nvu", "none", "busy"):
            self.report.outcome = {"nvu": "refused", "none": "no_work", "busy": "busy"}[flag]
            if flag == "nvu":
                self.report.errors.append("QBWC1040: Invalid username/password.")
            self._close(ticket)
            return "", ""
        if len(answer) > 2 and answer[2].strip():
            self.report.outcome = "postponed"
            self.report.messages.append("Update postponed by application.")
            self._close(ticket)
            return "", ""
        return ticket, flag

    def _connect(self, ticket: str, wanted: str) -> RequestProcessor | None:
        """Open QuickBooks on the file the service asks for; the empty path means the file that is open."""
        for _ in range(3):
            problem = self._cannot_open(wanted)
            if problem is None:
                if self.company is self._home:
                    _mark_company(self.company, self.application)
                return RequestProcessor(self.company, self.application.name)
            self.report.errors.append(f"QBWC1013: Error connecting to QuickBooks. {problem[1]}")
            said = dotnet.text(self._call("connectionError", ticket=ticket, hresult=problem[0], message=problem[1]))
            if said.casefold() == "done":
                break
            wanted = said
        self.report.outcome = "connection_error"
        self._close(ticket)
        return None

    def _cannot_open(self, wanted: str) -> tuple[str, str] | None:
        if self.faults.hits("connection_error"):
            return "0x80040408", "Could not start QuickBooks."
        if wanted and wanted.casefold() != self.company.path.casefold():
            return (
                "0x8004040A",
                "A QuickBooks company data file is already open and it is different from the one requested.",
            )
        return None

    def _switch(self, fault: str) -> bool:
        """Open the other company file, if there is one and the fault happens."""
        other = self.faults.other_file
        if other is None or not self.faults.hits(fault):
            return False
        self.company = other
        return True

    def _exchange(self, ticket: str, processor: RequestProcessor) -> None:
        hcp = _host_company_preferences(processor, self.application)
        for turn in range(self.application.max_requests):
            if turn and self._switch("switch_file_midway"):
                processor = RequestProcessor(self.company, self.application.name)
            major, _, minor = self.company.preferences.qbxml_versions[-1].partition(".")
            said = dotnet.text(
                self._call(
                    "sendRequestXML",
                    ticket=ticket,
                    strHCPResponse=hcp,
                    strCompanyFileName=self.company.path,
                    qbXMLCountry=self.company.preferences.country,
                    qbXMLMajorVers=int(major),
                    qbXMLMinorVers=int(minor or "0"),
                )
            )
            hcp = ""
            if said in ("", NO_OP):
                if not self._pauses(ticket):
                    return
                continue
            if self._switch("switch_file_unseen"):
                processor = RequestProcessor(self.company, self.application.name)
            self.report.requests.append(said)
            response, hresult, message = self._process(processor, said)
            self.report.responses.append(response)
            arguments = {"ticket": ticket, "response": response, "hresult": hresult, "message": message}
            percent = dotnet.number(self._call("receiveResponseXML", **arguments))
            self.report.percents.append(percent)
            if percent < 0 and not self._pauses(ticket):
                self.report.outcome = "stopped"
                return
            if percent >= 100:
                return
        self.report.errors.append("QBWC: the service never finished")
        raise SessionEnd

    def _pauses(self, ticket: str) -> bool:
        """Ask getLastError; True after the five seconds that NoOp asks for."""
        said = dotnet.text(self._call("getLastError", ticket=ticket))
        self.report.messages.append(said)
        if said != NO_OP:
            self.report.last_error = said
            return False
        self.clock.sleep(PAUSE_S)
        return True

    def _process(self, processor: RequestProcessor, request: str) -> tuple[str, str, str]:
        """The answer of QuickBooks, or an HRESULT with its message and no answer."""
        faults = self.faults
        scripted = self.answers(request, processor.process)
        if scripted is not None:
            return scripted, "", ""
        if faults.hits("slow_answer"):
            self.clock.sleep(faults.plan.slow_s)
        if faults.hits("hresult"):
            return "", *faults.hresult()
        gone, death = faults.gone(), faults.death()
        try:
            answer = processor.process(request, die=gone or death)
        except ProcessorError as error:
            if gone:
                raise Abandoned from error
            if error.detail:
                self.report.errors.append(f"qbsdklog: {error.detail}")
            return "", error.hresult, error.message
        return faults.spoil(answer), "", ""

    def _close(self, ticket: str) -> None:
        self.report.messages.append(dotnet.text(self._call("closeConnection", ticket=ticket)))


def _mark_company(company: CompanyFile, application: Application) -> None:
    """On its first connect QBWC writes the FileID of the .qwc file into the company it was set up for.

    ASSUMED: a FileID of the same owner that is there already is left alone, and another file that happens to be open is
    not marked.
    """
    owner, known = application.owner_id, data_ext_of(company, "", [application.owner_id])
    ticks = int(company.clock.now().timestamp()) * 10_000_000 + 621_355_968_000_000_000
    put_data_ext(company, DataExt(owner, "AppLock", "", f"LOCKED:{application.machine}:{ticks}"))
    if not any(ext.name == "FileID" for ext in known):
        put_data_ext(company, DataExt(owner, "FileID", "", application.file_id))


def _host_company_preferences(processor: RequestProcessor, application: Application) -> str:
    """The answers that go along with the first sendRequestXML of a session."""
    version = processor.company.preferences.qbxml_versions[-1]
    return processor.process(HCP.format(version=version, owner=application.owner_id))
