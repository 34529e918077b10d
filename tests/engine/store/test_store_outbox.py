"""The outbox: frozen bytes in order, one message set in flight, and a set that is settled once."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from engine.clock import from_iso
from engine.contract import MessageSet, Operation
from engine.errors import Bug
from engine.store import outbox
from engine.store.base import Row, Store, Tx
from engine.store.records import Place
from tests.engine.store.rows import AT, COMPANY, LATER, REFUSED, add, message_set, operation


def names(rows: list[Row]) -> list[str]:
    return [row["id"] for row in rows]


def filled(tx: Tx, *ops: str) -> None:
    made = [operation(add(tx, f"b-1{name}"), name, f"<{name}/>".encode()) for name in ops]
    outbox.add(tx, COMPANY, AT, made)


def test_operations_leave_in_the_order_they_came(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "z", "a", "m")
        outbox.add(tx, COMPANY, AT, [])
        outbox.add(tx, COMPANY, AT, [operation(add(tx, "b-2"), "b")])
    with store.read() as tx:
        assert names(outbox.ready(tx, COMPANY, AT, 100)) == ["z", "a", "m", "b"]
        assert names(outbox.ready(tx, COMPANY, AT, 2)) == ["z", "a"]
        assert names(outbox.ready(tx, COMPANY, AT, 100, "books")) == ["z", "a", "m", "b"]
        assert names(outbox.ready(tx, COMPANY, AT, 100, "other")) == []
        assert names(outbox.ready(tx, "zeta", AT, 100)) == []
        assert outbox.backlog(tx, COMPANY, AT) == 4
        assert outbox.backlog(tx, "zeta", AT) == 0
        assert names(tx.rows("operations_of_record", {"record_id": 1})) == ["z"]


def test_an_operation_is_what_was_frozen(store: Store) -> None:
    body = "<BillAddRq>é&#8364;\0</BillAddRq>".encode("latin-1", "xmlcharrefreplace")
    with store.write() as tx:
        outbox.add(tx, COMPANY, AT, [operation(add(tx), "op-1", body)])
        (row,) = outbox.ready(tx, COMPANY, AT, 1)
    made = Operation("op-1", "BillAdd", body, sha256(body).hexdigest(), "{GUID}", from_iso(AT), sent_before=False)
    assert outbox.operation_of(row) == made


def test_a_modify_comes_with_what_it_changes(store: Store) -> None:
    with store.write() as tx:
        outbox.add(tx, COMPANY, AT, [operation(add(tx), "op-1", b"<one/>")])
        outbox.put(tx, "op-1", "done")
        changing = replace(operation(add(tx, "b-2"), "op-2", b"<two/>"), target_id="1A-7", base_id="op-1")
        outbox.add(tx, COMPANY, AT, [changing])
        (row,) = outbox.ready(tx, COMPANY, AT, 9)
    made = outbox.operation_of(row)
    assert (made.target_id, made.base, made.body, made.whole) == ("1A-7", b"<one/>", b"<two/>", b"<two/>")
    with store.write() as tx:
        outbox.freeze_set(tx, COMPANY, AT, message_set(tx))
        (again,) = outbox.unsettled(tx, COMPANY).operations  # type: ignore[union-attr]  # it was frozen
    assert again == made


def test_a_waiting_operation_is_given_other_bytes(store: Store) -> None:
    with store.write() as tx:
        outbox.add(
            tx, COMPANY, AT, [replace(operation(add(tx), "op-1", b"<whole/>"), target_id="1A-7", base_id="none")]
        )
    for body in (b"<part/>", b"<other/>"):
        with store.write() as tx:
            outbox.amend(tx, "op-1", body)
            (row,) = outbox.ready(tx, COMPANY, AT, 9)
        made = outbox.operation_of(row)
        assert (made.body, made.sha256, made.whole, made.base) == (body, sha256(body).hexdigest(), b"<whole/>", b"")
        assert row["follow_up"] == '{"whole":"<whole/>"}'


@pytest.mark.parametrize("state", ["sent", "done", "held", "cancelled", ""])
def test_what_does_not_wait_keeps_its_bytes(store: Store, state: str) -> None:
    with store.write() as tx:
        filled(tx, "op-1")
        outbox.put(tx, "op-1", state or "waiting")
    with pytest.raises(Bug), store.write() as tx:
        outbox.amend(tx, "op-1" if state else "op-2", b"<other/>")


def test_an_operation_id_is_used_once(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "op-1")
    with pytest.raises(REFUSED), store.write() as tx:
        outbox.add(tx, COMPANY, AT, [operation(add(tx, "b-2"), "op-1")])


@pytest.mark.parametrize("state", ["waiting", "sent"])
def test_a_record_has_one_operation_that_may_still_be_sent(store: Store, state: str) -> None:
    with store.write() as tx:
        row = add(tx)
        outbox.add(tx, COMPANY, AT, [operation(row, "op-1")])
        outbox.put(tx, "op-1", state)
    with pytest.raises(REFUSED), store.write() as tx:
        outbox.add(tx, COMPANY, AT, [operation(row, "op-2")])
    for ended in ("done", "held", "cancelled"):
        with store.write() as tx:
            outbox.put(tx, "op-1", ended)
            outbox.add(tx, COMPANY, AT, [operation(row, f"op-{ended}")])
            outbox.put(tx, f"op-{ended}", "cancelled")


def test_an_operation_belongs_to_a_record(store: Store) -> None:
    with store.write() as tx:
        row = dict(add(tx)) | {"id": 99}
    with pytest.raises(REFUSED), store.write() as tx:
        outbox.add(tx, COMPANY, AT, [operation(row)])


def test_an_operation_that_is_put_off_waits(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a", "b")
        outbox.put(tx, "a", "waiting", not_before=LATER)
        assert names(outbox.ready(tx, COMPANY, AT, 9)) == ["b"]
        assert outbox.backlog(tx, COMPANY, AT) == 1
        assert names(outbox.ready(tx, COMPANY, LATER, 9)) == ["a", "b"]
        outbox.put(tx, "a", "cancelled")
        outbox.put(tx, "b", "held")
        assert names(outbox.ready(tx, COMPANY, LATER, 9)) == []


def test_what_must_stay_hides_nothing_behind_it(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a", "b", "c")
        row = add(tx, "z")
        outbox.add(tx, COMPANY, AT, [replace(operation(row, "d"), request="VendorAdd")])
        assert names(outbox.ready(tx, COMPANY, AT, 1, without=("BillAdd",))) == ["d"]
        assert names(outbox.ready(tx, COMPANY, AT, 2, without=("VendorAdd",), later=("a", "c"))) == ["b"]
        assert names(outbox.ready(tx, COMPANY, AT, 2, later=("a", "b"))) == ["c", "d"]


def test_a_frozen_set_takes_its_operations_along(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a", "b", "c")
        made = replace(message_set(tx), operations=message_set(tx).operations[:2])
        outbox.freeze_set(tx, COMPANY, AT, made)
    with store.read() as tx:
        found = outbox.unsettled(tx, COMPANY)
        assert found == MessageSet("set-1", made.body, made.sha256, made.operations, "sent", "t-1", 1, from_iso(AT))
        assert outbox.unsettled(tx, "zeta") is None
        assert names(outbox.ready(tx, COMPANY, AT, 9)) == []  # not even `c`: one set in flight
        assert outbox.backlog(tx, COMPANY, AT) == 1


def test_one_unsettled_set_a_company(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a")
        outbox.freeze_set(tx, COMPANY, AT, message_set(tx))
        outbox.add(tx, "zeta", AT, [operation(add(tx, place=Place("zeta", "f", "s", "p")), "z")])
        outbox.freeze_set(tx, "zeta", AT, message_set(tx, "set-z", "zeta"))
    for state in ("sent", "in_doubt"):
        with store.write() as tx:
            if state == "in_doubt":
                assert tx.run("set_doubt", {"id": "set-1", "company": COMPANY}) == 1
        with pytest.raises(REFUSED), store.write() as tx:
            outbox.freeze_set(tx, COMPANY, AT, message_set(tx, "set-2"))
    with store.write() as tx:
        outbox.settle_set(tx, COMPANY, AT, "set-1", b"answer")
        outbox.freeze_set(tx, COMPANY, AT, message_set(tx, "set-2"))


def test_a_set_with_other_bytes_than_it_claims_is_refused(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a")
        made = message_set(tx)
    with pytest.raises(Bug) as caught, store.write() as tx:
        outbox.freeze_set(tx, COMPANY, AT, replace(made, body=made.body + b" "))
    assert str(caught.value) == "message set set-1 does not have the bytes it claims"
    with store.read() as tx:
        assert outbox.unsettled(tx, COMPANY) is None


def test_a_set_that_does_not_carry_an_operation_s_bytes_is_refused(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a")
        made = message_set(tx, body=b"<S><A/></S>")
    with pytest.raises(Bug) as caught, store.write() as tx:
        outbox.freeze_set(tx, COMPANY, AT, made)
    assert str(caught.value) == "message set set-1 does not carry the frozen bytes of operation a"
    with store.read() as tx:
        assert outbox.unsettled(tx, COMPANY) is None
        assert names(outbox.ready(tx, COMPANY, AT, 9)) == ["a"]


def test_a_set_is_settled_once_and_by_its_own_company(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a")
        outbox.freeze_set(tx, COMPANY, AT, message_set(tx))
    for company in ("zeta", COMPANY, COMPANY):
        settled = None
        with store.read() as tx:
            settled = outbox.unsettled(tx, COMPANY) is None
        if company == "zeta" or settled:
            with pytest.raises(Bug) as caught, store.write() as tx:
                outbox.settle_set(tx, company, AT, "set-1", b"other")
            assert str(caught.value) == "message set set-1 is settled already, or is not of this company"
        else:
            with store.write() as tx:
                outbox.settle_set(tx, company, LATER, "set-1", b"\0answer")
    with store.read() as tx:
        row = tx.one("set_get", {"id": "set-1", "company": COMPANY})
        assert row is not None
        assert (row["state"], bytes(row["answer"]), row["settled_at"], row["settled_no"]) == (
            "settled", b"\0answer", LATER, 1,
        )  # fmt: skip


def test_the_newest_settled_set_is_the_one_to_clear(store: Store) -> None:
    with store.write() as tx:
        assert outbox.uncleared(tx, COMPANY) is None
        for name in ("set-b", "set-a"):  # the newest is told by its number, not by its name or time
            outbox.freeze_set(tx, COMPANY, AT, message_set(tx, name))
            assert outbox.uncleared(tx, COMPANY) == (None if name == "set-b" else "set-b")
            outbox.settle_set(tx, COMPANY, AT, name, b"")
        assert outbox.uncleared(tx, COMPANY) == "set-a"
        assert outbox.uncleared(tx, "zeta") is None


def test_what_a_resent_set_keeps(store: Store) -> None:
    scope = {"id": "set-1", "company": COMPANY, "ticket_hash": "t-2", "at": LATER}
    with store.write() as tx:
        filled(tx, "a")
        made = message_set(tx)
        outbox.freeze_set(tx, COMPANY, AT, made)
        assert tx.run("set_doubt", {"id": "set-1", "company": COMPANY}) == 1
        assert tx.run("set_doubt", {"id": "set-1", "company": COMPANY}) == 0
        assert tx.run("set_resent", {**scope, "company": "zeta"}) == 0
        assert tx.run("set_resent", scope) == 1
        assert outbox.unsettled(tx, COMPANY) == replace(made, ticket_hash="t-2", attempts=2, sent_at=from_iso(LATER))
        assert [row["id"] for row in tx.rows("sets_open", {})] == ["set-1"]
        outbox.settle_set(tx, COMPANY, AT, "set-1", b"")
        assert tx.run("set_resent", scope) == 0


def test_an_operation_that_travelled_before_says_so(store: Store) -> None:
    with store.write() as tx:
        filled(tx, "a")
        outbox.freeze_set(tx, COMPANY, AT, message_set(tx))
        outbox.settle_set(tx, COMPANY, AT, "set-1", b"")
        outbox.put(tx, "a", "waiting")
        (row,) = outbox.ready(tx, COMPANY, AT, 9)
        assert outbox.operation_of(row).sent_before is True
        again = message_set(tx, "set-2")
        outbox.freeze_set(tx, COMPANY, AT, again)
        found = outbox.unsettled(tx, COMPANY)
        assert found is not None
        assert [op.sent_before for op in found.operations] == [False]  # it is under way, no more a retry
