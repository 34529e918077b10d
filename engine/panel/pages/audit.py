"""The journal of a company: searched, handed out, and held against its own hashes and the signed checkpoints."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

from engine.audit import chain
from engine.audit.notary import FILE
from engine.clock import is_day
from engine.errors import FlowctlError
from engine.operator.mapfile import guarded
from engine.panel import forms
from engine.panel.web import ROOT, Answer, Ask, Given, Page, Shown
from engine.runwords import STATES
from engine.store import journalsearch
from engine.store.base import Row, Tx
from engine.store.journalsearch import Wanted
from engine.titles import called
from engine.way import title_of

_PATH = "/c/{company}/audit"
_SIZE = 50
# A file of so many lines is some 20 MB; more is a matter for the command line.
_MOST = 50_000
_LONGEST = 200
_SEQ = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_FIELDS = ("from", "to", "event", "actor", "text", "record", "people")


# What names that which a line is about, the best name first.
_ABOUT = ("lookup", "setting", "name", "connection", "user", "channel", "list", "flow", "rule")


class TooMany(FlowctlError):
    """More lines than a browser should fetch."""


def _wanted(ask: Ask) -> tuple[Wanted, dict[str, str], list[str]]:
    """What is asked for, the fields as they were typed, and what is wrong with them; a wrong one counts as not given."""
    typed = {name: forms.clean(ask.query.get(name, ""))[:_LONGEST] for name in _FIELDS}
    wrong = []
    days = {}
    for name in ("from", "to"):
        days[name] = typed[name] if is_day(typed[name]) else ""
        if typed[name] and not days[name]:
            wrong.append(f"`{typed[name]}` is not a date: write it like 2026-03-01")
    number = int(typed["record"]) if _SEQ.fullmatch(typed["record"]) else None
    if typed["record"] and number is None:
        wrong.append(f"`{typed['record']}` is not the number of a record: it stands at the end of the record's address")
    wanted = Wanted(
        days["from"],
        days["to"],
        typed["event"],
        actor=typed["actor"],
        text=typed["text"],
        record_id=number,
        by_people=typed["people"] == "yes",
    )
    return wanted, typed, wrong


def _audit(ask: Ask) -> Answer:
    return _page(ask, None)


def _page(ask: Ask, verified: chain.Report | None) -> Answer:
    company = str(ask.where["company"])
    wanted, typed, wrong = _wanted(ask)
    behind = ask.query.get("behind", "")
    before = int(behind) if _SEQ.fullmatch(behind) else None
    with ask.world.store.read(ask.code) as tx:
        found = journalsearch.page(tx, company, wanted, before, _SIZE)
        head = tx.one("journal_head", {"company": company})
        names = _names(tx, found.lines)
    asked = {name: text for name, text in typed.items() if text}
    values = {
        "lines": [(line, title_of(line["event"]), _said(line)) for line in found.lines],
        "names": names,
        "about": _about,
        "following": _address(company, {**asked, "behind": str(found.before)}) if found.before is not None else "",
        "first": _address(company, asked) if before is not None else "",
        "export": f"{ROOT}/c/{company}/audit/export?" + urlencode(asked),
        "is_whole": found.is_whole,
        "typed": typed,
        "wrong": wrong,
        "is_filtered": bool(asked),
        "length": head["seq"] if head is not None else 0,
        "verified": verified,
    }
    return Shown("audit.html", values)


def _names(tx: Tx, lines: Iterable[Row]) -> dict[int, str]:
    """What people call the records of these lines, where they have a number of their own."""
    numbers = {line["record_id"] for line in lines if line["record_id"]}
    rows = (tx.one("record_get", {"id": number}) for number in numbers)
    return {row["id"]: called(row) for row in rows if row is not None}


def _about(line: Row) -> str:
    """What a line is about that is about no record: a value of a lookup, a setting, a connection, the whole company."""
    detail = json.loads(line["detail"])
    known = {name: str(detail[name]) for name in _ABOUT if isinstance(detail.get(name), str) and detail[name]}
    if "lookup" in known:
        value = str(detail.get("label") or detail.get("key") or "")
        return f"{known['lookup']}: {_plain(value)}" if value else known["lookup"]
    if line["event"] in ("paused", "unpaused"):
        return "the flow" if line["flow"] else "the whole company"
    if "from" in detail and "to" in detail:
        return f"{detail['from']} to {detail['to']}"
    return _plain(next(iter(known.values()), ""))


def _said(line: Row) -> list[tuple[str, str]]:
    """What a line says beside its event, as names and values."""
    detail = json.loads(line["detail"])
    found = [
        (str(name).replace("_", " "), _plain(value)) for name, value in detail.items() if value not in ("", None, [])
    ]
    if line["state_from"] or line["state_to"]:
        was, became = (STATES.get(line[name], line[name] or "none") for name in ("state_from", "state_to"))
        found.insert(0, ("state", f"{was} → {became}"))
    return found


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _address(company: str, fields: Mapping[str, str]) -> str:
    return f"{ROOT}/c/{company}/audit" + (f"?{urlencode(fields)}" if fields else "")


def _verify(ask: Ask) -> Answer:
    """Walk the whole journal, in many short reads, and hold it against the checkpoints beside the store."""
    company, home = str(ask.where["company"]), ask.world.vault.home
    # A store without a folder has no checkpoints.
    path = home / FILE if home is not None else Path(os.devnull)
    try:
        report = chain.verify(ask.world.store, path, company=company)
    except OSError as error:
        raise FlowctlError(
            f"the checkpoints cannot be read: {error.strerror}", hint="look at the folder --home"
        ) from error
    return _page(ask, report)


def _export(ask: Ask) -> Answer:
    """The lines as a table for people; the hashes of `flowctl audit export` verify without the store."""
    company = str(ask.where["company"])
    wanted, _, _ = _wanted(ask)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    columns = [name for name in chain.COLUMNS if name != "previous"]
    writer.writerow(columns)
    for count, line in enumerate(_all(ask, company, wanted), 1):
        if count > _MOST:
            raise TooMany(f"more than {_MOST:,} lines fit", hint="narrow the days, or use `flowctl audit export`")
        writer.writerow(["" if line[name] is None else guarded(str(line[name])) for name in columns])
    # The byte order mark tells spreadsheets that this is UTF-8.
    body = b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "replace")
    return Given(body, "text/csv; charset=utf-8", f"journal-{company}-{ask.world.at()[:10]}.csv")


def _all(ask: Ask, company: str, wanted: Wanted) -> Iterator[Row]:
    """Every line that fits, the newest first, in many short reads."""
    before: int | None = None
    while True:
        with ask.world.store.read(company) as tx:
            found = journalsearch.page(tx, company, wanted, before, 5000)
        yield from found.lines
        if found.before is None:
            return
        before = found.before


PAGES = (
    Page(_PATH, _audit, tab="Journal"),
    Page(f"{_PATH}/export", _export),
    Page(f"{_PATH}/verify", _verify, method="POST"),
)
