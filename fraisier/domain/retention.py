"""How long records are kept."""

from __future__ import annotations

from dataclasses import dataclass

#: Kept whatever the limits: so many last successes of each target, to go back to.
SUCCESSES_KEPT = 10
#: Hours for which a request may be repeated with the same idempotency key.
KEY_HOURS = 24


@dataclass(frozen=True)
class Retention:
    """What may be removed; None keeps all of it.

    `deployments` is how many of each target are kept. Of those, events are removed `events_days`
    after their deployment ended, and lines of logs after `logs_days`.
    """

    deployments: int | None = None
    events_days: int | None = None
    logs_days: int | None = None

    @property
    def keeps_all(self) -> bool:
        """True where nothing is ever removed."""
        return self == KEEP_ALL


KEEP_ALL = Retention()


@dataclass(frozen=True)
class Pruned:
    """What was removed: deployments with all that belongs to them, and else events and lines."""

    deployments: int = 0
    events: int = 0
    log_lines: int = 0
