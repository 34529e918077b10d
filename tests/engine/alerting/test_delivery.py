"""Messages on their way: real ones by apprise to servers on loopback; what is refused, hangs or is killed is not lost."""

# ruff: noqa: RUF001 - signs that look alike are what is tested
from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from engine.alerting import addresses, channels
from engine.alerting.addresses import Address, AddressUnfit, NotTaken
from engine.alerting.message import Message
from engine.alerting.postman import Postman
from engine.alerting.watchman import Watchman
from engine.app import build
from engine.serving import running
from engine.store import keys
from engine.store.records import Reason
from engine.vault import new_key
from tests import stores
from tests.engine import kit as engine_kit
from tests.engine.alerting import kit
from tests.engine.alerting.kit import Watch, http_server, mail_server
from tests.engine.kit import COMPANY, FLOW
from tests.reference import ROOT

NASTY = "<!channel> <b onload=x>*bold*</b> @here [x](https://evil.example) `id`\r\nBcc: eve@evil.example\u202e"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with engine_kit.logging():
        yield


@pytest.fixture
def watch() -> Iterator[Watch]:
    with kit.watch() as made:
        yield made


def real(watch: Watch, name: str, url: str) -> None:
    """A channel to a server, and a watchman who sends there by apprise."""
    with watch.world.store.write() as tx:
        channels.add(tx, watch.hand(), watch.world.vault, name, addresses.check(url), channels.Wishes())
        channels.put_house(tx, watch.hand(""), {"base_url": "https://books.example.com/"})
    watch.man.postman = Postman(watch.world)


def test_a_webhook_gets_the_whole_message(watch: Watch) -> None:
    with http_server() as taken:
        real(watch, "hook", f"json://ana:s3cret-c4nary@127.0.0.1:{taken.port}/in")
        watch.records(5)
        assert watch.man.tick() == 1
    assert taken.bodies == [
        (
            "/in",
            {
                "version": "1.0",
                "title": "Acme: refused: the account is closed (5 records, 50.25 USD)",
                "message": "[warning, new] Acme: refused: the account is closed (5 records, 50.25 USD)\n"
                "  shop_to_ledger/bills: N-r-0, N-r-1, N-r-2 and 2 more\n"
                "  since 2026-03-02 14:00 UTC\n"
                "  what to do: open it\n"
                "  https://books.example.com/panel/c/acme/records?state=failed&place=shop_to_ledger%2Fbills",
                "attachments": [],
                "type": "warning",
            },
        )
    ]


def test_mail_has_both_forms_and_nothing_in_it_is_taken_for_markup(watch: Watch) -> None:
    with mail_server() as taken:
        real(
            watch,
            "mail",
            f"mailto://127.0.0.1:{taken.port}?from=flowctl@books.example&to=ana@books.example&mode=insecure",
        )
        watch.records(1, "failed", Reason("refused", NASTY, NASTY))
        assert watch.man.tick() == 1
    (mail,) = taken.mails
    assert (mail["to"], mail["bcc"]) == ("ana@books.example", None)
    assert mail["subject"].startswith(
        "Acme: refused: <!channel> <b onload=x>*bold*</b> @here [x](https://evil.example)"
    )
    assert "\n" not in mail["subject"]
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert set(parts) == {"text/plain", "text/html"}
    assert "Bcc: eve@evil.example" in " ".join(parts["text/plain"].split())
    assert "<b onload" not in parts["text/html"]
    assert "&lt;b onload=x&gt;*bold*&lt;/b&gt;" in parts["text/html"]
    assert parts["text/html"].count("<a href=") == 1


def test_a_chat_finds_nothing_of_its_own_in_what_vendors_write(watch: Watch) -> None:
    watch.channel()
    watch.records(1, "failed", Reason("refused", NASTY, "_look_ at `flowctl retry --flow ramp_to_quickbooks`"))
    watch.man.tick()
    ((_, message),) = watch.post.sent
    assert message.chat == (
        "(warning, new) Acme: refused: ‹!channel› ‹b onload=x›∗bold∗‹/b› ＠here (x)(https: //evil.example) 'id'"
        " Bcc: eve@evil.example (1 record, 10.05 USD)\n"
        "  shop_to_ledger/bills: N-r-0\n"
        "  since 2026-03-02 14:00 UTC\n"
        "  what to do: ˍlookˍ at 'flowctl retry --flow ramp_to_quickbooks'"
    )


