"""Talks to the Integration Server: sends jobs, waits for files, and reads what an answer means from its body."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from connectors._http import Answer, Api, Call, CutOff, Failure, HttpClient, Shared, by_status, parse_json
from connectors.expensify.jobs import FORM, Credentials, Job, Selection, download, export, form
from connectors.expensify.settings import HOSTS, Settings
from connectors.expensify.spec import PATH
from engine.contract import Binding, Rate, Tools
from engine.errors import AuthRefused, BadAnswer, RateLimited, Rejected, RunError, Transient

# Counted by Expensify for one partnerUserID, whoever uses it (FACTS.md, "Transport").
RATES = (Rate(5, 10.0), Rate(20, 60.0))
VERSION = "flowctl-2"
# A file of some thousand reports; an export that is larger has to be asked for in smaller pieces.
MAX_FILE = 64 * 1024 * 1024
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 15.0
# The longer of the two windows that are counted has then passed.
_LIMITED_S = 60.0
_FILE_NAME = re.compile(r"[0-9A-Za-z][\w-]{0,150}\.json", re.ASCII)
_LIMITED = re.compile(r"rate[ -]?limit", re.IGNORECASE)
_UNKNOWN_USER = re.compile(r"authenticat|not authori[sz]ed|credential", re.IGNORECASE)
_QUOTED = re.compile(r"'(\w{1,40})'", re.ASCII)
# What our own jobs send; a message of Expensify's may quote anything else, e-mail addresses too.
_PARAMETERS = frozenset(
    {
        "type", "credentials", "partnerUserID", "partnerUserSecret", "onReceive",
        "immediateResponse", "inputSettings", "reportState", "limit", "filters",
        "reportIDList", "policyIDList", "startDate", "endDate", "approvedAfter",
        "markedAsExported", "outputSettings", "fileExtension", "onFinish", "actionName",
        "label", "fileName", "fileSystem", "adminOnly", "fields",
        "template", "requestJobDescription",
    }
)  # fmt: skip
HINT_CREDENTIALS = (
    "check partnerUserID and partnerUserSecret with `flowctl connect`; their account must be an admin of the policies"
)


class Missing(Rejected):
    """Expensify has no such thing."""


class ExpensifyClient:
    """Sends jobs within the shared limits, and fetches the files that exports write."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self.where = f"{binding.company}/{binding.connection}"
        self._credentials = Credentials(settings.partner_user_id, settings.partner_user_secret)
        self._clock = tools.clock
        self._wait_s = float(settings.download_wait_s)
        owner = hashlib.sha256(settings.partner_user_id.encode()).hexdigest()[:16]
        api = Api(
            "Expensify",
            settings.base_url,
            HOSTS,
            classify,
            shared=Shared(f"expensify:{owner}", RATES),
            max_body=MAX_FILE,
        )
        self._http = HttpClient(binding, tools, api)

    def get(self, job: Job) -> dict[str, Any]:
        """The answer of a `get` job: an object whose responseCode is 200."""
        answer = self._send(job)
        _refuse_if_limited(answer)
        body = answer.json()
        error = _judge(answer.failure())
        if error is not None:
            raise error
        if not isinstance(body, dict):
            raise BadAnswer(f"{answer.where}: no object with a `responseCode`")
        return body

    def export(self, selection: Selection, limit: int) -> list[dict[str, Any]]:
        """The reports of an export, as our template wrote them.

        Raises:
            TooLarge: when the file is larger than any we read.
            Transient: when the file is not there within the connection's `download_wait_s`.
        """
        return self._fetch(self.order(selection, limit))

    def export_or_none(self, selection: Selection, limit: int) -> list[dict[str, Any]] | None:
        """The reports of an export, or None when Expensify says that there is nothing.

        ASSUMED: a selection that holds no report gives a file without any, or is answered with 404.
        """
        try:
            return self.export(selection, limit)
        except Missing:
            return None

    def order(self, selection: Selection, limit: int, *, mark: str = "") -> str:
        """Ask for an export and return the name of its file. It can be asked for again: a mark is set no more than once."""
        answer = self._send(export(selection, limit, mark=mark))
        text = answer.body.decode("utf-8", "replace").strip()
        if _FILE_NAME.fullmatch(text):  # the whole body, as text/plain
            return text
        _refuse_if_limited(answer)
        failure = answer.failure()
        error = _judge(failure)
        if error is not None:
            raise error
        body = failure.body
        name = body.get("filename", body.get("fileName")) if isinstance(body, dict) else body
        if isinstance(name, str) and _FILE_NAME.fullmatch(name):  # as reconciliation answers it
            return name
        raise BadAnswer(f"{answer.where}: no name of a file")

    def close(self) -> None:
        """Close open connections."""
        self._http.close()

    def _send(self, job: Job) -> Answer:
        return self._http.send(
            Call("POST", PATH, headers={"Content-Type": FORM}, content=form(self._credentials, job)),
        )

    def _fetch(self, name: str) -> list[dict[str, Any]]:
        """Ask for the file until it is there: it is written after its name is answered, and nobody says when.

        How Expensify says "not yet" is not documented. Whatever is not our file counts as that until the deadline, and
        then as what it says; but never an answer that is somebody else's file.
        """
        deadline = self._clock.monotonic() + self._wait_s
        pause_s = _FIRST_WAIT_S
        while True:
            try:
                return self._attempt(name)
            except (Transient, Rejected, AuthRefused) as error:
                last = error
            remaining_s = deadline - self._clock.monotonic()
            if remaining_s <= 0:
                raise self._too_late(last) from None
            asked_s = (last.retry_after_s or 0.0) if isinstance(last, Transient) else 0.0
            self._clock.sleep(min(max(pause_s, asked_s), remaining_s))
            pause_s = min(2 * pause_s, _LONGEST_WAIT_S)

    def _attempt(self, name: str) -> list[dict[str, Any]]:
        answer = self._send(download(name))
        if not answer.body.strip():
            raise Transient(f"{answer.where}: the file is empty")
        _refuse_if_limited(answer)
        try:
            body = parse_json(answer.body)
        except CutOff:
            raise Transient(f"{answer.where}: the file is cut off") from None
        except ValueError:
            raise Transient(f"{answer.where}: the file is no JSON") from None
        if isinstance(body, dict) and "template" in body:
            return _reports(answer, body)
        error = _judge(answer.failure()) if isinstance(body, dict) and "responseCode" in body else None
        raise error or Transient(f"{answer.where}: an answer without the file")

    def _too_late(self, last: RunError) -> RunError:
        if isinstance(last, (RateLimited, AuthRefused)):
            return last
        hint = "it is tried again; if it never succeeds, raise the setting `download_wait_s`, or lower `export_limit`"
        return Transient(f"{last}: not ready after {self._wait_s:.0f} s", retry_after_s=_LIMITED_S, hint=hint)


