"""Writes XML Schema from the notation: one self-contained file per request, and one for whole documents."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from engine.qbxml.notation import Attribute, Body, Group, Message, Notation, Particle, Value, reference

_BANNER = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    "<!-- Written by `python -m engine.qbxml.build` from source/*.qbx. Change those, not this. -->\n"
)
# QuickBooks reads an empty value as "not given" in every one of these types (tested against QBXML 13.0).
_EMPTY_TOO = {
    "bool": "xs:boolean",
    "date": "xs:date",
    "number": "xs:decimal",
}
_PATTERNS = {
    "amount": r"([+\-]?[0-9]{1,13}(\.[0-9]{2})?)?",
    "price": r"([+\-]?[0-9]{1,10}(\.[0-9]{1,5})?)?",
    "guid": r"0|\{[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}",
    # Digits may be missing anywhere, a zone needs the seconds before it, and `Z` is not known.
    "moment": r"\s*|[0-9]{4}(-[0-9]{1,2}){2}(T[0-9]{1,2}(:[0-9]{1,2}(:[0-9]{1,2}([+\-][0-9]{1,2}:[0-9]{1,2})?)?)?)?",
}
_SAME = {"quantity": "price", "percent": "price"}
_DURATION = r"[+\-]?PT([0-9]+H)?([0-9]+M)?([0-9]+S)?"


def request_schema(notation: Notation, name: str) -> str:
    """The schema of one request element."""
    writer = _Writer(notation)
    root = writer.message(notation.requests[name], "")
    return writer.document(root)


def document_schema(notation: Notation) -> str:
    """The schema of whole documents, requests and responses."""
    writer = _Writer(notation)
    asked = "".join(writer.message(message, "    ") for message in notation.requests.values())
    answered = "".join(writer.message(message, "    ") for message in notation.responses.values())
    return writer.document(_DOCUMENT.format(asked=asked, answered=answered))


_DOCUMENT = """\
<xs:element name="QBXML">
  <xs:complexType>
    <xs:choice minOccurs="0">
      <xs:element name="QBXMLMsgsRq" type="MessagesAsked"/>
      <xs:element name="QBXMLMsgsRs" type="MessagesAnswered"/>
    </xs:choice>
  </xs:complexType>
</xs:element>
<xs:complexType name="MessagesAsked">
  <xs:choice minOccurs="0" maxOccurs="unbounded">
{asked}  </xs:choice>
  <xs:attribute name="newMessageSetID" type="xs:string"/>
  <xs:attribute name="oldMessageSetID" type="xs:string"/>
  <xs:attribute name="onError" use="required">
    <xs:simpleType>
      <xs:restriction base="xs:string">
        <xs:enumeration value="stopOnError"/>
        <xs:enumeration value="continueOnError"/>
        <xs:enumeration value="rollbackOnError"/>
      </xs:restriction>
    </xs:simpleType>
  </xs:attribute>
  <xs:attribute name="responseData">
    <xs:simpleType>
      <xs:restriction base="xs:string">
        <xs:enumeration value="includeAll"/>
        <xs:enumeration value="includeNone"/>
      </xs:restriction>
    </xs:simpleType>
  </xs:attribute>
</xs:complexType>
<xs:complexType name="MessagesAnswered">
  <xs:choice minOccurs="0" maxOccurs="unbounded">
{answered}  </xs:choice>
  <xs:attribute name="newMessageSetID" type="xs:string"/>
  <xs:attribute name="messageSetStatusCode" type="xs:integer"/>
