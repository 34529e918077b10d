"""The text of a message: what happened, since when, how many records and how much money, what to do, where to look.

What vendors and people wrote is in it. So it is one line wherever it stands, escaped in HTML, and without marks that a
chat would take for links, mentions or layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from decimal import Decimal
from html import escape

from engine.alerting.notices import money_of
from engine.alerting.rules import HOUSE, SEVERITIES, Severity
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.store.base import Row

# No more than this are told one by one.
MOST = 10
_LONGEST_TITLE = 120
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_WORDS = {"opened": "new", "grew": "grew", "still": "still so", "solved": "solved"}
# What chats take for a mention, a link or layout, and what stands for it: it looks alike, and means nothing.
_CHAT = {
    "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    "*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}", "`": "'", "|": "\N{DIVIDES}", "\\": "\N{SET MINUS}",
    "[": "(", "]": ")",
}  # fmt: skip
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")
_EDGE = re.compile(r"(?<!\w)_|_(?!\w)")
_HEAD = re.compile(r"^(?=[#>\-+=])|^(?=\d+[.)])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One notice in a message. `event` is why it is told; an empty `company` is the house."""

    event: str
    company: str
    company_title: str
    severity: Severity
    title: str
    detail: str
    hint: str
    place: str
    records: int
    money: tuple[tuple[str, Decimal], ...]
    since_at: str
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in each of its forms; `chat` is the text without anything that a chat would take for its own."""

    title: str
    text: str
    html: str
    chat_title: str
    chat: str
    severity: Severity


def entry(row: Row) -> Entry:
    """What waits in the outbox, as `alert_deliveries_waiting` reads it: how it stands now."""
    return Entry(
        row["event"],
        row["company"],
        row["company_title"] or row["company"] or "flowctl",
        row["severity"],
        row["title"],
        row["detail"],
        row["hint"],
        row["place"],
        row["records"],
        tuple(money_of(row).items()),
        row["since_at"],
        row["ended_at"] or "",
    )


def compose(entries: Sequence[Entry], base_url: str, zone: tzinfo) -> Message:
    """One message of everything that a channel is to be told, the worst first; times are told in the zone."""
    ordered = sorted(entries, key=_rank)
    shown, more = ordered[:MOST], len(ordered) - MOST
    blocks = [_block(each, base_url, zone) for each in shown]
    title = _title(ordered)
    plain, html, chat = (
        [_text(block) for block in blocks],
        [_html(block) for block in blocks],
        [_chat(b) for b in blocks],
    )
    if more > 0:
        rest = f"and {more} more" + (f": {base_url}/panel/alerts" if base_url else "")
        plain.append(rest)
        chat.append(rest)
        html.append(f"<p>{escape(rest)}</p>")
    severity = max((each.severity for each in ordered), key=SEVERITIES.index)
    is_over = all(each.event == "solved" for each in ordered)
    return Message(
        title, "\n\n".join(plain), f"<html><body>{''.join(html)}</body></html>", quiet(title), "\n\n".join(chat),
        "info" if is_over else severity,
    )  # fmt: skip


def tried(name: str) -> Message:
    """A message that only shows that the channel works."""
    title, text = "flowctl: a test", f"This is a test of the channel {name}. Messages arrive here."
    return Message(title, text, f"<html><body><p>{escape(text)}</p></body></html>", title, text, "info")


def one_line(text: str, longest: int = 600) -> str:
    """Text from elsewhere as one line, without characters that nobody sees."""
    line = " ".join(_UNSEEN.sub(" ", text.encode("utf-8", "replace").decode()).split())
    return line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def quiet(text: str) -> str:
    """A line in which no chat finds a mention, a link or layout."""
    line = "".join(_CHAT.get(sign, sign) for sign in text).replace("://", ": //")
    line = _MENTION.sub("\N{FULLWIDTH COMMERCIAL AT}", line)
    return _HEAD.sub("\N{ZERO WIDTH SPACE}", _EDGE.sub("\N{MODIFIER LETTER LOW MACRON}", line))


def amounts(money: Iterable[tuple[str, Decimal]]) -> str:
    """Sums for people: `1,050.00 USD and 20.00 EUR`."""
    return " and ".join(f"{amount:,f} {currency}".rstrip() for currency, amount in money)


@dataclass(frozen=True, slots=True)
class _Block:
    """What is told of one notice: a head, lines below it, and the address of its page."""

    head: str
    lines: tuple[str, ...]
    link: str


def _rank(each: Entry) -> tuple[bool, int, str, str]:
    return each.event == "solved", -SEVERITIES.index(each.severity), each.company, each.since_at


def _title(ordered: Sequence[Entry]) -> str:
    """The subject: what it is when it is one, how many there are else."""
    solved = [each for each in ordered if each.event == "solved"]
    names = list(dict.fromkeys(one_line(each.company_title, 60) for each in ordered))
    where = names[0] if len(names) == 1 else f"{len(names)} companies"
    if len(ordered) == 1:
        told = "solved: " if solved else ""
        urgent = "urgent: " if ordered[0].severity == "urgent" and not solved else ""
        return one_line(f"{where}: {told}{urgent}{_what(ordered[0])}", _LONGEST_TITLE)
    parts = [f"{len(ordered) - len(solved)} to look at"] if len(solved) < len(ordered) else []
    parts += [f"{len(solved)} solved"] if solved else []
    urgent = "urgent: " if any(each.severity == "urgent" and each.event != "solved" for each in ordered) else ""
    return one_line(f"{where}: {urgent}{', '.join(parts)}", _LONGEST_TITLE)


def _what(each: Entry) -> str:
    counted = f"{each.records:,} record{'' if each.records == 1 else 's'}" if each.records else ""
    parts = [part for part in (counted, amounts(each.money)) if part]
    return f"{one_line(each.title)} ({', '.join(parts)})" if parts else one_line(each.title)


def _block(each: Entry, base_url: str, zone: tzinfo) -> _Block:
    whose = f"{one_line(each.company_title, 60)}: " if each.company != HOUSE else ""
    head = f"[{each.severity}, {_WORDS[each.event]}] {whose}{_what(each)}"
    lines = [one_line(each.detail)] if each.detail else []
    since = _when(each.since_at, zone)
    if each.event == "solved":
        return _Block(head, (f"from {since} to {_when(each.ended_at, zone)}",), "")
    lines.append(f"since {since}")
    if each.hint:
        lines.append(f"what to do: {one_line(each.hint)}")
    return _Block(head, tuple(lines), f"{base_url}/panel{each.place}" if base_url and each.place else "")


def _when(moment: str, zone: tzinfo) -> str:
    local = from_iso(moment).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def _text(block: _Block) -> str:
    lines = [block.head, *(f"  {line}" for line in block.lines)]
    return "\n".join(lines + ([f"  {block.link}"] if block.link else []))


def _chat(block: _Block) -> str:
    """The same; the address is ours, and stays one."""
    lines = [quiet(block.head), *(f"  {quiet(line)}" for line in block.lines)]
    return "\n".join(lines + ([f"  {block.link}"] if block.link else []))


def _html(block: _Block) -> str:
    lines = "".join(f"<br>{escape(line)}" for line in block.lines)
    link = f'<br><a href="{escape(block.link)}">Show it</a>' if block.link else ""
    return f"<p><b>{escape(block.head)}</b>{lines}{link}</p>"
