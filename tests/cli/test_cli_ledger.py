"""Connecting a ledger file in the place of QuickBooks."""

from __future__ import annotations

from pathlib import Path

from connectors.ledger import CONNECTOR as LEDGER
from engine.registry import registered
from tests.cli.cli_kit import Cli


def test_a_ledger_stands_for_quickbooks(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with registered({"ledger": LEDGER}):
        refused = cli("connect", "books", "--connector", "bill")
        assert refused.status == 2
        assert refused.err.startswith(
            "error: `bill` cannot be `books`: `bill_to_quickbooks` wants the connector qbwc, "
        )
        ran = cli.ok("connect", "books", "--connector", "ledger", "--set", f"path={path}", "--check")
        assert ran.out == (
            "main/books: connected with Ledger file\n"
            "ok    main/books: Ledger file can be used; 0 entries in the file, 0 names in the chart\n"
        )
        assert path.exists()
        shown = cli.ok("connectors", "ledger").out.splitlines()
        assert shown[2:4] == ["we call it", "it can be connected in the place of qbwc"]
        assert "Web Connector" not in cli.ok("status").out
        assert cli("connect", "books", "qbwc", "--connector", "ledger").status == 2
