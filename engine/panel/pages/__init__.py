"""Every page of the panel. A new one is a module beside these with its own `PAGES`, a template, and a line here."""

from __future__ import annotations

from engine.panel.pages import (
    account,
    alert_settings,
    alerts,
    audit,
    companies,
    flows,
    importing,
    mappings,
    record,
    records,
    runs,
    signing,
    to_map,
    webhooks,
)
from engine.panel.web import Page

# Tabs of a company stand in this order, and so do the names in the navigation of the house.
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *account.PAGES,
    *companies.PAGES,
    *records.PAGES,
    *record.PAGES,
    *to_map.PAGES,
    *mappings.PAGES,
    *importing.PAGES,
    *runs.PAGES,
    *flows.PAGES,
    *alerts.PAGES,
    *alert_settings.PAGES,
    *audit.PAGES,
    *webhooks.PAGES,
)
