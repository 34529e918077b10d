"""The company file is moved, renamed or exchanged for another, with something in doubt, and with lists just read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from connectors.qbwc import CONNECTOR
from connectors.qbwc.simulator import (
    Account,
    Application,
    CompanyFile,
    WebConnector,
    handler_post,
    seed_company,
    user_deletes,
)
from connectors.qbwc.simulator.seed import CHART
from connectors.qbwc.spec import OWNER_ID
from engine.contract import Login
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.operator import companyfile
from engine.store import boundfile, companies, journal
from tests.connectors.qbwc.kit import password_hash
from tests.connectors.qbwc.rig import FLOW, bill
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench
from tests.stores import table

FILE, OTHER = "{11111111-33D9-4815-AC85-BC87A7E7D1EB}", "{22222222-33D9-4815-AC85-BC87A7E7D1EB}"
DAY = 86400


@dataclass
class Office:
    """One company, with whoever posts for its Web Connectors; `drops` loses the answer to the next bill."""

    bench: Bench
    drops: bool = False

    @property
    def hand(self) -> Hand:
        return Hand(COMPANY, self.bench.world.at(), "test")

    def post(self) -> Callable[[bytes, dict[str, str]], object]:
        world = self.bench.world
        inner = handler_post(CONNECTOR.handler(self.bench.outbox, world.clock, world.ids))

        def through(body: bytes, headers: dict[str, str]) -> object:
            if self.drops and b"BillAddRs" in body:
                self.drops = False
                raise ConnectionError("the computer is dead")
            return inner(body, headers)

        return through

    def connector(self, company: CompanyFile, file_id: str = "") -> WebConnector:
        application = Application(owner_id=OWNER_ID, file_id=file_id) if file_id else Application()
        return WebConnector(self.post(), "acme-wc", "pw", company, application=application)  # type: ignore[arg-type]

    def say(self, act: Callable[[], object]) -> str:
        """What comes of a person's word; empty when it was taken."""
        try:
            act()
        except FlowctlError as error:
            return type(error).__name__
        return ""

    def take(self, mark: str = "") -> str:
        def act() -> None:
            with self.bench.world.store.write() as tx:
                companyfile.accept_moved(tx, self.hand, "a new computer", mark=mark)

        return self.say(act)

    def release(self) -> str:
        def act() -> None:
            with self.bench.world.store.write() as tx:
                companyfile.release(tx, self.hand, "another file")

        return self.say(act)


@pytest.fixture
def office() -> Iterator[Office]:
    with kit.bench(FLOW, lists=False) as bench:
        with bench.world.store.write() as tx:
            companies.put_login(tx, Login(COMPANY, "acme-wc", password_hash(), {}), AT)
        yield Office(bench)


def move(company: CompanyFile) -> None:
    company.path = "D:\\New Server\\sandbox.qbw"


def rename(company: CompanyFile) -> None:
    company.preferences = replace(company.preferences, company_name="Renamed Inc.")


def in_doubt(office: Office, file_id: str) -> tuple[CompanyFile, WebConnector]:
    """The computer died over a write."""
    office.drops = True
    company = seed_company(1, clock=office.bench.world.clock)
    connector = office.connector(company, file_id)
    office.bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    office.bench.run("bills")
    connector.update()
    assert office.bench.states() == {"b-1": "unknown", "b-2": "intended"} or not office.drops
    return company, connector


