"""The flow language: every key, its type, whether it is needed, its default, and what it means.

The loader and the JSON Schema (`engine/flowlang/flowschema.py`) both derive from `FLOW`; nothing else knows which keys exist.
"""

from __future__ import annotations

from engine.dataclass import dataclass

NAME_PATTERN = "[a-z][a-z0-9_]*"


@dataclass(frozen=True, slots=True)
class Text:
    """A text. `what` names it in messages; `form` says in words what `pattern` wants; `name` texts are identifiers."""

    what: str = "text"
    pattern: str = ""
    form: str = ""
    name: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    what: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a whole number, true, false or null."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one kind of thing; with `short`, one text may stand for a list of one item that has only that key."""

    item: Type
    minimum: int = 1
    unique: bool = False
    short: Text | None = None


@dataclass(frozen=True, slots=True)
class MapOf:
    """Named things of one kind."""

    key: Text
    value: Type
    minimum: int = 1


@dataclass(frozen=True, slots=True)
class Object:
    """A mapping with known keys. Of the groups in `one_of`, exactly one is used: its first key must be there.

    `what` carries its article.
    """

    what: str
    keys: tuple[Key, ...]
    one_of: tuple[tuple[str, ...], ...] = ()
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object. `example` is YAML as one would write it after the colon."""

    name: str
    type: Type
    help: str
    example: str
    required: bool = False
    default: str | int | None = None


Type = Text | Choice | Integer | Boolean | Scalar | ListOf | MapOf | Object

NAME = Text("name", NAME_PATTERN, "use lower-case letters, digits and _, beginning with a letter", name=True)
# What a template calls it, or what a vendor's JSON calls it.
MAPPED = Text("name", "[a-z][A-Za-z0-9_]*", "use letters, digits and _, beginning with a small letter", name=True)
EXPRESSION = Text("expression")
DURATION = Text("duration", "[1-9][0-9]{0,4}[smhd]", "write a number and s, m, h or d: 30m, 6h, 1d")
EVENT = Text("webhook event", r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*", "write it as the vendor does: bills.approved")
IDENTIFIER = Text("name", "[A-Za-z][A-Za-z0-9_]*", "use letters, digits and _, beginning with a letter")
FILTER = Text("filter", "[A-Za-z_][A-Za-z0-9_.]*", "use letters, digits, _ and .", name=True)
TOLD = Text("word", NAME_PATTERN + r"\.[a-z][a-z0-9_]*", "write connection.name: books.home_currency")
TARGET = Text("lookup target", NAME_PATTERN + r"\.[A-Za-z][A-Za-z0-9_]*", "write connection.List: books.Vendor")
TEMPLATE = Text("template", r"[a-z0-9][a-z0-9_]*\.xml\.j2", "give a file name like bill_add.xml.j2, without a folder")

CONNECTION = Object(
    "a connection",
    (
        Key(
            "connector",
            NAME,
            "The connector that fills this role; `flowctl connectors` lists them.",
            "ramp",
            required=True,
        ),
    ),
)

# No whole number of a flow is larger: a count of days, of characters, of levels.
_BOUND = 1_000_000_000
SETTING = Object(
    "a setting",
    (
        Key(
            "type",
            Choice("type of setting", ("text", "date", "boolean", "integer", "choice")),
            "What kind of value it takes.",
            "boolean",
            required=True,
        ),
        Key("default", Scalar(), "The value of a company that sets none.", "true"),
        Key("options", ListOf(Text("option")), "The values a `choice` may take.", "[credit_card, journal_entry]"),
        Key("min", Integer(-_BOUND, _BOUND), "The smallest value an `integer` may take.", "0"),
        Key("max", Integer(-_BOUND, _BOUND), "The largest value an `integer` may take.", "365"),
        Key(
            "told_by",
            TOLD,
            "What a connection says of itself, as connection.name: its word counts, and nobody need set it.",
            "books.home_currency",
        ),
        Key("help", Text(), "One line for the person who sets it.", "Create missing vendors", required=True),
    ),
)

LOOKUP = Object(
    "a lookup",
    (
        Key(
            "target",
            TARGET,
            "The list that answers, as connection.List.",
            "books.Vendor",
            required=True,
        ),
        Key(
            "match",
            ListOf(Choice("match rule", ("mapped", "list_id", "number", "exact_name")), unique=True),
            "How a source value finds its object, tried in this order: a saved mapping, the list's own id, the account "
            "number, the full name without regard to case.",
            "[mapped, list_id, exact_name]",
            required=True,
        ),
    ),
)

TRIGGER = Object(
    "a trigger",
    (
        Key("every", DURATION, "Read the source this often.", "1h"),
        Key("webhook", ListOf(EVENT, unique=True), "Events of the source that start a read.", "[bills.approved]"),
        Key(
            "visit",
            DURATION,
            "Read the source when the Web Connector comes and the last read is older than this.",
            "5m",
        ),
    ),
    minimum=1,
)

FETCH = Object(
    "`fetch`",
    (
        Key("from", NAME, "The connection to read from.", "ramp", required=True),
        Key(
            "stream",
            IDENTIFIER,
            "The connector's stream; of the Web Connector, a list that it keeps: Vendor.",
            "bills",
            required=True,
        ),
        Key("with", MapOf(FILTER, Scalar(), 0), "Filters that the source applies.", "{sync_ready: true}"),
        Key(
            "withdrawn",
            MapOf(FILTER, Scalar()),
            "Filters under which the source lists what was taken back, in place of those of `with`. What was posted from here "
            "and is listed there is looked at again, and `select` says what a person is told; all else there is left alone.",
            "{is_archived: true}",
        ),
        Key(
            "sweep",
            DURATION,
            "Read everything at least this often, and only what changed in between; without it every read lists "
            "everything. For streams that can be asked for changes.",
            "6h",
        ),
    ),
)

SELECT = Object(
    "a condition",
    (
        Key("only", EXPRESSION, "Must hold for the source record.", "\"status == 'PAID'\"", required=True),
        Key("say", Text(), "Why a record is skipped when it does not.", "the bill is not paid yet"),
        Key(
            "for",
            Choice("kind of write", ("all", "first", "later")),
            "`first`: it must hold for the first write alone, and not for a later change of what is posted; `later`: for such "
            "a change alone.",
            "first",
            default="all",
        ),
    ),
)

CHECK = Object(
    "a check",
    (
        Key("expect", EXPRESSION, "Must hold for the mapped record.", '"amount > `0`"', required=True),
        Key("say", Text(), "What is wrong when it does not.", "the amount is zero or less", required=True),
    ),
)

ABOUT = Object(
    "`about`",
    (
        Key("amount", EXPRESSION, "Its amount.", "money(amount)"),
        Key("currency", EXPRESSION, "Its currency.", "currency"),
        Key("party", EXPRESSION, "Whom it concerns.", "vendor.name"),
        Key("reference", EXPRESSION, "The number a person knows it by.", "invoice_number"),
        Key("date", EXPRESSION, "Its date.", "date(issued_at)"),
    ),
    minimum=1,
)

_REQUEST = Key("request", IDENTIFIER, "The request to write.", "BillAdd")
_TEMPLATE = Key("template", TEMPLATE, "The template that renders a QBXML request.", "bill_add.xml.j2")

CHANGE = Object(
    "`change`",
    (
        Key("request", IDENTIFIER, "The request that changes what `request` has made.", "BillMod", required=True),
        Key("template", TEMPLATE, "The template that renders a QBXML request.", "bill_mod.xml.j2"),
        Key(
            "cannot",
            MapOf(MAPPED, Text()),
            "What of the map the request cannot change, and what a person is told once it differs from what was posted; "
            "nothing is changed then until he has seen to it.",
            "{paid: it was paid in the source; mark it paid there}",
        ),
    ),
)
_CHANGE = Key(
    "change",
    CHANGE,
    "How a posted record is changed when its source changes; without it a person is told.",
    "{request: BillMod, template: bill_mod.xml.j2}",
)

UNDO = Object(
    "`undo`",
    (
        Key(
            "when",
            EXPRESSION,
            "What was posted is undone once this holds for the source record.",
            "\"setting('voided_payments') == 'void' && status == 'VOID'\"",
            required=True,
        ),
        Key("request", IDENTIFIER, "The request that undoes what `request` has made.", "TxnVoid", required=True),
        Key("template", TEMPLATE, "The template that renders a QBXML request.", "txn_void.xml.j2"),
        Key(
            "gone",
            Boolean(),
            "`true`: what was posted is undone as well once the source no longer has the record. Posted records that a "
            "complete listing does not show are then asked for one by one, a bounded number each time, and news of them is "
            "taken in. For streams that list their records also after they are posted.",
            "true",
        ),
    ),
)
_UNDO = Key(
    "undo",
    UNDO,
    "When a posted record is undone in the target, and how; without it a person is told.",
    "{when: \"status == 'VOID'\", request: TxnVoid, template: txn_void.xml.j2}",
)

VARIANT = Object(
    "a variant",
    (
        Key("when", EXPRESSION, "Take this variant when it holds for the mapped record.", "refund"),
        Key("request", IDENTIFIER, _REQUEST.help, _REQUEST.example, required=True),
        _TEMPLATE,
        _CHANGE,
        _UNDO,
    ),
)

WRITE = Object(
    "`write`",
    (
        Key("to", NAME, "The connection to write to.", "books", required=True),
        _REQUEST,
        _TEMPLATE,
        _CHANGE,
        _UNDO,
        Key(
            "one_of",
            ListOf(VARIANT),
            "Several ways of writing; the first whose `when` holds is taken.",
            "[{when: refund, request: CreditCardCreditAdd, template: credit_card_credit_add.xml.j2}]",
        ),
    ),
    one_of=(("request", "template", "change", "undo"), ("one_of",)),
)

PROVIDE = Object(
    "`provide`",
    (
        Key("lookup", NAME, "The lookup that learns the new object.", "vendor", required=True),
        Key("key", EXPRESSION, "The source value that means the new object from now on.", "id", required=True),
    ),
)

MARK_SYNCED = Object(
    "`mark_synced`",
    (
        Key("in", NAME, "The connection to tell.", "ramp", required=True),
        Key("as", IDENTIFIER, "How it is told; the connector names the kinds.", "BILL_SYNC", required=True),
        Key("reference", EXPRESSION, "The target's id of the record.", "receipt.TxnID", required=True),
        Key(
            "with",
            MapOf(FILTER, EXPRESSION, 0),
            "What else the source needs to hear of a posted record, over what `map` made; the connector names it.",
            "{vendor_id: payee.list_id, vendor_name: payee.full_name}",
        ),
        Key(
            "failures",
            ListOf(Choice("outcome", ("failed", "deferred")), 0, unique=True),
            "Outcomes that are reported to the source as failed; `[failed]` when not given.",
            "[failed, deferred]",
        ),
    ),
)

STREAM = Object(
    "a stream",
    (
        Key("after", ListOf(NAME, 0, unique=True), "Streams that go first in a run.", "[vendors]"),
        Key("when", EXPRESSION, "Run the stream only when this holds for the settings.", "setting('pay_bills')"),
        Key("trigger", TRIGGER, "What starts a read.", "{every: 1h, webhook: [bills.approved]}"),
        Key("fetch", FETCH, "What is read.", "{from: ramp, stream: bills}", required=True),
        Key("key", EXPRESSION, "What identifies a record for ever.", "id", required=True),
        Key("phase", NAME, "Names the step when one record is written in several; `post` when not given.", "payment"),
        Key("about", ABOUT, "What a person sees of a record before it is mapped.", "{party: vendor.name}"),
        Key(
            "select",
            ListOf(SELECT, short=EXPRESSION),
            "Conditions a source record must meet; one expression alone is enough.",
            "[{only: is_active, say: the vendor is not active}]",
        ),
        Key("adopt", EXPRESSION, "The target's object, when it is already there.", "find('vendor', id, name)"),
        Key("map", MapOf(MAPPED, EXPRESSION), "The record as the target wants it.", "{name: name}", required=True),
        Key("check", ListOf(CHECK), "What must hold before it is written.", '[{expect: "amount > `0`", say: zero}]'),
        Key(
            "write",
            WRITE,
            "Where and how it is written. Without it the stream only compares: a record whose lookups and checks hold is "
            "left alone, any other is reported.",
            "{to: books, request: BillAdd, template: bill_add.xml.j2}",
        ),
        Key("provide", PROVIDE, "A later lookup that the written object answers.", "{lookup: vendor, key: id}"),
        Key(
            "mark_synced", MARK_SYNCED, "How the source is told.", "{in: ramp, as: BILL_SYNC, reference: receipt.TxnID}"
        ),
    ),
)

FLOW = Object(
    "a flow",
    (
        Key("flow", NAME, "The name of the flow.", "ramp_to_quickbooks", required=True),
        Key("version", Integer(1, 1), "The version of the flow language.", "1", required=True),
        Key("describe", Text(), "One sentence for people.", "Approved Ramp bills post into QuickBooks Desktop."),
        Key(
            "starts",
            Choice("start", ("at_once", "by_hand")),
            "Whether it runs for every company that has its connections, or only once `flowctl company flow` switched it on.",
            "by_hand",
            default="at_once",
        ),
        Key("connections", MapOf(NAME, CONNECTION), "The roles.", "{ramp: {connector: ramp}}", required=True),
        Key("settings", MapOf(NAME, SETTING, 0), "What each company may set.", "{home: {type: text, help: Home}}"),
        Key("lookups", MapOf(NAME, LOOKUP, 0), "Mapping tables.", "{vendor: {target: books.Vendor, match: [mapped]}}"),
        Key(
            "define",
            MapOf(NAME, EXPRESSION, 0),
            "Expressions with a name, used like a function of one argument.",
            "{gl: \"codings[?type == 'GL'] | [0]\"}",
        ),
        Key(
            "streams",
            MapOf(NAME, STREAM),
            "What is synced.",
            "{bills: {fetch: {from: ramp, stream: bills}}}",
            required=True,
        ),
    ),
)
