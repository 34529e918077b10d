"""A QuickBooks Desktop company file, its request processor, and a Web Connector that speaks SOAP."""

from __future__ import annotations

from connectors.qbwc.simulator.company import CompanyFile, backup, close_books, restore, user_deletes, user_edits
from connectors.qbwc.simulator.faults import FAULTS, FaultPlan, Faults
from connectors.qbwc.simulator.model import Behaviour, Preferences, ProcessorError, VirtualClock
from connectors.qbwc.simulator.persist import from_json, to_json
from connectors.qbwc.simulator.processor import RequestProcessor
from connectors.qbwc.simulator.seed import Account, seed_company
from connectors.qbwc.simulator.totals import Totals, total_of, totals
from connectors.qbwc.simulator.transport import handler_post, http_post
from connectors.qbwc.simulator.webconnector import Application, SessionReport, WebConnector

__all__ = [
    "FAULTS",
    "Account",
    "Application",
    "Behaviour",
    "CompanyFile",
    "FaultPlan",
    "Faults",
    "Preferences",
    "ProcessorError",
    "RequestProcessor",
    "SessionReport",
    "Totals",
    "VirtualClock",
    "WebConnector",
    "backup",
    "close_books",
    "from_json",
    "handler_post",
    "http_post",
    "restore",
    "seed_company",
    "to_json",
    "total_of",
    "totals",
    "user_deletes",
    "user_edits",
]