</xs:complexType>
"""


class _Writer:
    """Writes elements and collects the named types that they turn out to need."""

    def __init__(self, notation: Notation) -> None:
        self._notation = notation
        self._types: dict[str, str] = {}

    def document(self, root: str) -> str:
        """A whole schema: the given declarations and all types they use, in the order of their names."""
        types = "".join(self._types[name] for name in sorted(self._types))
        return f'{_BANNER}<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">\n{root}{types}</xs:schema>\n'

    def message(self, message: Message, pad: str) -> str:
        """The declaration of a message's element."""
        return _with_body(message.name, "", self._body(message.body, pad + "  "), pad)

    def _body(self, body: Body, pad: str, name: str = "") -> str:
        inner = "".join(self._particle(item, pad + "    ") for item in body.items)
        content = f"{pad}  <xs:sequence>\n{inner}{pad}  </xs:sequence>\n" if inner else ""
        attributes = "".join(self._attribute(attribute, pad + "  ") for attribute in body.attributes)
        named = f" name={quoteattr(name)}" if name else ""
        return f"{pad}<xs:complexType{named}>\n{content}{attributes}{pad}</xs:complexType>\n"

    def _particle(self, item: Particle, pad: str) -> str:
        counts = _counts(item.low, item.high)
        if isinstance(item, Group):
            tag = "xs:choice" if item.kind == "either" else "xs:sequence"
            inner = "".join(self._particle(child, pad + "  ") for child in item.items)
            return f"{pad}<{tag}{counts}>\n{inner}{pad}</{tag}>\n"
        if isinstance(item.type, Body):
            return _with_body(item.name, counts, self._body(item.type, pad + "  "), pad)
        default = self._notation.defaults.get(item.type) if isinstance(item.type, str) else None
        given = f" default={quoteattr(default)}" if default else ""
        return (
            f"{pad}<xs:element name={quoteattr(item.name)} type={quoteattr(self._type(item.type))}{given}{counts}/>\n"
        )

    def _attribute(self, attribute: Attribute, pad: str) -> str:
        use = ' use="required"' if attribute.required else ""
        kind = self._type(attribute.type if attribute.type in self._notation.enums else Value(attribute.type))
        return f"{pad}<xs:attribute name={quoteattr(attribute.name)} type={quoteattr(kind)}{use}/>\n"

    def _type(self, kind: Value | str) -> str:
        """The name of a type; its declaration is made on first use."""
        name = kind if isinstance(kind, str) else _type_name(kind)
        if name.startswith("xs:") or name in self._types:
            return name
        self._types[name] = ""  # a shape that holds itself finds its name taken
        if not isinstance(kind, str):
            self._types.update(_needed(kind))
        self._types[name] = self._declaration(name, kind)
        return name

    def _declaration(self, name: str, kind: Value | str) -> str:
        if isinstance(kind, Value):
            return self._body(reference(kind.limit), "", name) if kind.word == "ref" else _simple(name, kind)
        if kind in self._notation.enums:
            values = "".join(
                f"    <xs:enumeration value={quoteattr(value)}/>\n" for value in self._notation.enums[kind]
            )
            return _restriction(name, "xs:string", values)
        return self._body(self._notation.shapes[kind], "", name)


def _type_name(value: Value) -> str:
    word = _SAME.get(value.word, value.word)
    if word == "text":
        return f"text.{value.limit}" if value.limit is not None else "xs:string"
    if word == "int":
        bounds = "-".join("" if bound is None else str(bound) for bound in (value.low, value.high))
        return "xs:integer" if bounds == "-" else f"int.{bounds}"
    if word == "ref":
        return f"ref.{value.limit}" if value.limit is not None else "ref"
    return "id.macro" if value.macro else word


def _simple(name: str, value: Value) -> str:
    word = _SAME.get(value.word, value.word)
    if value.macro:
        return (
            f'<xs:complexType name="{name}">\n  <xs:simpleContent>\n    <xs:extension base="id">\n'
            '      <xs:attribute name="useMacro" type="xs:string"/>\n'
            "    </xs:extension>\n  </xs:simpleContent>\n</xs:complexType>\n"
        )
    if word in _PATTERNS:
        return _restriction(name, "xs:string", f"    <xs:pattern value={quoteattr(_PATTERNS[word])}/>\n")
    if word in _EMPTY_TOO:
        return (
            f'<xs:simpleType name="{name}">\n  <xs:union memberTypes="{_EMPTY_TOO[word]} nothing"/>\n</xs:simpleType>\n'
        )
    if word == "duration":
        return (
            f'<xs:simpleType name="{name}">\n  <xs:union memberTypes="nothing">\n    <xs:simpleType>\n'
            f'      <xs:restriction base="xs:duration">\n        <xs:pattern value={quoteattr(_DURATION)}/>\n'
            "      </xs:restriction>\n    </xs:simpleType>\n  </xs:union>\n</xs:simpleType>\n"
        )
    if word == "int":
        bounds = (("minInclusive", value.low), ("maxInclusive", value.high))
        return _restriction(
            name, "xs:integer", "".join(f'    <xs:{facet} value="{n}"/>\n' for facet, n in bounds if n is not None)
        )
    return _restriction(name, "xs:string", f'    <xs:maxLength value="{36 if word == "id" else value.limit}"/>\n')


def _needed(value: Value) -> dict[str, str]:
    """The types that the declaration of a value refers to."""
    if value.macro:
        return {"id": _simple("id", Value("id"))}
    if value.word == "duration" or value.word in _EMPTY_TOO:
        return {"nothing": _restriction("nothing", "xs:token", '    <xs:enumeration value=""/>\n')}
    return {}


def _restriction(name: str, base: str, facets: str) -> str:
    inner = f'  <xs:restriction base="{base}">\n{facets}  </xs:restriction>\n'
    return f'<xs:simpleType name="{name}">\n{inner}</xs:simpleType>\n'


def _with_body(name: str, counts: str, body: str, pad: str) -> str:
    return f"{pad}<xs:element name={quoteattr(name)}{counts}>\n{body}{pad}</xs:element>\n"


def _counts(low: int, high: int | None) -> str:
    least = "" if low == 1 else f' minOccurs="{low}"'
    most = "" if high == 1 else f' maxOccurs="{"unbounded" if high is None else high}"'
    return least + most
