"""Talks to FreshBooks' API: a token on every call, one new token when it is refused, errors under HTTP 200, and paging."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, TypeVar

from connectors._http import Answer, Api, Call, HttpClient, Shared
from connectors.freshbooks.errors import Missing, classifier, says_error
from connectors.freshbooks.settings import HOSTS, Settings
from connectors.freshbooks.spec import ME
from connectors.freshbooks.tokens import TokenKeeper
from engine.contract import Binding, Tools
from engine.dataclass import dataclass
from engine.errors import AuthExpired, AuthRefused, BadAnswer, Rejected

T = TypeVar("T")
# FreshBooks publishes no limits (FACTS.md, Rate limits); a reader that is alone needs no more.
AT_ONCE = 4
_MOST_PAGES = 100_000
# How often one read goes back because the list became shorter under it.
_MOST_STEPS_BACK = 100
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """The `result` of an answer that went well. `where` is safe to print."""

    where: str
    body: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawPage:
    """Rows as FreshBooks sent them, the number of the next page, None after the last, and how many it counts in all."""

    where: str
    rows: list[dict[str, Any]]
    next: int | None
    total: int


class FreshBooksClient:
    """Sends calls with a valid token, and walks through pages."""

    def __init__(self, binding: Binding, settings: Settings, tools: Tools) -> None:
        self.where = f"{binding.company}/{binding.connection}"
        self._settings = settings
        self._classify = classifier(settings.hint)
        shared = Shared(settings.calls_name(), (), AT_ONCE)
        api = Api("FreshBooks", settings.base_url, HOSTS, self._classify, shared=shared)
        self._http = HttpClient(binding, tools, api)
        self.tokens = TokenKeeper(self._http, tools, settings, self.where)
        self._account = settings.account_id
        self._owner = tools.owner

    def send(self, call: Call) -> Reply:
        """Send with a token; once more with another one when FreshBooks says that it has expired.

        Raises:
            AuthRefused: when a new token is refused as well.
        """
        return self._authorized(call, self._once)

    def download(self, call: Call) -> Answer:
        """The same for what is no JSON: the answer as it came."""
        return self._authorized(call, self._raw)

    def account(self) -> str:
        """FreshBooks' id of the account, from the settings, or of the one that was connected, or the only one of the user.

        Raises:
            AuthRefused: when the user no longer has the account that was connected; of another one, nothing is read.
            Rejected: when none was connected yet, and there are several, or none.
        """
        if not self._account:
            self._account = self._connected(self.send(Call("GET", ME)))
        return self._account

    def _connected(self, reply: Reply) -> str:
        """A user may leave a business, and be invited to another one: the same token leads to that one then."""
        if self._owner is None:
            return self._only(reply)
        found = _accounts(reply.body)
        account = self._owner.known() or self._owner.note(self._only(reply))
        if account not in found:
            raise AuthRefused(
                f"{reply.where}: the FreshBooks user has {_listed(found)}, and not `{account}`, which was connected: "
                "nothing is read",
                hint=self._settings.same_account,
            )
        return account

    def business(self) -> tuple[str, str]:
        """The account, and the name of its business, read anew; the name is empty where FreshBooks does not say it.

        Raises:
            Rejected: when the user does not have the account of the settings, or has several, or none.
        """
        reply = self.send(Call("GET", ME))
        found = _accounts(reply.body)
        account = self._settings.account_id or self._only(reply)
        if found and account not in found:
            raise Rejected(
                f"{reply.where}: the FreshBooks user has no account `{account}`; he has {', '.join(found[:8])}",
                hint=self._settings.choose_account,
            )
        return account, _business_name(reply.body, account)

    def _only(self, reply: Reply) -> str:
        found = _accounts(reply.body)
        if len(found) != 1:
            raise Rejected(
                f"{reply.where}: the FreshBooks user has {_listed(found)}", hint=self._settings.choose_account
            )
        return found[0]

    def path(self, place: str, record_id: str | None = None, family: str = "accounting") -> str:
        """The path of a list, or of one object.

        Raises:
            Rejected: for an id that would break out of the path.
        """
        path = f"/{family}/account/{_safe(self.where, self.account())}/{place}"
        return path if record_id is None else f"{path}/{_safe(self.where, record_id)}"

    def find(
        self, place: str, name: str, record_id: str, params: Mapping[str, str] | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        """One object, and where it was found; None when FreshBooks says that there is none."""
        try:
            reply = self.send(Call("GET", self.path(place, record_id), params=params))
        except Missing:
            return None
        found = reply.body.get(name)
        if not isinstance(found, dict):
            raise BadAnswer(f"{reply.where}: no `{name}` in the answer")
        return reply.where, found

    def page(self, path: str, name: str, number: int, params: Mapping[str, str]) -> RawPage:
        """One page of a list."""
        query = {"page": str(number), "per_page": str(self._settings.page_size), **params}
        reply = self.send(Call("GET", path, params=query))
        rows = reply.body.get(name)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadAnswer(f"{reply.where}: no page with `{name}`")
        shown, pages, total = (_count(reply, part) for part in ("page", "pages", "total"))
        if shown != number or pages > _MOST_PAGES:
            raise BadAnswer(f"{reply.where}: page {shown} of {pages} where page {number} was asked for")
        return RawPage(reply.where, rows, number + 1 if number < pages else None, total)

    def pages(
        self, path: str, name: str, params: Mapping[str, str], start: int = 1, total: int | None = None
    ) -> Iterator[RawPage]:
        """All pages of a list from `start` on; `total` is what it counted when the pages before were read.

        Pages are numbered, so whatever goes from an earlier page moves a row from this page to the one before. Where the
        list counts less than before, the page before is read again; rows that come twice are for the reader to know.

        Raises:
            BadAnswer: when the list repeats itself, or never stays still.
        """
        number, steps, before = start, 0, None
        while True:
            page = self.page(path, name, number, params)
            if total is not None and page.total < total and number > 1:
                steps += 1
                if steps > _MOST_STEPS_BACK:
                    raise BadAnswer(f"{page.where}: the list becomes shorter all the time")
                number, total, before = number - 1, page.total, None
                continue
            if page.rows and page.rows == before:
                raise BadAnswer(f"{page.where}: the list repeats itself and would never end")
            number, total, before = number + 1, page.total, page.rows
            yield page
            if page.next is None:
                return

    def close(self) -> None:
        """Close open connections."""
        self._http.close()

    def _authorized(self, call: Call, send: Callable[[Call, Mapping[str, str]], T]) -> T:
        headers = self.tokens.authorization()
        try:
            return send(call, headers)
        except AuthExpired:
            headers = self.tokens.renew(headers)
        try:
            return send(call, headers)
        except AuthExpired as error:
            raise AuthRefused(f"{error}, and it is new", hint=self._settings.hint) from None

    def _raw(self, call: Call, headers: Mapping[str, str]) -> Answer:
        return self._http.send(replace(call, headers={**call.headers, **headers}))

    def _once(self, call: Call, headers: Mapping[str, str]) -> Reply:
        answer = self._raw(call, headers)
        body = answer.json()
        if says_error(body):
            raise self._classify(answer.failure())
        inside = body.get("response") if isinstance(body, dict) else None
        if not isinstance(inside, dict):
            raise BadAnswer(f"{answer.where}: no `response` in the answer")
        result = inside.get("result", inside)
        if not isinstance(result, dict):
            raise BadAnswer(f"{answer.where}: no `result` in the answer")
        return Reply(answer.where, result)


def _count(reply: Reply, name: str) -> int:
    value = reply.body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        raise BadAnswer(f"{reply.where}: a page without `{name}`")
    return value


def _safe(where: str, text: str) -> str:
    if not _ID.fullmatch(text):
        raise Rejected(f"{where}: an id that FreshBooks cannot have given", hint="its ids are letters and digits")
    return text


def _accounts(me: Mapping[str, Any]) -> list[str]:
    """The accounts of a user: `account_id` of a membership can be null, and then a role has it (FACTS.md, Auth)."""
    user = me.get("user")
    me = user if isinstance(user, dict) else me
    memberships = [item.get("business") for item in _dicts(me.get("business_memberships"))]
    found = [business.get("account_id") for business in memberships if isinstance(business, dict)]
    roles = [role.get("accountid") for role in _dicts(me.get("roles")) if role.get("role") != "client"]
    clients = [item.get("account_id") for item in _dicts(me.get("business_clients"))]
    for given in (found, roles, clients):
        named = [name for name in given if isinstance(name, str) and _ID.fullmatch(name)]
        if named:
            return list(dict.fromkeys(named))
    return []


def _listed(accounts: Sequence[str]) -> str:
    """Accounts in words."""
    if len(accounts) == 1:
        return f"the account `{accounts[0]}`"
    return f"{len(accounts)} accounts: {', '.join(accounts[:8])}" if accounts else "no account"


def _business_name(me: Mapping[str, Any], account: str) -> str:
    """The name of an account's business; of the only business, where its account is null."""
    user = me.get("user")
    me = user if isinstance(user, dict) else me
    given = [item.get("business") for item in _dicts(me.get("business_memberships"))]
    businesses = [business for business in given if isinstance(business, dict)]
    named = [business for business in businesses if business.get("account_id") == account]
    if not named and len(businesses) == 1 and businesses[0].get("account_id") is None:
        named = businesses
    name = named[0].get("name") if named else ""
    return name[:200] if isinstance(name, str) else ""


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
