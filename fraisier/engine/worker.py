"""Working on one's own deployment: waiting for its turn, then carrying it out in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused
from fraisier.domain.ports import Runner, Store
from fraisier.domain.worker import Waiting
from fraisier.engine.attempt import Listener
from fraisier.engine.execution import execute
from fraisier.engine.membership import Membership

POLL_SECONDS = 0.2


class Worker:
    """Carries out deployments of one catalogue, one at a time, as a member of those who work."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        runner: Runner,
        member: Membership,
        recover: Callable[[], None] = lambda: None,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._runner = runner
        self._member = member
        self._recover = recover

    def carry_out(
        self,
        deployment: Deployment,
        tell: Listener,
        cancelled: Callable[[], bool],
        waiting: Callable[[Waiting], None],
    ) -> Deployment:
        """Bring one deployment to its end and return it as it then stands.

        Where another process has begun it already, its end is waited for. Raises Refused, with the
        deployment cancelled, where its target has become held: that can last for days.
        """
        seen = 0
        told: Waiting | None = None
        while True:
            self._recover()
            mine = self._store.claim(deployment.id, self._member.id)
            events = self._store.events(deployment.id, after=seen)
            seen += len(events)
            tell(events)
            if mine is not None:
                self._execute(mine, tell, cancelled)
            now = self._store.deployment(deployment.id)
            if now.status.terminal or (cancelled() and now.status is not Status.PENDING):
                return now
            if cancelled():
                with suppress(Refused):  # somebody else was faster
                    self._store.cancel(deployment.id, deployment.triggered_by)
                continue
            blocker = self._store.blocker(deployment.id)
            if blocker is not None and blocker.status.terminal:
                raise self._given_up(deployment, blocker)
            waits = self._store.waiting(deployment.id)
            if waits is not None and waits.reason != (told and told.reason):
                told = waits
                waiting(waits)
            time.sleep(POLL_SECONDS)

    def _execute(self, mine: Deployment, tell: Listener, cancelled: Callable[[], bool]) -> None:
        valid = self._member.valid
        execute(mine, self._catalogue, self._store, self._runner, tell, cancelled, valid)

    def _given_up(self, deployment: Deployment, holder: Deployment) -> Refused:
        with suppress(Refused):  # it has its end already
            self._store.cancel(deployment.id, deployment.triggered_by)
        name = f"{deployment.target.fraise} {deployment.target.environment}"
        return Refused(
            f"{name} is held: {holder.id} is {holder.status.value}; {deployment.id} is given up",
            f"look at it (fraisier show {holder.id}), then: fraisier unlock {name} --reason …",
        )
