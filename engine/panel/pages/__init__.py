"""Every page of the panel. A new one is a module beside these with its own `PAGES`, a template, and a line here."""

from __future__ import annotations

from engine.panel.pages import (
    account,
    alert_settings,
    alerts,
    allowing,
    audit,
    choose,
    companies,
    connections,
    flow_rekeyed,
    flow_settings,
    flow_switch,
    flows,
    house,
    importing,
    mappings,
    pausing,
    people,
    reconcile,
    record,
    records,
    runs,
    secondfactor,
    signing,
    to_map,
    webconnector,
    webhooks,
)
from engine.panel.web import Page

# Tabs of a company stand in this order, and so do the names in the navigation of the house.
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *account.PAGES,
    *companies.PAGES,
    *pausing.PAGES,
    *to_map.PAGES,
    *records.PAGES,
    # Their address looks like that of a record, so they are asked first.
    *choose.PAGES,
    *record.PAGES,
    *alerts.PAGES,
    *alert_settings.PAGES,
    *reconcile.PAGES,
    *mappings.PAGES,
    *importing.PAGES,
    *runs.PAGES,
    *flows.PAGES,
    *flow_settings.PAGES,
    *flow_switch.PAGES,
    *flow_rekeyed.PAGES,
    # The same, with a connection.
    *webconnector.PAGES,
    *connections.PAGES,
    *webhooks.PAGES,
    *allowing.PAGES,
    *people.PAGES,
    *house.PAGES,
    *secondfactor.PAGES,
    *audit.PAGES,
)
