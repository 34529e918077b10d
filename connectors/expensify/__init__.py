"""The Expensify connector, as a source."""

from connectors.expensify.connector import ExpensifyConnector

CONNECTOR = ExpensifyConnector()
