"""Verdicts as JUnit XML: whole documents, held against the shape that CI servers read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import xmlschema

from engine.golden.compare import Verdict
from engine.golden.junit import Played, junit

BEGAN = datetime(2026, 3, 2, 14, 0, 5, tzinfo=UTC)
CASES = Path("tests/flows")
# What the readers of Jenkins, GitLab and GitHub actions have in common, written from what they document.
SHAPE = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:attributeGroup name="counts">
    <xs:attribute name="tests" type="xs:unsignedInt" use="required"/>
    <xs:attribute name="failures" type="xs:unsignedInt" use="required"/>
    <xs:attribute name="errors" type="xs:unsignedInt" use="required"/>
    <xs:attribute name="skipped" type="xs:unsignedInt"/>
    <xs:attribute name="time" type="xs:decimal" use="required"/>
    <xs:attribute name="name" type="xs:string" use="required"/>
  </xs:attributeGroup>
  <xs:complexType name="why" mixed="true">
    <xs:attribute name="message" type="xs:string" use="required"/>
    <xs:attribute name="type" type="xs:string"/>
  </xs:complexType>
  <xs:element name="testsuites"><xs:complexType>
    <xs:sequence><xs:element name="testsuite" maxOccurs="unbounded"><xs:complexType>
      <xs:sequence><xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
        <xs:choice minOccurs="0"><xs:element name="skipped" type="why"/>
          <xs:element name="error" type="why"/><xs:element name="failure" type="why"/></xs:choice>
        <xs:attribute name="name" type="xs:string" use="required"/>
        <xs:attribute name="classname" type="xs:string" use="required"/>
        <xs:attribute name="file" type="xs:string"/>
        <xs:attribute name="time" type="xs:decimal" use="required"/>
      </xs:complexType></xs:element></xs:sequence>
      <xs:attributeGroup ref="counts"/>
      <xs:attribute name="id" type="xs:unsignedInt"/>
      <xs:attribute name="timestamp" type="xs:dateTime" use="required"/>
    </xs:complexType></xs:element></xs:sequence>
    <xs:attributeGroup ref="counts"/>
  </xs:complexType></xs:element>
</xs:schema>"""
FIRST = "a/wrong/expected/02-BillAddRq.xml:\n  BillAdd/Amount: expected 1.00, got 2.00\n--- a\n+++ b"

WHOLE = """<?xml version='1.0' encoding='utf-8'?>
<testsuites name="flowctl test" tests="4" failures="1" errors="1" skipped="1" time="2.000">
  <testsuite name="a" id="0" timestamp="2026-03-02T14:00:05" tests="3" failures="1" errors="0" skipped="1" time="1.750">
    <testcase classname="a" name="right" file="tests/flows/a/right/case.yaml" time="0.250"/>
    <testcase classname="a" name="wrong" file="tests/flows/a/wrong/case.yaml" time="1.500">
      <failure message="a/wrong/expected/02-BillAddRq.xml: BillAdd/Amount: expected 1.00, got 2.00 (and 1 more)" type="not as expected">a/wrong/expected/02-BillAddRq.xml:
  BillAdd/Amount: expected 1.00, got 2.00
--- a
+++ b
&lt;b&gt; &amp; ]]&gt; \\x1b[31m \\x00 \\ud800 é</failure>
    </testcase>
    <testcase classname="a" name="other" file="tests/flows/a/other/case.yaml" time="0.000">
      <skipped message="not chosen by -k"/>
    </testcase>
  </testsuite>
  <testsuite name="b" id="1" timestamp="2026-03-02T14:00:05" tests="1" failures="0" errors="1" skipped="0" time="0.250">
    <testcase classname="b" name="broken" file="tests/flows/b/broken/case.yaml" time="0.250">
      <error message="case.yaml:5:5: there is no step `cycles`" type="case could not be played">case.yaml:5:5: there is no step `cycles`
  hint: did you mean `cycle`?</error>
    </testcase>
  </testsuite>
</testsuites>
"""


def test_the_whole_document() -> None:
    broken = "case.yaml:5:5: there is no step `cycles`\n  hint: did you mean `cycle`?"
    made = junit(
        [
            Played(CASES / "a" / "right", Verdict("a/right"), 0.25),
            Played(CASES / "a" / "wrong", Verdict("a/wrong", (FIRST, "<b> & ]]> \x1b[31m \x00 \ud800 é")), 1.5),
            Played(CASES / "a" / "other", None),
            Played(CASES / "b" / "broken", Verdict("b/broken", (broken,), broken=True), 0.25),
        ],
        BEGAN,
    )
    assert made.decode() == WHOLE
    xmlschema.XMLSchema(SHAPE).validate(made.decode().partition("?>")[2])


def test_a_very_long_difference_is_cut_off() -> None:
    made = junit([Played(CASES / "a" / "wrong", Verdict("a/wrong", ("x" * 100_000,)))], BEGAN)
    assert len(made) < 170_000
    assert made.decode().count("... cut off</failure>") == 1
