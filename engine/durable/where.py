"""Where the durable engine has its database: by itself, beside the store, or where a person says."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from engine.errors import UsageError

FILE = "durable.db"
# What the database is called that goes with a store on the same server.
_SUFFIX = "_durable"
_SCHEMES = ("postgresql", "postgres")


class NoSuchPlace(UsageError):
    """Nothing can be kept there."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"FLOWCTL_DURABLE: a durable engine cannot keep its work in `{scheme}`",
            hint="give postgresql://USER:PASSWORD@HOST/DATABASE, the path of a file, or `inline`",
        )


def place(given: str, store: str, home: Path) -> Path | str:
    """The path of an SQLite file, or the URL of a PostgreSQL database: what was given, or what goes with the store.

    Raises:
        NoSuchPlace: for the URL of anything else.
    """
    scheme = given.partition("://")[0] if "://" in given else ""
    if scheme and scheme not in _SCHEMES:
        raise NoSuchPlace(scheme)
    if scheme:
        return f"postgresql://{given.partition('://')[2]}"
    if given:
        return Path(given)
    parts = urlsplit(store)
    if parts.scheme not in _SCHEMES:
        return home / FILE
    name = parts.path.lstrip("/") or parts.username or "flowctl"
    # Under the one scheme that every library takes.
    return "postgresql://" + urlunsplit(("", "", f"{parts.netloc}/{name}{_SUFFIX}", parts.query, ""))
