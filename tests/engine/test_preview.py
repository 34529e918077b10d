"""Previews of records: what they show is what the pipeline makes of the record, whatever it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from engine import pipeline
from engine.cli import common
from engine.errors import Rejected, RenderError
from engine.pipeline import Adopted, Frozen, Parked
from engine.preview import NoIds
from engine.previewing import worlds
from engine.previewing.data import as_json
from engine.previewing.model import Preview, Tried
from engine.previewing.origins import elements_of, origins
from engine.previewing.text import lines, shown
from engine.program import compile_flow
from engine.render import Templates
from engine.runner import Runner
from engine.store import companies, lists
from engine.world import World
from tests.engine import match_kit
from tests.engine.kit import AT, COMPANY, YAML, Bench, bench, bill, flow, vendor
from tests.engine.match_kit import MATCHED, WANTED, charge


def previewed(bench: Bench, data: Mapping[str, Any], stream: str = "bills", text: str | None = None) -> Preview:
    """A preview with what the bench's company has."""
    program = compile_flow(flow(text)) if text else bench.program
    (made,) = worlds.previews(bench.world, program, COMPANY, stream, [data])
    return made


def section(preview: Preview, *names: str) -> str:
    """The text of these sections alone, in their order."""
    parts = "\n".join(lines(preview)).split("\n\n")
    return "\n".join(part for part in parts if part.startswith(names))


@pytest.fixture(name="shop")
def _shop() -> Iterator[Bench]:
    with bench() as made:
        yield made


# --- documents


def test_what_the_schema_refuses_stands_beside_the_element(shop: Bench) -> None:
    text = YAML.replace("limit(number, `20`)", "limit(number, `40`)")
    made = previewed(shop, bill(number="N-" + "1" * 23), text=text)
    assert section(made, "document", "answer") == (
        """\
document: BillAdd
  <BillAddRq requestID="0000000000000000000000">          <- flowctl
    <BillAdd>
      <VendorRef>
        <ListID>V-1</ListID>                              <- vendor
      </VendorRef>
      <APAccountRef>
        <ListID>A-AP</ListID>                             <- ap_account
      </APAccountRef>
      <TxnDate>2026-02-27</TxnDate>                       <- date
      <RefNumber>N-11111111111111111111111</RefNumber>    <- reference
      ^ `RefNumber` has 25 characters, QuickBooks takes 20
      ^   hint: shorten it, for example with limit(..., `20`)
      <ExternalGUID>{787E4C06-74AA-5B23-A898-D78B18935D38}</ExternalGUID>  <- flowctl
      <ExpenseLineAdd>
        <AccountRef>
          <ListID>A-RENT</ListID>                         <- lines[].account
        </AccountRef>
        <Amount>100.00</Amount>                           <- lines[].amount
        <Memo>m</Memo>                                    <- lines[].memo
      </ExpenseLineAdd>
    </BillAdd>
  </BillAddRq>
  mapped and not in it: amount
answer
  it would fail
    BillAddRq:1: /BillAddRq/BillAdd/RefNumber: `RefNumber` has 25 characters, QuickBooks takes 20
      hint: shorten it, for example with limit(..., `20`)
    Shop is told that it is failed: BILL"""
    )


def test_a_template_that_cannot_print_a_value(shop: Bench) -> None:
    made = previewed(shop, bill(date=None))
    assert section(made, "document", "answer") == (
        """\
document: BillAdd
  bill_add.xml.j2:5: an empty value (null) cannot be printed
    hint: use `element(...)`, `| optional` or `is present`
answer
  it would fail
    bill_add.xml.j2:5: an empty value (null) cannot be printed
      hint: use `element(...)`, `| optional` or `is present`
    Shop is told that it is failed: BILL"""
    )


def test_what_quickbooks_cannot_store_is_shown_as_it_is_sent(shop: Bench) -> None:
    made = previewed(shop, bill(memo="\u2192 1 < 2\n"))
    assert made.document is not None
    (memo,) = [each for each in made.document.lines if each.origins == ("memo",)]
    assert memo.text == "<Memo>-&gt; 1 &lt; 2&#10;</Memo>"


