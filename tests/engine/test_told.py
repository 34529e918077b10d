"""A target says of itself what a setting means: its word counts, and what was prepared with another is prepared anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from engine import flowview, told
from engine.connections.connecting import SettingWrong
from engine.desk import StoreOutbox
from engine.evidence import Told
from engine.follow import Hand
from engine.operator import flowsettings
from engine.store import companies
from engine.told import Standing
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, YAML, Bench, bill

HAND = Hand(COMPANY, AT, "cli:pat")
TEXT = (
    YAML.replace(
        "lookups:\n",
        "  home_currency: {type: text, default: USD, told_by: ledger.home_currency, help: Home currency}\nlookups:\n",
        1,
    )
    .replace(
        "    check:\n",
        "    check:\n      - {expect: \"currency == setting('home_currency')\", say: another currency}\n",
        1,
    )
    .replace(
        "      amount: money(amount)\n      lines:",
        "      amount: money(amount)\n      currency: currency\n      lines:",
    )
)
SURE, GUESS = Told("CAD", is_sure=True), Told("CAD", is_sure=False)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(TEXT) as made:
        made.shop.listed["bills"] = [bill(currency="USD")]
        yield made


def say(bench: Bench, **said: Told) -> None:
    with bench.outbox.transaction() as desk:
        desk.books.told(COMPANY, said)


def put(bench: Bench, value: str | None) -> int:
    setting = flowsettings.require(bench.program.flow, "home_currency")
    with bench.world.store.write() as tx:
        return flowsettings.change(tx, HAND, bench.program.flow, flowsettings.Wish(setting, value))


def standing(bench: Bench) -> Standing:
    with bench.world.store.read() as tx:
        found = told.standings(tx, COMPANY, bench.program.flow)["home_currency"]
        assert told.values(tx, COMPANY, bench.program)["home_currency"] == found.value
    return found


def noted(bench: Bench) -> list[Mapping[str, object]]:
    with bench.world.store.read() as tx:
        rows = tx.rows("journal_from", {"company": COMPANY, "after": 0, "limit": 1000})
    return [json.loads(row["detail"]) for row in rows if row["event"] == "setting"]


@pytest.mark.parametrize(
    ("own", "said", "expected"),
    [
        (None, None, Standing("USD")),
        ("EUR", None, Standing("EUR", "EUR")),
        (None, GUESS, Standing("CAD", None, "ledger")),
        ("EUR", GUESS, Standing("EUR", "EUR")),
        (None, SURE, Standing("CAD", None, "ledger")),
        ("EUR", SURE, Standing("CAD", "EUR", "ledger")),
    ],
)
def test_whose_word_counts(bench: Bench, own: str | None, said: Told | None, expected: Standing) -> None:
    if own:
        put(bench, own)
    say(bench, **({"home_currency": said} if said else {}), size=Told("big", is_sure=True))
    assert standing(bench) == expected


def test_what_is_prepared_is_prepared_anew_with_what_the_target_says(bench: Bench) -> None:
    bench.run()
    assert bench.states() == {"b-1": "intended"}
    say(bench, home_currency=GUESS)
    assert bench.send() is None
    bench.run()
    assert (bench.states(), bench.reasons("b-1")) == ({"b-1": "failed"}, [("check", "another currency")])
    assert noted(bench) == [{"setting": "home_currency", "value": "CAD", "told_by": "ledger"}]


def test_the_same_word_again_changes_nothing(bench: Bench) -> None:
    bench.run()
    for _ in range(2):
        say(bench, home_currency=Told("USD", is_sure=True))
    assert noted(bench) == []
    made = bench.send()
    assert made is not None
    assert len(made.operations) == 1


def test_what_is_under_way_stays_under_way(bench: Bench) -> None:
    bench.run()
    made = bench.send()
    assert made is not None
    say(bench, home_currency=SURE)
    assert bench.states() == {"b-1": "sent"}
    bench.settle(made)
    assert bench.states() == {"b-1": "posted"}


def test_no_other_value_can_be_set_once_the_target_is_sure(bench: Bench) -> None:
    say(bench, home_currency=SURE)
    with pytest.raises(SettingWrong, match="`ledger` says that it is `CAD`, and that counts") as refused:
        put(bench, "USD")
    assert "right company" in (refused.value.hint or "")
    put(bench, "CAD")
    put(bench, None)
    say(bench, home_currency=GUESS)
    put(bench, "EUR")
    assert standing(bench).value == "EUR"


def test_where_a_person_reads_the_settings_it_says_whose_word_it_is(bench: Bench) -> None:
    say(bench, home_currency=SURE)
    with bench.world.store.read() as tx:
        assert companies.settings(tx, COMPANY, bench.program.flow.name) == {}
        view = flowview.view(tx, COMPANY, bench.program)
    shown = {one.name: (one.value, one.told_by) for one in view.settings}
    assert shown["home_currency"] == ("CAD", "Ledger")
    assert shown["with_payments"] == ("yes", "")


@pytest.mark.parametrize("is_told_elsewhere", [True, False])
def test_a_process_that_serves_other_flows_does_not_keep_it_from_being_prepared_anew(
    bench: Bench, *, is_told_elsewhere: bool
) -> None:
    bench.run()
    assert bench.states() == {"b-1": "intended"}
    if is_told_elsewhere:
        with StoreOutbox(bench.world, {}).transaction() as desk:
            desk.books.told(COMPANY, {"home_currency": SURE})
    say(bench, home_currency=SURE)
    assert bench.states() == {"b-1": "pending"}
    say(bench, home_currency=SURE)
    assert len(noted(bench)) == 1
