"""`flowctl connect` where a person allows the app on the vendor's page: the page, the answer, what it gives, what goes wrong."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.sandbox import FreshBooksSandbox
from connectors.freshbooks.simulator import app
from connectors.ledger import CONNECTOR as LEDGER
from engine.cli import office
from engine.clock import SystemClock
from engine.connections import accounts
from engine.follow import Hand
from engine.registry import registered
from engine.serving import running
from engine.store import companies, journal, places, records, work
from engine.store.records import Intake, NewRecord, Place
from tests import stores
from tests.cli.cli_kit import Cli, Ran, _Text
from tests.cli.shelf import AT, shelf

PASTED = "https://localhost/freshbooks"
AGAIN = "flowctl connect freshbooks"
NAMED = f"{AGAIN} --company main"
NO_CODE = (
    "error: FreshBooks: what was given holds no code\n  hint: give the whole address that the browser ended at, from https:// "
    "to its end, or the code alone\n"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Bench:
    """FreshBooks over loopback, the command line, and a browser that goes where it is sent."""

    cli: Cli
    sandbox: FreshBooksSandbox
    base: str
    ends_at: list[str] = field(default_factory=list)

    def options(self, **changes: Any) -> None:
        self.sandbox.simulator.world.options = replace(self.sandbox.simulator.world.options, **changes)

    def browse(self, url: str) -> str:
        """Open the page; where the browser is sent."""
        answer = httpx.get(url)
        assert answer.status_code == 302, answer.text
        self.ends_at.append(answer.headers["location"])
        return self.ends_at[-1]

    def connect(self, *more: str, stdin: bytes = b"") -> Ran:
        """The command with all settings, and the client secret from the environment."""
        settings, secrets = self.sandbox.binding(self.base)
        given = [text for name, value in settings.items() for text in ("--set", f"{name}={value}")]
        env = {"FLOWCTL_SECRET_FRESHBOOKS_CLIENT_SECRET": secrets["client_secret"]}
        return self.cli("connect", "freshbooks", "freshbooks", *given, *more, stdin=stdin, env=env)

    def token(self) -> dict[str, Any] | None:
        with office.opened(self.cli.home) as world, world.store.read() as tx:
            found = companies.token(tx, world.vault, "main", "freshbooks")
        return dict(found) if found else None


@pytest.fixture
def bench(cli: Cli) -> Iterator[Bench]:
    sandbox = CONNECTOR.sandbox(5, SystemClock(), {"bills": 2, "expenses": 1})
    with running(app(sandbox.simulator)) as base:
        yield Bench(cli, sandbox, base)


def url_in(ran: Ran) -> str:
    found = re.search(r"allow it here: (\S+)", ran.out)
    assert found, ran.text()
    return found[1]


def account(bench: Bench) -> str:
    return bench.sandbox.simulator.world.account_id


def said(bench: Bench) -> str:
    return (
        f"main/freshbooks: FreshBooks allows it: account {account(bench)} (Sandbox Business)\n"
        "  scopes: admin:all:legacy\n"
    )


# --- pasted


def test_on_a_server_without_a_browser_the_answer_comes_with_another_command(bench: Bench) -> None:
    ran = bench.connect()
    url = url_in(ran)
    asked = dict(parse_qsl(urlsplit(url).query))
    assert {name: asked[name] for name in ("client_id", "response_type", "redirect_uri")} == {
        "client_id": "sandbox-client-id", "response_type": "code", "redirect_uri": PASTED,
    }  # fmt: skip
    assert len(asked["state"]) == 43
    assert ran.text() == (
        f"[0]\nmain/freshbooks: connected with FreshBooks\nallow it here: {url}\n--\nopen it, allow flowctl, then give the "
        f"address that the browser ends at: {AGAIN} --code-file -\n"
    )
    done = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=bench.browse(url).encode() + b"\n")
    assert done.text() == f"[0]\nmain/freshbooks: connected with FreshBooks\n{said(bench)}--\n"
    assert bench.token() is not None
    checked = bench.cli("connect", "freshbooks", "--check")
    assert (checked.status, checked.out.count("ok  ")) == (0, 2)


def test_the_code_alone_is_enough_and_json_says_the_same(bench: Bench) -> None:
    ran = bench.connect("--format", "json")
    first, second = (line for line in ran.out.splitlines())
    assert first == '{"company": "main", "connection": "freshbooks", "connector": "freshbooks"}'
    url = re.findall(r'"authorize": "([^"]+)"', second)[0]
    code = dict(parse_qsl(urlsplit(bench.browse(url)).query))["code"]
    Path("code").write_text(code)
    done = bench.cli("connect", "freshbooks", "--code-file", "code", "--format", "json")
    assert done.out.splitlines()[1] == (
        f'{{"company": "main", "connection": "freshbooks", "account": "{account(bench)}", "name": "Sandbox Business", '
        '"scopes": ["admin:all:legacy"]}'
    )


def test_an_answer_is_good_once(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect())).encode()
    assert bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer).status == 0
    token = bench.token()
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer)
    assert (ran.status, ran.err) == (1, wrong_state())
    assert bench.token() == token


def wrong_state() -> str:
    return (
        "error: FreshBooks: this answer is not of the request that was made here, or that one is over; nothing was "
        f"exchanged\n  hint: run `{AGAIN}` and use the page that it shows; each page is good once, for 10 minutes\n"
    )


@pytest.mark.parametrize(
    ("answer", "status", "err"),
    [
        ("https://localhost/freshbooks?code=stolen&state=another", 1, None),
        ("https://localhost/freshbooks?code=stolen", 1, None),
        ("https://localhost/freshbooks?error=access_denied", 1, None),
        ("https://localhost/freshbooks", 1, None),
        ("", 2, NO_CODE),
        ("two words", 2, NO_CODE),
    ],
)  # fmt: skip
def test_answers_that_are_not_ours(bench: Bench, answer: str, status: int, err: str | None) -> None:
    bench.connect()
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    assert (ran.status, ran.err) == (status, err or wrong_state())
    assert "stolen" not in ran.text()
    assert bench.token() is None


def test_the_owner_says_no(bench: Bench) -> None:
    bench.options(owner_allows=False)
    answer = bench.browse(url_in(bench.connect()))
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    assert (ran.status, ran.err) == (1, (
        "error: FreshBooks: the permission was not given (access_denied)\n"
        f"  hint: run `{AGAIN}` and allow it, as a user who may; where the page itself complains, compare client id and "
        "redirect address with the app's page there\n"
    ))  # fmt: skip


def test_a_code_that_came_too_late(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect()))
    bench.sandbox.simulator.grants._codes.clear()
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    assert (ran.status, ran.err) == (1, (
        "error: main/freshbooks: POST /auth/oauth/token: 401: the authorization code is refused; it is good once, and for five "
        f"minutes\n  hint: run `{NAMED}` and allow it on FreshBooks' page once more; nothing is lost, reading goes on where it "
        "stopped\n"
    ))  # fmt: skip


def test_nobody_is_there(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect()))
    bench.cli("connect", "freshbooks", "--no-browser", "--set", f"base_url=http://127.0.0.1:{free_port()}")
    url = url_in(bench.cli("connect", "freshbooks"))
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    answer = re.sub("state=.*", f"state={state}", answer)
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    assert (ran.status, ran.err) == (1, (
        "error: main/freshbooks: POST /auth/oauth/token: no connection (ConnectError)\n"
        f"  hint: check the network, then run `{AGAIN}` again: a code is good once\n"
    ))  # fmt: skip


def of_two_accounts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user who allows it is a member of two businesses."""
    simulator = bench.sandbox.simulator
    before = type(simulator)._me

    def two(self: Any) -> dict[str, Any]:
        found = before(self)
        second = {"business": {"id": 2, "name": "Second", "account_id": "zz9"}}
        return {**found, "business_memberships": [*found["business_memberships"], second]}

    monkeypatch.setattr(type(simulator), "_me", two)


