"""Foreign SOAP servers that answer the same call as ours; they keep nothing of it."""
