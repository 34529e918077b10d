"""Passwords, throttling and tickets."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from connectors.qbwc import auth
from connectors.qbwc.auth import Doorkeeper, new_ticket, ticket_hash
from engine.access.passwords import hash_password
from engine.clock import SystemIds
from engine.contract import Login
from tests.connectors.qbwc.kit import password_hash
from tests.connectors.qbwc.memory_outbox import FakeClock


def login() -> Login:
    return Login("acme", "books", password_hash())


def keeper() -> tuple[Doorkeeper, FakeClock]:
    clock = FakeClock()
    return Doorkeeper(clock), clock


def test_the_right_password_opens_and_everything_else_does_not() -> None:
    door, _ = keeper()
    assert door.check(login(), "a", "books", "pw") == "yes"
    assert door.check(login(), "a", "books", "pw ") == "no"
    assert door.check(login(), "a", "books", "") == "no"
    assert door.check(None, "a", "nobody", "pw") == "no"
    assert door.check(login(), "a", "", "pw") == "no"
    assert door.check(login(), "a", "books", "x" * 257) == "no"
    assert door.check(Login("acme", "books", "not a hash"), "b", "books", "pw") == "no"


def test_hashes_are_argon2id_and_salted() -> None:
    assert password_hash().startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_password("pw") != hash_password("pw")


def hashing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = auth._matches

    def count(stored: str, password: str) -> bool:
        seen.append(password)
        return real(stored, password)

    monkeypatch.setattr(auth, "_matches", count)
    return seen


def test_an_unknown_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    door, _ = keeper()
    seen = hashing(monkeypatch)
    door.check(None, "a", "nobody", "guess")
    door.check(login(), "a", "books", "guess")
    assert seen == ["guess", "guess"]


def test_what_passed_once_passes_again_without_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    door, _ = keeper()
    seen = hashing(monkeypatch)
    assert [door.check(login(), "a", "books", "pw") for _ in range(3)] == ["yes"] * 3
    assert len(seen) == 1
    # A new password ends it at once.
    assert door.check(Login("acme", "books", hash_password("new")), "a", "books", "pw") == "no"


def test_ten_thousand_guesses_are_few_hashes_and_the_user_still_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    door, clock = keeper()
    seen = hashing(monkeypatch)
    for _ in range(10_000):
        clock.sleep(0.06)  # ten minutes in all
        assert door.check(login(), "stranger", "books", "guess") == "no"
    assert len(seen) <= 20
    assert door.check(login(), "own office", "books", "pw") == "yes"
    clock.sleep(301)
    assert door.check(login(), "stranger", "books", "pw") == "yes"


def test_a_caller_that_tries_many_users_is_sent_away_but_not_those_it_had_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door, clock = keeper()
    assert door.check(login(), "proxy", "books", "pw") == "yes"
    seen = hashing(monkeypatch)
    answers = [door.check(None, "proxy", f"user{n}", "guess") for n in range(200)]
    assert answers == ["no"] * 60 + ["busy"] * 140
    assert len(seen) == 60
    assert door.check(login(), "proxy", "books", "pw") == "yes"
    assert door.check(None, "elsewhere", "user1", "guess") == "no"
    clock.sleep(61)
    assert door.check(None, "proxy", "user1", "guess") == "no"


def test_more_logins_than_hashing_slots_are_told_to_come_back() -> None:
    door = Doorkeeper(FakeClock(), threading.BoundedSemaphore(1), wait_s=0.01)
    door.slots.acquire()
    assert door.check(login(), "a", "books", "pw") == "busy"
    door.slots.release()
    assert door.check(login(), "a", "books", "pw") == "yes"


def test_memory_of_guesses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_REMEMBERED", 10)
    monkeypatch.setattr(auth, "_matches", lambda *_: False)
    door, _ = keeper()
    for n in range(50):
        door.check(None, f"client{n}", "books", "guess")
    assert (len(door._pairs), len(door._callers)) == (10, 10)


def test_tickets_are_long_random_and_kept_as_digests() -> None:
    made = {new_ticket(SystemIds()) for _ in range(100)}
    assert len(made) == 100
    assert {len(ticket) for ticket in made} == {22}
    assert ticket_hash("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_a_forked_process_hashes_with_threads_of_its_own() -> None:
    """The executor of its parent is there and has no thread: a check would wait for ever."""
    clock = FakeClock()
    assert Doorkeeper(clock).check(None, "1.2.3.4", "acme", "guess") == "no"
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def check() -> None:
        theirs.send(Doorkeeper(clock).check(None, "1.2.3.4", "acme", "guess"))

    process = context.Process(target=check, daemon=True)
    process.start()
    try:
        assert ours.poll(30), "the forked process does not answer"
        assert ours.recv() == "no"
    finally:
        process.kill()
        process.join()
