"""Talks to BILL's API: a session on every call, one new session when it is refused, and paging."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from connectors._http import Api, Call, HttpClient, Shared
from connectors.bill.errors import HINT_LOGIN, Missing, classifier, says_error
from connectors.bill.session import SessionKeeper
from connectors.bill.settings import HOSTS, Settings
from engine.contract import Binding, Rate, Tools
from engine.dataclass import dataclass
from engine.errors import AuthExpired, AuthRefused, BadAnswer, Rejected

# BILL allows a developer key 20,000 calls an hour, and 3 at once for an organization (FACTS.md, Auth).
CALLS = Rate(18_000, 3600.0)
AT_ONCE = 3
_EMPTY_PAGES = 50
_LONGEST_CURSOR = 4000
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """What BILL said to a call that went well. `where` is safe to print."""

    where: str
    body: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawPage:
    """Rows as BILL sent them, and the cursor of the next page, None after the last."""

    rows: list[dict[str, Any]]
    next: str | None


class BillClient:
    """Sends calls with a valid session, and walks through pages."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self.where = f"{binding.company}/{binding.connection}"
        self._page_size = settings.page_size
        self._classify = classifier(tools, lambda: (*binding.secrets.values(), self._sessions.secret()))
        shared = Shared(settings.calls_name(), (CALLS,), AT_ONCE)
        self._http = HttpClient(binding, tools, Api("BILL", settings.base_url, HOSTS, self._classify, shared=shared))
        self._sessions = SessionKeeper(self._http, tools, settings, self._classify)

    def send(self, call: Call) -> Reply:
        """Send with a session; once more with another one when BILL says that it has ended.

        Raises:
            AuthRefused: when a new session is refused as well, so that nobody signs in again and again.
        """
        headers = self._sessions.headers()
        try:
            return self._once(call, headers)
        except AuthExpired:
            headers = self._sessions.renew(headers)
        try:
            return self._once(call, headers)
        except AuthExpired as error:
            raise AuthRefused(f"{error}, and it is new", hint=HINT_LOGIN) from None

    def find(self, path: str, record_id: str) -> Reply | None:
        """One object, or None when BILL says that there is none."""
        try:
            reply = self.send(Call("GET", f"{path}/{object_id(self.where, record_id)}"))
        except Missing:
            return None
        if not isinstance(reply.body, dict) or not _has_id(reply.body):
            raise BadAnswer(f"{reply.where}: no object with an `id`")
        return reply

    def pages(self, path: str, params: Mapping[str, str], start: str | None = None) -> Iterator[RawPage]:
        """All pages of a list, from the page of a cursor or from the first.

        An empty page may have others behind it: only an absent `nextPage` ends the list (FACTS.md, Lists).

        Raises:
            BadAnswer: when BILL repeats a cursor or a page, since the list would never end.
        """
        following, cursors, printed, empty = start, {start}, set[int](), 0
        while True:
            query = {"max": str(self._page_size), **params, **({"page": following} if following else {})}
            reply = self.send(Call("GET", path, params=query))
            rows, following = _page(reply)
            fingerprint = hash(tuple((row["id"], str(row.get("updatedTime"))) for row in rows))
            empty = 0 if rows else empty + 1
            if empty > _EMPTY_PAGES or (rows and fingerprint in printed) or (following and following in cursors):
                raise BadAnswer(f"{reply.where}: the list repeats itself and would never end")
            printed.add(fingerprint)
            cursors.add(following)
            yield RawPage(rows, following)
            if following is None:
                return

    def sign_in_anew(self) -> None:
        """Try the credentials themselves, and not the session that they have given before.

        Raises:
            AuthRefused: when BILL does not take them.
        """
        self._sessions.anew()

    def close(self) -> None:
        """Close open connections."""
        self._http.close()

    def _once(self, call: Call, headers: Mapping[str, str]) -> Reply:
        answer = self._http.send(replace(call, headers={**call.headers, **headers}))
        body = answer.json()
        if says_error(body):
            raise self._classify(answer.failure())
        self._sessions.used()
        return Reply(answer.where, body)


def object_id(where: str, record_id: str) -> str:
    """An id that is safe as part of a path.

    Raises:
        Rejected: when it is none.
    """
    if not _ID.fullmatch(record_id):
        raise Rejected(f"{where}: an id that BILL cannot have given", hint="BILL's ids are letters and digits")
    return record_id


def _page(reply: Reply) -> tuple[list[dict[str, Any]], str | None]:
    body = reply.body
    rows = body.get("results") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise BadAnswer(f"{reply.where}: no page with `results`")
    if not all(isinstance(row, dict) and _has_id(row) for row in rows):
        raise BadAnswer(f"{reply.where}: a row without an `id`")
    following = body.get("nextPage")
    if following is None or following == "":
        return rows, None
    if (
        not isinstance(following, str)
        or len(following) > _LONGEST_CURSOR
        or not (following.isascii() and following.isprintable())
    ):
        raise BadAnswer(f"{reply.where}: a `nextPage` that is no cursor")
    return rows, following


def _has_id(row: dict[str, Any]) -> bool:
    return isinstance(row.get("id"), str) and bool(row["id"])