@pytest.mark.parametrize("file_id", ["", FILE])
@pytest.mark.parametrize("change", [move, rename])
def test_a_moved_file_is_taken_while_something_is_in_doubt(
    office: Office, change: Callable[[CompanyFile], None], file_id: str
) -> None:
    company, connector = in_doubt(office, file_id)
    change(company)
    office.bench.world.clock.sleep(DAY)
    assert "moved or renamed and no copy or backup of it" in connector.update().last_error
    assert office.release() == "SetInDoubt"
    with office.bench.world.store.read() as tx:
        before, bound_at = companies.identity(tx, COMPANY), companies.bound_at(tx, COMPANY)
    assert before is not None
    assert office.take() == ""
    assert office.take() == "NothingToConfirm"
    with office.bench.world.store.read() as tx:
        after = companies.identity(tx, COMPANY)
        assert after is not None
        assert (after["path"], after["company_name"]) == (company.path, company.preferences.company_name)
        assert (after["file_id"], companies.bound_at(tx, COMPANY)) == (file_id, bound_at)
        (line,) = [line for line in journal.lines(tx, COMPANY) if line["event"] == "file_moved"]
        assert before["path"].replace("\\", "\\\\") in line["detail"]
    for _ in range(3):
        office.bench.world.clock.sleep(DAY)
        connector.update()
    assert set(office.bench.states().values()) <= {"posted", "closed"}
    assert len(list(company.txns("Bill"))) == 2
    # What was under way was meant for this file, and is known again in it.
    assert office.release() == ""


def test_another_file_is_not_taken_for_the_moved_one(office: Office) -> None:
    in_doubt(office, FILE)
    another = seed_company(1, clock=office.bench.world.clock)
    move(another)
    assert office.connector(another, OTHER).update().last_error.startswith("The open company file is not the one")
    assert office.take() == "NothingToConfirm"


def test_without_a_file_id_name_or_path_must_be_as_it_was(office: Office) -> None:
    company, connector = in_doubt(office, "")
    move(company)
    rename(company)
    assert connector.update().last_error.startswith("The open company file is not the one")
    assert office.take() == "NothingToConfirm"


def test_another_path_than_the_one_that_was_looked_at_is_not_taken(office: Office) -> None:
    company, connector = in_doubt(office, FILE)
    move(company)
    connector.update()
    with office.bench.world.store.read() as tx:
        seen = companyfile.moved(tx, COMPANY)
    assert seen is not None
    company.path = "E:\\copy.qbw"
    connector.update()
    assert office.take(companyfile.mark_of(seen)) == "AnotherFile"


def test_the_lists_of_a_released_file_are_not_used_for_the_next(office: Office) -> None:
    """It was made from a copy, so that it has the same ListIDs, and somebody has renamed two accounts there since."""
    clock = office.bench.world.clock
    swapped = {"Travel": "Owner Draws", "Rent": "Travel"}

    def other(account: Account) -> Account:
        head, colon, rest = account.full_name.partition(":")
        return Account(swapped.get(head, head) + colon + rest, account.type, account.number)

    first, second = seed_company(1, clock=clock), seed_company(1, accounts=[*map(other, CHART)], clock=clock)
    move(second)
    office.connector(first, FILE).update()
    clock.sleep(600)
    assert office.release() == ""
    office.bench.shop.listed["bills"] = [bill()]
    office.bench.run("bills")
    connector = office.connector(second, OTHER)
    for _ in range(2):
        connector.update()
        clock.sleep(600)
    (txn,) = second.txns("Bill")
    names = {item.list_id: item.full_name for item in second.items("Account")}
    assert [names[line.refs["AccountRef"]] for line in txn.lines if "AccountRef" in line.refs] == ["Travel"]


def test_a_session_in_the_copy_at_the_old_place_ends_when_the_moved_file_is_taken(office: Office) -> None:
    clock = office.bench.world.clock
    old, new = seed_company(1, clock=clock), seed_company(1, clock=clock)
    move(new)
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    office.connector(old, FILE).update()
    assert len(list(old.txns("Bill"))) == 1
    office.bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    office.bench.run("bills")
    clock.sleep(DAY)
    assert "moved or renamed" in office.connector(new, FILE).update().last_error
    clock.sleep(60)
    inner, said = office.post(), list[str]()

    def through(body: bytes, headers: dict[str, str]) -> object:
        if b"receiveResponseXML" in body and not said:
            # It was let in with the old path, and a person speaks before anything is written.
            said.append(office.take())
        return inner(body, headers)

    application = Application(owner_id=OWNER_ID, file_id=FILE)
    first = WebConnector(through, "acme-wc", "pw", old, application=application).update()  # type: ignore[arg-type]
    assert (said, len(list(old.txns("Bill")))) == ([""], 1)
    assert first.last_error.startswith("This session is over")
    assert "moved or renamed" in office.connector(old, FILE).update().last_error
    office.connector(new, FILE).update()
    assert len(list(new.txns("Bill"))) == 1


