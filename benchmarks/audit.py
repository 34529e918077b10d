"""The journal's campaign: one byte of a random field of a random line is changed, and has to be found; and how fast.

`python -m benchmarks.audit --lines 100000 --changes 200` prints the result as JSON. The baseline of the speed is SHA-256
alone over the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from engine.audit import chain
from engine.store.sqlite import SqliteStore
from tests.engine.audit_kit import COLUMNS, Desk, desk, flip_a_byte


def filled(folder: Path, lines: int) -> Desk:
    """A store on disk with one journal of so many lines, and a checkpoint at its end."""
    made = desk(folder, SqliteStore(folder / "flowctl.db"))
    for _ in range(lines // 1000):
        made.write("acme", 1000)
    made.notary().write()
    return made


def campaign(lines: int, changes: int, seed: int) -> dict[str, object]:
    """Change `changes` bytes, one after another, in every column in turn by chance; then cut the tail once."""
    with tempfile.TemporaryDirectory(prefix="flowctl-audit-") as folder:
        made, draw = filled(Path(folder), lines), random.Random(seed)
        took = []
        for _ in range(3):
            start = time.process_time()
            assert made.verify() == []
            took.append(time.process_time() - start)
        rows = [json.dumps(list(line.values())).encode() for line in chain.export(made.store, "acme")]
        start = time.process_time()
        for row in rows:
            sha256(row).hexdigest()
        floor = time.process_time() - start
        made.forge("PRAGMA synchronous = OFF")
        found = 0
        by_column = dict.fromkeys(COLUMNS, 0)
        for _ in range(changes):
            seq, column, undo = flip_a_byte(made.store, draw, lines)
            found += any(text.startswith(f"acme {seq}: ") for text in made.verify())
            by_column[column] += 1
            undo()
        whole = made.verify() == []
        made.forge(
            f"DELETE FROM journal WHERE seq > {lines - 1}",
            f"UPDATE journal_heads SET seq = {lines - 1}, hash = (SELECT hash FROM journal WHERE seq = {lines - 1})",
        )
        cut = made.verify()
        made.store.close()
    verify_s = statistics.median(took)
    return {
        "lines": lines, "changes": changes, "found": found, "whole_after": whole, "cut_tail_found": len(cut) == 1,
        "by_column": by_column, "verify_s": round(verify_s, 3), "lines_per_s": round(lines / verify_s),
        "times_sha256_alone": round(verify_s / floor, 1),
    }  # fmt: skip


def main() -> None:
    """Run it; ends with 1 when anything was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    result = campaign(given.lines, given.changes, given.seed)
    print(json.dumps(result))
    if result["found"] != given.changes or not result["whole_after"] or not result["cut_tail_found"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
