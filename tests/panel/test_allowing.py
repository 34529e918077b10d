"""A person allows FreshBooks in the browser: there and back, and everything that may go wrong on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.sandbox import FreshBooksSandbox
from engine.alerting import channels
from engine.clock import iso
from engine.follow import Hand
from engine.store import companies
from engine.store.records import Intake, NewRecord, Place, insert
from engine.testing import FakeClock, memory_world
from tests.panel.house import House, house
from tests.panel.kit import HOST, Browser, text_of

HERE = "/c/acme/connections/freshbooks"
BACK = f"http://{HOST}/panel/oauth/callback"


@dataclass
class Street:
    """The panel on one side, FreshBooks on the other, and the admin's browser between them."""

    house: House
    sandbox: FreshBooksSandbox
    admin: Browser
    vendor: httpx.Client

    @property
    def account(self) -> str:
        return self.sandbox.simulator.world.account_id

    def options(self, **changes: object) -> None:
        world = self.sandbox.simulator.world
        world.options = replace(world.options, **changes)  # type: ignore[arg-type] # what a test names

    def connect(self, **more: str) -> httpx.Response:
        settings, secrets = self.sandbox.binding("http://127.0.0.1:1")
        given = {f"s_{name}": str(value) for name, value in settings.items()}
        given |= {"s_client_secret": secrets["client_secret"], "connector": "freshbooks", "s_redirect_uri": BACK}
        return self.admin.post(f"{HERE}/settings", {**given, **more})

    def start(self, **more: str) -> str:
        """The address of FreshBooks' page, as the panel shows it."""
        answer = self.admin.post(f"{HERE}/allow", more)
        assert answer.status_code == 200, text_of(self.admin.get(HERE))
        found = re.findall(r'rel="noreferrer" href="([^"]+)"', answer.text)
        return unescape(found[0])

    def allow(self, **more: str) -> str:
        """Allow it there; the path and query at which the browser comes back."""
        answer = self.vendor.get(self.start(**more))
        assert answer.status_code == 302, answer.text
        ends = urlsplit(answer.headers["location"])
        assert f"{ends.scheme}://{ends.netloc}{ends.path}" == BACK
        return f"/oauth/callback?{ends.query}"

    def come_back(self, path: str) -> str:
        """What the page says that the browser ends at."""
        answer = self.admin.get(path)
        assert answer.status_code == 303
        return text_of(self.admin.ask("GET", answer.headers["location"])).splitlines()[0]

    def token(self) -> dict[str, object] | None:
        with self.house.world.store.read() as tx:
            found = companies.token(tx, self.house.world.vault, "acme", "freshbooks")
        return dict(found) if found else None


@pytest.fixture
def street() -> Iterator[Street]:
    clock = FakeClock()
    sandbox = CONNECTOR.sandbox(5, clock, {"bills": 2, "expenses": 1})
    transport = sandbox.transport()
    world = memory_world(clock=clock, transports={"freshbooks": transport})
    with house("freshbooks_to_ramp", world=world) as made, httpx.Client(transport=transport) as vendor:
        street = Street(made, sandbox, made.as_("admin"), vendor)
        street.options(redirect_uri=BACK)
        yield street


def records(street: Street) -> None:
    """Something was read over it."""
    world = street.house.world
    with world.store.write() as tx:
        intake = Intake("b-1", "{}", "0" * 64, "1.00", "USD", "Acme", "N-1", "2026-01-01")
        where = Place("acme", "freshbooks_to_ramp", "bills", "post")
        insert(tx, where, 1, iso(world.clock.now()), "flowctl", [NewRecord(intake, "pending", ())])


def test_there_and_back(street: Street) -> None:
    form = street.admin.get(f"{HERE}/settings?connector=freshbooks").text
    # A vendor sends nobody back to plain http.
    assert 'name="s_redirect_uri" value=""' in form
    assert f"you have opened the panel at <code>http://{HOST}</code>" in form
    with street.house.world.store.write() as tx:
        channels.put_house(tx, Hand("", street.house.world.at(), "cli:pat"), {"base_url": "https://books.example.com"})
    there = "https://books.example.com/panel/oauth/callback"
    page = street.admin.get(f"{HERE}/settings?connector=freshbooks")
    assert f'name="s_redirect_uri" value="{there}"' in page.text
    assert f"Register this redirect address with your app at FreshBooks, and leave it in the form: {there}" in text_of(
        page
    )
    street.connect()
    assert text_of(street.admin.get(HERE)).splitlines()[0] == (
        "The settings are kept. Now allow it on a page of FreshBooks: press Allow."
    )
    assert "waits to be allowed" in text_of(street.admin.get(HERE))
    said = street.come_back(street.allow())
    assert said == f"FreshBooks allows it: account Sandbox Business ({street.account})."
    assert street.token() is not None
    shown = text_of(street.admin.get(HERE))
    assert f"Account\nSandbox Business ({street.account})" in shown
    assert "is renewed by itself" in shown
    with street.house.world.store.read() as tx:
        row = tx.one("journal_newest", {"company": "acme", "event": "authorized"})
    assert row is not None
    assert (row["actor"], json.loads(row["detail"])) == (
        "panel:admin",
        {"connection": "freshbooks", "account": street.account},
    )
    street.admin.post(f"{HERE}/test")
    assert text_of(street.admin.get(HERE)).splitlines()[0] == "The test found nothing wrong."


