"""Settings: defaults, and what is wrong with them in words a person understands."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint

import pytest

from connectors.expensify import CONNECTOR
from connectors.expensify.settings import read_settings
from engine.errors import Rejected, SettingMissing
from tests.connectors.expensify.source_kit import SECRET, USER, binding
from tests.reference import ROOT


def found(**settings: str | int | bool) -> list[str]:
    return [f"{d.code} {d.where}: {d.message}" for d in CONNECTOR.check(binding(**settings))]


def test_defaults() -> None:
    settings = read_settings(binding())
    assert (settings.partner_user_id, settings.partner_user_secret) == (USER, SECRET)
    assert (settings.base_url, settings.export_label, settings.policies, settings.amount_unit) == (
        "https://integrations.expensify.com",
        "flowctl",
        (),
        "hundredths",
    )
    numbers = (settings.lookback_days, settings.recheck_days, settings.export_limit, settings.download_wait_s)
    assert numbers == (365, 30, 500, 120)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("partner_user_id", "", "R001 partner_user_id: is not given"),
        ("partner_user_id", "a b", "R002 partner_user_id: holds characters that no Expensify credential has"),
        ("lookback_days", 0, "R002 lookback_days: must be a whole number from 1 to 1095"),
        ("lookback_days", 1096, "R002 lookback_days: must be a whole number from 1 to 1095"),
        ("recheck_days", True, "R002 recheck_days: must be a whole number from 1 to 365"),
        ("export_limit", 49, "R002 export_limit: must be a whole number from 50 to 5000"),
        ("download_wait_s", "120", "R002 download_wait_s: must be a whole number from 10 to 600"),
        ("export_label", "  ", "R002 export_label: must be a text of 1 to 100 characters on one line"),
        ("export_label", "a\nb", "R002 export_label: must be a text of 1 to 100 characters on one line"),
        ("policies", "A,B C", "R002 policies: `B C` is no id of a policy"),
        ("amount_unit", "cents", "R002 amount_unit: `cents` is not one of its values"),
        ("base_url", "http://integrations.expensify.com", "R002 base_url: must start with https:// unless it is a simulator on this machine"),
        ("base_url", "https://127.0.0.1:1/x", "R002 base_url: must end after the host; the path is added by the connector"),
    ],
)  # fmt: skip
def test_each_problem_is_named(name: str, value: str | int | bool, message: str) -> None:
    assert found(**{name: value}) == [message]
    with pytest.raises((Rejected, SettingMissing), match="acme/expensify: "):
        read_settings(binding(**{name: value}))


def test_good_settings_have_none() -> None:
    assert found(policies=" A1, B-2 ,,A1", base_url="http://127.0.0.1:8080/", export_label="Büro 1") == []
    assert read_settings(binding(policies=" A1, B-2 ,,A1")).policies == ("A1", "B-2")


def test_missing_credentials_are_named_together() -> None:
    with pytest.raises(SettingMissing) as caught:
        read_settings(binding({}, partner_user_id=""))
    assert str(caught.value) == "acme/expensify: not given: `partner_user_id`, `partner_user_secret`"


def test_the_connector_is_an_entry_point_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert EntryPoint("expensify", project["entry-points"]["flowctl.connectors"]["expensify"], "").load() is CONNECTOR