def test_the_first_way_that_fits(shop: Bench) -> None:
    text = YAML.replace("posted('bills', id).TxnID", "id")
    made = previewed(shop, bill(status="paid", amount="500.01"), "payments", text)
    assert section(made, "write", "document", "answer") == (
        """\
write
     CardPost as JSON
       when amount > `500` && setting('card_payments') is false
       reads amount 500.01
       setting card_payments: false, the flow's default
     NotePost as JSON
       when amount <= `500` is false
       reads amount 500.01
document
  none: no way of writing fits this record
answer
  it would fail
    no way of writing fits this record"""
    )


def test_json_beside_the_names_it_came_from(shop: Bench) -> None:
    text = YAML.replace("bill: posted('bills', id).TxnID", 'bill: "{id: id, tags: `[1, [true]]`, none: `{}`}"')
    made = previewed(shop, bill(status="paid"), "payments", text)
    assert section(made, "document", "answer") == (
        """\
document: NotePost
  {
    "amount": "100.00",                                   <- amount
    "bill": {
      "id": "b-1",                                        <- bill.id
      "none": {},                                         <- bill.none
      "tags": [
        1,                                                <- bill.tags[]
        [
          true                                            <- bill.tags[][]
        ]
      ]
    }
  }
answer
  it would be posted
    NotePost waits until Ledger asks for work"""
    )


def test_json_that_lacks_what_the_request_needs() -> None:
    with match_kit.bench(MATCHED) as made:
        match_kit.listed(made, "charges", charge("c-1"))
        preview = previewed(made, bill(number=None))
    assert section(preview, "document") == (
        "document: ChargeCode\n  ChargeCode: `number` is empty, and the request needs it"
    )


def test_a_part_of_a_document_that_a_value_decides_on() -> None:
    """What stands there only because of a value came from that value, and not each element within it."""
    template = Templates().get("bill_add.xml.j2")
    line = {"account": {"list_id": "A", "full_name": "A"}, "amount": "1.00", "memo": None, "class": None}
    plain = {"date": "2026-01-01", "due": None, "reference": "1", "memo": "", "request_id": "0", "guid": "0"}
    values = {
        **plain,
        "vendor": {"list_id": "V", "full_name": "V"},
        "ap_account": {"list_id": "V", "full_name": "V"},
        "lines": [{**line, "customer": {"list_id": "J", "full_name": "J"}, "billable": False}],
    }
    base = elements_of(template.render(values))

    def only_the_first(given: Mapping[str, Any]) -> str:
        # As if the template wrote the lines only under this reference.
        return template.render({**given, "lines": given["lines"] if given["reference"] == "1" else []})

    found = dict(zip((each.path for each in base), origins(only_the_first, values, base), strict=True))
    line_at = "/BillAddRq/BillAdd/ExpenseLineAdd"
    assert found[line_at] == ("reference",)
    assert found[f"{line_at}/CustomerRef/ListID"] == ("lines[].customer",)
    assert found[f"{line_at}/BillableStatus"] == ("lines[].billable",)
    assert found["/BillAddRq/BillAdd/RefNumber"] == ("reference",)


def test_what_a_template_says_by_itself(shop: Bench, tmp_path: Path) -> None:
    template = """\
<BillAddRq requestID="{{ request_id }}"><BillAdd>{{ ref('VendorRef', vendor) }}<Memo>fixed</Memo>
<Odd>{{ amount | money }}</Odd></BillAdd></BillAddRq>
"""
    made = _of_own_template(shop, tmp_path, template)
    assert section(made, "document") == (
        """\
document: BillAdd
  <BillAddRq requestID="0000000000000000000000">          <- flowctl
    <BillAdd>
      <VendorRef>
        <ListID>V-1</ListID>                              <- vendor
      </VendorRef>
      <Memo>fixed</Memo>                                  <- the template
      <Odd>100.00</Odd>                                   <- amount
      ^ `Odd` is not known here; here it takes `IsTaxIncluded` or `SalesTaxCodeRef` or `ExchangeRate` or `ExternalGUID` or `LinkToTxnID` or `ExpenseLineAdd` or ...
      ^   hint: known: APAccountRef, DueDate, ExchangeRate, ExpenseLineAdd, ExternalGUID, IsTaxIncluded, ItemGroupLineAdd, ItemLineAdd, LinkToTxnID, Memo, RefNumber, SalesTaxCodeRef, TermsRef, TxnDate, VendorAddress, VendorRef
    </BillAdd>
  </BillAddRq>
  mapped and not in it: ap_account, date, reference, lines"""
    )


