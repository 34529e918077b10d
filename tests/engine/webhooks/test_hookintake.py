"""Webhooks together: what shares a commit, what comes twice, what is refused and counted, and what a bad one does to others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from engine.contract import Binding, Event
from engine.errors import StoreBusy, StoreDamaged
from engine.store import companies, hooks
from engine.store.hooks import Endpoint
from engine.store.sqlite import SqliteStore
from engine.webhooks import deliveries, hookintake, rotation
from engine.webhooks.hookintake import Call, Intake
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, count

HERE = Endpoint(COMPANY, "shop")


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


@pytest.fixture
def intake(bench: Bench) -> Intake:
    return Intake(bench.world, {FLOW: bench.program})


def call(
    name: str = "e-1", kind: str = "bill.ready", *, secret: str = "hush", at: Endpoint = HERE, **more: Any
) -> Call:
    body = json.dumps({"id": name, "type": kind, "object": "b-1", **more}).encode()
    return Call(at, {"x-signature": secret}, body)


def statuses(intake: Intake, *calls: Call) -> list[int]:
    return [answer.status for answer in intake.take(calls)]


def events(bench: Bench) -> list[tuple[int, str, int, str, bytes | None]]:
    """Number, id, times, what was brought forward, and the body of each event, the oldest first."""
    with bench.world.store.read() as tx:
        rows = hooks.page(tx, COMPANY, hooks.Sought(), hooks.BEYOND, 1000)
        return [
            (row["id"], row["event_id"], row["times"], row["streams"], hooks.body(tx, bench.world.vault, row))
            for row in reversed(rows)
        ]


def tallied(bench: Bench) -> list[tuple[str, str, int]]:
    with bench.world.store.read() as tx:
        return [(row["connection"], row["kind"], row["times"]) for row in hooks.tallies(tx, COMPANY, "")]


def test_many_share_one_commit(bench: Bench, intake: Intake) -> None:
    calls = [call(f"e-{n}") for n in range(50)]
    with stores.commits(bench.world.store) as kept:
        assert statuses(intake, *calls) == [200] * 50
    assert kept == ["COMMIT"]
    stream = f'["{FLOW}/bills"]'
    assert events(bench) == [(n + 1, f"e-{n}", 1, stream, calls[n].body) for n in range(50)]


def test_a_body_is_sealed_and_comes_back_byte_for_byte(bench: Bench, intake: Intake) -> None:
    body = '{"id": "e-1", "type": "bill.ready", "canary": "Grün \\u0000 €"}'.encode()
    assert statuses(intake, Call(HERE, {"x-signature": "hush"}, body)) == [200]
    assert [event[4] for event in events(bench)] == [body]
    dump = stores.dump(bench.world.store)
    assert "canary" not in dump
    assert b"canary".hex() not in dump.lower()


def test_what_comes_twice_has_one_effect_and_is_counted(bench: Bench, intake: Intake) -> None:
    poked: list[int] = []
    intake.poke = lambda: poked.append(1)
    assert statuses(intake, call(), call(), call("e-2")) == [200, 200, 200]
    assert statuses(intake, call(), call()) == [200, 200]
    intake.flush()
    assert [event[:3] for event in events(bench)] == [(1, "e-1", 4), (2, "e-2", 1)]
    assert (tallied(bench), poked, count(bench.world.store, "webhook_bodies")) == ([("shop", "again", 3)], [1], 1)


def test_a_storm_of_duplicates_writes_nothing(bench: Bench, intake: Intake) -> None:
    intake.take([call()])
    before = stores.written(bench.world.store)
    for _ in range(20):
        assert statuses(intake, *[call()] * 20) == [200] * 20
    assert stores.written(bench.world.store) == before
    intake.flush()
    assert events(bench)[0][2] == 401


def test_an_event_is_known_for_ever_also_without_its_body(bench: Bench, intake: Intake) -> None:
    intake.take([call()])
    bench.world.clock.sleep(365 * 86400)
    with bench.world.store.write() as tx:
        assert hooks.prune(tx, COMPANY, bench.world.at(), 100) == 1
    assert statuses(Intake(bench.world, {FLOW: bench.program}), call()) == [200]
    ((number, name, times, _, body),) = events(bench)
    assert (number, name, times, body) == (1, "e-1", 1, None)


@pytest.mark.parametrize("with_bodies", [False, True])
def test_counts_go_when_their_time_is_over_whatever_bodies_there_are(
    bench: Bench, intake: Intake, with_bodies: bool
) -> None:
    if with_bodies:
        intake.take([call()])
    intake.take([call(secret="x")])
    intake.flush()
    bench.world.clock.sleep(deliveries.BODIES_KEPT.total_seconds() - 86_400)
    intake.take([call(secret="x")])
    intake.flush()
    assert (deliveries.tidy(bench.world), tallied(bench)) == (0, [("shop", "forged", 2)])
    bench.world.clock.sleep(3 * 86_400)
    assert deliveries.tidy(bench.world) == int(with_bodies)
    assert tallied(bench) == [("shop", "forged", 1)]


def test_of_two_companies_each_has_its_own(bench: Bench, intake: Intake) -> None:
    with bench.world.store.write() as tx:
        kit.connected(tx, bench.world, "beta")
    assert statuses(intake, call(), call(at=Endpoint("beta", "shop"))) == [200, 200]
    with bench.world.store.read() as tx:
        found = [hooks.page(tx, name, hooks.Sought(), hooks.BEYOND, 9) for name in ("acme", "beta")]
    assert [[(row["company"], row["event_id"]) for row in rows] for rows in found] == [
        [("acme", "e-1")], [("beta", "e-1")],
    ]  # fmt: skip


def test_refused_ones_are_counted_by_kind_and_nothing_else_is_kept(bench: Bench, intake: Intake) -> None:
    none = Call(HERE, {"x-signature": "hush"}, b"not json")
    assert statuses(intake, call(secret="x"), none, call(secret="x"), call("e-2")) == [401, 400, 401, 200]
    intake.flush()
    assert tallied(bench) == [("shop", "forged", 2), ("shop", "no event", 1)]
    assert [event[1] for event in events(bench)] == ["e-2"]


def test_what_is_counted_while_counts_are_written_is_not_lost(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door counts what is too large while another thread writes what was counted before."""
    assert statuses(intake, call(secret="forged"), call()) == [401, 200]
    write = hooks.tally

    def tally(tx: Any, endpoint: Endpoint, kind: str, times: int, at: str) -> None:
        intake.count(HERE, "too large")
        intake.count(HERE, "forged")
        write(tx, endpoint, kind, times, at)

    monkeypatch.setattr(hooks, "tally", tally)
    intake.flush()
    monkeypatch.setattr(hooks, "tally", write)
    intake.flush()
    with bench.world.store.read() as tx:
        found = [(one["kind"], one["times"]) for one in hooks.tallies(tx, COMPANY, "")]
    assert (found, intake.has_counts) == ([("forged", 2), ("too large", 1)], False)


