"""Exit codes: what scripts rely on."""

from __future__ import annotations

from fraisier.domain.deployment import Status
from fraisier.domain.errors import (
    EnvironmentNotFound,
    Forbidden,
    FraiseNotFound,
    FraisierError,
    Refused,
    Unauthorized,
    UsageError,
)

GENERAL = 1
INVALID = 2
FAILED = 5
NOT_ALLOWED = 6
TIMED_OUT = 7
REFUSED = 8

#: The first class that an error is an instance of decides; anything else is GENERAL.
ERRORS: tuple[tuple[type[FraisierError], int], ...] = (
    (UsageError, INVALID),
    (FraiseNotFound, 3),
    (EnvironmentNotFound, 4),
    (Unauthorized, NOT_ALLOWED),
    (Forbidden, NOT_ALLOWED),
    (Refused, REFUSED),
)

STATUSES: dict[Status, int] = {
    Status.PENDING: 0,
    Status.IN_PROGRESS: 0,
    Status.SUCCESS: 0,
    Status.FAILED: FAILED,
    Status.ROLLED_BACK: FAILED,
    Status.CANCELLED: 9,
    Status.SUPERSEDED: 9,
    Status.ROLLBACK_FAILED: 10,
    Status.INTERRUPTED: 10,
}


def code_of(error: FraisierError) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in ERRORS if isinstance(error, kind)), GENERAL)
