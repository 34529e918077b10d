"""The single description of a connector, from which settings parsing, validation, schemas and docs derive."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, Protocol, runtime_checkable

from engine.dataclass import dataclass

FieldType = Literal["text", "id", "money", "decimal", "integer", "boolean", "date", "datetime", "object", "list", "any"]
Delivery = Literal["push", "pull"]

# What the names of requests end with that make an object, and of those that change one.
MAKING = ("Add", "Create", "Upload")
CHANGING = ("Mod", "Update")
_VERBS = (*MAKING, *CHANGING)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a record, filter or settings block.

    `money` fields hold a decimal text in major units ("1050.00"); `date` is YYYY-MM-DD; `datetime` is ISO 8601;
    `id` is always text. A `list` describes one item: its `fields` when items are objects, else `of`.
    An `object` with no `fields` is open: any key may be read from it. A `local` setting names a file of the machine that
    flowctl runs on: it is given there, and not from a browser.

    `stays_with` names fields of a record with which this one stays: null is what was told before, as long as they are what
    they were. It is for what a source works out, and may be unable to work out again.
    """

    name: str
    type: FieldType
    help: str
    required: bool = False
    secret: bool = False
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    of: FieldType = "text"
    local: bool = False
    stays_with: tuple[str, ...] = ()

    def child(self, name: str) -> FieldSpec | None:
        """The field called `name` inside this object or list item."""
        return next((f for f in self.fields if f.name == name), None)


def a_field(name: str, type_: FieldType, help_: str, *choices: str) -> FieldSpec:
    """A field with a plain value, perhaps one of some choices."""
    return FieldSpec(name, type_, help_, choices=choices)


def a_list(name: str, help_: str, *fields: FieldSpec) -> FieldSpec:
    """A list of objects that have these fields."""
    return FieldSpec(name, "list", help_, fields=fields, of="object")