def test_a_refusal_is_tried_again_and_shown_without_the_address(
    watch: Watch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    canary = "c4nary-t0ken"
    with http_server() as taken:
        taken.status = 503
        real(watch, "hook", f"json://{canary}:{canary}@127.0.0.1:{taken.port}/{canary}?+x-key={canary}")
        watch.records(1)
        assert [watch.man.tick(), watch.man.tick()] == [0, 0]
        assert len(taken.bodies) == 1  # not again before its time
        watch.clock.advance("+30s")
        watch.man.tick()
        (row,) = watch.rows("alert_channels_failing")
        assert (row["failures"], row["last_error"], row["next_try_at"]) == (
            2, "the server answered with status 503", "2026-03-02T14:01:30.000000Z",
        )  # fmt: skip
        taken.status = 200
        watch.clock.advance("+1m")
        assert watch.man.tick() == 1
        assert watch.rows("alert_channels_failing") == []
    assert [event for event, _ in watch.events()] == [
        "alert_channel_added", "alert_channel_failing", "alert_channel_works",
    ]  # fmt: skip
    said = capsys.readouterr()
    assert canary not in said.out + said.err + caplog.text
    assert canary not in stores.dump(watch.world.store)
    assert canary not in repr(watch.rows("alert_channels_of", company=COMPANY))


def test_no_connection_is_said_so(watch: Watch) -> None:
    with http_server() as taken:
        port = taken.port
    with pytest.raises(NotTaken) as error:
        addresses.send(f"json://u:c4nary@127.0.0.1:{port}/c4nary", kit_message())
    assert str(error.value) == "no connection to the server, or it broke off"


def kit_message() -> Message:
    return Message("t", "x", "<p>x</p>", "t", "x", "info")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("json://u:c4nary@hooks.example.com:8080/c4nary", "json://hooks.example.com"),
        ("mailtos://u:c4nary@mail.example.com?to=a@b.example", "mailtos://mail.example.com"),
        ("mailtos://u:c4n/ary@mail.example.com", "mailtos://***"),
        ("slack://c4naryABC/BCDEFGHIJ/abcdefghijklmnopqrstuvwx", "slack://***"),
        ("workflows://c4nary.example.com:443/643a/abc/", "workflows://***"),
    ],
)
def test_what_is_shown_of_an_address(url: str, hint: str) -> None:
    try:
        found = addresses.check(url)
    except AddressUnfit:
        assert hint in ("mailtos://***", "slack://***")
        found = Address(url, addresses._hint(url.partition("://")[0], url))
    assert found.hint == hint
    assert "c4nary" not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "x", "http//x", "nope://c4nary", "slack://", "json://a\nb", "json://" + "x" * 5000]
)
def test_what_is_no_address(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AddressUnfit) as error:
        addresses.check(text)
    assert "c4nary" not in str(error.value) + str(error.value.hint)
    assert capsys.readouterr().err == ""
    # What has no scheme is refused before the library is imported, and brought to be silent.
    assert "apprise" not in sys.modules or logging.getLogger("apprise").propagate is False


def test_a_dead_channel_keeps_no_other_from_its_messages_and_is_told_there(watch: Watch) -> None:
    watch.channel("dead")
    watch.channel("well", "")
    watch.post.faults["test://dead"] = ["the server answered with status 410"] * 50
    watch.records(1)
    said = watch.tick()
    assert said == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]
    said = [title for _ in range(12) for title in watch.tick("+1m")]
    assert said == ["flowctl: messages to the channel `dead` of acme do not arrive"]
    (row,) = watch.rows("alert_notices_open", company="")
    assert (row["detail"], row["hint"]) == (
        "the server answered with status 410", "`flowctl alert test dead --company acme`",
    )  # fmt: skip


def test_the_wait_grows_to_an_hour(watch: Watch) -> None:
    watch.channel()
    watch.post.faults["test://ops"] = ["no"] * 50
    watch.records(1)
    waits = []
    for _ in range(10):
        watch.tick()
        (row,) = watch.rows("alert_channels_failing")
        before = watch.clock.now()
        while watch.world.at() < row["next_try_at"]:
            watch.clock.advance("+30s")
        waits.append((watch.clock.now() - before).total_seconds())
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    watch.post.faults.clear()
    assert len(watch.tick()) == 1


def test_a_server_that_hangs_is_given_up_and_has_one_thread_at_most(watch: Watch) -> None:
    go_on = threading.Event()
    began: list[str] = []

    def send(url: str, message: Message) -> None:
        if url == "test://slow":
            began.append(message.title)
            go_on.wait(10)
        else:
            watch.post.send(url, message)

    watch.man.postman = Postman(watch.world, send, 0.05)
    watch.channel("slow")
    watch.channel("well")
    watch.records(1)
    try:
        assert len(watch.tick()) == 1
        for _ in range(3):
            assert watch.tick("+1h") == []
        assert len(began) == 1
        (row,) = watch.rows("alert_channels_failing")
        assert (row["name"], row["failures"], row["last_error"]) == ("slow", 1, "no answer within 0 seconds")
    finally:
        go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("flowctl-alert-"):
            thread.join(5)
    watch.tick()
    assert len(began) == 2
    assert watch.rows("alert_channels_failing") == []


