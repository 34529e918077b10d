from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from lxml import etree

from connectors.qbwc.routes import make_handler
from connectors.qbwc.simulator import (
    FAULTS,
    Application,
    FaultPlan,
    Faults,
    WebConnector,
    handler_post,
    seed_company,
    total_of,
)
from connectors.qbwc.simulator.model import Behaviour
from engine.qbxml.books import company_identity, list_objects
from engine.qbxml.response import parse_response
from tests.connectors.qbwc.kit import FILE, OWNER, Kit
from tests.connectors.qbwc.memory_outbox import bill

BILLS = 6
# What a person does to the books, and what no service can see in time, is left to tests of their own.
SURVIVABLE = sorted(set(FAULTS) - {"restore_backup", "user_delete", "user_edit", "switch_file_unseen"})


def story(seed: int, rate: float, **knobs: Any) -> tuple[WebConnector, Kit, Faults]:
    """Bills posted through our service while everything goes wrong, then a few quiet sessions."""
    kit = Kit()
    for number in range(1, BILLS + 1):
        kit.outbox.add(bill(number, f"{number}.00"))
    company = seed_company(seed)
    company.behaviour = replace(Behaviour(), **knobs)
    faults = Faults(FaultPlan(seed, rates=dict.fromkeys(SURVIVABLE, rate)), seed_company(seed + 1000))
    post = handler_post(make_handler(kit.outbox, kit.clock, kit.ids))
    connector = WebConnector(
        post, "books", "pw", company, application=Application(owner_id=OWNER, file_id=FILE), faults=faults
    )
    for _ in range(20):
        connector.update()
        kit.clock.sleep(600)
    connector.faults = Faults()
    for _ in range(6):
        connector.update()
        kit.clock.sleep(3600)
    return connector, kit, faults


def test_bills_are_posted_without_faults() -> None:
    connector, kit, _ = story(1, 0.0)
    assert total_of(connector.company, "Bill") == sum(range(1, BILLS + 1))
    assert {waiting.state for waiting in kit.outbox.data.operations.values()} == {"posted"}
    # An hour has passed, so the next visit looks whether everything is still there; the one after it has nothing to do.
    assert [connector.update().outcome for _ in range(2)] == ["done", "no_work"]


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"checksum": "content"},
        {"stored_answer": "ids"},
        {"guid_in_queries": False, "guid_in_add_answers": False},
        {"kept_sets": 1},
        {"store_loss": 0.5},
        {"absent_set_code": "600"},
        {"message_set_id_limit": 23},
        {"missing_ref_number_code": 1},
    ],
    ids=lambda knobs: "-".join(knobs) or "as-assumed",
)
def test_no_unproven_behaviour_makes_a_bill_lost_or_doubled(knobs: dict[str, Any]) -> None:
    happened: Counter[str] = Counter()
    for seed in range(3):
        connector, _, faults = story(seed, 0.07, **knobs)
        posted = Counter(txn.guid for txn in connector.company.txns("Bill"))
        assert (len(posted), set(posted.values())) == (BILLS, {1}), f"seed {seed}"
        assert faults.other_file is not None
        assert not faults.other_file.books.txns, f"seed {seed}"
        happened += faults.counts
    assert sum(happened.values()) > 20


def test_the_engine_reads_what_quickbooks_says() -> None:
    connector, _, _ = story(1, 0.0)
    processor_answer = _ask(connector, "<VendorQueryRq><FullName>Acme Supply</FullName></VendorQueryRq>")
    (response,) = parse_response(processor_answer).responses
    assert [item.full_name for item in list_objects(response)] == ["Acme Supply"]
    queries = f"<HostQueryRq/><CompanyQueryRq><OwnerID>{OWNER}</OwnerID></CompanyQueryRq><PreferencesQueryRq/>"
    identity = company_identity(parse_response(_ask(connector, queries)), owner_id=OWNER)
    assert (identity.file_id, identity.company_name, identity.country) == (FILE, "Sandbox Company", "US")


def test_answers_are_valid_for_our_own_schema() -> None:
    schema = etree.XMLSchema(etree.fromstring((files("schemas") / "qbxml" / "qbxml.xsd").read_bytes()))
    connector, _, _ = story(1, 0.0)
    kinds = (
        "Account",
        "Vendor",
        "Customer",
        "Class",
        "Employee",
        "Terms",
        "Item",
        "Currency",
        "Bill",
        "Host",
        "Preferences",
    )
    answer = etree.fromstring(_ask(connector, "".join(f"<{kind}QueryRq/>" for kind in kinds)))
    assert schema.validate(answer), str(schema.error_log)
    assert {response.get("statusCode") for response in answer[0]} == {"0"}


def _ask(connector: WebConnector, requests: str) -> str:
    from connectors.qbwc.simulator import RequestProcessor

    text = f'<?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="continueOnError">{requests}</QBXMLMsgsRq></QBXML>'
    return RequestProcessor(connector.company).process(text)
