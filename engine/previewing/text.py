"""A preview for people: the steps in their order, in plain lines; colour is the caller's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.previewing.listening import Heard
from engine.previewing.model import Computed, Condition, Line, Preview, Trouble, Way
from engine.store.records import Reason

# Takes a piece of a line and what it is: `title`, `heading`, `good`, `bad`, or `dim` for what is beside the point.
Paint = Callable[[str, str], str]
_WIDE = 100
_SHORT = 60
_COLUMN = 56
_WORDS = {
    "posted": "it would be posted",
    "deferred": "it would be deferred",
    "failed": "it would fail",
    "skipped": "it would be skipped",
    "adopted": "it is there already",
    "agrees": "both sides agree",
    "not_ready": "it waits",
    "unreadable": "it has no key, and is not taken in",
}
_FINE = frozenset({"posted", "adopted", "agrees"})


def _plain(text: str, _kind: str) -> str:
    return text


def lines(preview: Preview, paint: Paint = _plain) -> Iterator[str]:
    """The lines of one preview."""
    about = preview.about
    money = " ".join(about[name] for name in ("amount", "currency") if name in about and "amount" in about)
    parts = [about.get("reference", ""), about.get("party", ""), money, about.get("dated_on", "")]
    shown = ", ".join(part for part in parts if part.strip())
    title = f"{preview.flow}/{preview.stream} {preview.source_id or '(no key)'}"
    yield paint(_one_line(f"{title}: {shown}" if shown else title), "title")
    if preview.off:
        yield paint(f"  the stream is off: {preview.off}", "bad")
    yield from _heading(f"source: {preview.source}", paint)
    yield from (f"  {line}" for line in json.dumps(_data(preview.data), indent=2, ensure_ascii=False).splitlines())
    if preview.select:
        yield from _heading("select", paint)
        for condition in preview.select:
            yield from _condition(condition, "it is left out", paint)
    if preview.adopt is not None:
        yield from _heading("adopt", paint)
        yield from _computed("found", preview.adopt, paint)
    yield from _heading("map", paint)
    for name, computed in preview.fields:
        yield from _computed(name, computed, paint)
    if preview.check:
        yield from _heading("check", paint)
        for condition in preview.check:
            yield from _condition(condition, "it fails", paint)
    if preview.ways:
        yield from _heading("write", paint)
        for way in preview.ways:
            yield from _way(way, paint)
    yield from _document(preview, paint)
    yield from _answer(preview, paint)


def _heading(text: str, paint: Paint) -> Iterator[str]:
    yield ""
    yield paint(text, "heading")


def _data(value: Any) -> Any:
    """Amounts as the numbers they were."""
    if isinstance(value, Mapping):
        return {str(name): _data(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_data(each) for each in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _condition(condition: Condition, consequence: str, paint: Paint) -> Iterator[str]:
    computed = condition.computed
    word, kind = {True: ("yes", "good"), False: ("no ", "bad"), None: ("?  ", "bad")}[condition.holds]
    yield f"  {paint(word, kind)}  {_one_line(computed.expr.text)}"
    yield from _reads(computed, "         ", paint)
    yield from _heard(computed, "         ", paint)
    yield from _error(computed, "         ", paint)
    if condition.decides:
        yield f"       {paint(f'{consequence}: {condition.say}', 'bad')}"


def _computed(name: str, computed: Computed, paint: Paint) -> Iterator[str]:
    if computed.error is not None:
        yield f"  {name}: {paint('no value', 'bad')}"
    else:
        yield from _value(name, computed.value)
    yield f"      {paint(f'= {_one_line(computed.expr.text)}', 'dim')}"
    if [path for path, _ in computed.reads] != [computed.expr.text]:
        yield from _reads(computed, "      ", paint)
    yield from _heard(computed, "      ", paint)
    yield from _error(computed, "      ", paint)


def _value(name: str, value: Any) -> Iterator[str]:
    """A value on one line; a list of objects with a line for each, and for each of its names."""
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        yield f"  {name}:"
        for number, each in enumerate(value, 1):
            inner = each.items() if isinstance(each, Mapping) and not _is_object(each) else [("", each)]
            for position, (key, member) in enumerate(inner):
                mark = f"{number}." if position == 0 else ""
                yield f"    {mark:<3} {f'{_one_line(str(key))}: ' if key else ''}{shown(member)}"
    else:
        yield f"  {name}: {shown(value)}"


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and "list_id" in value and "full_name" in value


def shown(value: Any, most: int = _WIDE * 2) -> str:
    """A value on one line; an object of a target by its name and id."""
    text = _spelt(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _spelt(value: Any) -> str:
    if _is_object(value):
        return f"{_one_line(str(value['full_name']))} ({value['list_id']})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_spelt(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_spelt(each) for each in value) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _reads(computed: Computed, indent: str, paint: Paint) -> Iterator[str]:
    parts = [f"{path} {shown(value, _SHORT)}" for path, value in computed.reads]
    yield from (paint(line, "dim") for line in _wrapped(parts, f"{indent}reads "))


def _wrapped(parts: list[str], first: str) -> Iterator[str]:
    """Parts behind each other, as many on a line as fit."""
    line = ""
    for part in parts:
        joined = f"{line}, {part}" if line else part
        if line and len(first) + len(joined) > _WIDE:
            yield f"{first}{line},"
            first, line = " " * len(first), part
        else:
            line = joined
    if line:
        yield f"{first}{line}"


def _heard(computed: Computed, indent: str, paint: Paint) -> Iterator[str]:
    for heard in computed.heard:
        yield f"{indent}{_question(heard)}"
        if heard.gap is not None:
            yield from _reason(heard.gap, f"{indent}  ", paint)


def _question(heard: Heard) -> str:
    given = [f"`{_one_line(each)}`" for each in heard.given if each]
    words = " ".join([f"{heard.function} {heard.name}", *given])
    times = f" ({heard.times} times)" if heard.times > 1 else ""
    if heard.function == "candidates":
        return f"{words}{times}: {len(heard.answer)} fit: {shown(heard.answer)}"
    if heard.answer is None:
        return f"{words}{times}: nothing"
    return f"{words}{times}: {shown(heard.answer)}" + (f", {heard.origin}" if heard.origin else "")


def _reason(reason: Reason, indent: str, paint: Paint) -> Iterator[str]:
    yield f"{indent}{paint(_one_line(reason.message), 'bad')}"
    if reason.hint:
        yield f"{indent}  hint: {_one_line(reason.hint)}"


def _error(computed: Computed, indent: str, paint: Paint) -> Iterator[str]:
    if computed.error is not None:
        yield from _trouble(computed.error, indent, paint)
        if not computed.error.message.startswith("not computed"):
            yield f"{indent}  at {computed.expr.location}"


def _trouble(trouble: Trouble, indent: str, paint: Paint) -> Iterator[str]:
    yield f"{indent}{paint(_one_line(trouble.message), 'bad')}"
    if trouble.hint:
        yield f"{indent}  hint: {_one_line(trouble.hint)}"


def _way(way: Way, paint: Paint) -> Iterator[str]:
    name = f"{way.request} by {way.template}" if way.template else f"{way.request} as JSON"
    yield f"  {paint('->', 'good') if way.chosen else '  '} {name}"
    if way.when is not None:
        value = "" if way.when.error is not None else f" is {shown(way.when.value)}"
        yield f"       when {_one_line(way.when.expr.text)}{value}"
        yield from _reads(way.when, "       ", paint)
        yield from _heard(way.when, "       ", paint)
        yield from _error(way.when, "       ", paint)


def _document(preview: Preview, paint: Paint) -> Iterator[str]:
    document = preview.document
    if document is None:
        if preview.ways:
            yield from _heading("document", paint)
            yield f"  none: {preview.no_document}"
        return
    yield from _heading(f"document: {document.request}", paint)
    for line in document.lines:
        yield from _line(line, paint)
    for problem in document.problems:
        yield from _trouble(problem, "  ", paint)
    if document.unused:
        yield paint(f"  mapped and not in it: {', '.join(document.unused)}", "dim")


def _line(line: Line, paint: Paint) -> Iterator[str]:
    text = _one_line(f"  {'  ' * line.depth}{line.text}")
    origin = _one_line(", ".join(line.origins))
    yield f"{text:<{_COLUMN}}  {paint(f'<- {origin}', 'dim')}" if origin else text
    for problem in line.problems:
        yield from _trouble(problem, f"  {'  ' * line.depth}^ ", paint)


def _answer(preview: Preview, paint: Paint) -> Iterator[str]:
    answer, tried = preview.answer, preview.answer.tried
    yield from _heading("answer", paint)
    word = _WORDS[answer.state] if tried is None or tried.is_well else "it would be sent, and not be posted"
    is_fine = answer.state in _FINE and (tried is None or tried.is_well)
    yield f"  {paint(word, 'good' if is_fine else 'bad')}"
    for reason in answer.reasons:
        yield from _reason(reason, "    ", paint)
    for text in answer.follows:
        yield f"    {_one_line(text)}"
    if answer.known:
        yield f"    the store has it already, {answer.known}; this is what it would come to if it were new"
    if tried is None:
        return
    yield f"  the simulated vendor: {paint(tried.state, 'good' if tried.is_well else 'bad')}"
    for call in tried.find:
        yield f"    asked first: {_one_line(call)}"
    if tried.receipt:
        yield f"    receipt: {_one_line(', '.join(f'{name} {value}' for name, value in tried.receipt.items()))}"
    for each in tried.said:
        yield from _trouble(each, "    ", paint)


def _one_line(text: str) -> str:
    """On one line, as people write it: a folded expression has its lines joined."""
    one = " ".join(text.split()) if "\n" in text else text
    return one.replace("\0", "?")
