"""Ramp as a called target: which request is looked for and written by which part of the connector."""

from __future__ import annotations

from collections.abc import Callable

from connectors.ramp import requests
from connectors.ramp.billing import Billing
from connectors.ramp.chart import ChartTarget
from connectors.ramp.chartspec import CHART_REQUEST_NAMES
from connectors.ramp.client import RampClient
from connectors.ramp.codings import Codings
from connectors.ramp.directory import Directory
from connectors.ramp.payees import Payees
from connectors.ramp.settings import Settings
from engine.contract import Operation, Receipt
from engine.dataclass import dataclass
from engine.diagnostics import suggestion
from engine.documents import Documents
from engine.errors import Rejected


@dataclass(frozen=True, slots=True)
class Way:
    """How one request is looked for, and how it is written."""

    find: Callable[[Operation], Receipt | None]
    write: Callable[[Operation], Receipt]


def ways(client: RampClient, settings: Settings, chart: ChartTarget, documents: Documents | None) -> dict[str, Way]:
    """The ways of all requests, by name, for one open connection; those of the chart may travel in batches as well."""
    directory = Directory(client, settings)
    bills, vendors, codings = (
        Billing(client, settings, directory),
        Payees(client, settings, directory),
        Codings(client, documents),
    )
    return {
        requests.VENDOR_CREATE: Way(vendors.find_new, vendors.create),
        requests.VENDOR_UPDATE: Way(vendors.find_change, vendors.change),
        requests.VENDOR_LINK: Way(vendors.find_change, vendors.change),
        requests.BILL_CREATE: Way(bills.find_new, bills.create),
        requests.BILL_UPDATE: Way(bills.find_change, bills.change),
        requests.BILL_ARCHIVE: Way(bills.find_archived, bills.archive),
        requests.TRANSACTION_CODE: Way(codings.find, codings.write),
        requests.TRANSACTION_CODE_UPDATE: Way(codings.find, codings.write),
        **dict.fromkeys(CHART_REQUEST_NAMES, Way(chart.find, chart.write)),
    }


def way_of(found: dict[str, Way], where: str, operation: Operation) -> Way:
    """The way of an operation's request.

    Raises:
        Rejected: for a request that Ramp does not have.
    """
    way = found.get(operation.request)
    if way is None:
        raise Rejected(
            f"{where}: there is no request `{operation.request[:40]}`", hint=suggestion(operation.request, tuple(found))
        )
    return way
