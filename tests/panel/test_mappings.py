"""Mapping tables: rows that people add, change and remove; files out and in, with a preview that is kept as it was shown."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from html import unescape
from urllib.parse import quote, urlencode

import httpx
import pytest

from engine.contract import ListObject
from engine.panel.forms import FormUnreadable, multipart
from engine.panel.pages import importing
from engine.serving import running
from engine.store import journal, lists
from engine.store.lists import Mapping
from tests.engine.kit import ACCOUNTS, AT, FLOW
from tests.panel.chromium import browser as chromium
from tests.panel.chromium import fits, sign_in
from tests.panel.kit import HERE, Browser, Office, text_of
from tests.panel.test_to_map import EVIL, coded, said, waits

TABLE = f"/c/acme/mappings/{FLOW}/account"
ODD = "=cmd|' /C calc'!A1/ä ü?&#"


def rows(office: Office, lookup: str = "account") -> list[tuple[str, str, str, str, str]]:
    """Key, label, name, id and who said so."""
    with office.world.store.read() as tx:
        found = lists.mappings(tx, "acme", FLOW, lookup)
    return [(r["source_key"], r["label"], r["full_name"], r["list_id"], r["actor"]) for r in found]


def put(office: Office, key: str, name: str = "Rent", list_id: str = "A-RENT", origin: str = "person") -> None:
    with office.world.store.write() as tx:
        lists.put_mapping(tx, "acme", Mapping(FLOW, "account", key, name, list_id, "", origin), "cli:pat", AT)


@pytest.fixture
def table(office: Office) -> Office:
    """Three rows, and a bill that misses `Client Gifts`."""
    waits(office, coded("b-1", "Client Gifts"))
    put(office, "k-1")
    put(office, "k-2", "Gifts to Clients", "A-GIFTS", "adopted")
    put(office, "k-3", "Client Gifts (old)", "A-GONE")
    put(office, "k-4", "Left", "A-LEFT")
    return office


def details(office: Office, event: str) -> list[tuple[str, object]]:
    """Who did it and what the journal says, of the lines of an event."""
    with office.world.store.read() as tx:
        return [(r["actor"], json.loads(r["detail"])) for r in journal.lines(tx, "acme") if r["event"] == event]


def listed(page: httpx.Response) -> list[str]:
    """The rows of a page's table, one line each."""
    body = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    found = [unescape(re.sub(r"<[^>]+>", " ", row)) for row in body.split("</tr>")]
    return [" ".join(row.split()) for row in found if row.strip()]


# --- tables and rows


def test_tables(table: Office) -> None:
    assert listed(table.as_("viewer").get("/c/acme/mappings")) == [
        "vendor shop_to_ledger Vendor of ledger 0 0",
        "account shop_to_ledger Account of ledger 4 1 2026-03-02 14:00",
    ]


def test_rows_say_what_is_wrong_with_them(table: Office) -> None:
    assert listed(table.as_("viewer").get(TABLE)) == [
        "k-1 Rent A-RENT pat 2026-03-02 14:00",
        "k-2 Gifts to Clients A-GIFTS found by its name 2026-03-02 14:00",
        "k-3 Client Gifts (old) A-GONE inactive pat 2026-03-02 14:00",
        "k-4 Left A-LEFT not there any more pat 2026-03-02 14:00",
    ]


def test_rows_are_searched_and_come_in_pages(office: Office) -> None:
    for number in range(60):
        put(office, f"k%{number:02}", "Rent" if number % 2 else "Meals")
    browser = office.as_("viewer")

    def keys(query: str) -> list[str]:
        return re.findall(r'<th scope="row">(k%\d\d)', browser.get(f"{TABLE}?{query}").text)

    assert keys("") == [f"k%{number:02}" for number in range(50)]
    (following,) = re.findall(r'href="/panel([^"]*)" rel="next"', browser.get(TABLE).text)
    assert keys(unescape(following).partition("?")[2]) == [f"k%{number:02}" for number in range(50, 60)]
    assert keys(urlencode({"text": "K%0"})) == [f"k%{number:02}" for number in range(10)]
    assert keys("text=MEALS&after=k%2552") == ["k%54", "k%56", "k%58"]
    assert keys("text=a-rent") == [f"k%{number:02}" for number in range(50)]
    assert "No row is like this. Show all" in text_of(browser.get(f"{TABLE}?text=zzz"))


