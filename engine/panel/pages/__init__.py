"""Every page of the panel. A new one is a module beside these with its own `PAGES`, a template, and a line here."""

from __future__ import annotations

from engine.panel.pages import account, alert_settings, alerts, audit, companies, record, records, signing, webhooks
from engine.panel.web import Page

# Tabs of a company stand in this order.
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *account.PAGES,
    *companies.PAGES,
    *records.PAGES,
    *record.PAGES,
    *alerts.PAGES,
    *alert_settings.PAGES,
    *audit.PAGES,
    *webhooks.PAGES,
)
