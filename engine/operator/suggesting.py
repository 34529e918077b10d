"""Which objects of a cached list may be meant by a name of the source: ranked by how alike they are, for a person to choose.

Nothing is ever taken by likeness alone. A list is put in order once for each of its revisions and kept, with the answers
that it gave; so a page of fifty names costs little even of a list of 20,000.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from engine import registry
from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.listsource import kept_as
from engine.model import Flow, Lookup
from engine.spec import ListSpec
from engine.store import lists
from engine.store.base import Store, Tx

# So many are suggested, and none that is less alike than this, of 100.
MOST = 5
_LEAST = 62.0
# Where one that shares a word is as alike as this, no misspelling is looked for.
_CERTAIN = 88.0
# A list is put in order anew when it changes; those of so many companies and lists are kept, with so many answers each.
_KEPT, _ANSWERS = 12, 2048
# So many that look alike letter by letter, and so many that share a word, are compared closely.
_CLOSE = 40
# A word that more names have than this tells nothing.
_COMMON = 400
# What companies are, and what every other account has, in many languages: it tells nothing about which is meant.
_WORDS = (
    "inc incorporated llc llp lp ltd limited corp corporation co company gmbh ag kg ug se sa sas sarl srl spa bv nv "
    "plc pty pte ab as oy the and und et of for de la"
)
_EMPTY = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An active object that may be meant; `score` is how alike it is, 100 at most; `kind` is such as `Accounts Payable`."""

    list_id: str
    full_name: str
    number: str
    score: float
    kind: str = ""


@dataclass(slots=True)
class _Index:
    """A list in order: folded names, and which of them have a word.

    `seldom` are the places of what no line is coded to as a rule.
    """

    store: Store
    revision: tuple[object, ...]
    found: Sequence[ListObject]
    names: Sequence[str]
    words: Mapping[str, Sequence[int]]
    spec: ListSpec
    seldom: frozenset[int]
    answers: OrderedDict[tuple[str, ...], tuple[Suggestion, ...]] = field(default_factory=OrderedDict)


_lock = threading.Lock()
_indexes: OrderedDict[tuple[int, str, str], _Index] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Known:
    """The list behind a lookup as it is cached. `is_read` is False when it was never read; then it suggests nothing."""

    is_read: bool
    _index: _Index | None = field(default=None, repr=False)

    def suggest(self, label: str, key: str = "", most: int = MOST) -> tuple[Suggestion, ...]:
        """The active objects that are most alike, the best first; `label` is what people call the value."""
        index = self._index
        if index is None:
            return ()
        question = (label, key)
        with _lock:
            found = index.answers.get(question)
            if found is not None:
                index.answers.move_to_end(question)
        if found is None:
            found = _answer(index, label, key)
            with _lock:
                index.answers[question] = found
                if len(index.answers) > _ANSWERS:
                    index.answers.popitem(last=False)
        return found[:most]

    def search(self, text: str, most: int) -> list[ListObject]:
        """Objects that hold the text in name, number or id, the inactive ones last; with no text the first ones."""
        index = self._index
        if index is None:
            return []
        wanted = text.casefold()
        found = [item for item in index.found if not wanted or wanted in _searched(item)]
        if not found:
            ids = [each.list_id for each in self.suggest(text)]
            found = [item for item in index.found if item.list_id in ids]
        return sorted(found, key=lambda item: (not item.active, not item.full_name.casefold().startswith(wanted)))[
            :most
        ]

    def kind_of(self, item: ListObject) -> str:
        """Of what kind an object of the list is, such as `Accounts Payable`; empty where the list tells none."""
        return _kind(self._index.spec, item) if self._index is not None else ""


def known(store: Store, tx: Tx, company: str, flow: Flow, lookup: Lookup) -> Known:
    """The list behind a lookup; put in order when it was not, or has changed."""
    name = kept_as(flow, lookup)
    row = tx.one("list_get", {"company": company, "list": name})
    if row is None or row["loaded_at"] is None:
        return Known(is_read=False)
    place, revision = (id(store), company, name), (row["revision"], row["loaded_at"])
    with _lock:
        index = _indexes.get(place)
        # Another store may have come to the same place in memory.
        if index is not None and index.store is store and index.revision == revision:
            _indexes.move_to_end(place)
            return Known(is_read=True, _index=index)
    spec = _spec(flow, lookup)
    # Only with their data objects tell of what kind they are.
    found = lists.objects(tx, company, name) if spec.kind else lists.names(tx, company, name)
    index = _put_in_order(store, revision, found, spec)
    with _lock:
        _indexes[place] = index
        _indexes.move_to_end(place)
        while len(_indexes) > _KEPT:
            _indexes.popitem(last=False)
    return Known(is_read=True, _index=index)


