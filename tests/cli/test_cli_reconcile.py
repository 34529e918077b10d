"""`flowctl reconcile` against simulated vendors: both sides agree to the cent, and every way in which they can part."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.simulator import totals, user_deletes, user_edits
from connectors.qbwc.simulator.model import Txn
from connectors.ramp.sandbox import RampSandbox
from connectors.ramp.simulator import build
from engine import registry
from engine.access.passwords import hash_password
from engine.cli import common
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.contract import Handler, Login, Served
from engine.desk import StoreOutbox
from engine.program import FlowProgram
from engine.reconcile import keeping
from engine.runner import Runner
from engine.simulated import Simulated
from engine.store import companies, facts, work
from engine.world import World
from tests.cli.cli_kit import Cli, Ran
from tests.cli.shelf import AT, shelf

FLOW = "ramp_to_quickbooks"
SPAN = ("--from", "2000-01-01", "--to", "2099-12-31")


@dataclass
class Stage:
    """A company between simulated Ramp and QuickBooks, and the commands on it."""

    cli: Cli
    world: World
    program: FlowProgram
    books: QuickBooksSandbox
    ramp: RampSandbox
    handler: Handler
    login: tuple[str, str]

    def cycle(self) -> None:
        """One read of Ramp, one Web Connector session, and Ramp is told."""
        runner = Runner(self.world)
        assert runner.run(self.program, "main").errors == ()
        self.session()
        assert runner.tell(self.program, "main")[1] == []

    def session(self) -> None:
        visit = self.books.visit_handler(self.handler, *self.login)
        assert (visit["errors"], visit["outcome"] in ("done", "no_work")) == ([], True), visit["transcript"]

    def reconcile(self, *args: str) -> Ran:
        """Ask, let the next session answer, and show it."""
        self.cli("reconcile", *SPAN)
        self.session()
        return self.cli("reconcile", *SPAN, *args)

    def txns(self, kind: str) -> list[Txn]:
        return list(self.books.company.txns(kind))

    def bill(self, without: Collection[str] = ()) -> tuple[Txn, str]:
        """The largest bill that was posted but for these, and the id of its record in Ramp."""
        bill = max((txn for txn in self.txns("Bill") if txn.txn_id not in without), key=lambda txn: txn.amount)
        row = next(row for row in self._rows() if row["target_id"] == bill.txn_id)
        return bill, str(row["source_id"])

    def _rows(self) -> list[dict[str, object]]:
        with self.world.store.read() as tx:
            return [dict(row) for row in tx.rows("compared_records", {"company": "main", "after": 0, "limit": 1000})]


@pytest.fixture
def stage(cli: Cli) -> Iterator[Stage]:
    with _stage(cli) as made:
        for _ in range(4):
            made.cycle()
        yield made


@contextmanager
def _stage(cli: Cli) -> Iterator[Stage]:
    program = common.program(FLOW)
    qbwc: object = registry.find("qbwc")
    served: object = qbwc
    vendor: object = registry.find("ramp")
    assert isinstance(qbwc, Simulated)
    assert isinstance(served, Served)
    assert isinstance(vendor, Simulated)
    with common.opened(cli.home) as opened:
        books = qbwc.sandbox(7, opened.clock, {})
        assert isinstance(books, QuickBooksSandbox)
        options = {"bills": 5, "transactions": 6, "vendors": 3, "chart": books.chart()}
        ramp = vendor.sandbox(7, opened.clock, options)
        assert isinstance(ramp, RampSandbox)
        world = replace(opened, transports={"ramp": ramp.transport()})
        for name, connector, sandbox in (("books", "qbwc", books), ("ramp", "ramp", ramp)):
            settings, secrets = sandbox.binding("http://localhost")
            connect(world, "main", name, connector, settings, secrets)
        settings, secrets = books.binding("http://localhost")
        login = str(settings["user"]), secrets["password"]
        with world.store.write() as tx:
            companies.put_login(tx, Login("main", login[0], hash_password(login[1])), world.at())
        handler = served.handler(StoreOutbox(world, {FLOW: program}), world.clock, world.ids)
        yield Stage(cli, world, program, books, ramp, handler, login)


def test_both_sides_agree_to_the_cent(stage: Stage) -> None:
    asked = stage.cli("reconcile", *SPAN)
    assert asked.text() == (
        "[1]\nmain: QuickBooks has not answered yet\n--\n"
        "asked for 2000-01-01 to 2099-12-31; the answer comes with the next Web Connector session\n"
    )
    stage.session()
    ran = stage.cli("reconcile", *SPAN, "--format", "json", "--all")
    assert ran.status == 0, ran.text()
    found = ran.json()
    assert (found["agrees"], found["differences"], found["not_ours"], found["posted_since"]) == (True, [], 0, 0)
    there = totals(stage.books.company)
    assert there.overall > 0
    for side in ("source", "journal", "books"):
        assert {line[side] for line in found["totals"]} == {f"{there.overall:f}"}
        months = {line["name"]: Decimal(line[side]) for line in found["tables"]["month"]}
        assert months == there.by_month
        kinds = {line["name"]: Decimal(line[side]) for line in found["tables"]["kind"]}
        assert kinds == there.by_kind
        named = {line["name"]: Decimal(line[side]) for line in found["tables"]["vendor"] if line["name"] != "(none)"}
        assert named == there.by_vendor
        expenses = {line["name"]: Decimal(line[side]) for line in found["tables"]["account"]}
        banks = {"Checking": -expenses.pop("Checking")}
        known = {**expenses, **banks}
        assert known == {name: there.by_account[name] for name in known}
    assert found["compared"] == there.count
    text = stage.cli("reconcile", *SPAN)
    assert text.status == 0
    assert re.match(
        r"main: 2000-01-01 to 2099-12-31, QuickBooks as of \d{4}-\d\d-\d\d \d\d:\d\d UTC\n\nkind ", text.out
    )
    assert text.out.endswith(f"both sides agree: {there.count} records compared\n")


def test_the_answer_for_other_days_says_nothing_of_these(stage: Stage) -> None:
    assert stage.reconcile().status == 0
    other = stage.cli("reconcile", "--from", "2020-01-01", "--to", "2020-12-31")
    assert other.status == 1
    assert other.err == (
        "asked for 2020-01-01 to 2020-12-31; a newer answer comes with the next Web Connector session\n"
        "this is the answer for 2000-01-01 to 2099-12-31; 2020-01-01 to 2020-12-31 has not been compared yet\n"
    )
    late = stage.cli("reconcile", "--from", "2020-01-01", "--to", "2020-12-31", "--wait", "1s", "--format", "json")
    assert (late.status, json.loads(late.out)["agrees"]) == (1, False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--post-again", "all", "--leave-out", "x"), "--post-again and --leave-out are given for the same records"),
        (("--post-again", "x", "--leave-out", "x"), "--post-again and --leave-out are given for the same records"),
        (("--why", "because"), "--why goes with --post-again, --leave-out or --accept"),
    ],
)
def test_words_that_contradict_each_other(stage: Stage, given: tuple[str, ...], says: str) -> None:
    ran = stage.cli("reconcile", *given)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


def test_waiting_for_the_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    late = stage.cli("reconcile", *SPAN, "--wait", "1s")
    assert late.text() == (
        "[1]\nmain: QuickBooks has not answered yet\n--\n"
        "QuickBooks did not answer in time; the request stays, and the next session answers it\n"
        "asked for 2000-01-01 to 2099-12-31; the answer comes with the next Web Connector session\n"
    )
    monkeypatch.setattr(SystemClock, "sleep", lambda _clock, _seconds: stage.session())
    ran = stage.cli("reconcile", *SPAN, "--wait", "10m")
    assert (ran.status, ran.err) == (0, "")
    assert "both sides agree: " in ran.out


def test_the_whole_report_of_an_edit(stage: Stage) -> None:
    bill, source_id = stage.bill()
    line = next(line for line in bill.lines)
    account = stage.books.company.books.lists[line.refs["AccountRef"]].full_name
    party = stage.books.company.books.lists[bill.refs["VendorRef"]].full_name
    before = totals(stage.books.company, ["Bill"])
    more = sum(each.amount for each in bill.lines if each.refs["AccountRef"] == line.refs["AccountRef"])
    user_edits(stage.books.company, bill.txn_id, amount=bill.amount + Decimal("1000000.00"))
    ran = stage.reconcile()
    head, _, rest = ran.out.partition("\n")
    assert re.fullmatch(r"main: 2000-01-01 to 2099-12-31, QuickBooks as of \d{4}-\d\d-\d\d \d\d:\d\d UTC", head)
    assert rest.startswith(
        f"DIFFERS: {FLOW}/bills/{source_id}  Bill  {bill.values['RefNumber']}  {party}\n"
        f"  source {bill.amount:,f}  posted {bill.amount:,f}  QuickBooks {bill.amount + 1000000:,f} USD\n"
        f"  edited in QuickBooks after it was posted: amount {bill.amount:,f} -> {bill.amount + 1000000:,f}; "
        f"account {account} {more:,f} -> {more + 1000000:,f}\n"
        "  do: put it back in QuickBooks, or correct the source to match, or accept it as it is with "
        f"`flowctl reconcile --accept {source_id}`; flowctl never overwrites what a person entered there\n"
        "\nvendor "
    )
    assert re.findall(r"^(\w+) +currency +source +posted +QuickBooks +difference$", rest, re.MULTILINE) == [
        "vendor", "account", "month", "kind", "total",
    ]  # fmt: skip
    sums = f"{before.overall:,f}"
    assert re.search(rf"^Bill +USD +{sums} +{sums} +{before.overall + 1000000:,f} +1,000,000.00$", rest, re.MULTILINE)
    everything = stage.cli("reconcile", *SPAN, "--all").out
    assert everything.count("\n") > ran.out.count("\n")


def test_a_report_that_takes_long_is_shown_as_it_was_kept_with_what_was_decided_since(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill, source_id = stage.bill()
    user_edits(stage.books.company, bill.txn_id, amount=bill.amount + Decimal("5.00"))
    assert stage.reconcile().status == 1
    monkeypatch.setattr(keeping, "_QUICK_MS", -1)
    stage.cli("reconcile", "--accept", source_id, "--why", "a late fee")
    ran = stage.cli("reconcile", *SPAN)
    assert ran.status == 0
    assert ran.out.splitlines()[1].startswith(f"note: {FLOW}/bills/{source_id}  Bill  ")
    assert re.fullmatch(r"  decided: accepted as it is, by cli:\w+", ran.out.splitlines()[4])
    made = r"this report was made at \d{4}-\d\d-\d\d \d\d:\d\d UTC; 0 records posted since, and what else has changed, is not in it"
    assert re.fullmatch(made, ran.out.splitlines()[-2])
    found = stage.cli("reconcile", *SPAN, "--format", "json").json()
    assert [(item["code"], item["note"], item["decided"][:19]) for item in found["differences"]] == [
        ("edited", True, "accepted as it is, ")
    ]
    assert (found["agrees"], found["posted_later"]) == (True, 0)


def test_a_halt_is_said_everywhere(cli: Cli) -> None:
    with shelf(cli) as desk:
        desk.record("b-1", "vanished", amount="7.50")
        facts.remember(desk.tx, "main", AT, "halt", {"why": "1 record is gone", "records": 1})
        companies.put_connection(desk.tx, "main", "books", "qbwc", {"user": "u", "app_url": "http://localhost"}, AT)
    assert "POSTING IS HALTED: 1 record is gone\n" in cli("status").out
    assert cli("status", "--format", "json").json()["halted"] == "1 record is gone"
    doctor = cli("doctor", "--offline").out
    assert (
        "FAIL  main/posting: is halted: 1 record is gone\n"
        "      do: `flowctl reconcile` lists them; decide with --post-again or --leave-out\n"
    ) in doctor
    with shelf(cli) as desk:
        desk.tx.run("fact_drop", {"company": "main", "name": "halt"})
    assert "warn  main/posting: a posted record is no longer in the target\n" in cli("doctor", "--offline").out


def test_a_bill_that_a_user_edited_in_quickbooks(stage: Stage) -> None:
    bill, source_id = stage.bill()
    user_edits(stage.books.company, bill.txn_id, amount=bill.amount + Decimal("0.01"))
    ran = stage.reconcile("--format", "json")
    assert ran.status == 1
    found = ran.json()
    (one,) = [item for item in found["differences"] if not item["note"]]
    assert (one["code"], one["stream"], one["source_id"], one["target_id"]) == (
        "edited",
        "bills",
        source_id,
        bill.txn_id,
    )
    assert (one["source"], one["journal"]) == (f"{bill.amount:f}", f"{bill.amount:f}")
    assert one["books"] == f"{bill.amount + Decimal('0.01'):f}"
    assert f"amount {bill.amount:,f} -> {bill.amount + Decimal('0.01'):,f}" in one["what"]
    assert [line["difference"] for line in found["totals"]] == ["0.01"]
    assert [line["difference"] for line in found["tables"]["vendor"]] == ["0.01"]
    shown = stage.cli("reconcile", *SPAN)
    assert "DIFFERS: ramp_to_quickbooks/bills/" in shown.out
    assert "1 difference: " in shown.out


def _look(stage: Stage) -> None:
    """The hourly look, now."""
    with stage.world.store.write() as tx:
        tx.run("fact_drop", {"company": "main", "name": "check"})
    stage.session()


def _edited_alerts(stage: Stage) -> list[str]:
    with stage.world.store.read() as tx:
        return [row["message"] for row in work.alerts(tx, "main") if row["kind"] == "edited"]


@pytest.mark.parametrize("order", ["looked_first", "asked_first"])
def test_an_edit_that_is_right_is_accepted_as_it_is(stage: Stage, order: str) -> None:
    bill, source_id = stage.bill()
    more = bill.amount + Decimal("5.00")
    user_edits(stage.books.company, bill.txn_id, amount=more)
    if order == "looked_first":
        _look(stage)
        assert len(_edited_alerts(stage)) == 1
    else:
        assert stage.reconcile().status == 1
    done = stage.cli("reconcile", "--accept", source_id, "--why", "a late fee")
    assert done.text() == f"[0]\n{FLOW}/bills/{source_id}: accepted as it is\n--\n1 record decided\n"
    _look(stage)
    assert _edited_alerts(stage) == []
    ran = stage.reconcile("--format", "json")
    (one,) = [
        item for item in ran.json()["differences"] if item["source_id"] == source_id and item["stream"] == "bills"
    ]
    assert (ran.status, one["code"], one["note"]) == (0, "accepted", True)
    assert (one["source"], one["journal"], one["books"]) == (f"{bill.amount:f}", f"{bill.amount:f}", f"{more:f}")
    assert one["what"].startswith(f"edited in QuickBooks after it was posted: amount {bill.amount:,f} -> {more:,f}")
    assert one["do"] == "nothing: a person has accepted it as it is"
    assert [line["difference"] for line in ran.json()["totals"]] == ["5.00"]
    again = stage.cli("reconcile", "--accept", source_id)
    assert again.status == 1
    assert "QuickBooks has it as it was posted, or as it was accepted before" in again.err
    user_edits(stage.books.company, bill.txn_id, amount=more + 1)
    _look(stage)
    assert len(_edited_alerts(stage)) == 1
    assert {item["code"] for item in stage.reconcile("--format", "json").json()["differences"]} == {"edited"}
    everything = stage.cli("reconcile", "--accept", "all", "--format", "json").json()
    assert [item["source_id"] for item in everything["accepted"]] == [source_id]
    assert stage.reconcile().status == 0
    assert stage.cli("reconcile", "--accept", "all").text() == "[0]\n--\n0 records decided\n"


def test_a_bill_that_was_deleted_is_missing_until_a_person_decides(stage: Stage) -> None:
    paid = {applied.txn_id for payment in stage.txns("BillPaymentCheck") for applied in payment.applied}
    bill = next(txn for txn in stage.txns("Bill") if txn.txn_id not in paid)
    user_deletes(stage.books.company, bill.txn_id)
    ran = stage.reconcile("--format", "json")
    (one,) = [item for item in ran.json()["differences"] if not item["note"]]
    assert (ran.status, one["code"], one["books"], one["journal"]) == (1, "missing", None, f"{bill.amount:f}")
    assert [line["difference"] for line in ran.json()["totals"]] == [f"{-bill.amount:f}"]
    with stage.world.store.write() as tx:  # the hourly look comes by itself; here it comes now
        tx.run("fact_drop", {"company": "main", "name": "check"})
    stage.session()
    (waiting,) = stage.cli("reconcile", *SPAN, "--format", "json").json()["vanished"]
    assert waiting["source_id"] == one["source_id"]
    listed = stage.cli("reconcile", *SPAN).out
    assert "deleted in QuickBooks, and waiting for a decision: 1 record\n" in listed
    done = stage.cli("reconcile", "--post-again", one["source_id"], "--why", "deleted by mistake")
    assert done.text() == (f"[0]\n{FLOW}/bills/{one['source_id']}: to be posted again\n--\n1 record decided\n")
    stage.cycle()
    assert stage.reconcile("--format", "json").json()["agrees"]


def _before_ramp_is_told(stage: Stage) -> tuple[Txn, str]:
    """Everything posted, and a bill without a payment; Ramp still lists it, because it was not told."""
    assert Runner(stage.world).run(stage.program, "main").errors == ()
    for _ in range(3):  # a run would tell it
        stage.session()
    paid = {applied.txn_id for payment in stage.txns("BillPaymentCheck") for applied in payment.applied}
    return stage.bill(without=paid)


def _one_cent_more(stage: Stage, source_id: str) -> None:
    """The first line of a bill is changed in Ramp, and Ramp is read."""
    world = stage.ramp.simulator.world
    first, *rest = world.bills[source_id].lines
    build.edit_bill(world, source_id, lines=(replace(first, minor=first.minor + 1), *rest))
    assert Runner(stage.world).run(stage.program, "main").errors == ()


def test_a_change_in_ramp_differs_until_it_is_sent(cli: Cli) -> None:
    with _stage(cli) as stage:
        bill, source_id = _before_ramp_is_told(stage)
        assert stage.reconcile().status == 0
        _one_cent_more(stage, source_id)
        ran = stage.cli("reconcile", *SPAN, "--format", "json")
        (one,) = [item for item in ran.json()["differences"] if not item["note"]]
        more = bill.amount + Decimal("0.01")
        assert (ran.status, one["code"], one["source_id"]) == (1, "changed", source_id)
        assert (one["source"], one["journal"], one["books"]) == (f"{more:f}", f"{bill.amount:f}", f"{bill.amount:f}")
        assert one["what"].startswith(f"the source changed after it was posted: amount {bill.amount:,f} -> {more:,f}; ")
        assert one["what"].endswith("; the next session changes it there")
        assert [line["difference"] for line in ran.json()["totals"]] == ["-0.01"]
        after = stage.reconcile("--format", "json", "--all")
        assert after.status == 0, after.text()
        assert {line["books"] for line in after.json()["totals"]} == {f"{totals(stage.books.company).overall:f}"}
        assert stage.books.company.books.txns[bill.txn_id].amount == more


def test_a_change_on_both_sides_waits_for_a_person(cli: Cli) -> None:
    with _stage(cli) as stage:
        bill, source_id = _before_ramp_is_told(stage)
        user_edits(stage.books.company, bill.txn_id, amount=bill.amount + Decimal("5.00"))
        _one_cent_more(stage, source_id)
        found = stage.reconcile("--format", "json").json()
        amounts = [f"{bill.amount + Decimal(more):f}" for more in ("0.01", "0", "5.00")]
        both = {item["code"]: item for item in found["differences"] if not item["note"]}
        assert sorted(both) == ["changed", "edited"]
        for item in both.values():
            assert [item["source"], item["journal"], item["books"]] == amounts
        assert "; the change is deferred: " in both["changed"]["what"]
        assert [line["difference"] for line in found["totals"]] == ["4.99"]
        # A person brings QuickBooks to what Ramp says: nothing is left to do.
        user_edits(stage.books.company, bill.txn_id, amount=bill.amount + Decimal("0.01"))
        again = stage.reconcile("--format", "json")
        assert again.status == 0, again.text()
        assert [line["difference"] for line in again.json()["totals"]] == ["0.00"]


def test_a_change_is_left_out_when_quickbooks_is_right(cli: Cli) -> None:
    with _stage(cli) as stage:
        bill, source_id = _before_ramp_is_told(stage)
        user_edits(stage.books.company, bill.txn_id, amount=bill.amount + Decimal("5.00"))
        _one_cent_more(stage, source_id)
        stage.session()
        told = stage.cli("reconcile", *SPAN, "--leave-out", source_id, "--why", "agreed")
        assert told.text() == f"[0]\n{FLOW}/bills/{source_id}: left out\n--\n1 record decided\n"
        found = stage.reconcile("--format", "json").json()
        (left,) = [item for item in found["differences"] if item["code"] == "noted"]
        assert left["what"].endswith("; a person left the change out")
        assert left["do"] == "nothing: what is in QuickBooks stands"
        assert stage.books.company.books.txns[bill.txn_id].amount == bill.amount + Decimal("5.00")


def test_a_company_without_books_cannot_be_compared(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert cli("reconcile").text() == (
        "[2]\n--\nerror: main has no connection whose books can be compared\n"
        "  hint: connect QuickBooks with `flowctl connect`, or give another --company\n"
    )
    assert cli("reconcile", "--company", "nobody").status == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--from", "March"), "--from: `March` is no date"),
        (("--to", "2026-02-30"), "--to: `2026-02-30` is no date"),
        (("--wait", "soon"), "--wait: `soon` is no duration"),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "--from 2026-03-02 is later than --to 2026-03-01"),
    ],
)
def test_what_cannot_be_read_is_said(cli: Cli, args: tuple[str, ...], said: str) -> None:
    cli.ok("company", "add", "main")
    ran = cli("reconcile", *args)
    assert ran.status == 2
    assert said in ran.err


def test_a_decision_about_what_does_not_wait_is_refused(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert cli("reconcile", "--leave-out", "b-9").text() == (
        "[1]\n--\nerror: there is no record `b-9` in main\n0 records decided\n"
    )
    assert cli.ok("reconcile", "--leave-out", "all", "--format", "json").json() == {
        "company": "main", "left_out": [], "post_again": [], "accepted": [], "refused": [], "not_found": [],
    }  # fmt: skip
