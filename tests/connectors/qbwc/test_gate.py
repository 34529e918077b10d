"""The company file pin and the version that both sides speak."""

from __future__ import annotations

import pytest

from connectors.qbwc.gate import common_version, judge, same_path, told, unless_refused
from connectors.qbwc.state import Options
from engine.qbxml.books import company_identity
from engine.qbxml.response import parse_response
from tests.connectors.qbwc.kit import FILE, OWNER, PATH, hello
from tests.reference import reference

BOUND = {"file_id": FILE, "company_name": "Acme", "path": PATH}
OPTIONS = Options(owner_id=OWNER, file_id=FILE)


def verdict(
    hcp: str, path: str = PATH, bound: dict[str, str] | None = None, *, options: Options = OPTIONS, asked: bool = False
) -> tuple[str, str, str]:
    found = company_identity(parse_response(hcp), owner_id=options.owner_id)
    said = judge(found, path, bound, options, spoken="13.0", asked=asked)
    return said.kind, said.version, said.reason


def test_the_bound_file_passes_with_the_best_common_version() -> None:
    assert verdict(hello(), bound=BOUND) == ("passed", "13.0", "")
    assert verdict(hello(versions=("9.0", "10.0", "16.0")), bound=BOUND) == ("passed", "10.0", "")
    assert verdict(hello(file_id=FILE.lower()), "c:/books/ACME.qbw", BOUND) == ("passed", "13.0", "")
    assert verdict(hello(), "", BOUND) == ("passed", "13.0", "")


def test_first_contact_binds_unless_a_person_must_confirm() -> None:
    found = company_identity(parse_response(hello()), owner_id=OWNER)
    said = judge(found, PATH, None, OPTIONS, spoken="", asked=False)
    assert (said.kind, said.bind and {key: said.bind[key] for key in BOUND}) == ("passed", BOUND)
    options = Options(owner_id=OWNER, file_id=FILE, confirm_company=True)
    assert verdict(hello(), options=options) == (
        "unconfirmed",
        "",
        "The company file `Acme` waits to be confirmed in flowctl; nothing is written before.",
    )


@pytest.mark.parametrize(
    ("hcp", "bound", "detail"),
    [
        (
            hello(file_id="{00000000-0000-0000-0000-000000000000}"),
            BOUND,
            f"FileID is `{{00000000-0000-0000-0000-000000000000}}`, expected `{FILE}`",
        ),
        (
            hello(company="Other"),
            {**BOUND, "file_id": "", "path": "C:\\other.qbw"},
            f"company name is `Other`, expected `Acme`; path is `{PATH}`, expected `C:\\other.qbw`",
        ),
    ],
)
def test_another_file_is_refused_in_words_for_a_bookkeeper(hcp: str, bound: dict[str, str], detail: str) -> None:
    text = (
        f"The open company file is not the one that flowctl writes to, so nothing was written. {detail}. "
        "Open the right company file, or have the company bound to this one in flowctl."
    )
    assert verdict(hcp, PATH, bound) == ("refused", "", text)


@pytest.mark.parametrize(
    ("hcp", "path", "bound", "detail"),
    [
        (hello(company="Other"), PATH, BOUND, "company name is `Other`, expected `Acme`"),
        (hello(), "D:\\new\\acme.qbw", BOUND, f"path is `D:\\new\\acme.qbw`, expected `{PATH}`"),
        (hello(), "D:\\acme.qbw", {**BOUND, "file_id": ""}, f"path is `D:\\acme.qbw`, expected `{PATH}`"),
    ],
)
def test_a_file_that_was_moved_or_renamed_waits_for_a_word(
    hcp: str, path: str, bound: dict[str, str], detail: str
) -> None:
    text = (
        f"The open company file is not where it was, or not called as it was, so nothing was written. {detail}. "
        "Open the right company file; or, when this is the same one, moved or renamed and no copy or backup of it, say "
        "so in flowctl, on its page Web Connector or with `flowctl company bind --confirm`."
    )
    assert verdict(hcp, path, bound) == ("refused", "", text)


def test_the_setting_pins_the_file_on_first_contact_too() -> None:
    assert verdict(hello(file_id="{1}"))[0] == "refused"


def test_what_is_missing_is_asked_for_once() -> None:
    without = hello(file_id="")
    assert verdict(without, bound=BOUND)[0] == "ask"
    assert verdict(without, bound=BOUND, asked=True)[0] == "refused"
    assert verdict(hello(owner="{1}"), bound=BOUND, asked=True)[0] == "refused"
    assert verdict(hello(company=""))[0] == "ask"
    assert verdict(hello(company=""), asked=True) == (
        "refused",
        "",
        "QuickBooks did not say which company file is open. Open the company file and try again.",
    )


