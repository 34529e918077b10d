"""What to do, for somebody at the panel: the page where it is done comes first, and the command is for a terminal.

Hints are written once, for people at a terminal, and name commands. Here, and nowhere else, the panel puts its own pages in
their place. What it has no page for stays as it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from engine.dataclass import dataclass

# A command in a hint stands between backticks; a hint may be a command and nothing else.
_COMMAND = re.compile(r"`(flowctl [^`]*)`")
# Who is told to do it in the panel needs no second way.
_EITHER = re.compile(r"(in the panel|on (?:its|the) page)(?:, or|,| or)(?: with| run)? (`flowctl [^`]*`)")
# Options are for a terminal; here one goes to another page.
_WORDS = ((re.compile(r"\bgive another --company\b"), "go to another company"),
          (re.compile(r"\bconnect another --company\b"), "connect another company"))  # fmt: skip
_OF_A_RECORD = frozenset({"retry", "replay", "skip", "hold", "release", "reconcile"})
# The page of the company that does what a command does, and what it is called.
_PAGES = {
    "map": ("/to-map", "To map"),
    "deferred": ("/to-map", "To map"),
    "connect": ("/connections", "Connections"),
    "authorize": ("/connections", "Connections"),
    "disconnect": ("/connections", "Connections"),
    "qwc": ("/connections/web-connector", "Web Connector"),
    "retry": ("/records", "Records"),
    "replay": ("/records", "Records"),
    "skip": ("/records", "Records"),
    "hold": ("/records", "Records"),
    "release": ("/records", "Records"),
    "reconcile": ("/reconcile", "Reconcile"),
    "pause": ("/pause", "Pause or resume"),
    "resume": ("/pause", "Pause or resume"),
    "status": ("", "Overview"),
    "alert": ("/alerts/settings", "Who is told, and when"),
    "webhook": ("/webhooks", "Webhooks"),
    "audit": ("/audit", "Journal"),
}
# The button of a record's page that does what a command does with an option; two of one hint lead to the same page.
_BUTTONS = {
    ("retry", "--there"): "It is there",
    ("retry", "--not-there"): "It is not there",
    ("release", "--same"): "It is the same record",
    ("replay", "--told"): "The source knows",
    ("reconcile", "--post-again"): "Post after all",
    ("reconcile", "--accept"): "Accept the edit",
}
# What takes more than a page does.
_ONLY_THERE = frozenset({("map", "import"), ("audit", "export")})


@dataclass(frozen=True, slots=True)
class Advice:
    """A hint with the panel's ways: `links` are address and name of pages; `said` is the rest; `commands` are for a terminal.

    Of `said`, every other part, beginning with the second, is a command that no page stands for.
    """

    links: tuple[tuple[str, str], ...]
    said: tuple[str, ...]
    commands: tuple[str, ...]


def advised(hint: str, base: str, *, own: bool = False) -> Advice:
    """A hint, for the pages below `base`, which is empty where there is no company; `own` on the page of the record itself."""
    text = f"`{hint}`" if hint.startswith("flowctl ") and "`" not in hint else hint
    text = in_words(text)
    links: dict[str, str] = {}
    commands: list[str] = []
    text = _EITHER.sub(lambda found: f"{found[1]}{_noted(found[2], base, links, commands, own=own)}", text)
    said: list[str] = [""]
    behind = 0
    for found in _COMMAND.finditer(text):
        before, behind = text[behind : found.start()], found.end()
        place = _page(found[1], base, own=own)
        if place is None:
            said[-1] += before
            said += [found[1], ""]
            continue
        address, name = place
        if address:
            links.setdefault(address, name)
        commands.append(found[1])
        before = re.sub(r"\brun $", "use ", before)
        name = _button(found[1], own=own) or name
        said[-1] += (re.sub(r"\bwith $", "on the page ", before) if name[:1].isupper() else before) + name
    said[-1] += text[behind:]
    rest = "".join(said).strip()
    if rest in {part for name in links.values() for part in (name, f"use {name}")}:
        said = [""]
    return Advice(tuple(links.items()), tuple(said), tuple(commands))


def in_words(hint: str) -> str:
    """A hint without the options that a person at the panel does otherwise."""
    for option, words in _WORDS:
        hint = option.sub(words, hint)
    return hint


def _noted(command: str, base: str, links: dict[str, str], commands: list[str], *, own: bool) -> str:
    """Nothing, once the page of a command is among the links; the words as they were where it has none."""
    place = _page(command.strip("`"), base, own=own)
    if place is None:
        return f", or {command}"
    if place[0]:
        links.setdefault(*place)
    commands.append(command.strip("`"))
    return ""


def _page(command: str, base: str, *, own: bool) -> tuple[str, str] | None:
    """Address and name of the page that does what a command does; None when there is none.

    On a record's own page the address is empty: what can be done there stands above.
    """
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        words = command.split()[1:]
    name, rest = (words[0], _plain(words[1:])) if words else ("", [])
    if name == "user":
        return "/panel/users", "Users"
    if not base:
        return None
    if name == "company":
        return _of_company(rest, base)
    known = _PAGES.get(name)
    if known is None or (name, *rest[:1]) in _ONLY_THERE:
        return None
    if name in _OF_A_RECORD and (rest or name == "reconcile"):
        return _of_record(name, words, rest, base, own=own)
    address, called = known
    if name == "alert" and rest[:1] in (["open"], ["mute"], ["unmute"]):
        address, called = "/alerts", "Alerts"
    is_one = name in ("connect", "authorize", "disconnect") and rest
    return f"{base}{address}" + (f"/{quote(rest[0], safe='')}" if is_one else ""), called


def _of_record(name: str, words: Sequence[str], rest: Sequence[str], base: str, *, own: bool) -> tuple[str, str]:
    is_decision = name != "reconcile" or any(word.startswith(("--post", "--leave", "--accept")) for word in words)
    if is_decision and own:
        return "", "the buttons above"
    if is_decision and rest and rest[0] not in ("ID", "all"):
        one = rest[0]
        return (
            (f"{base}/records/{one}", "the record")
            if one.isdecimal()
            else (f"{base}/records?text={quote(one)}", "Records")
        )
    return f"{base}{_PAGES[name][0]}", _PAGES[name][1]


def _button(command: str, *, own: bool) -> str:
    """The button that does what a command does, and where it is; empty where its page says enough."""
    words = command.split()[1:]
    if "all" in words[1:]:
        return ""
    label = next((_BUTTONS[words[0], word] for word in words[1:] if (words[0], word) in _BUTTONS), "")
    return f"“{label}” {'above' if own else 'on the page of the record'}" if label else ""


def _of_company(rest: Sequence[str], base: str) -> tuple[str, str] | None:
    if rest[:1] == ["bind"]:
        return f"{base}/connections/web-connector", "Web Connector"
    if rest[:1] == ["flow"]:
        return (
            (f"{base}/flows/{quote(rest[1], safe='')}", f"the flow {rest[1]}")
            if len(rest) > 1
            else (f"{base}/flows", "Flows")
        )
    if rest[:1] in (["set"], ["unset"], ["show"]) and len(rest) > 1:
        return f"{base}/flows/{quote(rest[1], safe='')}#settings", "the flow's settings"
    return None


def _plain(words: Sequence[str]) -> list[str]:
    """The words that are no options, and no values of the two that take one."""
    found, is_value = [], False
    for word in words:
        if not is_value and not word.startswith("-"):
            found.append(word)
        is_value = word in ("--company", "--reason", "--state", "--flow")
    return found
