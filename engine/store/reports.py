"""What a comparison of both sides came to, kept by rows: what differs, sums, and what people have decided about it since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from engine.dataclass import dataclass
from engine.store.base import Row, Tx

# More than so many are not counted one by one when a page is looked at.
COUNTED = 1000
# Findings that are decided by accepting an edit, and by saying what becomes of what is gone.
EDITED, GONE = ("edited", "noted"), ("missing",)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference or note to keep; `finding` and `shown` are JSON texts of whoever made them."""

    record: int | None
    code: str
    is_note: bool
    finding: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """One line of the table `part` to keep; `line` is JSON text."""

    part: str
    differs: bool
    line: str


def get(tx: Tx, company: str, span: int) -> Row | None:
    """What is kept of a comparison: its counts, and when it was made."""
    return tx.one("report_get", {"company": company, "span": span})


def heads(tx: Tx, company: str) -> tuple[int, int]:
    """Where the company's journal stands, and the newest object that was written."""
    journal = tx.one("journal_head", {"company": company})
    held = tx.one("reports_held_seq", {"company": company})
    return int(journal["seq"]) if journal is not None else 0, int(held["seq"]) if held is not None else 0


def put(tx: Tx, head: Mapping[str, object], findings: Sequence[Finding], sums: Iterable[Sum]) -> bool:
    """Keep a report in place of an earlier one of the span; false when a newer one is kept, or the span is gone.

    `head` has the columns of `span_reports`. What people have decided since its moment stays said.
    """
    span, company = int(str(head["span"])), str(head["company"])
    row = tx.one("span_get", {"company": company, "id": span})
    before = get(tx, company, span)
    seq = int(str(head["journal_seq"]))
    if row is None or row["state"] != "done" or (before is not None and before["journal_seq"] > seq):
        return False
    decisions = tx.rows("report_decisions", {"span": span, "after": seq})
    forget(tx, span)
    tx.run("report_put", head)
    rows = enumerate(findings, 1)
    tx.many(
        "report_findings_put",
        [(span, n, company, f.record, f.code, int(f.is_note), f.finding, f.shown) for n, f in rows],
    )
    tx.many("report_sums_put", [(span, s.part, n, company, int(s.differs), s.line) for n, s in enumerate(sums, 1)])
    for made in decisions:
        _decide(tx, [made["code"]], made, {name: made[f"decided_{name}"] for name in ("by", "at", "seq")}, span)
    return True


def forget(tx: Tx, span: int) -> None:
    """Drop what is kept of a comparison."""
    for name in ("report_drop_findings", "report_drop_sums", "report_drop"):
        tx.run(name, {"span": span})


def want(tx: Tx, company: str, span: int) -> bool:
    """Have it made anew soon; false when nothing is kept of it."""
    return tx.run("report_wanted", {"company": company, "span": span}) == 1


def due(tx: Tx) -> list[Row]:
    """Comparisons whose report is to be made: those without one, and of each company the newest that is out of date."""
    return tx.rows("reports_due", {})


def findings(tx: Tx, span: int, after: int, limit: int) -> list[Row]:
    """What differs, in order, from behind the place `after`; each with the record's state now, when it has one."""
    return tx.rows("report_findings", {"span": span, "after": after, "limit": limit})


def still_open(tx: Tx, span: int) -> list[Row]:
    """The differences that nobody has decided about."""
    return tx.rows("report_findings_open", {"span": span})


def sums(tx: Tx, table: tuple[int, str], after: int, limit: int, *, everything: bool) -> list[Row]:
    """Lines of a table (span and part), in order, from behind the place `after`; those that differ, or all."""
    name = "report_sums" if everything else "report_sums_differing"
    return tx.rows(name, {"span": table[0], "part": table[1], "after": after, "limit": limit})


def shown(tx: Tx, company: str, span: int, record: int) -> str:
    """What the target shows of a record that was edited there, as JSON; empty when it was not."""
    row = tx.one("report_shown", {"company": company, "span": span, "record_id": record})
    return str(row["shown"]) if row is not None else ""


def decided(tx: Tx, span: int) -> tuple[int, int]:
    """Of how many differences, and of how many notes, somebody has decided since the report was made."""
    found = {row["is_note"]: int(row["count"]) for row in tx.rows("report_decided", {"span": span})}
    return found.get(0, 0), found.get(1, 0)


def decide(tx: Tx, record: Row, codes: Collection[str], decision: str, who: tuple[str, str]) -> None:
    """A person has decided about what differs of a record: every report that lists it says so from now on.

    `who` is the actor and the time as UTC text.
    """
    seq, _ = heads(tx, record["company"])
    made = {"company": record["company"], "record_id": record["id"], "decision": decision}
    _decide(tx, codes, made, {"by": who[0], "at": who[1], "seq": seq})


def _decide(
    tx: Tx, codes: Collection[str], made: Mapping[str, object], when: Mapping[str, object], span: int | None = None
) -> None:
    if made["record_id"] is None:
        return
    listed = tx.rows("report_findings_of", {"company": made["company"], "record_id": made["record_id"]})
    for row in listed:
        if row["code"] in codes and not row["decision"] and (span is None or row["span"] == span):
            place = {"span": row["span"], "place": row["place"], "decision": made["decision"]}
            tx.run("report_decide", {**place, "actor": when["by"], "at": when["at"], "seq": when["seq"]})


def posted_since(tx: Tx, company: str, held_seq: int) -> int:
    """How many objects were written after a report was made; `COUNTED` + 1 for more than that."""
    row = tx.one("reports_held_since", {"company": company, "after": held_seq, "most": COUNTED + 1})
    return int(row["count"]) if row is not None else 0


def is_small(tx: Tx, company: str) -> bool:
    """Whether so little was ever written that a report is made at once, while somebody waits for the page."""
    row = tx.one("reports_holdings", {"company": company, "most": COUNTED + 1})
    return row is None or int(row["count"]) <= COUNTED