def test_an_old_quickbooks_is_refused() -> None:
    assert verdict(hello(versions=("5.0", "8.0")), bound=BOUND) == (
        "refused",
        "",
        "This QuickBooks is too old: it must understand QBXML 9.0 (QuickBooks 2010) or newer.",
    )


def test_a_real_first_answer_passes() -> None:
    text = reference("qbd", "samples", "real", "qbwc_HCPResponse_first_call.xml").read_text()
    owner = "{512349B1-1111-2222-3333-000DE1813D20}"
    options = Options(owner_id=owner, file_id="{00000ee-1111-ffff-cccc-5ff123456047}")
    assert verdict(text, options=options) == ("passed", "13.0", "")


@pytest.mark.parametrize(
    ("supported", "spoken", "best"),
    [
        ((), "13.0", "13.0"),
        ((), "16.0", "13.0"),
        ((), "10.0", "10.0"),
        ((), "", "13.0"),
        (("14.0",), "16.0", None),
        (("CA3.0", "6.0"), "", "6.0"),
    ],
)
def test_the_version_is_the_newest_that_both_speak(supported: tuple[str, ...], spoken: str, best: str | None) -> None:
    assert common_version(supported, spoken, "13.0") == best


def test_windows_paths_are_compared_as_windows_does() -> None:
    assert same_path("C:\\A\\b.QBW", "c:/a/B.qbw ")
    assert not same_path("C:\\A\\b.qbw", "C:\\A\\c.qbw")


def test_a_file_that_a_person_refused_is_turned_away_until_another_comes() -> None:
    found = company_identity(parse_response(hello()), owner_id=OWNER)
    said = judge(found, PATH, None, OPTIONS, spoken="", asked=False)
    turned = unless_refused(said, {"files": [{"company_name": "Acme", "file_id": FILE.lower(), "path": PATH.upper()}]})
    assert (turned.kind, turned.bind, turned.seen and turned.seen["path"]) == ("refused", None, PATH)
    assert turned.reason == (
        "Somebody has said in flowctl that the company file `Acme` is not the right one, so nothing was written. Open the "
        "right company file, or have flowctl ask about this one again on its page Web Connector."
    )
    # A copy in another place is another file, and so is one of another name.
    for other in ({"path": "C:\\copy.qbw"}, {"company_name": "Acme Two"}, {"file_id": "{9F}"}):
        file = {"company_name": "Acme", "file_id": FILE, "path": PATH, **other}
        assert unless_refused(said, {"files": [file]}) is said
    assert unless_refused(said, None) is said
    assert unless_refused(said, {"files": "broken"}) is said


# --- what the company file says of itself -----------------------------------------------------------------------------


def says(country: str = "", home: str | None = "", code: int = 0) -> str:
    """With `home` None no preferences at all."""
    named = f"<HomeCurrencyRef><ListID>1-1</ListID><FullName>{home}</FullName></HomeCurrencyRef>" if home else ""
    on = "true" if home else "false"
    group = f"<MultiCurrencyPreferences><IsMultiCurrencyOn>{on}</IsMultiCurrencyOn>{named}</MultiCurrencyPreferences>"
    ret = f"<PreferencesRet>{group}</PreferencesRet>" if code == 0 else ""
    told = (
        f'<PreferencesQueryRs requestID="2" statusCode="{code}">{ret}</PreferencesQueryRs>' if home is not None else ""
    )
    edition = f"<Country>{country}</Country></HostRet>" if country else "</HostRet>"
    return hello().replace("</HostRet>", edition).replace("</QBXMLMsgsRs>", f"{told}</QBXMLMsgsRs>")


@pytest.mark.parametrize(
    ("hcp", "expected"),
    [
        (says("US"), ("USD", False)),
        (says("USA"), ("USD", False)),
        (says("CA"), ("CAD", False)),
        (says("UK"), ("GBP", False)),
        (says("US", "Canadian Dollar"), ("CAD", True)),
        (says("US", "Shell Money"), ("Shell Money", False)),
        (says("ZZ"), ()),
        # The host did not answer, as after an internal error: what was said before stands.
        (says(), None),
        (says("US", None), None),
        (says("US", "Canadian Dollar", code=1000), None),
    ],
)
def test_the_home_currency_is_told_by_the_preferences_or_guessed_from_the_edition(
    hcp: str, expected: tuple[str, bool] | tuple[()] | None
) -> None:
    found = told(parse_response(hcp))
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert [(one.value, one.is_sure) for one in found.values()] == ([expected] if expected else [])
