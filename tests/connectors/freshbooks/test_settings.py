"""What is wrong with a connection's settings, whole."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.settings import read_settings
from engine.contract import Binding
from engine.errors import Rejected, SettingMissing
from tests.connectors.freshbooks.freshbooks_kit import Place


def test_nothing_given() -> None:
    found = [(p.where, p.message, p.level) for p in CONNECTOR.check(Binding("acme", "freshbooks"))]
    assert found == [
        ("client_id", "is not given", "error"),
        ("client_secret", "is not given", "error"),
        ("redirect_uri", "is not given", "error"),
        ("webhook_verifiers", "is not given, so every webhook is refused", "warning"),
    ]
    with pytest.raises(SettingMissing):
        read_settings(Binding("acme", "freshbooks"))


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        ({"redirect_uri": "http://x.example/cb"}, "redirect_uri", "must be an https address without a query"),
        ({"redirect_uri": "https://x.example/cb?a=1"}, "redirect_uri", "must be an https address without a query"),
        ({"redirect_uri": "https://["}, "redirect_uri", "must be an https address without a query"),
        ({"account_id": "../x"}, "account_id", "holds characters that it cannot have"),
        ({"page_size": 101}, "page_size", "must be a whole number from 1 to 100"),
        ({"overlap_days": 0}, "overlap_days", "must be a whole number from 1 to 30"),
        (
            {"base_url": "https://api.freshbooks.com/x"},
            "base_url",
            "must end after the host; paths are added by the connector",
        ),
        (
            {"base_url": "https://evil.example"},
            "base_url",
            "must name one of these hosts: api.freshbooks.com, auth.freshbooks.com, or this machine",
        ),
    ],
)
def test_one_thing_wrong(settings: dict[str, Any], name: str, said: str) -> None:
    binding = Place().binding(None, **settings)
    assert [(p.where, p.message) for p in CONNECTOR.check(binding)] == [(name, said)]
    with pytest.raises(Rejected) as caught:
        read_settings(binding)
    assert str(caught.value) == f"acme/freshbooks: {name}: {said}"


def test_no_secret_shows() -> None:
    settings = read_settings(Place().binding({"client_secret": "canary", "authorization_code": "canary-2"}))
    assert "canary" not in repr(settings)
    assert "canary" not in settings.owner() + settings.calls_name()