def test_a_row_is_added_and_what_waits_goes_on(table: Office) -> None:
    browser = table.as_("operator")
    assert '<option value="Gifts to Clients">' in browser.get(f"{TABLE}/row").text
    answer = browser.post(f"{TABLE}/row", {"key": " Client Gifts ", "label": "", "target": "gifts to clients"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/panel{TABLE}")
    assert said(browser, TABLE) == "Client Gifts means Gifts to Clients; one waiting record goes on."
    assert ("Client Gifts", "", "Gifts to Clients", "A-GIFTS", "panel:operator") in rows(table)
    assert (table.bench.states(), table.poked) == ({"b-1": "pending"}, ["poke"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"key": "", "target": "Rent"}, "Say both: which value of the source, and what it means."),
        ({"key": "x", "target": " "}, "Say both: which value of the source, and what it means."),
        ({"key": "k-1", "target": "Rent"}, "`k-1` is in the table already, and means `Rent` change that row instead"),
        ({"key": "x", "target": "Rentt"}, "`Rentt` is not in the Account list of ledger did you mean `Rent`?"),
        (
            {"key": "x", "target": "A-GONE"},
            "`Client Gifts (old)` is inactive in the Account list of ledger make it active there, or map to another one",
        ),
    ],
)
def test_a_row_that_cannot_be_added(table: Office, given: dict[str, str], problem: str) -> None:
    before = rows(table)
    answer = table.as_("operator").post(f"{TABLE}/row", given)
    assert answer.status_code == 422
    assert " ".join(text_of(answer).partition("Add a row\n")[2].partition("\nIn the source")[0].split()) == problem
    assert (rows(table), table.poked) == (before, [])


def test_a_row_is_changed_whatever_its_key_is_made_of(table: Office) -> None:
    put(table, ODD)
    browser = table.as_("operator")
    assert ODD in text_of(browser.get(f"{TABLE}/row?{urlencode({'key': ODD})}"))
    browser.post(f"{TABLE}/row", {"old": ODD, "label": "Odd", "target": "Accounts Payable"})
    assert said(browser, TABLE) == "Odd means Accounts Payable; no record waited for it."
    assert (ODD, "Odd", "Accounts Payable", "A-AP", "panel:operator") in rows(table)
    browser.post(f"{TABLE}/row", {"old": "k-9", "label": "", "target": "Rent"})
    assert said(browser, TABLE) == "That row is not in the table any more."
    browser.get(f"{TABLE}/row?key=k-9")
    assert said(browser, TABLE) == "That row is not in the table any more."


def test_a_row_that_somebody_has_changed_meanwhile_is_not_changed_back(table: Office) -> None:
    """Two people have the same row open: the second to save has not seen what the first has said."""
    browser = table.as_("operator")
    browser.get(f"{TABLE}/row?key=k-1")
    fields = {**browser.hidden, "label": "A better label", "target": "Rent"}
    put(table, "k-1", "Gifts to Clients", "A-GIFTS")
    answer = browser.post(f"{TABLE}/row", fields)
    assert answer.status_code == 422
    told = (
        "`k-1` means `Gifts to Clients` by now, says cli:pat nothing was changed; save again if what you typed is right"
    )
    assert told in " ".join(text_of(answer).split())
    assert ("k-1", "", "Gifts to Clients", "A-GIFTS", "cli:pat") in rows(table)
    answer = browser.post(f"{TABLE}/row", {**browser.hidden, "label": "A better label", "target": "Rent"})
    assert answer.status_code == 303
    assert ("k-1", "A better label", "Rent", "A-RENT", "panel:operator") in rows(table)


