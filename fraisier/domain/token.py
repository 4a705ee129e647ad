"""A token: what opens the control API, and how far. Its secret is known to its holder only."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

PREFIX = "fra_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: 32 characters of 62 are 190 random bits; 6 more find a mistyped secret without the database.
RANDOM_LENGTH = 32
CHECK_LENGTH = 6


class Scope(StrEnum):
    """How far a token reaches; each scope holds those before it."""

    READ = "read"
    DEPLOY = "deploy"
    ADMIN = "admin"

    def reaches(self, needed: Scope) -> bool:
        """True if a token of this scope may do what needs `needed`."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Token:
    """A token as recorded, without its secret. Times are UTC microseconds since 1970."""

    id: str
    name: str
    scope: Scope
    created_at: int
    created_by: str
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None

    def valid_at(self, moment: int) -> bool:
        """True while the token is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


def new_secret() -> str:
    """Return the secret of a new token: a prefix that scanners know, random text, a checksum."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{PREFIX}{body}{_check(body)}"


def well_formed(secret: str) -> bool:
    """True if this can be a secret of ours: mistyped and foreign ones cannot."""
    body, check = secret[len(PREFIX) : -CHECK_LENGTH], secret[-CHECK_LENGTH:]
    whole = len(secret) == len(PREFIX) + RANDOM_LENGTH + CHECK_LENGTH
    return whole and secret.startswith(PREFIX) and secret.isascii() and check == _check(body)


def digest(secret: str) -> str:
    """Return the SHA-256 that stands for a secret in the records, in hex.

    A fast hash will do: nobody can guess 190 random bits.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(body: str) -> str:
    number, text = crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text