def test_a_template_that_writes_no_xml(shop: Bench, tmp_path: Path) -> None:
    made = _of_own_template(shop, tmp_path, "<BillAddRq>{{ amount }}")
    assert section(made, "document") == (
        """\
document: BillAdd
  BillAddRq:1: Premature end of data in tag BillAddRq line 1
    hint: look at this line of the rendered request; values must go through the template's escaping"""
    )


def _of_own_template(shop: Bench, folder: Path, template: str) -> Preview:
    (folder / "templates").mkdir()
    (folder / "templates" / "own.xml.j2").write_text(template, encoding="utf-8")
    sound = flow(YAML.replace("bill_add.xml.j2", "own.xml.j2"), str(folder / "shop_to_ledger.yaml"))
    (made,) = worlds.previews(shop.world, compile_flow(sound), COMPANY, "bills", [bill()])
    return made


def test_a_very_long_document_is_shown_without_origins(shop: Bench) -> None:
    line = {"account": "Rent", "code": "6100", "amount": "1.00", "memo": "m"}
    made = previewed(shop, bill(amount="500.00", lines=[line] * 500))
    assert made.document is not None
    assert (made.answer.state, made.document.unused, {each.origins for each in made.document.lines}) == (
        "posted", (), {()},
    )  # fmt: skip


def test_where_values_come_from_whatever_their_shape() -> None:
    values = {
        "lines": [{"a": "1", "b": None}, {"c": "2"}, "odd", ["x"]],
        "one": {"list_id": "L", "full_name": "F", "more": None},
        "two": "ok",
        "yes": True,
        "count": 3,
    }

    def render(given: Mapping[str, Any]) -> str:
        if given["two"] != "ok":
            raise RenderError("t.xml.j2", 1, "only ok is well")
        first, second = given["lines"][:2]
        inner = f"<A>{first['a']}</A><C>{second['c']}</C><L>{given['one']['list_id']}</L><Y>{given['yes']}</Y>"
        return f"<R>{inner}<N>{given['count']}</N><T>{given['two']}</T></R>"

    base = elements_of(render(values))
    assert [(each.tag, names) for each, names in zip(base, origins(render, values, base), strict=True)] == [
        ("R", ()), ("A", ("lines[].a",)), ("C", ("lines[].c",)), ("L", ("one",)), ("Y", ("yes",)), ("N", ("count",)),
        ("T", ("the template",)),
    ]  # fmt: skip


def test_what_is_no_xml_has_no_elements() -> None:
    assert elements_of("<BillAddRq>") == []


# --- lookups and where they came from


def test_a_gap_between_streams(shop: Bench) -> None:
    made = previewed(shop, bill(status="paid"), "payments")
    assert section(made, "map", "document", "answer") == (
        """\
map
  bill: null
      = posted('bills', id).TxnID
      reads id "b-1"
      posted bills `b-1`: nothing
        bills/b-1 was never read
          hint: it waits until that record is posted
  amount: 100.00
      = money(amount)
      reads amount "100.00"
document
  none: `bill` has a gap
answer
  it would be deferred
    bills/b-1 was never read
      hint: it waits until that record is posted"""
    )


def test_the_same_gap_twice_is_told_at_both_questions(shop: Bench) -> None:
    both = bill(lines=[{"account": "Paper", "code": code, "amount": "50.00", "memo": "m"} for code in ("1", "2")])
    made = previewed(shop, both)
    heard = dict(made.fields)["lines"].heard
    assert [(each.given, each.gap and each.gap.message) for each in heard] == [
        (("Paper", "Paper", "1"), "the account `Paper` is not in the Account list of Ledger"),
        (("Paper", "Paper", "2"), "the account `Paper` is not in the Account list of Ledger"),
    ]


