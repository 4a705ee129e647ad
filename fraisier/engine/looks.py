"""Looking at the catalogue and the records, as JSON: what front ends show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import EnvironmentNotFound, did_you_mean
from fraisier.domain.health import HostHealth
from fraisier.domain.ports import Filter, Store
from fraisier.engine.automatic import candidate
from fraisier.engine.views import deployment_json, fraise_json, status_json, target_json

Json = dict[str, Any]


class Looks:
    """What is configured, what happened, and what runs as far as the records know.

    `catalogue` is asked when it is needed: what happened can be told while the file is broken.
    `recover` settles what the dead left, where no server does that.
    """

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        store: Store,
        recover: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = catalogue
        self._store = store
        self._recover = recover

    @property
    def _catalogue(self) -> Catalogue:
        return self._read()

    def targets(self, fraise: str | None = None, environment: str | None = None) -> list[Target]:
        """Return targets by fraise and environment; None means all. Raises NotFound."""
        if fraise is None:
            return self._catalogue.targets()
        if environment is not None:
            return [self._catalogue.target(fraise, environment)]
        return self._catalogue.fraise(fraise).in_order()

    def fraises(self) -> list[Json]:
        """Return every fraise with its targets."""
        return [fraise_json(fraise) for _, fraise in sorted(self._catalogue.fraises.items())]

    def environments(self) -> list[Json]:
        """Return every environment with its targets."""
        names = sorted({target.environment for target in self.targets()})
        return [self.environment(name) for name in names]

    def environment(self, name: str) -> Json:
        """Return one environment with its targets, or raise EnvironmentNotFound."""
        found = [target for target in self.targets() if target.environment == name]
        if not found:
            known = sorted({target.environment for target in self.targets()})
            raise EnvironmentNotFound(
                f'no fraise has an environment "{name}"{did_you_mean(name, known)}',
                f"known: {', '.join(known) or 'none'}",
            )
        return {"name": name, "targets": [target_json(target) for target in found]}

    def status(self, fraise: str | None = None, environment: str | None = None) -> list[Json]:
        """Return what targets run, as their hosts last told."""
        chosen = self.targets(fraise, environment)
        self._recover()
        return [self._status(target) for target in chosen]

    def deployments(self, wanted: Filter) -> list[Json]:
        """Return deployments, newest first."""
        self._recover()
        return [deployment_json(found) for found in self._store.deployments(wanted)]

    def deployment(self, deployment_id: str) -> Json:
        """Return one deployment with its hosts and what it waits for."""
        self._recover()
        found, hosts = (
            self._store.deployment(deployment_id),
            self._store.host_records(deployment_id),
        )
        return deployment_json(found, hosts, self._store.waiting(deployment_id))

    def _status(self, target: Target) -> Json:
        last = self._last(target)
        placed = self._store.placements(target.fraise, target.environment)
        held = self._store.held(target.fraise, target.environment)
        waiting = self._store.waiting(last.id) if last and _waits(last) else None
        coming, health = self._coming(target), self.health(target)
        return status_json(target, last, placed, held, waiting, coming, health)

    def health(self, target: Target) -> list[HostHealth]:
        """Return what the looks at a target's hosts came to; nothing where nobody looks."""
        if target.monitoring.interval <= 0:
            return []
        name = (target.fraise, target.environment)
        return self._store.health(*name).get(name, [])

    def _coming(self, target: Target) -> Json | None:
        """Return what succeeded before and comes to a target by itself, or why it does not."""
        found = candidate(self._store, target)
        if found is None:
            return None
        return {
            "deployment": found.deployment.id,
            "version": found.deployment.version,
            "source": target.after,
            "blocked": found.blocked or None,
        }

    def _last(self, target: Target) -> Deployment | None:
        wanted = Filter(target.fraise, target.environment, limit=1)
        return next(iter(self._store.deployments(wanted)), None)


def _waits(deployment: Deployment) -> bool:
    return deployment.status is Status.PENDING
