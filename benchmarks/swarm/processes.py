"""The replicas and workers: `flowctl serve` processes that are killed and started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

BOOT = "import sys; from engine.cli.main import main; main()"
START_S = 180.0


@dataclass(slots=True)
class Member:
    """One process, at the same port again and again. A worker runs what is due; a server only answers."""

    name: str
    port: int
    home: Path
    flow: Path
    is_worker: bool
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it; it is not ready yet."""
        arguments = ["serve", str(self.flow), "--home", str(self.home), "--port", str(self.port), "--no-panel"]
        role = "--workers-only" if self.is_worker else "--no-schedule"
        arguments = ["serve", str(self.flow), "--home", str(self.home), "--port", str(self.port), "--no-panel", role]
        with (self.home / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BOOT, *arguments], stdout=log, stderr=log, env={**os.environ, "NO_COLOR": "1"}
            )
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
            self.process.wait(20)

    def stop(self) -> None:
        """SIGTERM, as an upgrade would."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def is_up(self) -> bool:
        """Whether it runs, ready or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def listens(self) -> bool:
        """Whether calls reach it."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def ready(self) -> bool:
        """Wait until it answers that it is ready; False when it has ended, or never does."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.is_up:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                    return int(answer.status) == 200
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        return False


@dataclass(slots=True)
class Killer:
    """Kills one of them every few seconds and starts it again at once."""

    members: Sequence[Member]
    every_s: float
    chance: random.Random
    stopping: threading.Event = field(default_factory=threading.Event)
    kills: dict[str, int] = field(default_factory=dict)
    died: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until it is stopped."""
        while not self.stopping.wait(self.every_s * self.chance.uniform(0.5, 1.5)):
            for gone in [member for member in self.members if not member.is_up]:
                # Nobody killed it: that is a finding.
                self.died.append(gone.name)
                gone.start()
            # One that still starts is left alone: else a slow machine would never have one that answers.
            member = self.chance.choice([member for member in self.members if member.listens] or self.members)
            member.kill()
            kind = "worker" if member.is_worker else "server"
            self.kills[kind] = self.kills.get(kind, 0) + 1
            member.start()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
