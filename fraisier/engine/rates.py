"""Rate limits that hold across processes: each takes a part of an allowance, then spends it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fraisier.domain.errors import RateLimited
from fraisier.domain.ports import RateStore
from fraisier.domain.rate import Limits, block_of

#: Above so many askers those are forgotten whose window is over.
MANY = 10_000


@dataclass(frozen=True)
class Left:
    """What an answer tells of an allowance: its limit, what is left, whole seconds to its end."""

    limit: int
    remaining: int
    reset: int


@dataclass
class _Part:
    """What this process holds of an allowance, until a moment of its own clock."""

    mine: int = 0
    others: int = 0
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Rates:
    """Counts requests of tokens and failures of addresses, together with all other processes."""

    def __init__(
        self,
        store: RateStore,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._limits = limits or Limits()
        self._clock = clock
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()

    def request(self, token_id: str, changes: bool) -> Left:
        """Count a request of a token and return what is left; raise RateLimited, or StoreError."""
        kind = "changes" if changes else "requests"
        limit = self._limits.changes if changes else self._limits.requests
        return self._spend(f"{kind}:{token_id}", limit, "this token has sent too many requests")

    def failure(self, address: str) -> None:
        """Count a failed authentication of an address; raise RateLimited, or StoreError."""
        said = "too many requests without a valid token came from this address"
        self._spend(f"failures:{address}", self._limits.failures, said)

    def failed_delivery(self, address: str) -> None:
        """Count a delivery that proved nothing; raise RateLimited, or StoreError."""
        said = "too many deliveries without a right signature came from this address"
        self._spend(f"deliveries:{address}", self._limits.failures, said)

    def _spend(self, key: str, limit: int, said: str) -> Left:
        part = self._part(key)
        with part.lock:
            if self._clock() >= part.until or (part.mine == 0 and part.others > 0):
                self._take(part, key, limit)
            left = Left(limit, part.mine + part.others, self._seconds(part))
            if part.mine == 0:
                raise RateLimited(
                    f"{said}: {limit} in a minute", f"wait {left.reset} s", left.reset, limit
                )
            part.mine -= 1
            return Left(limit, left.remaining - 1, left.reset)

    def _take(self, part: _Part, key: str, limit: int) -> None:
        """Take another part; its time is counted from before it was asked for, so never too long.

        What is left in the window of before is lost with it.
        """
        begun = self._clock()
        taken = self._store.take_allowance(key, block_of(limit), limit)
        part.mine, part.others = taken.granted, taken.left
        part.until = begun + taken.seconds

    def _part(self, key: str) -> _Part:
        with self._lock:
            if len(self._parts) > MANY:
                past = self._clock()
                self._parts = {k: part for k, part in self._parts.items() if part.until > past}
            return self._parts.setdefault(key, _Part())

    def _seconds(self, part: _Part) -> int:
        return max(1, math.ceil(part.until - self._clock()))