def test_several_accounts_are_named_and_what_was_allowed_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    of_two_accounts(bench, monkeypatch)
    answer = bench.browse(url_in(bench.connect()))
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    assert (ran.status, ran.err) == (1, (
        "main/freshbooks: it is allowed, and the tokens are kept\n"
        f"error: main/freshbooks: GET /auth/api/v1/users/me: 200: the FreshBooks user has 2 accounts: {account(bench)}, zz9\n"
        f"  hint: run `{NAMED} --set account_id=ID` with one of them\n"
    ))  # fmt: skip
    token = bench.token()
    chosen = bench.cli("connect", "freshbooks", "--set", f"account_id={account(bench)}", "--check")
    assert chosen.status == 0, chosen.text()
    assert bench.token() == token  # a setting that is changed costs no permission


def test_a_person_at_a_terminal_is_asked_for_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    asked: list[tuple[str, bool]] = []

    def prompt(label: str, *, hide_input: bool, err: bool) -> str:
        asked.append((label, hide_input and err))
        return bench.browse(opened[-1])

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(_Text, "isatty", lambda _self: True)
    monkeypatch.setattr("click.prompt", prompt)
    ran = bench.connect("--no-ask")
    assert ran.text() == (
        f"[0]\nmain/freshbooks: connected with FreshBooks\nallow it here: {url_in(ran)}\n{said(bench)}--\n"
    )
    assert opened == [url_in(ran)]
    assert asked == [("The address that the browser ends at, whole; it is not shown", True)]


