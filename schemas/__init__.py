"""Schemas shipped with the product: the flow language and our QBXML messages."""