@pytest.mark.parametrize(
    ("origin", "said"),
    [("person", "by a person's mapping of `v-1`"), ("adopted", "by this flow's own mapping of `v-1`")],
)
def test_whose_mapping_it_is(shop: Bench, origin: str, said: str) -> None:
    with shop.world.store.write() as tx:
        row = lists.Mapping(shop.program.flow.name, "vendor", "v-1", "Grün & Söhne", list_id="V-1", origin=origin)
        lists.put_mapping(tx, COMPANY, row, "pat", AT)
    made = previewed(shop, bill(vendor={"id": "v-1", "name": "Other"}))
    (heard,) = dict(made.fields)["vendor"].heard
    assert (heard.answer["list_id"], heard.origin) == ("V-1", said)


def test_a_lookup_that_nothing_is_given_for_is_not_asked(shop: Bench) -> None:
    text = YAML.replace("lookup('account', account, account, code)", "lookup_if('account', account, account)")
    given = bill(lines=[{"account": None, "amount": "100.00"}])
    assert dict(previewed(shop, given, text=text).fields)["lines"].heard == ()
    (heard,) = dict(previewed(shop, bill(), text=text).fields)["lines"].heard
    assert (heard.function, heard.origin) == ("lookup_if", "by its exact name")


def test_an_object_that_is_there_already(shop: Bench) -> None:
    made = previewed(shop, vendor("v-1", "Grün & Söhne"), "vendors")
    assert section(made, "adopt", "answer") == (
        """\
adopt
  found: Grün & Söhne (V-1)
      = find('vendor', id, name)
      reads id "v-1", name "Grün & Söhne"
      find vendor `v-1` `Grün & Söhne`: Grün & Söhne (V-1), by its exact name
answer
  it is there already
    it is linked with Grün & Söhne (V-1); nothing is written"""
    )


def test_a_record_that_is_matched() -> None:
    with match_kit.bench(MATCHED) as made:
        match_kit.listed(made, "charges", charge("c-1"))
        only = previewed(made, bill())
        match_kit.listed(made, "charges", charge("c-1"), charge("c-2"))
        several = previewed(made, bill())
        match_kit.mapped(made, "card", "b-1", "c-2")
        chosen = previewed(made, bill())
        match_kit.listed(made, "charges")
        none = previewed(made, bill("b-2"))
    assert section(only, "map", "answer") == (
        """\
map
  charge: "c-1"
      = match('card', id, candidates('card', amount, currency, date, `3`)).list_id
      reads id "b-1", amount "100.00", currency "EUR", date "2026-02-27"
      candidates card `100.00` `EUR` `2026-02-27` `3`: 1 fit: [Staples (c-1)]
      match card `b-1`: Staples (c-1), the only one that fits
  vendor: "Grün & Söhne"
      = vendor.name
  number: "N-b-1"
      = number
  amount: 100.00
      = money(amount)
      reads amount "100.00"
answer
  it would be posted
    Cloud is asked first whether it is there already, by its marker {AABCC2F8-CD75-5DCF-9345-83FC1276B969} and what it holds
    ChargeCode is written when it is not
    card Staples (c-1) is taken by this record"""
    )
    assert section(several, "answer") == (
        """\
answer
  it would be deferred
    2 objects of the charges list fit b-1: `Staples 2026-02-27 100.00 EUR (c-1)`; `Staples 2026-02-27 100.00 EUR (c-2)`
      hint: run `flowctl map set shop_to_cloud card b-1 ID-OR-none --company acme`"""
    )
    assert [(each.function, each.origin) for each in dict(chosen.fields)["charge"].heard] == [
        ("candidates", "from the target's list"),
        ("match", "by a person's mapping of `b-1`"),
    ]
    assert section(none, "write", "document", "answer") == (
        """\
write
     ChargeCode as JSON
       when charge is null
       reads charge null
     BillCreate as JSON
       when waited('card', root().date, `5`) is false
       reads root().date "2026-02-27"
       waited card `2026-02-27` `5`: false, by the date now
         nothing fits yet; it is written otherwise from 2026-03-04
           hint: it is looked at again each time the charges list is read
document
  none: how it is written cannot be told
answer
  it would be deferred
    nothing fits yet; it is written otherwise from 2026-03-04
      hint: it is looked at again each time the charges list is read"""
    )


