"""Setting up the Web Connector: the file, the password that is shown once, who was refused and why, the company file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from engine.access.passwords import HASHER
from engine.desk import StoreOutbox
from engine.operator import companyfile
from engine.store import companies, work
from engine.testing import FakeClock
from tests.panel.house import House, house
from tests.panel.kit import Browser, text_of

HERE = "/c/acme/connections/web-connector"
BOOKS = "/c/acme/connections/books"
GIVEN = {"connector": "qbwc", "s_user": "acme-wc", "s_app_url": "https://sync.acme.example/qbwc"}
FILE = {
    "company_name": "Acme <Inc.>",
    "path": "C:\\Books\\Acme.qbw",
    "file_id": "{E0CAB13A-FB23-4341-B59E-5C05CCE1E35D}",
}


@pytest.fixture
def home() -> Iterator[House]:
    with house("ramp_to_quickbooks") as made:
        yield made


def connect(admin: Browser, **more: str) -> str:
    """Connect the books; the password that is shown."""
    answer = admin.post(f"{BOOKS}/settings", {**GIVEN, **more})
    assert answer.status_code == 200, text_of(answer)
    return str(re.findall(r'<code class="once">(\w{20})</code>', answer.text)[0])


def fits(home: House, password: str) -> bool:
    with home.world.store.read() as tx:
        login = companies.login(tx, "acme-wc")
    assert login is not None
    try:
        return HASHER.verify(login.password_hash, password)
    except Exception:  # noqa: BLE001 - argon2 raises when it does not fit
        return False


def note(home: House, event: str, message: str, detail: dict[str, str] | None = None) -> None:
    """What the Web Connector's server notes of a visit."""
    with StoreOutbox(home.world, home.programs).transaction() as desk:
        desk.sessions.note("acme", event, message, detail, alert=True)


def events(home: House) -> list[tuple[str, str]]:
    with home.world.store.read() as tx:
        rows = tx.rows("journal_from", {"company": "acme", "after": 0, "limit": 100})
    return [(row["event"], row["actor"]) for row in rows]


def test_without_a_connection_there_is_nothing_to_set_up(home: House) -> None:
    assert text_of(home.as_("viewer").get(HERE)).splitlines() == [
        "Connections",
        "Web Connector",
        "This company is not connected with QuickBooks Desktop over the Web Connector. Connect it first.",
    ]
    assert home.as_("admin").get(f"{HERE}/file").headers["location"] == f"/panel{HERE}"


def test_the_password_is_shown_once_and_the_file_holds_none(home: House) -> None:
    admin = home.as_("admin")
    password = connect(admin)
    assert fits(home, password)
    pages = [admin.get(path) for path in (HERE, BOOKS, f"{BOOKS}/settings", "/c/acme/connections", "/c/acme")]
    assert [password in page.text for page in pages] == [False] * 5
    given = home.as_("operator").get(f"{HERE}/file")
    assert given.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    found = {item.tag: item.text for item in ET.fromstring(given.content)}
    assert (found["UserName"], found["AppURL"]) == ("acme-wc", "https://sync.acme.example/qbwc")
    assert password.encode() not in given.content
    with home.world.store.read() as tx:
        lines = tx.rows("journal_from", {"company": "acme", "after": 0, "limit": 100})
    assert password not in json.dumps([dict(line) for line in lines])


def test_a_new_password_ends_the_one_before_and_a_form_makes_one_only(home: House) -> None:
    admin = home.as_("admin")
    before = connect(admin)
    form = admin.get(f"{HERE}/password")
    assert "The password that the Web Connector has now ends at once" in text_of(form)
    made_at = re.findall(r'name="made_at" value="([^"]+)"', form.text)[0]
    home.world.clock.sleep(1)
    answer = admin.post(f"{HERE}/password", {"made_at": made_at})
    password = re.findall(r'<code class="once">(\w{20})</code>', answer.text)[0]
    assert (fits(home, before), fits(home, password)) == (False, True)
    again = admin.post(f"{HERE}/password", {"made_at": made_at})
    assert again.status_code == 303
    assert fits(home, password)
    assert text_of(admin.get(HERE)).splitlines()[0] == (
        "A password was made already, and is not shown again. Make another one if it is lost."
    )


