"""Pages of the panel are counted by what they are, never by what somebody typed."""

from __future__ import annotations

from tests.engine.metering_kit import listening, samples, without_store
from tests.panel.kit import Browser, Office


def test_pages_are_counted_by_their_pattern(office: Office) -> None:
    with listening() as sink:
        browser = Browser(office.app).signed_in("viewer")
        browser.get("/c/acme")
        browser.get("/c/nobody")
        browser.get("/c/evil%22/x/y")
        browser.get("/static/panel.css")
        browser.ask("DELETE", "/panel/companies")
    assert without_store(samples(sink)) == {
        'flowctl_panel_pages_total{method="POST",page="/sign-in",status="303"}': 1,
        'flowctl_panel_pages_total{method="GET",page="/companies",status="200"}': 1,
        'flowctl_panel_pages_total{method="GET",page="/c/{company}",status="200"}': 1,
        'flowctl_panel_pages_total{method="GET",page="/c/{company}",status="404"}': 1,
        'flowctl_panel_pages_total{method="GET",page="other",status="404"}': 1,
        'flowctl_panel_pages_total{method="DELETE",page="/companies",status="405"}': 1,
        'flowctl_panel_page_seconds_count{page="/sign-in"}': 1,
        'flowctl_panel_page_seconds_count{page="/companies"}': 2,
        'flowctl_panel_page_seconds_count{page="/c/{company}"}': 2,
        'flowctl_panel_page_seconds_count{page="other"}': 1,
    }
