"""Connector plugins: one folder a vendor, none of which knows a flow, the store or another vendor."""