def test_a_row_is_removed_after_asking(table: Office) -> None:
    browser = table.as_("operator")
    page = text_of(browser.get(f"{TABLE}/remove?key=k-2"))
    assert "Remove k-2?" in page
    assert "flowctl has learned this row by itself: without it, the same thing may be made a second time" in page
    answer = browser.post(f"{TABLE}/remove", browser.hidden)
    assert answer.status_code == 303
    assert said(browser, TABLE) == "k-2 is no longer mapped. What was posted with it stays as it is."
    assert [row[0] for row in rows(table)] == ["k-1", "k-3", "k-4"]
    put(table, "two\nlines")
    browser.get(f"{TABLE}/remove?key=two%0Alines")
    assert browser.hidden["key_coded"] == "two%0Alines"
    browser.post(f"{TABLE}/remove", browser.hidden)
    assert [row[0] for row in rows(table)] == ["k-1", "k-3", "k-4"]
    assert details(table, "unmapped")[:1] == [("panel:operator", {"lookup": "account", "key": "k-2"})]
    browser.post(f"{TABLE}/remove", {"key": "k-2"})
    assert said(browser, TABLE) == "That row is not in the table any more."


@pytest.mark.parametrize(
    ("name", "list_id"), [("Gifts to Clients", "A-GIFTS"), ("Rent", "A-NEW"), ("", "")], ids=["name", "id", "nothing"]
)
def test_a_row_that_is_not_as_it_was_shown_is_not_removed(table: Office, name: str, list_id: str) -> None:
    """Somebody maps the value anew while somebody else looks at the page that asks."""
    browser = table.as_("operator")
    browser.get(f"{TABLE}/remove?key=k-1")
    fields = dict(browser.hidden) if name else {"key": "k-1"}
    if name:
        put(table, "k-1", name, list_id)
    before = rows(table)
    answer = browser.post(f"{TABLE}/remove", fields)
    assert answer.status_code == 422
    told = (
        f"Remove k-1? `k-1` means `{name or 'Rent'}` by now, says cli:pat nothing was removed; look at the row as it is now, "
        "and remove it if that is right all the same"
    )
    assert told in " ".join(text_of(answer).split())
    assert (rows(table), table.poked) == (before, [])
    assert browser.post(f"{TABLE}/remove", browser.hidden).status_code == 303
    assert len(rows(table)) == len(before) - 1


def test_a_row_whose_id_alone_was_changed_meanwhile_is_not_changed_back(table: Office) -> None:
    browser = table.as_("operator")
    browser.get(f"{TABLE}/row?key=k-1")
    fields = {**browser.hidden, "label": "", "target": "Accounts Payable"}
    put(table, "k-1", "Rent", "A-NEW")
    assert browser.post(f"{TABLE}/row", fields).status_code == 422
    assert ("k-1", "", "Rent", "A-NEW", "cli:pat") in rows(table)


def test_tables_of_a_flow_that_is_not_served_can_be_read_alone(office: Office) -> None:
    with office.world.store.write() as tx:
        lists.put_mapping(tx, "acme", Mapping("old_flow", "thing", "k", "Name"), "cli:pat", AT)
    browser = office.as_("operator")
    assert "thing old_flow a flow that this server does not run 1 0 2026-03-02 14:00" in listed(
        browser.get("/c/acme/mappings")
    )
    here = "/c/acme/mappings/old_flow/thing"
    assert "the rows can be read, and nothing can be changed." in text_of(browser.get(here))
    assert browser.get(f"{here}/export").status_code == 200
    for path in (f"{here}/row", f"{here}/remove?key=k", f"{here}/import"):
        assert browser.get(path).status_code == 404, path
    assert browser.post(f"{here}/remove", {"key": "k"}).status_code == 404
    for path in ("/c/acme/mappings/old_flow/other", "/c/acme/mappings/nothing/thing/export"):
        assert browser.get(path).status_code == 404, path