# --- listened for


def with_browser(bench: Bench, monkeypatch: pytest.MonkeyPatch, visit: Callable[[str], None]) -> threading.Event:
    """A browser in a thread; the event is set when it is done."""
    done = threading.Event()

    def open_(url: str) -> bool:
        def go() -> None:
            visit(url)
            done.set()

        threading.Thread(target=go, daemon=True).start()
        return True

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", open_)
    return done


def test_the_answer_comes_to_a_listener_on_this_machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    bench.options(redirect_uri=f"http://localhost:{port}/freshbooks")
    pages: list[tuple[int, str, str]] = []

    def visit(url: str) -> None:
        idle = socket.create_connection(("127.0.0.1", port))  # browsers open connections ahead
        pages.append(seen(httpx.get(f"http://127.0.0.1:{port}/favicon.ico")))
        pages.append(seen(httpx.get(f"http://127.0.0.1:{port}/freshbooks")))
        pages.append(
            seen(httpx.get(f"http://127.0.0.1:{port}/freshbooks?code=x&state=y", headers={"host": "evil.example"}))
        )
        pages.append(seen(httpx.get(bench.browse(url).replace("localhost", "127.0.0.1"))))
        idle.close()

    done = with_browser(bench, monkeypatch, visit)
    ran = bench.connect()
    assert done.wait(10)
    assert ran.text() == (
        f"[0]\nmain/freshbooks: connected with FreshBooks\nallow it here: {url_in(ran)}\n{said(bench)}--\n"
        "waiting for the answer, at most 5 minutes; Ctrl-C ends it\n"
    )
    assert [status for status, _, _ in pages] == [404, 404, 404, 200]
    assert pages[-1][1:] == ("no-store", (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>flowctl</title></head><body>'
        "<p>flowctl has the answer. Close this window and look at the terminal.</p></body></html>\n"
    ))  # fmt: skip
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/freshbooks?code=x&state=y")


def seen(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.headers.get("cache-control", ""), answer.text


def test_a_forged_answer_ends_the_listening_and_gives_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    bench.options(redirect_uri=f"http://127.0.0.1:{port}/freshbooks")
    done = with_browser(
        bench, monkeypatch, lambda _: (httpx.get(f"http://127.0.0.1:{port}/freshbooks?code=stolen&state=x"), None)[1]
    )
    ran = bench.connect()
    assert done.wait(10)
    assert (ran.status, ran.err.partition("\n")[2]) == (1, wrong_state())
    assert bench.token() is None


def test_nobody_answers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.connections.landing.Landing.wait", lambda _self: None)
    bench.options(redirect_uri=f"http://localhost:{free_port()}/freshbooks")
    ran = bench.connect("--no-browser")
    assert (ran.status, ran.err.partition("\n")[2]) == (1, (
        "error: FreshBooks: no answer of its page came to this machine within 5 minutes\n"
        f"  hint: run `{AGAIN}` again; where the browser runs on another machine, add --paste\n"
    ))  # fmt: skip


def test_a_port_that_is_taken_and_paste_instead(bench: Bench) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        bench.options(redirect_uri=f"http://localhost:{port}/freshbooks")
        ran = bench.connect("--no-browser")
        assert ran.err == (
            f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
            f"  hint: end the process that has the port, or add --paste to `{AGAIN}`\n"
        )
        pasted = bench.cli("connect", "freshbooks", "--paste")
    assert (pasted.status, pasted.err.startswith("open it, allow flowctl")) == (0, True)


# --- when it is asked for, and what is kept


def test_a_changed_setting_asks_nobody_and_another_command_does(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect()))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    first = bench.token()
    changed = bench.cli.ok("connect", "freshbooks", "--set", "page_size=50")
    assert changed.text() == "[0]\nmain/freshbooks: connected with FreshBooks\n--\n"
    assert bench.token() == first
    again = bench.cli.ok("connect", "freshbooks")
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=bench.browse(url_in(again)).encode())
    second = bench.token()
    assert first
    assert second
    assert first["access_token"] != second["access_token"]


