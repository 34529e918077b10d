"""Checks of an installation and of a company's connections: each finding says what is wrong and what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from engine import holdings, registry
from engine.abilities import Scoped, Tried
from engine.clock import Clock, from_iso
from engine.connections.authorizing import Authorizes
from engine.connections.binding import stands_in
from engine.contract import Agent, Binding, Connector
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.durable import served
from engine.errors import FlowctlError, UsageError
from engine.evidence import PUT_BACK, is_resting
from engine.model import Flow
from engine.overview import age, refused, times
from engine.store import companies, facts, journal, keys, stops, whereabouts, work
from engine.store.base import Store, Tx
from engine.store.sqlite import SqliteStore
from engine.validate import validate
from engine.vault import KEY_VARIABLE, load_key, place_of
from engine.webhooks import confirming, deliveries
from engine.world import World

Level = Literal["ok", "warn", "FAIL"]
_NEEDED = (3, 11)
# UPSERT with RETURNING, which the store's statements use (sqlite.org/lang_returning.html).
_OLDEST_SQLITE = (3, 35, 0)
_FREE_WARN, _FREE_FAIL = 1 << 30, 50 << 20
_UNSEEN_WARN_S = 24 * 3600
_BUILT = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing."""

    level: Level
    subject: str
    message: str
    hint: str = ""


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> None: ...


def machine(home: Path, clock: Clock) -> Iterator[Finding]:
    """What the process stands on: Python, SQLite, disk, key, clock."""
    version = ".".join(map(str, sys.version_info[:3]))
    python_ok = sys.version_info[:2] >= _NEEDED
    yield Finding("ok" if python_ok else "FAIL", "python", version, "" if python_ok else "install Python 3.11 or newer")
    sqlite_ok = sqlite3.sqlite_version_info >= _OLDEST_SQLITE
    hint = "" if sqlite_ok else "use a Python that brings SQLite 3.35 or newer"
    yield Finding("ok" if sqlite_ok else "FAIL", "sqlite", sqlite3.sqlite_version, hint)
    yield _disk(home)
    yield _key(home)
    now = clock.now()
    late = now < _BUILT
    clock_hint = "set the clock: tokens, schedules and the journal depend on it" if late else ""
    yield Finding("FAIL" if late else "ok", "clock", now.strftime("%Y-%m-%d %H:%M:%S UTC"), clock_hint)


def _disk(home: Path) -> Finding:
    place = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.is_dir())
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding("FAIL", "disk", f"{place}: {error.strerror}", "give another --home")
    text = f"{free / (1 << 30):.1f} GiB free at {place}"
    if not os.access(place, os.W_OK):
        return Finding("FAIL", "disk", f"{place} cannot be written to", "give another --home, or change its owner")
    if free < _FREE_FAIL:
        return Finding("FAIL", "disk", text, "free disk space: nothing can be kept any more")
    return Finding("warn", "disk", text, "free disk space soon") if free < _FREE_WARN else Finding("ok", "disk", text)


def _key(home: Path) -> Finding:
    place = place_of(home)
    given = KEY_VARIABLE in os.environ
    if not given and not (home / "key").exists():
        if (home / whereabouts.DATABASE).exists():
            hint = f"put the key back, or set {KEY_VARIABLE}; without it every connection must be connected again"
            return Finding("FAIL", "key", f"there is a store at {home} and no key", hint)
        return Finding("ok", "key", "none yet; `flowctl company add NAME` makes one")
    try:
        vault = load_key(home, create=False)
    except UsageError as error:
        return Finding("FAIL", "key", str(error), error.hint or "")
    except (OSError, UnicodeDecodeError) as error:
        return Finding("FAIL", "key", f"{place.words} cannot be read: {_said(error)}", "put the right file back")
    where = place.words if place.path else f"the variable {KEY_VARIABLE}"
    return Finding("ok", "key", f"{vault.key_id} from {where}")


