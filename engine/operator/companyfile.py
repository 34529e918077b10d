"""Which company file a company writes to: a person confirms it, and releases the company from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from engine.contract import Json
from engine.errors import FlowctlError
from engine.evidence import REFUSED_FILES
from engine.follow import Hand
from engine.jsontext import plain
from engine.store import boundfile, companies, facts, journal, work
from engine.store.base import Row, Tx

# So many files that are not the right ones are remembered.
_MOST_REFUSED = 20


class NothingToConfirm(FlowctlError):
    """No company file waits to be confirmed."""

    hint = "press Update Selected in the Web Connector, then confirm what it shows"


class BoundAlready(FlowctlError):
    """The company is bound to a company file already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the company is bound to `{name}` already", hint="release it first: --release")


class SetInDoubt(FlowctlError):
    """A message set is not settled, and only the bound company file can tell what became of it."""

    def __init__(self, set_id: str) -> None:
        super().__init__(
            f"the message set {set_id} is not settled, and only the bound company file can tell what became of it",
            hint="let the Web Connector run once more with that company file open, then release it; when that very file was "
            "moved or renamed, say so first: `flowctl company bind --confirm`",
        )


class NothingRefused(FlowctlError):
    """No company file is refused."""

    hint = "look at what is there now"


class AnotherFile(FlowctlError):
    """The company file is not the one that a person has looked at."""

    hint = "look at the one that is there now, and decide about that"

    def __init__(self) -> None:
        super().__init__("another company file has called since this was shown; nothing was changed")


def mark_of(identity: Mapping[str, Any]) -> str:
    """What tells a company file from any other, to be sent back with the word that a person gives about it."""
    return sha256(plain(dict(identity)).encode()).hexdigest()


def require_same(tx: Tx, company: str, mark: str, *, bound: bool) -> None:
    """Refuse a word about another file than the one that waits, or with `bound`, than the company's own.

    Raises:
        AnotherFile: when it is about another.
    """
    identity = companies.identity(tx, company) if bound else in_question(tx, company)
    if identity is not None and mark_of(identity) != mark:
        raise AnotherFile


def unconfirmed(tx: Tx, company: str) -> Json | None:
    """The company file that waits for a person's word, if any."""
    asked = tx.one("journal_newest", {"company": company, "event": "company_unconfirmed"})
    if asked is None or _is_decided(tx, company, asked) or companies.identity(tx, company) is not None:
        return None
    return _file_of(asked)


def turned_away(tx: Tx, company: str) -> Json | None:
    """The company file that was turned away last, since it is not the one that is expected; None when that is over."""
    row = tx.one("journal_newest", {"company": company, "event": "company_refused"})
    is_open = any((a["kind"], a["subject"]) == ("session", "company_refused") for a in work.alerts(tx, company))
    if row is None or not is_open:
        return None
    return _file_of(row) if "company_name" in json.loads(row["detail"]) else None


def moved(tx: Tx, company: str) -> Json | None:
    """The company's own file as it called last from another path, or with another name; None when it has not.

    It has the FileID that the company is bound to. One without, or with another, is another file. Where no FileID is known
    of the bound one, its name or its path must be as it was.
    """
    bound, away = companies.identity(tx, company), turned_away(tx, company)
    if bound is None or away is None:
        return None
    if bound.get("file_id"):
        return away if away.get("file_id") and boundfile.key(away) == boundfile.key(bound) else None
    is_called_so = away.get("company_name") == bound.get("company_name")
    return away if is_called_so or _plain_path(away) == _plain_path(bound) else None


def in_question(tx: Tx, company: str) -> Json | None:
    """The company file that a person may refuse: one that waits to be confirmed, or was turned away before any was bound."""
    asked = unconfirmed(tx, company)
    if asked is not None or companies.identity(tx, company) is not None:
        return asked
    away = turned_away(tx, company)
    return None if away is None or _known(away) in refused(tx, company) else away


def refused(tx: Tx, company: str) -> list[Json]:
    """The company files of which a person has said that they are not the right ones, the newest last."""
    return list((facts.recall(tx, company, REFUSED_FILES) or {}).get("files", []))


def _is_decided(tx: Tx, company: str, asked: Row) -> bool:
    """Whether a person has given a word since; a record that is released from a hold has the same word."""
    rows = [tx.one("journal_newest", {"company": company, "event": event}) for event in ("released", "file_refused")]
    return any(row is not None and row["record_id"] is None and row["seq"] > asked["seq"] for row in rows)


def _file_of(line: Row) -> Json:
    detail: dict[str, Any] = json.loads(line["detail"])
    return {name: value for name, value in detail.items() if name != "message"}


