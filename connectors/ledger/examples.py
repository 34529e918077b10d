"""What a ledger file takes: the smallest document of one request."""

from __future__ import annotations

_VENDOR = (
    b'<VendorAddRq requestID="1"><VendorAdd><Name>Granite Peak Supply Co.</Name>'
    b"<ExternalGUID>{0f8fad5b-d9cb-469f-a165-70867728950e}</ExternalGUID></VendorAdd></VendorAddRq>"
)


def example_body(request: str) -> bytes | None:
    """A document that is appended as it is."""
    return _VENDOR if request == "VendorAdd" else None