def test_a_record_that_nobody_wants() -> None:
    with match_kit.bench(WANTED) as made:
        preview = previewed(made, vendor(), "vendors")
    assert section(preview, "select", "answer") == (
        """\
select
  yes  status != 'closed'
         reads status "active"
  no   wanted('vendor', id)
         reads id "v-9"
         wanted vendor `v-9`: false, by what waits in the store
       it is left out: nothing is owed to the vendor
answer
  it would be skipped
    nothing is owed to the vendor"""
    )


def test_a_list_of_a_called_target_that_was_never_read() -> None:
    with match_kit.bench(MATCHED) as made:
        with made.world.store.write() as tx:
            companies.add(tx, "other", "Other", AT)
        (preview,) = worlds.previews(made.world, made.program, "other", "bills", [bill()])
    assert section(preview, "answer") == (
        "answer\n  it waits\n    the list cloud.charges was never read\n      hint: `flowctl run` reads it"
    )


def test_a_setting_that_switches_a_stream_off(shop: Bench) -> None:
    with shop.world.store.write() as tx:
        companies.put_setting(tx, COMPANY, shop.program.flow.name, "with_payments", False)
    made = previewed(shop, bill(status="paid"), "payments")
    assert next(line for line in lines(made) if "off" in line) == (
        "  the stream is off: `when: setting('with_payments')` does not hold for this company's settings"
    )


def test_a_setting_for_one_policy(shop: Bench) -> None:
    text = YAML.replace("memo: memo\n", "memo: setting('region', vendor.id)\n", 1).replace(
        "settings:\n", "settings:\n  region: {type: text, default: north, help: Region}\n"
    )
    with shop.world.store.write() as tx:
        companies.put_setting(tx, COMPANY, shop.program.flow.name, "region", "south", "v-1")
    (heard,) = dict(previewed(shop, bill(), text=text).fields)["memo"].heard
    assert (heard.given, heard.answer, heard.origin) == (("v-1",), "south", "set for the company")


# --- whatever a record holds

_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.sampled_from(["10.00", "x", "Rent", "2026-02-27"])
)
_ANY = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
_RECORDS = st.builds(lambda changed: {**bill(), **changed}, st.dictionaries(st.sampled_from(sorted(bill())), _ANY))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=_RECORDS)
def test_it_shows_what_the_pipeline_makes_of_the_record(shop: Bench, data: dict[str, Any]) -> None:
    made = previewed(shop, data)
    assert list(lines(made))
    with shop.world.store.read() as tx:
        desk = shop.runner.batch(tx, shop.program, COMPANY, 0).desk
        desk = type(desk)(desk.company, desk.program, desk.settings, desk.resolver, NoIds(), desk.freeze)
        prepared = pipeline.prepare(shop.program.stream("bills"), desk, made.source_id, data)
    if made.answer.state == "unreadable":
        return
    if isinstance(prepared, Frozen):
        assert made.answer.state == "posted"
        assert made.document is not None
        shown_as = etree.fromstring("".join(line.text for line in made.document.lines))
        assert etree.tostring(shown_as) == prepared.body
        assert {name: str(each.value) for name, each in made.fields if name == "amount"} == {
            "amount": json.loads(prepared.mapped)["amount"]
        }
        return
    assert not isinstance(prepared, Adopted)
    assert isinstance(prepared, Parked)
    assert (made.answer.state, made.answer.reasons) == (prepared.state, prepared.reasons)


def test_nothing_is_drawn_at_random() -> None:
    assert (NoIds().base62(3), NoIds().fraction()) == ("000", 0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ("a\n\x1b", '"a\\n\\u001b"'),
        ({"list_id": "A", "full_name": "Rent", "more": 1}, "Rent (A)"),
        ({"a": [1, "b"]}, '{a: [1, "b"]}'),
        ("x" * 300, '"' + "x" * 196 + "..."),
    ],
)
def test_values_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


