"""A token: what opens the control API, and how far. Its secret is known to its holder only."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

from fraisier.domain.errors import UsageError
from fraisier.domain.reach import ALL, Reach

PREFIX = "fra_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: 32 characters of 62 are 190 random bits; 6 more find a mistyped secret without the database.
RANDOM_LENGTH = 32
CHECK_LENGTH = 6
HOUR = 3_600_000_000
#: How long a token is valid where nothing is said, and an old secret at most, in seconds.
DAYS_OF_TOKENS, LONGEST_OVERLAP = "90d", 7 * 86_400
HOURS = {"h": 1, "d": 24, "w": 168}


class Scope(StrEnum):
    """How far a token reaches; each scope holds those before it."""

    METRICS = "metrics"
    READ = "read"
    DEPLOY = "deploy"
    ADMIN = "admin"

    def reaches(self, needed: Scope) -> bool:
        """True if a token of this scope may do what needs `needed`."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Token:
    """A token as recorded, without its secret. Times are UTC microseconds since 1970.

    `targets` are the patterns of what it reaches. Since `rotated_at` it has another secret; the one
    before is valid until `previous_until`.
    """

    id: str
    name: str
    scope: Scope
    created_at: int
    created_by: str
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None
    targets: tuple[str, ...] = (ALL,)
    rotated_at: int | None = None
    previous_until: int | None = None

    @property
    def reach(self) -> Reach:
        """Return the targets that it reaches."""
        return Reach(self.targets)

    def may_make(self, scope: Scope, reach: Reach) -> bool:
        """True where a token of this scope and reach would reach no further than this one."""
        return self.scope.reaches(scope) and reach.within(self.reach)

    def outlived_by(self, end: int | None) -> bool:
        """True where something that ends then (None: never) would be valid after this token."""
        return self.expires_at is not None and (end is None or end > self.expires_at)

    def renewed_until(self, moment: int) -> int | None:
        """Return when it ends if it is rotated at a moment: it lasts as long again as it did."""
        if self.expires_at is None:
            return None
        return moment + self.expires_at - (self.rotated_at or self.created_at)

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


def lifetime(text: str) -> int | None:
    """Return how many microseconds 12h, 90d or 52w are, None for never; raise UsageError."""
    if text == "never":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if found is None:
        raise UsageError(f'"{text}" is no time', "write 12h, 90d, 52w or never")
    return int(found[1]) * HOURS[found[2]] * HOUR


def _check(body: str) -> str:
    number, text = crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text
