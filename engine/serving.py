"""A server in a thread, for demos and sandboxes, and sockets for all servers."""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from engine.errors import UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from engine.contract import Handler


# A call of the Web Connector is answered within 5 seconds; containers are killed 10 seconds after they were told to stop.
SHUTDOWN_S = 7
# What has not ended by then is left as a power cut would leave it, and the process ends all the same.
LAST_S = 9.5


class PortTaken(UsageError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError | TypeError) -> None:
        # A name that cannot be encoded for the DNS is a TypeError to Python's sockets.
        reason = "this is no host name" if isinstance(error, TypeError) else error.strerror or str(error)
        hint = "choose another --port, or end the process that has it"
        if isinstance(error, TypeError | socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            hint = "give as --host an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"
        elif error.errno == errno.EACCES:
            hint = "choose a --port above 1023, which needs no special rights"
        super().__init__(f"cannot listen on {host}:{port}: {reason}", hint=hint)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        PortTaken: when the system refuses.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off; without it each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except (OSError, TypeError) as error:
        listener.close()
        raise PortTaken(host, port, error) from error
    return listener


def config(app: Any) -> uvicorn.Config:
    """How the server serves an application.

    When it is told to stop, whoever is being answered has so long for the rest; who reads slowly or never keeps it no
    longer. It is less than what service managers wait for before they kill.
    """
    import uvicorn

    from engine.httpguard import Guarded

    return uvicorn.Config(
        app,
        http=Guarded,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=65,
        limit_concurrency=512,
        timeout_graceful_shutdown=SHUTDOWN_S,
        server_header=False,
    )


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve an application until the process is told to stop, by SIGTERM or from the keyboard.

    `app.state.ending` is called as soon as that is heard, while the last answers are given. Within ten seconds of it this
    returns, or the process has ended with status 0.

    Raises:
        SystemExit: 0, after SIGTERM.
        KeyboardInterrupt: when it was stopped from the keyboard.
    """
    import uvicorn

    class Ending(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            last = threading.Timer(LAST_S, _leave)
            last.daemon = True
            last.start()
            app.state.ending()
            await super().shutdown(sockets)

    # uvicorn raises the signal once more when it is done, and nobody but us would close the store then.
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        Ending(config(app)).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _leave() -> NoReturn:
    from engine.log import logger

    hint = "nothing is lost: what was under way is taken up by another process, or by the next one"
    logger().warning("ended with work under way", seconds=LAST_S, hint=hint)
    os._exit(0)


def looks_for_garbage_seldom() -> None:
    """Pass over all that a process was started with when it looks for garbage: each whole look at it holds up answers.

    The modules and compiled flows of a server are a hundred thousand objects that stay; to look at them took 60 ms.
    """
    gc.collect()
    gc.freeze()
    # By default Python looks after each 700 new objects, which are three answers.
    gc.set_threshold(50_000, 20, 50)


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """Serve an application on a free loopback port from a thread; yields its base URL and stops with the block."""
    import uvicorn

    listener = bind("127.0.0.1", 0)
    made = config(app)
    made.timeout_graceful_shutdown = 5
    server = uvicorn.Server(made)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="flowctl-server", daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started and thread.is_alive():
        ready.wait(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def app_of(handler: Handler) -> Starlette:
    """An application that answers every path with one synchronous handler."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    from engine.server import mounted

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{rest:path}", mounted(handler, limit=32 * 1024 * 1024), methods=methods)])
