"""Sets the store up: so many companies, each with its own company file and its own business in Ramp."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from pathlib import Path

from benchmarks.swarm.options import Options, code, user
from benchmarks.swarm.vendors import CLIENT, Chart
from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import Application
from connectors.qbwc.spec import OWNER_ID
from connectors.ramp.sandbox import WEBHOOK_SECRET
from engine.access.passwords import hash_password
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.contract import Login
from engine.store import companies
from engine.world import World

PASSWORD = "password-of-the-swarm"
FLOW = "ramp_to_quickbooks"
BATCH = 100


def books(options: Options) -> list[QuickBooksSandbox]:
    """A company file for each company; its FileID is its own, and so are the ids in it."""
    clock, made = SystemClock(), []
    for number in range(options.companies):
        file_id = uuid.UUID(int=random.Random(f"{options.seed}:{number}").getrandbits(128), version=4)
        company = make_books(options.seed * 1_000_000 + number, clock, {}).company
        application = Application(owner_id=OWNER_ID, file_id=f"{{{str(file_id).upper()}}}")
        made.append(QuickBooksSandbox(company, application))
    return made


def charts(files: Sequence[QuickBooksSandbox]) -> list[Chart]:
    """What each business in Ramp codes to."""
    return [file.chart() for file in files]


def add_companies(world: World, files: Sequence[QuickBooksSandbox], vendors_url: str) -> None:
    """The first company as `flowctl connect` adds it, the others by the engine's functions below that.

    All Web Connectors have one password, whose hash has the full cost and is made once: hashing it a thousand times would
    measure nothing.
    """
    _first(world, files[0], vendors_url)
    hashed = hash_password(PASSWORD)
    for start in range(1, len(files), BATCH):
        numbers = range(start, min(start + BATCH, len(files)))
        with world.store.write() as tx:
            for number in numbers:
                name, at = code(number), world.at()
                companies.add(tx, name, name, at)
                settings, secrets = _ramp(number, vendors_url)
                companies.put_connection(tx, name, "ramp", "ramp", settings, at)
                for key, secret in secrets.items():
                    companies.put_secret(tx, world.vault, name, "ramp", key, secret, at)
                companies.put_connection(tx, name, "books", "qbwc", _books(number, files[number]), at)
                companies.put_login(tx, Login(name, user(number), hashed), at)


def _first(world: World, file: QuickBooksSandbox, vendors_url: str) -> None:
    connect(world, code(0), "ramp", "ramp", *_ramp(0, vendors_url))
    connect(world, code(0), "books", "qbwc", _books(0, file), {"password": PASSWORD})


def _ramp(number: int, vendors_url: str) -> tuple[dict[str, str | int | bool], dict[str, str]]:
    from connectors.ramp.simulator import Options as RampOptions

    known = RampOptions()
    settings: dict[str, str | int | bool] = {
        "base_url": vendors_url,
        "client_id": f"{CLIENT}{number}",
        "api_profile": "2025-08",
    }
    return settings, {"client_secret": known.client_secret, "webhook_secret": WEBHOOK_SECRET}


def _books(number: int, file: QuickBooksSandbox) -> dict[str, str | int | bool]:
    application = file.application
    return {
        "user": user(number),
        "app_url": "http://localhost:8765/qbwc",
        "file_id": application.file_id,
        "owner_id": application.owner_id,
        # A Web Connector that is silent for so long no longer keeps the next session from writing.
        "request_timeout_s": 10,
    }


def flow_file(folder: Path) -> Path:
    """The shipped flow, read every few minutes: what a webhook did not tell is found before the end."""
    from engine.shipped import shipped

    text = (shipped("flows") / f"{FLOW}.yaml").read_text(encoding="utf-8")
    text = text.replace("every: 1h", "every: 2m").replace("every: 6h", "every: 10m")
    path = folder / f"{FLOW}.yaml"
    path.write_text(text, encoding="utf-8")
    return path