def test_a_code_that_is_given_as_a_secret_is_not_used_up_by_a_check(bench: Bench) -> None:
    Path("code").write_text(bench.sandbox.simulator.grants.code())
    ran = bench.connect("--secret-file", "authorization_code=code", "--check")
    assert ran.out.splitlines()[0] == "main/freshbooks: connected with FreshBooks"
    assert [line[:4] for line in ran.out.splitlines() if line.startswith(("ok", "FAIL"))] == ["ok  ", "ok  "]
    assert bench.token() is not None
    assert bench.sandbox.simulator.grants.exchanges == 1


def test_another_app_takes_no_token_of_the_one_before(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect()))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    other = bench.cli.ok("connect", "freshbooks", "--set", "client_id=another-app")
    assert "allow it here: " in other.out


def test_options_that_mean_nothing_to_other_vendors(cli: Cli) -> None:
    ran = cli("connect", "ramp", "--no-browser")
    assert ran.text() == (
        "[2]\n--\nerror: --no-browser: Ramp has no page on which a person allows the app\n  hint: leave it out\n"
    )


def test_nothing_secret_is_shown_or_written_down(bench: Bench) -> None:
    answer = bench.browse(url_in(first := bench.connect()))
    code = dict(parse_qsl(urlsplit(answer).query))["code"]
    done = bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    token = bench.token()
    assert token is not None
    with office.opened(bench.cli.home) as world:
        dump = stores.dump(world.store)
        with world.store.read() as tx:
            events = [(line["event"], line["detail"]) for line in journal.lines(tx, "main")]
    assert events[-1] == ("authorized", '{"connection":"freshbooks"}')
    state = dict(parse_qsl(urlsplit(url_in(first)).query))["state"]
    for secret in (code, state, token["access_token"], token["refresh_token"], "sandbox-client-secret"):
        assert secret not in dump + done.text()


def test_the_doctor_says_whether_it_is_allowed_and_until_when(bench: Bench) -> None:
    bench.connect()
    asked = lines_of(bench.cli("doctor", "--company", "main", "--offline"))
    assert asked == [
        "FAIL  main/freshbooks: nobody has allowed flowctl to read this account yet",
        f"      do: run `{AGAIN}` and allow it on the page that it shows",
    ]
    answer = bench.browse(url_in(bench.cli("connect", "freshbooks")))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    token = bench.token()
    assert token is not None
    ends = token["expires_at"][:16].replace("T", " ")
    offline = lines_of(bench.cli("doctor", "--company", "main", "--offline"))
    assert offline == [
        f"ok    main/freshbooks: allowed; its access token ends at {ends} UTC and is renewed by itself",
        "ok    main/freshbooks: settings are complete; not called (--offline)",
    ]
    bench.sandbox.simulator.grants.revoke()
    lost = lines_of(bench.cli("doctor", "--company", "main"))
    assert lost[-1] == (
        f"      do: run `{NAMED}` and allow it on FreshBooks' page once more; nothing is lost, reading goes on where it stopped"
    )


def lines_of(ran: Ran) -> list[str]:
    lines = ran.out.splitlines()
    wanted = [n for n, line in enumerate(lines) if "main/freshbooks:" in line and "webhook_verifiers" not in line]
    found = []
    for number in wanted:
        found.append(lines[number])
        if number + 1 < len(lines) and lines[number + 1].startswith("      do: "):
            found.append(lines[number + 1])
    return found


# --- a permission that is lost

