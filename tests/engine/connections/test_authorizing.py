"""What is taken for the answer of an authorisation page."""

from __future__ import annotations

import pytest

from engine.connections.authorizing import NoCode, NotAllowed, Request, WrongState, code_of, state_hash
from engine.errors import FlowctlError

ASKED = Request("FreshBooks", state_hash("s-1"), "flowctl connect freshbooks")


@pytest.mark.parametrize(
    "given",
    [
        "https://localhost/cb?code=c-1&state=s-1",
        "/cb?state=s-1&code=c-1",
        "code=c-1&state=s-1",
        " https://localhost/cb?code=c-1&state=s-1#_=_\n",
        "c-1",
    ],
)
def test_a_code(given: str) -> None:
    assert code_of(ASKED, given, bare=True) == "c-1"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("code=c-1&state=s-2", WrongState),
        ("code=c-1", WrongState),
        ("https://[/cb?code=c-1&state=s-1", NoCode),
        ("&".join(["code=c-1"] * 60), NoCode),
        ("state=s-1&code=", NoCode),
        ("https://localhost/cb?state=s-1", NoCode),
        ("https://localhost/cb?state=s-1&error=access_denied", NotAllowed),
        ("https://localhost/cb?state=s-1&code=" + "c" * 3000, NoCode),
        ("c" * 3000, NoCode),
        ("c" * 2048 + " two\nlines", NoCode),
        ("code=" + "c" * 2100 + "&state=\udc80", NoCode),
        ("", NoCode),
    ],
)
def test_no_code(given: str, error: type[FlowctlError]) -> None:
    with pytest.raises(error) as caught:
        code_of(ASKED, given, bare=True)
    assert "c-1" not in f"{caught.value}{caught.value.hint}"


def test_a_code_alone_is_taken_from_a_person_only() -> None:
    with pytest.raises(WrongState):
        code_of(ASKED, "c-1", bare=False)
