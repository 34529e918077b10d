"""A browser without a socket: cookies, forms with their token, and a panel over a small company."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from urllib.parse import urlencode

import anyio
import httpx
from starlette.applications import Starlette

from engine.access import signin, users
from engine.access.users import HOUSE
from engine.follow import Hand
from engine.panel.app import Panel
from engine.panel.pages import PAGES
from engine.store.users import Role
from engine.testing import FakeClock
from engine.world import World
from tests.engine import kit
from tests.engine.kit import Bench

PASSWORD = "correct horse battery staple"
HOST = "127.0.0.1:8765"
HERE = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
_TOKEN = re.compile(r'name="csrf" value="([0-9A-Za-z]*)"')
_HIDDEN = re.compile(r'type="hidden" name="([a-z_]+)" value="([^"]*)"')


# What stands in the place of an address's parts: a page with another part gets it here.
PARTS = {
    "company": kit.COMPANY, "record": "1", "action": "retry", "flow": kit.FLOW, "lookup": "account", "run": "1",
    "connection": "shop", "secret": "hook_secret", "decision": "confirm", "user": "viewer", "what": "all", "report": "1",
    "webhook": "1", "setting": "with_payments", "notice": "1", "channel": "ops", "stream": "bills",
}  # fmt: skip


def filled(path: str) -> str:
    """The address of a page whose path names parts."""
    return re.sub(r"\{(\w+)\}", lambda part: PARTS[part[1]], path)


@cache
def hashed(password: str = PASSWORD) -> str:
    """Hashing is slow on purpose; the tests do it once."""
    return users.hashed(password)


def add_user(world: World, name: str, role: Role = "viewer", *, is_once: bool = False) -> None:
    hand = Hand(HOUSE, world.at(), "cli:pat")
    with world.store.write() as tx:
        users.add(tx, hand, name, role, hashed())
        if not is_once:
            users.set_password(tx, hand, name, hashed(), is_once=False)


def text_of(page: httpx.Response) -> str:
    """What a person reads of a page: the text of its main part, a line a block."""
    main = page.text.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    main = re.sub(
        r"</?(p|h1|h2|li|tr|div|dl|dd|dt|form|section|summary|label|button|option|details|br)\b[^>]*>", "\n", main
    )
    lines = [" ".join(unescape(re.sub(r"<[^>]+>", " ", line)).split()) for line in main.splitlines()]
    return "\n".join(line for line in lines if line)


@dataclass
class Browser:
    """One person's browser; `address` is where it comes from."""

    app: Starlette
    address: str = "127.0.0.1"
    scheme: str = "http"
    host: str = HOST
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    # What the forms of the last page would send beside what a person types.
    hidden: dict[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> str:
        """As what the last page has shown a record."""
        return self.hidden.get("seen", "")

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request, as it is."""

        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 1), raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url=f"{self.scheme}://{self.host}") as client:
                sent = {"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
                return await client.request(method, path, content=body, headers={**sent, **(headers or {})})

        answer = anyio.run(main)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        found = _TOKEN.search(answer.text)
        if found:
            self.token = found[1]
        self.hidden = {name: unescape(value) for name, value in _HIDDEN.findall(answer.text) if name != "csrf"}
        return answer

    def get(self, path: str) -> httpx.Response:
        """A page."""
        return self.ask("GET", "/panel" + path)

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A form with the token of the page before, as a page of ours sends it."""
        data = {"csrf": self.token, **({"seen": self.seen} if self.seen else {}), **(fields or {})}
        sent = {"content-type": "application/x-www-form-urlencoded", **(HERE if headers is None else headers)}
        return self.ask("POST", "/panel" + path, urlencode(data).encode(), sent)

    def sign_in(self, user: str, password: str = PASSWORD) -> httpx.Response:
        """Sign in with a password."""
        return self.post("/sign-in", {"user": user, "password": password})

    def signed_in(self, user: str) -> Browser:
        """Signed in with the password, or the test fails."""
        answer = self.sign_in(user)
        assert (answer.status_code, answer.headers["location"]) == (303, "/panel/companies"), answer.text
        self.get("/companies")
        return self


@dataclass
class Office:
    """The panel over the bench of the engine's tests; `poked` counts how often the worker was woken."""

    bench: Bench
    app: Starlette
    poked: list[str]

    @property
    def world(self) -> World:
        return self.bench.world

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.world.clock, FakeClock)
        return self.world.clock

    def browser(self, address: str = "127.0.0.1") -> Browser:
        return Browser(self.app, address)

    def as_(self, role: Role) -> Browser:
        """Somebody of a role, signed in without the work of a password; the user is called as the role."""
        return signed_as(self.browser(), self.world, role)


def signed_as(browser: Browser, world: World, user: str) -> Browser:
    """Signed in without the work of a password."""
    with world.store.write() as tx:
        browser.cookies["flowctl"] = signin.open_anew(tx, world, user).cookie
    browser.get("/companies")
    return browser


@contextmanager
def office() -> Iterator[Office]:
    """A company `acme` and a user of each role."""
    with kit.bench() as bench:
        poked: list[str] = []
        panel = Panel(bench.world, PAGES, lambda: poked.append("poke"), {bench.program.flow.name: bench.program})
        for role in ("viewer", "operator", "admin"):
            add_user(bench.world, role, role)
        yield Office(bench, Starlette(routes=panel.routes()), poked)
