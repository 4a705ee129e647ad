"""Working on a deployment: waiting for its turn, carrying it out, and never leaving it open."""

from __future__ import annotations

import time
from collections.abc import Callable

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.ports import Runner, Store
from fraisier.engine.attempt import Attempt, Listener
from fraisier.engine.deployments import Deployments

POLL_SECONDS = 0.2


class Worker:
    """Carries out deployments of one catalogue."""

    def __init__(
        self, catalogue: Catalogue, store: Store, runner: Runner, deployments: Deployments
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._runner = runner
        self._deployments = deployments

    def carry_out(
        self,
        deployment: Deployment,
        tell: Listener,
        cancelled: Callable[[], bool],
        waiting: Callable[[Deployment], None],
    ) -> Deployment:
        """Bring one deployment to its end and return it as it then stands.

        Where another process has begun it already, its end is waited for.
        """
        seen = 0
        told: str | None = None
        while True:
            self._store.abandon_dead()
            mine = self._store.claim(deployment.id)
            events = self._store.events(deployment.id, after=seen)
            seen += len(events)
            tell(events)
            if mine:
                self._attempt(self._store.deployment(deployment.id), tell, cancelled)
            now = self._store.deployment(deployment.id)
            if now.status.terminal or (cancelled() and now.status is not Status.PENDING):
                return now
            if cancelled():
                tell(self._store.finish(deployment.id, Status.CANCELLED, "before it began"))
                return self._store.deployment(deployment.id)
            blocker = self._store.blocker(deployment.id)
            if blocker is not None and blocker.id != told:
                told = blocker.id
                waiting(blocker)
            time.sleep(POLL_SECONDS)

    def _attempt(
        self, deployment: Deployment, tell: Listener, cancelled: Callable[[], bool]
    ) -> None:
        provider = self._catalogue.providers[deployment.target.provider]
        plan = self._deployments.plan(deployment)
        try:
            Attempt(deployment, plan, provider, self._store, self._runner, tell, cancelled).run()
        except BaseException as error:
            if self._store.deployment(deployment.id).status is Status.IN_PROGRESS:
                reason = f"the attempt broke off: {type(error).__name__}"
                tell(self._store.finish(deployment.id, Status.INTERRUPTED, reason))
            raise
