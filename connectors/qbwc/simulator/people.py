"""What people and backups do to a company file in a campaign, and a record of it that no request of ours may undo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from connectors.qbwc.simulator.clerk import Clerk
from connectors.qbwc.simulator.company import Books, CompanyFile, user_edits, user_recodes
from connectors.qbwc.simulator.faults import FaultPlan, Faults
from connectors.qbwc.simulator.model import Txn

_HEAD = ("memo", "reference", "amount", "date", "vendor")
_CODING = ("account", "class", "line")


class Storm(Faults):
    """Faults that remember what people and backups took away, and what people changed."""

    def __init__(self, plan: FaultPlan, other_file: CompanyFile | None = None, clerk: Clerk | None = None) -> None:
        super().__init__(plan, other_file)
        self.clerk = clerk
        self.taken_away: set[str] = set()
        self.edits: dict[tuple[str, str], object] = {}
        # Whether our store may forget what it wrote. Where QuickBooks shows no marker, people leave the number or the memo then:
        # a transaction without any of them is known to nobody (docs/explanation/exactly-once.md, where it ends).
        self.forgets = False
        # Amounts that a restored backup has put in the place of others.
        self.brought_back: dict[str, Decimal] = {}

    def between_sessions(self, company: CompanyFile) -> list[str]:
        """What happens between two sessions."""
        before, lists = dict(company.books.txns), set(company.books.lists)
        done = super().between_sessions(company)
        if self.clerk is not None:
            done += self.clerk.works(company)
        if done:
            self.taken_away |= (before.keys() | lists) - {*company.books.txns, *company.books.lists}
        return done

    def _restore(self, company: CompanyFile) -> None:
        before = {key: txn.amount for key, txn in company.books.txns.items()}
        super()._restore(company)
        after = {key: txn.amount for key, txn in company.books.txns.items()}
        self.brought_back.update({key: amount for key, amount in after.items() if before.get(key) != amount})

    def edit(self, company: CompanyFile) -> str:
        """A person edits a transaction now, whatever else goes on."""
        return self._edit(company)

    def _learn(self, before: Mapping[str, Txn], books: Books) -> None:
        """Remember what a person changed, held against the file right before: what a backup brought back is nobody's."""
        for key, txn in books.txns.items():
            old = before.get(key)
            if old is None or old is txn:
                continue
            was = fields_of(old)
            self.edits.update({(key, name): v for name, v in fields_of(txn).items() if v != was.get(name)})

    def standing(self, books: Books) -> dict[tuple[str, str], object]:
        """The edits that are still there."""
        there = {key: fields_of(books.txns[key]) for key in {key for key, _ in self.edits} if key in books.txns}
        return {(key, name): v for (key, name), v in self.edits.items() if key in there and there[key].get(name) == v}

    def _edit(self, company: CompanyFile) -> str:
        before = dict(company.books.txns)
        done = self._change(company)
        self._learn(before, company.books)
        return done

    def _change(self, company: CompanyFile) -> str:
        txn, chance = self._pick(company, "user_edit"), self.chance("user_edit")
        what = chance.choice((*_HEAD, *_CODING) if txn.kind == "Bill" else _HEAD[:4])
        beside = {"memo": "reference", "reference": "memo"}.get(what, "")
        if self.forgets and not company.behaviour.guid_in_queries and (txn.txn_id, beside) in self.edits:
            what = "amount"
        if what == "memo":
            user_edits(company, txn.txn_id, memo="checked by hand")
        elif what == "reference":
            user_edits(company, txn.txn_id, reference="HAND-1")
        elif what == "amount":
            user_edits(company, txn.txn_id, amount=txn.amount + Decimal("0.01"))
        elif what == "date":
            user_recodes(company, txn.txn_id, dated_on=txn.date + timedelta(days=1))
        elif what == "line":
            user_recodes(company, txn.txn_id, added=Decimal("1.23"))
        else:
            self._recode(company, txn, what)
        return f"{txn.kind} {txn.txn_id}: {what} edited"

    def _recode(self, company: CompanyFile, txn: Txn, what: str) -> None:
        """Another vendor, another expense account, or a class."""
        chance = self.chance("user_edit")
        if what == "vendor" and not company.payments_of(txn.txn_id):
            others = [item.list_id for item in company.items("Vendor") if item.list_id != txn.refs["VendorRef"]]
            user_recodes(company, txn.txn_id, vendor=chance.choice(others))
        elif what == "class":
            user_recodes(company, txn.txn_id, class_id=next(company.items("Class")).list_id)
        else:
            # One that no source codes to: what both sides say is nobody's edit.
            banks = (item.list_id for item in company.items("Account") if item.values["AccountType"] == "Bank")
            user_recodes(company, txn.txn_id, account=next(banks))

    def _pick(self, company: CompanyFile, name: str) -> Txn:
        """Some transaction; people look at bills, and at the last one, more often than at others."""
        chance, found = self.chance(name), list(company.books.txns.values())
        bills = [txn for txn in found if txn.kind == "Bill"]
        some = chance.choice(bills if bills and chance.random() < 0.5 else found)
        return found[-1] if chance.random() < 0.25 else some


def fields_of(txn: Txn) -> dict[str, object]:
    """What people edit; lines by their place."""
    found: dict[str, object] = {
        "memo": [line.values.get("Memo", "") for line in txn.lines]
        if txn.kind == "JournalEntry"
        else txn.values.get("Memo", ""),
        "reference": txn.values.get("RefNumber", ""),
        "amount": txn.amount,
        "date": txn.date,
        "vendor": txn.refs.get("VendorRef", ""),
        "lines": len(txn.lines),
    }
    for number, line in enumerate(txn.lines, 1):
        found[f"account of line {number}"] = line.refs.get("AccountRef", "")
        found[f"class of line {number}"] = line.refs.get("ClassRef", "")
        found[f"amount of line {number}"] = line.amount
    return found
