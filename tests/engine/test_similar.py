"""Names that mean one company, and names that do not."""

from __future__ import annotations

import pytest

from engine.mapping.similar import similar, words


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("Staples", "staples", True),
        ("Café Noir, Inc.", "CAFE NOIR #0042", True),
        ("Müller GmbH", "Muller", True),
        ("Straße", "STRASSE", True),
        ("U.S. Foods", "US FOODS LLC", True),
        ("Wendy's", "WENDY\u2019S 1134", True),
        ("AT&T", "at t", True),
        ("Barnes and Noble", "Barnes & Noble, Inc.", True),
        ("7-Eleven #1234", "7 ELEVEN 33021", True),
        ("Starbucks", "STARBUCKS STORE 04512 SEATTLE", True),
        ("Shop 7", "Shop", True),  # a number after the word
        ("Amazon", "Amazon.com", True),
        ("Microsft Corp", "Microsoft", True),
        ("Acme Supplies Co", "Acme Supplies Company", True),
        ("Co", "Co", True),  # a form alone is a name
        ("\u6771\u4eac\u96fb\u529b", "\u6771\u4eac\u96fb\u529b", True),
        ("Acme", "Apex", False),
        ("Staples", "Office Depot", False),
        ("Acme Ltd", "Beta Ltd", False),
        ("Studio 54", "Studio 55", False),  # two digits are part of the name
        ("Company", "Inc", False),
        ("", "Acme", False),
        ("Acme", "", False),
        ("", "", False),
        ("!!!", "!!!", False),
        (None, "Acme", False),
        ("Acme", None, False),
        (None, None, False),
    ],
)
def test_names(left: str | None, right: str | None, alike: bool) -> None:
    assert similar(left, right) is alike
    assert similar(right, left) is alike


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("The Home Depot #6512", ["home", "depot"]),
        ("Unit 4 Ltd", ["unit"]),
        ("The", ["the"]),
        ("TARGET T-1234", ["target", "t"]),
        ("3M", ["3m"]),
        ("1234", ["1234"]),
        ("x" * 300, ["x" * 200]),
    ],
)
def test_words(name: str, kept: list[str]) -> None:
    assert words(name) == kept


def test_a_name_without_end_takes_no_time() -> None:
    assert not similar("ab" * 400_000, "cd" * 400_000)