FLOW = """\
flow: freshbooks_in
version: 1
describe: Bills of FreshBooks become credits of a card account.
connections:
  freshbooks: {connector: freshbooks}
  books: {connector: qbwc}
settings:
  card_account: {type: text, default: Card, help: Credit card account}
lookups:
  account: {target: books.Account, match: [mapped, exact_name]}
streams:
  bills:
    trigger: {every: 1h, webhook: [bill.create, bill.update, bill.delete, expense.create]}
    fetch: {from: freshbooks, stream: bills}
    key: id
    about: {amount: money(total_amount.amount), currency: currency_code, party: vendor.vendor_name, date: date(issue_date)}
    select:
      - {only: vis_state == `0`, say: the bill is not active}
    map:
      card_account: lookup('account', 'setting:card_account', setting('card_account'))
      payee: "`null`"
      date: date(issue_date)
      reference: limit(id, `11`)
      memo: limit(join_nonempty(' ', ['FreshBooks', id]), `4095`)
      amount: money(total_amount.amount)
      lines: >-
        lines[].{
          account: lookup('account', categoryid, category),
          class: `null`,
          customer: `null`,
          amount: money(amount.amount),
          memo: limit(description, `4095`)}
    write: {to: books, request: CreditCardCreditAdd, template: credit_card_credit_add.xml.j2}
"""


def with_flow(bench: Bench) -> None:
    Path("flows").mkdir(exist_ok=True)
    Path("flows/freshbooks_in.yaml").write_text(FLOW)
    answer = bench.browse(url_in(bench.connect()))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    bench.cli.ok("connect", "books", "qbwc", "--set", "app_url=https://sync.example.com/qbwc")


def test_a_lost_permission_is_an_alert_that_says_what_to_run(bench: Bench) -> None:
    with_flow(bench)
    assert bench.cli("run", "freshbooks_in").status == 0
    bench.sandbox.simulator.grants.revoke()
    assert bench.cli("run", "freshbooks_in").status == 1
    with office.opened(bench.cli.home) as world, world.store.read() as tx:
        alerts = [(row["kind"], row["message"], row["hint"]) for row in work.alerts(tx, "main")]
    assert alerts == [
        ("connection", (
            "freshbooks_in/freshbooks: main/freshbooks: POST /auth/oauth/token: 401: the refresh token is refused: it was "
            "withdrawn, or another program used it"
        ), f"run `{NAMED}` and allow it on FreshBooks' page once more; nothing is lost, reading goes on where it stopped"),
    ]  # fmt: skip
    url = url_in(bench.cli.ok("connect", "freshbooks"))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=bench.browse(url).encode())
    assert bench.cli("run", "freshbooks_in").status == 0
    with office.opened(bench.cli.home) as world, world.store.read() as tx:
        assert work.alerts(tx, "main") == []


def test_callbacks_are_the_same_with_a_ledger_in_the_place_of_quickbooks(bench: Bench, tmp_path: Path) -> None:
    with_flow(bench)
    with registered({"ledger": LEDGER}):
        bench.cli.ok("connect", "books", "--connector", "ledger", "--set", f"path={tmp_path / 'ledger.jsonl'}")
        bench.cli.ok("webhook", "freshbooks", "--url", "https://sync.acme.example")
    assert [made.event for made in bench.sandbox.simulator.world.callbacks.values()] == ["bill", "expense.create"]


def test_callbacks_are_for_the_events_that_flows_wait_for(bench: Bench) -> None:
    with_flow(bench)
    bench.cli.ok("webhook", "freshbooks", "--url", "https://sync.acme.example")
    assert [made.event for made in bench.sandbox.simulator.world.callbacks.values()] == ["bill", "expense.create"]


# --- another account


def test_the_permission_for_another_account_is_not_kept_unasked(bench: Bench) -> None:
    url = url_in(bench.connect())
    with shelf(bench.cli) as desk:
        hand = Hand("main", desk.world.at(), "test")
        accounts.told(desk.tx, hand, "freshbooks", "other-1", "Other Business")
        new = NewRecord(Intake("1", "{}", "0" * 64, "1.00", "USD", "Acme", None, "2026-11-01"), "posted", ())
        records.insert(desk.tx, Place("main", "freshbooks_to_ramp", "bills", "post"), 1, AT, "test", [new])
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=bench.browse(url).encode())
    assert (ran.status, ran.err) == (
        2,
        (
            f"error: `freshbooks` would lead to another account: `{account(bench)} (Sandbox Business)`, and it was `other-1 "
            "(Other Business)`\n  hint: there are records of the one before: what is in the other account would be taken for "
            f"new, and be posted; when that is meant, run `{AGAIN} --yes` and allow it once more: a code is good once\n"
        ),
    )
    assert bench.token() is None
    url = url_in(bench.cli("connect", "freshbooks", "--no-browser"))
    done = bench.cli("connect", "freshbooks", "--yes", "--code-file", "-", stdin=bench.browse(url).encode())
    assert done.text() == f"[0]\nmain/freshbooks: connected with FreshBooks\n{said(bench)}--\n"
    assert bench.token() is not None