def test_addresses_that_are_none_leave_no_trace(bench: Bench, intake: Intake) -> None:
    before = stores.written(bench.world.store)
    calls = [call(at=Endpoint(f"c-{n}", "shop")) for n in range(20)]
    assert statuses(intake, *calls) == [401] * 20
    intake.flush()
    assert (stores.written(bench.world.store), intake.has_counts) == (before, False)


@pytest.mark.parametrize("text", ["", "x" * 301, "a\nb", "a\0b", "a\ud800b", "a\u202eb"])
def test_a_name_that_cannot_be_kept_is_no_event(bench: Bench, intake: Intake, text: str) -> None:
    assert statuses(intake, call(text), call("e-2")) == [400, 200]
    assert [event[1] for event in events(bench)] == ["e-2"]


def test_a_connector_that_fails_fails_alone(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = kit.ShopConnector.verify

    def verify(self: Any, binding: Binding, headers: Any, body: bytes) -> Any:
        if b"e-bad" in body:
            raise ZeroDivisionError
        return inner(self, binding, headers, body)

    monkeypatch.setattr(kit.ShopConnector, "verify", verify)
    assert statuses(intake, call(), call("e-bad"), call("e-2")) == [200, 503, 200]
    assert [event[1] for event in events(bench)] == ["e-1", "e-2"]
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["error"].startswith("ZeroDivisionError")


def test_one_that_cannot_be_kept_keeps_no_other_out(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = hooks.keep

    def failing(tx: Any, vault: Any, endpoint: Endpoint, fresh: Any, at: str) -> None:
        if any(kept.event.id == "e-2" for kept in fresh):
            raise ZeroDivisionError
        keep(tx, vault, endpoint, fresh, at)

    monkeypatch.setattr(hooks, "keep", failing)
    assert statuses(intake, call("e-1"), call("e-2"), call("e-3")) == [200, 503, 200]
    assert [event[1] for event in events(bench)] == ["e-1", "e-3"]


@pytest.mark.parametrize("error", [StoreBusy("disk full"), StoreDamaged("broken")])
def test_a_store_that_takes_nothing_asks_for_all_again(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_self: object, *_of: str) -> None:
        raise error

    backend = type(bench.world.store)
    with monkeypatch.context() as patch:
        patch.setattr(backend, "write", refuse)
        answers = intake.take([call(), call("e-2")])
        assert [(a.status, a.headers["retry-after"]) for a in answers] == [(503, "5")] * 2
        patch.setattr(backend, "read", refuse)
        assert statuses(intake, call()) == [503]
        intake.flush()
    assert statuses(intake, call(), call("e-2")) == [200, 200]


@pytest.mark.only_sqlite("its file is given no more pages; of a full disk of PostgreSQL's, its error tells")
def test_a_full_disk_is_answered_503_and_leaves_nothing(bench: Bench, intake: Intake) -> None:
    store = bench.world.store
    assert isinstance(store, SqliteStore)
    intake.take([call("e-0")])
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    large = [call(f"e-{n}", filler="x" * 50_000) for n in range(1, 4)]
    assert statuses(intake, *large) == [503] * 3
    assert [event[1] for event in events(bench)] == ["e-0"]
    store.connection.execute("PRAGMA max_page_count = 1073741823")
    assert statuses(intake, *large) == [200] * 3
    assert [event[1] for event in events(bench)] == ["e-0", "e-1", "e-2", "e-3"]


def test_a_process_that_dies_before_its_commit_answers_nobody(bench: Bench, intake: Intake) -> None:
    class Killed(BaseException):
        pass

    with stores.failing_commits(bench.world.store, Killed()), pytest.raises(Killed):
        intake.take([call()])
    assert events(bench) == []
    assert statuses(intake, call()) == [200]


def test_the_log_is_not_flooded(bench: Bench, intake: Intake, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(50):
        intake.take([call(secret="wrong")])
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["connection"]) for line in lines] == [("webhook refused", "shop")]


# --- secrets that change


def renew(bench: Bench, **secrets: str) -> None:
    with bench.world.store.write() as tx:
        for name, secret in secrets.items():
            companies.put_secret(tx, bench.world.vault, COMPANY, "shop", name, secret, bench.world.at())


def test_a_new_secret_counts_at_once_though_the_old_one_was_remembered(bench: Bench, intake: Intake) -> None:
    assert statuses(intake, call()) == [200]
    renew(bench, hook_secret="new")
    assert statuses(intake, call("e-2", secret="new")) == [200]


def test_an_old_secret_is_not_believed_longer_than_a_second(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert statuses(intake, call()) == [200]
    renew(bench, hook_secret="new")
    monkeypatch.setattr(hookintake, "BELIEVED_S", 0.0)
    assert statuses(intake, call("e-2")) == [401]


def test_a_flood_of_forged_calls_reads_the_connection_once(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Endpoint] = []
    bind = Intake._bind

    def counted(self: Intake, tx: Any, endpoint: Endpoint) -> Any:
        read.append(endpoint)
        return bind(self, tx, endpoint)

    monkeypatch.setattr(Intake, "_bind", counted)
    intake.take([call()])
    assert statuses(intake, *[call(secret="wrong")] * 50) == [401] * 50
    assert read == [HERE, HERE]


class TwoSecrets:
    """Takes the secret before as well, as connectors of vendors do."""

    @staticmethod
    def verify(_self: Any, binding: Binding, headers: Any, body: bytes) -> Event:
        from engine.errors import ForgedWebhook

        given = [binding.secrets.get(name) for name in ("hook_secret", "hook_secret_previous")]
        if headers["x-signature"] not in given:
            raise ForgedWebhook
        return Event(json.loads(body)["id"], "bill.ready", None)


def test_the_secret_before_is_accepted_for_a_week(
    bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.ShopConnector, "verify", TwoSecrets.verify)
    monkeypatch.setattr(hookintake, "BELIEVED_S", -1.0)
    renew(bench, hook_secret="new", hook_secret_previous="hush")
    assert statuses(intake, call("1"), call("2", secret="new"), call("3", secret="no")) == [200, 200, 401]
    with bench.world.store.read() as tx:
        assert rotation.ends(tx, COMPANY, "shop") == {"hook_secret_previous": "2026-03-09T14:00:00.000000Z"}
    bench.world.clock.sleep(7 * 86400 - 1)
    assert statuses(intake, call("4"), call("5", secret="new")) == [200, 200]
    bench.world.clock.sleep(1)
    assert statuses(intake, call("6"), call("7", secret="new")) == [401, 200]


def test_the_secret_before_can_be_ended_at_once(bench: Bench, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.follow import Hand
    from engine.store import journal

    monkeypatch.setattr(kit.ShopConnector, "verify", TwoSecrets.verify)
    renew(bench, hook_secret="new", hook_secret_previous="hush")
    assert statuses(intake, call("1")) == [200]
    hand = Hand(COMPANY, bench.world.at(), "cli:pat")
    with bench.world.store.write() as tx:
        assert rotation.retire(tx, hand, "shop") == ("hook_secret_previous",)
        (line,) = [one for one in journal.lines(tx, COMPANY) if one["event"] == "webhook_secret_retired"]
    assert (line["actor"], line["detail"]) == ("cli:pat", '{"connection":"shop","secrets":["hook_secret_previous"]}')
    monkeypatch.setattr(hookintake, "BELIEVED_S", -1.0)
    assert statuses(intake, call("2"), call("3", secret="new")) == [401, 200]
    with bench.world.store.write() as tx, pytest.raises(rotation.NothingToRetire):
        rotation.retire(tx, hand, "shop")


# --- what is older than this


def test_events_of_an_older_flowctl_stay_known() -> None:
    import sqlite3

    from engine.store import sqlite

    old = sqlite3.connect(":memory:", isolation_level=None)
    for _, scripts in sqlite._migrations():
        if any("webhook_events_before" in script for script in scripts):
            row = "('acme', 'shop', '{0}', 'bill.ready', NULL, '2026-03-0{0}')"
            old.execute(f"INSERT INTO webhook_events VALUES {row.format(2)}, {row.format(1)}")
        for script in scripts:
            for statement in sqlite._split(script):
                old.execute(statement)
    columns = "id, event_id, received_at, times, last_at, streams"
    assert old.execute(f"SELECT {columns} FROM webhook_events ORDER BY id").fetchall() == [
        (1, "1", "2026-03-01", 1, "2026-03-01", "[]"),
        (2, "2", "2026-03-02", 1, "2026-03-02", "[]"),
    ]
    assert old.execute("SELECT value FROM counters WHERE name = 'webhook'").fetchall() == [(2,)]
    old.close()


def test_a_rotation_of_the_data_key_takes_the_bodies_along(bench: Bench, intake: Intake) -> None:
    from engine.store import keys
    from engine.upkeep import rekeying

    for n in range(3):
        intake.take([call(f"e-{n}")])
    done = rekeying.rotate(bench.world, "cli:pat")
    with bench.world.store.read() as tx:
        assert list(keys.in_use(tx)) == [done.key_id]
    assert [json.loads(event[4] or b"{}")["id"] for event in events(bench)] == ["e-0", "e-1", "e-2"]


def test_a_flow_that_the_company_cannot_run_is_not_brought_forward(bench: Bench, intake: Intake) -> None:
    from engine.store import work

    with bench.world.store.write() as tx:
        companies.add(tx, "beta", "Beta", kit.AT)
        companies.put_connection(tx, "beta", "shop", "shop", {}, kit.AT)
        for name, secret in (("api_key", "k"), ("hook_secret", "hush")):
            companies.put_secret(tx, bench.world.vault, "beta", "shop", name, secret, kit.AT)
    assert statuses(intake, call(at=Endpoint("beta", "shop"))) == [200]
    with bench.world.store.read() as tx:
        (row,) = hooks.page(tx, "beta", hooks.Sought(), hooks.BEYOND, 9)
        assert (row["streams"], tx.rows("schedule_of", {"company": "beta", "flow": FLOW})) == ("[]", [])
    with bench.world.store.write() as tx:  # connected later, it is read at once, whatever came before
        assert work.due_streams(tx, "beta", FLOW, ("bills",), kit.AT) == ("bills",)


def test_a_flow_that_is_off_is_not_brought_forward(bench: Bench, intake: Intake) -> None:
    from engine import flowswitch
    from engine.follow import Hand

    with bench.world.store.write() as tx:
        flowswitch.switch(tx, Hand(COMPANY, kit.AT, "cli:pat"), bench.program.flow, on=False)
    assert statuses(intake, call()) == [200]
    assert [event[3] for event in events(bench)] == ["[]"]


@pytest.mark.only_sqlite("its plans are looked at")
def test_no_statement_of_the_page_scans_a_table(bench: Bench) -> None:
    from engine.store.base import statements

    store = bench.world.store
    assert isinstance(store, SqliteStore)
    for name in (
        "hooks_page",
        "hook_newest",
        "hooks_known",
        "hook_get",
        "hook_body_get",
        "hook_body_older",
        "hook_records",
    ):
        text = statements()[name]
        given = dict.fromkeys(re.findall(r":(\w+)", text), "")
        if "ids" in given:
            given["ids"] = "[]"
        plan = [row[3] for row in store.connection.execute(f"EXPLAIN QUERY PLAN {text}", given)]
        assert not [line for line in plan if line.startswith("SCAN") and "json_each" not in line], (name, plan)
        assert not [line for line in plan if "TEMP B-TREE" in line], (name, plan)


def test_the_doctor_says_when_the_newest_was_refused(bench: Bench, intake: Intake) -> None:
    from engine.health import Finding, _refused

    def found() -> list[Finding]:
        intake.flush()
        bench.world.clock.sleep(1)
        return list(_refused(bench.world, COMPANY, "shop"))

    assert found() == []
    intake.take([call(secret="wrong"), call(secret="wrong")])
    told = Finding(
        "warn",
        "acme/shop",
        "the newest webhook had a wrong signature, or none; 2 of them in the last 7 days",
        "when it was the vendor's, its secret is another by now: "
        "`flowctl webhook subscribe shop --company acme --url ADDRESS` makes a new one",
    )
    assert found() == [told]
    intake.take([call("e-1")])
    assert found() == []