# --- files


def form(office_browser: Browser, path: str, fields: dict[str, str], file: bytes | None = None) -> httpx.Response:
    """A form with a file, as a browser writes it."""
    parts = [
        f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in {"csrf": office_browser.token, **fields}.items()
    ]
    if file is not None:
        head = (
            b'--XX\r\nContent-Disposition: form-data; name="file"; filename="m.csv"\r\nContent-Type: text/csv\r\n\r\n'
        )
        parts.append(head + file + b"\r\n")
    kind = {"content-type": "multipart/form-data; boundary=XX"}
    return office_browser.ask("POST", "/panel" + path, b"".join(parts) + b"--XX--\r\n", {**HERE, **kind})


def hidden(page: httpx.Response) -> dict[str, str]:
    """The fields of the form that keeps a preview."""
    body = page.text.partition('/import/keep"')[2].partition("</form>")[0]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', body)
    return {name: unescape(value) for name, value in found if name != "csrf"}


def test_a_table_is_exported_and_no_cell_computes(table: Office) -> None:
    put(table, ODD, "@SUM(1)")
    answer = table.as_("viewer").get(f"{TABLE}/export?missing=1")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''acme_{FLOW}_account.csv"
    found = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert found == [
        ["lookup", "key", "label", "full_name", "list_id"],
        ["account", f"'{ODD}", "", "'@SUM(1)", "A-RENT"],
        ["account", "k-1", "", "Rent", "A-RENT"],
        ["account", "k-2", "", "Gifts to Clients", "A-GIFTS"],
        ["account", "k-3", "", "Client Gifts (old)", "A-GONE"],
        ["account", "k-4", "", "Left", "A-LEFT"],
        ["account", "Client Gifts", "Client Gifts", "", ""],
    ]


def test_an_export_comes_back_unchanged(office: Office) -> None:
    put(office, ODD)
    put(office, "k;1\n2")
    browser = office.as_("operator")
    page = form(browser, f"{TABLE}/import", {}, browser.get(f"{TABLE}/export").content)
    assert text_of(page).splitlines()[1:] == [
        "What would change",
        "Added",
        "0",
        "Changed",
        "0",
        "Same as before",
        "2",
        "Nothing would change. Back",
    ]


FILE = "key;label;full_name\r\nk-1;Büro;Accounts Payable\r\nClient Gifts;;Gifts to Clients\r\nk-9;;\r\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_what_would_change_is_shown_and_exactly_that_is_kept(table: Office, encoding: str) -> None:
    browser = table.as_("operator")
    before = rows(table)
    page = form(browser, f"{TABLE}/import", {"whole": "1", "pasted": ""}, FILE.encode(encoding))
    assert page.status_code == 200
    guessed = (
        "The file does not say how its letters are written and was taken for a file of Excel on Windows. "
        "Look at names with accents; if they are wrong, save it as “CSV UTF-8”."
    )
    assert text_of(page).partition("\nIn the source")[0].splitlines()[1:] == [
        "What would change",
        "Added",
        "1",
        "Changed",
        "1",
        "Removed",
        "2",
        "Not filled in",
        "1",
        *([guessed] if encoding == "cp1252" else []),
        "Import: 4 changes",
        "Back, change nothing",
    ]
    assert listed(page) == [
        "k-3 removed Client Gifts (old)",
        "k-4 removed Left",
        "Büro k-1 changed Rent Accounts Payable 2",
        "Client Gifts added Gifts to Clients 3",
        "k-9 not filled in 4",
    ]  # fmt: skip
    assert (rows(table), table.poked) == (before, [])
    answer = form(browser, f"{TABLE}/import/keep", hidden(page))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/panel{TABLE}")
    assert said(browser, TABLE) == "The file is imported: 1 added, 1 changed, 2 removed; one waiting record goes on."
    assert rows(table) == [
        ("Client Gifts", "", "Gifts to Clients", "A-GIFTS", "panel:operator"),
        ("k-1", "Büro", "Accounts Payable", "A-AP", "panel:operator"),
        ("k-2", "", "Gifts to Clients", "A-GIFTS", "cli:pat"),
    ]
    assert [actor for actor, _ in [*details(table, "mapped"), *details(table, "unmapped")]] == ["panel:operator"] * 4
    assert (table.bench.states(), table.poked) == ({"b-1": "pending"}, ["poke"])