def store_of(world: World, checkpoints: Path | None = None) -> Iterator[Finding]:
    """The store file: its mode, its integrity, that every journal follows from its first line, and from the checkpoints."""
    store = world.store
    if isinstance(store, SqliteStore):
        mode = store.connection.execute("PRAGMA journal_mode").fetchone()[0]
        problem = store.integrity_problem()
        if problem:
            yield Finding("FAIL", "store", f"damaged: {problem}", "stop flowctl and restore the newest backup")
            return
        yield Finding("ok", "store", f"whole; journal mode {mode}")
    else:
        yield from _database(store)
    with store.read() as tx:  # nothing is handed out from inside: a slow reader of ours would hold up writers
        journals = [_journal(tx, company, world.clock) for company in companies.names(tx)]
        strangers = work.refusals(tx, "", world.clock.now())
        running = served.processes(world, tx)
    yield from _processes(running)
    yield from journals
    if checkpoints is not None:
        yield _checkpoints(world, checkpoints)
    if strangers is not None:
        message = f"{refused(world.clock, strangers)}, a user name that nobody has"
        hint = "give the Web Connector the file that `flowctl qwc` writes: it holds the right user name"
        yield Finding("warn", "Web Connector", message, hint)
    yield _sealed(world)


def _processes(running: Sequence[served.Process]) -> Iterator[Finding]:
    """Whether all that do work on the store serve the same."""
    differing = list(served.mixed(running))
    for what in differing:
        subject = f"flow {what.flow}" if what.flow else "processes"
        yield Finding("warn", subject, f"{what.says}: {what.detail}", what.hint)
    if running and not differing:
        noun = "process does work" if len(running) == 1 else "processes do work"
        same = "" if len(running) == 1 else ", all from the same files"
        yield Finding("ok", "processes", f"{len(running)} {noun} on this store{same}")


def flows_served(world: World, flows: Iterable[Flow]) -> Iterator[Finding]:
    """Whether what runs is what the flow files say now."""
    with world.store.read() as tx:
        running = served.processes(world, tx)
    for flow in flows:
        late = served.outdated(running, flow)
        if late:
            message = f"{late[0].words} was started with another content of this file, or of the templates beside it"
            hint = f"start `flowctl serve` anew there; this command looked at {flow.path}"
            yield Finding("warn", f"flow {flow.name}", message, hint)


def _database(store: Store) -> Iterator[Finding]:
    from engine.store.pgcheck import checks
    from engine.store.postgres import PostgresStore

    if isinstance(store, PostgresStore):
        yield from (Finding(said.level, said.subject, said.message, said.hint) for said in checks(store))


def _journal(tx: Tx, company: str, clock: Clock) -> Finding:
    subject = f"journal {company}"
    broken = journal.verify(tx, company)
    if broken is not None:
        hint = "keep this store as evidence and restore the newest backup whose journal is whole"
        return Finding("FAIL", subject, f"line {broken.seq}: {broken.reason}", hint)
    head = tx.one("journal_head", {"company": company})
    count = head["seq"] if head else 0
    newest = next(journal.lines(tx, company, after=count - 1, page=1), None) if count else None
    if newest is not None and (from_iso(newest["at"]) - clock.now()).total_seconds() > 60:
        return Finding("warn", subject, f"its newest line is in the future: {newest['at']}", "set the clock")
    return Finding("ok", subject, f"{count} lines, the chain is whole")


def _checkpoints(world: World, path: Path) -> Finding:
    """Whether the journals are still those that were signed."""
    from engine.audit.standing import standing

    try:
        found = standing(world, path)
    except OSError as error:
        return Finding("FAIL", "checkpoints", f"{path.name} cannot be read: {_said(error)}", "put the folder right")
    if found.elsewhere:
        message = f"another machine writes them, the newest at {found.elsewhere}; not held against the journals here"
        return Finding("warn", "checkpoints", message, "run `flowctl audit verify` on the machine that has them")
    if found.problem:
        hint = (
            "look with `flowctl audit verify`; after a restore that you made yourself, `flowctl audit checkpoint --accept "
            "REASON` goes on from here"
        )
        return Finding("FAIL", "checkpoints", found.problem, hint)
    if found.is_cut:
        message = f"the time was over before all were looked at; the first {found.checkpoints} fit the journals"
        return Finding("warn", "checkpoints", message, "`flowctl audit verify` looks at all of them")
    if not found.checkpoints:
        return Finding("ok", "checkpoints", "none yet; `flowctl serve` writes them")
    return Finding(
        "ok", "checkpoints", f"{found.checkpoints}, the newest of {found.newest_at}; the journals go on from them"
    )


def _sealed(world: World) -> Finding:
    """Whether the key at hand opens what is sealed."""
    with world.store.read() as tx:
        known = {"", world.vault.key_id, *(row["key_id"] for row in tx.rows("data_keys_all", {}))}
        others = keys.in_use(tx).keys() - known
    if others:
        message = f"some secrets are sealed with another key: {', '.join(sorted(others))}"
        return Finding("FAIL", "secrets", message, "use that key, or connect again with `flowctl connect`")
    return Finding("ok", "secrets", f"sealed with the key {world.vault.key_id}")