def test_the_page_waits_for_the_first_call(home: House) -> None:
    admin = home.as_("admin")
    connect(admin)
    assert "not yet It has never come in with the right password." in text_of(admin.get(HERE))
    assert "refresh" not in admin.get(HERE).headers
    assert admin.get(f"{HERE}?watch=60").headers["refresh"] == "10; url=?watch=59"
    assert admin.get(f"{HERE}?watch=99999").headers.get("refresh") is None
    with StoreOutbox(home.world, home.programs).transaction() as desk:
        desk.sessions.open("acme", "ticket", {})
    answer = admin.get(f"{HERE}?watch=60")
    assert ("refresh" in answer.headers, "yes Last just now" in text_of(answer)) == (False, True)


def test_it_is_said_why_somebody_was_refused(home: House) -> None:
    viewer = home.as_("viewer")
    connect(home.as_("admin"))
    with home.world.store.write() as tx:
        work.refuse_sign_in(tx, "acme", "acme-wc", home.world.clock.now())
        work.refuse_sign_in(tx, "", "acme-wx<b>", home.world.clock.now())
    note(home, "company_refused", "The open company file is not the one that flowctl writes to")
    told = [line for line in text_of(viewer.get(HERE)).splitlines() if "refused" in line or "not the one" in line]
    assert told == [
        "It was refused once as `acme-wc`: the password is wrong",
        "Somebody was refused as `acme-wx<b>`, which is no company's user name",
        "The open company file is not the one that flowctl writes to",
    ]


@pytest.mark.parametrize(
    ("decision", "event", "said"),
    [
        ("confirm", "bound", "The company file is confirmed. Work goes on at the next visit of the Web Connector."),
        ("refuse", "file_refused", "The company file is refused; nothing is written into it."),
    ],
)
def test_a_company_file_is_confirmed_or_refused(home: House, decision: str, event: str, said: str) -> None:
    admin = home.as_("admin")
    connect(admin, s_confirm_company="true")
    note(home, "company_unconfirmed", "a new company file", FILE)
    assert "A company file waits for your word: Acme <Inc.>" in text_of(home.as_("viewer").get(HERE))
    assert "Confirm this file" not in text_of(home.as_("operator").get(HERE))
    assert "Acme <Inc.>" in text_of(admin.get(f"{HERE}/company-file/{decision}"))
    admin.post(f"{HERE}/company-file/{decision}", {"reason": "looked"})
    assert text_of(admin.get(HERE)).splitlines()[0] == said
    with home.world.store.read() as tx:
        bound = companies.identity(tx, "acme")
        assert [row["subject"] for row in work.alerts(tx, "acme")] == []
    assert (bound is not None, events(home)[-1]) == (decision == "confirm", (event, "panel:admin"))
    admin.post(f"{HERE}/company-file/{decision}")
    assert len([one for one in events(home) if one[0] == event]) == 1
    # What was refused is asked about again when it comes again.
    note(home, "company_unconfirmed", "a new company file", FILE)
    assert ("waits for your word" in text_of(admin.get(HERE))) == (decision == "refuse")


def test_a_wrong_file_is_turned_away_until_that_is_taken_back(home: House) -> None:
    admin = home.as_("admin")
    connect(admin, s_confirm_company="true")
    note(home, "company_unconfirmed", "a new company file", FILE)
    asked = text_of(admin.get(f"{HERE}/company-file/refuse")).splitlines()
    assert asked[1] == "This is not the right file"
    assert "What to do then" in asked
    admin.post(f"{HERE}/company-file/refuse", {"reason": "a copy"})
    shown = text_of(home.as_("viewer").get(HERE))
    assert (
        "This file is not the right one, says somebody here, and is turned away until another one is bound:\nAcme <Inc.>"
    ) in shown
    assert "Ask about it again" not in shown
    with home.world.store.read() as tx:
        known = {name: FILE[name] for name in ("company_name", "file_id", "path")}
        assert companyfile.refused(tx, "acme") == [known]
    admin.get(f"{HERE}/company-file/ask-again")
    admin.post(f"{HERE}/company-file/ask-again")
    assert text_of(admin.get(HERE)).splitlines()[0] == "The next company file that calls is taken as a new one."
    assert events(home)[-2:] == [("file_refused", "panel:admin"), ("file_asked_again", "panel:admin")]
    assert admin.get(f"{HERE}/company-file/ask-again").status_code == 303


