"""The lists of a target that is called, as people meet them: run, deferred, map, status and connectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli import common
from engine.errors import BadAnswer
from engine.registry import registered
from engine.spec import FieldSpec, StreamSpec, a_field, an_object
from engine.store import lists
from engine.testing import FakeClock
from tests.cli.cli_kit import Cli
from tests.engine import kit
from tests.engine.list_kit import FLOW, LISTED, NAME, ListingCloud, bill
from tests.engine.push_kit import CloudConnector, connect

_PARTY = tuple(FieldSpec(name, "text", name) for name in ("id", "name", "code"))
_BILL = tuple(FieldSpec(name, "text", name) for name in ("id", "number", "currency"))
SHOP = replace(
    kit.SHOP,
    streams=(
        StreamSpec(
            "bills",
            "bills",
            "id",
            (*_BILL, a_field("amount", "money", "how much"), an_object("vendor", "whose it is", *_PARTY)),
        ),
    ),
)
GAP = "shop_to_cloud: the vendor `Acne` is not in the vendors list of Cloud: 1 record, 100.00 EUR\n"


@pytest.fixture
def cloud(cli: Cli, tmp_path: Path) -> Iterator[ListingCloud]:
    """A company between a shop with two bills and a cloud."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / f"{NAME}.yaml").write_text(FLOW, encoding="utf-8")
    shop, made = kit.Shop(), ListingCloud(FakeClock())
    shop.listed["bills"] = [bill("b-1"), bill("b-2", "Acne")]
    with registered(
        {"shop": kit.ShopConnector(shop, SHOP), "ledger": kit.LedgerConnector(), "cloud": CloudConnector(made, LISTED)}
    ):
        with common.opened(cli.home) as world, world.store.write() as tx:
            connect(tx, world, "main")
        yield made


def test_the_list_is_read_and_what_is_missing_in_it_is_mapped(cli: Cli, cloud: ListingCloud) -> None:
    unread = cli("map", "set", NAME, "vendor", "v-0", "Whoever").text()
    assert unread == (
        "[0]\nshop_to_cloud: vendor `v-0` means `Whoever`; 0 waiting records go on\n--\n"
        "warning: the vendors list was never read, so the name was not checked\n"
    )
    ran = cli.ok("run", NAME)
    assert ran.out == (
        "shop_to_cloud: 2 read, 1 prepared, 1 deferred, 0 failed, 0 skipped, "
        "1 written, 0 refused, 0 unknown, 0 marked synced\n"
    )
    assert cli.ok("deferred").out == f"{GAP}  do: flowctl map set shop_to_cloud vendor v-Acne 'NAME THERE'\n"
    assert "\nlist cloud.vendors: 2 objects, read 0 s ago\n" in cli.ok("status").out
    assert cli("map", "set", NAME, "vendor", "v-Acne", "Acmee").text() == (
        "[2]\n--\nerror: `Acmee` is not in the vendors list of cloud\n  hint: did you mean `Acme`?\n"
    )
    assert cli("map", "set", NAME, "vendor", "v-Acne", "Zzz").err == (
        "error: `Zzz` is not in the vendors list of cloud\n"
        "  hint: give the full name as it stands there, or its id; what was added there just now is known after a run\n"
    )
    assert cli("map", "set", NAME, "vendor", "v-Acne", "old").err == (
        "error: `Old` is inactive in the vendors list of cloud\n  hint: make it active there, or map to another one\n"
    )
    assert cli.ok("map", "set", NAME, "vendor", "v-Acne", "c-acme").out == (
        "shop_to_cloud: vendor `v-Acne` means `Acme`; 1 waiting record goes on\n"
    )
    assert cli.ok("run", NAME).out.startswith("shop_to_cloud: 2 read, 0 prepared, 0 deferred")
    assert sorted(str(item["vendor"]) for item in cloud.objects.values()) == ["c-acme", "c-acme"]
    assert cli.ok("map", "export", NAME).out == (
        "lookup,key,label,full_name,list_id\r\nvendor,v-0,,Whoever,\r\nvendor,v-Acne,Acne,Acme,c-acme\r\n"
    )


def test_an_import_is_checked_against_the_list(cli: Cli, cloud: ListingCloud) -> None:
    cli.ok("run", NAME)
    ran = cli("map", "import", NAME, "vendor", "-", stdin=b"key,full_name,list_id\nv-1,Other,c-acme\n")
    assert ran.err.splitlines()[1] == ("stdin:2:1: error[M007]: the id `c-acme` belongs to `Acme`, not to `Other`")
    assert cli.ok("map", "import", NAME, "vendor", "-", stdin=b"key,full_name\nv-1,ACME\n").err == (
        "shop_to_cloud: 1 new, 0 changed, 0 same, 0 empty; 0 waiting records go on\n"
    )


def test_a_list_that_cannot_be_read_is_said(cli: Cli, cloud: ListingCloud) -> None:
    cloud.list_faults = [BadAnswer("acme/cloud: no list"), BadAnswer("main/cloud: no list")]
    error = "error: main/cloud: the vendors list could not be read: no list\n  hint: it is tried again by itself\n"
    assert (
        cli("run", NAME, "--dry-run")
        .text()
        .endswith(
            "would leave 0 deferred, 0 failed, 0 skipped, 2 waiting for the first look at the target's lists; "
            "dry run: nothing was kept or sent\n" + error.replace("read: no", "read: acme/cloud: no")
        )
    )
    ran = cli("run", NAME)
    assert (ran.status, ran.err) == (1, error)
    assert "2 wait for the first look at the target's lists" in ran.out
    with common.opened(cli.home) as world, world.store.read() as tx:
        assert not lists.loaded(tx, "main", "cloud.vendors")
    assert cli.ok("run", NAME, "--dry-run").err.startswith(
        "shop_to_cloud: 2 read; would write 1 document (0 of them prepared earlier); would leave 1 deferred, "
    )


def test_connectors_show_the_lists_of_a_called_target(cli: Cli, cloud: ListingCloud) -> None:
    assert cli.ok("connectors", "cloud").out.endswith(
        "\nlists:\n  vendors (kept for 60 min): vendors\n    email (text): its address\n  accounts (kept for 60 min): accounts\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "problems"),
    [
        ("cloud.vendors", "cloud.vendor", "error[F026]: lookups.vendor.target: `cloud` has no list `vendor`"),
        (".list_id\n", ".emial\n", "error[E111]: streams.bills.map.vendor: there is no field `emial` here"),
        (".list_id\n", ".email\n", ""),
        (".list_id\n", ".number\n", ""),
        ("match: [mapped, list_id, number", "match: [mapped, list_id, nubmer", "error[F014]"),
    ],
)
def test_validate_knows_the_lists_and_their_fields(
    cli: Cli, cloud: ListingCloud, tmp_path: Path, before: str, after: str, problems: str
) -> None:
    path = tmp_path / "flows" / f"{NAME}.yaml"
    path.write_text(FLOW.replace(before, after), encoding="utf-8")
    ran = cli("validate", str(path))
    lines = [line for line in ran.text().splitlines() if "error[" in line]
    assert (ran.status, len(lines)) == (int(bool(problems)), int(bool(problems))), ran.text()
    assert not problems or problems in lines[0]
