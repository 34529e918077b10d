"""Companies and what binds them: settings, connections, sealed credentials, Web Connector logins, the company file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress

from engine.contract import Binding, Json, Login
from engine.errors import UnknownName
from engine.evidence import REFUSED_FILES
from engine.store import boundfile, facts, holdings, keys
from engine.store.base import Row, Tx
from engine.vault import SealBroken, Vault

Value = str | int | bool
TOKEN_FIELD = "token"  # noqa: S105 - the name of a field, not a secret


def add(tx: Tx, company: str, title: str, at: str) -> None:
    """Add a company; one that exists stays as it is."""
    tx.run("company_insert", {"company": company, "title": title, "at": at})


def require(tx: Tx, company: str) -> Row:
    """The company's row.

    Raises:
        UnknownName: when there is none.
    """
    row = tx.one("company_get", {"company": company})
    if row is None:
        raise UnknownName("company", company, names(tx))
    return row


def names(tx: Tx) -> tuple[str, ...]:
    """All companies."""
    return tuple(row["company"] for row in tx.rows("companies_all", {}))


def setting_key(name: str, scope: str = "") -> str:
    """The key of a setting's value: its name, with the scope in brackets when it is for one alone."""
    return f"{name}[{scope}]" if scope else name


def setting_of(key: str) -> tuple[str, str]:
    """The name and scope of a key."""
    name, bracket, rest = key.partition("[")
    return (name, rest[:-1]) if bracket and rest.endswith("]") and rest != "]" else (key, "")


def put_setting(tx: Tx, company: str, flow: str, name: str, value: Value, scope: str = "") -> None:
    """Give a flow setting a value for this company: in general, or for a scope alone."""
    key = setting_key(name, scope)
    tx.run("setting_put", {"company": company, "flow": flow, "name": key, "value": json.dumps(value)})


def drop_setting(tx: Tx, company: str, flow: str, name: str, scope: str = "") -> None:
    """Go back to the flow's default, or from the value for a scope to the general one."""
    tx.run("setting_delete", {"company": company, "flow": flow, "name": setting_key(name, scope)})


def settings(tx: Tx, company: str, flow: str) -> dict[str, Value]:
    """The values this company has set for a flow, by key."""
    return {row["name"]: json.loads(row["value"]) for row in tx.rows("settings_of", {"company": company, "flow": flow})}


def put_connection(tx: Tx, company: str, connection: str, connector: str, values: Mapping[str, Value], at: str) -> None:
    """Bind a connection name to a connector with its settings; what is read through it next is read from the start."""
    tx.run("checkpoints_forget", {"company": company, "connection": connection})
    tx.run(
        "connection_put",
        {
            "company": company,
            "connection": connection,
            "connector": connector,
            "settings": json.dumps(dict(values)),
            "at": at,
        },
    )


def put_secret(tx: Tx, vault: Vault, company: str, connection: str, field: str, secret: str, at: str) -> None:
    """Seal and keep a secret."""
    sealed = keys.seal(tx, vault, keys.Place(company, connection, field), secret, at)
    scope = {"company": company, "connection": connection, "field": field}
    tx.run("credential_put", {**scope, "key_id": sealed.key_id, "sealed": sealed.data, "at": at})


def drop_secret(tx: Tx, company: str, connection: str, field: str) -> None:
    """Forget a secret."""
    tx.run("credential_delete", {"company": company, "connection": connection, "field": field})


def secret(tx: Tx, vault: Vault, company: str, connection: str, field: str) -> str | None:
    """Open one secret."""
    row = tx.one("credential_get", {"company": company, "connection": connection, "field": field})
    return _open(tx, vault, row) if row else None


def binding(tx: Tx, vault: Vault, company: str, connection: str) -> tuple[str, Binding] | None:
    """The connector's name and the open binding of a connection, or None when it was never connected."""
    row = tx.one("connection_get", {"company": company, "connection": connection})
    if row is None:
        return None
    scope = {"company": company, "connection": connection}
    sealed = [item for item in tx.rows("credentials_of", scope) if item["field"] != TOKEN_FIELD]
    opened = keys.unseal_all(tx, vault, map(_sealed, sealed))
    secrets = {item["field"]: secret for item, secret in zip(sealed, opened, strict=True)}
    return row["connector"], Binding(company, connection, json.loads(row["settings"]), secrets)


def _open(tx: Tx, vault: Vault, row: Row) -> str:
    return keys.unseal(tx, vault, *_sealed(row))