def flows_of(paths: Sequence[Path]) -> Iterator[Finding]:
    """Whether the flow files are sound."""
    for path in paths:
        try:
            report = validate([path])
        except UsageError as error:
            yield Finding("FAIL", f"flow {path.stem}", str(error), error.hint or "")
            continue
        if report.ok:
            warnings = report.count("warning")
            note = f", {warnings} warnings" if warnings else ""
            yield Finding("ok", f"flow {path.stem}", f"valid{note}")
        else:
            first = next(p for p in report.problems if p.level == "error")
            message = f"{report.count('error')} errors, the first: {str(first).splitlines()[0]}"
            yield Finding("FAIL", f"flow {path.stem}", message, f"run `flowctl validate {path}`")


def company_of(world: World, company: str, *, offline: bool) -> Iterator[Finding]:
    """Every connection of a company, and when the Web Connector last came.

    Raises:
        UnknownName: when there is no such company.
    """
    with world.store.read(company) as tx:
        companies.require(tx, company)
        rows = companies.connections(tx, company)
        paused = stops.pauses(tx, company)
        troubles = [
            *_books(tx, company),
            *_failed_runs(tx, company, world.clock),
            *_connection_alerts(tx, company, world.clock),
        ]
    for pause in paused:
        what, name = (
            (f"flow {company}/{pause['flow']}", f" {pause['flow']}") if pause["flow"] else (f"company {company}", "")
        )
        hint = f"nothing is read or sent until it goes on: `flowctl resume{name}{of_company(company)}`"
        yield Finding("warn", what, f"is paused by {pause['actor']}: {pause['why']}", hint)
    if not rows:
        hint = f"run `flowctl connect NAME{of_company(company)}`"
        yield Finding("warn", f"company {company}", "has no connections", hint)
    for row in rows:
        yield from connection_of(world, company, row["connection"], offline=offline)
    yield from troubles


def _books(tx: Tx, company: str) -> Iterator[Finding]:
    """Whether posting is halted, and what was posted and is gone from the target."""
    where = of_company(company)
    halted = holdings.halted(tx, company)
    put_back = facts.recall(tx, company, PUT_BACK)
    if put_back and is_resting(put_back):
        message = (
            f"the store was put back at {put_back['at'][:16].replace('T', ' ')} UTC, and nothing was written since"
        )
        still = "let the Web Connector update twice, half an hour apart, or open the company file in single-user mode"
        yield Finding("warn", f"{company}/posting", message, still)
    gone = tx.rows("records_vanished", {"company": company})
    hint = f"`flowctl reconcile{where}` lists them; decide with --post-again or --leave-out"
    if halted is not None:
        yield Finding("FAIL", f"{company}/posting", f"is halted: {halted}", hint)
    elif gone:
        noun = "a posted record is" if len(gone) == 1 else f"{len(gone)} posted records are"
        yield Finding("warn", f"{company}/posting", f"{noun} no longer in the target", hint)


def _failed_runs(tx: Tx, company: str, clock: Clock) -> Iterator[Finding]:
    where = of_company(company)
    for row in tx.rows("runs_newest", {"company": company}):
        if row["outcome"] == "failed":
            message = f"the last run failed {age(clock, row['ended_at'] or row['started_at'])} ago"
            hint = f"`flowctl status{where}` shows the alerts, `flowctl run {row['flow']}{where}` tries again"
            yield Finding("warn", f"{company}/{row['flow']}", message, hint)


def _connection_alerts(tx: Tx, company: str, clock: Clock) -> Iterator[Finding]:
    for row in work.alerts(tx, company):
        if row["kind"] == "connection":
            flow = row["subject"].partition("/")[0]
            seen = f"seen {times(row['times'])}, last {age(clock, row['last_at'])} ago"
            message = f"{row['message']} ({seen})"
            yield Finding("warn", f"{company}/{flow}", message, row["hint"] or "it is tried again by itself")


