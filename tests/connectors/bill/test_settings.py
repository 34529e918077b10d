from __future__ import annotations

import pytest

from connectors.bill import CONNECTOR
from connectors.bill.settings import read_settings
from engine.contract import Binding
from engine.errors import Rejected, SettingMissing
from tests.connectors.bill.bill_kit import ORG, SECRETS, SETTINGS, binding
from tests.connectors.http_kit import tools

NOT_GIVEN = "run `flowctl connect bill --company acme`"


def found(given: Binding) -> list[tuple[str, str, str, str | None, str]]:
    return [(p.code, p.where, p.message, p.hint, p.level) for p in CONNECTOR.check(given)]


def test_good_settings_have_no_problem_and_defaults() -> None:
    assert found(binding()) == []
    settings = read_settings(binding())
    assert (settings.base_url, settings.page_size) == ("https://gateway.prod.bill.com", 100)
    assert (settings.organization_id, settings.overlap.total_seconds()) == (ORG, 600.0)
    assert read_settings(binding(environment="sandbox")).base_url == "https://gateway.stage.bill.com"
    local = read_settings(binding(base_url="http://127.0.0.1:8080/", page_size=1, overlap_minutes=1440))
    assert (local.base_url, local.page_size, local.overlap.total_seconds()) == ("http://127.0.0.1:8080", 1, 86400.0)


def test_whatever_is_missing_is_named_at_once() -> None:
    names = ("username", "password", "organization_id", "dev_key")
    empty = Binding("acme", "bill", {}, {"webhook_key": "k"})
    assert found(empty) == [("R001", name, "is not given", NOT_GIVEN, "error") for name in names]
    with pytest.raises(SettingMissing) as caught:
        CONNECTOR.open(empty, tools(None))
    assert str(caught.value) == "acme/bill: not given: `username`, `password`, `organization_id`, `dev_key`"


@pytest.mark.parametrize(
    ("name", "value", "message", "hint"),
    [
        ("page_size", 0, "must be a whole number from 1 to 100", "leave it out for 100"),
        ("page_size", 101, "must be a whole number from 1 to 100", "leave it out for 100"),
        ("page_size", True, "must be a whole number from 1 to 100", "leave it out for 100"),
        ("page_size", "20", "must be a whole number from 1 to 100", "leave it out for 100"),
        ("overlap_minutes", 0, "must be a whole number from 1 to 1440", "leave it out for 10"),
        ("overlap_minutes", 1441, "must be a whole number from 1 to 1440", "leave it out for 10"),
        ("environment", "staging", "`staging` is not one of its values", "known: production, sandbox"),
        (
            "base_url",
            "https://gateway.prod.bill.com/connect/v3",
            "must end after the host; paths are added by the connector",
            "leave it out for https://gateway.prod.bill.com",
        ),
        (
            "base_url",
            "http://gateway.prod.bill.com",
            "must start with https:// unless it is a simulator on this machine",
            "leave it out for https://gateway.prod.bill.com",
        ),
        (
            "base_url",
            "https://gateway.bill.com",
            "must name one of these hosts: gateway.prod.bill.com, gateway.stage.bill.com, or this machine",
            "leave it out for https://gateway.prod.bill.com",
        ),
        (
            "organization_id",
            "00801/../x",
            "holds characters that it cannot have",
            "copy it again from BILL, without spaces",
        ),
        (
            "username",
            "a b@acme.example",
            "holds characters that it cannot have",
            "copy it again from BILL, without spaces",
        ),
    ],
)
def test_wrong_settings_are_said_and_refused(name: str, value: str | int, message: str, hint: str) -> None:
    given = binding(**{name: value})
    assert found(given) == [("R002", name, message, hint, "error")]
    with pytest.raises(Rejected) as caught:
        CONNECTOR.open(given, tools(None))
    assert (str(caught.value), caught.value.hint) == (f"acme/bill: {name}: {message}", hint)


def test_secrets_that_cannot_be_right_are_refused_without_showing_them() -> None:
    given = binding({**SECRETS, "dev_key": "canary\r\nX-Evil: 1", "password": "canary\n"})
    copied = (
        "R002",
        "dev_key",
        "holds characters that it cannot have",
        "copy it again from BILL, without spaces",
        "error",
    )
    typed = ("R002", "password", "holds characters that it cannot have", "type it again", "error")
    assert found(given) == [copied, typed]
    assert "canary" not in repr(CONNECTOR.check(given))


def test_a_password_may_hold_whatever_can_be_typed() -> None:
    assert found(binding({**SECRETS, "password": 'pä ss"\\wörd €'})) == []


def test_without_a_webhook_key_there_is_a_warning() -> None:
    secrets = {name: SECRETS[name] for name in ("password", "dev_key")}
    hint = "records are found at the next poll; give the key to hear of them at once"
    message = "is not given, so every webhook is refused"
    assert found(binding(secrets)) == [("R003", "webhook_key", message, hint, "warning")]
    assert read_settings(binding(secrets)).page_size == 100


def test_no_secret_is_in_a_repr_or_a_name_of_limits() -> None:
    settings = read_settings(binding())
    shown = [repr(settings), settings.owner(), settings.calls_name(), settings.logins_name(), repr(binding())]
    assert not [text for text in shown for secret in SECRETS.values() if secret in text]
    assert "user-canary" not in repr(settings)
    assert ORG not in settings.calls_name()


def test_names_differ_by_what_they_count() -> None:
    one = read_settings(binding())
    other_user = read_settings(binding(username="other@acme.example"))
    other_org = read_settings(binding(organization_id="00801OTHER"))
    other_key = read_settings(binding({**SECRETS, "dev_key": "other"}))
    other_host = read_settings(binding(environment="sandbox"))
    assert len({s.owner() for s in (one, other_user, other_org, other_key, other_host)}) == 5
    assert one.calls_name() == other_user.calls_name() == other_key.calls_name() != other_org.calls_name()
    assert one.logins_name() == other_user.logins_name() == other_org.logins_name() != other_key.logins_name()


def test_every_setting_is_described_and_every_secret_is_marked() -> None:
    described = {f.name: f for f in CONNECTOR.spec.settings}
    assert [name for name, f in described.items() if f.secret] == [
        "password",
        "dev_key",
        "webhook_key",
        "webhook_key_previous",
    ]
    assert [name for name, f in described.items() if f.required] == [
        "username",
        "password",
        "organization_id",
        "dev_key",
    ]
    assert set(SETTINGS) | set(SECRETS) <= set(described)
