"""What browsers send, read strictly: forms, cookies, where a request came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.errors import FlowctlError

MOST_FIELDS = 100
BODY_LIMIT = 64 * 1024
# A cookie of this prefix is taken from https only, for all paths, from this host alone.
_SECURE_COOKIE, _PLAIN_COOKIE = "__Host-flowctl", "flowctl"
_COOKIE = re.compile(r"[0-9A-Za-z]{20,80}", re.ASCII)
_BOUNDARY = re.compile(
    r"""; *boundary=(?:"([0-9A-Za-z'()+_,./:=? -]{1,70})"|([0-9A-Za-z'()+_./:=?-]{1,70}))""", re.ASCII
)
_FIELD = re.compile(rb"^content-disposition: *form-data; *name=\"([^\"]{1,100})\"", re.IGNORECASE | re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class FormUnreadable(FlowctlError):
    """What was sent is no form of ours."""


def read(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a form; of several of one name the last.

    Raises:
        FormUnreadable: when it is none.
    """
    if not body:
        return {}
    if kind.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormUnreadable
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise FormUnreadable from error
    return dict(pairs)


def multipart(kind: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields and the files of a form that may carry files; of several of one name the last.

    The body is in memory and capped already, so a parser that streams to the disk would bring nothing but a dependency.
    Browsers write it in one way only (HTML, "multipart/form-data encoding algorithm"), and nothing else is read.

    Raises:
        FormUnreadable: when it is none.
    """
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        return read(kind, body), {}
    named = _BOUNDARY.search(kind)
    if named is None:
        raise FormUnreadable
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + (named[1] or named[2]).encode("ascii"))
    if first or not parts or parts.pop().strip() != b"--" or len(parts) > MOST_FIELDS:
        raise FormUnreadable
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in parts:
        head, found, content = part.partition(b"\r\n\r\n")
        name = _FIELD.search(head)
        if not found or name is None:
            raise FormUnreadable
        try:
            if b"; filename=" in head:
                files[name[1].decode("ascii")] = content
            else:
                fields[name[1].decode("ascii")] = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormUnreadable from error
    return fields, files


def query(text: str) -> dict[str, str]:
    """The fields of an address; nothing of one that cannot be read."""
    try:
        return dict(parse_qsl(text, max_num_fields=MOST_FIELDS, errors="replace"))
    except ValueError:
        return {}


def exact(given: Mapping[str, str], name: str) -> str:
    """A value as the source has it: from `NAME_coded`, percent-encoded, for browsers change line ends; else from `NAME`."""
    coded = given.get(f"{name}_coded")
    return given.get(name, "") if coded is None else unquote(coded)


def clean(text: str) -> str:
    """Text from a person: one line, no control characters, no direction tricks, no lone halves of letters."""
    return _CONTROL.sub("", text.encode("utf-8", "ignore").decode()).replace("\n", " ").replace("\t", " ").strip()


def is_loopback(host: str) -> bool:
    """Whether a host, as the address names it, is this machine."""
    name = (urlsplit(f"//{host}").hostname or "").lower() if _is_host(host) else ""
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    try:
        urlsplit(f"//{host}")
    except ValueError:
        return False
    return True


def takes_secure_cookie(scheme: str, host: str) -> bool:
    """Whether the cookie is for https alone: always, but where a person tries it on the machine itself."""
    return scheme == "https" or not is_loopback(host)


def cookie(headers: Mapping[str, str], *, secure: bool) -> str:
    """The session's cookie, or empty text."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    found = jar.get(_SECURE_COOKIE if secure else _PLAIN_COOKIE)
    return found.value if found is not None and _COOKIE.fullmatch(found.value) else ""


def set_cookie(value: str, *, secure: bool) -> str:
    """The header that sets the session's cookie, or takes it away."""
    name = _SECURE_COOKIE if secure else _PLAIN_COOKIE
    end = "" if value else "; Max-Age=0"
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{end}"


def is_same_site(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something came from a page of ours.

    Browsers say so in `Sec-Fetch-Site`, and older ones name the page's origin; what says neither is no browser of today.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site == "same-origin"
    try:
        named = urlsplit(origin)
    except ValueError:
        return False
    # A proxy may have changed the host on the way; the browser's own word is enough then.
    return site == "same-origin" or (named.scheme in ("http", "https") and named.netloc == headers.get("host", ""))