def posted_one(bench: Bench) -> None:
    with shelf(bench.cli) as desk:
        new = NewRecord(Intake("1", "{}", "0" * 64, "1.00", "USD", "Acme", None, "2026-11-01"), "posted", ())
        records.insert(desk.tx, Place("main", "freshbooks_to_ramp", "bills", "post"), 1, AT, "test", [new])


def test_what_answered_first_is_the_account_of_a_connection_whose_account_nobody_has_read(bench: Bench) -> None:
    """A code that was given as a secret is exchanged by the first call, whoever makes it."""
    Path("code").write_text(bench.sandbox.simulator.grants.code())
    assert bench.connect("--secret-file", "authorization_code=code", "--check").status == 0
    posted_one(bench)
    first = account(bench)
    bench.sandbox.simulator.world.move_user("zz9")
    checked = bench.cli("connect", "freshbooks", "--set", "page_size=50", "--check")
    assert (checked.status, f"the FreshBooks user has the account `zz9`, and not `{first}`" in checked.text()) == (
        1,
        True,
    )
    url = url_in(bench.cli("connect", "freshbooks", "--no-browser"))
    ran = bench.cli("connect", "freshbooks", "--code-file", "-", stdin=bench.browse(url).encode())
    assert ran.status == 2
    assert f"would lead to another account: `zz9 (Sandbox Business)`, and it was `{first}`" in ran.err
    url = url_in(bench.cli("connect", "freshbooks", "--no-browser"))
    assert bench.cli("connect", "freshbooks", "--yes", "--code-file", "-", stdin=bench.browse(url).encode()).status == 0
    checked = bench.cli("connect", "freshbooks", "--set", "page_size=100", "--check")
    assert (checked.status, "account zz9: 0 bills" in checked.text()) == (0, True)


def test_an_account_that_is_chosen_is_the_one_that_answered_or_another(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect()))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    posted_one(bench)
    ran = bench.cli("connect", "freshbooks", "--set", "account_id=zz9")
    assert ran.status == 2
    assert f"`freshbooks` would lead to another account: `zz9`, and it was `{account(bench)}`" in ran.err
    bench.cli.ok("connect", "freshbooks", "--set", f"account_id={account(bench)}")
    with shelf(bench.cli) as desk:
        same = accounts.known(desk.tx, "main", "freshbooks")
        assert places.led(desk.tx, "main", "freshbooks").before == ()
    assert same is not None
    assert (same.id, same.name) == (account(bench), "Sandbox Business")


def test_another_account_that_is_chosen_and_meant_is_another_one(bench: Bench) -> None:
    answer = bench.browse(url_in(bench.connect()))
    bench.cli.ok("connect", "freshbooks", "--code-file", "-", stdin=answer.encode())
    posted_one(bench)
    bench.cli.ok("connect", "freshbooks", "--set", "account_id=zz9", "--yes")
    with shelf(bench.cli) as desk:
        led = places.led(desk.tx, "main", "freshbooks")
    assert [place.inside for place in led.before] == [account(bench)]
    assert led.now.inside == ""


def test_nothing_is_kept_of_a_permission_whose_account_is_not_read_where_another_is_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name of the account before, what was frozen for that one would be sent to this one."""
    url = url_in(bench.connect())
    with shelf(bench.cli) as desk:
        accounts.told(desk.tx, Hand("main", desk.world.at(), "test"), "freshbooks", "other-1", "Other Business")
    with monkeypatch.context() as patched:
        of_two_accounts(bench, patched)
        ran = bench.cli("connect", "freshbooks", "--yes", "--code-file", "-", stdin=bench.browse(url).encode())
    assert (ran.status, ran.err) == (1, (
        f"error: main/freshbooks: GET /auth/api/v1/users/me: 200: the FreshBooks user has 2 accounts: {account(bench)}, zz9\n"
        f"  hint: run `{NAMED} --set account_id=ID` with one of them\n"
    ))  # fmt: skip
    assert bench.token() is None
    url = url_in(bench.cli("connect", "freshbooks", "--no-browser"))
    assert bench.cli("connect", "freshbooks", "--code-file", "-", stdin=bench.browse(url).encode()).status == 0
    with shelf(bench.cli) as desk:
        known = accounts.known(desk.tx, "main", "freshbooks")
    assert known is not None
    assert known.id == account(bench)