def test_pasted_lines_are_a_file_too(table: Office) -> None:
    browser = table.as_("operator")
    page = form(browser, f"{TABLE}/import", {"pasted": "key\tfull_name\r\nk-9\tRent\r\n"}, b"")
    assert listed(page) == ["k-9 added Rent 2"]
    form(browser, f"{TABLE}/import/keep", hidden(page))
    assert ("k-9", "", "Rent", "A-RENT", "panel:operator") in rows(table)


def test_what_changed_since_the_preview_is_shown_anew(table: Office) -> None:
    browser = table.as_("operator")
    agreed = hidden(form(browser, f"{TABLE}/import", {}, b"key,full_name\nk-1,Accounts Payable\n"))
    put(table, "k-1", "Gifts to Clients", "A-GIFTS")
    page = form(browser, f"{TABLE}/import/keep", agreed)
    assert page.status_code == 422
    assert text_of(page).splitlines()[2:4] == [
        "The table or the list has changed since the preview; nothing was kept.",
        "look at what would change now, and agree anew",
    ]
    assert listed(page) == ["k-1 changed Gifts to Clients Accounts Payable 2"]
    assert rows(table)[0][2] == "Gifts to Clients"
    assert form(browser, f"{TABLE}/import/keep", hidden(page)).status_code == 303
    assert rows(table)[0][2] == "Accounts Payable"


def test_a_preview_that_somebody_has_altered_is_not_kept(table: Office) -> None:
    browser = table.as_("operator")
    agreed = hidden(form(browser, f"{TABLE}/import", {}, b"key,full_name\nk-1,Accounts Payable\n"))
    before = rows(table)
    other = urlsafe_b64encode(zlib.compress(b"key,full_name\nk-1,Gifts to Clients\n")).decode()
    bomb = urlsafe_b64encode(zlib.compress(b"0" * 50_000_000)).decode()
    for packed in (other, bomb, "", "AAAA", "\u00e4", other[:20]):
        assert form(browser, f"{TABLE}/import/keep", {**agreed, "packed": packed}).status_code == 422, packed[:20]
    for altered in ({"digest": ""}, {"digest": "\u00e4"}, {"whole": "1"}):
        assert form(browser, f"{TABLE}/import/keep", {**agreed, **altered}).status_code == 422, altered
    assert urlsafe_b64decode(agreed["packed"])
    assert (rows(table), table.poked) == (before, [])


def test_what_is_wrong_is_told_line_by_line_and_cannot_be_kept(table: Office) -> None:
    browser = table.as_("operator")
    file = b"key,full_name\nk-1,Rentt\nk-5,Rent\nk-5,Rent\n,Rent\nk-6,a,b\nk-7,A-GONE\n"
    page = form(browser, f"{TABLE}/import", {}, file)
    assert page.status_code == 422
    assert text_of(page).splitlines()[1:] == [
        "The file cannot be imported as it is",
        "Nothing was changed. Correct these 5 lines and give the file again: it is taken whole or not at all.",
        "Line What is wrong What to do",
        "Line 2 `Rentt` is not in the Account list of ledger did you mean `Rent`?",
        "Line 4 `account` `k-5` is on line 3 already keep one of the two lines",
        "Line 5 names no key fill in the column `key`",
        "Line 6 has 3 cells under 2 columns quote commas",
        "Line 7 `Client Gifts (old)` is inactive in the Account list of ledger make it active there, or map to another one",
        "Give the file again",
    ]
    assert "/import/keep" not in page.text


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (b"", "the file: the file is empty its first line names the columns: lookup,key,label,full_name,list_id"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "the file: this is no text save it as `CSV UTF-8`"),
        (b'key,full_name\n"a,b\n', "the file: this is no CSV: unexpected end of data save it as `CSV UTF-8`"),
        (
            b"x" * (importing.MOST_BYTES + 1),
            "the file is larger than 1 MiB split it, or give it to flowctl map import",
        ),
        (
            b"key,full_name\n" + b"".join(b"%d,Rent\n" % n for n in range(5001)),
            "the file has 5,001 lines, and one import takes 5,000 split it, or give it to flowctl map import",
        ),
    ],
)
def test_files_that_are_no_table(table: Office, file: bytes, problem: str) -> None:
    page = form(table.as_("operator"), f"{TABLE}/import", {}, file)
    assert page.status_code == 422
    told = text_of(page).partition("Import a file into account\n")[2].partition("\nTake")[0]
    assert " ".join(told.split()) == problem


