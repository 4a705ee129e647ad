"""Exit codes: what scripts rely on."""

from __future__ import annotations

from fraisier.domain.deployment import Status
from fraisier.domain.errors import (
    EnvironmentNotFound,
    FraiseNotFound,
    FraisierError,
    Refused,
    UsageError,
)

GENERAL = 1
INVALID = 2
TIMED_OUT = 7

#: The first class that an error is an instance of decides; anything else is GENERAL.
ERRORS: tuple[tuple[type[FraisierError], int], ...] = (
    (UsageError, INVALID),
    (FraiseNotFound, 3),
    (EnvironmentNotFound, 4),
    (Refused, 8),
)

STATUSES: dict[Status, int] = {
    Status.PENDING: 0,
    Status.IN_PROGRESS: 0,
    Status.SUCCESS: 0,
    Status.FAILED: 5,
    Status.ROLLED_BACK: 5,
    Status.CANCELLED: 9,
    Status.SUPERSEDED: 9,
    Status.ROLLBACK_FAILED: 10,
    Status.INTERRUPTED: 10,
}


def code_of(error: FraisierError) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in ERRORS if isinstance(error, kind)), GENERAL)
