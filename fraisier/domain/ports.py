"""The seams: what the engine asks of the world, without knowing who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.event import Event, Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work


@dataclass(frozen=True)
class NewDeployment:
    """A request that has passed every check and is about to be recorded."""

    kind: str
    target: Target
    version: str
    requested_version: str | None
    strategy: str
    triggered_by: str
    idempotency_key: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """Which deployments to list, newest first; None means any. `since` is in microseconds."""

    fraise: str | None = None
    environment: str | None = None
    status: str | None = None
    since: int | None = None
    limit: int = 100


class Store(Protocol):
    """The records. Each method is one transaction; what it returns is committed."""

    def installation(self) -> str:
        """Return this installation's id, which hosts remember their holder by."""

    def request(self, new: NewDeployment) -> Deployment:
        """Record an accepted request, or return the one with the same key; raise Refused."""

    def claim(self, deployment_id: str) -> bool:
        """Start the deployment if it is its turn; True only for the one caller that started it."""

    def blocker(self, deployment_id: str) -> Deployment | None:
        """Return what a pending deployment waits for, if anything."""

    def record(
        self,
        deployment_id: str,
        facts: Sequence[Fact],
        hosts: Sequence[HostRecord] = (),
        found: Sequence[Placement] = (),
    ) -> list[Event]:
        """Append facts to a live deployment's log, with what they say about hosts."""

    def finish(self, deployment_id: str, status: Status, reason: str) -> list[Event]:
        """End a deployment, once."""

    def abandon_dead(self) -> list[Deployment]:
        """End what a process that no longer lives left unfinished; return those deployments."""

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str | None:
        """Release a held target; return what held it."""

    def held(self, fraise: str, environment: str) -> str | None:
        """Return the deployment that holds a target, if one does."""

    def deployment(self, deployment_id: str) -> Deployment:
        """Return one deployment, or raise DeploymentNotFound."""

    def deployments(self, wanted: Filter) -> list[Deployment]:
        """Return deployments, newest first."""

    def host_records(self, deployment_id: str) -> list[HostRecord]:
        """Return what a deployment did to each host."""

    def placements(self, fraise: str, environment: str) -> dict[str, Placement]:
        """Return what each host of a target runs, by host."""

    def events(self, deployment_id: str, after: int = 0) -> list[Event]:
        """Return a deployment's events after a sequence number, in order."""


class Runner(Protocol):
    """Runs one playbook to its end and leaves nothing behind."""

    def prepare(self) -> None:
        """Get ready for a run that will come soon; optional, and only for speed."""

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Run the work, telling facts as they come.

        Raises ConfigurationError or RunnerError only while nothing has run yet.
        """


class Repositories(Protocol):
    """The git repositories that versions come from."""

    def resolve(self, repository: str, version: str | None, branch: str) -> str:
        """Return the full commit SHA a version names (None: the branch's newest)."""