def test_what_a_session_that_was_ended_so_had_sent_is_looked_for_in_the_file_that_was_taken(office: Office) -> None:
    """The same file, which two computers reach by two paths: what the first one is at work on is not sent by the second."""
    clock = office.bench.world.clock
    company = seed_company(1, clock=clock)
    path, inner = company.path, office.post()
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    lost, said = list[bytes](), list[str]()

    def through(body: bytes, headers: dict[str, str]) -> object:
        if b"BillAddRs" in body and not said:
            said.append(office.take())
        answer = inner(body, headers)
        if b"BillAddRq" in answer[1] and not lost:  # type: ignore[index]
            lost.append(body)
            raise ConnectionError("the computer is dead")
        return answer

    application = Application(owner_id=OWNER_ID, file_id=FILE)
    first = WebConnector(through, "acme-wc", "pw", company, application=application)  # type: ignore[arg-type]
    first.update()
    assert (len(lost), len(list(company.txns("Bill")))) == (1, 0)
    clock.sleep(DAY)
    move(company)
    office.connector(company, FILE).update()
    company.path = path
    # What was lost is sent again, and while QuickBooks is at work on it, a person takes the other path.
    clock.sleep(60)
    first.update()
    assert (said, len(list(company.txns("Bill"))), office.bench.states()) == ([""], 1, {"b-1": "sent"})
    move(company)
    clock.sleep(60)
    office.connector(company, FILE).update()
    assert (len(list(company.txns("Bill"))), office.bench.states()) == (1, {"b-1": "posted"})


def bound_to(office: Office) -> str:
    """By what the company's file is told from others."""
    with office.bench.world.store.read() as tx:
        return boundfile.newest(tx, COMPANY)[0]


def state_of_holding(office: Office) -> str:
    (row,) = table(office.bench.world.store, "holdings")
    return str(row["state"])


@pytest.mark.parametrize("change", [move, rename])
def test_a_file_without_an_id_that_was_moved_is_known_again_after_it_was_released(
    office: Office, change: Callable[[CompanyFile], None]
) -> None:
    clock = office.bench.world.clock
    company = seed_company(1, clock=clock)
    connector = office.connector(company)
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    connector.update()
    known = bound_to(office)
    for _ in range(2):
        change(company)
        clock.sleep(DAY)
        connector.update()
        office.take()
        assert bound_to(office) == known
        assert (office.release(), state_of_holding(office)) == ("", "away")
        connector.update()
        assert (bound_to(office), state_of_holding(office)) == (known, "there")
    user_deletes(company, next(iter(company.txns("Bill"))).txn_id)
    clock.sleep(DAY)
    connector.update()
    assert office.bench.states() == {"b-1": "vanished"}


def test_another_file_where_a_moved_one_lay_is_not_taken_for_it(office: Office) -> None:
    """Neither has a FileID. What was written into the moved one is not missing in the other."""
    clock = office.bench.world.clock
    company, another = seed_company(1, clock=clock), seed_company(2, clock=clock)
    connector = office.connector(company)
    office.bench.shop.listed["bills"] = [bill("b-1")]
    office.bench.run("bills")
    connector.update()
    known = bound_to(office)
    another.path = company.path
    move(company)
    clock.sleep(DAY)
    connector.update()
    assert (office.take(), office.release()) == ("", "")
    other = office.connector(another)
    for _ in range(2):
        clock.sleep(DAY)
        other.update()
        assert (bound_to(office) == known, state_of_holding(office)) == (False, "away")
    there = bound_to(office)
    assert office.release() == ""
    other.update()
    assert bound_to(office) == there
    assert office.release() == ""
    connector.update()
    assert (bound_to(office), state_of_holding(office)) == (known, "there")
    assert set(office.bench.states().values()) <= {"posted", "closed"}