def _sealed(row: Row) -> tuple[keys.Place, keys.Sealed]:
    place = keys.Place(row["company"], row["connection"], row["field"])
    return place, keys.Sealed(row["key_id"], bytes(row["sealed"]))


def connection_setting(tx: Tx, company: str, connection: str, name: str) -> Value | None:
    """One setting of a connection as it was given; None when it was not, or when there is no such connection."""
    row = tx.one("connection_get", {"company": company, "connection": connection})
    found: Value | None = json.loads(row["settings"]).get(name) if row else None
    return found


def connections(tx: Tx, company: str) -> list[Row]:
    """The company's connections; no secrets."""
    return tx.rows("connections_of", {"company": company})


def is_behind_tls(tx: Tx, connectors: Collection[str]) -> bool:
    """Whether a connection of one of these connectors names an https address."""
    return tx.one("connections_behind_tls", {"connectors": json.dumps(sorted(connectors))}) is not None


def connectors(tx: Tx, company: str) -> dict[str, str]:
    """The connector of each of the company's connections, by the connection's name."""
    rows = tx.rows("connectors_of", {"company": company})
    return {row["connection"]: row["connector"] for row in rows}


def token(tx: Tx, vault: Vault, company: str, connection: str) -> Json | None:
    """The connection's access token; one that no longer opens counts as none, since a new one can be had."""
    with suppress(SealBroken):
        text = secret(tx, vault, company, connection, TOKEN_FIELD)
        return json.loads(text) if text else None
    return None


def put_token(tx: Tx, vault: Vault, company: str, connection: str, value: Json, at: str) -> None:
    """Keep an access token."""
    put_secret(tx, vault, company, connection, TOKEN_FIELD, json.dumps(dict(value)), at)


def put_login(tx: Tx, login: Login, at: str) -> None:
    """Keep a Web Connector login.

    Raises:
        UnknownName: when another company has this user name.
    """
    changed = tx.run(
        "login_put",
        {"user_name": login.user, "company": login.company, "password_hash": login.password_hash, "at": at},
    )
    if changed != 1:
        raise UnknownName("free user name", login.user, ())


def login(tx: Tx, user: str) -> Login | None:
    """The login of a user name, with the settings of its connection."""
    rows = tx.rows("login_opened", {"user_name": user})
    if not rows:
        return None
    # What does not hold the name need not be read.
    name = json.dumps(user)
    made = (json.loads(row["settings"]) for row in rows if name in (row["settings"] or ""))
    values: dict[str, Value] = next((item for item in made if item.get("user") == user), {})
    row = rows[0]
    return Login(row["company"], row["user_name"], row["password_hash"], values)


def logins(tx: Tx, company: str) -> tuple[str, ...]:
    """The user names of a company."""
    return tuple(row["user_name"] for row in tx.rows("logins_of", {"company": company}))


def identity(tx: Tx, company: str) -> Json | None:
    """The company file that the company is bound to."""
    row = tx.one("identity_get", {"company": company})
    return json.loads(row["identity"]) if row else None


def bound_at(tx: Tx, company: str) -> str:
    """When the company was bound to its company file, as UTC text; empty while it is bound to none."""
    row = tx.one("identity_get", {"company": company})
    return str(row["bound_at"]) if row else ""


def bind(tx: Tx, company: str, value: Json, at: str) -> None:
    """Bind the company to a company file; a binding that exists stays. What was written there earlier counts again."""
    if identity(tx, company) is None:
        value = boundfile.come_again(tx, company, value, at)
        holdings.take_up(tx, company, boundfile.key(value))
        # Once the right one is known, any other is refused for that.
        facts.forget(tx, company, REFUSED_FILES)
    tx.run("identity_put", {"company": company, "identity": json.dumps(dict(value)), "at": at})


def rename(tx: Tx, company: str, value: Json) -> None:
    """The company file has another path or name; it is the same one, bound since the same moment."""
    tx.run("identity_change", {"company": company, "identity": json.dumps(dict(value))})


def unbind(tx: Tx, company: str) -> None:
    """Release the company from its company file; the next contact binds it anew, and what was written is not looked for."""
    bound = identity(tx, company)
    if bound is not None:
        boundfile.released(tx, company)
        holdings.put_aside(tx, company, boundfile.key(bound))
        facts.forget_file(tx, company)
        # Another file may have the same ids under other names.
        tx.run("lists_expire_polled", {"company": company})
    tx.run("identity_delete", {"company": company})
