"""Working on one's own deployment: waiting for its turn, then carrying it out in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused, StoreUnavailable
from fraisier.domain.event import Event
from fraisier.domain.ports import Runner, Store
from fraisier.domain.worker import Waiting
from fraisier.engine.attempt import Listener
from fraisier.engine.execution import execute
from fraisier.engine.membership import Membership
from fraisier.engine.patience import patiently

POLL_SECONDS = 0.2


class _Turn:
    """What was told of a deployment so far."""

    def __init__(
        self, deployment: Deployment, tell: Listener, waiting: Callable[[Waiting], None]
    ) -> None:
        self.deployment = deployment
        self.tell = tell
        self.seen = 0
        self.begun = False
        self._waiting = waiting
        self._reason: str | None = None

    def hear(self, events: Sequence[Event]) -> None:
        """Tell further events."""
        self.seen += len(events)
        self.tell(events)

    def hear_why(self, waits: Waiting | None) -> None:
        """Tell why it waits, where that has changed."""
        if waits is not None and waits.reason != self._reason:
            self._reason = waits.reason
            self._waiting(waits)


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
        turn = _Turn(deployment, tell, waiting)
        while True:
            ended = self._patient_turn(turn, cancelled)
            if ended is not None:
                return ended
            time.sleep(POLL_SECONDS)

    def _patient_turn(self, turn: _Turn, cancelled: Callable[[], bool]) -> Deployment | None:
        """Take a turn; while the database is away nothing happens, as long as the lease lasts.

        To end here would cancel what waits.
        """
        try:
            return self._turn(turn, cancelled)
        except StoreUnavailable:
            if turn.begun or cancelled() or not self._member.valid():
                raise
            return None

    def _turn(self, turn: _Turn, cancelled: Callable[[], bool]) -> Deployment | None:
        """Carry it out if it can begin; return it as it then stands, None while it waits."""
        name, valid = turn.deployment.id, self._member.valid
        self._recover()
        self._member.renew_if_late()
        mine = self._store.claim(name, self._member.id, valid)
        turn.begun = mine is not None
        turn.hear(patiently(lambda: self._store.events(name, after=turn.seen), valid))
        if mine is not None:
            self._execute(mine, turn.tell, cancelled)
        now = patiently(lambda: self._store.deployment(name), valid)
        if now.status.terminal or (cancelled() and now.status is not Status.PENDING):
            return now
        if cancelled():
            with suppress(Refused):  # somebody else was faster
                self._store.cancel(name, now.triggered_by)
            return None
        blocker = self._store.blocker(name)
        if blocker is not None and blocker.status.terminal:
            raise self._given_up(now, blocker)
        turn.hear_why(self._store.waiting(name))
        return None

    def _execute(self, mine: Deployment, tell: Listener, cancelled: Callable[[], bool]) -> None:
        valid = self._member.valid
        execute(mine, self._catalogue, self._store, self._runner, tell, cancelled, valid)

    def _given_up(self, deployment: Deployment, holder: Deployment) -> Refused:
        name = f"{deployment.target.fraise} {deployment.target.environment}"
        held = f"{name} is held: {holder.id} is {holder.status.value}"
        with suppress(Refused):  # it has its end already
            why = f"it did not begin: {held}"
            self._store.cancel(deployment.id, deployment.triggered_by, why)
        return Refused(
            f"{held}; {deployment.id} is cancelled",
            f"look at it (fraisier show {holder.id}), then: fraisier unlock {name} --reason …",
        )
