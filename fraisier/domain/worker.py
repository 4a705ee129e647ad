"""Who works on the queue, what it takes, and why something waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fraisier.domain.catalogue import Target

#: A worker that has not renewed its lease for so many seconds is dead.
LEASE_SECONDS = 30.0
#: The parts of a lease after which it is renewed, and after which its holder stops by itself.
#: Their difference is how long a database can be away: 18 s with the usual lease.
BEAT, SELF_FENCE = 1 / 15, 2 / 3


@dataclass(frozen=True)
class NewWorker:
    """A process that is about to work. `kind`: serve, worker or command; `at_once`: deployments.

    `configuration` is the identity of the one that it works with.
    """

    name: str
    kind: str
    labels: Mapping[str, str]
    at_once: int
    configuration: str = ""


@dataclass(frozen=True)
class WorkerRecord:
    """A process that works, as recorded. `running` are the ids of what it holds."""

    id: str
    name: str
    kind: str
    labels: Mapping[str, str]
    at_once: int
    version: str
    started_at: int
    alive: bool
    running: tuple[str, ...]
    configuration: str = ""


@dataclass(frozen=True)
class Waiting:
    """Why a deployment has not begun. `position` 1 is the next of its target."""

    position: int
    reason: str
    blocked_by: str | None = None


@dataclass(frozen=True)
class Pause:
    """A pause of the queue: by whom, why and when (UTC microseconds); `by_name` names a token."""

    by: str
    reason: str
    at: int
    by_name: str | None = None


def takes(labels: Mapping[str, str], target: Target) -> bool:
    """Return whether a worker with these labels may work on a target.

    A worker without a label of a kind takes any target. One with a region or a network takes only
    the targets of that region or network.
    """
    return all(getattr(target, kind, None) == value for kind, value in labels.items())
