"""Signatures that anybody can check: Ed25519 keys as base64 text of their 32 bytes."""

from __future__ import annotations

import base64


def new_pair() -> tuple[str, str]:
    """A public key, and the private one that belongs to it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return _text(private.public_key().public_bytes_raw()), _text(private.private_bytes_raw())


def sign(private: str, data: bytes) -> str:
    """The signature, base64 text of 64 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _text(Ed25519PrivateKey.from_private_bytes(base64.b64decode(private)).sign(data))


def is_signed(public: str, signature: str, data: bytes) -> bool:
    """Whether the signature is genuine; False too for what is no key and no signature at all."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
