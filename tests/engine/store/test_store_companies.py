"""Companies and what binds them; secrets are in the store only sealed."""

from __future__ import annotations

import pytest

from engine.contract import Binding, Login
from engine.errors import UnknownName
from engine.store import companies, work
from engine.store.base import Store, Tx
from engine.store.postgres import PostgresStore
from engine.store.sqlite import SqliteStore
from engine.vault import SealBroken, Vault
from tests.engine.store.rows import AT, COMPANY, LATER, REFUSED
from tests.stores import raw

VAULT = Vault(bytes(range(32)))
OTHER = Vault(bytes(32))


def connect(tx: Tx, company: str = COMPANY, connection: str = "shop", **settings: str) -> None:
    companies.add(tx, company, company.title(), AT)
    companies.put_connection(tx, company, connection, "shop", settings, AT)


def test_a_company_is_added_once(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, "zeta", "Zeta", AT)
        companies.add(tx, COMPANY, "Acme", AT)
        companies.add(tx, COMPANY, "Other", LATER)
        assert companies.names(tx) == (COMPANY, "zeta")
        assert companies.require(tx, COMPANY)["title"] == "Acme"
        with pytest.raises(UnknownName) as caught:
            companies.require(tx, "acne")
        assert str(caught.value) == "there is no company `acne`"
        assert caught.value.hint == "did you mean `acme`? known: acme, zeta"


