"""Fifty people ask for one target at the same instant, on every database. # I4 I6 I10"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from fraisier.domain.deployment import Status
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.domain.ports import Filter
from fraisier.domain.worker import NewWorker
from fraisier.engine.bell import Bell
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.membership import Membership
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.store import SqlStore
from fraisier.store.tables import deployments
from support.fakes import Inventories, Repositories, ScriptedRunner, make_catalogue, make_target
from support.target import until

ASKING = 50
WORKERS = 4


class Door:
    """Counts who is inside: runs of one target must come one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = self.most = 0
        self.order: list[str] = []

    def runner(self) -> PassingRunner:
        """Return a runner of its own for one attempt."""
        return PassingRunner(self)

    def enter(self, work: Work) -> None:
        """Note that a play begins."""
        with self._lock:
            self.order.append(work.deployment_id)
            self.inside += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        """Note that a play has ended."""
        with self._lock:
            self.inside -= 1


class PassingRunner(ScriptedRunner):
    """A play that takes a moment, so that a second one would meet it."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Do the work on every host, seen by everybody."""
        self._door.enter(work)
        try:
            time.sleep(0.005)
            return super().run(work, on_facts, cancelled)
        finally:
            self._door.leave()


@pytest.fixture
def store(database_url: str) -> SqlStore:
    """Return a store on an empty database of each kind."""
    return SqlStore.open(database_url)


@contextmanager
def working(store: SqlStore, catalogue: Any, door: Door) -> Iterator[None]:
    """Let several workers work on the queue until the block ends."""
    stop = Stop()
    members = [Membership(store, NewWorker(f"w{n}", "worker", {}, 4)) for n in range(WORKERS)]
    workers = [
        QueueWorker(catalogue, store, door.runner, Bell(), member, 30.0) for member in members
    ]
    threads = [threading.Thread(target=worker.serve, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.drain.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


@contextmanager
def watched(store: SqlStore) -> Iterator[list[int]]:
    """Ask the database again and again how many attempts of one target are live."""
    seen, over = [0], threading.Event()
    running = deployments.c.status == Status.IN_PROGRESS.value
    query = select(func.count()).where(running).group_by(deployments.c.target_id)

    def look() -> None:
        while not over.wait(0.005):
            with store._transaction(reading=True) as connection:
                seen.extend(connection.scalars(query))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_fifty_requests_at_once_are_one_live_attempt_at_a_time_in_their_order(
    store: SqlStore,
) -> None:
    catalogue, door = make_catalogue(make_target()), Door()
    asking = Deployments(catalogue, store, Repositories(), Inventories())
    together = threading.Barrier(ASKING)

    def ask(number: int) -> str:
        together.wait()
        return asking.deploy(Wish("api", "production", f"tok_{number}", version=f"v{number}")).id

    with watched(store) as live, working(store, catalogue, door):
        with ThreadPoolExecutor(ASKING) as people:
            asked = list(people.map(ask, range(ASKING)))
        until(lambda: _ended(store) == ASKING, 90)
    assert max(live) == 1, "I4: never two live attempts of one target"
    assert door.most == 1, "I6: never two plays of one target"
    assert len(set(asked)) == len(set(door.order)) == len(door.order) == ASKING
    with store._transaction(reading=True) as connection:
        rows = connection.execute(select(deployments).order_by(deployments.c.accepted)).all()
    assert [row.accepted for row in rows] == [*range(1, ASKING + 1)]
    assert [row.id for row in rows] == door.order, "I10: the order of acceptance is that of work"
    assert {row.status for row in rows} == {Status.SUCCESS.value}
    assert len({row.fence for row in rows}) == ASKING, "I5: each attempt has a fence of its own"
    assert [row.fence for row in rows] == sorted(row.fence for row in rows)


def _ended(store: SqlStore) -> int:
    return store.count(Filter(status=Status.SUCCESS.value))