def test_a_bound_file_that_is_not_the_right_one(home: House) -> None:
    admin = home.as_("admin")
    connect(admin)
    with home.world.store.write() as tx:
        companies.bind(tx, "acme", FILE, home.world.at())
    assert "This is not the right file Release this file" in text_of(admin.get(HERE))
    admin.get(f"{HERE}/company-file/wrong")
    admin.post(f"{HERE}/company-file/wrong", {"reason": "the demo file"})
    with home.world.store.read() as tx:
        assert companies.identity(tx, "acme") is None
        assert [file["path"] for file in companyfile.refused(tx, "acme")] == [FILE["path"]]
        line = tx.one("journal_newest", {"company": "acme", "event": "released"})
    assert line is not None
    assert json.loads(line["detail"]) == {**FILE, "refused": True, "why": "the demo file"}
    assert line["actor"] == "panel:admin"
    # Once the right one is bound, nobody need remember.
    with home.world.store.write() as tx:
        companies.bind(tx, "acme", {**FILE, "path": "C:\\right.qbw"}, home.world.at())
        assert companyfile.refused(tx, "acme") == []


def test_a_wrong_file_id_has_a_way_out(home: House) -> None:
    admin = home.as_("admin")
    connect(admin)
    note(home, "company_refused", "The open company file is not the one", {**FILE, "file_id": ""})
    shown = text_of(admin.get(HERE))
    assert "The file that called last was turned away, and nothing was written into it: Acme <Inc.>" in shown
    assert "Its FileID\nnone: our .qwc file was not added while it was open" in shown
    assert "When it is the right file: flowctl was added to the Web Connector while another file was open" in shown
    assert f'<a href="/panel{HERE}/file">download the .qwc file</a>' in admin.get(HERE).text
    admin.get(f"{HERE}/company-file/refuse")
    admin.post(f"{HERE}/company-file/refuse", {"reason": "last year's"})
    assert events(home)[-1] == ("file_refused", "panel:admin")
    # It calls again, and is turned away for the same reason as before; nobody need say it twice.
    note(home, "company_refused", "The open company file is not the one", {**FILE, "file_id": ""})
    shown = text_of(admin.get(HERE))
    assert "When it is not the right file" in shown
    assert "When it is the right file" not in shown
    assert f"{HERE}/company-file/refuse" not in admin.get(HERE).text
    assert admin.get(f"{HERE}/company-file/refuse").status_code == 303


def test_trouble_from_before_the_confirmation_is_over(home: House) -> None:
    admin = home.as_("admin")
    connect(admin, s_confirm_company="true")
    with StoreOutbox(home.world, home.programs).transaction() as desk:
        desk.sessions.open("acme", "ticket", {"error": "The file waits to be confirmed."})
    note(home, "company_unconfirmed", "a new company file", FILE)
    assert "with trouble Last just now" in text_of(admin.get(HERE))
    clock = home.world.clock
    assert isinstance(clock, FakeClock)
    clock.advance("+2m")
    admin.get(f"{HERE}/company-file/confirm")
    admin.post(f"{HERE}/company-file/confirm")
    shown = text_of(admin.get(HERE))
    assert "yes Last 2 min ago" in shown
    assert "That was before the company file was confirmed. The next visit goes on." in shown
    assert "The file waits to be confirmed." not in shown


@pytest.mark.parametrize("decision", ["confirm", "refuse"])
def test_another_file_than_the_one_that_was_shown_is_not_decided_about(home: House, decision: str) -> None:
    """Two files may call, one after the other: a person who has looked at the first has not looked at the second."""
    admin = home.as_("admin")
    connect(admin, s_confirm_company="true")
    note(home, "company_unconfirmed", "a new company file", FILE)
    assert "Acme <Inc.>" in text_of(admin.get(f"{HERE}/company-file/{decision}"))
    seen = admin.seen
    note(home, "company_unconfirmed", "a new company file", {**FILE, "company_name": "Other", "file_id": "{9F}"})
    admin.post(f"{HERE}/company-file/{decision}", {"seen": seen})
    assert text_of(admin.get(HERE)).splitlines()[0] == (
        "another company file has called since this was shown; nothing was changed. "
        "Look at the one that is there now, and decide about that."
    )
    with home.world.store.read() as tx:
        assert companies.identity(tx, "acme") is None
    assert [event for event, _ in events(home) if event in ("bound", "file_refused")] == []


