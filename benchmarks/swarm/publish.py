"""Writes what runs came to into docs/reference/swarm.md, a section each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "swarm.md"
_MARK = "## Last published results\n"
_WRONG = ("lost", "duplicated", "wrong_company", "cents_off", "untold", "store_differs", "journals_broken")
_TITLES = {
    "run": "Killed for minutes",
    "idle": "Idle companies",
    "noisy": "A noisy company",
    "soap": "Durable SOAP answers",
}


def publish(found: Sequence[Mapping[str, Any]], page: Path = PAGE) -> None:
    """Replace the sections of these results on the page; other sections stay."""
    before, mark, after = page.read_text(encoding="utf-8").partition(_MARK)
    kept = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in after.split("\n### ")[1:]}
    for one in found:
        kept[_title(one)] = "\n".join(_TEXTS[str(one["name"])](one))
    sections = "\n\n".join(f"### {title}\n\n{text}" for title, text in sorted(kept.items()))
    page.write_text(f"{before}{mark}\n{sections}\n", encoding="utf-8")


def _title(one: Mapping[str, Any]) -> str:
    name = "run" if one["name"] == "swarm" else str(one["name"])
    backend = {"sqlite": " on SQLite", "postgres": " on PostgreSQL"}.get(str(one.get("backend", "")), "")
    return _TITLES[name] + backend


def _run(one: Mapping[str, Any]) -> Iterator[str]:
    outcome = "Nothing was wrong." if one["good"] else "**Something was wrong.**"
    yield (
        f"{one['companies']:,} companies, {one['servers']} servers and {one['workers']} workers, {one['minutes']} minutes, seed "
        f"{one['seed']}: {one['kills']} processes killed, {one['sessions']:,} sessions, {one['answers_lost']:,} answers lost on "
        f"the way, {one['changes']:,} changes by people, {one['webhooks']:,} webhooks; at rest {one['rest_s']:,} s later. "
        f"{one['transactions']:,} transactions worth {one['total']} in the company files. {outcome}"
    )
    yield ""
    yield from _table(("what", "count"), ((name.replace("_", " "), f"{one[name]:,}") for name in _WRONG))
    yield ""
    yield from _calls(one["soap"])


def _idle(one: Mapping[str, Any]) -> Iterator[str]:
    quiet, busy = one["quiet"], one["busy"]
    size = f" and {one['store_bytes_per_company']:,} bytes" if one["store_bytes_per_company"] else ""
    yield (
        f"{one['companies']:,} companies, {one['servers']} servers and {one['workers']} workers. When nobody comes they use "
        f"{100 * quiet['cpu_share']:.1f} % of a core; with {one['visits_per_second']} visits a second, one of each company every "
        f"five minutes, {100 * busy['cpu_share']:.1f} %, and {busy['memory_mb']:,.0f} MB in all. A visit in vain takes "
        f"{one['servers_cpu_ms_per_visit']} ms of CPU for its four calls; an idle one {one['company_cpu_ms_per_hour']:,} ms an "
        f"hour{size}."
    )
    yield ""
    yield from _calls(one["soap"])


def _noisy(one: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"One company has {one['records']:,} bills and card transactions to post; {one['posted_meanwhile']:,} transactions, "
        f"payments among them, stood in its file after {one['seconds']} seconds; "
        f"{one['visits_per_second']} visits a second of {one['companies']:,} others. The p99 of their `authenticate` is "
        f"{one['p99_times']} times what it was before."
    )
    for title, calls in (("Before", one["alone"]), ("Beside it", one["beside_it"])):
        yield from ("", f"{title}:", "")
        yield from _calls(calls)


def _soap(one: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"`authenticate` with nothing to do, {one['calls']:,} calls, {one['at_once']} at a time, by {one['companies']:,} "
        f"companies whose passwords are known, then the same at {one['goal']:,} a second; medians of {one['rounds']} rounds. One "
        f"core serves, another calls. Ours is on the disk before it is given (SQLite {sqlite3.sqlite_version}); spyne and node's "
        "`soap` keep nothing."
    )
    yield ""
    names = {
        "sqlite": "ours on SQLite",
        "postgres": "ours on PostgreSQL",
        "spyne": "spyne",
        "node_soap": "node's `soap`",
    }
    columns = ["per_core", "per_second", "cpu_ms", "p50_ms", "p99_ms", "worst_p99_ms"]
    columns += ["paced_per_second", "paced_p50_ms", "paced_p99_ms"]
    rows = ((names[key], *(f"{one[key][column]:,}" for column in columns)) for key in names if one.get(key))
    yield from _table(("server", *(column.replace("_", " ") for column in columns)), rows)
    if one.get("postgres"):
        made = one["postgres"]
        yield ""
        yield (
            f"`pgbench -N` made {made['pgbench_per_second']:,} transactions a second with 16 clients in the same run: ours is "
            f"{made['ratio_to_pgbench']} of that."
        )


def _calls(soap: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    rows = ((f"`{name}`", f"{one['calls']:,}", f"{one['p50_ms']}", f"{one['p99_ms']}") for name, one in soap.items())
    yield from _table(("call", "times", "p50, ms", "p99, ms"), rows)


def _table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"| --- |{' ---: |' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


_TEXTS = {"swarm": _run, "idle": _idle, "noisy": _noisy, "soap": _soap}
