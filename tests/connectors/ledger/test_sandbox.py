"""The ledger in a temporary folder that demos and golden cases use."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.ledger import CONNECTOR
from connectors.ledger.connection import LedgerConnection
from connectors.ledger.settings import read_settings
from engine.contract import Binding
from engine.errors import UsageError
from engine.simulated import Directed, Sandbox, Simulated
from engine.testing import FakeClock
from tests.connectors.ledger import ledger_kit as kit


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_it_keeps_what_is_written(form: str) -> None:
    made = CONNECTOR.sandbox(1, FakeClock(), {"given": {"format": form}})
    assert isinstance(CONNECTOR, Simulated)
    assert isinstance(made, Sandbox)
    assert isinstance(made, Directed)
    assert (made.total(), made.contents(), made.unused()) == (Decimal(0), [], [])
    settings, secrets = made.binding("")
    assert secrets == {}
    books = LedgerConnection(read_settings(Binding("acme", "books", settings)), FakeClock())
    books.write(kit.bill())
    books.write(kit.bill("2"))
    assert made.total() == Decimal("240.00")
    again = CONNECTOR.sandbox(1, FakeClock(), {"saved": made.save()})
    made.act("tear", 3)
    books.close()
    assert made.total() == Decimal("120.00")
    assert made.contents() == ["BillAdd 2026-02-27 V-1 INV-7 120.00"]
    assert again.total() == Decimal("240.00")
    with pytest.raises(UsageError, match=r"^a ledger knows no action `burn`$"):
        made.act("burn", 1)
    made.folder.cleanup()
    again.folder.cleanup()


def test_a_source_can_be_coded_to_its_lists() -> None:
    chart = [{"kind": "Account", "id": "1", "name": "Bank", "type": "Bank"}, {"kind": "Class", "name": "East"}]
    made = CONNECTOR.sandbox(1, FakeClock(), {"given": {"chart": chart}})
    east = {"external_id": "East", "name": "East", "code": "", "type": ""}
    assert made.chart() == {"accounts": [], "classes": [east], "customers": [], "vendors": []}
    made.folder.cleanup()