def connection_of(world: World, company: str, connection: str, *, offline: bool = False) -> Iterator[Finding]:
    """A connection: its settings, and whether the credentials reach the other side and may do what they must."""
    subject = f"{company}/{connection}"
    try:
        connector, binding = world.bound(company, connection)
    except FlowctlError as error:
        yield Finding("FAIL", subject, str(error), error.hint or "")
        return
    problems = connector.check(binding)
    for problem in problems:
        level: Level = "FAIL" if problem.level == "error" else "warn"
        yield Finding(level, subject, f"{problem.where}: {problem.message}", problem.hint or "")
    if any(problem.level == "error" for problem in problems):
        return
    if isinstance(connector, Authorizes):
        found = _permission(world, company, connection, connector, binding)
        yield found
        if found.level == "FAIL":
            return
    yield from _handshakes(world, company, connection)
    yield from _refused(world, company, connection)
    if connector.spec.delivery == "pull":
        yield from _agent(world, company, connection, connector, binding)
    elif offline:
        yield Finding("ok", subject, "settings are complete; not called (--offline)")
    else:
        yield from _called(world, company, connection, connector, binding)


def _handshakes(world: World, company: str, connection: str) -> Iterator[Finding]:
    """Whether webhooks wait to be confirmed although a server was there to do it."""
    with world.store.read(company) as tx:
        waiting = confirming.waiting(tx, company, connection)
    if waiting.count:
        noun = "handshake of a webhook waits" if waiting.count == 1 else "handshakes of webhooks wait"
        tried = f"tried {times(waiting.attempts)}" if waiting.attempts else "not tried yet"
        hint = "`flowctl serve` confirms them, unless it was started with --no-schedule; its log says what fails"
        yield Finding("warn", f"{company}/{connection}", f"{waiting.count} {noun} to be confirmed, {tried}", hint)


def _refused(world: World, company: str, connection: str) -> Iterator[Finding]:
    """Whether the newest webhook was refused for its signature: then the vendor's secret may be another by now."""
    with world.store.read(company) as tx:
        found = [one for one in deliveries.health(world, tx, company) if one.connection == connection]
    for one in found:
        forged = next((counted for counted in one.counted if counted.kind == "forged"), None)
        if forged is not None and (one.newest is None or one.newest["last_at"] < forged.last_at):
            text = f"the newest webhook had a wrong signature, or none; {forged.times:,} of them in the last 7 days"
            again = f"flowctl webhook subscribe {connection}{of_company(company)} --url ADDRESS"
            hint = f"when it was the vendor's, its secret is another by now: `{again}` makes a new one"
            yield Finding("warn", f"{company}/{connection}", text, hint)


def _permission(world: World, company: str, connection: str, connector: Authorizes, binding: Binding) -> Finding:
    """Whether a person has allowed it, and when the token that is kept ends."""
    subject, again = f"{company}/{connection}", f"flowctl connect {connection}{of_company(company)}"
    with world.store.read(company) as tx:
        token = companies.token(tx, world.vault, company, connection)
    found = connector.permission(binding, token)
    if found is None:
        hint = f"run `{again}` and allow it on the page that it shows"
        return Finding("FAIL", subject, "nobody has allowed flowctl to read this account yet", hint)
    if found.ends_at is None:
        return Finding("ok", subject, "an authorization code is kept; the first read exchanges it")
    ends = f"its access token ends at {found.ends_at.strftime('%Y-%m-%d %H:%M')} UTC and is renewed by itself"
    if found.doubt:
        hint = f"if reading fails, run `{again}` and allow it once more"
        return Finding("warn", subject, f"allowed; {ends}; {found.doubt}", hint)
    return Finding("ok", subject, f"allowed; {ends}")


def _agent(world: World, company: str, connection: str, connector: Connector, binding: Binding) -> Iterator[Finding]:
    """A connection that calls us: is there a password, is a company file bound, when did it last come."""
    subject, user = f"{company}/{connection}", str(binding.settings.get("user", ""))
    with world.store.read(company) as tx:
        logins = companies.logins(tx, company)
        bound = companies.identity(tx, company)
        session = tx.one("session_newest", {"company": company})
        refusals = work.refusals(tx, company, world.clock.now())
    if isinstance(connector, Agent) and user not in logins:
        hint = f"run `flowctl qwc --new-password --company {company}`"
        yield Finding("FAIL", subject, f"the user `{user}` has no password", hint)
        return
    yield Finding("ok", subject, f"the user `{user}` may sign in")
    if bound is None:
        yield Finding("warn", subject, "no company file is bound yet", "let the Web Connector call once")
    else:
        yield Finding("ok", subject, f"bound to the company file `{bound.get('company_name', '')}`")
    if refusals is not None:
        where = of_company(company)
        hint = (
            "type the password again in the Web Connector; when it is lost, "
            f"`flowctl qwc --new-password{where}` makes another"
        )
        yield Finding("warn", subject, f"the Web Connector was {refused(world.clock, refusals)}", hint)
    if session is None and refusals is not None:
        return
    if session is None:
        hint = "install the file that `flowctl qwc` writes, and press Update Selected"
        yield Finding("warn", subject, "the Web Connector never called", hint)
        return
    ago = age(world.clock, session["seen_at"])
    late = (world.clock.now() - from_iso(session["seen_at"])).total_seconds() > _UNSEEN_WARN_S
    hint = "is the Windows computer on, and Auto-Run ticked in the Web Connector?" if late else ""
    yield Finding("warn" if late else "ok", subject, f"the Web Connector last called {ago} ago", hint)


