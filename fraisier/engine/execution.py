"""Carrying out one claimed deployment, in a command or in a server: it never stays open."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.deployment import UNTOUCHED, Deployment, Status
from fraisier.domain.errors import LeaseLost, StoreUnavailable
from fraisier.domain.plan import Plan, way_out
from fraisier.domain.ports import Runner, Store
from fraisier.engine.attempt import Attempt, Listener
from fraisier.engine.recovery import settle

#: A wish to cancel is seen this many seconds after it was recorded, at the latest.
WATCH_SECONDS = 0.4


def execute(
    deployment: Deployment,
    catalogue: Catalogue,
    store: Store,
    runner: Runner,
    tell: Listener,
    cancelled: Callable[[], bool],
    valid: Callable[[], bool],
) -> None:
    """Bring a claimed deployment to its end, with what was frozen into it at the request.

    It is cancelled when `cancelled()` says so, or when that wish is recorded. Where the attempt
    breaks off, the hosts are looked at, the deployment is `interrupted`, and the error goes on to
    the caller. Once `valid()` is False nothing more is done: raises LeaseLost.
    """
    provider = catalogue.providers.get(deployment.target.provider)
    if provider is None:
        reason = f'there is no provider "{deployment.target.provider}" here; {UNTOUCHED}'
        tell(store.finish(deployment, Status.FAILED, reason, patient=valid))
        return
    wish = CancelWish(store, deployment.id, cancelled)
    try:
        Attempt(deployment, plan_of(deployment), provider, store, runner, tell, wish, valid).run()
    except LeaseLost:
        raise
    except BaseException as error:
        if valid():
            why = f"the attempt broke off: {type(error).__name__}"
            settle(deployment, catalogue, store, runner, valid, why, tell)
        raise


def plan_of(deployment: Deployment) -> Plan:
    """Return the way out of a deployment."""
    verb = "restore" if deployment.kind == "rollback" else "deploy"
    return way_out(deployment.target, deployment.strategy, verb)


class CancelWish:
    """Whether a deployment shall stop: asked of this process, and of the records now and then."""

    def __init__(self, store: Store, deployment_id: str, asked: Callable[[], bool]) -> None:
        self._store = store
        self._deployment_id = deployment_id
        self._asked = asked
        self._looked = -WATCH_SECONDS
        self._recorded = False

    def __call__(self) -> bool:
        """Return True once somebody wants the deployment to stop."""
        now = time.monotonic()
        if not self._recorded and now - self._looked >= WATCH_SECONDS:
            self._looked = now
            with suppress(StoreUnavailable):  # asked again in a moment
                found = self._store.deployment(self._deployment_id)
                self._recorded = found.cancel_requested_at is not None
        return self._recorded or self._asked()
