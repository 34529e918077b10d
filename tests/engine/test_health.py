from __future__ import annotations

from engine import health
from engine.health import Finding
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