def confirm(tx: Tx, hand: Hand) -> Json:
    """Bind the company to the file that waits to be confirmed, or take its own under a new path or name.

    Raises:
        BoundAlready, NothingToConfirm: when there is nothing to decide.
    """
    bound = companies.identity(tx, hand.company)
    if bound is not None and moved(tx, hand.company) is not None:
        return accept_moved(tx, hand)
    if bound is not None:
        raise BoundAlready(str(bound.get("company_name", "")))
    identity = unconfirmed(tx, hand.company)
    if identity is None:
        raise NothingToConfirm
    companies.bind(tx, hand.company, identity, hand.at)
    _told(tx, hand, journal.Entry("bound", detail=dict(identity)))
    return identity


def accept_moved(tx: Tx, hand: Hand, reason: str = "", *, mark: str = "") -> Json:
    """Take the path and name with which the company's own file called last; returns what it is bound to from now on.

    It is the same file, so that nothing is released: what was sent and is in doubt is looked for in it, and what was
    prepared for it stays. With `mark`, the file must be the one that a person has looked at.

    Raises:
        NothingToConfirm: when it has not called so.
        AnotherFile: when what called last has yet another path or name.
    """
    bound, seen = companies.identity(tx, hand.company), moved(tx, hand.company)
    if bound is None or seen is None:
        raise NothingToConfirm
    if mark and mark_of(seen) != mark:
        raise AnotherFile
    place = {"company_name": seen["company_name"], "path": seen.get("path") or bound.get("path", "")}
    new = {**boundfile.kept(bound), **place}
    companies.rename(tx, hand.company, new)
    # A session may be at work in a copy that lies at the old place. What it has sent is in doubt, and is looked for in this file.
    tx.run("sessions_close_of", {"company": hand.company})
    detail = {**_known(new), "was": _known(bound), **({"why": reason} if reason else {})}
    _told(tx, hand, journal.Entry("file_moved", detail=detail))
    return new


def refuse(tx: Tx, hand: Hand, reason: str) -> Json:
    """Say that the file that waits, or was turned away, is not the right one: it is turned away whenever it comes.

    That ends when another file is bound, or somebody asks for it with `ask_again`.

    Raises:
        NothingToConfirm: when there is nothing to decide.
    """
    identity = in_question(tx, hand.company)
    if identity is None:
        raise NothingToConfirm
    _remember(tx, hand, identity)
    _told(tx, hand, journal.Entry("file_refused", detail={**identity, **({"why": reason} if reason else {})}))
    return identity


def ask_again(tx: Tx, hand: Hand) -> list[Json]:
    """Take back that files are not the right ones: whichever comes next is asked about, or bound, as if it were new.

    Raises:
        NothingRefused: when none is refused.
    """
    files = refused(tx, hand.company)
    if not files:
        raise NothingRefused
    facts.forget(tx, hand.company, REFUSED_FILES)
    _told(
        tx, hand, journal.Entry("file_asked_again", detail={"files": [file.get("company_name", "") for file in files]})
    )
    return files


def release(tx: Tx, hand: Hand, reason: str, *, is_wrong: bool = False) -> Json | None:
    """Release the company from its file; the next contact binds it anew. None when it was not bound.

    One that `is_wrong` was never the right one: it is turned away from now on, as if it had been refused at first.

    Raises:
        SetInDoubt: while the outcome of a message set is open.
    """
    bound = companies.identity(tx, hand.company)
    if bound is None:
        return None
    unsettled = tx.one("set_unsettled", {"company": hand.company})
    if unsettled is not None:
        raise SetInDoubt(unsettled["id"])
    companies.unbind(tx, hand.company)
    # Whoever is in the middle of a session was let in with this file.
    tx.run("sessions_close_of", {"company": hand.company})
    wrong = {"refused": True} if is_wrong else {}
    if is_wrong:
        _remember(tx, hand, bound)
    _told(tx, hand, journal.Entry("released", detail={**bound, **wrong, **({"why": reason} if reason else {})}))
    return bound


def _plain_path(identity: Json) -> str:
    return str(identity.get("path", "")).strip().replace("/", "\\").casefold()


def _known(identity: Json) -> dict[str, Any]:
    return {name: identity.get(name, "") for name in ("company_name", "file_id", "path")}


def _remember(tx: Tx, hand: Hand, identity: Json) -> None:
    """A file that is turned away from now on; of very many the newest are known."""
    known = _known(identity)
    files = [file for file in refused(tx, hand.company) if dict(file) != known]
    facts.remember(tx, hand.company, hand.at, REFUSED_FILES, {"files": [*files, known][-_MOST_REFUSED:]})


def _told(tx: Tx, hand: Hand, entry: journal.Entry) -> None:
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    for event in ("company_unconfirmed", "company_refused", "company_changed"):
        work.resolve_alert(tx, hand.company, "session", event, hand.at)
