"""Checkpoints: where each journal stands, signed, one JSON line each in a file outside the store.

A line names the heads that moved since the line before it, and holds the SHA-256 of that line. Whoever has the file and the
public key can tell a journal that was cut, rewritten or replaced, without any secret. A line that a person accepted after a
restore begins anew: what lines before it say of the journals no longer counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import Any

from engine.audit.signing import is_signed, sign
from engine.dataclass import dataclass
from engine.jsontext import canonical

NONE = "0" * 64
_CONTEXT = b"flowctl checkpoint\0"


@dataclass(frozen=True, slots=True)
class Point:
    """A journal's line that a checkpoint saw last, and when."""

    seq: int
    hash: str
    at: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One line before it is signed. `heads` has the line number and hash of each journal that moved."""

    number: int
    at: str
    heads: Mapping[str, tuple[int, str]]
    previous: str
    public_key: str
    accepted: str = ""

    def line(self, private: str) -> str:
        """The signed line, without a line break."""
        body = self._body()
        return canonical({**body, "signature": sign(private, _CONTEXT + canonical(body).encode())})

    def _body(self) -> dict[str, object]:
        return {
            "number": self.number,
            "at": self.at,
            "heads": {company: list(head) for company, head in self.heads.items()},
            "previous": self.previous,
            "public_key": self.public_key,
            "accepted": self.accepted,
        }


@dataclass(slots=True)
class Ledger:
    """What a checkpoint file says: how many lines, the digest of the last, and of each journal every point that counts."""

    count: int = 0
    digest: str = NONE
    public_key: str = ""
    newest_at: str = ""
    points: dict[str, list[Point]] = field(default_factory=dict)
    accepted: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def heads(self) -> dict[str, Point]:
        """The newest point of each journal."""
        return {company: points[-1] for company, points in self.points.items()}

    def take(self, text: str) -> None:
        """Read the next line; the first one that does not fit is told, and nothing after it counts."""
        if self.problems:
            return
        number = self.count + 1
        line = _parsed(text)
        if line is None:
            self.problems.append(f"line {number} is no checkpoint, or was changed")
            return
        if line["number"] != number or line["previous"] != self.digest:
            self.problems.append(f"line {number} does not follow from the line before it")
            return
        if not line["accepted"] and self.public_key not in ("", line["public_key"]):
            self.problems.append(f"line {number} is signed with another key than the line before it")
            return
        if line["accepted"]:
            self.points = {}
            self.accepted.append((line["at"], line["accepted"]))
        for company, (seq, digest) in line["heads"].items():
            self.points.setdefault(company, []).append(Point(seq, digest, line["at"]))
        self.count, self.digest = number, sha256(text.encode()).hexdigest()
        self.public_key, self.newest_at = line["public_key"], line["at"]


def read(path: Path) -> Ledger:
    """The file's ledger. A last line without its line break was being written when its process was killed: it counts not.

    Raises:
        OSError: when there is a file that cannot be read.
    """
    ledger = Ledger()
    for text in whole_lines(path).decode("utf-8", "surrogateescape").splitlines():
        ledger.take(text)
    return ledger


def whole_lines(path: Path) -> bytes:
    """The file up to its last line break; nothing when there is no file."""
    if not path.exists():
        return b""
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def _parsed(text: str) -> Any:
    """The line, or None when it is malformed, not written as we write it, or not signed with the key that it names."""
    try:
        line = json.loads(text)
        body = {name: line[name] for name in ("number", "at", "heads", "previous", "public_key", "accepted")}
        wanted = canonical({**body, "signature": line["signature"]})
        if wanted != text or not is_signed(line["public_key"], line["signature"], _CONTEXT + canonical(body).encode()):
            return None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return line
