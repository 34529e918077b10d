"""Differences of expected files in words: whole lines for XML, XML within XML, JSON and lines of JSON."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

import pytest

from engine.golden.compare import differences
from engine.golden.trees import Tree
from engine.golden.trees import differences as tree_differences
from engine.golden.xmldiff import MOST, in_words, xml_tree

AROUND = "QBXML/QBXMLMsgsRq"
HEAD = '<?xml version="1.0"?><?qbxml version="13.0"?>'
LINE = "<ExpenseLineAdd><Account>{}</Account><Amount>{}</Amount></ExpenseLineAdd>"
RENT, FOOD, FUEL = LINE.format("Rent", "12.00"), LINE.format("Food", "3.50"), LINE.format("Fuel", "9.99")


def bill(inside: str) -> str:
    return f"<BillAddRq requestID='1'><BillAdd>{inside}</BillAdd></BillAddRq>"


def document(*requests: str) -> str:
    return f"{HEAD}<QBXML><QBXMLMsgsRq onError='stopOnError'>{''.join(requests)}</QBXMLMsgsRq></QBXML>"


BEFORE = document(bill(f"<TxnDate>2026-01-02</TxnDate><Memo>Paper</Memo>{RENT}{FOOD}{FUEL}"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (">3.50<", ">3.55<", ["BillAdd/ExpenseLineAdd[2]/Amount: expected 3.50, got 3.55"]),
        ("<Memo>Paper</Memo>", "", ["BillAdd/Memo: missing, expected Paper"]),
        ("<Memo>", "<RefNumber>7</RefNumber><Memo>", ["BillAdd/RefNumber: not expected, got 7"]),
        (FOOD, "", ["BillAdd/ExpenseLineAdd[2]: missing, expected (Account Food, Amount 3.50)"]),
        (FOOD, FOOD * 2, ["BillAdd/ExpenseLineAdd[3]: not expected, got (Account Food, Amount 3.50)"]),
        (
            "<TxnDate>2026-01-02</TxnDate><Memo>Paper</Memo>",
            "<Memo>Paper</Memo><TxnDate>2026-01-02</TxnDate>",
            ["BillAdd/Memo: moved: expected after TxnDate, got first"],
        ),
        (
            RENT + FOOD,
            FOOD + RENT,
            ["BillAdd/ExpenseLineAdd[2]: moved: expected after ExpenseLineAdd, got after Memo"],
        ),
        ("requestID='1'", "requestID='2'", ["BillAddRq/@requestID: expected 1, got 2"]),
        ("requestID='1'", "", ["BillAddRq/@requestID: missing, expected 1"]),
        ("requestID='1'", "requestID='1' x='y'", ["BillAddRq/@x: not expected, got y"]),
        ("stopOnError", "continueOnError", ["QBXMLMsgsRq/@onError: expected stopOnError, got continueOnError"]),
        ("<Memo>Paper</Memo>", "<Memo/>", ["BillAdd/Memo: expected Paper, got nothing"]),
        ("<Memo>Paper</Memo>", "<Memo><A>1</A></Memo>", ["BillAdd/Memo: expected Paper, got (A 1)"]),
        (
            "<Memo>",
            "\n  <Memo>",
            ["the content is the same: only white space, comments or the order of keys differ"],
        ),
    ],
)
def test_documents(old: str, new: str, said: list[str]) -> None:
    assert old in BEFORE
    assert in_words("02-BillAddRq.xml", BEFORE, BEFORE.replace(old, new)) == said


def test_a_change_and_a_new_line_at_once() -> None:
    after = BEFORE.replace(FOOD, LINE.format("Toys", "1.00") + LINE.format("Food", "3.55"))
    assert in_words("a.xml", BEFORE, after) == [
        "BillAdd/ExpenseLineAdd[2]/Amount: expected 3.50, got 3.55",
        "BillAdd/ExpenseLineAdd[2]: not expected, got (Account Toys, Amount 1.00)",
    ]


def test_of_several_requests_each_is_named() -> None:
    first, second = bill(RENT), bill(FOOD).replace("'1'", "'2'")
    assert in_words("a.xml", document(first, second), document(first, second.replace("3.50", "3.55"))) == [
        "BillAddRq[2]/BillAdd/ExpenseLineAdd/Amount: expected 3.50, got 3.55"
    ]
    assert in_words("a.xml", document(first, second), document(first)) == [
        "BillAddRq[2]: missing, expected (BillAdd/ExpenseLineAdd/Account Food, BillAdd/ExpenseLineAdd/Amount 3.50)"
    ]
    assert in_words("a.xml", document(first), document(second.replace("BillAdd", "CheckAdd"))) == [
        "BillAddRq: missing, expected (BillAdd/ExpenseLineAdd/Account Rent, BillAdd/ExpenseLineAdd/Amount 12.00)",
        "CheckAddRq: not expected, got (CheckAdd/ExpenseLineAdd/Account Food, CheckAdd/ExpenseLineAdd/Amount 3.50)",
    ]


def test_qbxml_within_a_soap_call() -> None:
    def soap(text: str) -> str:
        inside = f"<strHCPResponse>{escape(text)}</strHCPResponse><wcTicket>1</wcTicket>"
        return f'<s:Envelope xmlns:s="urn:s"><s:Body><call xmlns="urn:q">{inside}</call></s:Body></s:Envelope>'

    assert in_words("call.xml", soap(BEFORE), soap(BEFORE.replace("9.99", "8.99"))) == [
        f"Envelope/Body/call/strHCPResponse/{AROUND}/BillAddRq/BillAdd/ExpenseLineAdd[3]/Amount: expected 9.99, got 8.99"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": {"b": "1"}}, {"a": {"b": "2"}}, ['a.b: expected "1", got "2"']),
        ({"a": 1}, {"a": 1, "b": None}, ["b: not expected, got null"]),
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2]}, ["a: missing, expected 1"]),
        ([1, 2, 3], [1, 3], ["[1]: missing, expected 2"]),
        ([{"id": 1, "x": 2}], [{"id": 1, "x": 3}], ["[0].x: expected 2, got 3"]),
        ({"a": [1]}, {"a": {}}, ["a: expected (1), got {}"]),
        ({"a": 1.10}, {"a": 1.1}, None),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ],
)
def test_json(old: object, new: object, said: list[str] | None) -> None:
    same = ["the content is the same: only white space, comments or the order of keys differ"]
    assert in_words("marks.json", json.dumps(old), json.dumps(new, indent=1)) == (said or same)


def test_lines_of_json() -> None:
    old = ['{"event": "read"}', '{"event": "sent", "detail": {"n": 1}}', '{"event": "posted"}']
    new = ['{"event": "read"}', '{"event": "woken"}', '{"event": "sent", "detail": {"n": 2}}', '{"event": "posted"}']
    assert in_words("journal.jsonl", "\n".join(old), "\n".join(new)) == [
        "line 2 detail.n: expected 1, got 2",
        'line 2: not expected, got (event "woken")',
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("outcome.txt", "records:"),
        ("a.xml", "no XML"),
        ("a.xml", "<a><b></a>"),
        ("a.json", "{"),
        ("a.json", "[" * 5000),
        ("a.json", '{"a":' * 70 + "1" + "}" * 70),
        ("a.xml", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;'),
    ],
)
def test_what_is_no_document_is_left_to_the_diff(name: str, text: str) -> None:
    assert in_words(name, text, f"{text} ") == []


def test_no_file_is_read_by_a_document() -> None:
    made = xml_tree('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>1&x;</a>')
    assert made is not None
    assert "root" not in made.text


def test_very_many_differences_are_counted() -> None:
    old, new = (document(bill("".join(f"<A{n}>{word}</A{n}>" for n in range(60)))) for word in ("x", "y"))
    words = in_words("a.xml", old, new)
    assert (len(words), words[-1]) == (MOST + 1, f"and {60 - MOST} more differences")


def test_very_long_lists_are_compared_item_by_item() -> None:
    items = [Tree("value", "", str(n)) for n in range(4000)]
    other = [*items[:10], Tree("value", "", "x"), *items[11:], Tree("value", "", "y")]
    found = list(tree_differences(Tree("list", "", children=tuple(items)), Tree("list", "", children=tuple(other))))
    assert found == ["[10]: expected 10, got x", "[4000]: not expected, got y"]


def test_long_values_are_clipped_and_stay_on_a_line() -> None:
    (line,) = in_words("a.json", json.dumps("x" * 200), json.dumps("y\n" * 3))
    assert line == f': expected "{"x" * 76}..., got "y\\ny\\ny\\n"'


# --- how much is shown ------------------------------------------------------------------------------------------------


def test_words_come_before_the_diff() -> None:
    (text,) = differences("f/c/expected", {"a.xml": BEFORE}, {"a.xml": BEFORE.replace("9.99", "8.99")}, "none")
    words = "f/c/expected/a.xml:\n  BillAdd/ExpenseLineAdd[3]/Amount: expected 9.99, got 8.99"
    assert text == words
    (text,) = differences("f/c/expected", {"a.xml": BEFORE}, {"a.xml": BEFORE.replace("9.99", "8.99")}, "short")
    assert text.splitlines()[:5] == [
        *words.splitlines(),
        "--- f/c/expected/a.xml",
        "+++ f/c/expected/a.xml as it came out",
        "@@ -1 +1 @@",
    ]


def test_a_long_diff_is_shortened() -> None:
    old, new = "\n".join(f"{n} a" for n in range(100)), "\n".join(f"{n} b" for n in range(100))
    (short,) = differences("w", {"o.txt": old}, {"o.txt": new})
    (full,) = differences("w", {"o.txt": old}, {"o.txt": new}, "full")
    (none,) = differences("w", {"o.txt": old}, {"o.txt": new}, "none")
    assert len(full.splitlines()) == 203
    assert short.splitlines() == [*full.splitlines()[:42], "... 161 more lines; --diff full shows them"]
    assert none.splitlines() == ["w/o.txt: differs from line 1 on"]


def test_only_line_ends_differ() -> None:
    (text,) = differences("w", {"o.txt": "a\r\n"}, {"o.txt": "a\n"})
    assert text == "--- w/o.txt\n+++ w/o.txt as it came out\nonly line ends differ"