def _called(world: World, company: str, connection: str, connector: Connector, binding: Binding) -> Iterator[Finding]:
    """A connection that we call: try the credentials, compare the scopes."""
    subject = f"{company}/{connection}"
    try:
        opened = world.open(company, connection)
        with closing(opened if isinstance(opened, _Closable) else _Nothing()):
            granted = opened.granted() if isinstance(opened, Scoped) else None
            shown = opened.tried() if isinstance(opened, Tried) else ""
    except FlowctlError as error:
        yield Finding("FAIL", subject, str(error), error.hint or "check the credentials and the network")
        return
    if shown:
        takes = "accepts the credentials" if any(f.secret for f in connector.spec.settings) else "can be used"
        yield Finding("ok", subject, f"{connector.spec.title} {takes}; {shown}")
        return
    if granted is None:
        hint = "the connector has nothing to try them with: the first `flowctl run` shows whether they are right"
        yield Finding("warn", subject, f"{connector.spec.title}: settings are complete; credentials not tried", hint)
        return
    lacking = sorted(_asked(connector, binding) - granted)
    yield Finding("ok", subject, f"{connector.spec.title} accepts the credentials; {_scopes(len(granted))} granted")
    if lacking:
        hint = "grant them to the app there, or ask for fewer with `--set scopes=...`"
        yield Finding("FAIL", subject, f"scopes that were not granted: {', '.join(lacking)}", hint)


def _asked(connector: Connector, binding: Binding) -> set[str]:
    spec = next((entry for entry in connector.spec.settings if entry.name == "scopes"), None)
    value = binding.settings.get("scopes", spec.default if spec else "")
    return set(str(value or "").split())


class _Nothing:
    def close(self) -> None:
        """Nothing was opened."""


def roles_of(world: World, company: str, flows: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> Iterator[Finding]:
    """Which flows the company's connections complete; `flows` are names with (connection, connector) pairs."""
    with world.store.read(company) as tx:
        made = companies.connectors(tx, company)
    for name, wanted in flows:
        missing = [connection for connection, _ in wanted if connection not in made]
        other = [(c, k) for c, k in wanted if c in made and made[c] != k and not stands_in(k, made[c])]
        stand_ins = [
            f"`{c}` is {made[c]}, which stands for {k}" for c, k in wanted if c in made and stands_in(k, made[c])
        ]
        if other:
            connection, connector = other[0]
            message = f"`{connection}` is {made[connection]} here, and the flow wants {connector}"
            hint = f"run `flowctl connect {connection} {connector} --company {company}`"
            yield Finding("warn", f"{company}/{name}", message, hint)
        elif missing and len(missing) < len(wanted):
            message = f"not connected: {', '.join(missing)}"
            yield Finding(
                "warn",
                f"{company}/{name}",
                message,
                f"run `flowctl connect {missing[0]} --company {company}`, or, when the company does not use the flow, "
                f"`flowctl company flow {name} off --company {company}`",
            )
        elif not missing:
            yield Finding("ok", f"{company}/{name}", "; ".join(["all connections are made", *stand_ins]))


def connectors_of() -> Iterator[Finding]:
    """Whether every installed connector loads."""
    for name in registry.names():
        try:
            found = registry.find(name)
        except FlowctlError as error:
            yield Finding("FAIL", f"connector {name}", str(error), error.hint or "")
            continue
        yield Finding("ok", f"connector {name}", found.spec.title if found else "")


def _scopes(number: int) -> str:
    return "1 scope" if number == 1 else f"{number} scopes"


def _said(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is no ASCII text"
