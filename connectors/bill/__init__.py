"""The BILL connector: a source of bills, payments and vendor credits, and a target for vendors."""

from connectors.bill.connector import BillConnector

CONNECTOR = BillConnector()
