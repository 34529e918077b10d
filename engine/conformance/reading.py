"""Whether a source reads everything: no record, one, many, from where it stopped, in the declared shape."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

from engine.conformance import shapes
from engine.conformance.bench import Bench, Memory, Subject, Unlimited, bench, leaked, one_of, said, small_pages
from engine.contract import Page, Tools
from engine.errors import AuthExpired, AuthRefused, Rejected, RunError, UsageError
from engine.spec import StreamSpec
from engine.testing import SeededIds

EMPTY: Mapping[str, Any] = {"given": {}}
# What a simulator makes when it is asked for nothing in particular: enough for several pages.
MANY: Mapping[str, Any] = {}
_UNKNOWN = "no-such-id-0"


def readable(subject: Subject) -> tuple[StreamSpec, ...]:
    """The streams that can be read without a filter."""
    return tuple(s for s in subject.spec.streams if not any(f.required for f in s.filters))


def reads_empty(subject: Subject) -> Iterator[str]:
    """A vendor that holds nothing: every stream ends, and nothing is an error."""
    with bench(subject, EMPTY) as it:
        for stream in readable(subject):
            try:
                it.read(stream.name)
            except RunError as error:
                yield f"{stream.name}: {type(error).__name__} although nothing is wrong: {error}"


def reads_one(subject: Subject) -> Iterator[str]:
    """A vendor with one record, as `example` gives it: it is read, and `get` gives the same one."""
    shown = 0
    for stream in readable(subject):
        options = one_of(subject, stream.name)
        if options is None:
            continue
        shown += 1
        with bench(subject, options) as it:
            found = _records(it.read(stream.name))
            if not found:
                yield f"{stream.name}: `example` gives a record, and none is read"
                continue
            yield from _gets(it, stream, found[0])
    if not shown:
        yield "`example` shows no record of any stream: give the connector a method `example`"


def _gets(it: Bench, stream: StreamSpec, record: Mapping[str, Any]) -> Iterator[str]:
    key = str(record[stream.key])
    again = it.opened.get(stream.name, key)
    if again is None:
        yield f"{stream.name}: `get` does not know a record that `read` lists"
    elif str(again.get(stream.key)) != key:
        yield f"{stream.name}: `get` gives another record than was asked for"
    else:
        yield from shapes.problems(again, stream.fields, f"{stream.name} by `get`")
    try:
        unknown = it.opened.get(stream.name, _UNKNOWN)
    except Rejected:
        return  # an id that the vendor cannot have given
    except RunError as error:
        yield f"{stream.name}: `get` of an unknown id must be None, and is {type(error).__name__}: {error}"
    else:
        if unknown is not None:
            yield f"{stream.name}: `get` of an unknown id gives a record"


def reads_many(subject: Subject) -> Iterator[str]:
    """Many records on small pages: each once, all in order again, and as many as there are on large pages."""
    small = small_pages(subject)
    on_large: dict[str, set[str]] = {}
    if small:
        with bench(subject, MANY) as it:
            on_large = {stream.name: {*_keys(stream, _records(it.read(stream.name)))} for stream in readable(subject)}
    with bench(subject, MANY, settings=small) as it:
        total = 0
        for stream in readable(subject):
            found = _records(it.read(stream.name))
            total += len(found)
            keys = [str(record.get(stream.key)) for record in found]
            if len(set(keys)) != len(keys):
                yield f"{stream.name}: a record is listed twice in one read"
            if any(record.get(stream.key) in (None, "") for record in found):
                yield f"{stream.name}: a record has no `{stream.key}`"
            again = [str(record.get(stream.key)) for record in _records(it.read(stream.name))]
            if again != keys:
                yield f"{stream.name}: a second read lists other records, or in another order"
            if small and {*keys} != on_large[stream.name]:
                yield f"{stream.name}: {len({*keys})} records on small pages, and {len(on_large[stream.name])} on large"
        if not total:
            yield "a simulator without options holds no record at all: let it make some"


def fits(subject: Subject) -> Iterator[str]:
    """Every record fits its stream's fields."""
    with bench(subject, MANY) as it:
        for stream in readable(subject):
            for record in _records(it.read(stream.name)):
                found = list(shapes.problems(record, stream.fields, stream.name))
                yield from found[:5]
                if found:
                    break


