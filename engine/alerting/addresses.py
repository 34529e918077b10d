"""Addresses of channels: apprise reads them, sends to them, and is imported only here and only then.

An address holds secrets. None of its parts is in an error, a log line, or a hint, but for the scheme and, where it is no
secret, the host.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.dataclass import dataclass
from engine.errors import FlowctlError, UsageError

if TYPE_CHECKING:
    from engine.alerting.message import Message

LONGEST = 4096
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{1,30})://", re.ASCII)
# Where the host is that of a server, and no part of a token.
_HOSTED = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
# apprise's way to say what a server answered; nothing else of what it says is taken, for it may name the address.
_ANSWERED = re.compile(r"\berror=(\d{3})\b")


class AddressUnfit(UsageError):
    """Nothing that apprise knows has this address, which is not repeated here: it may hold secrets."""

    hint = "an address is like mailtos://user:password@example.com?to=ana@example.com or slack://TokenA/TokenB/TokenC; "
    hint += "https://appriseit.com/services lists all"


class NotTaken(FlowctlError):
    """A message did not arrive."""


class PageUnfit(UsageError):
    """The address of the panel is like https://books.example.com, or plain http for this machine alone."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that can be sent to, and what may be shown of it."""

    url: str = field(repr=False)
    hint: str


def check(text: str) -> Address:
    """Read an address as a person gave it.

    Raises:
        AddressUnfit: when apprise does not know it.
    """
    url = text.strip()
    found = _SCHEME.match(url)
    is_plain = len(url) <= LONGEST and url.isprintable()
    if found is None or not is_plain or _plugin(url) is None:
        raise AddressUnfit
    return Address(url, _hint(found[1], url))


def page(text: str) -> str:
    """Where the panel is found, without a slash at the end; empty for nowhere.

    Raises:
        PageUnfit: when it is no address of https, nor one of http that leads to this machine.
    """
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        is_sound = bool(parts.hostname) and parts.port != 0
        is_sound = is_sound and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname or "")))
    except ValueError as error:
        raise PageUnfit from error
    if not is_sound or parts.username or parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise PageUnfit
    return text.rstrip("/").removesuffix("/panel")


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def send(url: str, message: Message) -> None:
    """Send a message, and wait until it was taken.

    Raises:
        NotTaken: when it was not; with what the server answered, and nothing of the address.
    """
    plugin = _plugin(url)
    if plugin is None:
        raise NotTaken("the address is not understood any more", hint="give it again")
    with _overheard() as heard:
        try:
            taken = bool(_told(plugin, url.partition("://")[0].lower(), message))
        except Exception as error:  # noqa: BLE001 - apprise's plugins raise what they like, and their texts hold addresses
            raise NotTaken(f"it cannot be sent to ({type(error).__name__})") from None
    if not taken:
        raise NotTaken(_why(heard))


def _told(plugin: Any, scheme: str, message: Message) -> Any:
    """Mail gets both forms from apprise; chats read the text, in which nothing means anything to them."""
    from apprise import NotifyFormat, NotifyType

    kind = {"info": NotifyType.INFO, "urgent": NotifyType.FAILURE}.get(message.severity, NotifyType.WARNING)
    formats = plugin.notify_format if isinstance(plugin.notify_format, tuple) else (plugin.notify_format,)
    first = formats[0]
    if first == NotifyFormat.HTML:
        return plugin.notify(body=message.html, title=message.title, notify_type=kind, body_format=NotifyFormat.HTML)
    is_chat = scheme not in _HOSTED
    body, title = (message.chat, message.chat_title) if is_chat else (message.text, message.title)
    return plugin.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT)


def _why(heard: list[str]) -> str:
    said = " ".join(heard)
    answer = _ANSWERED.search(said)
    if answer is not None:
        return f"the server answered with status {answer[1]}"
    if "onnection error" in said or "Socket" in said:
        return "no connection to the server, or it broke off"
    return "the server did not take it"


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What apprise says in this thread; it goes nowhere else."""
    lines: list[str] = []
    ear = _Ear(lines, threading.get_ident())
    log = _log()
    log.addHandler(ear)
    try:
        yield lines
    finally:
        log.removeHandler(ear)


class _Ear(logging.Handler):
    """Listens to one thread."""

    def __init__(self, lines: list[str], thread: int) -> None:
        super().__init__()
        self._lines, self._thread = lines, thread

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if record.thread == self._thread:
            self._lines.append(record.getMessage()[:500])


@cache
def _log() -> logging.Logger:
    """What apprise logs, which would else go to standard error with addresses in it; so do those of what it calls with."""
    for name in ("apprise", "urllib3", "requests_oauthlib"):
        log = logging.getLogger(name)
        log.propagate = False
        log.addHandler(logging.NullHandler())
        log.setLevel(logging.WARNING)
    return logging.getLogger("apprise")


@cache
def _asset() -> Any:
    """Settings for apprise: no pictures from elsewhere, no files, no threads of its own."""
    from apprise import AppriseAsset
    from apprise.common import PersistentStoreMode

    made = AppriseAsset(storage_mode=PersistentStoreMode.MEMORY, allow_templates=False)
    made.async_mode = False
    made.app_id = made.app_desc = "flowctl"
    made.app_url = made.image_url_mask = made.image_url_logo = made.image_path_mask = ""
    made.pgp_autogen = made.pem_autogen = False
    return made


def _plugin(url: str) -> Any:
    """The sender for an address; None when there is none."""
    _log()
    from apprise import Apprise

    try:
        return Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    except Exception:  # noqa: BLE001 - apprise's plugins raise what they like about an address
        return None


def _hint(scheme: str, url: str) -> str:
    """The scheme, and the host where it is no secret."""
    if scheme in _HOSTED:
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            host = ""
        rest = url.partition("://")[2].partition("/")[2].partition("?")[0]
        # A password with a slash in it would make the host look like a part of it.
        if _HOST.fullmatch(host) and "@" not in rest:
            return f"{scheme}://{host}"
    return f"{scheme}://***"
