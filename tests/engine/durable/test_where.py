"""Where the durable engine has its database."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.durable.where import NoSuchPlace, place

HOME = Path("/home/f")


@pytest.mark.parametrize(
    ("given", "store", "found"),
    [
        ("", "", HOME / "durable.db"),
        ("", "sqlite:///x.db", HOME / "durable.db"),
        (
            "",
            "postgresql://u:p@db:5433/flowctl?sslmode=require",
            "postgresql://u:p@db:5433/flowctl_durable?sslmode=require",
        ),
        ("", "postgres://u@db", "postgresql://u@db/u_durable"),
        ("", "postgresql:///books?host=/run/pg", "postgresql:///books_durable?host=/run/pg"),
        ("postgres://u:p@db/work", "postgresql://u@db/flowctl", "postgresql://u:p@db/work"),
        ("/var/work.db", "postgresql://u@db/flowctl", Path("/var/work.db")),
    ],
)
def test_by_itself_it_goes_with_the_store(given: str, store: str, found: Path | str) -> None:
    assert place(given, store, HOME) == found


def test_no_other_database_will_do() -> None:
    with pytest.raises(NoSuchPlace) as caught:
        place("mysql://u:canary@db/x", "", HOME)
    assert (str(caught.value), caught.value.hint) == (
        "FLOWCTL_DURABLE: a durable engine cannot keep its work in `mysql`",
        "give postgresql://USER:PASSWORD@HOST/DATABASE, the path of a file, or `inline`",
    )
