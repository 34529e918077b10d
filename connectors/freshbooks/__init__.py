"""The FreshBooks connector: a source of bills, bill vendors, expenses, categories and accounts."""

from connectors.freshbooks.connector import FreshBooksConnector

CONNECTOR = FreshBooksConnector()