def test_an_answer_is_good_once_and_in_one_browser(street: Street) -> None:
    street.connect()
    path = street.allow()
    other = street.house.as_("admin").get(path)
    assert other.headers["location"] == f"/panel{HERE}"
    assert street.token() is None
    assert street.come_back(path).startswith("FreshBooks allows it")
    token = street.token()
    assert street.come_back(path).startswith("This answer belongs to another request, or came too late")
    assert street.token() == token


def test_a_request_ends_after_ten_minutes(street: Street) -> None:
    street.connect()
    path = street.allow()
    street.house.world.clock.sleep(601)
    assert street.come_back(path).startswith("This answer belongs to another request, or came too late")
    assert street.token() is None


@pytest.mark.parametrize(
    "changed", ["", "x" * 43, "a" * 43 + ".none.freshbooks", "a" * 43 + ".acme.freshbooks", "<script>"]
)
def test_a_state_that_is_not_ours_exchanges_nothing(street: Street, changed: str) -> None:
    street.connect()
    query = dict(parse_qsl(street.allow().partition("?")[2]))
    said = street.come_back(f"/oauth/callback?{urlencode({**query, 'state': changed})}")
    assert said.startswith(("This answer belongs to no request", "This answer belongs to another request"))
    assert street.token() is None
    assert street.come_back(f"/oauth/callback?{urlencode(query)}").startswith("This answer belongs to") == changed.endswith("acme.freshbooks")  # fmt: skip


def test_who_is_not_signed_in_or_no_admin_brings_nothing(street: Street) -> None:
    street.connect()
    path = street.allow()
    stranger = Browser(street.house.app).get(path)
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/panel/sign-in")
    operator = street.house.as_("operator")
    assert operator.get(path).headers["location"] == "/panel/companies"
    assert text_of(operator.get("/companies")).splitlines()[0] == "It takes the role admin to connect an account."
    assert street.token() is None


def test_the_owner_says_no(street: Street) -> None:
    street.connect()
    street.options(owner_allows=False)
    assert street.come_back(street.allow()) == (
        "FreshBooks: the permission was not given (access_denied). Press Allow to try again, signed in there as somebody "
        "who may."
    )


def test_a_code_that_came_too_late(street: Street) -> None:
    street.connect()
    path = street.allow()
    street.sandbox.simulator.grants._codes.clear()
    said = street.come_back(path)
    assert "the authorization code is refused; it is good once, and for five minutes" in said
    assert said.endswith("Press Allow to try again.")
    assert street.token() is None


def test_an_answer_that_holds_no_code(street: Street) -> None:
    street.connect()
    query = dict(parse_qsl(street.allow().partition("?")[2]))
    said = street.come_back(f"/oauth/callback?{urlencode({'state': query['state']})}")
    assert said == "What FreshBooks sent holds no code. Press Allow to try again."


def test_another_account_is_not_taken_unless_it_is_meant(street: Street) -> None:
    street.connect()
    street.come_back(street.allow())
    before, token = street.account, street.token()
    records(street)
    # The same account once more changes nothing but the token.
    assert street.come_back(street.allow()).startswith("FreshBooks allows it")
    token = street.token()
    with street.sandbox.simulator.changing() as world:
        world.account_id = "OTHER1"
    assert street.come_back(street.allow()) == (
        f"`freshbooks` would lead to another account: `OTHER1 (Sandbox Business)`, and it was `{before} (Sandbox Business)`. "
        "Nothing was changed. There are records of the account before: what is in the other one would be taken for new. "
        "Press Allow once more, and choose the right account there, or say here that another one is meant."
    )
    assert street.token() == token
    assert street.come_back(street.allow(other="yes")) == "FreshBooks allows it: account Sandbox Business (OTHER1)."
    assert street.token() != token


def test_a_browser_that_does_not_come_back_brings_the_address_by_hand(street: Street) -> None:
    elsewhere = "https://localhost/freshbooks"
    street.options(redirect_uri=elsewhere)
    street.connect(s_redirect_uri=elsewhere)
    with street.house.world.store.write() as tx:
        channels.put_house(tx, Hand("", street.house.world.at(), "cli:pat"), {"base_url": "https://books.example.com"})
    there = "https://books.example.com/panel/oauth/callback"
    assert f"register {there} as redirect address" in text_of(street.admin.get(f"{HERE}/allow"))
    ends = street.vendor.get(street.start()).headers["location"]
    assert ends.startswith(elsewhere)
    answer = street.admin.post(f"{HERE}/allow/answer", {"answer": "nothing"})
    assert answer.status_code == 303
    street.admin.post(f"{HERE}/allow/answer", {"answer": street.vendor.get(street.start()).headers["location"]})
    assert text_of(street.admin.get(HERE)).splitlines()[0].startswith("FreshBooks allows it")


def test_what_nobody_has_to_allow_has_no_page_for_it(street: Street) -> None:
    ramp = "/c/acme/connections/ramp"
    for answer in (
        street.admin.get(f"{ramp}/allow"),
        street.admin.post(f"{ramp}/allow"),
        street.admin.post(f"{ramp}/allow/answer", {"answer": "x"}),
    ):
        assert (answer.status_code, answer.headers["location"]) == (303, f"/panel{ramp}")
