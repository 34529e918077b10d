"""Talks to Ramp's Developer API: tokens, paging, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors._http import Answer, Api, Call, Classifier, Failure, HttpClient, by_status
from connectors._oauth import ClientCredentials, TokenKeeper
from connectors.ramp.ids import object_id
from connectors.ramp.settings import HOSTS, Settings
from engine.contract import Binding, Rate, Tools
from engine.dataclass import dataclass
from engine.errors import AuthExpired, AuthRefused, BadAnswer, FlowctlError, Rejected, RunError

API = "/developer/v1"
# Ramp counts 200 in any 10 s by source address; other programs of the same office share that (FACTS.md section 3).
LIMIT = Rate(180, 10.0)
_EMPTY_PAGES = 20
_CURSOR = re.compile(r"[\w.=+-]{1,300}", re.ASCII)
_CODE = re.compile(r"[A-Z]{2,30}_\d{1,6}")
_ERROR_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_FIELD = re.compile(r"[a-z][a-z0-9_.\[\]]{0,60}")
_SCOPE = re.compile(r"\b[a-z_]+:(?:read|write)\b")
_EXPIRED = frozenset({"DEVELOPER_7002", "DEVELOPER_7028"})
_NO_SCOPE = "DEVELOPER_7100"
_MEANING = {
    "DEVELOPER_7001": "the request does not have the shape Ramp wants",
    "DEVELOPER_7063": "a purchase order with this number exists",
    "DEVELOPER_7098": "it would break a rule of Ramp's",
    "DEVELOPER_7122": "an accounting field is not known to Ramp",
    "DEVELOPER_7123": "an accounting option is not known to Ramp, or is not active",
}
_HINTS = {
    "DEVELOPER_7122": "map the coding to a field that Ramp has; the list `accounts` says which one accounts belong to",
    "DEVELOPER_7123": "map the coding to an option that is active in Ramp, or upload it there; then run `flowctl retry ID`",
}
HINT_CREDENTIALS = (
    "check client id, secret and environment with `flowctl connect`; an app of one environment is unknown to the other"
)
HINT_SCOPES = "grant them to the app in Ramp (Company, Developer), or ask for fewer with the setting `scopes`"


class Missing(Rejected):
    """Ramp has no such object."""


@dataclass(frozen=True, slots=True)
class RawPage:
    """Rows as Ramp sent them, and where the next page is: a path with its query, or None."""

    rows: list[dict[str, Any]]
    next: str | None


class RampClient:
    """Sends calls with a valid token, and walks through pages."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self.where = f"{binding.company}/{binding.connection}"
        self.clock = tools.clock
        self._page_size = settings.page_size
        self._http = HttpClient(binding, tools, Api("Ramp", settings.base_url, HOSTS, classify, LIMIT))
        credentials = ClientCredentials(
            settings.client_id,
            settings.client_secret,
            f"{API}/token",
            settings.scopes,
            f"{HINT_CREDENTIALS}; {HINT_SCOPES}",
        )
        self._tokens = TokenKeeper(self._http, tools, credentials, self.where)

    def send(self, call: Call, scope: str | None = None, classifier: Classifier | None = None) -> Answer:
        """Send with a token that has the scope; once more with a fresh token when Ramp says that it has expired."""
        needs = (scope,) if scope else ()
        headers = self._tokens.authorization(needs)
        try:
            return self._http.send(replace(call, headers={**call.headers, **headers}), classifier)
        except AuthExpired:
            headers = self._tokens.renew(headers, needs)
            return self._http.send(replace(call, headers={**call.headers, **headers}), classifier)

    def ready(self, scope: str) -> None:
        """Have a token with the scope at hand; an error says that nothing was sent that needs one."""
        try:
            self._tokens.authorization((scope,))
        except FlowctlError as error:
            error.unsent = True
            raise

    def find(self, path: str, scope: str) -> dict[str, Any] | None:
        """One object, or None when Ramp says that there is none."""
        try:
            answer = self.send(Call("GET", path), scope, missing_or)
        except Missing:
            return None
        body = answer.json()
        if not isinstance(body, dict) or "id" not in body:
            raise BadAnswer(f"{answer.where}: no object with an `id`")
        return body

    def one(self, path: str, record_id: str, scope: str) -> dict[str, Any] | None:
        """The object with Ramp's id among those of a path, or None when Ramp says that there is none.

        Raises:
            Rejected: for an id that Ramp cannot have given.
            BadAnswer: when Ramp answers with another object, which must not be taken for the one that is meant.
        """
        row = self.find(f"{path}/{object_id(self.where, record_id)}", scope)
        if row is not None and str(row["id"]).casefold() != record_id.casefold():
            raise BadAnswer(
                f"{self.where}: Ramp answered with another object than was asked for ({path.rpartition('/')[2]})"
            )
        return row

    def pages(
        self, path: str, params: Mapping[str, str], scope: str, start: str | None = None, key: str = "id"
    ) -> Iterator[RawPage]:
        """All pages of a list, from `start` (the `next` of an earlier page) or from the first.

        `params` may ask for another `page_size` than the connection's. `key` is the field with Ramp's own id of a row,
        which every row has.
        """
        first = {**params, "page_size": params.get("page_size", str(self._page_size))}
        following, seen, printed, empty = start, {start}, set[int](), 0
        while True:
            call = Call("GET", following) if following else Call("GET", path, params=first)
            answer = self.send(call, scope)
            rows, link = _page(answer, key)
            following = self._next(answer, path, first, link)
            # A server that repeats itself would be read for ever (RELIABILITY.md F31).
            fingerprint = hash(tuple(str(row.get(key)) for row in rows))
            empty = 0 if rows else empty + 1
            if empty > _EMPTY_PAGES or (rows and fingerprint in printed) or (following and following in seen):
                raise BadAnswer(f"{answer.where}: the list repeats itself and would never end")
            printed.add(fingerprint)
            seen.add(following)
            yield RawPage(rows, following)
            if following is None:
                return

    def granted(self, *, anew: bool = False) -> frozenset[str]:
        """The scopes Ramp granted; `anew` asks for another token first."""
        if anew:
            self._tokens.renew(self._tokens.authorization())
        return self._tokens.granted()

    def close(self) -> None:
        """Close open connections."""
        self._http.close()

    def _next(self, answer: Answer, path: str, first: Mapping[str, str], link: str | None) -> str | None:
        """The next page as a path with its query; a link is followed as it is, after a check of where it leads.

        Raises:
            BadAnswer: for a link to another host or another list.
        """
        if not link:
            return None
        if _CURSOR.fullmatch(link):  # one client of Ramp's met a bare cursor instead of a link (FACTS.md section 3)
            from urllib.parse import urlencode

            return f"{path}?{urlencode({**first, 'start': link})}"
        target = f"{path}{link}" if link.startswith("?") else link
        parts = urlsplit(self._http.absolute(target))
        if parts.path != path or not parse_qsl(parts.query):
            raise BadAnswer(f"{answer.where}: the link to the next page leads to another list")
        return f"{parts.path}?{parts.query}"


