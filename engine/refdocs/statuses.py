"""The page of QuickBooks' answers."""

from __future__ import annotations

from engine.refdocs.markdown import page, table


def statuses_page() -> str:
    """What QuickBooks' status codes and COM errors come to, from the tables that the connector works by."""
    from engine import registry
    from engine.spec import Documented

    connector: object = registry.find("qbwc")
    assert isinstance(connector, Documented)
    statuses = table(
        ("status", "when the text says", "the record is", "what a person can do"),
        [(row.code, f"`{row.says}`" if row.says else "", row.outcome, row.hint) for row in connector.statuses()],
    )
    errors = table(
        ("HRESULT", "what happened", "what to do"),
        [(f"`{row.code}`", row.outcome, row.hint) for row in connector.breakdowns()],
    )
    intro = (
        "What flowctl does when QuickBooks Desktop answers a write. The first row that fits decides; a status that fits none "
        "stops the record for a person, and nothing is tried blindly."
    )
    com = (
        "## COM errors\n\nThe Web Connector reports these instead of an answer. `0x80040400` means that nothing of the document "
        "ran. After any other, what became of a write under way is found out before anything else is sent."
    )
    return page("QuickBooks statuses", intro, ["## Status codes", statuses, com, errors])