def test_a_file_for_another_table_as_well_says_so(table: Office) -> None:
    file = "lookup,key,list_id\nvendor,v-1,V-1\naccount,k-9,A-RENT\n"
    browser = table.as_("operator")
    page = form(browser, f"{TABLE}/import", {"whole": "1"}, file.encode())
    assert "The file has lines for other tables as well: vendor. They are imported too." in text_of(page).splitlines()
    form(browser, f"{TABLE}/import/keep", hidden(page))
    assert [row[2] for row in rows(table, "vendor")] == ["Grün & Söhne"]


def test_a_list_that_was_never_read_is_said(table: Office) -> None:
    with table.world.store.write() as tx:
        tx.run("list_done", {"company": "acme", "list": "Account", "at": None, "changed": 1})
    browser = table.as_("operator")
    page = form(browser, f"{TABLE}/import", {}, b"key,full_name\nk-9,Anything\n")
    assert "1 name could not be checked, since the list was never read here." in text_of(page).splitlines()
    assert "The list Account was never read here: the name cannot be checked." in text_of(browser.get(f"{TABLE}/row"))
    assert "The list Account was never read here, so names cannot be checked yet." in text_of(browser.get(TABLE))


def test_a_form_of_a_page_that_takes_no_file_may_not_carry_one(table: Office) -> None:
    browser = table.as_("operator")
    answer = form(browser, f"{TABLE}/remove", {"key": "k-1"}, b"x")
    assert (answer.status_code, text_of(answer).splitlines()[1]) == (400, "What was sent is no form of ours.")
    assert len(rows(table)) == 4


GOOD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n2\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", GOOD),
        ("multipart/form-data; boundary=", GOOD),
        ("multipart/form-data; boundary=c", GOOD),
        ("multipart/mixed; boundary=b", GOOD),
        ("multipart/form-data; boundary=b", GOOD[:-6]),
        ("multipart/form-data; boundary=b", b"before" + GOOD),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n--b--\r\n'),
        ("multipart/form-data; boundary=b", GOOD.replace(b"1", b"\xff")),
        ("multipart/form-data; boundary=b", GOOD[:-7] * 101 + GOOD),
        ("multipart/form-data; boundary=b", b""),
    ],
)
def test_forms_that_no_browser_writes_are_refused(kind: str, body: bytes) -> None:
    with pytest.raises(FormUnreadable):
        multipart(kind, body)


def test_forms_as_browsers_write_them() -> None:
    file = b"a\r\n--c\r\n\x00\xff"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.csv"\r\nContent-Type: text/csv\r\n\r\n'
        + file
        + b"\r\n"
        + GOOD
    )
    assert multipart('multipart/form-data; boundary="b"', body) == ({"a": "1\r\n2"}, {"f": file})
    assert multipart("application/x-www-form-urlencoded", b"a=1") == ({"a": "1"}, {})


