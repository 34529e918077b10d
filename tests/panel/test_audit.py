"""The journal's page: what is found and how far, what is handed out, and that a changed line is seen."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette

from engine.audit.notary import FILE, Notary
from engine.panel.app import Panel
from engine.panel.pages import PAGES
from engine.store import journal, journalsearch
from engine.store.journal import Entry
from engine.store.journalsearch import Wanted
from engine.vault import Vault
from tests.engine.kit import COMPANY, bill
from tests.panel.chromium import browser, fits, sign_in
from tests.panel.kit import Browser, Office, text_of


def write(office: Office, count: int, *, day: int = 1, actor: str = "worker", **entry: str) -> None:
    with office.world.store.write() as tx:
        at = f"2026-04-{day:02}T12:00:00.000000Z"
        lines = [Entry(entry.get("event", "noted"), detail={"text": entry.get("text", f"n{n}")}) for n in range(count)]
        journal.append(tx, COMPANY, at, actor, lines)


def events(
    office: Office, wanted: Wanted, before: int | None = None, size: int = 50
) -> tuple[list[int], int | None, bool]:
    with office.world.store.read() as tx:
        found = journalsearch.page(tx, COMPANY, wanted, before, size)
    return [line["seq"] for line in found.lines], found.before, found.is_whole


@pytest.fixture
def days(office: Office) -> tuple[Office, int]:
    """Three lines on each of three days, after what the office wrote; and the number of the first of them."""
    with office.world.store.read() as tx:
        head = tx.one("journal_head", {"company": COMPANY})
    first = (head["seq"] if head is not None else 0) + 1
    for day in (1, 2, 3):
        write(office, 3, day=day, actor="panel:ana" if day == 2 else "worker", text=f"day {day}")
    return office, first


def test_days_are_found_at_both_ends(days: tuple[Office, int]) -> None:
    office, first = days
    assert events(office, Wanted("2026-04-02", "2026-04-02")) == ([first + 5, first + 4, first + 3], None, True)
    assert events(office, Wanted("2026-04-03", "2026-04-09"))[0] == [first + 8, first + 7, first + 6]
    assert events(office, Wanted("2026-05-01"))[0] == []
    assert events(office, Wanted(last_on="2000-01-01"))[0] == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("straße 7", [0]),
        ("STRASSE", [0]),
        ("100%", [1]),
        ("1_0", [2]),
        ("!", [2]),
        ("nOtE", [2, 1]),
        ("nowhere", []),
    ],
)
def test_words_are_found_letter_by_letter_in_any_case(office: Office, text: str, places: list[int]) -> None:
    with office.world.store.read() as tx:
        head = tx.one("journal_head", {"company": COMPANY})
    first = (head["seq"] if head is not None else 0) + 1
    for said in ("Straße 7", "a note of 100%", "Note 1_0 !"):
        write(office, 1, text=said)
    assert events(office, Wanted("2026-04-01", text=text)) == ([first + place for place in places], None, True)


def test_people_are_found_in_any_case(office: Office) -> None:
    for actor in ("panel:Ana", "panel:Zoë", "PANEL:nobody", "worker"):
        write(office, 1, actor=actor)
    with office.world.store.read() as tx:
        head = tx.one("journal_head", {"company": COMPANY})
    assert head is not None
    last = head["seq"]
    assert events(office, Wanted("2026-04-01", actor="aNA")) == ([last - 3], None, True)
    assert events(office, Wanted("2026-04-01", actor="ZOË")) == ([last - 2], None, True)
    assert events(office, Wanted("2026-04-01", by_people=True)) == ([last - 2, last - 3], None, True)


def test_pages_go_on_where_the_last_ended(days: tuple[Office, int]) -> None:
    office, first = days
    seen, before, is_whole = events(office, Wanted(first_on="2026-04-01"), size=5)
    assert (seen, before, is_whole) == ([first + n for n in (8, 7, 6, 5, 4)], first + 4, True)
    assert events(office, Wanted(first_on="2026-04-01"), before, 5)[0] == [first + n for n in (3, 2, 1, 0)]


def test_every_filter_filters(days: tuple[Office, int]) -> None:
    office, first = days
    middle = [first + 5, first + 4, first + 3]
    assert events(office, Wanted("2026-04-01", actor="ANA"))[0] == middle
    assert events(office, Wanted("2026-04-01", by_people=True))[0] == middle
    assert events(office, Wanted("2026-04-01", text="DAY 2"))[0] == middle
    assert events(office, Wanted("2026-04-01", event="other"))[0] == []
    assert events(office, Wanted("2026-04-01", record_id=7))[0] == []


def test_a_long_journal_is_looked_through_a_part_at_a_time(office: Office) -> None:
    write(office, 1, event="rare")
    write(office, 12_000)
    seen, before, is_whole = events(office, Wanted(event="rare"))
    assert (seen, is_whole) == ([], False)
    assert before is not None
    seen, _, is_whole = events(office, Wanted(event="rare"), before)
    assert (len(seen), is_whole) == (1, True)


def test_the_page(days: tuple[Office, int]) -> None:
    office, first = days
    page = office.as_("viewer").get("/c/acme/audit?from=2026-04-02&to=2026-04-02&people=yes&actor=ana")
    lines = [(f"{first + n}", "2026-04-02 12:00", "Noted", "text: day 2", "panel:ana") for n in (5, 4, 3)]
    assert text_of(page).endswith(
        "\nSave these lines as CSV\nLine When What About Who\n" + "\n".join("\n".join(line) for line in lines)
    )


def test_what_is_typed_wrong_is_said(office: Office) -> None:
    said = text_of(office.as_("viewer").get("/c/acme/audit?from=soon&record=x&behind=y"))
    assert "`soon` is not a date: write it like 2026-03-01" in said
    assert "`x` is not the number of a record: it stands at the end of the record's address" in said


def test_the_table_computes_nothing(office: Office) -> None:
    write(office, 1, actor="=cmd()", text="@SUM(1)")
    answer = office.as_("viewer").get("/c/acme/audit/export?event=noted")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''journal-acme-")
    line = answer.content.decode("utf-8-sig").splitlines()[1]
    assert ",'=cmd()," in line


def test_too_many_lines_are_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.panel.pages.audit._MOST", 5)
    write(office, 6)
    answer = office.as_("viewer").get("/c/acme/audit/export?event=noted")
    assert (answer.status_code, text_of(answer)) == (
        400,
        "That did not work\nmore than 5 lines fit\nnarrow the days, or use flowctl audit export\nCompanies",
    )


def with_home(office: Office, folder: Path) -> Browser:
    """The same panel over a store that has a folder."""
    world = replace(office.world, vault=Vault(office.world.vault.key, folder))
    made = Browser(Starlette(routes=Panel(world, PAGES).routes()))
    made.cookies.update(office.as_("viewer").cookies)
    made.get("/companies")
    return made


def test_verification_says_what_it_saw(office: Office, tmp_path: Path) -> None:
    write(office, 3)
    Notary(office.world, tmp_path / FILE).write()
    viewer = with_home(office, tmp_path)
    with office.world.store.read() as tx:
        length = tx.one("journal_head", {"company": COMPANY})
    assert length is not None
    said = text_of(viewer.post("/c/acme/audit/verify"))
    assert (
        f"{length['seq']} lines looked through: every one follows from the one before it, and from 1 signed checkpoints, "
        "the newest of "
    ) in said
    path = tmp_path / FILE
    path.write_text(path.read_text().replace(f'"{COMPANY}"', '"other"'))
    assert "Checkpoints: line 1" in text_of(viewer.post("/c/acme/audit/verify"))


@pytest.mark.usefixtures("no_chromium")
def test_in_a_browser(office: Office) -> None:
    from engine.serving import running

    office.bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(4)]
    office.bench.run("bills")
    office.bench.post_all()
    write(office, 3, actor="panel:" + "w" * 60, text="x" * 300)
    said: list[str] = []
    with running(office.app) as url, browser(said) as page:
        sign_in(page, url, "viewer")
        page.goto(f"{url}/panel/c/acme/audit")
        fits(page, "audit")
        page.fill("#event", "posted")
        page.click("button:text-is('Show')")
        assert page.locator("tbody tr").count() == 4
        page.click("tbody a >> nth=0")
        assert page.locator("h1").inner_text().startswith("N-b-")
    assert said == []


def test_a_record_is_called_by_its_number(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    number = office.bench.record("b-1")["id"]
    page = office.as_("viewer").get(f"/c/acme/audit?record={number}").text
    shown = set(re.findall(rf'<a href="/panel/c/acme/records/{number}">([^<]*)</a>', page))
    assert shown == {"N-b-1"}


def test_lines_of_no_record_say_what_they_are_about(office: Office) -> None:
    with office.world.store.write() as tx:
        at = office.world.at()
        entries = [
            Entry("mapped", "shop_to_ledger", detail={"lookup": "account", "key": "v-1", "full_name": "Rent"}),
            Entry("paused", "shop_to_ledger", detail={"what": "flow", "why": "audit"}),
            Entry("paused", detail={"what": "company", "why": "audit"}),
            Entry("connected", detail={"connection": "shop"}),
            Entry("compare", detail={"span": 1, "from": "2026-01-01", "to": "2026-03-31"}),
            Entry("added", detail={"title": "Acme"}),
        ]
        journal.append(tx, COMPANY, at, "panel:ana", entries)
    page = office.as_("viewer").get("/c/acme/audit?actor=ana").text
    cells = re.findall(r'<td data-label="About" class="text">(.*?)</td>', page)
    assert [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in reversed(cells)] == [
        "account: v-1 shop_to_ledger",
        "the flow shop_to_ledger",
        "the whole company",
        "shop",
        "2026-01-01 to 2026-03-31",
        "",
    ]
