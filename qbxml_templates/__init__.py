"""QBXML templates: one Jinja file a request."""
