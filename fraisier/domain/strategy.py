"""How a change moves over the hosts of a target: pure decisions, in Nomad's words."""

from __future__ import annotations

from dataclasses import dataclass

from fraisier.domain.errors import UsageError

STRATEGIES = ("recreate", "rolling", "blue-green", "canary")


@dataclass(frozen=True)
class StrategyConfig:
    """The pace of a roll-out; times in seconds.

    `max_parallel`: hosts changed at once, a number or a percentage ("50%", at least one host).
    `min_healthy_time`: how long a host must stay healthy to count (None: as its check says).
    `healthy_deadline`: by when a changed host must have become healthy.
    `progress_deadline`: by when the whole way out must have ended; the way back has its own.
    """

    max_parallel: int | str = 1
    min_healthy_time: float | None = None
    healthy_deadline: float = 60
    progress_deadline: float = 600


def canonical_strategy(name: str) -> str:
    """Return the strategy's name with hyphens, or raise UsageError."""
    canonical = name.replace("_", "-")
    if canonical not in STRATEGIES:
        raise UsageError(f'unknown strategy "{name}"', f"known: {', '.join(STRATEGIES)}")
    return canonical
