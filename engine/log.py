"""Logs: one structured line an event on stderr; only known fields pass, and what looks like a secret is cut out."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO, cast

from engine.telemetry import correlation, meter, meters


@contextmanager
def _absent(package: str) -> Iterator[None]:
    """Inside, a package that others take where it is there cannot be imported."""
    before = sys.modules.get(package)
    sys.modules[package] = cast("ModuleType", None)
    try:
        yield
    finally:
        if before is None:
            del sys.modules[package]
        else:
            sys.modules[package] = before


# It would import `rich` for tracebacks, which are never printed: a tenth of the time until a server answers.
with _absent("rich"):
    import structlog

# Nothing else ever reaches a log line: payloads, tokens and personal data have no field to travel in.
ALLOWED = frozenset({
    "event", "level", "timestamp", "logger", "company", "flow", "stream", "run", "connection", "connector", "read", "intended",
    "deferred", "failed", "skipped", "posted", "marked", "state", "seconds", "error", "hint", "method", "status",
    "port", "host", "path", "url", "user", "version", "count", "due", "requests", "retry", "held", "correlation",
})  # fmt: skip
_SECRET = re.compile(
    r"(ramp_(?:business_|user_)?(?:tok|jwt|sec)_|Bearer\s+|Basic\s+|(?:password|secret|token|ticket|api_?key)[\"']?\s*[=:>]\s*[\"']?)[^\s\"'<>,;&]+",
    re.IGNORECASE,
)
# How often a library may say the same, and how many of its lines are remembered for that.
_REPEATED_S, _REMEMBERED = 10.0, 256
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def redact(text: str) -> str:
    """Cut out what looks like a secret, and control characters that could forge a line or drive a terminal."""
    return _CONTROL.sub("?", _SECRET.sub(r"\1***", text)).replace("\n", "\\n")


def _filter(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    belongs_to = correlation.current()
    if belongs_to:
        event.setdefault("correlation", belongs_to)
    meter.add(meters.LOG_LINES, str(event.get("level", "info")))
    kept = {k: v for k, v in event.items() if k in ALLOWED}
    return {k: redact(v) if isinstance(v, str) else v for k, v in kept.items()}


class _Stderr:
    """Standard error as it is at the moment: a full disk or a closed pipe must not stop what the log only speaks of."""

    def write(self, text: str) -> int:
        """Write, or leave it."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or leave it."""
        with suppress(OSError):
            sys.stderr.flush()


def configure(*, verbosity: int = 0, json: bool | None = None) -> None:
    """Log to stderr: as JSON when it is no terminal (or `json` says so), else as readable lines; alone in each."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _filter,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO - 10 * verbosity),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,
    )


class _Adopted(logging.Handler):
    """Lines of the libraries we stand on, as lines of our own: redacted, in one form, and without a traceback.

    The same line comes at most every ten seconds: a stranger who sends what is no HTTP must not fill the disk.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Say it; what cannot even be put into words is named by the library alone."""
        with suppress(Exception):
            text = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                text = f"{text.splitlines()[0]}: {type(error).__name__}: {error}"
            if self._is_news(f"{record.name} {text}"):
                logger().log(record.levelno, record.name, error=text)

    def _is_news(self, line: str) -> bool:
        now = time.monotonic()
        if now - self._said.get(line, float("-inf")) < _REPEATED_S:
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[line] = now
        return True


@contextmanager
def adopted() -> Iterator[None]:
    """Inside, what other libraries log comes through here; from warnings on, for they speak of their own inside."""
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [_Adopted(logging.WARNING)]
    try:
        yield
    finally:
        root.handlers[:] = before


def logger() -> structlog.typing.FilteringBoundLogger:
    """The one logger."""
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return found


def described(error: BaseException) -> str:
    """An unexpected error in one line: what, and the innermost place in our code; the log redacts it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "engine" in f.filename or "connectors" in f.filename]
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}: {error}{where}"
