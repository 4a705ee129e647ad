"""How much somebody may ask for in a time, and how much of that is left."""

from __future__ import annotations

from dataclasses import dataclass

#: The length of a window, in seconds.
WINDOW = 60
#: Defaults for one minute: requests of one token, those of them that change something, and
#: failed authentications of one address.
REQUESTS, CHANGES, FAILURES = 6000, 300, 60
#: A process takes such a part of a limit at once, so that it seldom has to ask the records.
PARTS = 20


@dataclass(frozen=True)
class Limits:
    """How many requests one token may send in a minute, and how many of them may change things."""

    requests: int = REQUESTS
    changes: int = CHANGES
    failures: int = FAILURES


@dataclass(frozen=True)
class Allowance:
    """What was taken of a limit: `granted`, `left` for all others, and seconds to its end."""

    granted: int
    left: int
    seconds: float


def block_of(limit: int) -> int:
    """Return how much of a limit is taken at once."""
    return max(1, limit // PARTS)
