"""Runs one flow once for one company: read, make durable, prepare, tell the source. Knows no vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field, replace
from datetime import timedelta
from functools import partial
from typing import NoReturn

from engine import (
    asked,
    flowswitch,
    intake,
    keying,
    opened,
    otheraccount,
    pipeline,
    preparing,
    telling,
    told,
    withdrawn,
)
from engine.abilities import Withholding
from engine.absent import Asking, recheck
from engine.batch import Batch
from engine.clock import iso
from engine.contract import Json, Page, Source
from engine.dataclass import dataclass
from engine.errors import AuthRefused, BeingRead, FlowctlError, NotYet, RunError, StaleLease, StoreError
from engine.follow import Hand
from engine.listing import Lists, called_lists
from engine.lookups import Resolver
from engine.model import Fetch, Stream
from engine.opened import Sources
from engine.program import FlowProgram, StreamProgram
from engine.push import PushReport, push
from engine.qbxml import freeze_request
from engine.reading import Reading, reading
from engine.retry import Backoff
from engine.runlog import begun
from engine.runreport import RunReport, StreamReport
from engine.runscope import fetched, measured, read_along, sweep_s
from engine.seatcheck import SeatTaken
from engine.store import companies, lists, unlisted, work
from engine.store.base import Tx
from engine.store.patience import patient
from engine.telemetry import pulse
from engine.telling import Telling
from engine.world import World

# What an alert is about when no stream can be read, since the accounting seat is not ours.
_SEAT = "accounting"
_WITHHELD = "withheld"
ACTOR = "flowctl"
Progress = Callable[[str, int], None]
# Connection, fault, and how many seconds pass before the next try.
Notice = Callable[[str, RunError, float], None]


@dataclass(frozen=True, slots=True)
class _Job:
    """Streams that are read together in one run, and what they have come to so far."""

    program: FlowProgram
    company: str
    number: int
    group: Sequence[StreamProgram]
    counts: Mapping[str, Counter[str]]
    sources: Sources

    @property
    def lead(self) -> Stream:
        """The stream whose fetch stands for all."""
        return self.group[0].stream

    @property
    def subject(self) -> tuple[str, str, str]:
        """What an alert of this read is about."""
        return self.program.flow.name, self.lead.fetch.connection, self.lead.fetch.stream


class DryRun(Exception):
    """Everything was computed; nothing is to be kept."""


def _unnoticed(_connection: str, _error: RunError, _wait_s: float) -> None:
    return


def _undo() -> NoReturn:
    raise DryRun


@dataclass(slots=True)
class Runner:
    """Runs flows. Holds no state of its own between runs: the store is the truth."""

    world: World
    backoff: Backoff = field(default_factory=Backoff)
    notice: Notice = _unnoticed
    # How many operations one look at a target that is called may write.
    push_limit: int = 1_000_000
    # A person has started it, and waits for what it comes to.
    by_hand: bool = True
    # Raises when another process has taken over: called in each transaction that keeps what was read.
    still: Callable[[Tx], None] = lambda _tx: None

    def run(
        self,
        program: FlowProgram,
        company: str,
        *,
        streams: Sequence[str] | None = None,
        progress: Progress = lambda _stream, _read: None,
    ) -> RunReport:
        """Read the named streams (all when None), prepare what can be prepared, tell the source what was posted.

        Raises:
            UsageError: when the flow is switched off for the company, or another one writes the same.
        """
        flow = program.flow.name
        with self.world.store.write(company) as tx:
            companies.require(tx, company)
            flowswitch.require_on(tx, company, program.flow)
            flowswitch.claim(tx, company, program.flow, self.world.at())
            keying.look(tx, company, program.flow, self.world.at())
            self._know_lists(tx, program, company)
            log = begun(self.world, tx, company, flow)
            work.reading(tx, company, flow, read_along(program, streams), self.world.at())
        reports: list[StreamReport] = []
        report: RunReport | None = None
        with patient(), measured(self.world.clock, company, flow, log.number) as ended:
            try:
                unread = self.read_lists(program, company)
                log.step("lists")
                with self._sources(program, company) as sources:
                    for found in self._read_all(program, company, log.number, streams, progress, sources):
                        reports.append(found)
                        log.step("read", found.stream)
                    sent = self.push(program, company, log.number)
                    log.step("write")
                    marked, errors = self._tell(program, company, sources)
                    log.step("tell")
                written = (sent.posted, sent.errors, sent.left("failed"), sent.left("unknown"), unread, sent.unprepared)
                report = RunReport(flow, company, tuple(reports), marked, tuple(errors), *written, log.number)
                ended.outcome = "failed" if report.errors else "done"
            finally:
                log.let_go()
                with self.world.store.write(company) as tx:
                    log.end(tx, reports, report)
                    pulse.watch(tx, company, flow, self.world.at())
        return report

    def dry_run(
        self,
        program: FlowProgram,
        company: str,
        look: Callable[[Tx, RunReport], None],
        *,
        streams: Sequence[str] | None = None,
    ) -> RunReport:
        """Do everything but keep it: `look` sees the store as the run would leave it, before it is rolled back."""
        wanted = [s for s in self._enabled(program, company) if streams is None or s.stream.name in streams]
        with self.world.store.read(company) as tx:
            rekeyed = keying.changed(tx, company, program.flow)
        held = [StreamReport(s.stream.name, {}, rekeyed[s.stream.name]) for s in wanted if s.stream.name in rekeyed]
        wanted = [s for s in wanted if s.stream.name not in rekeyed]
        with self._sources(program, company) as sources:
            pages = {s.stream.name: self._listed(s, sources) for s in wanted}
        kept = Lists(self.world, company, program.flow.name, self._wait)
        looks, unread = kept.look(called_lists(wanted))
        report: RunReport | None = None
        try:
            with self.world.store.write(company) as tx:
                companies.require(tx, company)
                number = work.begin_run(tx, company, program.flow.name, self.world.at())
                kept.keep(tx, looks)
                found = []
                for stream in wanted:
                    batch = self.batch(tx, program, company, number)
                    for page in pages[stream.stream.name]:
                        intake.take_page(batch, stream, page.records)
                    # What was taken in and is not ready is looked at once more with the rest, and counted there.
                    del batch.counts["pending"]
                    intake.prepare_pending(batch, stream, 1_000_000)
                    found.append(StreamReport(stream.stream.name, batch.counts))
                for stream in wanted:
                    if stream.wants:
                        intake.prepare_pending(self.batch(tx, program, company, number), stream, 1_000_000)
                report = RunReport(program.flow.name, company, (*held, *found), list_errors=unread)
                look(tx, report)
                _undo()
        except DryRun:
            assert report is not None
            return report

    def prepare(
        self,
        program: FlowProgram,
        company: str,
        run: int = 0,
        *,
        limit: int = 1_000_000,
        chunk: int = intake.AT_ONCE,
        only: Collection[str] | None = None,
    ) -> Counter[str]:
        """Prepare records that wait for nothing any more, a transaction a chunk; returns what became of how many.

        With `only`, those of these streams.
        """
        with self.world.store.read(company) as tx:
            if tx.one("pending_exists", {"company": company}) is None or not flowswitch.is_running(
                tx, company, program.flow
            ):
                return Counter()
            resolver = self.resolver(tx, program, company)
        streams = [s for s in self._enabled(program, company) if only is None or s.stream.name in only]

        def opened(tx: Tx) -> Batch:
            flowswitch.require_on(tx, company, program.flow)
            return self.batch(tx, program, company, run, resolver)

        try:
            return preparing.prepare(self.world.store, company, streams, opened, limit=limit, chunk=chunk)
        except flowswitch.FlowOff:
            return Counter()  # switched off meanwhile: another flow may write the same from here on

    def read_lists(self, program: FlowProgram, company: str, *, missing: bool = False) -> tuple[FlowctlError, ...]:
        """Read the lists of called targets that are due, with `missing` those without which records cannot be prepared."""
        wanted = called_lists(self._enabled(program, company)) if called_lists(program.streams) else ()
        kept = Lists(self.world, company, program.flow.name, self._wait, self.by_hand)
        return kept.refresh(wanted, missing=missing) if wanted else ()

    def push(self, program: FlowProgram, company: str, run: int = 0, *, eager: bool = True) -> PushReport:
        """Prepare what waits for nothing and write what is for targets that are called, until neither makes more work."""
        found, left, failed = PushReport(), self.push_limit, 0
        while True:
            failed += self.prepare(program, company, run)["failed"]
            if not program.called:
                return replace(found, unprepared=failed)
            # What is in doubt was asked for by now.
            again = push(self.world, program, company, limit=left, eager=eager and found == PushReport())
            states = {**found.states, **again.states}
            found = PushReport(found.posted + again.posted, found.errors + again.errors, again.more, states)
            left -= again.calls
            # Who waited for what was refused looks again, and says what is missing now.
            settled = again.posted + again.left("failed") + again.left("deferred")
            if not settled or again.more:
                return replace(found, unprepared=failed)

    def _prepare_before(self, job: _Job) -> None:
        """Prepare what waits in the streams that these come after: what becomes of it is what these ask for.

        A list that was read since makes it ready. Read first, a stream would find that nothing is linked yet, and create
        anew what is there.
        """
        wanted = {name for stream in job.group for name in stream.stream.after}
        for stream in reversed(job.program.streams):
            if stream.stream.name in wanted:
                wanted.update(stream.stream.after)
        wanted -= {stream.stream.name for stream in job.group}
        if wanted:
            self.prepare(job.program, job.company, job.number, only=wanted)

    def refill(self, tx: Tx, program: FlowProgram, company: str, *, limit: int = 50) -> int:
        """Prepare what a polled target would be sent, in a caller's transaction, bounded: its call must be answered soon."""
        prepared = 0
        if not flowswitch.is_running(tx, company, program.flow):
            return 0
        resolver = self.resolver(tx, program, company)
        for stream in self._enabled(program, company):
            if not stream.is_polled or not intake.is_pending(tx, company, program.flow.name, stream):
                continue
            batch = self.batch(tx, program, company, 0, resolver)
            intake.prepare_pending(batch, stream, limit)
            prepared += batch.counts["intended"]
            if prepared:
                break
        return prepared

    def tell(self, program: FlowProgram, company: str) -> tuple[int, list[FlowctlError]]:
        """Tell the source what was posted and what could not be; returns how many marks it acknowledged."""
        with self._sources(program, company) as sources:
            return self._tell(program, company, sources)

    def _tell(self, program: FlowProgram, company: str, sources: Sources) -> tuple[int, list[FlowctlError]]:
        return telling.tell(Telling(self.world, program, company, ACTOR, sources, partial(self._trouble, company)))

    def _sources(self, program: FlowProgram, company: str) -> AbstractContextManager[Sources]:
        """The sources of one run."""
        name = program.flow.name
        return opened.sources(self.world, company, program.flow, lambda place: self._seated(company, f"{name}/{place}"))

    def batch(self, tx: Tx, program: FlowProgram, company: str, run: int, resolver: Resolver | None = None) -> Batch:
        """What taking in and preparing need, for one transaction; a resolver that is handed in remembers across them."""
        settings = told.values(tx, company, program)
        resolver = (resolver or self.resolver(tx, program, company)).at(tx)
        desk = pipeline.Desk(company, program, settings, resolver, self.world.ids, freeze_request)
        return Batch(tx, Hand(company, self.world.at(), ACTOR), desk, run)

    def resolver(self, tx: Tx, program: FlowProgram, company: str) -> Resolver:
        """A fresh resolver."""
        return Resolver(tx, company, program.flow, self._titles(program), self.world.at()[:10])

    def _read_all(
        self,
        program: FlowProgram,
        company: str,
        number: int,
        streams: Sequence[str] | None,
        progress: Progress,
        sources: Sources,
    ) -> Iterator[StreamReport]:
        """Read what is wanted; streams that read the same thing share one read."""
        with self.world.store.read(company) as tx:
            rekeyed = keying.changed(tx, company, program.flow)
        enabled = []
        for stream in self._enabled(program, company):
            error = rekeyed.get(stream.stream.name)
            if error is None:
                enabled.append(stream)
            elif streams is None or stream.stream.name in streams:
                yield StreamReport(stream.stream.name, {}, error)
        groups: dict[str, list[StreamProgram]] = {}
        for stream in enabled:
            groups.setdefault(stream.stream.fetch.identity, []).append(stream)
        read: set[str] = set()
        stopped: FlowctlError | None = None
        for stream in enabled:
            identity = stream.stream.fetch.identity
            group = groups[identity]
            if identity in read or not (streams is None or any(s.stream.name in streams for s in group)):
                continue
            read.add(identity)
            if stopped is not None:
                # A store that fails is no stream's own trouble. What comes after would see half of what it needs, defer
                # records for that, and say so to the source.
                yield from (StreamReport(s.stream.name, {}, stopped) for s in group)
                continue
            found = self._read(program, company, number, group, progress, sources)
            stopped = next((report.error for report in found if isinstance(report.error, StoreError)), None)
            yield from found

    def _read(
        self,
        program: FlowProgram,
        company: str,
        number: int,
        group: list[StreamProgram],
        progress: Progress,
        sources: Sources,
    ) -> list[StreamReport]:
        job = _Job(program, company, number, group, {s.stream.name: Counter[str]() for s in group}, sources)
        error: FlowctlError | None = None
        try:
            with reading(self.world, company, program.flow.name, job.lead.fetch.identity) as held:
                self._take(job, held, progress)
        except (NotYet, BeingRead, StaleLease, flowswitch.FlowOff) as caught:
            # What cannot say yet what it holds has listed nothing, and so nothing is missing there. What another process
            # is reading is no trouble, nor is it that a person has switched the flow off meanwhile.
            error = None if isinstance(caught, NotYet) else caught
        except FlowctlError as caught:
            error = caught
            with self.world.store.write(company) as tx:
                self._trouble(company, tx, job.subject, error)
        return [StreamReport(s.stream.name, job.counts[s.stream.name], error) for s in group]

    def _take(self, job: _Job, held: Reading, progress: Progress) -> None:
        """Take in what streams that are read together find, and remember how far that went."""
        company, flow, group, counts = job.company, job.program.flow.name, job.group, job.counts
        resolver: Resolver | None = None
        self._prepare_before(job)
        for stream in group:
            self._list_asked(job, held, stream)
        kept, began = self._resume(company, flow, group), self.world.at()
        watermark = kept.watermark if kept else None
        for page, checkpoint in self._pages(group[0], watermark, job.sources):
            for stream in group:
                resolver = self._take_page(job, held, stream, page.records, resolver)
            progress(job.lead.name, counts[job.lead.name]["read"])
            watermark = checkpoint
        for stream in group if kept is None else ():
            self._take_withdrawn(job, held, stream)
        with self.world.store.write(company) as tx:
            read = [name for name in counts if kept is None and not counts[name]["unreadable"]]
            over = [("connection", "/".join(job.subject)), *(("failed", f"{flow}/{name}") for name in read)]
            work.resolve_alerts(tx, company, over, self.world.at())
        self._withheld(job)
        # What is absent from a list of changes has not changed, and nothing more is to be said of it.
        for stream in group if kept is None else ():
            self._recheck(job, held, stream)
            with self.world.store.write(company) as tx:
                held.hold(tx)
                unlisted.listed(tx, company, self.world.at(), ACTOR, flow, stream.stream.name, began)
        if watermark is not None and sweep_s(group) is not None:
            names = frozenset(stream.stream.name for stream in group)
            with self.world.store.write(company) as tx:
                self.still(tx)
                held.hold(tx)
                swept_at = kept.swept_at if kept else began
                value = work.Checkpoint(watermark, names, swept_at)
                work.put_checkpoint(tx, company, flow, job.lead.fetch.identity, value)

    def _withheld(self, job: _Job) -> None:
        """Tell a person of what the source counts and does not show; what it shows is worked on all the same."""
        source = job.sources(job.lead.fetch.connection)
        found = source.withheld(job.lead.fetch.stream) if isinstance(source, Withholding) else None
        if found is None:
            return
        subject = f"{'/'.join(job.subject)}/{_WITHHELD}"
        with self.world.store.write(job.company) as tx:
            if found.message:
                alert = work.Alert("connection", subject, f"{'/'.join(job.subject[:2])}: {found.message}", found.hint)
                work.raise_alert(tx, job.company, alert, self.world.at())
            else:
                work.resolve_alert(tx, job.company, "connection", subject, self.world.at())

    def _take_page(
        self, job: _Job, held: Reading, stream: StreamProgram, page: Sequence[Json], resolver: Resolver | None
    ) -> Resolver:
        """Take in a page of a stream, piece by piece: whoever waits for the store has it between two of them."""
        start, end, limit = 0, 0, intake.most(self.world.store)
        while True:
            with self.world.store.write(job.company) as tx:
                self._keep(tx, job, held, stream)
                resolver = resolver or self.resolver(tx, job.program, job.company)
                batch = self.batch(tx, job.program, job.company, job.number, resolver)
                size = end - start or intake.at_once(batch, stream, page, limit)
                start, end = end, end + size
                intake.take_page(batch, stream, page[start:end])
            job.counts[stream.stream.name].update(batch.counts)
            if end >= len(page):
                return resolver

    def _take_withdrawn(self, job: _Job, held: Reading, stream: StreamProgram) -> None:
        """Look again at what is posted and listed as taken back."""
        taken_back = withdrawn.listed(stream)
        if taken_back is None:
            return
        for page, _ in self._pages(taken_back, None, job.sources):
            with self.world.store.read(job.company) as tx:
                found = withdrawn.posted(self.batch(tx, job.program, job.company, job.number), stream, page.records)
            if found:
                self._take_page(job, held, stream, found, None)

    def _keep(self, tx: Tx, job: _Job, held: Reading, stream: StreamProgram) -> None:
        """Make sure that what was read may be kept: nobody has taken over, switched the flow off, or changed the account."""
        self.still(tx)
        held.hold(tx)
        flowswitch.require_on(tx, job.company, job.program.flow)
        connection = stream.stream.fetch.connection
        otheraccount.require_same(tx, job.company, connection, job.sources.led[connection])

    def _list_asked(self, job: _Job, held: Reading, stream: StreamProgram) -> None:
        """Learn which records people of the source wait for, before anything is said of any."""
        flow, name = job.program.flow.name, stream.stream.name
        with self.world.store.read(job.company) as tx:
            requests = asked.unlisted(tx, job.company, asked.Of(flow, name, self.world.at()))
            narrowed = asked.narrowed(job.program, stream) if requests else None
        if narrowed is None:
            return
        found = [data for page in self._listed(narrowed, job.sources) for data in page.records]
        with self.world.store.write(job.company) as tx:
            held.hold(tx)
            desk = self.batch(tx, job.program, job.company, job.number).desk
            ids = [source_id for data in found if (source_id := pipeline.id_of(stream, desk, data)) is not None]
            asked.listed(tx, job.company, asked.Of(flow, name, self.world.at()), requests, ids)

    def _resume(self, company: str, flow: str, group: Sequence[StreamProgram]) -> work.Checkpoint | None:
        """Where to ask for changes from; None when everything is to be listed, to see what is there no more."""
        every_s = sweep_s(group)
        if every_s is None:
            return None
        with self.world.store.read(company) as tx:
            kept = work.checkpoint(tx, company, flow, group[0].stream.fetch.identity)
        if kept is None or not kept.streams.issuperset(stream.stream.name for stream in group):
            return None  # a stream that was added or switched on has not seen what came before the watermark
        now = self.world.clock.now()
        # A time ahead of the clock is of a clock that was ahead.
        return kept if iso(now - timedelta(seconds=every_s)) < kept.swept_at <= iso(now) else None

    def _pages(
        self, stream: StreamProgram, checkpoint: str | None, sources: Sources
    ) -> Iterator[tuple[Page, str | None]]:
        """Every page; a passing fault repeats the read from the last page that was handed out."""
        fetch = stream.stream.fetch
        attempt = 1
        source = sources(fetch.connection)
        while True:
            try:
                for page in fetched(
                    source.read(fetch.stream, fetch.filters, checkpoint), fetch.connection, fetch.stream
                ):
                    yield page, page.checkpoint
                    checkpoint = page.checkpoint
                    attempt = 1
            except RunError as error:
                attempt = self._wait(fetch.connection, error, attempt)
            else:
                return

    def _listed(self, stream: StreamProgram, sources: Sources) -> list[Page]:
        """Every page at once; none of a source that cannot say yet."""
        try:
            return [page for page, _ in self._pages(stream, None, sources)]
        except NotYet:
            return []

    def _wait(self, connection: str, error: RunError, attempt: int) -> int:
        """Wait as long as the fault asks for, and say so; returns the number of the next attempt, or raises the fault."""
        wait = self.backoff.wait_s(attempt, error, self.world.ids.fraction())
        if wait is None:
            raise error
        self.notice(connection, error, wait)
        self.world.clock.sleep(wait)
        return attempt + 1

    def _recheck(self, job: _Job, held: Reading, stream: StreamProgram) -> None:
        """Read one by one what is still open here and was not in the complete listing: it was changed or closed there."""
        name, fetch = stream.stream.name, stream.stream.fetch
        scope = {"company": job.company, "flow": job.program.flow.name, "stream": name, "run": job.number}

        def get(record_id: str) -> Json | None:
            return self._get(job.sources(fetch.connection), fetch, record_id)

        def batch(tx: Tx) -> Batch:
            self._keep(tx, job, held, stream)
            return self.batch(tx, job.program, job.company, job.number)

        recheck(Asking(self.world.store, scope, get, batch, job.counts[name]), stream)

    def _get(self, source: Source, fetch: Fetch, record_id: str) -> Json | None:
        attempt = 1
        while True:
            try:
                return source.get(fetch.stream, record_id)
            except RunError as error:
                attempt = self._wait(fetch.connection, error, attempt)

    def _trouble(self, company: str, tx: Tx, subject: tuple[str, str, str], error: FlowctlError) -> None:
        """Tell a person of what keeps a read, or a kind of marks, from working; each ends by its own success."""
        hint = error.hint or (
            "check the credentials" if isinstance(error, AuthRefused) else "it is tried again by itself"
        )
        if isinstance(error, SeatTaken):  # whatever is read over the connection
            subject = (*subject[:2], _SEAT)
        alert = work.Alert("connection", "/".join(subject), f"{'/'.join(subject[:2])}: {error}", hint)
        work.raise_alert(tx, company, alert, self.world.at())

    def _seated(self, company: str, subject: str) -> None:
        """The accounting seat is ours: who was told otherwise need not be any more."""
        with self.world.store.write(company) as tx:
            work.resolve_alert(tx, company, "connection", f"{subject}/{_SEAT}", self.world.at())

    def _enabled(self, program: FlowProgram, company: str) -> list[StreamProgram]:
        """The streams whose `when` holds for this company's settings."""
        with self.world.store.read(company) as tx:
            return pipeline.enabled(tx, company, program)

    def _titles(self, program: FlowProgram) -> Mapping[str, str]:
        from engine import registry

        found = {}
        for connection in program.flow.connections:
            connector = registry.find(connection.connector)
            found[connection.name] = connector.spec.title if connector else connection.name
        return found

    @staticmethod
    def _know_lists(tx: Tx, program: FlowProgram, company: str) -> None:
        # What only a stream that is switched off needs is not read.
        names = dict.fromkeys(name for s in pipeline.enabled(tx, company, program) for name in s.lists)
        lists.know(tx, company, names.keys())
