"""Rows of everything durable: one Store, named SQL statements, numbered migrations."""
