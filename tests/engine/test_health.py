from __future__ import annotations

from pathlib import Path

import pytest

from engine import health
from engine.audit import standing
from engine.audit.notary import FILE
from engine.health import Finding
from tests.engine.audit_kit import Desk, desk
from tests.engine.kit import COMPANY
from tests.engine.push_kit import CLOUD, cloud_bench


def test_a_connection_that_nothing_was_tried_with_is_not_called_sound() -> None:
    with cloud_bench() as bench:
        assert list(health.connection_of(bench.world, COMPANY, "cloud")) == [
            Finding(
                "warn",
                f"{COMPANY}/cloud",
                f"{CLOUD.title}: settings are complete; credentials not tried",
                "the connector has nothing to try them with: the first `flowctl run` shows whether they are right",
            )
        ]


# --- checkpoints -----------------------------------------------------------------------------------------------------

LOOK = (
    "look with `flowctl audit verify`; after a restore that you made yourself, `flowctl audit checkpoint --accept REASON` goes "
    "on from here"
)


@pytest.fixture
def signed(tmp_path: Path) -> Desk:
    """Two companies whose journals were signed twice."""
    made = desk(tmp_path)
    for company in ("acme", "beta"):
        made.write(company, 3)
    made.notary().write()
    made.write("acme", 2)
    made.notary().write()
    return made


def checkpoints(made: Desk) -> Finding:
    (found,) = [each for each in health.store_of(made.world, made.file) if each.subject == "checkpoints"]
    return found


def test_checkpoints_that_fit(signed: Desk) -> None:
    newest = signed.world.at()
    assert checkpoints(signed) == Finding(
        "ok", "checkpoints", f"2, the newest of {newest}; the journals go on from them"
    )


def test_no_checkpoints_yet(tmp_path: Path) -> None:
    assert checkpoints(desk(tmp_path)) == Finding("ok", "checkpoints", "none yet; `flowctl serve` writes them")


@pytest.mark.parametrize(
    ("forgery", "line"),
    [
        ("DELETE FROM journal WHERE company = 'acme' AND seq > 3", 5),
        ("UPDATE journal SET hash = 'x' WHERE company = 'acme' AND seq = 3", 3),
    ],
    ids=["cut", "changed"],
)
def test_a_journal_that_is_not_the_one_that_was_signed(signed: Desk, forgery: str, line: int) -> None:
    signed.forge(forgery)
    found = checkpoints(signed)
    assert (found.level, found.hint) == ("FAIL", LOOK)
    assert found.message.startswith("the journal of acme is not the one that the checkpoint of ")
    assert found.message.endswith(f" has seen at line {line}")


def test_a_checkpoint_file_that_is_not_whole(signed: Desk) -> None:
    lines = signed.file.read_bytes().splitlines(keepends=True)
    signed.file.write_bytes(lines[0])
    assert checkpoints(signed) == Finding("FAIL", "checkpoints", f"{FILE} has 1 lines, and 2 were written", LOOK)
    signed.file.write_bytes(lines[0].replace(b"acme", b"acmE") + lines[1])
    assert checkpoints(signed).message == "line 1 is no checkpoint, or was changed"
    signed.file.unlink()
    assert checkpoints(signed).message == f"{FILE} has 0 lines, and 2 were written"


def test_the_look_ends_in_time(signed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing.standing, "__defaults__", (-1.0,))
    assert checkpoints(signed) == Finding(
        "warn",
        "checkpoints",
        "the time was over before all were looked at; the first 0 fit the journals",
        "`flowctl audit verify` looks at all of them",
    )
