"""Every page of the panel. A new one is a module beside these with its own `PAGES`, a template, and a line here."""

from __future__ import annotations

from engine.panel.pages import (
    account,
    alerts,
    allowing,
    companies,
    connections,
    people,
    record,
    records,
    secondfactor,
    signing,
    webconnector,
)
from engine.panel.web import Page

# Tabs of a company stand in this order.
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *account.PAGES,
    *secondfactor.PAGES,
    *companies.PAGES,
    *records.PAGES,
    *record.PAGES,
    *alerts.PAGES,
    # Its path would be taken for that of a connection.
    *webconnector.PAGES,
    *connections.PAGES,
    *allowing.PAGES,
    *people.PAGES,
)
