"""Binding a connection: values in their types, secrets sealed, passwords hashed, and what was given before kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from engine.access.passwords import HASHER
from engine.connections.connecting import SettingsRefused, SettingWrong, connect, typed
from engine.diagnostics import Diagnostic, Location
from engine.errors import UnknownName
from engine.registry import registered
from engine.spec import FieldSpec
from engine.store import companies, journal
from engine.testing import memory_world
from engine.world import World
from tests import stores
from tests.engine import kit
from tests.engine.kit import LedgerConnector, Shop, ShopConnector


@pytest.fixture
def shop() -> Iterator[ShopConnector]:
    connector = ShopConnector(Shop())
    with registered({"shop": connector, "ledger": LedgerConnector()}):
        yield connector


@pytest.fixture
def world(shop: ShopConnector) -> Iterator[World]:
    made = memory_world()
    yield made
    made.store.close()


def bound(world: World, connection: str = "shop") -> tuple[dict[str, Any], dict[str, str]]:
    with world.store.read() as tx:
        found = companies.binding(tx, world.vault, "acme", connection)
    assert found is not None
    return dict(found[1].settings), dict(found[1].secrets)


def test_a_connection_is_kept(world: World, shop: ShopConnector) -> None:
    connector = connect(
        world, "acme", "shop", "shop", {"region": "eu", "pages": "7", "live": "yes"}, {"api_key": "k-1"}
    )
    assert connector is shop
    assert bound(world) == ({"region": "eu", "pages": 7, "live": True}, {"api_key": "k-1"})
    with world.store.read() as tx:
        (line,) = journal.lines(tx, "acme")
        assert companies.names(tx) == ("acme",)
    assert (line["event"], line["actor"], json.loads(line["detail"])) == (
        "connected",
        "person",
        {"connection": "shop", "connector": "shop", "settings": ["live", "pages", "region"], "secrets": ["api_key"]},
    )


def test_what_is_not_given_again_stays_but_a_token_does_not(world: World) -> None:
    connect(world, "acme", "shop", "shop", {"region": "eu"}, {"api_key": "k-1"})
    with world.store.write() as tx:
        companies.put_token(tx, world.vault, "acme", "shop", {"access": "old"}, kit.AT)
    connect(world, "acme", "shop", "shop", {"pages": 3}, {"hook_secret": "h"})
    assert bound(world) == ({"region": "eu", "pages": 3}, {"api_key": "k-1", "hook_secret": "h"})
    with world.store.read() as tx:
        assert companies.token(tx, world.vault, "acme", "shop") is None


def test_another_connector_starts_anew(world: World) -> None:
    connect(world, "acme", "shop", "shop", {"region": "eu"}, {"api_key": "k-1"})
    connect(world, "acme", "shop", "ledger", {"user": "u"}, {})
    assert bound(world)[0] == {"user": "u"}


def test_a_password_is_only_kept_as_a_hash(world: World) -> None:
    connect(world, "acme", "ledger", "ledger", {"user": "acme-wc"}, {"password": "canary-password"})
    assert bound(world, "ledger") == ({"user": "acme-wc"}, {})
    with world.store.read() as tx:
        login = companies.login(tx, "acme-wc")
    assert login is not None
    assert (login.company, dict(login.settings)) == ("acme", {"user": "acme-wc"})
    assert PasswordHasher().verify(login.password_hash, "canary-password")
    # The same cost as every other check: a login that took longer would tell by its time that the user exists.
    assert not HASHER.check_needs_rehash(login.password_hash)
    assert "canary" not in stores.dump(world.store)


def test_a_user_name_of_another_company_is_refused_and_leaves_nothing(world: World) -> None:
    connect(world, "acme", "ledger", "ledger", {"user": "wc"}, {"password": "p"})
    with pytest.raises(UnknownName) as caught:
        connect(world, "zeta", "ledger", "ledger", {"user": "wc"}, {"password": "q"})
    assert str(caught.value) == "there is no free user name `wc`"
    with world.store.read() as tx:
        assert companies.names(tx) == ("acme",)


@pytest.mark.parametrize(
    ("connector", "settings", "secrets", "message"),
    [
        ("shopp", {}, {}, "there is no connector `shopp`"),
        ("shop", {"regionn": "eu"}, {}, "there is no setting `regionn`"),
        ("shop", {}, {"key": "x"}, "there is no setting `key`"),
    ],
)
def test_names_that_do_not_exist(
    world: World, connector: str, settings: dict[str, str], secrets: dict[str, str], message: str
) -> None:
    with pytest.raises(UnknownName) as caught:
        connect(world, "acme", "shop", connector, settings, secrets)
    assert str(caught.value) == message
    with world.store.read() as tx:
        assert companies.names(tx) == ()


def test_what_the_connector_finds_wrong_is_told_in_one_go(world: World, shop: ShopConnector) -> None:
    where = Location("settings")
    shop.problems = [
        Diagnostic(where, "S1", "region", "is far away", "choose eu"),
        Diagnostic(where, "S2", "api_key", "is short"),
        Diagnostic(where, "S3", "pages", "is odd", level="warning"),
    ]
    with pytest.raises(SettingsRefused) as caught:
        connect(world, "acme", "shop", "shop", {"region": "us"}, {"api_key": "k"})
    assert str(caught.value) == "the settings do not fit:\n  region: is far away (choose eu)\n  api_key: is short"
    assert caught.value.hint == (
        "give secrets with --ask, to be asked for them, with --secret-file NAME=PATH, or in variables such as "
        "FLOWCTL_SECRET_SHOP_API_KEY; give settings again with --set NAME=VALUE"
    )
    shop.problems = shop.problems[2:]
    connect(world, "acme", "shop", "shop", {"region": "us"}, {"api_key": "k"})
    assert bound(world)[0] == {"region": "us"}


BOOLEAN = FieldSpec("live", "boolean", "not the test shop")
INTEGER = FieldSpec("pages", "integer", "records a page")
CHOICE = FieldSpec("region", "text", "where it is", choices=("eu", "us"))
TEXT = FieldSpec("name", "text", "its name")


@pytest.mark.parametrize(
    ("field", "value", "result"),
    [
        (BOOLEAN, True, True), (BOOLEAN, False, False), (BOOLEAN, "TRUE", True), (BOOLEAN, "no", False),
        (BOOLEAN, "1", True), (BOOLEAN, 0, False), (INTEGER, 7, 7), (INTEGER, "7", 7), (INTEGER, "-7", -7),
        (CHOICE, "eu", "eu"), (TEXT, "x", "x"), (TEXT, "", ""),
    ],
)  # fmt: skip
def test_values_in_their_types(field: FieldSpec, value: str | int | bool, result: object) -> None:
    made = typed(field, value)
    assert made == result
    assert type(made) is type(result)


@pytest.mark.parametrize(
    ("field", "value", "message", "hint"),
    [
        (BOOLEAN, "maybe", "setting `live`: `maybe` is neither true nor false", "give true or false"),
        (BOOLEAN, 2, "setting `live`: `2` is neither true nor false", "give true or false"),
        (INTEGER, "7.5", "setting `pages`: `7.5` is no whole number", "records a page"),
        (INTEGER, "", "setting `pages`: `` is no whole number", "records a page"),
        (CHOICE, "asia", "setting `region`: `asia` is none of its values", "known: eu, us"),
    ],
)
def test_values_that_do_not_fit(field: FieldSpec, value: str | int, message: str, hint: str) -> None:
    with pytest.raises(SettingWrong) as caught:
        typed(field, value)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_one_company_is_one_company_file(world: World) -> None:
    connect(world, "acme", "ledger", "ledger", {"user": "wc"}, {"password": "p"})
    connect(world, "acme", "ledger", "ledger", {"user": "wc"}, {})
    connect(world, "acme", "shop", "shop", {"region": "eu"}, {"api_key": "k-1"})
    with pytest.raises(SettingWrong) as caught:
        connect(world, "acme", "books", "ledger", {"user": "other"}, {"password": "p"})
    assert str(caught.value) == "setting `user`: `wc` signs in for the connection `ledger` of this company already"
    connect(world, "acme", "books", "ledger", {"user": "wc"}, {"password": "p"})
    connect(world, "zeta", "ledger", "ledger", {"user": "other"}, {"password": "p"})


def test_a_new_webhook_secret_leaves_the_one_before_it_valid() -> None:
    world = memory_world()
    ramp = {"client_id": "i", "client_secret": "s"}
    connect(world, "acme", "ramp", "ramp", {}, {**ramp, "webhook_secret": "one"})
    for secret, found in (
        ("one", {"webhook_secret": "one"}),
        ("two", {"webhook_secret": "two", "webhook_secret_previous": "one"}),
        ("three", {"webhook_secret": "three", "webhook_secret_previous": "two"}),
        ("three", {"webhook_secret": "three", "webhook_secret_previous": "two"}),
    ):
        connect(world, "acme", "ramp", "ramp", {}, {"webhook_secret": secret})
        assert world.bound("acme", "ramp")[1].secrets == {**ramp, **found}
    connect(world, "acme", "ramp", "ramp", {}, {"webhook_secret": "four", "webhook_secret_previous": "mine"})
    assert world.bound("acme", "ramp")[1].secrets["webhook_secret_previous"] == "mine"
    world.store.close()
