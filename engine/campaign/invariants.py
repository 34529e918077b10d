"""The invariants that a schedule is held against, and where each is: one table."""

from __future__ import annotations

from dataclasses import dataclass


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
          "alert when it is parked.", "check._unsettled, check._standing (`stuck`, `lost`)"),
    _i(2, "At most one live object for each source record and phase.", "check._record (`duplicated`); witness._others"),
    _i(3, "No object of ours in any other company file.", "check.check (`wrong_file`), witness.ran"),
    _i(4, "Posted cents equal source cents.", "check._cents, check._standing (`cents_off`)"),
    _i(5, "Every object that is sent balances.", "the simulated books refuse one that does not; flow checks; check._cents"),
    _i(6, "Amounts are Decimal with two places.", "types and engine.money tests; not in a schedule, which adds nothing"),
    _i(7, "Bytes sent are the bytes frozen, for every attempt.", "witness._write, witness._operation"),
    _i(8, "One message-set id, one intent; 22 characters; never used again.", "witness._ids, witness._write"),
    _i(9, "oldMessageSetID names only what is settled durably.", "witness._ids, witness.handed_out"),
    _i(10, "`posted` has an id of the books.", "check._posted; EditSequence and file identity: store tests"),
    _i(11, "No write goes out while another set is unsettled.", "witness._write"),
    _i(12, "No write goes out before the company file was checked.", "witness.handed_out (and `wrong_file`)"),
    _i(13, "What is in doubt is sent again only after an answered look-up.", "witness._write, witness.answered"),
    _i(14, "The source is told after `posted` is durable, once, with our TxnID, under one key.", "witness.hears, "
           "check._reference, check._source"),
    _i(15, "A cursor never passes what is not durable.", "check._standing: a due record that was never read is `lost`"),
    _i(16, "A 2xx to a webhook means that the event is on disk.", "server tests; schedules poll"),
    _i(17, "An event with a bad signature changes nothing.", "webhook tests; schedules poll"),
    _i(18, "The same event any number of times is one effect.", "webhook tests; repeated reads and answers: every schedule"),
    _i(19, "Any prefix and a restart end like no restart.", "crash.Machine restarts at random commits and calls"),
    _i(20, "The same source history under other faults ends with equal books.", "each schedule is held against its own "
           "source (1, 4); two schedules are not compared yet"),
    _i(21, "The journal verifies, and replaying it gives the state table.", "check._journal"),
    _i(22, "A modify never overwrites a person's edit.", "not yet: no flow modifies"),
    _i(23, "Dependencies first.", "the simulated books refuse a reference to what is not there; check._overslept"),
    _i(24, "Retries, queues and sizes are bounded.", "the simulated Web Connector ends a session of 120 requests (`stuck`)"),
    _i(25, "Only the lease holder sends.", "not yet: a schedule has one process at a time"),
    _i(26, "Secrets open under their own tenant only.", "vault and store tests"),
    _i(27, "One tenant's run does not depend on another.", "not yet: a schedule has one company"),
    _i(28, "Without faults everything comes to rest.", "check._unsettled after play.Stage.calm; tests/campaign without faults"),
)  # fmt: skip


def table() -> str:
    """The table as Markdown."""
    rows = [f"| {item.number} | {item.says} | {item.where} |" for item in INVARIANTS]
    return "\n".join(["| # | Invariant | Checked in |", "| --- | --- | --- |", *rows])
