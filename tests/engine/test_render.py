"""Templates write escaped XML from plain data, and reach nothing else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from engine.errors import RenderError
from engine.render import MAX_OUTPUT, Templates

VENDOR = {"list_id": "80000001-1", "full_name": "A & B"}


def render(folder: Path, text: str, values: dict[str, object] | None = None) -> str:
    (folder / "case.xml.j2").write_text(text, encoding="utf-8")
    return Templates([folder]).get("case.xml.j2").render(values or {})


def failure(folder: Path, text: str, values: dict[str, object] | None = None) -> str:
    with pytest.raises(RenderError) as caught:
        render(folder, text, values)
    return str(caught.value).removeprefix("case.xml.j2")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("<A>{{ memo }}</A>", "<A>&lt;/Memo&gt;&lt;Amount&gt; &quot;x&quot; &amp; &apos;y&apos;</A>"),
        ("{{ element('Memo', memo) }}", "<Memo>&lt;/Memo&gt;&lt;Amount&gt; \"x\" &amp; 'y'</Memo>"),
        ("{{ element('A', none) }}{{ element('B', '') }}{{ element('C', 0) }}{{ element('D', false) }}", "<C>0</C><D>false</D>"),
        ("{{ ref('VendorRef', vendor) }}", "<VendorRef><ListID>80000001-1</ListID></VendorRef>"),
        ("{{ ref('VendorRef', named) }}", "<VendorRef><FullName>A &amp; B</FullName></VendorRef>"),
        ("{{ ref('VendorRef', nothing) }}", ""),
        ("{{ amount }} {{ amount | money }} {{ '7.1' | money }} {{ 3 | money }}", "1050.50 1050.50 7.10 3.00"),
        ("{{ true }} {{ 12 }}", "true 12"),
        ("[{{ missing | optional }}{{ nothing | optional }}{{ memo | optional | length }}]", "[25]"),
        ("{% if missing is present %}a{% elif nothing is present %}b{% elif amount is present %}c{% endif %}", "c"),
        ("{% for n in names %}{{ loop.index }}{{ n }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b"),
        ("{% for n in () %}x{% else %}none{% endfor %}", "none"),
        ("{% set a = vendor.full_name %}{{ a if a != 'x' else 'y' }}{{ names[0] }}{{ vendor['list_id'] }}", "A &amp; Ba80000001-1"),
        ("{% macro m(x, y='<') %}<M>{{ x }}{{ y }}{% endmacro %}{{ m('&') }}{{ m(m(1), '') }}", "<M>&amp;&lt;<M><M>1&lt;"),
        ("<A>\n  <B\n   c='1'>\n    {{ element('C', 1) }}\n  </B>\n  x\n y </A>\n", "<A><B\n   c='1'><C>1</C></B>\n  x\n y </A>"),
        ("{{ '\u00e9\U0001f600\t\n' }}", "\u00e9\U0001f600\t\n"),
        ("{# note #}a", "a"),
    ],
)  # fmt: skip
def test_what_a_template_writes(tmp_path: Path, text: str, result: str) -> None:
    values: dict[str, object] = {
        "memo": "</Memo><Amount> \"x\" & 'y'", "vendor": VENDOR, "named": {"list_id": None, "full_name": "A & B"},
        "nothing": None, "amount": Decimal("1050.5"), "names": ["a", "b"],
    }  # fmt: skip
    assert render(tmp_path, text, values) == result


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text())
def test_any_text_stays_text(tmp_path: Path, value: str) -> None:
    document = render(tmp_path, "<D a=\"{{ v }}\" b='{{ v }}'>{{ element('E', v) }}<F>{{ v }}</F></D>", {"v": value})
    root = etree.fromstring(document.encode())
    kept = "".join(
        c for c in value if c in "\t\n\r" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE or ord(c) > 0xFFFF
    )
    lines = kept.replace("\r\n", "\n").replace("\r", "\n")  # any XML parser reads line ends so
    assert (root.findtext("F") or "") == lines
    assert (root.findtext("E") or "") == lines
    assert [c.tag for c in root] == (["E", "F"] if value else ["F"])
    assert set(root.attrib) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ memoo }}", ":2: `memoo` is not among the values of this template"),
        ("{{ vendor.nam }}", ":1: `nam` is not among the fields of this object"),
        ("{{ vendor.nam.x }}", ":1: `nam` is not among the fields of this object"),
        ("\n{% if memoo %}{% endif %}", ":2: `memoo` is not among the values of this template"),
        ("{{ element('A', memoo) }}", ":1: `memoo` is not among the values of this template"),
        ("{{ ref('A', memoo) }}", ":1: `memoo` is not among the values of this template"),
        ("{{ memoo | money }}", ":1: `memoo` is not among the values of this template"),
        ("{% for x in memoo %}{% endfor %}", ":1: `memoo` is not among the values of this template"),
        ("{{ nothing }}", ":1: an empty value (null) cannot be printed"),
        ("{{ rate }}", ":1: a float reached the template"),
        ("{{ rate | money }}", ":1: an amount was expected, but this is a float"),
        ("{{ element('A', rate) }}", ":1: a float reached the template"),
        ("{{ vendor }}", ":1: an object cannot be printed"),
        ("{{ names }}", ":1: a list cannot be printed"),
        ("{{ ref('A', 'x') }}", ":1: `ref` takes an object with `list_id` or `full_name`, not a value of this kind"),
        ("{{ ref('A', empty) }}", ":1: `ref` was given an object with neither `list_id` nor `full_name`"),
        ("{{ element(vendor.full_name, 1) }}", ":1: an element name may hold only letters, digits, `_`, `-` and `.`"),
        ("{{ cents }}", ":1: 0.001 has a fraction of a cent"),
        ("{% for x in vendor %}{% endfor %}", ":1: `for` walks a list, and this is none"),
        ("{{ names.x }}", ":1: `x` cannot be read from a value that is no object"),
        ("{% macro m(x) %}{{ x }}{% endmacro %}\n\n{{ m(nothing) }}", ":1: an empty value (null) cannot be printed"),
    ],
)  # fmt: skip
def test_an_error_names_the_line_and_never_the_value(tmp_path: Path, text: str, message: str) -> None:
    values: dict[str, object] = {
        "vendor": VENDOR, "nothing": None, "rate": 1.5, "names": ["a"], "cents": Decimal("0.001"), "empty": {},
    }  # fmt: skip
    assert failure(tmp_path, text, values) == message


# Published escapes (Jinja's own advisories, and collections of template-injection payloads), and what is near to them.
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ v['__class__'] }}",
    "{{ v|attr('__class__') }}",
    "{{ v | attr('_' ~ '_class_' ~ '_') }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(v) }}",
    "{{ '{v.__class__}'.format_map({'v': 1}) }}",
    "{{ v.format(1) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "{{ ['{0.__class__}']|map('format', v)|list }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ url_for.__globals__ }}",
    "{{ request.application.__globals__ }}",
    "{{ config.items() }}",
    "{{ element.__globals__ }}",
    "{% set e = element %}{{ e }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% for x in () recursive %}{{ loop(x) }}{% endfor %}",
    "{{ range(1000000000) }}",
    "{{ 2 ** 99999999 }}",
    "{{ 'a' * 99999999 }}",
    "{{ 'a' ~ 'b' }}",
    "{{ '%s' % v }}",
    "{{ v|safe }}",
    "{{ v|tojson }}",
    "{{ v|xmlattr }}",
    "{% autoescape false %}{{ v }}{% endautoescape %}",
    "{% filter safe %}x{% endfilter %}",
    "{% set x %}{{ v }}{% endset %}",
    "{% include 'x.xml.j2' %}",
    "{% extends 'x.xml.j2' %}",
    "{% block b %}{% endblock %}",
    "{% import v as x %}",
    "{% import 'case.xml.j2' as x with context %}",
    "{% import '../../etc/passwd' as x %}",
    "{% from '/etc/passwd' import x %}",
    "{% set element = v %}",
    "{% macro ref(a) %}{% endmacro %}",
    "{% for element in () %}{% endfor %}",
    "{{ element('A><B', v) }}",
    "{{ element(*v) }}",
    "{{ element('A', **v) }}",
    "{{ v() }}",
    "{{ v.items() }}",
    "{{ v[w] }}",
    "{{ v[0:9] }}",
    "{{ _x }}",
    "{% do v.append(1) %}",
    "{{ debug() }}",
    "{% debug %}",
    "{% trans %}x{% endtrans %}",
    "\x0b",
]  # fmt: skip


@pytest.mark.parametrize("text", ESCAPES)
def test_an_escape_is_refused_when_the_template_is_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "case.xml.j2").write_text(text, encoding="utf-8")
    (tmp_path / "x.xml.j2").write_text("x", encoding="utf-8")
    with pytest.raises(RenderError) as caught:
        Templates([tmp_path]).get("case.xml.j2").render({"v": {"a": "b"}, "w": "a", "config": {}})
    assert caught.value.line in (1, None)


@pytest.mark.parametrize("name", ["items", "keys", "get", "pop", "update", "copy", "values", "format", "upper"])
def test_methods_of_values_cannot_be_read(tmp_path: Path, name: str) -> None:
    message = f":1: `{name}` is not among the fields of this object"
    assert failure(tmp_path, f"{{{{ v.{name} }}}}", {"v": {"a": 1}}) == message
    assert (
        failure(tmp_path, f"{{{{ v.{name} }}}}", {"v": "text"})
        == f":1: `{name}` cannot be read from a value that is no object"
    )
    assert render(tmp_path, f"{{{{ v.{name} }}}}", {"v": {name: "own"}}) == "own"


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in l %}{{ big }}{% endfor %}",
        "{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro m() %}{% for a in l %}{{ big }}{% endfor %}{% endmacro %}{{ m() }}",
        "{% macro a(x) %}{{ x }}{{ x }}{% endmacro %}{{ a(a(a(a(a(a(a(a(a(a(a(a(big)))))))))))) }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    ],
)
def test_a_document_cannot_grow_or_run_without_end(tmp_path: Path, text: str) -> None:
    failure(tmp_path, text, {"l": list(range(500)), "big": "x" * (MAX_OUTPUT // 100)})


def test_a_template_that_failed_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "case.xml.j2").write_text("{% for a in l %}{{ a }}{% endfor %}", encoding="utf-8")
    template = Templates([tmp_path]).get("case.xml.j2")
    with pytest.raises(RenderError):
        template.render({"l": ["x" * 10_000] * 500})
    assert template.render({"l": ["a"]}) == "a"


# --- the search path -------------------------------------------------------------------------------------------------


def test_the_flow_s_own_folder_comes_before_the_shipped_one(tmp_path: Path) -> None:
    shipped = Templates()
    assert "bill_add.xml.j2" in shipped.names()
    (tmp_path / "bill_add.xml.j2").write_text("<Own/>", encoding="utf-8")
    assert Templates([tmp_path]).get("bill_add.xml.j2").render({}) == "<Own/>"
    assert shipped.get("bill_add.xml.j2").variables >= {"vendor", "lines"}


def test_the_variables_of_a_template_are_known(tmp_path: Path) -> None:
    text = (
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ element('A', a) }}{% for l in lines %}{{ m(l.b) }}{{ c }}{% endfor %}"
    )
    (tmp_path / "case.xml.j2").write_text(text, encoding="utf-8")
    assert Templates([tmp_path]).get("case.xml.j2").variables == {"a", "lines", "c"}


def test_macros_are_imported_from_the_search_path(tmp_path: Path) -> None:
    macros = "{% macro line(l) %}<L>{{ l }}</L>{% endmacro %}\n{% macro bad(l) %}\n{{ l.x }}{% endmacro %}"
    (tmp_path / "macros.xml.j2").write_text(macros, encoding="utf-8")
    text = "{% from 'macros.xml.j2' import line %}{% import 'macros.xml.j2' as m %}{{ line('<') }}{{ m.line(1) }}"
    assert render(tmp_path, text) == "<L>&lt;</L><L>1</L>"
    with pytest.raises(RenderError) as caught:
        render(tmp_path, "{% import 'macros.xml.j2' as m %}{{ m.bad(none) }}")
    assert str(caught.value) == "macros.xml.j2:3: `x` cannot be read from a value that is no object"
    assert failure(tmp_path, "{% import 'macros.xml.j2' as m %}\n{{ m.nope(1) }}") == ":2: there is no macro `nope`"


def test_an_imported_file_sees_only_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "macros.xml.j2").write_text("{% macro line() %}{{ total }}{% endmacro %}", encoding="utf-8")
    message = ":1: `macros.xml.j2` uses what is not among its macros' parameters: total"
    assert failure(tmp_path, "{% from 'macros.xml.j2' import line %}") == message
    (tmp_path / "macros.xml.j2").write_text("{% import 'case.xml.j2' as x %}", encoding="utf-8")
    assert failure(tmp_path, "{% from 'macros.xml.j2' import line %}") == ":1: `case.xml.j2` imports itself"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a\n{{ b", ":2: unexpected end of template, expected 'end of print statement'.", None),
        ("{{ a | mony }}", ":1: there is no filter `mony`", "did you mean `money`? known: length, money, optional"),
        ("{{ a | money(2) }}", ":1: the filter `money` takes no arguments", None),
        ("{{ element('A') }}", ":1: `element` takes a tag and a value", None),
    ],
)
def test_a_template_that_cannot_be_loaded_says_where(tmp_path: Path, text: str, message: str, hint: str | None) -> None:
    (tmp_path / "case.xml.j2").write_text(text, encoding="utf-8")
    with pytest.raises(RenderError) as caught:
        Templates([tmp_path]).get("case.xml.j2")
    assert (str(caught.value), caught.value.hint) == (f"case.xml.j2{message}", hint)


def test_a_template_that_does_not_exist_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(RenderError) as caught:
        Templates([tmp_path]).get("bil_add.xml.j2")
    assert str(caught.value) == "bil_add.xml.j2: there is no template `bil_add.xml.j2`"
    assert str(caught.value.hint).startswith("did you mean `bill_add.xml.j2`? known: ")