# --- live


def test_live_reads_no_more_than_it_shows(shop: Bench) -> None:
    shop.shop.listed["bills"] = [bill(f"b-{number}") for number in range(10)]
    fetch = shop.program.stream("bills").stream.fetch
    found = worlds.live(shop.world, COMPANY, fetch, 3)
    assert [each["id"] for each in found] == ["b-0", "b-1", "b-2"]
    assert (shop.shop.reads, shop.shop.calls, shop.shop.gets) == ([("bills", {"ready": True}, None)], [], [])
    assert shop.shop.tools is not None
    assert isinstance(shop.shop.tools.limits, worlds.OwnLimits)
    with shop.shop.tools.limits.call("shop", ()):
        pass


_STREAMS = [
    (name, stream.stream.name)
    for name in common.flow_names()
    for stream in common.program(name).streams
    if stream.when is None
]


@pytest.mark.parametrize(("name", "stream"), _STREAMS)
def test_every_shipped_stream(name: str, stream: str) -> None:
    """Each has a record that comes through, or at least one that says why not; and the simulated vendor agrees."""
    with worlds.simulated(common.program(name), stream) as simulation:
        data = simulation.first()
        assert data is not None
        made = simulation.preview(data)
    assert list(lines(made))
    assert json.loads(json.dumps(as_json(made)))["id"] == made.source_id
    assert made.answer.state in ("posted", "agrees", "skipped")
    assert made.answer.tried is None or made.answer.tried.is_well


def test_what_is_wanted_is_wanted_in_the_simulation() -> None:
    with worlds.simulated(common.program("freshbooks_to_ramp"), "vendors") as simulation:
        data = simulation.first()
        assert data is not None
        assert simulation.preview(data).answer.state == "posted"


def test_a_flow_that_starts_by_hand_is_on_in_the_simulation(tmp_path: Path) -> None:
    path = tmp_path / "by_hand.yaml"
    text = common.flow_path("ramp_to_quickbooks").read_text(encoding="utf-8")
    path.write_text(text.replace("version: 1\n", "version: 1\nstarts: by_hand\n", 1), encoding="utf-8")
    with worlds.simulated(common.program(str(path)), "bills") as simulation:
        data = simulation.first()
        assert data is not None
        assert simulation.preview(data).answer.state == "posted"


def test_a_value_that_is_too_large_to_read(shop: Bench) -> None:
    made = previewed(shop, bill(memo="x" * 1_000_001))
    memo = dict(made.fields)["memo"]
    assert (memo.value, memo.reads, memo.error and memo.error.message) == (
        None, (("memo", None),), "`memo`: the result is larger than 1,000,000 characters or 100,000 items",
    )  # fmt: skip


def test_what_the_simulated_vendors_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def find(self, operation: object) -> None:
            raise Rejected("never")

    program = common.program("bill_to_quickbooks")
    with worlds.simulated(program, "quickbooks_vendors") as simulation:
        with simulation.world.store.read() as tx:
            desk = Runner(simulation.world).batch(tx, program, worlds.COMPANY, 0).desk
            assert not simulation._fits(desk, {"full_name": "no key"})
        only = replace(simulation, sandboxes={"bill": simulation.sandboxes["bill"]})
        assert only._session(program) == 0
        data = simulation.first()
        assert data is not None
        monkeypatch.setattr(World, "target", lambda *_: Refusing())
        monkeypatch.setattr(Runner, "push", lambda *_: None)
        assert simulation.preview(data).answer.tried == Tried("intended")


def test_a_flow_whose_vendors_cannot_be_simulated(shop: Bench) -> None:
    with pytest.raises(worlds.NoSimulator) as error, worlds.simulated(shop.program, "bills"):
        pass
    assert (str(error.value), error.value.hint) == (
        "the connector `shop` brings no simulated vendor",
        "connect a company with `flowctl connect`, and give --live or --record with its --home",
    )
