"""Records matched with objects of a list: the one that fits, none that another has, and what is left to a person."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from engine import matching
from engine.contract import ListObject
from engine.errors import Bug, Rejected, UsageError
from engine.follow import Hand
from engine.lookups import Resolver
from engine.matching import Matched, Matcher, Owner
from engine.operator import mapfile, worklist
from engine.operator.targets import NoSuchMatch, Target, find_target
from engine.store import claims, lists, records
from engine.store.claims import Claim
from tests.engine import match_kit
from tests.engine.kit import AT, COMPANY, bill
from tests.engine.match_kit import NAME, charge, listed, mapped, written
from tests.engine.push_kit import CloudBench


@pytest.fixture
def bench() -> Iterator[CloudBench]:
    with match_kit.bench(match_kit.MATCHED) as made:
        made.shop.listed["bills"] = [bill("b-1")]
        yield made


def reason(bench: CloudBench, source_id: str) -> records.Reason:
    (found,) = records.load_reasons(bench.record(source_id))
    return found


# --- candidates


@pytest.mark.parametrize(
    ("amount", "currency", "day", "days", "found"),
    [
        ("10.50", "USD", "2026-03-04", 2, ["t-2", "t-3", "t-1"]),  # the nearest first, then by id
        ("10.5", "usd", "2026-03-04", 2, ["t-2", "t-3", "t-1"]),
        ("10.50", "USD", "2026-03-04", 0, ["t-2"]),
        ("10.50", "USD", "2026-03-04", 1, ["t-2", "t-3"]),
        ("10.50", "USD", "2026-03-01", 1, ["t-1"]),
        ("10.50", "EUR", "2026-03-04", 2, ["t-4"]),
        ("10.51", "USD", "2026-03-04", 2, []),
        ("-10.50", "USD", "2026-03-04", 2, []),
        ("10.50", "USD", "2027-03-04", 2, []),
        ("1", "USD", "2026-03-04", 9, []),
        ("10.50", "USD", "0001-01-01", 9999, []),
    ],
)
def test_candidates(bench: CloudBench, amount: str, currency: str, day: str, days: int, found: list[str]) -> None:
    listed(
        bench,
        "charges",
        charge("t-3", "2026-03-05", "10.5", "usd"),
        charge("t-2", "2026-03-04T23:00:00Z", "10.500", "USD"),
        charge("t-1", "2026-03-02", "10.50", "USD"),
        charge("t-4", "2026-03-04", "10.50", "EUR"),
        charge("t-5", "2026-03-04", "10.50", "USD", active=False),
        charge("t-6", "soon", "10.50", "USD"),
        charge("t-7", "2026-03-04", "ten", "USD"),
        ListObject("t-8", "Staples", data={"amount": "1", "currency": None, "date": "2026-03-04"}),
        ListObject("t-9", "Staples"),
    )
    with bench.world.store.write() as tx:
        matcher = Resolver(tx, COMPANY, bench.program.flow, {}).at(tx).matcher
        assert [o["list_id"] for o in matcher.candidates("card", Decimal(amount), currency, day, days)] == found


def test_either_of_two_amounts_fits(bench: CloudBench) -> None:
    other = {"amount": "18.40", "currency": "USD", "date": "2026-03-04"}
    listed(
        bench,
        "charges",
        ListObject("t-1", "Staples", data={**other, "other_amount": "17.00", "other_currency": "EUR"}),
        ListObject("t-2", "Staples", data={**other, "other_amount": None, "other_currency": None}),
        ListObject("t-3", "Staples", data={**other, "other_amount": "18.4", "other_currency": "usd"}),
        ListObject("t-4", "Staples", data={**other, "amount": None, "other_amount": "17", "other_currency": "EUR"}),
    )
    with bench.world.store.write() as tx:
        matcher = Resolver(tx, COMPANY, bench.program.flow, {}).at(tx).matcher
        found = [
            [item["list_id"] for item in matcher.candidates("card", Decimal(amount), currency, "2026-03-04", 0)]
            for amount, currency in (("17.00", "EUR"), ("18.40", "USD"), ("17.00", "USD"))
        ]
    assert found == [["t-1", "t-4"], ["t-1", "t-2", "t-3"], []]


def test_a_list_is_put_in_order_once_for_each_of_its_revisions(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(bench, "charges", charge("t-1"))
    read: list[str] = []
    real = lists.objects

    def objects(tx: object, company: str, name: str) -> list[ListObject]:
        read.append(name)
        return real(tx, company, name)  # type: ignore[arg-type]

    monkeypatch.setattr(lists, "objects", objects)
    with bench.world.store.write() as tx:
        resolver = Resolver(tx, COMPANY, bench.program.flow, {})
    ask = ("card", Decimal(100), "EUR", "2026-02-27", 3)
    for _ in range(3):
        with bench.world.store.write() as tx:
            assert len(resolver.at(tx).matcher.candidates(*ask)) == 1
            lists.put_mapping(tx, COMPANY, lists.Mapping(NAME, "card", "x", "none"), "ann", AT)
    assert read == ["cloud.charges"]
    listed(bench, "charges", charge("t-1"), charge("t-2"))
    with bench.world.store.write() as tx:
        assert len(resolver.at(tx).matcher.candidates(*ask)) == 2
    assert read == ["cloud.charges", "cloud.charges"]


# --- one fits


def test_the_only_one_that_fits_is_the_records_for_ever(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"), charge("t-2", amount="100.01"))
    bench.run()
    assert written(bench) == ["N-b-1 t-1"]
    assert match_kit.claims(bench) == {"t-1": "b-1"}
    # Another that looks the same does not get it, in this run or a later one.
    bench.shop.listed["bills"].append(bill("b-2"))
    bench.run()
    assert reason(bench, "b-2") == records.Reason(
        "ambiguous",
        "one object of the charges list fits b-2: `Staples 2026-02-27 100.00 EUR (t-1)`, which bills/b-1 has",
        "run `flowctl map set shop_to_cloud card b-2 ID-OR-none --company acme`",
        ("mapping:card:b-2", "list:cloud.charges"),
    )
    # Once it is written, it leaves the list; then the other one waits like any that has none.
    listed(bench, "charges")
    bench.run()
    assert bench.reasons("b-2") == [("waiting", "nothing fits yet; it is written otherwise from 2026-03-04")]


def test_of_two_in_one_page_the_second_sees_it_as_taken(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    assert bench.run() == {"bills": {"read": 2, "intended": 1, "deferred": 1}}
    assert written(bench) == ["N-b-1 t-1"]
    assert bench.reasons("b-2") == [
        (
            "ambiguous",
            "one object of the charges list fits b-2: `Staples 2026-02-27 100.00 EUR (t-1)`, which bills/b-1 has",
        )
    ]


def test_the_journal_says_what_it_was_matched_with(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    bench.run()
    with bench.world.store.read() as tx:
        line = tx.rows("journal_of_record", {"record_id": bench.record("b-1")["id"]})[0]
    assert '"matched":{"card":"t-1"}' in line["detail"].replace(" ", "")


def test_what_is_written_stays_matched_when_the_source_changes(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    bench.run()
    listed(bench, "charges", charge("t-2"))
    bench.shop.listed["bills"] = [bill("b-1", memo="seen by nobody")]
    bench.run()
    assert bench.record("b-1")["drifted"] == 0
    assert bench.alerts() == []


def test_what_was_written_otherwise_is_matched_with_nothing_later(bench: CloudBench) -> None:
    bench.passed(5 * 86400)
    bench.run()
    assert written(bench) == ["N-b-1"]
    listed(bench, "charges", charge("t-1"))
    bench.shop.listed["bills"] = [bill("b-1", memo="seen by nobody")]
    bench.run()
    assert bench.record("b-1")["drifted"] == 0
    assert match_kit.claims(bench) == {}


# --- a claim ends


def prepared(bench: CloudBench, *found: ListObject) -> None:
    """Prepared, and not sent."""
    listed(bench, "charges", *found)
    runner = bench.runner
    runner.push_limit = 0
    runner.run(bench.program, COMPANY)


def test_a_record_that_is_prepared_anew_gives_back_what_it_had(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    prepared(bench, charge("t-1"))
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "intended", "b-2": "deferred"}, {"t-1": "b-1"})
    bench.shop.listed["bills"] = [bill("b-1", "99.00"), bill("b-2")]
    prepared(bench, charge("t-1"))
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "deferred", "b-2": "intended"}, {"t-1": "b-2"})


def test_a_record_that_is_gone_from_the_source_gives_it_back(bench: CloudBench) -> None:
    prepared(bench, charge("t-1"))
    bench.shop.listed["bills"] = []
    bench.run()
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "skipped"}, {})


def test_a_record_that_is_refused_gives_it_back(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    bench.cloud.faults[1] = Rejected("no")
    bench.runner.run(bench.program, COMPANY)
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "failed"}, {})


def test_while_nobody_knows_whether_it_was_written_it_keeps_it(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    bench.cloud.faults[1] = "before"
    bench.runner.run(bench.program, COMPANY)
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "unknown"}, {"t-1": "b-1"})
    bench.passed(3600)
    bench.run()
    assert (written(bench), match_kit.claims(bench)) == (["N-b-1 t-1"], {"t-1": "b-1"})


def test_one_whose_object_left_the_list_before_it_was_sent_is_matched_anew_when_it_changes(bench: CloudBench) -> None:
    prepared(bench, charge("t-1"))
    listed(bench, "charges")
    bench.shop.listed["bills"] = [bill("b-1", memo="a word")]
    bench.run()
    assert bench.reasons("b-1") == [("waiting", "nothing fits yet; it is written otherwise from 2026-03-04")]
    assert match_kit.claims(bench) == {}


def test_the_store_refuses_a_second_claim(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    prepared(bench, charge("t-1"))
    with bench.world.store.write() as tx, pytest.raises(Bug):
        claims.put(tx, bench.record("b-2"), Claim("card", "t-1", {}))


# --- several fit


def test_of_several_a_person_chooses_one(bench: CloudBench) -> None:
    days = (charge(f"t-{day}", f"2026-02-2{day}") for day in range(4, 9))
    listed(bench, "charges", *days, charge("t-1"), charge("t-9", "2026-02-26"))
    bench.run()
    assert reason(bench, "b-1") == records.Reason(
        "ambiguous",
        "7 objects of the charges list fit b-1: `Staples 2026-02-27 100.00 EUR (t-1)`; "
        "`Staples 2026-02-27 100.00 EUR (t-7)`; `Staples 2026-02-26 100.00 EUR (t-6)`; "
        "`Staples 2026-02-28 100.00 EUR (t-8)`; `Staples 2026-02-26 100.00 EUR (t-9)`; and 2 more",
        "run `flowctl map set shop_to_cloud card b-1 ID-OR-none --company acme`",
        ("mapping:card:b-1", "list:cloud.charges"),
    )
    assert bench.alerts() == [("deferred", "shop_to_cloud/bills/b-1", 1)]
    assert mapped(bench, "card", "b-1", "t-8") == 1
    bench.run()
    assert (written(bench), match_kit.claims(bench)) == (["N-b-1 t-8"], {"t-8": "b-1"})
    assert bench.alerts() == []


def test_none_of_them_is_meant(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"), charge("t-2"))
    bench.run()
    mapped(bench, "card", "b-1", "NONE")
    bench.run()
    assert bench.reasons("b-1") == [("waiting", "nothing fits yet; it is written otherwise from 2026-03-04")]
    bench.passed(2 * 86400)
    listed(bench, "charges", charge("t-1"))
    bench.run()
    assert (written(bench), match_kit.claims(bench)) == (["N-b-1"], {})


@pytest.mark.parametrize(
    ("today", "reason"),
    [
        ("2026-03-01", "nothing fits yet; it is written otherwise from 2026-03-02"),
        ("2026-03-02", None),
        ("2026-03-09", None),
    ],
)
def test_a_wait_ends_by_a_list_that_was_read_since(bench: CloudBench, today: str, reason: str | None) -> None:
    listed(bench, "charges")
    with bench.world.store.write() as tx:
        matcher = Matcher(tx, COMPANY, bench.program.flow, today)
        said = matcher.waited("card", "2026-02-27", 3, Owner("bills", "b-1"))
    assert (said and said.message) == reason


def test_a_list_that_was_read_too_long_ago_says_nothing_of_what_came_since(bench: CloudBench) -> None:
    listed(bench, "charges")
    with bench.world.store.write() as tx:
        matcher = Matcher(tx, COMPANY, bench.program.flow, "2026-03-09")
        assert matcher.waited("card", "2026-02-27", 4, Owner("bills", "b-1")) == records.Reason(
            "waiting",
            "nothing fits yet, and the charges list was read on 2026-03-02 last; it is written otherwise once that is read again",
            "it is looked at again each time the charges list is read",
            ("list:cloud.charges",),
        )


@pytest.mark.parametrize(("since", "waits"), [("2025-12-02", True), ("2025-12-03", False), ("", False)])
def test_what_may_be_older_than_what_is_listed_waits_for_a_person(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch, since: str, waits: bool
) -> None:
    monkeypatch.setattr(matching, "covers_days", lambda *_: 90)
    with bench.world.store.write() as tx:
        matched = Matcher(tx, COMPANY, bench.program.flow, "2026-03-02").match("card", "b 1", [], Owner("", ""), since)
    assert matched.reason == (
        records.Reason(
            "ambiguous",
            "nothing fits in the charges list, which is whole only since 2025-12-03",
            "when an older one is meant, run `flowctl skip 'b 1' --company acme`; "
            "when none is, run `flowctl map set shop_to_cloud card 'b 1' none --company acme`",
            ("mapping:card:b 1", "list:cloud.charges"),
        )
        if waits
        else None
    )


def test_a_person_says_that_none_is_meant_however_old(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "covers_days", lambda *_: 90)
    with bench.world.store.write() as tx:
        lists.put_mapping(tx, COMPANY, lists.Mapping(NAME, "card", "b-1", "none"), "ann", AT)
        matcher = Matcher(tx, COMPANY, bench.program.flow, "2026-03-02")
        assert matcher.match("card", "b-1", [], Owner("", ""), "2025-01-01") == Matched()


def test_what_a_person_chose_for_one_is_no_other_records(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    mapped(bench, "card", "b-9", "t-1")
    bench.run()
    assert bench.reasons("b-1") == [
        ("ambiguous", "one object of the charges list fits b-1: `Staples 2026-02-27 100.00 EUR (t-1)`, which b-9 has")
    ]


def test_who_only_waits_to_be_sent_makes_way_for_whom_a_person_chose(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    prepared(bench, charge("t-1"))
    mapped(bench, "card", "b-2", "t-1")
    assert match_kit.claims(bench) == {}
    bench.run()
    assert bench.states() == {"b-1": "deferred", "b-2": "closed"}
    assert match_kit.claims(bench) == {"t-1": "b-2"}


def test_what_is_written_for_another_cannot_be_chosen_as_well(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run()
    mapped(bench, "card", "b-2", "t-1")
    bench.run()
    assert bench.reasons("b-2") == [
        ("ambiguous", "`Staples 2026-02-27 100.00 EUR (t-1)` was chosen for it, and bills/b-1 has it")
    ]


def test_what_a_person_chose_is_no_longer_there(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"))
    mapped(bench, "card", "b-1", "t-1")
    listed(bench, "charges")
    bench.run()
    assert bench.reasons("b-1") == [("ambiguous", "`t-1` was chosen for it, and is no longer in the charges list")]


# --- none fits yet


def test_it_waits_and_is_then_written_otherwise(bench: CloudBench) -> None:
    bench.run()
    assert reason(bench, "b-1") == records.Reason(
        "waiting",
        "nothing fits yet; it is written otherwise from 2026-03-04",
        "it is looked at again each time the charges list is read",
        ("list:cloud.charges", "mapping:card:b-1"),
    )
    assert bench.alerts() == []
    # A list that was read wakes it, changed or not; nothing else does, and nothing goes round in circles.
    assert bench.run() == {"bills": {"read": 1}}
    assert listed(bench, "charges") == 1
    bench.run()
    assert bench.journal("b-1") == ["read", "woken", "deferred"]
    bench.passed(2 * 86400)
    listed(bench, "charges")
    bench.run()
    assert written(bench) == ["N-b-1"]


def test_a_person_may_choose_what_does_not_fit_while_it_waits(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1", amount="110.00"))
    bench.run()
    assert mapped(bench, "card", "b-1", "t-1") == 1
    bench.run()
    assert (written(bench), match_kit.claims(bench)) == (["N-b-1 t-1"], {"t-1": "b-1"})


def test_what_comes_late_is_matched(bench: CloudBench) -> None:
    bench.run()
    listed(bench, "charges", charge("t-1", "2026-03-02"))
    bench.run()
    assert written(bench) == ["N-b-1 t-1"]


# --- what a person may name


def test_an_object_that_a_person_chose_before_its_list_was_read_is_nobody_elses(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as never:
        never.setattr(lists, "loaded", lambda *_: False)
        mapped(bench, "card", "b-2", "t-1")
    listed(bench, "charges", charge("t-1"))
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.runner.run(bench.program, COMPANY)
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "deferred"}, {})
    bench.shop.listed["bills"].append(bill("b-2"))
    bench.runner.run(bench.program, COMPANY)
    assert (bench.states(), match_kit.claims(bench)) == ({"b-1": "deferred", "b-2": "closed"}, {"t-1": "b-2"})


def test_a_match_is_named_by_its_id_or_is_none(bench: CloudBench) -> None:
    flow = bench.program.flow
    card = flow.lookup("card")
    assert card is not None
    listed(bench, "charges", charge("t-1"), charge("t-2", active=False))
    with bench.world.store.read() as tx:
        assert find_target(tx, COMPANY, flow, card, "None") == Target("none", "", verified=True)
        assert find_target(tx, COMPANY, flow, card, "t-1") == Target("Staples", "t-1", verified=True)
        with pytest.raises(NoSuchMatch) as refused:
            find_target(tx, COMPANY, flow, card, "Staples")
        with pytest.raises(UsageError, match="is inactive"):
            find_target(tx, COMPANY, flow, card, "t-2")
    assert str(refused.value) == "`Staples` is not in the charges list of cloud"
    assert refused.value.hint == (
        "give the id that stands in brackets behind the candidate, or `none` when it is none of them"
    )


def test_each_record_that_needs_a_choice_is_a_gap_of_its_own(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"), charge("t-2"))
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run()
    with bench.world.store.read() as tx:
        gaps = worklist.gaps(tx, COMPANY)
    fits = "`Staples 2026-02-27 100.00 EUR (t-1)`; `Staples 2026-02-27 100.00 EUR (t-2)`"
    assert [(gap.code, gap.lookup, gap.key, gap.message, gap.fix, len(gap.records)) for gap in gaps] == [
        (
            "ambiguous",
            "card",
            source_id,
            f"2 objects of the charges list fit {source_id}: {fits}",
            f"run `flowctl map set shop_to_cloud card {source_id} ID-OR-none --company acme`",
            1,
        )
        for source_id in ("b-1", "b-2")
    ]


def test_choices_can_be_imported(bench: CloudBench) -> None:
    listed(bench, "charges", charge("t-1"), charge("t-2"))
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), bill("b-3")]
    bench.run()
    data = b"lookup,key,label,full_name,list_id\ncard,b-1,,,t-2\ncard,b-2,,none,\ncard,b-3,,Staples,\n"
    lines, problems = mapfile.read(data, "m.csv", "")
    assert problems == []
    flow = bench.program.flow
    with bench.world.store.write() as tx:
        changes, refused = mapfile.plan(tx, COMPANY, flow, lines, "m.csv")
        assert [str(problem).partition("\n")[0] for problem in refused] == [
            "m.csv:4:1: error[M006]: `Staples` is not in the charges list of cloud"
        ]
        assert mapfile.apply(tx, Hand(COMPANY, bench.world.at(), "ann"), flow, changes) == 2
    bench.run()
    assert bench.states() == {"b-1": "closed", "b-2": "deferred", "b-3": "deferred"}
    assert bench.reasons("b-2") == [("waiting", "nothing fits yet; it is written otherwise from 2026-03-04")]
