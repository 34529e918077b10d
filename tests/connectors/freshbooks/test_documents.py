"""Receipts of expenses: fetched when they are needed, and opened by a secret that shows nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from engine.clock import SystemIds
from engine.connections.connecting import connect
from engine.documents import MOST, Document, HasDocuments
from engine.errors import BadAnswer, FlowctlError, Rejected, Transient
from engine.vault import Vault
from engine.world import CompanyDocuments, World
from tests import stores
from tests.connectors.freshbooks.freshbooks_kit import Place, opened


def fetch(place: Place, record_id: str, stream: str = "expenses") -> Document | None:
    with opened(place) as connection:
        assert isinstance(connection, HasDocuments)
        return connection.document(stream, record_id)


def spoil(place: Place, **changes: Any) -> None:
    """Change the answer that brings the file."""
    inner = place.sandbox.transport()

    def before(request: httpx.Request) -> httpx.Response | None:
        if "/uploads/" not in request.url.path:
            return None
        answer = inner.handle_request(request)
        answer.read()
        headers: Mapping[str, str] = changes.get("headers", dict(answer.headers))
        return httpx.Response(
            changes.get("status", 200), headers=headers, content=changes.get("content", answer.content)
        )

    place.before = before


def test_a_receipt_is_fetched_with_its_name_and_kind() -> None:
    place = Place()
    place.world.last_id = 1001
    made = place.expense("12.50", has_receipt=True)
    found = fetch(place, made)
    assert found == Document(b"%PDF-1.4\nreceipt of expense 1002: 12.50 USD\n", "application/pdf", "receipt-1002.pdf")
    with opened(place) as connection:
        record = connection.get("expenses", made)
    assert record is not None
    assert record["attachment"] == {"id": "6002", "media_type": "application/pdf"}
    assert "%PDF" not in repr(found)


def test_expenses_and_bills_without_one() -> None:
    place = Place()
    assert fetch(place, place.expense()) is None
    assert fetch(place, place.bill(), "bills") is None
    assert fetch(place, "999999") is None
    with pytest.raises(Rejected) as caught:
        fetch(place, "1", "bill_vendors")
    assert str(caught.value) == "acme/freshbooks: `bill_vendors` has no documents"


def test_what_opens_it_is_in_no_record_log_or_error() -> None:
    place = Place()
    made = place.expense(has_receipt=True)
    tokens: list[str] = []
    spoil(place, status=500)
    inner = place.before

    def note(request: httpx.Request) -> httpx.Response | None:
        if "/uploads/" in request.url.path:
            tokens.append(request.url.path.rpartition("/")[2])
        return inner(request)

    place.before = note
    with opened(place) as connection:
        pages = list(connection.read("expenses", {}, None))
        with pytest.raises(Transient) as caught:
            connection.document("expenses", made)
    assert tokens[0]
    assert tokens[0] not in f"{pages}{caught.value}{place.simulator.log}"
    assert str(caught.value).startswith("acme/freshbooks: GET /uploads/attachments/...: 500: ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"headers": {"content-type": "text/html"}}, "no file in the answer"),
        ({"headers": {"content-type": "application/json"}, "content": b'{"error":"x"}'}, "no file in the answer"),
        ({"content": b""}, "no file in the answer"),
    ],
)
def test_answers_that_are_no_file(changes: dict[str, Any], said: str) -> None:
    place = Place()
    made = place.expense(has_receipt=True)
    spoil(place, **changes)
    with pytest.raises(BadAnswer) as caught:
        fetch(place, made)
    assert str(caught.value) == f"acme/freshbooks: GET /uploads/attachments/...: 200: {said}"


@pytest.mark.parametrize(
    ("headers", "media_type", "name"),
    [
        ({}, "application/pdf", "expense-1002.pdf"),
        ({"content-type": "IMAGE/JPEG; q=1", "x-filename": "../../etc/Beleg 1.jpg"}, "image/jpeg", "Beleg 1.jpg"),
        ({"content-type": "application/octet-stream", "x-filename": ".."}, "application/pdf", "expense-1002.pdf"),
        ({"x-filename": "x" * 300}, "application/pdf", "expense-1002.pdf"),
    ],
)
def test_names_and_kinds(headers: dict[str, str], media_type: str, name: str) -> None:
    place = Place()
    place.world.last_id = 1001
    made = place.expense(has_receipt=True)
    spoil(place, headers=headers)
    found = fetch(place, made)
    assert found is not None
    assert (found.media_type, found.name) == (media_type, name)


def test_a_document_that_is_too_large() -> None:
    place = Place(receipt_bytes=MOST + 1)
    made = place.expense(has_receipt=True)
    with pytest.raises(Rejected) as caught:
        fetch(place, made)
    assert str(caught.value) == (
        "acme/freshbooks: GET /uploads/attachments/...: 200: a document of more than 10,485,760 bytes"
    )
    place.throw(receipt_bytes=MOST)
    found = fetch(place, made)
    assert found is not None
    assert len(found.content) == MOST


def test_a_target_fetches_it_through_the_company() -> None:
    place = Place()
    made = place.expense(has_receipt=True)
    world = World(stores.empty(), Vault(b"k" * 32), place.clock, SystemIds(), {"freshbooks": place.sandbox.transport()})
    settings, secrets = place.sandbox.binding("http://127.0.0.1:1")
    connect(world, "acme", "freshbooks", "freshbooks", settings, secrets)
    connect(world, "acme", "ramp", "ramp", {}, {"client_id": "ramp_id_1", "client_secret": "ramp_sec_1"})
    documents = CompanyDocuments(world, "acme")
    found = documents.fetch("freshbooks", "expenses", made)
    assert found is not None
    assert found.name.startswith("receipt-")
    with pytest.raises(FlowctlError):
        CompanyDocuments(world, "other").fetch("freshbooks", "expenses", made)
    with pytest.raises(Rejected) as caught:
        documents.fetch("ramp", "bills", "1")
    assert str(caught.value) == "acme/ramp: this connector hands out no documents"
    world.store.close()
