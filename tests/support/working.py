"""A store with a worker in it, and what tests of stores ask of one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, text

from fraisier.domain.deployment import Deployment
from fraisier.domain.ports import NewDeployment
from fraisier.domain.worker import NewWorker
from fraisier.store import SqlStore
from support.fakes import make_target


class Working(SqlStore):
    """A store with a worker in it: `me` takes what it is not said who takes."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.me = self.join(NewWorker("me", "serve", {}, 4), 30)

    def begin(self, deployment_id: str) -> bool:
        """Claim a deployment and say whether that was so."""
        return self.claim(deployment_id, self.me) is not None

    def next(self) -> Deployment | None:
        """Claim the next one, whatever its target."""
        return self.claim_next(self.me, lambda _target: True)


def ask(store: Working, queued: bool = True, **more: Any) -> Deployment:
    """Record a request for the one target; one that is not queued is the worker's own."""
    target = make_target(**more.pop("target", {}))
    values = {"kind": "deploy", "version": "v1", "requested_version": None, "strategy": "rolling"}
    values |= {"triggered_by": "t", **more}
    return store.request(NewDeployment(target=target, **values), None if queued else store.me)


def begin(store: Working, **more: Any) -> Deployment:
    """Record a request and start it."""
    asked = ask(store, **more)
    assert store.begin(asked.id)
    return store.deployment(asked.id)


def at_once(many: int, action: Callable[[int], Any]) -> list[Any]:
    """Do something in so many threads that begin together; return what each got."""
    barrier = threading.Barrier(many)

    def one(number: int) -> Any:
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def audited(store: SqlStore) -> list[tuple[str, str, str]]:
    """Return who did what to what, in order, besides asking for deployments."""
    noted = "SELECT actor, action, subject FROM audit WHERE action <> 'deploy' ORDER BY at, id"
    query = text(noted)
    with store._transaction(reading=True) as connection:
        return [tuple(row) for row in connection.execute(query)]
