"""A deployment, the states it can be in, and the only moves between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fraisier.domain.catalogue import Target

#: The version of a deployment until its host has told which content a container image has that was
#: asked for by no tag and no digest.
AS_CONFIGURED = "as configured"
#: So many characters of a release's id are recorded.
RELEASE_ID = 64
#: What the reason of an end says where what served before has served all the while.
UNTOUCHED, SERVED_ON = "no host was changed", "has served all the while"


class Status(StrEnum):
    """Where a deployment stands; the contract says what each word promises."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        """True once nothing about the deployment can change."""
        return not MOVES[self]


#: From a state, the states that may follow. A state that nothing follows is terminal.
MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.IN_PROGRESS, Status.CANCELLED, Status.SUPERSEDED}),
    Status.IN_PROGRESS: frozenset(
        {
            Status.SUCCESS,
            Status.FAILED,
            Status.ROLLED_BACK,
            Status.ROLLBACK_FAILED,
            Status.CANCELLED,
            Status.INTERRUPTED,
        }
    ),
    **{
        end: frozenset()
        for end in (
            Status.SUCCESS,
            Status.FAILED,
            Status.ROLLED_BACK,
            Status.ROLLBACK_FAILED,
            Status.CANCELLED,
            Status.SUPERSEDED,
            Status.INTERRUPTED,
        )
    },
}

#: After these ends a person must look before the target changes again.
HOLDING = frozenset({Status.ROLLBACK_FAILED, Status.INTERRUPTED})


class CancelAsked(Exception):
    """A deployment cannot end as a success: somebody asked before that it be cancelled."""


class IllegalMove(Exception):
    """A deployment was asked to make a move that the table does not hold: a defect."""


def check_move(before: Status, after: Status) -> None:
    """Raise IllegalMove unless a deployment may go from `before` to `after`."""
    if after not in MOVES[before]:
        raise IllegalMove(f"{before} -> {after}")


@dataclass(frozen=True)
class Deployment:
    """One request to change a target, as recorded. Times are UTC microseconds since 1970.

    `target` is the configuration frozen at the request; `version` the full commit SHA that every
    host gets, or the content of a container image (what was asked for, until the host has told);
    `requested_version` what the person wrote (None: the branch, or as the configuration says).
    `cancel_requested_by` wished its end while it was worked on; it may have ended otherwise before
    that was seen. `accepted` is its place among the requests for its target; `worker_id` holds it,
    with a `fence` that rises each time the target's work changes hands. `paused_at`: since then it
    waits, in the middle of its roll-out, for a person; `resume_requested_by` wished it to go on.
    `settle_failures` counts the workers that took it over from a dead one and could not end it.
    """

    id: str
    kind: str
    status: Status
    target: Target
    version: str
    requested_version: str | None
    strategy: str
    triggered_by: str
    trace_id: str
    created_at: int
    reason: str = ""
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    started_at: int | None = None
    completed_at: int | None = None
    cancel_requested_at: int | None = None
    cancel_requested_by: str | None = None
    accepted: int = 0
    fence: int = 0
    worker_id: str | None = None
    paused_at: int | None = None
    resume_requested_at: int | None = None
    resume_requested_by: str | None = None
    settle_failures: int = 0

    @property
    def paused(self) -> bool:
        """True while it waits for a person to say whether to go on."""
        return self.paused_at is not None and self.status is Status.IN_PROGRESS


@dataclass(frozen=True)
class HostRecord:
    """What one deployment did to one host. Releases are ids on that host; None means none.

    `state`: pending, changed, unchanged, failed, restored, restore_failed, unreachable, unknown.
    """

    host: str
    state: str
    release: str | None = None
    previous: str | None = None
    error: dict[str, str] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Placement:
    """What a target's host runs, as last reported by the host itself.

    `known` is False once something may have been done there that it has not told of.
    """

    host: str
    fence: int
    release: str | None
    version: str | None
    good: bool
    at: int
    known: bool = True