def _spec(flow: Flow, lookup: Lookup) -> ListSpec:
    """The list as its connector describes it."""
    connection = flow.connection(lookup.connection)
    connector = registry.find(connection.connector) if connection is not None else None
    return (connector.spec.list(lookup.list) if connector is not None else None) or ListSpec(lookup.list, "")


def _kind(spec: ListSpec, item: ListObject) -> str:
    """An object's kind in words: `AccountsPayable` is `Accounts Payable`."""
    kind = item.data.get(spec.kind) if spec.kind else ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind) if isinstance(kind, str) else ""


def _put_in_order(store: Store, revision: tuple[object, ...], found: Sequence[ListObject], spec: ListSpec) -> _Index:
    words: dict[str, list[int]] = {}
    names = []
    for number, item in enumerate(found):
        # What is switched off there cannot be meant.
        parts = _words(item.full_name) if item.active else []
        names.append(" ".join(parts))
        for word in {*parts, *([item.number.casefold()] if item.active and item.number else [])}:
            words.setdefault(word, []).append(number)
    seldom = frozenset(n for n, item in enumerate(found) if spec.kind and item.data.get(spec.kind) in spec.seldom)
    return _Index(store, revision, found, names, words, spec, seldom)


def _answer(index: _Index, label: str, key: str) -> tuple[Suggestion, ...]:
    wanted = label or key
    parts = _words(wanted)
    best = _scores(index, wanted, parts, set(_sharing(index, parts)))
    if max(best.values(), default=0.0) < _CERTAIN and parts:
        # No word is the same: perhaps it is misspelt. All names are held against it, which takes longer.
        best |= _scores(index, wanted, parts, _alike(index, " ".join(parts)))
    if key != wanted:
        # What an id looks like says nothing, but it may be an account's number.
        best |= dict.fromkeys(index.words.get(key.casefold(), ()), 100.0) if key.isalnum() and key.isascii() else {}
    # What a setting names may be of any kind. What is wholly the same may well be meant, whatever it is.
    aside = index.seldom if not key.startswith("setting:") else frozenset[int]()
    ranked = sorted(
        (
            (place in aside and score < 100.0, score, index.found[place])
            for place, score in best.items()
            if score >= _LEAST
        ),
        key=lambda each: (each[0], -each[1], len(each[2].full_name), each[2].full_name, each[2].list_id),
    )
    return tuple(
        Suggestion(i.list_id, i.full_name, i.number, round(score, 1), _kind(index.spec, i))
        for _, score, i in ranked[:MOST]
    )


def _scores(index: _Index, wanted: str, parts: Sequence[str], places: Iterable[int]) -> dict[int, float]:
    """How alike some objects are, compared closely."""
    from rapidfuzz import fuzz

    asked, folded = " ".join(parts), wanted.casefold()
    found = {}
    for place in places:
        item = index.found[place]
        score = max(fuzz.WRatio(asked, name) for name in _names(index, place))
        if item.full_name.casefold() == folded or (item.number and item.number.casefold() in (folded, parts[0])):
            score = 100.0
        # One that is wholly the same stands before one of which it is a part.
        found[place] = score if asked in _names(index, place) else min(score, 99.0)
    return found


def _alike(index: _Index, asked: str) -> list[int]:
    """The objects that look most alike letter by letter."""
    from rapidfuzz import fuzz, process

    found = process.extract(asked, index.names, scorer=fuzz.ratio, limit=_CLOSE, score_cutoff=45, processor=None)
    return [place for _, _, place in found]


def _names(index: _Index, place: int) -> list[str]:
    """What an object is compared by: its full name, and of one below another its own part."""
    above, _, own = index.found[place].full_name.rpartition(":")
    return [index.names[place], *([" ".join(_words(own))] if above else [])]


def _sharing(index: _Index, parts: Iterable[str]) -> Iterator[int]:
    """Names that share a word which not everything has."""
    for word in parts:
        places = index.words.get(word, ())
        if len(places) <= _COMMON:
            yield from places


def _words(text: str) -> list[str]:
    """The words that tell something, folded; all of them where none does."""
    letters = "".join(c if c.isalnum() else " " for c in text.casefold())
    every = letters.split()
    return [word for word in every if word not in _EMPTY] or every


def _searched(item: ListObject) -> str:
    return f"{item.full_name}\n{item.number}\n{item.list_id}".casefold()
