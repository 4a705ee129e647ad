"""Proofs that a delivery comes from who it says: over the bytes as they came, never what they say.

Sources: each host's documentation of its webhooks, and Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fraisier.domain.errors import Unauthorized
from fraisier.webhooks.outgoing.signing import UnfitSecret, key_of

#: How old or how far ahead a signed moment may be, in seconds.
TOLERANCE = 300
_HEX = re.compile(r"[0-9a-f]{64}")


class Headers(Protocol):
    """The headers of a delivery, found whatever the case of their names."""

    def get(self, name: str, default: str, /) -> str:
        """Return a header, or the default where it is not there."""


@dataclass(frozen=True)
class Secrets:
    """What a host may prove itself with: shared secrets, and keys of Standard Webhooks."""

    shared: Sequence[str] = field(default=(), repr=False)
    keys: Sequence[str] = field(default=(), repr=False)


#: Raises Unauthorized where a delivery is not proven. The last is now, in seconds since 1970.
Verify = Callable[[Headers, bytes, Secrets, float], None]


def signed_in(header: str, prefix: str = "") -> Verify:
    """Return what verifies an HMAC-SHA256 of the body, in hexadecimal digits after a prefix."""

    def verify(headers: Headers, body: bytes, secrets: Secrets, _now: float) -> None:
        shown = _shown(headers, header)
        digits = shown.removeprefix(prefix)
        if not shown.startswith(prefix) or not _HEX.fullmatch(digits):
            raise _wrong(header)
        _any(secrets.shared, lambda key: hmac.new(key, body, hashlib.sha256).hexdigest(), digits,
             header)  # fmt: skip

    return verify


def token_or_standard(headers: Headers, body: bytes, secrets: Secrets, now: float) -> None:
    """Verify a delivery of GitLab: signed where it is signed and a key is known, else by token."""
    if secrets.keys and (headers.get("webhook-signature", "") or not secrets.shared):
        _verify_standard(headers, body, secrets.keys, now)
        return
    header = "X-Gitlab-Token"
    _any(secrets.shared, lambda key: key.hex(), _shown(headers, header).encode().hex(), header)


def _verify_standard(headers: Headers, body: bytes, keys: Sequence[str], now: float) -> None:
    header = "webhook-signature"
    shown, delivery, at = (_shown(headers, n) for n in (header, "webhook-id", "webhook-timestamp"))
    if not re.fullmatch(r"[0-9]{1,12}", at) or abs(int(at) - now) > TOLERANCE:
        raise Unauthorized(
            "webhook-timestamp is not of these minutes", "compare the clocks of both machines"
        )
    signed = f"{delivery}.{at}.".encode() + body
    given = [each[3:] for each in shown.split(" ") if each.startswith("v1,")]
    for signature in given[: 2 * len(keys) + 8]:
        for key in keys:
            if _same(hmac.new(_key(key), signed, hashlib.sha256).digest(), signature):
                return
    raise _wrong(header)


def _key(secret: str) -> bytes:
    try:
        return key_of(secret)
    except UnfitSecret as error:
        raise Unauthorized(
            f"no delivery can be verified here: {error}", "look at signing_secret in fraises.yaml"
        ) from None


def _same(digest: bytes, signature: str) -> bool:
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(digest, given)


def _any(secrets: Sequence[str], proof: Callable[[bytes], str], shown: str, header: str) -> None:
    """Compare with what each secret comes to, in a time that says nothing of it."""
    found = [hmac.compare_digest(proof(each.encode()), shown) for each in secrets if each]
    if not any(found):
        raise _wrong(header)


def _shown(headers: Headers, name: str) -> str:
    shown = headers.get(name, "")
    if not shown:
        raise Unauthorized(
            f"the delivery has no {name}", "give the webhook on the git host its secret"
        )
    if not shown.isascii():
        raise _wrong(name)
    return shown


def _wrong(header: str) -> Unauthorized:
    return Unauthorized(
        f"{header} is not right", "the secret on the git host and the one of fraises.yaml differ"
    )
