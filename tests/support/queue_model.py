"""What the model of the queue consists of: workers, what was asked for, and the clocks."""

from __future__ import annotations

from dataclasses import dataclass, field

from fraisier.domain.deployment import Status

SECOND = 1_000_000
TARGETS = ("production", "staging")
#: What the stories have to come to, or they show nothing.
MATTERS = (
    *("taken over", "late record", "late end", "a second end", "a dead command", "the same key"),
    *("a claim without a lease", "renewed True", "renewed False", "superseded"),
    "a success that was to be cancelled",
)
ENDS = (Status.SUCCESS, Status.FAILED, Status.ROLLED_BACK, Status.INTERRUPTED)
HOLDING = (Status.INTERRUPTED, Status.ROLLBACK_FAILED)


@dataclass
class Worker:
    """A process of the model: `seen` ones are known to be gone at once when they die."""

    id: str
    pid: int
    until: int
    seen: bool
    dead: bool = False
    left: bool = False


@dataclass
class Asked:
    """A deployment of the model."""

    id: str
    target: str
    accepted: int
    created_at: int
    owner: str | None
    status: Status = Status.PENDING
    fence: int = 0
    wished: bool = False


@dataclass
class Clocks:
    """The time since boot, which nobody sets, and the wall clock, both in microseconds."""

    boot: int = 1_000 * SECOND
    wall: int = 1_700_000_000 * SECOND
    ticks: int = field(default=0)

    def time_ns(self) -> int:
        """Return the wall clock's time; no two are the same."""
        self.ticks += 1
        return (self.wall + self.ticks) * 1_000

    def clock_gettime_ns(self, _clock: int) -> int:
        """Return the time since boot."""
        return self.boot * 1_000

    CLOCK_BOOTTIME = 7