def resumes(subject: Subject) -> Iterator[str]:
    """A read that stopped after any page goes on with the records behind it, none left out and none again."""
    with bench(subject, MANY, settings=small_pages(subject)) as it:
        for stream in readable(subject):
            pages = it.read(stream.name)
            if stream.changes == "all" and pages and pages[-1].checkpoint is not None:
                yield f"{stream.name}: the last page has a checkpoint: is there more behind it?"
            for number, page in enumerate(pages[:-1], 1):
                if page.checkpoint is None:
                    yield f"{stream.name}: page {number} of {len(pages)} has no checkpoint: a crash reads it again"
                    break
                rest = _keys(stream, [record for after in pages[number:] for record in after.records])
                found = _keys(stream, _records(it.read(stream.name, page.checkpoint)))
                if found != rest:
                    yield f"{stream.name}: after page {number} come {len(rest)} records, and a resumed read has {len(found)}"
                    break
            yield from _damaged(it, stream)


def _damaged(it: Bench, stream: StreamSpec) -> Iterator[str]:
    """A checkpoint that is none of ours may begin anew or be refused; it never ends a read early in silence."""
    everything = _keys(stream, _records(it.read(stream.name)))
    try:
        found = _keys(stream, _records(it.read(stream.name, "not a checkpoint of ours")))
    except RunError:
        return
    except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
        yield f"{stream.name}: a damaged checkpoint is a {type(error).__name__}, not a `RunError`"
        return
    if found != everything:
        yield f"{stream.name}: with a damaged checkpoint {len(found)} of {len(everything)} records are read"


def unknown_stream(subject: Subject) -> Iterator[str]:
    """A stream or a mark that does not exist is refused with an error of ours."""
    with bench(subject, EMPTY) as it:
        try:
            it.read("no_such_stream")
        except RunError:
            return
        except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
            yield f"reading an unknown stream is a {type(error).__name__}, not a `RunError` such as `Rejected`"
        else:
            yield "reading an unknown stream is no error"


def keeps_quiet(subject: Subject) -> Iterator[str]:
    """Nothing is printed or logged while everything is read, and no repr shows a secret."""
    stream, logged = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(logged)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with bench(subject, MANY) as it, redirect_stdout(stream), redirect_stderr(stream):
            for each in readable(subject):
                it.read(each.name)
            shown = f"{it.binding!r} {it.opened!r}"
            texts = {"stdout or stderr": stream.getvalue(), "the log": logged.getvalue(), "a repr": shown}
            for where, text in texts.items():
                for name in leaked(it, text):
                    yield f"{where} shows the secret `{name}`"
            if stream.getvalue():
                yield "something is printed: the engine reports, a connector does not"
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def wrong_secrets(subject: Subject) -> Iterator[str]:
    """Credentials that the vendor does not know are an error for a person, without the credentials in its text."""
    with bench(subject, MANY) as it:
        wrong = {name: f"wrong-{name}-5c1e" for name in it.binding.secrets}
        if not wrong:
            return
        tools = Tools(it.clock, SeededIds(2), Memory(), Unlimited(), it.watched)
        try:
            opened = subject.connector.open(replace(it.binding, secrets=wrong), tools)
            for stream in readable(subject)[:1]:
                list(opened.read(stream.name, {}, None))
        except (AuthExpired, AuthRefused, UsageError) as error:
            for name, value in wrong.items():
                if value in said(error):
                    yield f"the error shows the secret `{name}`"
        except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
            yield f"wrong credentials are a {type(error).__name__}: must be `AuthExpired` or `AuthRefused`"
        else:
            yield "with wrong credentials everything can be read: let the simulator refuse them"


def _records(pages: list[Page]) -> list[Any]:
    return [record for page in pages for record in page.records]


def _keys(stream: StreamSpec, records: list[Any]) -> list[str]:
    return [str(record.get(stream.key)) for record in records]
