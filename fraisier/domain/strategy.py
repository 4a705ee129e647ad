"""How a change moves over the hosts of a target: pure decisions, in Nomad's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fraisier.domain.errors import UsageError

STRATEGIES = ("recreate", "rolling", "blue-green", "canary")


@dataclass(frozen=True)
class StrategyConfig:
    """The pace of a roll-out; times in seconds.

    `max_parallel`: hosts changed at once, a number or a percentage ("50%", at least one host).
    `min_healthy_time`: how long a host must stay healthy to count (None: as its check says).
    `healthy_deadline`: by when a changed host must have become healthy.
    `progress_deadline`: by when the whole way out must have ended; `rollback_deadline` is that of
    the way back (None: the same).
    `canary`: its steps, each `{"weight": percent, "pause": seconds or "resume"}`.
    `analysis`: what is measured in each pause of seconds, as the configuration says it.
    """

    max_parallel: int | str = 1
    min_healthy_time: float | None = None
    healthy_deadline: float = 60
    progress_deadline: float = 600
    rollback_deadline: float | None = None
    canary: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    analysis: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @property
    def seconds_back(self) -> float:
        """Return by when the way back must have ended."""
        given = self.rollback_deadline
        return self.progress_deadline if given is None else given

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StrategyConfig:
        """Rebuild it from a snapshot, also from one that was made before it had all its parts."""
        lists = {name: tuple(data.get(name) or ()) for name in ("canary", "analysis")}
        return cls(**{**data, **lists})


def canonical_strategy(name: str) -> str:
    """Return the strategy's name with hyphens, or raise UsageError."""
    canonical = name.replace("_", "-")
    if canonical not in STRATEGIES:
        raise UsageError(f'unknown strategy "{name}"', f"known: {', '.join(STRATEGIES)}")
    return canonical
