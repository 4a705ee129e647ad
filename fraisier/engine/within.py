"""The records as one sees them who reaches some targets only: of others there are none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, cast

from fraisier.domain.audit import AuditStore
from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, HostRecord, Placement
from fraisier.domain.dora import Ended
from fraisier.domain.errors import DeploymentNotFound, Forbidden
from fraisier.domain.event import Event, Head
from fraisier.domain.freeze import Stopped
from fraisier.domain.health import HostHealth
from fraisier.domain.ports import Filter, NewDeployment, Store
from fraisier.domain.reach import Reach
from fraisier.domain.worker import Waiting, WorkerRecord

#: What is of no target, and may be asked for by everybody.
SHARED = frozenset({"installation", "paused"})


def within(store: Store, reach: Reach) -> Store:
    """Return the records that a reach leaves: all of them where it is everything."""
    return store if reach.everything else cast("Store", StoreWithin(store, reach))


class StoreWithin:
    """A store in which foreign deployments do not exist.

    What is not written here is refused, so that a new method opens nothing by itself.
    """

    def __init__(self, store: Store, reach: Reach) -> None:
        self._store = store
        self._reach = reach

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in SHARED:
            return cast("Callable[..., Any]", getattr(self._store, name))
        raise beyond()

    def deployments(self, wanted: Filter) -> list[Deployment]:
        """Return its own deployments, newest first."""
        return self._store.deployments(replace(wanted, reach=self._reach))

    def count(self, wanted: Filter, most: int | None = None) -> int:
        """Return how many those are, at most `most`."""
        return self._store.count(replace(wanted, reach=self._reach), most)

    def heads(self, deployment_ids: Collection[str]) -> Mapping[str, Head]:
        """Return how far the logs of its own go."""
        return self._store.heads([self.deployment(each).id for each in deployment_ids])

    def ended(
        self, since: int, limit: int, fraise: str | None = None, environment: str | None = None
    ) -> list[Ended]:
        """Return its own that ended since a moment."""
        return self._store.ended(since, limit, fraise, environment, self._reach)

    def workers(self) -> list[WorkerRecord]:
        """Return all who work, with what they hold of its own."""
        return self._store.workers(self._reach)

    def deployment(self, deployment_id: str) -> Deployment:
        """Return one of its own, or raise DeploymentNotFound in the words of the store."""
        try:
            found = self._store.deployment(deployment_id)
        except DeploymentNotFound:
            found = None
        if found is None or not self._covers(found.target.fraise, found.target.environment):
            raise DeploymentNotFound(
                f'no deployment "{deployment_id}"', "see: fraisier history --limit 20"
            )
        return found

    def events(self, deployment_id: str, *wanted: Any, **more: Any) -> list[Event]:
        """Return events of one of its own."""
        return self._store.events(self.deployment(deployment_id).id, *wanted, **more)

    def count_events(self, deployment_id: str, *wanted: Any, **more: Any) -> int:
        """Return how many events one of its own has."""
        return self._store.count_events(self.deployment(deployment_id).id, *wanted, **more)

    def host_records(self, deployment_id: str) -> list[HostRecord]:
        """Return what one of its own did to each host."""
        return self._store.host_records(self.deployment(deployment_id).id)

    def waiting(self, deployment_id: str) -> Waiting | None:
        """Return why one of its own has not begun."""
        return self._store.waiting(self.deployment(deployment_id).id)

    def blocker(self, deployment_id: str) -> Deployment | None:
        """Return what one of its own waits for, which is of the same target."""
        return self._store.blocker(self.deployment(deployment_id).id)

    def cancel(self, deployment_id: str, by: str, why: str = "") -> Deployment:
        """Stop one of its own."""
        return self._store.cancel(self.deployment(deployment_id).id, by, why)

    def go_on(self, deployment_id: str, by: str) -> Deployment:
        """Let one of its own go on."""
        return self._store.go_on(self.deployment(deployment_id).id, by)

    def request(self, new: NewDeployment, worker_id: str | None = None) -> Deployment:
        """Record a request for one of its targets."""
        self._require(new.target.fraise, new.target.environment)
        return self._store.request(new, worker_id)

    def repeated(self, by: str, key: str, fingerprint: str) -> Deployment | None:
        """Return what was asked for before with the same key."""
        return self._store.repeated(by, key, fingerprint)

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str | None:
        """Release one of its targets."""
        self._require(fraise, environment)
        return self._store.unlock(fraise, environment, reason, by)

    def held(self, fraise: str, environment: str) -> str | None:
        """Return what holds one of its targets."""
        return self._store.held(fraise, environment) if self._covers(fraise, environment) else None

    def placements(self, fraise: str, environment: str) -> dict[str, Placement]:
        """Return what each host of one of its targets runs."""
        mine = self._covers(fraise, environment)
        return self._store.placements(fraise, environment) if mine else {}

    def health(self, fraise: str, environment: str) -> dict[tuple[str, str], list[HostHealth]]:
        """Return what the looks at one of its targets came to."""
        return self._store.health(fraise, environment) if self._covers(fraise, environment) else {}

    def stopped(self, target: Target) -> Stopped | None:
        """Return what keeps a deployment to one of its targets from beginning now."""
        self._require(target.fraise, target.environment)
        return self._store.stopped(target)

    def add_audit(self, actor: str, *said: str) -> None:
        """Record what was asked for, of whatever."""
        cast("AuditStore", self._store).add_audit(actor, *said)

    def _covers(self, fraise: str, environment: str) -> bool:
        return self._reach.covers(fraise, environment)

    def _require(self, fraise: str, environment: str) -> None:
        if not self._covers(fraise, environment):
            raise beyond()


def beyond() -> Forbidden:
    """Return why a token that reaches some targets only may not do something."""
    return Forbidden(
        "this is about more than the targets that this token reaches",
        'use a token without --only, which reaches "*/*"',
    )
