"""The invariants that a schedule is held against, and where each is: one table."""

from __future__ import annotations

from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise. `where` names the check; an invariant that no schedule can break says why."""

    number: int
    says: str
    where: str


def _i(number: int, says: str, where: str) -> Invariant:
    return Invariant(number, says, where)


INVARIANTS: tuple[Invariant, ...] = (
    _i(1, "Each source record is in exactly one state, and after two quiet cycles in a final one, with a reason and an "
          "alert when it is parked; what is said to be gone is gone.", "standing.unsettled, standing._standing (`stuck`, "
          "`lost`); sessions.Sessions.meet; check.standing_still while queries of one kind are refused"),
    _i(2, "At most one live object for each source record and phase; what is gone is posted again only when a person says so.",
          "check._record, callcheck._objects (`duplicated`); witness._operation, witness._decided"),
    _i(3, "No object of ours in any other company file.", "check.check (`wrong_file`), witness.ran"),
    _i(4, "Posted cents equal source cents, and the books hold what was written last unless a person has set it there.",
          "check._cents, callcheck._posted, standing._standing (`cents_off`)"),
    _i(5, "Every object that is sent balances.", "the simulated books refuse one that does not; flow checks; check._cents"),
    _i(6, "Amounts are Decimal with two places.", "types and engine.money tests; not in a schedule, which adds nothing"),
    _i(7, "Bytes sent are the bytes frozen, for every attempt.", "witness._write, witness._operation; at a called "
          "target, that it is `sent` on disk: calls.Calls.writing"),
    _i(8, "One message-set id, one intent; 22 characters; never used again.", "witness._ids, witness._write"),
    _i(9, "oldMessageSetID names only what is settled durably.", "witness._ids, witness.handed_out"),
    _i(10, "`posted` has an id of the books.", "check._posted, callcheck._posted; EditSequence and file identity: store tests"),
    _i(11, "No write goes out while another set is unsettled.", "witness._write"),
    _i(12, "No write goes out before the company file was checked and its kind was looked through in the same session, nor "
           "while a restored backup waits for a person.", "witness.handed_out, witness._scanned, "
           "witness._write, witness._rolled_back"),
    _i(13, "What is in doubt is sent again only after an answered look-up.", "witness._write, witness.answered; "
           "calls.Calls.writing"),
    _i(14, "The source is told after `posted` is durable, once, with our TxnID, under one key.", "witness.hears, "
           "standing._reference, standing.check_source"),
    _i(15, "A cursor never passes what is not durable.", "standing._standing: a due record that was never read is `lost`"),
    _i(16, "A 2xx to a webhook means that the event is on disk; what the disk refused is answered busy or with an error.",
           "witness.acknowledged, crash.Machine._answered"),
    _i(17, "An event with a bad signature changes nothing.", "play.Stage._event: no row changes, and the answer is no 2xx"),
    _i(18, "The same event any number of times is one effect.", "witness.acknowledged: no row changes the second time"),
    _i(19, "Any prefix and a restart end like no restart.", "crash.Machine restarts at random commits and calls, and "
           "play.Stage._restore_ours puts older copies of the store back"),
    _i(20, "The same source history under other faults ends with equal books.", "each schedule is held against its own "
           "source (1, 4); two schedules are not compared yet"),
    _i(21, "The journal verifies, and replaying it gives the state table.", "standing.check_journal"),
    _i(22, "A modify names the EditSequence that was read in its session, and no edit of a person is overwritten.",
           "witness._current, BooksRig.overwritten"),
    _i(23, "Dependencies first, and who waits is woken with what it waits for.", "the simulated books refuse a reference to "
           "what is not there; standing.oversleeps after each session or pass"),
    _i(24, "Retries, queues and sizes are bounded.", "witness._write: in a session, and over an operation's life; the "
           "simulated Web Connector ends a session of 120 requests (`stuck`)"),
    _i(25, "Of two processes and two agents, one sends at a time.", "two processes and two Web Connectors in a share of the "
           "schedules; witness._write (11, 2); calls.Calls.writing and pushes.meet for called targets"),
    _i(26, "Secrets open under their own tenant only.", "vault and store tests"),
    _i(27, "One tenant's run does not depend on another.", "tests/campaign/test_tenants.py"),
    _i(28, "Without faults everything comes to rest.", "standing.unsettled after play.Stage.calm; tests/campaign without faults"),
    _i(29, "Of a source that is written to, nothing that is a person's is changed, and nothing is written while another "
           "program has the right to.", "check.check: Charted.spoiled"),
)  # fmt: skip


def table() -> str:
    """The table as Markdown."""
    rows = [f"| {item.number} | {item.says} | {item.where} |" for item in INVARIANTS]
    return "\n".join(["| # | Invariant | Checked in |", "| --- | --- | --- |", *rows])