def an_object(name: str, help_: str, *fields: FieldSpec) -> FieldSpec:
    """An object that has these fields."""
    return FieldSpec(name, "object", help_, fields=fields)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A kind of object a source offers.

    `changes` says how changes are found: `all` (every read lists all that match, so a record that is absent is no longer
    ready), or `since` (a flow's `sweep` lets the reads in between list only what has changed after a watermark).
    `requested` is the filter that lists what a person of the source asked to have posted now, where there is one.
    """

    name: str
    help: str
    key: str
    fields: tuple[FieldSpec, ...]
    filters: tuple[FieldSpec, ...] = ()
    changes: Literal["all", "since"] = "all"
    webhooks: tuple[str, ...] = ()
    requested: str = ""


@dataclass(frozen=True, slots=True)
class MarkSpec:
    """A way of telling the source that a record was posted, or could not be; `fields` is what it takes beside the ids."""

    name: str
    help: str
    streams: tuple[str, ...]
    failures: bool = True
    fields: tuple[FieldSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """A write a target offers. `documents` says what its body is: QBXML that a template renders, or JSON of the map.

    `undoes` names the kinds of objects that it undoes, as a flow's `undo` wants it; empty for what makes or changes one.
    It names kinds: what `BillAdd` or `BillCreate` makes and `BillMod` or `BillUpdate` changes is a `Bill` (`kind_of`).
    `undone` is what people call an object that it has undone, as in `it was archived there`. A request that changes
    objects and `restores` them brings back what was undone as well, once the source wants it again.
    With `fields`, the JSON holds those that the map gives and are not null; without any, all that the map gives. The
    body of an undo is empty.
    What is in `fields` and not in those of the request that changes it is never changed: a person is told.
    `receipt` names what the target tells of what it wrote, beside the `id` and `name` of a called target, or the ids that
    an answer in QBXML has.
    What `joins` writes to an object that the map names, whoever made it: that it is another record's is no mistake.
    Of a target that is a `BatchTarget`, up to `batch` operations travel in one call, and only such whose bodies have the
    same value under `batch_by`, where that is named.
    """

    name: str
    help: str
    documents: Literal["qbxml", "json"] = "qbxml"
    fields: tuple[FieldSpec, ...] = ()
    undoes: tuple[str, ...] = ()
    batch: int = 1
    batch_by: str = ""
    undone: str = ""
    restores: bool = False
    receipt: tuple[str, ...] = ()
    joins: bool = False

    @property
    def meaning(self) -> str:
        """What it does, and what the author of a flow must know beside."""
        notes = ("brings back what was undone", self.restores), (f"up to {self.batch} in a call", self.batch > 1)
        return "; ".join([self.help, *(note for note, is_so in notes if is_so)])


def kind_of(request: str) -> str:
    """The kind of object that a request makes or changes: `BillAdd`, `BillCreate` and `BillUpdate` mean a `Bill`."""
    return next((request.removesuffix(verb) for verb in _VERBS if request.endswith(verb)), request)


_STAMPS = ("ExternalGUID", "TimeCreated", "TimeModified")


def told_by(target: ConnectorSpec, request: RequestSpec) -> tuple[FieldSpec, ...]:
    """What the receipt of a request holds: the ids that the target gave, as texts."""
    if request.documents == "json":
        names: tuple[str, ...] = ("id", "name", *request.receipt)
    elif target.list(kind_of(request.name)) is not None:
        names = ("ListID", "EditSequence", "FullName", "Name", *_STAMPS, *request.receipt)
    else:
        names = ("TxnID", "EditSequence", "TxnNumber", "RefNumber", *_STAMPS, *request.receipt)
    return tuple(FieldSpec(name, "id", "what the target said", required=name == names[0]) for name in names)


@dataclass(frozen=True, slots=True)
class ListSpec:
    """A list a target owns, cached in the store for lookups. Every cached object offers `fields`.

    A target that is called is asked for it anew (`Listing`) once what is kept is older than `refresh_s` seconds.
    `kind` is the field that tells of what kind an object is, such as an account's type; to objects of the `seldom` kinds no
    line is coded as a rule: they are suggested last. With `covers_days`, older objects may not be listed, by their `date`.
    """

    name: str
    help: str
    fields: tuple[FieldSpec, ...] = ()
    refresh_s: int = 3600
    kind: str = ""
    seldom: tuple[str, ...] = ()
    covers_days: int = 0


@dataclass(frozen=True, slots=True)
class ConnectorSpec:
    """Everything there is to know of a connector without opening it.

    `settle_s` is for targets that are called: how long after a write whose answer was lost the object may still appear.
    Nothing is written a second time before. A whole-number setting of the same name overrides it for a connection.
    `stands_for` names connectors in whose place a company may connect this one: it takes what their documents say.
    `account` names the settings by which one account of the vendor is told from another. `tells` is what the other side
    says of itself whenever it is met, so that nobody need set it (`told_by` of a flow's setting).
    """

    name: str
    title: str
    help: str
    settings: tuple[FieldSpec, ...] = ()
    streams: tuple[StreamSpec, ...] = ()
    marks: tuple[MarkSpec, ...] = ()
    requests: tuple[RequestSpec, ...] = ()
    lists: tuple[ListSpec, ...] = ()
    webhooks: tuple[str, ...] = ()
    delivery: Delivery = "push"
    limits: tuple[str, ...] = field(default=())
    settle_s: int = 60
    stands_for: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    tells: tuple[FieldSpec, ...] = ()

    def stream(self, name: str) -> StreamSpec | None:
        """The stream called `name`."""
        return next((s for s in self.streams if s.name == name), None)

    def mark(self, name: str) -> MarkSpec | None:
        """The mark called `name`."""
        return next((m for m in self.marks if m.name == name), None)

    def request(self, name: str) -> RequestSpec | None:
        """The request called `name`."""
        return next((r for r in self.requests if r.name == name), None)

    def list(self, name: str) -> ListSpec | None:
        """The list called `name`."""
        return next((entry for entry in self.lists if entry.name == name), None)


@dataclass(frozen=True, slots=True)
class StatusSpec:
    """What one answer of a target comes to: its code, the text it must have if any, the outcome, and what a person can do."""

    code: str
    says: str
    outcome: str
    hint: str


@runtime_checkable
class Documented(Protocol):
    """A connector that lists the answers of its vendor, for the reference pages."""

    def statuses(self) -> tuple[StatusSpec, ...]:
        """Status codes of answers to writes; the first row that fits decides."""
        ...

    def breakdowns(self) -> tuple[StatusSpec, ...]:
        """What is reported instead of an answer."""
        ...
