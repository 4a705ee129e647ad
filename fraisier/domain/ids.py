"""Ids that sort by the time they were made: a prefix, 48 bits of milliseconds, 80 random bits."""

from __future__ import annotations

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """Return an id such as `dep_01kb2m9n5t4v8w3x6y7z0a1b2c`."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    digits = [ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def now() -> int:
    """Return the present as UTC microseconds since 1970."""
    return time.time_ns() // 1_000
