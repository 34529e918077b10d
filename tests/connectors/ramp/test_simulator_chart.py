"""What the simulated Ramp takes and refuses of a chart of accounts, and of accounting connections."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.ramp.simulator.connections import switch_provider
from connectors.ramp.simulator.records import Profile
from tests.connectors.ramp.simulator_kit import Api, decoded, error, simulator

PROFILES: list[Profile] = ["2025-08", "2026-08"]
both = pytest.mark.parametrize("profile", PROFILES)


def account(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"A-{number}", "name": f"Account {number}", "classification": "EXPENSE", **more}


def put(api: Api, *numbers: int) -> list[dict[str, Any]]:
    reply = api.call("POST", "/accounting/accounts", {"gl_accounts": [account(n) for n in numbers]})
    assert reply.status == 201, reply.body
    rows: list[dict[str, Any]] = decoded(reply)["gl_accounts"]
    return rows


def refusal(api: Api, method: str, path: str, body: object = None) -> tuple[int, str, str, dict[str, list[str]]]:
    return error(api.call(method, f"/accounting{path}", body))


@both
def test_a_batch_is_taken_whole_or_not_at_all(profile: Profile) -> None:
    api = Api(simulator(profile))
    put(api, 1)
    known = (400, "DEVELOPER_7098", "An entry with this id already exists.", {"id": ["A-1 already exists."]})
    assert refusal(api, "POST", "/accounts", {"gl_accounts": [account(2), account(1)]}) == known
    assert refusal(api, "POST", "/accounts", {"gl_accounts": [account(3), account(3)]})[0] == 400
    odd = refusal(api, "POST", "/accounts", {"gl_accounts": [account(4), account(5, classification="INCOME")]})
    assert odd == (
        422,
        "DEVELOPER_7001",
        "The request could not be validated.",
        {
            "gl_accounts.1": [
                "classification: Must be one of: ANY, ASSET, CREDCARD, EQUITY, EXPENSE, LIABILITY, REVENUE, UNKNOWN."
            ]
        },
    )
    assert [row["id"] for row in api.get("/accounting/accounts")["data"]] == ["A-1"]


@both
def test_from_one_to_five_hundred(profile: Profile) -> None:
    api = Api(simulator(profile))
    length = {"gl_accounts": ["Length must be between 1 and 500."]}
    for rows in ([], [account(n) for n in range(501)]):
        assert refusal(api, "POST", "/accounts", {"gl_accounts": rows})[3] == length
    assert len(put(api, *range(500))) == 500
    assert refusal(api, "POST", "/vendors", {})[3] == {"vendors": ["Missing data for required field."]}
    unknown = refusal(api, "POST", "/vendors", {"vendors": [{"id": "V", "name": "V", "colour": "red"}]})
    assert unknown[3] == {"vendors.0.colour": ["Unknown field."]}


@both
def test_deleted_is_out_of_use_and_comes_back(profile: Profile) -> None:
    api = Api(simulator(profile))
    one = f"/accounting/accounts/{put(api, 1)[0]['ramp_id']}"
    body: object = {} if profile == "2026-08" else None
    assert api.call("DELETE", one, body).status == 204
    assert [row["is_active"] for row in api.get("/accounting/accounts")["data"]] == [False]
    assert api.get("/accounting/accounts", is_active="true")["data"] == []
    # It is known all the same.
    assert refusal(api, "POST", "/accounts", {"gl_accounts": [account(1)]})[0] == 400
    assert decoded(api.call("PATCH", one, {"reactivate": True}))["is_active"] is True
    assert refusal(api, "PATCH", one.removeprefix("/accounting"), {"classification": "ASSET"})[3] == {
        "classification": ["Unknown field."]
    }


def test_a_delete_of_2026_needs_a_body() -> None:
    api = Api(simulator("2026-08"))
    one = put(api, 1)[0]["ramp_id"]
    assert refusal(api, "DELETE", f"/accounts/{one}")[3] == {"_schema": ["Invalid JSON body."]}


@both
def test_fields_are_made_once_and_options_belong_to_one(profile: Profile) -> None:
    api = Api(simulator(profile))
    body = {"id": "class", "name": "Class", "input_type": "SINGLE_CHOICE"}
    made = decoded(api.call("POST", "/accounting/fields", body))
    assert decoded(api.call("POST", "/accounting/fields", {**body, "name": "Other"}))["ramp_id"] == made["ramp_id"]
    assert api.get("/accounting/fields")["data"][0]["name"] == "Class"
    options = {"field_id": made["ramp_id"], "options": [{"id": "O-1", "value": "West"}]}
    option = decoded(api.call("POST", "/accounting/field-options", options))["options"][0]
    assert (option["visibility"], option["display_name"]) == ("VISIBLE", "West")
    one = f"/accounting/field-options/{option['ramp_id']}"
    assert decoded(api.call("PATCH", one, {"visibility": "HIDDEN"}))["is_active"] is True
    assert refusal(api, "GET", "/field-options")[3] == {"field_id": ["Missing data for required field."]}
    other = {**options, "field_id": "00000000-0000-4000-8000-000000000001"}
    assert refusal(api, "POST", "/field-options", other)[0] == 404
    assert api.call("DELETE", f"/accounting/fields/{made['ramp_id']}", {}).status == 204
    assert refusal(api, "POST", "/field-options", options)[2] == "The accounting field is not active."


@both
def test_a_direct_connection_is_read_but_for_what_people_see(profile: Profile) -> None:
    target = simulator(profile)
    api = Api(target)
    field = decoded(api.call("POST", "/accounting/fields", {"id": "c", "name": "C", "input_type": "SINGLE_CHOICE"}))
    options = {"field_id": field["ramp_id"], "options": [{"id": "O-1", "value": "West"}]}
    option = decoded(api.call("POST", "/accounting/field-options", options))["options"][0]
    from dataclasses import replace

    active = target.world.connection()
    assert active is not None
    target.world.connections[active.id] = replace(active, kind="DIRECT")
    text = "A direct accounting connection keeps the chart of accounts; it is read-only here."
    assert refusal(api, "POST", "/accounts", {"gl_accounts": [account(1)]})[2] == text
    one = f"/field-options/{option['ramp_id']}"
    assert refusal(api, "PATCH", one, {"value": "East"})[2] == text
    assert decoded(api.call("PATCH", f"/accounting{one}", {"visibility": "HIDDEN"}))["visibility"] == "HIDDEN"
    assert len(api.get("/accounting/fields")["data"]) == 1


def test_a_chart_of_an_inactive_connection_is_its_own() -> None:
    target = simulator("2026-08", connection="DIRECT", provider="QuickBooks")
    api = Api(target)
    made = decoded(api.call("POST", "/accounting/connection", {"remote_provider_name": "Flowctl", "is_active": False}))
    assert (made["is_active"], made["status"], made["connection_type"]) == (False, "unlinked", "API")
    scope = {"accounting_connection_id": made["id"]}
    assert api.call("POST", "/accounting/accounts", {"gl_accounts": [account(1)], **scope}).status == 201
    assert api.get("/accounting/accounts")["data"] == []
    assert [row["id"] for row in api.get("/accounting/accounts", **scope)["data"]] == ["A-1"]
    ready = f"/accounting/connection/{made['id']}/ready-to-migrate"
    assert decoded(api.call("POST", ready))["is_ready_to_migrate"] is True
    assert error(api.call("POST", ready))[2] == "The accounting connection is ready to migrate already."
    switch_provider(target.world, made["id"])
    assert [row["id"] for row in api.get("/accounting/accounts")["data"]] == ["A-1"]
    assert error(api.call("POST", ready))[2] == "Only an inactive API connection can be made ready to migrate."
    listed = api.get("/accounting/all-connections")["connections"]
    assert [(c["remote_provider_name"], c["is_active"], c["settings"] is None) for c in listed] == [
        ("QuickBooks", False, True),
        ("Flowctl", True, False),
    ]


def test_ready_needs_something_to_migrate_from() -> None:
    target = simulator("2026-08", connection="DIRECT", provider="QuickBooks")
    api = Api(target)
    body = {"remote_provider_name": "Flowctl", "is_active": False}
    first, second = (decoded(api.call("POST", "/accounting/connection", body))["id"] for _ in range(2))
    ready = "/accounting/connection/{}/ready-to-migrate"
    assert api.call("POST", ready.format(first)).status == 200
    assert error(api.call("POST", ready.format(second)))[2] == "Another migration is in progress."
    assert api.call("DELETE", "/accounting/connection").status == 204
    assert error(api.call("POST", ready.format(second)))[2] == (
        "There is no active accounting connection to migrate from."
    )


@pytest.mark.parametrize("answers", [True, False])
def test_who_answers_a_newcomer_that_wants_an_inactive_one(answers: bool) -> None:
    target = simulator("2026-08", provider="Other", incumbent_answers_inactive=answers)
    made = decoded(
        Api(target).call("POST", "/accounting/connection", {"remote_provider_name": "Us", "is_active": False})
    )
    assert made["remote_provider_name"] == ("Other" if answers else "Us")


def test_taxes_have_an_order() -> None:
    api = Api(simulator("2026-08"))
    rate = {"id": "R", "name": "VAT", "rate": "0.05"}
    option = {"id": "T", "name": "Reduced", "tax_rate_ids": ["R"]}
    assert refusal(api, "GET", "/tax/code")[0] == 404
    no_field = "There is no active tax code field for this accounting connection."
    assert refusal(api, "POST", "/tax/code/options", {"options": [option]})[2] == no_field
    assert api.call("POST", "/accounting/tax/code", {"name": "Tax Code"}).status == 201
    assert refusal(api, "POST", "/tax/code/options", {"options": [option]})[2] == "A tax rate does not exist."
    for odd in ("-1", "5%", 0.05):
        assert refusal(api, "POST", "/tax/rates", {"tax_rates": [{**rate, "rate": odd}]})[0] == 422
    assert api.call("POST", "/accounting/tax/rates", {"tax_rates": [rate]}).status == 201
    assert api.call("POST", "/accounting/tax/code/options", {"options": [option]}).status == 201
    assert api.get("/accounting/tax/code/options")["data"][0]["tax_rate_ids"] == ["R"]
    assert Api(simulator("2025-08")).call("GET", "/accounting/tax/rates").status == 404
