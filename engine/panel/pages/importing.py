"""A mapping table from a file: what would change is shown first, and exactly that is kept once somebody agrees."""

from __future__ import annotations

import hmac
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic
from engine.errors import FlowctlError, UsageError
from engine.model import Flow
from engine.operator import mapfile
from engine.operator.mapfile import Change
from engine.panel.pages.mappings import TABLE, entry_of, to_table, went_on
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store.base import Tx

_FILE = "the file"
MOST_BYTES, MOST_LINES = 1024 * 1024, 5000
# A form of this size still gets a page that says what is wrong with it; a larger one is not read to its end.
_TAKEN = 8 * MOST_BYTES
_SHOWN = 500


class FileTooLarge(UsageError):
    """The file has more than one import takes."""

    hint = "split it, or give it to `flowctl map import`"


class ChangedMeanwhile(FlowctlError):
    """The table or the list has changed since the preview; nothing was kept."""

    hint = "look at what would change now, and agree anew"


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do. It can be kept when there are `changes` that change something, and no `problems`."""

    data: bytes
    changes: tuple[Change, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    is_whole: bool = False

    @property
    def counts(self) -> Counter[str]:
        """How many changes of each kind."""
        return Counter(change.action for change in self.changes)

    @property
    def shown(self) -> list[Change]:
        """What changes something, what goes first."""
        order = ("gone", "changed", "new", "empty")
        listed = (change for change in self.changes if change.action in order)
        return sorted(listed, key=lambda change: (order.index(change.action), change.line.number))

    @property
    def kept(self) -> int:
        """How many rows are added, changed or removed."""
        return sum(self.counts[action] for action in ("new", "changed", "gone"))

    @property
    def packed(self) -> str:
        """The file as it travels with the page and comes back: the same bytes, whatever browsers do to line ends."""
        return urlsafe_b64encode(zlib.compress(self.data, 9)).decode("ascii")


def _page(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        flow, _ = entry_of(ask, tx)
    return _shown(ask, flow)


def _shown(ask: Ask, flow: Flow, error: FlowctlError | None = None) -> Shown:
    values = {
        "flow": flow.name,
        "lookup": ask.path["lookup"],
        "pasted": ask.form.get("pasted", "")[:MOST_BYTES] if error else "",
        "whole": "whole" in ask.form,
        "error": str(error) if error else "",
        "hint": error.hint or "" if error else "",
        "megabytes": MOST_BYTES >> 20,
        "most_lines": MOST_LINES,
        "columns": mapfile.COLUMNS,
    }
    return Shown("mapping_import.html", values, 422 if error else 200)


def _preview(ask: Ask) -> Answer:
    data = ask.files.get("file", b"") or ask.form.get("pasted", "").strip().encode("utf-8", "replace")
    with ask.world.store.read(ask.code) as tx:
        flow, _ = entry_of(ask, tx)
        try:
            return _previewed(ask, flow, _planned(tx, ask, flow, data))
        except FlowctlError as error:
            return _shown(ask, flow, error)


def _planned(tx: Tx, ask: Ask, flow: Flow, data: bytes) -> Preview:
    """What importing the file would do.

    Raises:
        UsageError: when it is too large, or no table.
    """
    if len(data) > MOST_BYTES:
        raise FileTooLarge(f"the file is larger than {MOST_BYTES >> 20} MiB")
    lookup, is_whole = ask.path["lookup"], "whole" in ask.form
    lines, wrong = mapfile.read(data, _FILE, lookup)
    if len(lines) > MOST_LINES:
        raise FileTooLarge(f"the file has {len(lines):,} lines, and one import takes {MOST_LINES:,}")
    whole = frozenset([lookup]) if is_whole else frozenset[str]()
    changes, more = mapfile.plan(tx, str(ask.where["company"]), flow, lines, _FILE, whole)
    return Preview(data, tuple(changes), tuple(sorted([*wrong, *more])), is_whole)


def _previewed(ask: Ask, flow: Flow, preview: Preview, error: FlowctlError | None = None) -> Shown:
    values = {
        "flow": flow.name,
        "lookup": ask.path["lookup"],
        "it": preview,
        "digest": mapfile.digest(preview.changes),
        "most": _SHOWN,
        "is_guessed": mapfile.is_guessed(preview.data),
        "unchecked": sum(not change.verified for change in preview.changes),
        "others": sorted({change.line.lookup for change in preview.changes} - {ask.path["lookup"]}),
        "error": str(error) if error else "",
        "hint": error.hint or "" if error else "",
    }
    return Shown("mapping_preview.html", values, 422 if preview.problems or error else 200)


def _keep(ask: Ask) -> Answer:
    data = _unpacked(ask.form.get("packed", ""))
    agreed = ask.form.get("digest", "").encode("utf-8", "replace")
    with ask.world.store.write(ask.code) as tx:
        flow, _ = entry_of(ask, tx)
        try:
            preview = _planned(tx, ask, flow, data)
        except FlowctlError as error:
            return _shown(ask, flow, error)
        if preview.problems or not hmac.compare_digest(agreed, mapfile.digest(preview.changes).encode()):
            return _previewed(ask, flow, preview, ChangedMeanwhile())
        woken = mapfile.apply(tx, ask.hand, flow, preview.changes)
    ask.poke()
    return Sent(to_table(ask), good=f"{_told(preview.changes)}; {went_on(woken)}.")


def _told(changes: Sequence[Change]) -> str:
    """What was kept, in words."""
    counts: Counter[str] = Counter(change.action for change in changes)
    parts = [f"{counts[action]:,} {word}" for action, word in _DONE.items() if counts[action]]
    return f"The file is imported: {', '.join(parts) or 'nothing to change'}"


_DONE = {"new": "added", "changed": "changed", "gone": "removed"}


def _unpacked(text: str) -> bytes:
    """The file that came with a preview; nothing of what is none."""
    try:
        return zlib.decompressobj().decompress(urlsafe_b64decode(text.encode("ascii")), MOST_BYTES + 1)
    except (ValueError, zlib.error):
        return b""


PAGES = (
    Page(TABLE + "/import", _page, role="operator"),
    Page(TABLE + "/import", _preview, "POST", role="operator", takes=_TAKEN),
    Page(TABLE + "/import/keep", _keep, "POST", role="operator", takes=_TAKEN),
)
