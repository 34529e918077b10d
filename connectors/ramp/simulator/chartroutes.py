"""Where the chart of accounts is in the API: method, path, scope, handler, and whether it is new in 2026."""

from __future__ import annotations

from collections.abc import Callable

from connectors.ramp.simulator import chart, taxes
from connectors.ramp.simulator.wire import Request
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply

_READ, _WRITE = "accounting:read", "accounting:write"
ChartRoute = tuple[str, str, str, Callable[[World, Request], HttpReply], bool]


def _routes(kind: chart.Kind) -> tuple[ChartRoute, ...]:
    path = f"/accounting/{kind.name}"
    return (
        ("GET", path, _READ, chart.lister(kind), False),
        ("POST", path, _WRITE, chart.poster(kind), False),
        ("GET", f"{path}/{{}}", _READ, chart.getter(kind.name, kind.title), False),
        ("PATCH", f"{path}/{{}}", _WRITE, chart.patcher(kind), False),
        ("DELETE", f"{path}/{{}}", _WRITE, chart.deleter(kind.name, kind.title), False),
    )


CHART_ROUTES: tuple[ChartRoute, ...] = (
    *_routes(chart.ACCOUNTS),
    *_routes(chart.OPTIONS),
    *_routes(chart.VENDORS),
    ("GET", "/accounting/fields", _READ, chart.list_fields, False),
    ("POST", "/accounting/fields", _WRITE, chart.post_field, False),
    ("GET", "/accounting/fields/{}", _READ, chart.getter("fields", "Accounting field"), False),
    ("PATCH", "/accounting/fields/{}", _WRITE, chart.patch_field, False),
    ("DELETE", "/accounting/fields/{}", _WRITE, chart.deleter("fields", "Accounting field"), False),
    ("GET", "/accounting/tax/rates", _READ, taxes.list_rates, True),
    ("POST", "/accounting/tax/rates", _WRITE, taxes.post_rates, True),
    ("PATCH", "/accounting/tax/rates/{}", _WRITE, taxes.patch_rate, True),
    ("GET", "/accounting/tax/code", _READ, taxes.get_field, True),
    ("POST", "/accounting/tax/code", _WRITE, taxes.post_field, True),
    ("GET", "/accounting/tax/code/options", _READ, taxes.list_options, True),
    ("POST", "/accounting/tax/code/options", _WRITE, taxes.post_options, True),
    ("PATCH", "/accounting/tax/code/options/{}", _WRITE, taxes.patch_option, True),
)
