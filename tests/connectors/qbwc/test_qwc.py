"""The .qwc file and the checks of its settings."""

from __future__ import annotations

import re

import pytest

from connectors.qbwc import CONNECTOR
from connectors.qbwc.qwc import BadQwcSettings, new_file_id, qwc
from connectors.qbwc.simulator import Application
from connectors.qbwc.spec import OWNER_ID
from engine.clock import SystemIds
from engine.contract import Binding
from engine.errors import SettingMissing

FILE = "{90A44FB5-33D9-4815-AC85-BC87A7E7D1EB}"
GOOD: dict[str, str | int | bool] = {"user": "acme", "app_url": "https://books.example.test/qbwc", "file_id": FILE}


def binding(**more: str | int | bool) -> Binding:
    return Binding("acme", "books", {**GOOD, **more}, {"password": "hunter2"})


def test_the_whole_document() -> None:
    assert qwc(binding(app_name="Books & <more>", run_every_min=7)).decode() == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<QBWCXML>\n"
        "  <AppName>Books &amp; &lt;more&gt;</AppName>\n"
        "  <AppID></AppID>\n"
        "  <AppURL>https://books.example.test/qbwc</AppURL>\n"
        "  <AppDescription>Sends approved bills, payments and card transactions to QuickBooks.</AppDescription>\n"
        "  <AppSupport>https://books.example.test/qbwc</AppSupport>\n"
        "  <UserName>acme</UserName>\n"
        f"  <OwnerID>{OWNER_ID}</OwnerID>\n"
        f"  <FileID>{FILE}</FileID>\n"
        "  <QBType>QBFS</QBType>\n"
        "  <Style>Document</Style>\n"
        "  <AuthFlags>0xF</AuthFlags>\n"
        "  <Notify>false</Notify>\n"
        "  <IsReadOnly>false</IsReadOnly>\n"
        "  <PersonalDataPref>pdpNotNeeded</PersonalDataPref>\n"
        "  <UnattendedModePref>umpOptional</UnattendedModePref>\n"
        "  <Scheduler>\n"
        "    <RunEveryNMinutes>7</RunEveryNMinutes>\n"
        "  </Scheduler>\n"
        "</QBWCXML>\n"
    )


def test_a_web_connector_installs_it() -> None:
    assert Application.from_qwc(qwc(binding())) == Application(
        "flowctl", OWNER_ID, FILE, app_url="https://books.example.test/qbwc"
    )


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingMissing) as caught:
        qwc(Binding("acme", "books", {"user": "acme"}))
    assert str(caught.value) == "acme/books: not given: `app_url`, `file_id`"


ADDRESS = "use a host name: the Web Connector refuses addresses (QBWC1001)"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "app_url",
            "",
            "error[Q001]: app_url: is not given\n  hint: set it: https address of this service as the Web Connector reaches it",
        ),
        (
            "app_url",
            "books.example.test",
            "error[Q002]: app_url: is no web address\n  hint: write it as https://host/path",
        ),
        ("app_url", "https://a b/", "error[Q002]: app_url: is no web address\n  hint: write it as https://host/path"),
        (
            "app_url",
            "https://h:99999/",
            "error[Q002]: app_url: is no web address\n  hint: write it as https://host/path",
        ),
        ("app_url", "https://u:p@h/", "error[Q002]: app_url: is no web address\n  hint: write it as https://host/path"),
        ("app_url", "ftp://h/", "error[Q002]: app_url: is no web address\n  hint: write it as https://host/path"),
        ("app_url", "https://127.0.0.1/q", f"error[Q003]: app_url: names its host by an IP address\n  hint: {ADDRESS}"),
        ("app_url", "https://[::1]/q", f"error[Q003]: app_url: names its host by an IP address\n  hint: {ADDRESS}"),
        (
            "app_url",
            "https://2130706433/q",
            f"error[Q003]: app_url: names its host by an IP address\n  hint: {ADDRESS}",
        ),
        ("app_url", "https://0x7f.1/q", f"error[Q003]: app_url: names its host by an IP address\n  hint: {ADDRESS}"),
        (
            "app_url",
            "http://books.example.test/q",
            "error[Q004]: app_url: is not https\n  hint: use https; http works with localhost only (QBWC1010)",
        ),
        (
            "support_url",
            "https://help.example.test/",
            "error[Q005]: support_url: is on another host than app_url\n  hint: use the same host (QBWC1000)",
        ),
        (
            "file_id",
            "90A44FB5-33D9-4815-AC85-BC87A7E7D1EB",
            "error[Q006]: file_id: is no GUID in braces\n  hint: write it as {8-4-4-4-12} hexadecimal digits",
        ),
        ("qbxml_version", "thirteen", "error[Q007]: qbxml_version: is no version\n  hint: write it as 13.0"),
        (
            "run_every_min",
            0,
            "error[Q008]: run_every_min: is not between 1 and 1440\n  hint: give a whole number in that range",
        ),
        (
            "page_size",
            "many",
            "error[Q008]: page_size: is not between 1 and 5000\n  hint: give a whole number in that range",
        ),
    ],
)
def test_what_the_web_connector_would_refuse_is_said_before(name: str, value: str | int, text: str) -> None:
    problems = CONNECTOR.check(binding(**{name: value}))
    assert [str(problem) for problem in problems] == [f"acme/books: {text}"]
    if value != "":
        with pytest.raises(BadQwcSettings) as caught:
            qwc(binding(**{name: value}))
        assert str(caught.value) == f"acme/books: {text}"


def test_plain_http_works_with_localhost() -> None:
    assert CONNECTOR.check(binding(app_url="http://localhost:8080/qbwc")) == []


def test_a_new_file_id_is_a_guid_that_nobody_else_has() -> None:
    made = {new_file_id(SystemIds()) for _ in range(50)}
    assert len(made) == 50
    assert all(
        re.fullmatch(r"\{[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\}", text) for text in made
    )