def test_another_file_than_the_one_that_was_shown_is_not_released(home: House) -> None:
    admin = home.as_("admin")
    connect(admin)
    with home.world.store.write() as tx:
        companies.bind(tx, "acme", FILE, home.world.at())
    admin.get(f"{HERE}/company-file/release")
    seen = admin.seen
    with home.world.store.write() as tx:
        companies.unbind(tx, "acme")
        companies.bind(tx, "acme", {**FILE, "file_id": "{9F}"}, home.world.at())
    admin.post(f"{HERE}/company-file/release", {"seen": seen})
    with home.world.store.read() as tx:
        assert (companies.identity(tx, "acme") or {}).get("file_id") == "{9F}"


def test_a_company_file_is_released(home: House) -> None:
    admin = home.as_("admin")
    connect(admin)
    assert admin.get(f"{HERE}/company-file/release").status_code == 303
    with home.world.store.write() as tx:
        companies.bind(tx, "acme", FILE, home.world.at())
    assert "Bound to\nAcme <Inc.>" in text_of(admin.get(HERE))
    assert "the next company file that calls is bound" in text_of(admin.get(f"{HERE}/company-file/release"))
    admin.post(f"{HERE}/company-file/release", {"reason": "new year"})
    assert text_of(admin.get(HERE)).splitlines()[0] == "The company file is released. The next one that calls is bound."
    assert events(home)[-1] == ("released", "panel:admin")
    assert admin.get(f"{HERE}/company-file/other").status_code == 404


def test_addresses_that_the_web_connector_refuses_are_not_kept(home: House) -> None:
    admin = home.as_("admin")
    answer = admin.post(f"{BOOKS}/settings", {**GIVEN, "s_app_url": "http://10.0.0.1/qbwc"})
    assert answer.status_code == 422
    assert (
        "App address names its host by an IP address: use a host name: the Web Connector refuses addresses (QBWC1001)"
        in (text_of(answer).splitlines())
    )
    connect(admin)
    other = home.world
    with other.store.write() as tx:
        companies.add(tx, "zeta", "Zeta", other.at())
    answer = admin.post("/c/zeta/connections/books/settings", GIVEN)
    assert "another company's QuickBooks Desktop (Web Connector) signs in with this user name" in text_of(answer)


def test_a_moved_file_is_taken_here(home: House) -> None:
    admin = home.as_("admin")
    connect(admin)
    with home.world.store.write() as tx:
        companies.bind(tx, "acme", FILE, home.world.at())
    moved = {**FILE, "path": "D:\\Server\\Acme.qbw"}
    note(home, "company_refused", "The open company file is not where it was", {**moved, "file_id": "{9F}"})
    assert f"{HERE}/company-file/moved" not in admin.get(HERE).text
    assert admin.get(f"{HERE}/company-file/moved").status_code == 303
    note(home, "company_refused", "The open company file is not where it was", moved)
    assert "When it is the same file, moved or renamed: say so" in text_of(admin.get(HERE))
    shown = text_of(admin.get(f"{HERE}/company-file/moved"))
    assert "D:\\Server\\Acme.qbw" in shown
    assert "Do not say so of a copy" in shown
    admin.post(f"{HERE}/company-file/moved", {"seen": "another"})
    assert "another company file has called since this was shown" in text_of(admin.get(HERE))
    admin.get(f"{HERE}/company-file/moved")
    admin.post(f"{HERE}/company-file/moved", {"reason": "a new server"})
    assert "The company file is taken as it is now." in text_of(admin.get(HERE))
    assert events(home)[-1] == ("file_moved", "panel:admin")
    with home.world.store.read() as tx:
        assert companies.identity(tx, "acme") == moved
        assert companyfile.turned_away(tx, "acme") is None