def _refuse_if_limited(answer: Answer) -> None:
    """Raise for the older wording of the limit, should it come as a text and not in an object."""
    start = answer.body[:200].lstrip()
    if start[:1] not in (b"{", b"[") and _LIMITED.search(start.decode("utf-8", "replace")):
        raise RateLimited(f"{answer.where}: too many requests", retry_after_s=_LIMITED_S)


def classify(failure: Failure) -> RunError:
    """What an answer without a success status means: its responseCode first, the status where there is none."""
    error = _judge(failure)
    if error is not None and isinstance(failure.body, dict) and "responseCode" in failure.body:
        return error
    if failure.status == 401:
        return AuthRefused(f"{failure.where}: the credentials are not accepted", hint=HINT_CREDENTIALS)
    if failure.status == 404:
        # Whatever stands at a wrong address says this too: it is no word of Expensify's about a report.
        return Rejected(f"{failure.where}: nothing is there", code="404", hint="check the connection's `base_url`")
    if failure.status == 429:
        return RateLimited(f"{failure.where}: too many requests", retry_after_s=failure.retry_after_s or _LIMITED_S)
    return by_status(failure, expired=HINT_CREDENTIALS, refused=HINT_CREDENTIALS)


def _judge(failure: Failure) -> RunError | None:
    """The error that a body stands for, or None when its responseCode is 200 or it has no body of that kind.

    Nothing that Expensify words freely is repeated: its messages quote e-mail addresses.
    """
    where, body = failure.where, failure.body
    if not isinstance(body, dict):
        return None
    code, message = _code(body.get("responseCode")), str(body.get("responseMessage") or "")[:2000]
    if code == 200:
        return None
    if code is None:
        return BadAnswer(f"{where}: an answer without a responseCode")
    said = f"responseCode {code}"
    error: RunError = Rejected(f"{where}: refused ({said})", code=str(code))
    if code == 429 or _LIMITED.search(message):
        error = RateLimited(f"{where}: too many requests ({said})", retry_after_s=failure.retry_after_s or _LIMITED_S)
    elif code in (401, 403) or _UNKNOWN_USER.search(message):
        error = AuthRefused(f"{where}: the credentials are not accepted for this ({said})", hint=HINT_CREDENTIALS)
    elif code == 404:
        error = Missing(f"{where}: there is no such thing ({said})", code="404")
    elif code == 410:
        named = sorted({name for name in _QUOTED.findall(message) if name in _PARAMETERS})
        about = f": {', '.join(named)}" if named else ""
        hint = (
            "check the connection's settings; if they are right, this is a fault of flowctl or a change of Expensify's"
        )
        error = Rejected(f"{where}: a value is missing or not accepted ({said}){about}", code="410", hint=hint)
    elif code == 207:
        error = Transient(f"{where}: done only in part ({said}), and a part is not taken")
    elif code >= 500:
        error = Transient(f"{where}: Expensify failed ({said})", retry_after_s=failure.retry_after_s)
    return error


def _code(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\d{3}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9999 else None


def _reports(answer: Answer, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The reports of a file that our template wrote.

    Raises:
        BadAnswer: for a file of another template, or one without a report's id.
    """
    if body.get("template") != VERSION:
        raise BadAnswer(f"{answer.where}: the file was written by another template than {VERSION}")
    reports = body.get("reports")
    if not isinstance(reports, list) or not all(isinstance(report, dict) for report in reports):
        raise BadAnswer(f"{answer.where}: the file has no list of reports")
    for report in reports:
        if not isinstance(report.get("reportID"), str) or not report["reportID"].strip():
            raise BadAnswer(f"{answer.where}: a report without a `reportID`")
        if not isinstance(report.get("expenses"), list):
            raise BadAnswer(f"{answer.where}: a report without its expenses")
    return reports