def classify(failure: Failure) -> RunError:
    """What an error answer of Ramp's means: its own code first, the status where there is none.

    Nothing that Ramp words freely is repeated, since it may quote what was sent: the code, the names of fields and the
    error's id are enough to look it up.
    """
    body = failure.body if isinstance(failure.body, dict) else None
    if body is None and 400 <= failure.status < 500 and failure.status not in (401, 408, 425, 429):
        # Ramp answers unknown routes with an HTML page, and so does any proxy: it says nothing of the object.
        return BadAnswer(f"{failure.where}: refused with a page that is no answer of Ramp's API", hint=HINT_CREDENTIALS)
    error = (body or {}).get("error_v2")
    error = error if isinstance(error, dict) else {}
    code = _plain(_CODE, error.get("error_code"))
    if code in _EXPIRED:
        return AuthExpired(f"{failure.where}: the token is not accepted ({code})", hint=HINT_CREDENTIALS)
    if code == _NO_SCOPE:
        scopes = ", ".join(sorted(set(_SCOPE.findall(str(error.get("message"))[:2000])))) or "not named"
        return AuthRefused(f"{failure.where}: the token lacks scopes: {scopes}", hint=HINT_SCOPES)
    if not code or failure.status >= 500 or failure.status in (401, 403, 408, 425, 429):
        return by_status(failure, expired=HINT_CREDENTIALS, refused=HINT_SCOPES)
    said = [_MEANING.get(code, "refused"), code]
    info = error.get("additional_info")
    if isinstance(info, dict) and (fields := [name for name in list(info)[:8] if _plain(_FIELD, name)]):
        said.append(f"fields {', '.join(fields)}")
    if error_id := _plain(_ERROR_ID, error.get("error_id")):
        said.append(f"error id {error_id}")
    return Rejected(f"{failure.where}: {said[0]} ({'; '.join(said[1:])})", code=code, hint=_HINTS.get(code))


def missing_or(failure: Failure) -> RunError:
    """Read a 404 that Ramp itself wrote as the absence of the object."""
    if (
        failure.status == 404
        and isinstance(failure.body, dict)
        and ("error_v2" in failure.body or "error" in failure.body)
    ):
        return Missing(f"{failure.where}: there is no such object", code="404")
    return classify(failure)


def _page(answer: Answer, key: str) -> tuple[list[dict[str, Any]], str | None]:
    body = answer.json()
    rows = body.get("data") if isinstance(body, dict) else None
    page = body.get("page") if isinstance(body, dict) else None
    link = page.get("next") if isinstance(page, dict) else None
    if not isinstance(rows, list) or not isinstance(page, dict) or not (link is None or isinstance(link, str)):
        raise BadAnswer(f"{answer.where}: no page with `data` and `page.next`")
    if not all(isinstance(row, dict) and isinstance(row.get(key), str) and row[key] for row in rows):
        raise BadAnswer(f"{answer.where}: a row without {'an' if key == 'id' else 'a'} `{key}`")
    return rows, link


def _plain(pattern: re.Pattern[str], value: object) -> str:
    """The value when it has the given form and so is safe to print, else nothing."""
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