def test_markup_in_tables_is_text(table: Office) -> None:
    table.bench.read_lists(accounts=[*ACCOUNTS, ListObject("A-EVIL", EVIL)])
    put(table, EVIL, EVIL, "A-EVIL")
    browser = table.as_("operator")
    here = urlencode({"key": EVIL})
    file = f'key,label,full_name\n{quote(EVIL)},"{EVIL.replace(chr(34), chr(34) * 2)}",Nothing<b>\n'
    good = f'key,full_name\nk<b>,"{EVIL.replace(chr(34), chr(34) * 2)}"\n'
    pages = [browser.get(path) for path in (TABLE, f"{TABLE}/row?{here}", f"{TABLE}/remove?{here}", f"{TABLE}/row")]
    pages += [form(browser, f"{TABLE}/import", {}, each.encode()) for each in (file, good)]
    pages.append(form(browser, f"{TABLE}/import", {"pasted": f"</textarea>{EVIL}"}))
    for page in pages:
        for mark in ("<script>", "<img src=x", "<b>,", "Nothing<b>", "</textarea><"):
            assert mark not in page.text.replace("</textarea>\n<label", ""), (mark, page.url)


@pytest.mark.acceptance
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("no_chromium")
def test_a_file_is_imported_with_a_preview(table: Office, scheme: str) -> None:
    put(table, "k-5 " + "W" * 60, "Accounts Payable", "A-AP")
    complaints: list[str] = []
    with running(table.app) as url, chromium(complaints, scheme=scheme) as page:
        sign_in(page, url)
        page.click("main a:text-is('Acme')")
        page.click("nav a:text-is('Mappings')")
        fits(page, f"{scheme}_mappings")
        page.click("main a:text-is('account')")
        fits(page, f"{scheme}_mapping_table")
        page.click("a:text-is('Add a row')")
        page.fill("#key", "k-8")
        page.fill("#target", "Rentt")
        page.click("button:text-is('Save')")
        fits(page, f"{scheme}_mapping_row")
        page.fill("#target", "Rent")
        page.click("button:text-is('Save')")
        assert page.locator(".flash").inner_text() == "k-8 means Rent; no record waited for it."
        page.click("tr:has-text('k-8') >> text=Remove")
        fits(page, f"{scheme}_mapping_remove")
        page.click("a:text-is('Back, change nothing')")
        with page.expect_download() as download:
            page.click("a:text-is('Export with what is missing')")
        text = download.value.path().read_bytes().decode("utf-8-sig")
        text = text.replace("Client Gifts,Client Gifts,,", "Client Gifts,Client Gifts,Gifts to Clients,")
        text = "\r\n".join(line for line in text.split("\r\n") if ",k-4," not in line and ",k-3," not in line)
        page.click("a:text-is('Import a file')")
        fits(page, f"{scheme}_mapping_import")
        page.set_input_files(
            "#file", {"name": "m.csv", "mimeType": "text/csv", "buffer": (text + "account,x,,Rentt,\r\n").encode()}
        )
        page.click("button:text-is('Show what would change')")
        fits(page, f"{scheme}_mapping_wrong")
        page.click("a:text-is('Give the file again')")
        page.check("input[name=whole]")
        page.set_input_files(
            "#file",
            {
                "name": "m.csv",
                "mimeType": "text/csv",
                "buffer": text.replace("k-1,,Rent,A-RENT", "k-1,,Gifts to Clients,").encode(),
            },
        )
        page.click("button:text-is('Show what would change')")
        fits(page, f"{scheme}_mapping_preview")
        page.click("button:text-is('Import: 4 changes')")
        flash = page.locator(".flash").inner_text()
        assert flash == "The file is imported: 1 added, 1 changed, 2 removed; one waiting record goes on."
    # A page that says what is wrong is answered with 422, which Chromium notes.
    assert [text for text in complaints if "status of 422" not in text] == []
    table.bench.run("bills")
    assert table.bench.post_all() == 1
    assert table.bench.states() == {"b-1": "posted"}
