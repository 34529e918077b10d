"""The chart of accounts written to the simulator, in both profiles: diffed, in batches, changed, hidden, lost and found."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from connectors.ramp.chart import ChartTarget, list_accounting_vendors
from connectors.ramp.chartkinds import ACCOUNT
from connectors.ramp.chartspec import CHART_REQUEST_NAMES, CHART_REQUESTS, CLASSIFICATIONS
from connectors.ramp.simulator import Fault
from connectors.ramp.simulator import chart as simulated
from connectors.ramp.simulator.faults import FaultName
from connectors.ramp.simulator.records import Connection, Profile
from engine.contract import BatchTarget, Operation, Target
from engine.errors import Ambiguous, Rejected, RunError
from tests.connectors.ramp.chart_kit import PROFILES, account, chart, ended, ids, op, option, vendor

both = pytest.mark.parametrize("profile", PROFILES)
VISIBLE = "VISIBLE"


def test_the_target_is_one() -> None:
    target = chart("2026-08").target()
    assert isinstance(target, Target)
    assert isinstance(target, BatchTarget)


def test_every_request_is_of_a_known_kind() -> None:
    from connectors.ramp.chartkinds import ACTIONS

    assert set(ACTIONS) == CHART_REQUEST_NAMES
    uploads = {request.name: (request.batch, request.batch_by) for request in CHART_REQUESTS if request.batch > 1}
    assert uploads == {
        "AccountUpload": (500, ""),
        "OptionUpload": (500, "field_id"),
        "AccountingVendorUpload": (500, ""),
        "TaxRateUpload": (500, ""),
        "TaxOptionUpload": (500, ""),
    }
    assert CLASSIFICATIONS == simulated.CLASSIFICATIONS


@both
def test_new_accounts_travel_in_one_call(profile: Profile) -> None:
    ramp = chart(profile, checked=profile == "2025-08")
    target = ramp.target()
    first, second = account(1, code="6010"), account(2)
    assert target.find_all([first, second]) == {}
    assert ids(target.write_all([first, second])) == ["A-1", "A-2"]
    # Few entries are asked for one by one.
    assert ramp.calls() == [
        "GET /accounts?remote_id=A-1&page_size=100",
        "GET /accounts?remote_id=A-2&page_size=100",
        "POST /accounts",
    ]
    assert ramp.sent() == [
        {
            "gl_accounts": [
                {"id": "A-1", "name": "Account 1", "classification": "EXPENSE", "code": "6010"},
                {"id": "A-2", "name": "Account 2", "classification": "EXPENSE"},
            ]
        }
    ]
    assert ramp.shown("accounts") == [
        ("A-1", "Account 1", "6010", True, VISIBLE),
        ("A-2", "Account 2", "", True, VISIBLE),
    ]
    # What was written is known; a second look asks nobody.
    assert sorted(target.find_all([first, second])) == ["AccountUpload-A-1", "AccountUpload-A-2"]
    assert ramp.calls() == []


@both
def test_many_are_read_as_a_list_once(profile: Profile) -> None:
    ramp = chart(profile, checked=profile == "2025-08")
    wanted = [vendor(number) for number in range(1234)]
    assert len(ended(ramp.target(), wanted)) == 1234
    assert ramp.calls() == ["GET /vendors?page_size=100", *["POST /vendors"] * 3]
    target = ramp.target()
    assert ended(target, wanted) == []
    assert ended(target, wanted[:40]) == []
    # Twelve full pages and a part of one.
    calls = ramp.calls()
    assert len(calls) == 13
    assert all(call.startswith("GET /vendors?page_size=100") for call in calls)


@both
def test_what_is_there_and_differs_is_changed_and_the_rest_uploaded(profile: Profile) -> None:
    ramp = chart(profile, checked=profile == "2025-08")
    ended(ramp.target(), [account(1, code="6010"), account(2), account(3), account(4)])
    active = ramp.simulator.world.connection()
    assert active is not None
    shelf = ramp.simulator.world.chart.of(active.id, "accounts")
    ramp.target().write(op("AccountDelete", ramp.ramp_id("accounts", "A-3")))
    target = ramp.target()
    wanted = [account(1, "Rent"), account(2), account(3), account(5)]
    assert ended(target, wanted) == ["AccountUpload-A-1", "AccountUpload-A-3", "AccountUpload-A-5"]
    assert [call for call in ramp.calls() if not call.startswith("GET")] == [
        "POST /accounts",
        f"PATCH /accounts/{shelf.ids['A-1']}",
        f"PATCH /accounts/{shelf.ids['A-3']}",
    ]
    assert ramp.sent()[1:] == [{"name": "Rent", "code": ""}, {"reactivate": True}]
    assert ramp.shown("accounts") == [
        ("A-1", "Rent", "", True, VISIBLE),
        ("A-2", "Account 2", "", True, VISIBLE),
        ("A-3", "Account 3", "", True, VISIBLE),
        ("A-4", "Account 4", "", True, VISIBLE),
        ("A-5", "Account 5", "", True, VISIBLE),
    ]
    assert ended(ramp.target(), wanted) == []


@both
def test_options_make_their_field_and_are_hidden_not_deleted(profile: Profile) -> None:
    ramp = chart(profile, checked=profile == "2025-08")
    target = ramp.target()
    wanted = [option(1, "West"), option(2, "East", code="E")]
    assert ended(target, wanted) == ["OptionUpload-O-1", "OptionUpload-O-2"]
    # A field that is not there has no options, which need not be asked for.
    assert ramp.calls() == ["GET /fields?page_size=100", "POST /fields", "POST /field-options"]
    active = ramp.simulator.world.connection()
    assert active is not None
    made = ramp.simulator.world.chart.of(active.id, "fields").rows[0]
    assert ramp.sent()[0] == {"id": "class", "name": "Class", "input_type": "SINGLE_CHOICE", "is_splittable": True}
    base = {"field_id": "class", "field_name": "Class", "id": "O-1", "value": "West"}
    one = ramp.ramp_id("field-options", "O-1", made.id)
    hide = op("OptionHide", one, base)
    target = ramp.target()
    assert target.find(hide) is None
    assert target.write(hide).ids == {"id": one, "external_id": "O-1"}
    # A single entry is asked for by Ramp's id.
    assert ramp.calls() == [f"GET /field-options/{one}", f"PATCH /field-options/{one}"]
    assert ramp.sent() == [{"visibility": "HIDDEN"}]
    found = target.find(hide)
    assert found is not None
    assert ramp.shown("field-options", made.id) == [
        ("O-1", "West", "", True, "HIDDEN"),
        ("O-2", "East", "E", True, VISIBLE),
    ]
    # It is wanted again, under another name.
    shown = op("OptionUpdate", one, base, field_id="class", field_name="Class", id="O-1", value="Far West")
    target = ramp.target()
    assert target.find(shown) is None
    target.write(shown)
    assert ramp.sent() == [{"value": "Far West", "visibility": "VISIBLE"}]
    assert target.find(shown) is not None


@both
def test_an_inactive_field_is_taken_into_use_again(profile: Profile) -> None:
    ramp = chart(profile)
    ended(ramp.target(), [option(1)])
    active = ramp.simulator.world.connection()
    assert active is not None
    shelf = ramp.simulator.world.chart.of(active.id, "fields")
    from dataclasses import replace

    shelf.put(replace(shelf.rows[0], is_active=False))
    ended(ramp.target(), [option(1), option(2)])
    assert shelf.rows[0].is_active
    assert len(ramp.shown("field-options", shelf.rows[0].id)) == 2


@both
def test_vendors_get_their_codes(profile: Profile) -> None:
    """The upload of 2025-08 takes none, so each is patched then."""
    ramp = chart(profile, checked=profile == "2025-08")
    wanted = [vendor(1, code="G"), vendor(2)]
    ended(ramp.target(), wanted)
    methods = [call.split("/")[0] for call in ramp.calls() if not call.startswith("GET")]
    assert methods == (["POST ", "PATCH "] if profile == "2025-08" else ["POST "])
    assert ramp.shown("vendors") == [("V-1", "Vendor 1", "G", True, VISIBLE), ("V-2", "Vendor 2", "", True, VISIBLE)]
    assert ended(ramp.target(), wanted) == []


@both
def test_removing_takes_out_of_use_and_can_be_repeated(profile: Profile) -> None:
    ramp = chart(profile, checked=profile == "2025-08")
    ended(ramp.target(), [vendor(1), account(1)])
    for request, kind, ours in (("AccountDelete", "accounts", "A-1"), ("AccountingVendorDelete", "vendors", "V-1")):
        one = ramp.ramp_id(kind, ours)
        target = ramp.target()
        assert target.find(op(request, one)) is None
        target.write(op(request, one))
        # The body of a DELETE is new in 2026, and needed there.
        assert ramp.sent() == ([] if profile == "2025-08" else [{}])
        assert target.find(op(request, one)) is not None
        assert ramp.target().find(op(request, one)) is not None
    assert ramp.shown("accounts") == [("A-1", "Account 1", "", False, VISIBLE)]
    gone = op("AccountDelete", "00000000-0000-4000-8000-000000000001")
    found = ramp.target().find(gone)
    assert found is not None
    assert found.ids == {"id": gone.target_id}


@both
def test_a_lost_answer_is_unknown_until_it_is_looked_for(profile: Profile) -> None:
    lost = Fault("timeout_after", at=(0,), method="POST", path="/accounts")
    ramp = chart(profile, lost)
    target = ramp.target()
    wanted = [account(1), account(2)]
    with pytest.raises(Ambiguous):
        ended(target, wanted)
    # The same pass does not trust what it knew before.
    assert sorted(target.find_all(wanted)) == ["AccountUpload-A-1", "AccountUpload-A-2"]
    assert sorted(ramp.target().find_all(wanted)) == ["AccountUpload-A-1", "AccountUpload-A-2"]


@both
def test_what_somebody_else_made_meanwhile_is_taken_over(profile: Profile) -> None:
    ramp = chart(profile)
    target = ramp.target()
    wanted = [account(1), account(2), account(3)]
    assert target.find_all(wanted) == {}
    ended(ramp.target(), [account(2, "Theirs")])
    assert ids(target.write_all(wanted)) == ["A-1", "A-2", "A-3"]
    assert [row[:2] for row in ramp.shown("accounts")] == [
        ("A-2", "Account 2"),
        ("A-1", "Account 1"),
        ("A-3", "Account 3"),
    ]


@both
def test_one_bad_entry_refuses_the_call_and_nothing_is_written(profile: Profile) -> None:
    ramp = chart(profile)
    bad = op("AccountUpload", id="A-2", name="Odd", classification="INCOME")
    target = ramp.target()
    with pytest.raises(Rejected) as refused:
        target.write_all([account(1), bad])
    assert str(refused.value) == (
        "acme/ramp: AccountUpload `A-2`: its classification is none of: ANY, ASSET, CREDCARD, EQUITY, EXPENSE, "
        "LIABILITY, REVENUE, UNKNOWN"
    )
    assert ramp.shown("accounts") == []
    target.write_all([account(1)])
    with pytest.raises(Rejected) as twice:
        target.write_all([account(5), account(5, "Again")])
    assert str(twice.value) == "acme/ramp: `A-5` is there twice in one call for GL accounts"


REFUSED: list[tuple[Operation, str]] = [
    (op("AccountUpload", id="A-1", name=" ", classification="ASSET"), "AccountUpload `A-1`: it has no name"),
    (
        op("AccountUpload", id="", name="Rent", classification="ASSET"),
        "AccountUpload ``: it has no id of the accounting system that could be used",
    ),
    (op("OptionUpload", id="O-1", value="W"), "OptionUpload `O-1`: it does not say of which field it is an option"),
    (op("OptionHide", id="O-1"), "OptionHide `O-1`: it does not say which entry of Ramp's is meant"),
    (
        op("AccountUpdate", "00000000-0000-4000-8000-000000000001", id="A-9", name="Rent"),
        "Ramp has no GL account `A-9` that could be changed",
    ),
    (op("TaxRateUpload", id="T", name="VAT", rate="-1"), "TaxRateUpload `T`: its rate is no number from 0 on"),
    (op("TaxOptionUpload", id="T", name="VAT", tax_rate_ids=[]), "TaxOptionUpload `T`: it names no tax rate"),
    (
        op("TaxRateUpload", id="T", name="VAT", rate="0.2", account_id="A-9"),
        "Ramp has no GL account `A-9` for the tax rate `T`",
    ),
]


@pytest.mark.parametrize(("operation", "text"), REFUSED, ids=lambda value: getattr(value, "request", ""))
def test_what_is_refused_without_a_write(operation: Operation, text: str) -> None:
    ramp = chart("2026-08")
    with pytest.raises(Rejected) as refused:
        ramp.target().write(operation)
    assert str(refused.value) == f"acme/ramp: {text}"
    assert refused.value.hint
    assert ramp.sent() == []


def test_a_field_of_another_kind_takes_no_options() -> None:
    ramp = chart("2026-08")
    target = ramp.target()
    body = {"id": "class", "name": "Class", "input_type": "FREE_FORM_TEXT"}
    from connectors._http import Call

    target._client.send(Call("POST", "/developer/v1/accounting/fields", json=body))
    with pytest.raises(Rejected) as refused:
        ramp.target().write(option(1))
    assert str(refused.value) == "acme/ramp: the field `class` of Ramp takes no options (FREE_FORM_TEXT)"


def test_taxes_go_in_order_rates_field_options() -> None:
    ramp = chart("2026-08")
    ended(ramp.target(), [account(1)])
    rate = op("TaxRateUpload", id="R-1", name="VAT 5 %", rate="0.05", account_id="A-1")
    code = op("TaxOptionUpload", id="T-1", name="Reduced", tax_rate_ids=["R-1"])
    target = ramp.target()
    with pytest.raises(Rejected):
        target.write(code)
    assert ended(target, [rate]) == ["TaxRateUpload-R-1"]
    assert ended(target, [code]) == ["TaxOptionUpload-T-1"]
    assert [call for call in ramp.calls() if "tax" in call and call.startswith("POST")] == [
        "POST /tax/code",
        "POST /tax/code/options",
        "POST /tax/rates",
        "POST /tax/code/options",
    ]
    target = ramp.target()
    assert target.find_all([rate, code]).keys() == {"TaxRateUpload-R-1", "TaxOptionUpload-T-1"}
    same = op("TaxRateUpload", id="R-1", name="VAT 5 %", rate="0.0500", account_id="A-1")
    assert target.find(same) is not None
    changed = op("TaxRateUpload", id="R-1", name="VAT", rate="0.06", account_id="A-1")
    target.write(changed)
    assert ramp.sent() == [{"name": "VAT", "rate": "0.06"}]
    assert ramp.target().find(changed) is not None


def test_a_tax_rate_and_a_tax_code_are_changed() -> None:
    ramp = chart("2026-08")
    rates = [op("TaxRateUpload", id=f"R-{n}", name=f"VAT {n}", rate="0.05") for n in (1, 2)]
    (rate_id, _) = (receipt.ids["id"] for receipt in ramp.target().write_all(rates))
    made = ramp.target().write(op("TaxOptionUpload", id="T-1", name="Reduced", tax_rate_ids=["R-1"]))
    rate = op("TaxRateUpdate", target_id=rate_id, id="R-1", name="VAT", rate="0.06")
    code = op("TaxOptionUpdate", target_id=made.ids["id"], id="T-1", name="Low", tax_rate_ids=["R-1", "R-2"])
    target = ramp.target()
    assert target.find_all([rate, code]) == {}
    assert ended(target, [rate]) == ["TaxRateUpdate-R-1"]
    assert ended(target, [code]) == ["TaxOptionUpdate-T-1"]
    # Ramp describes no answer to a question for a single rate or code.
    assert ramp.calls() == [
        "GET /tax/rates?page_size=100",
        "GET /tax/code/options?page_size=100",
        f"PATCH /tax/rates/{rate_id}",
        f"PATCH /tax/code/options/{made.ids['id']}",
    ]
    assert ramp.sent() == [{"name": "VAT", "rate": "0.06"}, {"name": "Low", "tax_rate_ids": ["R-1", "R-2"]}]
    gone = op("TaxRateUpdate", target_id=made.ids["id"], id="R-9", name="VAT", rate="0.06")
    with pytest.raises(Rejected) as refused:
        ramp.target().write(gone)
    assert str(refused.value) == "acme/ramp: Ramp has no tax rate `R-9` that could be changed"


def test_taxes_are_not_of_2025() -> None:
    with pytest.raises(Rejected) as refused:
        chart("2025-08").target().write(op("TaxRateUpload", id="R", name="VAT", rate="0.05"))
    assert str(refused.value) == "acme/ramp: TaxRateUpload: Ramp's API of 2025-08 has no taxes"


@both
def test_a_direct_connection_is_read_only(profile: Profile) -> None:
    ramp = chart(profile, connection="DIRECT", provider="QuickBooks")
    with pytest.raises(Rejected) as refused:
        ramp.target().write(account(1))
    assert str(refused.value).startswith("acme/ramp: POST /developer/v1/accounting/accounts: 400 ")
    assert "it would break a rule of Ramp's (DEVELOPER_7098" in str(refused.value)


@both
def test_a_filter_that_ramp_does_not_take_costs_one_list(profile: Profile) -> None:
    """Ramp answers a parameter it does not know with the first page of everything (FACTS.md section 3)."""
    ramp = chart(profile)
    ended(ramp.target(), [account(number) for number in range(30)])
    target = ramp.target(page_size=20)
    deaf(target)
    assert target.find(account(29)) is not None
    assert target.find(account(31)) is None
    assert len(ramp.calls()) == 3


def deaf(target: ChartTarget) -> None:
    """Drop `remote_id` from every question, as a Ramp does that does not know it."""
    client: Any = target._client
    pages = client.pages

    def without(path: str, params: dict[str, str], *args: Any, **more: Any) -> Any:
        return pages(path, {k: v for k, v in params.items() if k != "remote_id"}, *args, **more)

    client.pages = without


@both
def test_the_list_of_accounting_vendors(profile: Profile) -> None:
    ramp = chart(profile)
    ended(ramp.target(), [vendor(number, code=f"C{number}") for number in range(3)])
    ramp.target().write(op("AccountingVendorDelete", ramp.ramp_id("vendors", "V-1")))
    target = ramp.target(page_size=2)
    pages = list(list_accounting_vendors(target._client, read(target)))
    assert [[(o.list_id, o.full_name, o.active, o.number) for o in page] for page in pages] == [
        [("V-0", "Vendor 0", True, "C0"), ("V-1", "Vendor 1", False, "C1")],
        [("V-2", "Vendor 2", True, "C2")],
    ]
    assert all(len(o.data["ramp_id"]) == 36 for page in pages for o in page)


def read(target: ChartTarget) -> Any:
    from connectors.ramp.settings import read_settings
    from engine.contract import Binding
    from tests.connectors.ramp.chart_kit import SECRETS

    profile = target._chart.profile
    return read_settings(Binding("acme", "ramp", {"api_profile": profile, "page_size": 2}, SECRETS))


def test_an_entry_without_an_id_of_ours_is_left_alone() -> None:
    ramp = chart("2026-08")
    ended(ramp.target(), [account(1)])
    active = ramp.simulator.world.connection()
    assert active is not None
    shelf = ramp.simulator.world.chart.of(active.id, "accounts")
    from dataclasses import replace

    shelf.put(replace(shelf.rows[0], external_id=""))
    assert list(ramp.target().entries(ACCOUNT)) == []


@both
@pytest.mark.parametrize("name", get_args(FaultName))
def test_every_fault_ends_with_the_chart_as_it_is_wanted(profile: Profile, name: FaultName) -> None:
    """Passes as the engine makes them, a new one after each fault: nothing is lost, nothing is there twice."""
    ramp = chart(profile, Fault(name, probability=0.3))
    wanted = [
        *(account(n, code=f"{n}") for n in range(13)),
        *(option(n) for n in range(13)),
        *(vendor(n, code="" if n % 2 else f"{n}") for n in range(13)),
    ]
    for turn in range(200):
        target = ramp.target(page_size=5)
        try:
            for first in range(0, len(wanted), 13):
                ended(target, wanted[first : first + 13])
            break
        except Rejected:
            raise
        except RunError:
            ramp.simulator.clock.sleep(20.0 + turn)
    else:
        raise AssertionError("it does not end")
    assert ramp.shown("accounts") == [(f"A-{n}", f"Account {n}", f"{n}", True, VISIBLE) for n in range(13)]
    assert sorted(ramp.shown("vendors")) == sorted(
        (f"V-{n}", f"Vendor {n}", "" if n % 2 else f"{n}", True, VISIBLE) for n in range(13)
    )
    active = ramp.simulator.world.connection()
    assert active is not None
    (made,) = ramp.simulator.world.chart.of(active.id, "fields").rows
    assert len(ramp.shown("field-options", made.id)) == 13


def test_during_a_move_everything_goes_to_the_inactive_connection() -> None:
    ramp = chart("2026-08", connection="DIRECT", provider="QuickBooks")
    world = ramp.simulator.world
    (old,) = world.connections
    made = Connection(
        "00000000-0000-4000-8000-000000000005", "Us", "API", is_active=False, created_at=world.now, linked_at=None
    )
    world.connections[made.id] = made
    scope = {"accounting_connection_id": made.id}
    target = ramp.target(**scope)
    ended(target, [account(1)])
    ended(target, [option(1)])
    ended(target, [vendor(1), vendor(2)])
    one = world.chart.of(made.id, "vendors").ids["V-1"]
    gone = op("AccountingVendorDelete", one)
    target.write(gone)
    target.write(op("TaxRateUpload", id="R-1", name="VAT", rate="0.05", account_id="A-1"))
    assert ended(target, [op("TaxOptionUpload", id="T-1", name="Reduced", tax_rate_ids=["R-1"])])
    bodies = ramp.sent()
    assert len(bodies) == 8
    assert all(body["accounting_connection_id"] == made.id for body in bodies)
    lists = [call for call in ramp.calls() if call.startswith("GET") and "?" in call]
    assert lists
    assert all(f"accounting_connection_id={made.id}" in call for call in lists)
    kinds = ("accounts", "fields", "field-options", "vendors", "tax/rates", "tax/code/options")
    assert [len(world.chart.names(made.id, kind)) for kind in kinds] == [1, 1, 1, 2, 1, 1]
    assert [len(world.chart.names(old, kind)) for kind in kinds] == [0] * 6
    assert ended(ramp.target(**scope), [account(1), vendor(2)]) == []