def test_settings_keep_their_types(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", AT)
        for name, value in (("a", True), ("b", 7), ("c", "7"), ("d", "x")):
            companies.put_setting(tx, COMPANY, "flow", name, value)
        companies.put_setting(tx, COMPANY, "flow", "d", "y")
        companies.drop_setting(tx, COMPANY, "flow", "b")
        assert companies.settings(tx, COMPANY, "flow") == {"a": True, "c": "7", "d": "y"}
        assert companies.settings(tx, COMPANY, "other") == {}


def test_a_setting_for_a_scope_stands_beside_the_general_one(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", AT)
        companies.put_setting(tx, COMPANY, "flow", "a", "all")
        companies.put_setting(tx, COMPANY, "flow", "a", "one", "P]1[")
        companies.put_setting(tx, COMPANY, "flow", "b", True, "P2")
        assert companies.settings(tx, COMPANY, "flow") == {"a": "all", "a[P]1[]": "one", "b[P2]": True}
        companies.drop_setting(tx, COMPANY, "flow", "a", "P2")
        companies.drop_setting(tx, COMPANY, "flow", "b")
        companies.drop_setting(tx, COMPANY, "flow", "a", "P]1[")
        assert companies.settings(tx, COMPANY, "flow") == {"a": "all", "b[P2]": True}


@pytest.mark.parametrize(("name", "scope", "key"), [("a", "", "a"), ("a", "P1", "a[P1]"), ("a", "P]1[", "a[P]1[]")])
def test_the_key_of_a_setting(name: str, scope: str, key: str) -> None:
    assert companies.setting_key(name, scope) == key
    assert companies.setting_of(key) == (name, scope)


@pytest.mark.parametrize("key", ["a[", "a[]", "a[x", "a]", ""])
def test_what_is_no_key_is_a_name(key: str) -> None:
    assert companies.setting_of(key) == (key, "")


def test_a_new_connection_is_read_from_the_start(store: Store) -> None:
    with store.write() as tx:
        connect(tx, connection="shop")
        kept = work.Checkpoint("mark", frozenset({"bills"}), AT)
        fetches = ("shop/bills?", "shop/vendors?a=b", "shops/bills?", "shop_/bills?")
        for fetch in fetches:
            work.put_checkpoint(tx, COMPANY, "flow", fetch, kept)
            work.put_checkpoint(tx, "zeta", "flow", fetch, kept)
        connect(tx, connection="shop", region="us")
        assert [work.checkpoint(tx, COMPANY, "flow", fetch) for fetch in fetches] == [None, None, kept, kept]
        assert work.checkpoint(tx, "zeta", "flow", "shop/bills?") == kept


@pytest.mark.parametrize("what", ["setting", "connection"])
def test_what_belongs_to_no_company_is_refused(store: Store, what: str) -> None:
    with pytest.raises(REFUSED), store.write() as tx:
        if what == "setting":
            companies.put_setting(tx, "nobody", "flow", "a", 1)
        else:
            companies.put_connection(tx, "nobody", "shop", "shop", {}, AT)


def test_a_secret_needs_a_connection(store: Store) -> None:
    with pytest.raises(REFUSED), store.write() as tx:
        companies.add(tx, COMPANY, "Acme", AT)
        companies.put_secret(tx, VAULT, COMPANY, "shop", "key", "s", AT)


def test_a_binding_holds_settings_and_open_secrets_but_no_token(store: Store) -> None:
    with store.write() as tx:
        assert companies.binding(tx, VAULT, COMPANY, "shop") is None
        connect(tx, region="eu")
        companies.put_secret(tx, VAULT, COMPANY, "shop", "key", "s-1", AT)
        companies.put_secret(tx, VAULT, COMPANY, "shop", "key", "s-2", AT)
        companies.put_secret(tx, VAULT, COMPANY, "shop", "gone", "s-3", AT)
        companies.drop_secret(tx, COMPANY, "shop", "gone")
        companies.put_token(tx, VAULT, COMPANY, "shop", {"access": "t"}, AT)
        assert companies.binding(tx, VAULT, COMPANY, "shop") == (
            "shop",
            Binding(COMPANY, "shop", {"region": "eu"}, {"key": "s-2"}),
        )
        assert companies.secret(tx, VAULT, COMPANY, "shop", "key") == "s-2"
        assert companies.secret(tx, VAULT, COMPANY, "shop", "gone") is None
        with pytest.raises(SealBroken):
            companies.binding(tx, OTHER, COMPANY, "shop")
        assert [dict(row) for row in companies.connections(tx, COMPANY)] == [
            {
                "company": COMPANY,
                "connection": "shop",
                "connector": "shop",
                "settings": '{"region": "eu"}',
                "updated_at": AT,
            }
        ]
        companies.put_connection(tx, COMPANY, "shop", "other", {}, LATER)
        assert [row["connector"] for row in companies.connections(tx, COMPANY)] == ["other"]


def test_a_secret_copied_to_another_company_does_not_open(store: Store) -> None:
    with store.write() as tx:
        connect(tx)
        connect(tx, "zeta")
        companies.put_secret(tx, VAULT, COMPANY, "shop", "key", "s-1", AT)
        row = tx.one("credential_get", {"company": COMPANY, "connection": "shop", "field": "key"})
        assert row is not None
        tx.run("credential_put", {**dict(row), "company": "zeta", "at": AT})
        with pytest.raises(SealBroken) as caught:
            companies.binding(tx, VAULT, "zeta", "shop")
        assert str(caught.value) == "zeta/shop: the secret `key` does not open with this key"


def test_no_secret_and_no_token_stands_in_the_file(store: Store) -> None:
    with store.write() as tx:
        connect(tx)
        companies.put_secret(tx, VAULT, COMPANY, "shop", "key", "canary-secret", AT)
        companies.put_token(tx, VAULT, COMPANY, "shop", {"access": "canary-token"}, AT)
    if isinstance(store, PostgresStore):
        for (table,) in raw(
            store, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ):
            assert "canary" not in str(raw(store, f"SELECT * FROM {table}"))
        return
    assert isinstance(store, SqliteStore)
    assert "canary" not in "\n".join(store.connection.iterdump())
    assert b"canary" not in store.connection.serialize()


def test_a_token_is_kept_and_one_that_does_not_open_counts_as_none(store: Store) -> None:
    with store.write() as tx:
        connect(tx)
        assert companies.token(tx, VAULT, COMPANY, "shop") is None
        companies.put_token(tx, VAULT, COMPANY, "shop", {"access": "t", "expires": 3}, AT)
        assert companies.token(tx, VAULT, COMPANY, "shop") == {"access": "t", "expires": 3}
        assert companies.token(tx, OTHER, COMPANY, "shop") is None


def test_logins(store: Store) -> None:
    with store.write() as tx:
        connect(tx, user="other")
        connect(tx, connection="books", user="acme-wc", pin="x")
        connect(tx, "zeta")
        companies.put_login(tx, Login(COMPANY, "acme-wc", "hash-1"), AT)
        companies.put_login(tx, Login(COMPANY, "acme-wc", "hash-2"), LATER)
        companies.put_login(tx, Login(COMPANY, "bare", "hash-3"), LATER)
        assert companies.login(tx, "acme-wc") == Login(COMPANY, "acme-wc", "hash-2", {"user": "acme-wc", "pin": "x"})
        assert companies.login(tx, "bare") == Login(COMPANY, "bare", "hash-3", {})
        assert companies.login(tx, "ACME-WC") is None
        assert companies.logins(tx, COMPANY) == ("acme-wc", "bare")
        assert "hash" not in repr(companies.login(tx, "acme-wc"))
    with pytest.raises(UnknownName) as caught, store.write() as tx:
        companies.put_login(tx, Login("zeta", "acme-wc", "hash-4"), AT)
    assert str(caught.value) == "there is no free user name `acme-wc`"
    with store.read() as tx:
        found = companies.login(tx, "acme-wc")
        assert found is not None
        assert found.password_hash == "hash-2"


def test_a_company_is_bound_to_one_company_file(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", AT)
        assert companies.identity(tx, COMPANY) is None
        companies.bind(tx, COMPANY, {"file": "1"}, AT)
        companies.bind(tx, COMPANY, {"file": "2"}, AT)
        assert companies.identity(tx, COMPANY) == {"file": "1"}
        companies.unbind(tx, COMPANY)
        companies.bind(tx, COMPANY, {"file": "2"}, AT)
        assert companies.identity(tx, COMPANY) == {"file": "2"}
