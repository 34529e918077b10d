"""The world in which the documentation's commands are typed: simulated vendors, and a store with records in many states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from connectors.freshbooks.sandbox import FreshBooksSandbox
from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.simulator import user_deletes, user_edits
from connectors.ramp.sandbox import RampSandbox
from engine import registry
from engine.access.passwords import hash_password
from engine.cli import common
from engine.connections.connecting import connect
from engine.contract import Handler, Login, Served
from engine.desk import StoreOutbox
from engine.runner import Runner
from engine.serving import running
from engine.simulated import Called, Sandbox, Simulated
from engine.store import companies
from engine.world import World
from tests.cli.cli_kit import Cli
from tests.cli.shelf import shelf

COMPANIES = ("main", "acme")
FLOW = "ramp_to_quickbooks"
GAP = {"external_id": "ramp-only-1", "name": "Client Gifts"}
_SIZES = {"bills": 5, "transactions": 6, "vendors": 3, "expenses": 4}


@dataclass(frozen=True)
class Stage:
    """What the pages' commands meet. `home` is copied for each page; the vendors are shared.

    `settings` and `secrets` are those of each connection of `acme`; `names` are ids of this world by what they stand for.
    """

    home: Path
    settings: Mapping[str, Mapping[str, str | int | bool]]
    secrets: Mapping[str, Mapping[str, str]]
    names: Mapping[str, str]
    freshbooks: FreshBooksSandbox

    def code(self) -> str:
        """What FreshBooks' page gives back once a person has allowed the app."""
        return self.freshbooks.simulator.grants.code(lasting=True)


@dataclass
class _Books:
    """A company file and the way to the server that it calls."""

    sandbox: QuickBooksSandbox
    handler: Handler
    login: tuple[str, str]

    def visit(self) -> None:
        visit = self.sandbox.visit_handler(self.handler, *self.login)
        assert (visit["errors"], visit["outcome"] in ("done", "no_work")) == ([], True), visit["transcript"]


@contextmanager
def prepared(home: Path) -> Iterator[Stage]:
    """Both companies connected with simulated vendors; in `main` bills are posted, edited, deleted, waiting and failed."""
    with ExitStack() as stack:
        settings: dict[str, Mapping[str, str | int | bool]] = {}
        secrets: dict[str, Mapping[str, str]] = {}
        with common.opened(home) as world:
            with world.store.write() as tx:
                companies.add(tx, "bare", "bare", world.at())
            for company in COMPANIES:
                with world.store.write() as tx:
                    companies.add(tx, company, company, world.at())
                names = ("ramp",) if company == "main" else ("ramp", "bill", "expensify", "freshbooks")
                books = _books(world, company)
                for name in names:
                    sandbox = _sandbox(world, company, name, books.sandbox)
                    assert isinstance(sandbox, Called)
                    plain, sealed = sandbox.binding(stack.enter_context(running(sandbox.app())))
                    connector = registry.find(name)
                    assert connector is not None
                    hidden = {f.name for f in connector.spec.settings if f.secret}
                    settings[name] = {key: value for key, value in plain.items() if key not in hidden}
                    secrets[name] = {**sealed, **{key: str(value) for key, value in plain.items() if key in hidden}}
                    connect(world, company, name, name, settings[name], secrets[name])
                    if company == "acme" and isinstance(sandbox, RampSandbox):
                        ramp = sandbox
                        connect(world, "bare", name, name, settings[name], secrets[name])
                    if isinstance(sandbox, FreshBooksSandbox):
                        freshbooks = sandbox
                _post(world, company, books)
                if company == "main":
                    edited, deleted = _meddle(home, world, company, books)
        with shelf(Cli(home, {})) as desk:
            desk.record("4c7e2a10-failed", "failed", stream="bills", reference="INV-1042")
        opened = next(iter(ramp.simulator.world.transactions))
        owner = next(iter(ramp.simulator.world.users.values())).email
        # The code of the authorization is good once: what it gives is kept in the store that the pages copy.
        assert Cli(home, {})("doctor", "--company", "acme").status == 0
        yield Stage(
            home,
            settings,
            secrets,
            {"edited": edited, "deleted": deleted, "transaction": opened, "owner": owner},
            freshbooks,
        )


def _sandbox(world: World, company: str, name: str, books: QuickBooksSandbox) -> Sandbox:
    connector: object = registry.find(name)
    assert isinstance(connector, Simulated)
    # What newer pages speak of is in the newer profile of Ramp's API alone.
    profile = {"profile": "2026-08"} if company == "acme" else {}
    return connector.sandbox(7, world.clock, {**_SIZES, **profile, "chart": books.chart(), "gaps": [GAP]})


def _books(world: World, company: str) -> _Books:
    connector: object = registry.find("qbwc")
    assert isinstance(connector, Simulated)
    assert isinstance(connector, Served)
    sandbox = connector.sandbox(7, world.clock, {})
    assert isinstance(sandbox, QuickBooksSandbox)
    settings, secrets = sandbox.binding("http://localhost:8765")
    user = f"{settings['user']}-{company}"
    connect(world, company, "books", "qbwc", {**settings, "user": user}, secrets)
    with world.store.write() as tx:
        companies.put_login(tx, Login(company, user, hash_password(secrets["password"])), world.at())
    handler = connector.handler(StoreOutbox(world, {FLOW: common.program(FLOW)}), world.clock, world.ids)
    return _Books(sandbox, handler, (user, secrets["password"]))


def _post(world: World, company: str, books: _Books) -> None:
    """Reads and visits until what can be posted is."""
    runner = Runner(world)
    for _ in range(3):
        assert runner.run(common.program(FLOW), company).errors == ()
        books.visit()
        assert runner.tell(common.program(FLOW), company)[1] == []


def _meddle(home: Path, world: World, company: str, books: _Books) -> tuple[str, str]:
    """Somebody edits one posted bill in QuickBooks and deletes another; returns the ids of their records."""
    first, second = list(books.sandbox.company.txns("Bill"))[:2]
    user_edits(books.sandbox.company, first.txn_id, amount=first.amount + Decimal("0.01"))
    user_deletes(books.sandbox.company, second.txn_id)
    assert Cli(home, {})("reconcile", "--from", "2000-01-01", "--to", "2099-12-31").status == 1
    books.visit()
    with world.store.write() as tx:  # the hourly look comes by itself; here it comes now
        tx.run("fact_drop", {"company": company, "name": "check"})
    books.visit()
    with world.store.read() as tx:
        rows = tx.rows("compared_records", {"company": company, "after": 0, "limit": 1000})
    found = {str(row["target_id"]): str(row["source_id"]) for row in rows}
    return found[first.txn_id], found[second.txn_id]
