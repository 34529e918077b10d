"""The jobs that the Integration Server is asked to do, as the form posts they travel in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from connectors.expensify.spec import STATES
from engine.dataclass import dataclass

Job = Mapping[str, Any]
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What every job carries in its body."""

    user_id: str = field(repr=False)
    user_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which reports an export takes. `unmarked` leaves out those that are marked with this label.

    `start` and `end` are days on which a report was submitted or created, whichever came last; `approved_after` is a day
    too. At least one of the ids, `start` and `approved_after` must be given.
    """

    states: tuple[str, ...] = STATES
    report_ids: tuple[str, ...] = ()
    policy_ids: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    approved_after: date | None = None
    unmarked: str = ""

    def filters(self) -> dict[str, str]:
        """The `filters` of the job; lists are texts with commas."""
        given = {
            "reportIDList": ",".join(self.report_ids),
            "policyIDList": ",".join(self.policy_ids),
            "startDate": self.start.isoformat() if self.start else "",
            "endDate": self.end.isoformat() if self.end else "",
            "approvedAfter": self.approved_after.isoformat() if self.approved_after else "",
            "markedAsExported": self.unmarked,
        }
        return {name: value for name, value in given.items() if value}


@cache
def template() -> str:
    """Our FreeMarker template, the form of every export."""
    return (files("connectors.expensify") / "template.ftl").read_text(encoding="utf-8")


def export(selection: Selection, limit: int, *, mark: str = "") -> Job:
    """A job that writes a file of reports; with `mark`, it marks them as exported with this label when it is done."""
    job: dict[str, Any] = {
        "type": "file",
        "onReceive": {"immediateResponse": ["returnRandomFileName"]},
        "inputSettings": {
            "type": "combinedReportData",
            "reportState": ",".join(selection.states),
            "limit": str(limit),  # documented as a text
            "filters": selection.filters(),
        },
        "outputSettings": {"fileExtension": "json"},
    }
    return {**job, "onFinish": [{"actionName": "markAsExported", "label": mark}]} if mark else job


def download(name: str) -> Job:
    """A job that answers with the file an export has written."""
    return {"type": "download", "fileName": name, "fileSystem": "integrationServer"}


def policy_list() -> Job:
    """A job that lists the policies which the credentials may administer: only those can be read further."""
    return {"type": "get", "inputSettings": {"type": "policyList", "adminOnly": True}}


PARTS = ("categories", "tags", "employees")


def policy(ids: Sequence[str]) -> Job:
    """A job that reads the categories, tags and members of some policies: calls are few, so it asks for all at once."""
    return {"type": "get", "inputSettings": {"type": "policy", "fields": list(PARTS), "policyIDList": list(ids)}}


def form(credentials: Credentials, job: Job) -> str:
    """The body of the post. It holds the secret, so it goes nowhere but on the wire."""
    signed = {
        "type": job["type"],
        "credentials": {"partnerUserID": credentials.user_id, "partnerUserSecret": credentials.user_secret},
        **job,
    }
    fields = {"requestJobDescription": json.dumps(signed, ensure_ascii=False, separators=(",", ":"))}
    if job["type"] == "file":
        fields["template"] = template()
    return urlencode(fields)
