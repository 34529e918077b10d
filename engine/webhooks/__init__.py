"""Webhooks: the door they come through, what is kept of them, and handshakes that vendors want confirmed."""
