"""The queue against a model in Python: any order of requests, claims, ends, crashes and clocks.

One example is a story of many workers on two targets. The clock of leases and the wall clock are
scripted; the wall clock is set by up to ten minutes at any moment. # I2 I4 I5 I8 I9 I10 I11 I15
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from fraisier.domain import ids
from fraisier.domain.deployment import CancelAsked, Deployment, IllegalMove, Status
from fraisier.domain.errors import LeaseLost, Refused
from fraisier.domain.event import Fact
from fraisier.domain.ports import NewDeployment
from fraisier.domain.worker import NewWorker
from fraisier.store import SqlStore, clock, process
from fraisier.store.tables import deployments, events, targets
from support.fakes import make_target
from support.queue_model import ENDS, HOLDING, MATTERS, SECOND, TARGETS, Asked, Clocks, Worker
from support.records import migrated

LEASE = 30.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no test here cuts the power
#: Which of the latest a rule is about; 0 is the newest.
PICK = st.integers(0, 4)


class Queue(RuleBasedStateMachine):
    """What the store does, beside what it should."""

    #: How often what matters was really tried, over all examples.
    tried: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="queue-", dir=MEMORY))
        (self.folder / "records.db").write_bytes(migrated())
        self.clocks = Clocks()
        self.pid = 0
        self.gone: set[int] = set()
        self.patches = [
            mock.patch.object(clock, "time", self.clocks),
            mock.patch.object(ids, "time", self.clocks),
            mock.patch.object(process, "this_process", self.this_process),
            mock.patch.object(process, "is_gone", self.is_gone),
        ]
        for patch in self.patches:
            patch.start()
        self.store = SqlStore.open(f"sqlite:///{self.folder / 'records.db'}")
        self.model: dict[str, Asked] = {}
        self.living: dict[str, Worker] = {}
        self.handles: list[Deployment] = []
        self.keys: dict[str, str] = {}
        self.held: dict[str, str | None] = dict.fromkeys(TARGETS)
        self.fences = dict.fromkeys(TARGETS, 0)
        self.accepted = dict.fromkeys(TARGETS, 0)
        self.begun: dict[str, list[int]] = {name: [] for name in TARGETS}
        self.ended: dict[str, tuple[Any, ...]] = {}
        self.paused = False

    def teardown(self) -> None:
        """Leave nothing."""
        self.store._engine.dispose()
        for patch in self.patches:
            patch.stop()
        shutil.rmtree(self.folder)

    def this_process(self) -> dict[str, Any]:
        """Return the process that joins just now."""
        return {"pid": self.pid}

    def is_gone(self, found: dict[str, Any], *, this_machine: bool) -> bool:
        """Return whether a process is known to be gone."""
        return found["pid"] in self.gone

    # --- the model ------------------------------------------------------------------------

    def alive(self, worker_id: str | None) -> bool:
        """Return whether a worker is believed to live."""
        worker = self.living.get(worker_id or "")
        if worker is None or worker.left or worker.until < self.clocks.boot:
            return False
        return worker.pid not in self.gone

    def live(self, target: str) -> list[Asked]:
        """Return what waits or runs on a target."""
        mine = [each for each in self.model.values() if each.target == target]
        return [each for each in mine if not each.status.terminal]

    def ready(self, one: Asked) -> bool:
        """Return whether it is a deployment's turn."""
        others = [each for each in self.live(one.target) if each is not one]
        first = all(
            each.status is Status.PENDING and each.accepted > one.accepted for each in others
        )
        free = self.held[one.target] in (None, one.id)
        return one.status is Status.PENDING and first and free and not self.paused

    def began(self, one: Asked, found: Deployment, worker: Worker) -> None:
        """Note that a worker holds a deployment now: a higher fence than any before. # I5"""
        assert found.fence > self.fences[one.target]
        self.fences[one.target] = one.fence = found.fence
        if one.status is Status.PENDING:
            self.begun[one.target].append(one.accepted)
        one.status, one.owner = Status.IN_PROGRESS, worker.id
        self.handles.append(found)

    def finished(self, one: Asked, status: Status) -> None:
        """Note an end."""
        one.status = status
        if status in HOLDING:
            self.held[one.target] = one.id

    def running(self) -> list[Asked]:
        """Return what is worked on."""
        return [e for e in self.model.values() if e.status is Status.IN_PROGRESS]

    def worker(self, pick: int) -> Worker:
        """Return one of the processes that did not die; a new one where none is left."""
        able = [each for each in self.living.values() if not each.dead]
        return able[-1 - pick % len(able)] if able else self.new_worker(seen=True)

    def handle(self, pick: int) -> Deployment:
        """Return what one of the latest claims and take-overs gave."""
        return self.handles[-1 - pick % len(self.handles)]

    # --- workers --------------------------------------------------------------------------

    @initialize()
    def first(self) -> None:
        """Begin with two workers."""
        self.new_worker(seen=True)
        self.new_worker(seen=False)

    @rule(seen=st.booleans())
    def join(self, seen: bool) -> None:
        """A process joins, on a machine that others see into or not."""
        self.new_worker(seen)

    def new_worker(self, seen: bool) -> Worker:
        """Let a process join."""
        self.pid += 1
        worker_id = self.store.join(NewWorker("w", "worker", {}, 1), LEASE)
        until = self.clocks.boot + int(LEASE) * SECOND
        self.living[worker_id] = Worker(worker_id, self.pid, until, seen)
        return self.living[worker_id]

    @rule(pick=PICK)
    def beat(self, pick: int) -> None:
        """A lease is renewed, or lost for good: on the clock that nobody sets. # I15"""
        self._beat(self.worker(pick))

    def _beat(self, worker: Worker) -> None:
        renewed = self.store.beat(worker.id, LEASE)
        self.tried[f"renewed {renewed}"] += 1
        assert renewed == (worker.until >= self.clocks.boot)
        if renewed:
            worker.until = self.clocks.boot + int(LEASE) * SECOND

    @rule(pick=PICK)
    def crash(self, pick: int) -> None:
        """A process dies; only those who can see it know."""
        self._die(self.worker(pick))

    def _die(self, worker: Worker) -> None:
        worker.dead = True
        if worker.seen:
            self.gone.add(worker.pid)

    @rule(pick=PICK)
    def leave(self, pick: int) -> None:
        """A process leaves, whatever it still holds."""
        worker = self.worker(pick)
        self.store.leave(worker.id)
        worker.left = worker.dead = True

    @rule(pick=PICK)
    def lapse(self, pick: int) -> None:
        """A worker stalls for longer than its lease, and wakes up again. # I15"""
        worker = self.worker(pick)
        self._run_out(worker)
        self._beat(worker)
        self._claim_next(worker)

    def _run_out(self, holder: Worker) -> None:
        """Let the lease of one worker run out, while all others renew theirs."""
        for _ in range(2):
            for each in self.living.values():
                if each is not holder and not each.dead and each.until >= self.clocks.boot:
                    self._beat(each)
            self.wait(seconds=20)

    @rule(seconds=st.sampled_from([1, 5, 20, 31]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.clocks.boot += seconds * SECOND
        self.clocks.wall += seconds * SECOND

    @rule(seconds=st.sampled_from([-600, -1, 1, 600]))
    def set_the_clock(self, seconds: int) -> None:
        """Somebody sets the wall clock. # I15"""
        self.clocks.wall += seconds * SECOND

    # --- requests and claims --------------------------------------------------------------

    @rule(
        where=st.sampled_from(TARGETS),
        on_busy=st.sampled_from(["queue", "queue", "supersede", "reject"]),
        key=st.sampled_from([None, None, "k1", "k2"]),
    )
    def request(self, where: str, on_busy: str, key: str | None) -> None:
        """Somebody asks, for any worker."""
        self._request(where, on_busy, key and f"{where}-{key}", None)

    @rule(where=st.sampled_from(TARGETS), pick=PICK)
    def command(self, where: str, pick: int) -> None:
        """A command asks for itself, and begins if it is its turn."""
        worker = self.worker(pick)
        one = self._request(where, "queue", None, worker.id)
        if one is None:
            return
        if self.ready(one) and worker.until < self.clocks.boot:
            with pytest.raises(LeaseLost):
                self.store.claim(one.id, worker.id)
            return
        found = self.store.claim(one.id, worker.id)
        assert (found is not None) == self.ready(one)
        if found is not None:
            self.began(one, found, worker)

    def _request(self, where: str, on_busy: str, key: str | None, owner: str | None) -> Any:
        new = NewDeployment(
            kind="deploy", target=make_target(environment=where, on_busy=on_busy), version="v1",
            requested_version=None, strategy="rolling", triggered_by="me", idempotency_key=key,
        )  # fmt: skip
        known = self.keys.get(key or "")
        if known is not None:
            self.tried["the same key"] += 1
            assert self.store.request(new, owner).id == known, "I9"
            return None
        if self.held[where] or (on_busy == "reject" and self.live(where)):
            self.tried["a request refused"] += 1
            with pytest.raises(Refused):
                self.store.request(new, owner)
            return self.unlock(where=where)
        found = self.store.request(new, owner)
        self._supersede(where, on_busy)
        self.accepted[where] += 1
        one = Asked(found.id, where, self.accepted[where], found.created_at, owner)
        self.model[found.id] = one
        if key:
            self.keys[key] = found.id
        return one

    def _supersede(self, where: str, on_busy: str) -> None:
        for each in self.live(where) if on_busy == "supersede" else []:
            if each.status is Status.PENDING:
                self.tried["superseded"] += 1
                each.status = Status.SUPERSEDED

    @rule(pick=PICK)
    def claim_next(self, pick: int) -> None:
        """A worker takes what comes next, if it still counts among the living."""
        self._claim_next(self.worker(pick))

    def _claim_next(self, worker: Worker) -> None:
        ready = [each for each in self.model.values() if each.owner is None and self.ready(each)]
        if ready and worker.until < self.clocks.boot:
            self.tried["a claim without a lease"] += 1
            with pytest.raises(LeaseLost):
                self.store.claim_next(worker.id, lambda _target: True)
            return
        found = self.store.claim_next(worker.id, lambda _target: True)
        assert (found is not None) == bool(ready)
        if found is not None:
            one = self.model[found.id]
            assert one in ready, "I4, I10: only what nothing accepted earlier stands before"
            self.began(one, found, worker)

    @rule(where=st.sampled_from(TARGETS))
    def begin(self, where: str) -> None:
        """What waits begins, where it can: a worker that lives is there for it."""
        self.unlock(where=where)
        able = [each for each in self.living.values() if self.alive(each.id) and not each.dead]
        self._claim_next(able[-1] if able else self.new_worker(seen=True))

    @rule(pick=PICK)
    def pause(self, pick: int) -> None:
        """While the queue is paused nothing begins."""
        self.store.pause("me", "why")
        self.paused = True
        self._claim_next(self.worker(pick))
        assert self.store.resume("me")
        self.paused = False

    # --- attempts -------------------------------------------------------------------------

    @precondition(lambda self: self.handles)
    @rule(pick=PICK)
    def record(self, pick: int) -> None:
        """Whoever held a deployment once writes to it: nothing, if it is theirs no more."""
        self._record(self.handle(pick))

    def _record(self, handle: Deployment) -> None:
        one, late = self.model[handle.id], [Fact("log.line", None, {"text": "x"})] * 2
        if one.fence != handle.fence:
            self.tried["late record"] += 1
            with pytest.raises(LeaseLost):  # I5
                self.store.record(handle, late)
        elif one.status.terminal:
            with pytest.raises(Refused):
                self.store.record(handle, late)
        else:
            self.store.record(handle, late)

    @precondition(lambda self: self.handles)
    @rule(pick=PICK, status=st.sampled_from(ENDS))
    def finish(self, pick: int, status: Status) -> None:
        """Whoever holds a deployment ends it, once."""
        self._finish(self.handle(pick), status)

    def _finish(self, handle: Deployment, status: Status) -> None:
        one = self.model[handle.id]
        if one.status.terminal:
            self.tried["a second end"] += 1
            with pytest.raises((IllegalMove, LeaseLost)):  # I2
                self.store.finish(handle, status, "again")
        elif one.fence != handle.fence:
            self.tried["late end"] += 1
            with pytest.raises(LeaseLost):  # I5
                self.store.finish(handle, status, "late")
        elif one.wished and status is Status.SUCCESS:
            self.tried["a success that was to be cancelled"] += 1
            with pytest.raises(CancelAsked):  # I8
                self.store.finish(handle, status, "")
        else:
            self.store.finish(handle, status, "")
            self.finished(one, status)

    @precondition(lambda self: self.model)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        """Somebody cancels: before it began there is no play; after its end it is refused. # I8"""
        one = [*self.model.values()][-1 - pick % len(self.model)]
        if one.status.terminal:
            with pytest.raises(Refused):
                self.store.cancel(one.id, "me")
            return
        found = self.store.cancel(one.id, "me")
        one.wished = True
        if one.status is Status.IN_PROGRESS:
            holds = next(e for e in self.handles if (e.id, e.fence) == (one.id, one.fence))
            self._finish(holds, Status.SUCCESS)
        if one.status is Status.PENDING:
            one.status = Status.CANCELLED
        assert found.status is one.status

    @rule(pick=PICK)
    def take_over(self, pick: int) -> None:
        """A worker looks for what the dead left."""
        self._take_over(self.worker(pick))

    @precondition(lambda self: self.running())
    @rule(pick=PICK, known=st.booleans())
    def strand(self, pick: int, known: bool) -> None:
        """Whoever works on a deployment dies or stalls, and another looks for what it left."""
        running = self.running()
        holder = self.living[running[pick % len(running)].owner or ""]
        if known:
            self._die(holder)
        elif not holder.left:
            self._run_out(holder)
        before = len(self.handles)
        self._take_over(self.new_worker(seen=True))
        for handle in self.handles[:before][-3:]:  # those who held it wake up
            if self.model[handle.id].fence != handle.fence:
                self._record(handle)
                self._finish(handle, Status.FAILED)

    def _take_over(self, worker: Worker) -> None:
        left = [
            each
            for each in self.model.values()
            if not each.status.terminal and (each.fence or each.owner)
            if not self.alive(each.owner)
        ]
        if left and not self.alive(worker.id):
            with pytest.raises(LeaseLost):
                self.store.take_over(worker.id)
            return
        found = self.store.take_over(worker.id)
        for each in sorted(left, key=lambda each: each.created_at):
            if each.status is Status.IN_PROGRESS:
                assert found is not None
                assert found.id == each.id
                self.tried["taken over"] += 1
                self.began(each, found, worker)
                return
            self.tried["a dead command"] += 1
            each.status = Status.CANCELLED
        assert found is None, "what a living worker holds is nobody else's"

    @rule(where=st.sampled_from(TARGETS))
    def unlock(self, where: str) -> None:
        """A person has looked."""
        held, self.held[where] = self.held[where], None
        if self.accepted[where]:
            assert self.store.unlock("api", where, "seen", "me") == held

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def the_records_are_the_model(self) -> None:
        """Hold the whole database against the model."""
        with self.store._transaction(reading=True) as connection:
            rows = connection.execute(select(deployments)).all()
            told = connection.execute(
                select(events.c.deployment_id, events.c.sequence, events.c.type).order_by(
                    events.c.deployment_id, events.c.sequence
                )
            ).all()
            held = {row.environment: row.held_by for row in connection.execute(select(targets))}
        assert {row.id: row.status for row in rows} == {
            each.id: each.status.value for each in self.model.values()
        }
        assert {name: self.held[name] for name in held} == held
        self._each_target_has_one(rows)
        self._what_ended_stays(rows)
        self._logs_are_whole(rows, told)

    def _each_target_has_one(self, rows: Any) -> None:
        running = [row.target_id for row in rows if row.status == Status.IN_PROGRESS.value]
        assert len(running) == len(set(running)), "I4"
        for order in self.begun.values():
            assert order == sorted(order), "I10"
        for row in rows:
            assert row.accepted == self.model[row.id].accepted

    def _what_ended_stays(self, rows: Any) -> None:
        for row in rows:
            if Status(row.status).terminal:
                assert self.ended.setdefault(row.id, tuple(row)) == tuple(row), "I2"

    def _logs_are_whole(self, rows: Any, told: Any) -> None:
        stories: dict[str, list[tuple[int, str]]] = {row.id: [] for row in rows}
        for line in told:
            stories[line.deployment_id].append((line.sequence, line.type))
        for deployment_id, story in stories.items():
            one, kinds = self.model[deployment_id], [kind for _, kind in story]
            assert [number for number, _ in story] == [*range(1, len(story) + 1)], "I11"
            assert kinds.count("deployment.started") <= 1, "I6"
            assert kinds.count("deployment.completed") == int(one.status.terminal), "I2"


def test_the_queue_does_what_the_model_says() -> None:
    tell(stories=25)


@pytest.mark.slow
@pytest.mark.cpu_seconds(150, reason="500 stories, each of fifty transactions")
def test_the_queue_does_what_the_model_says_in_many_more_stories() -> None:
    tell(stories=500)


def tell(stories: int) -> None:
    """Let so many stories happen, and make sure that they came to all that matters."""
    Queue.tried = Counter()
    run_state_machine_as_test(
        Queue,
        settings=settings(
            max_examples=stories,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    untried = [what for what in MATTERS if not Queue.tried[what]]
    assert not untried, f"the stories never came to this: {untried} ({Queue.tried})"
