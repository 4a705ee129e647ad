"""Signatures of what is sent: Standard Webhooks, and a plain HMAC for simple receivers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
#: The fewest characters of a secret, and bytes of one that is written in base64.
SHORTEST = 24


class UnfitSecret(ValueError):
    """Why a secret cannot sign; the message does not hold it."""


def key_of(secret: str) -> bytes:
    """Return the bytes that a secret signs with; raise UnfitSecret.

    What follows `whsec_` is base64, as Standard Webhooks writes it; any other secret is its UTF-8.
    """
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise UnfitSecret(f"what follows {PREFIX} in its secret is not base64") from None
    else:
        key = secret.encode()
    if len(key) < SHORTEST:
        raise UnfitSecret(f"its secret is shorter than {SHORTEST} bytes")
    return key


def signature_headers(
    delivery_id: str, at: int, body: bytes, keys: Sequence[bytes]
) -> dict[str, str]:
    """Return the headers that sign a body, once with each key; the first key is the newest.

    `at` is when this attempt is made, in seconds since 1970.
    """
    signed = f"{delivery_id}.{at}.".encode() + body
    signatures = [base64.b64encode(_hmac(key, signed).digest()).decode() for key in keys]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
        "X-Fraisier-Signature": f"sha256={_hmac(keys[0], body).hexdigest()}",
    }


def _hmac(key: bytes, message: bytes) -> hmac.HMAC:
    return hmac.new(key, message, hashlib.sha256)
