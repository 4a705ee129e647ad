"""Figures of a fraise's deployments over a period, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fraisier.domain.deployment import Status
from fraisier.domain.dora import DAY_SECONDS, SECOND, Ended, FourKeys, Spread, four_keys, spread
from fraisier.domain.errors import UsageError
from fraisier.domain.ids import now
from fraisier.domain.ports import Store
from fraisier.engine.views import timestamp

Json = dict[str, Any]

#: The period that figures are of where none is named.
DAYS = 30
#: So many deployments at most are looked at, the newest; more make the period shorter.
MOST = 10_000
_ENDS = tuple(status.value for status in Status if status.terminal)
_GONE_BACK = (Status.ROLLED_BACK.value, Status.ROLLBACK_FAILED.value)


def figures_of(
    store: Store, fraise: str, environment: str | None = None, since: int | None = None
) -> Json:
    """Return the figures of what ended since a moment (microseconds; default: 30 days ago).

    Raises UsageError where that moment has not come yet.
    """
    until = now()
    begin = until - int(DAYS * DAY_SECONDS * SECOND) if since is None else since
    if begin >= until:
        raise UsageError("since has not come yet", "name a moment that has passed")
    found = store.ended(begin, MOST, fraise, environment)
    return {
        "fraise": fraise,
        "environment": environment,
        **figures_json(found, begin, until, truncated=len(found) == MOST),
    }


def figures_json(ended: Sequence[Ended], since: int, until: int, truncated: bool) -> Json:
    """Return the figures of deployments; where there are more, the period begins with the first."""
    begin = min(one.completed_at for one in ended) if truncated else since
    days = max(1.0, (until - begin) / SECOND) / DAY_SECONDS
    counts = Counter(one.status for one in ended)
    waits = (one.started_at - one.created_at for one in ended if one.started_at is not None)
    return {
        "since": timestamp(begin),
        "until": timestamp(until),
        "days": round(days, 4),
        "truncated": truncated,
        "total": len(ended),
        "counts": {status: counts[status] for status in _ENDS},
        "rollbacks": {
            "automatic": sum(counts[status] for status in _GONE_BACK),
            "requested": sum(one.kind == "rollback" for one in ended),
        },
        "duration_seconds": _spread(spread(s for one in ended if (s := one.seconds) is not None)),
        "queue_seconds": _spread(spread(max(0.0, wait / SECOND) for wait in waits)),
        "dora": _keys(four_keys(ended, days)),
    }


def _spread(found: Spread) -> Json:
    return {name: _short(value) for name, value in asdict(found).items()}


def _keys(keys: FourKeys) -> Json:
    return {
        "deployment_frequency_per_day": _short(keys.per_day),
        "lead_time_from_request_seconds": _short(keys.lead_seconds),
        "change_failure_rate": _short(keys.failure_rate),
        "time_to_restore_seconds": _short(keys.restore_seconds),
        "successes": keys.successes,
        "changes": keys.changes,
        "failures": keys.failures,
        "restored": keys.restored,
        "unrestored": keys.unrestored,
    }


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