def test_stopping_waits_for_no_server_and_loses_nothing(watch: Watch) -> None:
    go_on, began = threading.Event(), threading.Event()

    def send(_url: str, _message: Message) -> None:
        began.set()
        go_on.wait(10)

    watch.channel()
    watch.records(1)
    watch.man.postman = Postman(watch.world, send, 60.0, watch.man._stopping)
    ticking = threading.Thread(target=watch.man.tick)
    ticking.start()
    try:
        assert began.wait(10)
        watch.man.stop()
        ticking.join(10)
        assert not ticking.is_alive()
    finally:
        go_on.set()
    assert watch.rows("alert_channels_failing") == []
    assert [row["state"] for row in watch.rows("alert_deliveries_of_notice", notice_id=1)] == ["waiting"]


def test_a_plugin_that_breaks_is_a_dead_channel_and_no_traceback(watch: Watch) -> None:
    def send(url: str, _message: Message) -> None:
        raise ValueError(url)

    watch.man.postman = Postman(watch.world, send, 5.0)
    watch.channel("c4nary")
    watch.records(1)
    watch.tick()
    (row,) = watch.rows("alert_channels_failing")
    assert row["last_error"] == "it cannot be sent to (ValueError)"


def test_nothing_is_lost_when_the_process_dies_before_it_is_sent_or_before_it_is_noted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.channel()
    watch.records(1)
    watch.man.look()  # and dies
    anew = Watchman(watch.world, {FLOW: watch.bench.program}, None, Postman(watch.world, watch.post.send, 5.0))

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(Postman, "_put", killed)  # dies after sending
        anew.tick()
    assert len(watch.post.take()) == 1
    anew.tick()
    assert len(watch.post.take()) == 1  # once more than needed, and never once less
    watch.clock.advance("+1h")
    anew.tick()
    assert watch.post.take() == []


def test_one_process_at_a_time_looks_and_sends(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    other = Watchman(watch.world, {}, None, Postman(watch.world, watch.post.send, 5.0))
    watch.man.tick()
    assert len(watch.post.take()) == 1
    assert (other.tick(), watch.open()) == (0, watch.open())
    watch.man.close()
    watch.records(1, "failed", Reason("other", "another"), prefix="o")
    watch.clock.advance("+10m")
    assert other.tick() == 1


def test_a_channel_that_was_removed_gets_nothing_more(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    watch.man.look()
    with watch.world.store.write() as tx:
        channels.remove(tx, watch.hand(), "ops")
    assert watch.tick("+1d") == []
    assert watch.rows("alert_channels_with_work") == []


def test_addresses_move_to_a_new_key_and_are_lost_with_theirs(watch: Watch) -> None:
    watch.channel()
    world = watch.world
    with world.store.write() as tx:
        keys.begin(tx, world.vault, world.at())
        for kind in keys.SEALED:
            cursor: keys.Cursor | None = keys.Cursor(kind)
            while cursor is not None:
                cursor, broken = keys.reseal(tx, world.vault, cursor)
                assert broken == []
        assert len(keys.retire(tx)) == 1
        channel = channels.require(tx, COMPANY, "ops")
        assert channels.address_of(tx, world.vault, channel) == "test://ops"
        keys.forget(tx, new_key())
    watch.records(1)
    watch.tick()
    (row,) = watch.rows("alert_channels_failing")
    assert row["last_error"] == "The address of the channel does not open with the key at hand."


def test_trying_a_channel_out(watch: Watch) -> None:
    with http_server() as taken:
        real(watch, "hook", f"json://127.0.0.1:{taken.port}/in")
        assert watch.man.postman is not None
        with watch.world.store.read() as tx:
            channel = channels.require(tx, COMPANY, "hook")
        assert watch.man.postman.try_out(channel) == ""
        taken.status = 404
        assert watch.man.postman.try_out(channel) == "the server answered with status 404"
    assert [body["title"] for _, body in taken.bodies] == ["flowctl: a test"] * 2


@pytest.mark.acceptance
def test_the_server_watches_and_sends(watch: Watch) -> None:
    watch.channel()
    watch.records(1)
    arrived = threading.Event()

    def send(url: str, message: Message) -> None:
        watch.post.send(url, message)
        arrived.set()

    watch.man.postman = Postman(watch.world, send, 5.0)
    with running(build(watch.world, {}, alerts=watch.man)):
        assert arrived.wait(60)
    assert watch.man._thread is not None
    watch.man._thread.join(10)
    assert not watch.man._thread.is_alive()
    assert watch.post.take() == ["Acme: refused: the account is closed (1 record, 10.05 USD)"]


def test_nothing_big_is_imported_before_something_is_sent() -> None:
    code = (
        "import sys, engine.app, engine.cli.alert, engine.cli.serve, engine.panel.app, engine.panel.pages, "
        "engine.alerting.watchman; print(sorted({'apprise', 'requests', 'markdown'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
