"""Runs one flow once for one company: read, make durable, prepare, tell the source. Knows no vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from datetime import timedelta
from typing import NoReturn

from engine import asked, flowswitch, intake, pipeline, preparing
from engine.absent import Asking, recheck
from engine.batch import Batch
from engine.clock import iso
from engine.contract import Json, Page, Source
from engine.dataclass import dataclass
from engine.errors import AuthRefused, BeingRead, FlowctlError, NotYet, Rejected, RunError, StaleLease, StoreError
from engine.follow import Hand, close
from engine.listing import Lists, called_lists
from engine.lookups import Resolver
from engine.model import Fetch, Stream
from engine.program import FlowProgram, StreamProgram
from engine.push import PushReport, push
from engine.qbxml import freeze_request
from engine.reading import Reading, reading
from engine.retry import Backoff, later_s
from engine.runlog import RunLog
from engine.runreport import RunReport, StreamReport
from engine.runscope import fetched, measured, read_along, sweep_s
from engine.seatcheck import SeatTaken, require_seat
from engine.store import companies, lists, marks, work
from engine.store.base import Row, Tx
from engine.telemetry import pulse, trace
from engine.world import World

MARKS_A_CALL = 500
# A call of which nothing was sent waits as long as one that has failed so often: it is not counted, and costs little.
_UNSENT = 3
# What an alert is about when no stream can be read, since the accounting seat is not ours.
_SEAT = "accounting"
ACTOR = "flowctl"
Progress = Callable[[str, int], None]
# Connection, fault, and how many seconds pass before the next try.
Notice = Callable[[str, RunError, float], None]
# The source of a connection, open until the run ends.
Sources = Callable[[str], Source]


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
            self._know_lists(tx, program, company)
            number = work.begin_run(tx, company, flow, self.world.at())
            work.reading(tx, company, flow, read_along(program, streams), self.world.at())
        reports: list[StreamReport] = []
        log = RunLog(self.world, number)
        report: RunReport | None = None
        with measured(self.world.clock, company, flow, number) as ended:
            try:
                unread = self.read_lists(program, company)
                log.step("lists")
                with self._sources(program, company) as sources:
                    for found in self._read_all(program, company, number, streams, progress, sources):
                        reports.append(found)
                        log.step("read", found.stream)
                    sent = self.push(program, company, number)
                    log.step("write")
                    marked, errors = self._tell(program, company, sources)
                    log.step("tell")
                written = (sent.posted, sent.errors, sent.left("failed"), sent.left("unknown"), unread, sent.unprepared)
                report = RunReport(flow, company, tuple(reports), marked, tuple(errors), *written, number)
                ended.outcome = "failed" if report.errors else "done"
            finally:
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
                report = RunReport(program.flow.name, company, tuple(found), list_errors=unread)
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
        chunk: int = 500,
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
        flow = program.flow.name
        with self.world.store.write(company) as tx:
            asked.answer(tx, company, program, self.world.at())
            marks.group(tx, company, flow, self.world.at(), limit=MARKS_A_CALL)
        done, errors = 0, []
        for row in self._calls_due(program, company):
            sent = False
            try:
                source = sources(row["connection"])
                with self.world.store.write(company) as tx:
                    if marks.only_true(tx, company, row, self.world.at()):
                        continue
                    call = marks.call_of(tx, row)
                sent = True
                with trace.span("tell", {"company": company, "flow": flow, "connection": row["connection"]}):
                    source.mark(call)
            except Rejected as error:
                errors += self._refused(company, row, error)
            except FlowctlError as error:
                errors.append(error)
                sent = sent and not error.unsent
                wait = later_s(row["attempts"] if sent else _UNSENT, self.world.ids.fraction())
                with self.world.store.write(company) as tx:
                    marks.later(tx, row["id"], iso(self.world.clock.now() + timedelta(seconds=wait)), sent=sent)
                    self._trouble(tx, company, (flow, row["connection"], row["kind"]), error)
            else:
                done += self._acknowledged(company, row)
        return done, errors

    @contextmanager
    def _sources(self, program: FlowProgram, company: str) -> Iterator[Sources]:
        """Opens each connection's source when it is first asked for; all give their sockets back at the end."""
        opened: dict[str, Source] = {}
        refused: dict[str, SeatTaken] = {}
        with ExitStack() as closing:

            def source(connection: str) -> Source:
                if connection in refused:
                    raise refused[connection]
                if connection not in opened:
                    found = self.world.source(company, connection)
                    close = getattr(found, "close", None)
                    if callable(close):
                        closing.callback(close)
                    try:
                        if require_seat(self.world, company, connection, found, program.flow, writes=False):
                            self._seated(company, f"{program.flow.name}/{connection}")
                    except SeatTaken as error:
                        refused[connection] = error
                        raise
                    opened[connection] = found
                return opened[connection]

            yield source

    def _calls_due(self, program: FlowProgram, company: str) -> Iterator[Row]:
        """Calls as they come due: one that is done makes way for those that waited for it."""
        flow, streams = program.flow.name, [stream.stream.name for stream in program.streams]
        tried: set[int] = set()
        while True:
            with self.world.store.read(company) as tx:
                due = marks.due(tx, company, flow, self.world.at(), streams)
            calls = [row for row in due if row["id"] not in tried]
            if not calls:
                return
            tried.update(row["id"] for row in calls)
            yield from calls

    def batch(self, tx: Tx, program: FlowProgram, company: str, run: int, resolver: Resolver | None = None) -> Batch:
        """What taking in and preparing need, for one transaction; a resolver that is handed in remembers across them."""
        settings = {**program.settings, **companies.settings(tx, company, program.flow.name)}
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
        enabled = self._enabled(program, company)
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
                self._trouble(tx, company, job.subject, error)
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
            with self.world.store.write(company) as tx:
                self.still(tx)
                held.hold(tx)
                flowswitch.require_on(tx, company, job.program.flow)
                resolver = resolver or self.resolver(tx, job.program, company)
                for stream in group:
                    batch = self.batch(tx, job.program, company, job.number, resolver)
                    intake.take_page(batch, stream, page.records)
                    counts[stream.stream.name].update(batch.counts)
            progress(job.lead.name, counts[job.lead.name]["read"])
            watermark = checkpoint
        with self.world.store.write(company) as tx:
            read = [name for name in counts if kept is None and not counts[name]["unreadable"]]
            over = [("connection", "/".join(job.subject)), *(("failed", f"{flow}/{name}") for name in read)]
            work.resolve_alerts(tx, company, over, self.world.at())
        # What is absent from a list of changes has not changed, and nothing more is to be said of it.
        for stream in group if kept is None else ():
            self._recheck(job, held, stream)
        if watermark is not None and sweep_s(group) is not None:
            names = frozenset(stream.stream.name for stream in group)
            with self.world.store.write(company) as tx:
                self.still(tx)
                held.hold(tx)
                swept_at = kept.swept_at if kept else began
                value = work.Checkpoint(watermark, names, swept_at)
                work.put_checkpoint(tx, company, flow, job.lead.fetch.identity, value)

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
            self.still(tx)
            held.hold(tx)
            flowswitch.require_on(tx, job.company, job.program.flow)
            return self.batch(tx, job.program, job.company, job.number)

        recheck(Asking(self.world.store, scope, get, batch, job.counts[name]), stream)

    def _get(self, source: Source, fetch: Fetch, record_id: str) -> Json | None:
        attempt = 1
        while True:
            try:
                return source.get(fetch.stream, record_id)
            except RunError as error:
                attempt = self._wait(fetch.connection, error, attempt)

    def _acknowledged(self, company: str, row: Mapping[str, object]) -> int:
        """The source said yes: what was posted is closed."""
        with self.world.store.write(company) as tx:
            hand = Hand(company, self.world.at(), ACTOR)
            members = marks.finish(tx, int(str(row["id"])), "done")
            for mark in members:
                record = tx.one("record_get", {"id": mark["record_id"]})
                if mark["outcome"] == "posted" and record is not None and record["state"] == "posted":
                    close(tx, hand, record, f"{mark['kind']} acknowledged")
            over = [("connection", f"{row['flow']}/{row['connection']}/{row['kind']}")]
            over += [("mark", f"{row['flow']}/{row['kind']}/{mark['source_id']}") for mark in members]
            work.resolve_alerts(tx, company, over, hand.at)
        return sum(1 for mark in members if mark["outcome"] == "posted")

    def _refused(self, company: str, row: Mapping[str, object], error: Rejected) -> list[FlowctlError]:
        """The source said no: find the bad one by telling each alone; a single refused one goes to a person."""
        with self.world.store.write(company) as tx:
            now = tx.one("mark_call_get", {"id": row["id"]})
            if now is None or now["state"] != "waiting":  # another process has told it meanwhile, and knows better
                return []
            members = tx.rows("marks_of_call", {"call_id": row["id"]})
            if len(members) > 1:
                marks.split(tx, company, row, self.world.at())
                return []
            marks.finish(tx, int(str(row["id"])), "refused")
            alert = work.Alert(
                "mark",
                f"{row['flow']}/{row['kind']}/{members[0]['source_id']}",
                f"{row['flow']}/{row['kind']}/{members[0]['source_id']}: the source refused to be told: {error}",
                error.hint or "look at the record in the source; mark it there by hand if it is right",
            )
            work.raise_alert(tx, company, alert, self.world.at())
        return [error]

    def _trouble(self, tx: Tx, company: str, subject: tuple[str, str, str], error: FlowctlError) -> None:
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
