"""A PostgreSQL of one's own for a while: made in a temporary folder, reached by a socket in it, removed at the end.

For demos and tests: nothing of it is durable, and nobody but this user reaches it. It ends with the process that started it,
however that ends: a watcher waits on a pipe whose other end closes then.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from psycopg import Connection, OperationalError, sql

from engine.errors import UsageError

_ROLE = "flowctl"
_START_S = 60.0
# What a killed process leaves is ended and removed by the watcher.
_WATCH = 'read -r _; "$1/pg_ctl" -D "$2/data" -m immediate stop; rm -rf "$2"'
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB")


class NoPostgres(UsageError):
    """PostgreSQL's server programs are not installed here."""

    hint = "install PostgreSQL, such as Debian's package `postgresql`"


class CannotStart(UsageError):
    """The private PostgreSQL did not start."""

    hint = "look whether the disk has room, and whether the user `postgres` or `nobody` exists"


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs, of the newest version that is installed; None when there are none."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True
    )
    found = shutil.which("initdb")
    if found is not None:
        folders.append(Path(found).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class PrivatePostgres:
    """A running server; `url` names a database in it. Every database belongs to a role that is no superuser."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder, self._process = folder, process

    def url(self, database: str = _ROLE) -> str:
        """Where a database is."""
        return f"postgresql://{_ROLE}@/{database}?host={self._folder}"

    @property
    def admin_url(self) -> str:
        """For what only a superuser may do."""
        return f"postgresql://postgres@/postgres?host={self._folder}"

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database, as a copy of another; its address.

        It orders texts as people do, and not byte by byte: what relies on that shows.
        """
        with Connection.connect(self.admin_url, autocommit=True) as connection:
            made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                *map(sql.Identifier, (database, _ROLE, template))
            )
            if template == "template0":
                made += sql.SQL(" ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'")
            connection.execute(made)
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        with Connection.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def stop(self) -> None:
        """End the server at once; what it keeps is removed with its folder."""
        self._process.kill() if self._process.poll() is None else None
        self._process.wait()


@contextmanager
def running(settings: Sequence[str] = _FAST) -> Iterator[PrivatePostgres]:
    """A server of our own with an empty database `flowctl`; it is gone when the block ends.

    Raises:
        NoPostgres: when it is not installed.
        CannotStart: when it does not start.
    """
    folder_of_programs = programs()
    if folder_of_programs is None:
        raise NoPostgres
    who = _who()
    folder = Path(tempfile.mkdtemp(prefix="flowctl-pg-"))
    if "user" in who:
        os.chown(folder, who["user"], who["group"])
    server: PrivatePostgres | None = None
    watcher = _watcher(folder_of_programs, folder)
    try:
        server = _started(folder_of_programs, folder, settings)
        with Connection.connect(server.admin_url, autocommit=True) as connection:
            connection.execute("CREATE ROLE flowctl LOGIN")
        server.create(_ROLE)
        yield server
    finally:
        if server is not None:
            server.stop()
        # Before its pipe closes: there is nothing left for it to do.
        watcher.kill()
        watcher.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def _watcher(programs: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Ends the server and removes the folder when this process is gone without having done it."""
    return subprocess.Popen(  # noqa: S603 - a shell, and words of ours
        ["/bin/sh", "-c", _WATCH, "flowctl-pg-watcher", programs, folder],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        # In a session of its own: what interrupts a terminal's processes does not end it.
        start_new_session=True, env=_environment(programs), **_who(),
    )  # fmt: skip


def _started(programs: Path, folder: Path, settings: Sequence[str]) -> PrivatePostgres:
    data, log = folder / "data", folder / "log"
    who, environment = _who(), _environment(programs)
    made = subprocess.run(  # noqa: S603 - a program that we found ourselves
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
        capture_output=True, check=False, cwd="/", env=environment, **who,
    )  # fmt: skip
    if made.returncode:
        raise CannotStart(f"the private PostgreSQL did not start: {_last(made.stderr)}")
    given = [part for setting in settings for part in ("-c", setting)]
    with log.open("wb") as written:
        process = subprocess.Popen(  # noqa: S603 - as above
            [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", *given],
            stdin=subprocess.DEVNULL, stdout=written, stderr=written, cwd="/", env=environment, **who,
        )  # fmt: skip
    server = PrivatePostgres(folder, process)
    _await(server, process, log)
    return server


def _await(server: PrivatePostgres, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while True:
        with suppress(OperationalError), Connection.connect(server.admin_url, connect_timeout=5):
            return
        if process.poll() is not None or time.monotonic() > until:
            server.stop()
            raise CannotStart(f"the private PostgreSQL did not start: {_last(log.read_bytes())}")
        time.sleep(0.02)


def _environment(programs: Path) -> dict[str, str]:
    return {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _who() -> dict[str, Any]:
    """As whom it runs, in the words of `subprocess`."""
    user = _user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [user.pw_gid]}


def _user() -> pwd.struct_passwd | None:
    """As whom it runs: it refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise CannotStart("the private PostgreSQL did not start: it cannot run as root, and there is no other user")


def _last(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"


def _number(name: str) -> float:
    with suppress(ValueError):
        return float(name)
    return 0.0
