"""Users of the panel, as an admin looks after them; and one's own second factor."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest

from engine.access import totp
from engine.access.users import HOUSE
from engine.store import users
from tests.panel.kit import PASSWORD, Browser, Office, text_of


def newest(office: Office, event: str) -> tuple[str, dict[str, object]]:
    with office.world.store.read() as tx:
        row = tx.one("journal_newest", {"company": HOUSE, "event": event})
    assert row is not None, event
    return row["actor"], json.loads(row["detail"])


def once(text: str) -> str:
    return str(re.findall(r'<code class="once">([^<]+)</code>', text)[0])


def said(browser: Browser, path: str) -> str:
    return text_of(browser.get(path)).splitlines()[0]


def roles(office: Office) -> dict[str, str]:
    with office.world.store.read() as tx:
        return {row["user_name"]: row["role"] for row in users.every(tx)}


def test_who_there_is(office: Office) -> None:
    office.browser().signed_in("viewer")
    assert text_of(office.as_("admin").get("/users")).partition("\nTimes")[0].splitlines() == [
        "Users", "User Role Last sign-in Second factor Password Here now",
        "admin you", "admin", "not yet", "no", "chosen", "yes",
        "operator", "operator", "not yet", "no", "chosen", "no",
        "viewer", "viewer", "2026-03-02 14:00", "no", "chosen", "yes",
    ]  # fmt: skip


def test_somebody_is_added_signs_in_and_chooses_a_password(office: Office) -> None:
    admin = office.as_("admin")
    answer = admin.post("/users", {"user": "Ana@Acme.example", "role": "operator"})
    password = once(answer.text)
    assert newest(office, "user_added") == ("panel:admin", {"user": "ana@acme.example", "role": "operator"})
    assert password not in admin.get("/users").text + admin.get("/users/ana@acme.example").text
    ana = office.browser()
    assert ana.sign_in("ana@acme.example", password).headers["location"] == "/panel/password"
    ana.get("/password")
    answer = ana.post("/password", {"now": password, "new": PASSWORD, "again": PASSWORD})
    assert answer.headers["location"] == "/panel/companies"
    assert office.browser().sign_in("ana@acme.example", password).status_code == 422


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("admin", "there is a user `admin` already"),
        ("", "`` cannot be the name of a user"),
        ("a b", "`a b` cannot be the name of a user"),
        ("<script>", "`<script>` cannot be the name of a user"),
    ],
)
def test_names_that_cannot_be(office: Office, name: str, message: str) -> None:
    answer = office.as_("admin").post("/users", {"user": name, "role": "viewer"})
    assert answer.status_code == 422
    assert [line for line in text_of(answer).splitlines() if line.startswith(message)] != []
    assert roles(office) == {"viewer": "viewer", "operator": "operator", "admin": "admin"}


def test_a_role_that_is_none_gives_the_least(office: Office) -> None:
    office.as_("admin").post("/users", {"user": "ana", "role": "emperor"})
    assert roles(office)["ana"] == "viewer"


def test_another_role_counts_at_once(office: Office) -> None:
    admin, viewer = office.as_("admin"), office.as_("viewer")
    admin.post("/users/viewer/role", {"role": "operator"})
    assert said(admin, "/users/viewer") == "viewer is operator now."
    assert newest(office, "user_role") == ("panel:admin", {"user": "viewer", "role": "operator", "before": "viewer"})
    assert viewer.get("/companies").status_code == 303
    admin.post("/users/viewer/role", {"role": "operator"})
    assert said(admin, "/users/viewer") == "viewer was operator before."


def test_nobody_is_shut_out_by_accident(office: Office) -> None:
    admin = office.as_("admin")
    own = "Nothing was changed: this would take away your own rights. Another admin can do it."
    admin.post("/users/admin/role", {"role": "viewer"})
    assert said(admin, "/users/admin") == own
    for ask in (admin.get, admin.post):
        answer = ask("/users/admin/remove")
        assert answer.headers["location"] == "/panel/users/admin"
        assert said(admin, "/users/admin") == own
    admin.post("/users/operator/role", {"role": "admin"})
    # Somebody who was made an admin, and is one no more by the time that the form arrives.
    second = office.as_("operator")
    second.get("/users")
    admin.post("/users/operator/role", {"role": "viewer"})
    assert second.post("/users/admin/remove").status_code == 303
    assert roles(office) == {"viewer": "viewer", "operator": "viewer", "admin": "admin"}


def test_the_last_admin_stays(office: Office) -> None:
    from engine.access import users as people
    from engine.follow import Hand

    with office.world.store.write() as tx, pytest.raises(people.LastAdmin, match="`admin` is the last admin"):
        people.spare(tx, Hand(HOUSE, office.world.at(), "panel:other"), "admin")


def test_a_password_is_reset_once_for_a_form(office: Office) -> None:
    admin, viewer = office.as_("admin"), office.as_("viewer")
    form = admin.get("/users/viewer").text
    changed_at = re.findall(r'name="changed_at" value="([^"]+)"', form)[0]
    office.clock.sleep(1)
    password = once(admin.post("/users/viewer/password", {"changed_at": changed_at}).text)
    assert newest(office, "user_password") == ("panel:admin", {"user": "viewer", "once": True})
    assert viewer.get("/companies").status_code == 303
    assert office.browser().sign_in("viewer", password).headers["location"] == "/panel/password"
    assert admin.post("/users/viewer/password", {"changed_at": changed_at}).status_code == 303
    assert said(admin, "/users/viewer").startswith("Something was changed meanwhile.")
    assert office.browser().sign_in("viewer", password).status_code == 303
    assert admin.post("/users/admin/password", {}).headers["location"] == "/panel/password"


def test_somebody_is_signed_out_and_removed(office: Office) -> None:
    admin, viewer = office.as_("admin"), office.as_("viewer")
    admin.post("/users/viewer/sign-out")
    assert said(admin, "/users/viewer") == "viewer is signed out everywhere."
    assert newest(office, "user_signed_out") == ("panel:admin", {"user": "viewer"})
    assert viewer.get("/companies").status_code == 303
    assert "What viewer did stays in the journal." in text_of(admin.get("/users/viewer/remove"))
    admin.post("/users/viewer/remove")
    assert said(admin, "/users") == "viewer is removed."
    assert newest(office, "user_removed") == ("panel:admin", {"user": "viewer"})
    assert admin.get("/users/viewer").status_code == 404
    assert admin.post("/users/viewer/remove").status_code == 404


# --- the second factor


def begin(browser: Browser) -> tuple[str, str]:
    """The page with the secret, and the secret."""
    browser.get("/second-factor")
    answer = browser.post("/second-factor", {"password": PASSWORD})
    secret = re.findall(r'name="secret" value="([A-Z2-7]{32})"', answer.text)[0]
    assert once(answer.text).replace(" ", "") == secret
    return answer.text, secret


def shown_now(office: Office, secret: str) -> str:
    return totp.code(totp.from_text(secret), totp.step_at(office.clock.now()))


def test_a_second_factor_is_set_up_proved_and_asked_for(office: Office) -> None:
    viewer, elsewhere = office.as_("viewer"), office.as_("viewer")
    page, secret = begin(viewer)
    picture = unquote(re.findall(r'src="data:image/svg\+xml[^,"]*,([^"]+)"', page)[0])
    assert picture.startswith("<svg"), picture[:60]
    wrong = viewer.post("/second-factor/code", {"secret": secret, "code": "000000"})
    assert (wrong.status_code, re.findall(r'value="([A-Z2-7]{32})"', wrong.text)) == (422, [secret])
    code = shown_now(office, secret)
    viewer.post("/second-factor/code", {"secret": secret, "code": code})
    assert said(viewer, "/second-factor") == (
        "From now on, signing in takes a code of the app as well. Everywhere else you are signed out."
    )
    assert newest(office, "user_totp") == ("panel:viewer", {"user": "viewer", "on": True})
    assert elsewhere.get("/companies").status_code == 303
    assert secret not in viewer.get("/second-factor").text
    again = office.browser()
    assert again.sign_in("viewer").headers["location"] == "/panel/sign-in/code"
    again.get("/sign-in/code")
    # The code that has proved it was used, and the next one is good.
    assert again.post("/sign-in/code", {"code": code}).status_code == 422
    office.clock.sleep(30)
    assert again.post("/sign-in/code", {"code": shown_now(office, secret)}).headers["location"] == "/panel/companies"


def test_a_second_factor_is_taken_away_with_the_password(office: Office) -> None:
    viewer = office.as_("viewer")
    _, secret = begin(viewer)
    viewer.post("/second-factor/code", {"secret": secret, "code": shown_now(office, secret)})
    viewer.get("/second-factor")
    refused = viewer.post("/second-factor/remove", {"password": "wrong"})
    assert (refused.status_code, said_in(refused.text)) == (422, "the password that you have now is another one")
    viewer.post("/second-factor/remove", {"password": PASSWORD})
    assert said(viewer, "/second-factor") == "From now on, the password alone is enough."
    assert office.browser().sign_in("viewer").headers["location"] == "/panel/companies"


def said_in(text: str) -> str:
    return str(re.findall(r'<p class="flash bad" role="alert">([^<]+)', text)[0])


def test_a_wrong_password_shows_no_secret_and_tries_are_counted(office: Office) -> None:
    viewer = office.as_("viewer")
    statuses = [viewer.post("/second-factor", {"password": "wrong"}).status_code for _ in range(7)]
    assert statuses == [422] * 5 + [429] * 2


@pytest.mark.parametrize("secret", ["", "short", "A" * 33, "a" * 32, "1" * 32, "<script>"])
def test_a_secret_that_no_page_has_made(office: Office, secret: str) -> None:
    viewer = office.as_("viewer")
    viewer.post("/second-factor/code", {"secret": secret, "code": "123456"})
    assert said(viewer, "/second-factor") == "Begin again: that was no secret that this page has made."


def test_an_admin_takes_the_second_factor_of_somebody_away(office: Office) -> None:
    viewer, admin = office.as_("viewer"), office.as_("admin")
    _, secret = begin(viewer)
    viewer.post("/second-factor/code", {"secret": secret, "code": shown_now(office, secret)})
    assert "Take the second factor away" in text_of(admin.get("/users/viewer"))
    admin.post("/users/viewer/second-factor")
    assert said(admin, "/users/viewer") == "viewer signs in with the password alone."
    assert admin.post("/users/admin/second-factor").headers["location"] == "/panel/second-factor"
