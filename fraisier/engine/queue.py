"""A server's work: the queue is carried out, targets side by side, until the server stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import LeaseLost, StoreError
from fraisier.domain.ports import Runner, Store
from fraisier.domain.worker import takes
from fraisier.engine.bell import Bell
from fraisier.engine.beside import Beside
from fraisier.engine.execution import execute
from fraisier.engine.membership import Membership
from fraisier.engine.recovery import BROKE_OFF, DIED, settle_or_give_up

#: How often it is looked whether to stop, and at the queue where nothing else is said.
LOOK_SECONDS = 0.2
#: How often it is looked whether a worker has died.
SWEEP_SECONDS = 1.0
#: How often old records are removed: at the start, and once a day.
TIDY_SECONDS = 86_400.0
#: How often it is looked whether a process died that was dealing with a push, in seconds.
PUSHES_SECONDS = 15.0

#: How many targets are looked at at once, to see whether they are well.
LOOKS_AT_ONCE = 2
UNSEEN = "the health of what is deployed was not all looked at"

log = logging.getLogger("fraisier.worker")


@dataclass(frozen=True)
class Stop:
    """What a server is told: `drain` to begin nothing more, `now` to cancel what still runs."""

    drain: threading.Event = field(default_factory=threading.Event)
    now: threading.Event = field(default_factory=threading.Event)


class QueueWorker:
    """Claims queued deployments and carries each out in a thread of its own.

    The thread lives as long as the attempt: the kernel ends Ansible's processes with the thread
    that started them. The `member` says how many attempts may run at once; `drain_seconds` is how
    long they may go on once the server is to stop. After that they are cancelled, and go back
    first. The queue is looked at when the `bell` rings, and after `poll_seconds()` where it does
    not. `tidy` removes old records, once a day; `promote` lets what succeeded in one environment go
    on to the next, every second; `pushes` deals with what git hosts sent and a process left that
    died; `monitor` looks at the health of what is deployed. While it serves, `telling(member)`
    passes recorded events on.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        new_runner: Callable[[], Runner],
        bell: Bell,
        member: Membership,
        drain_seconds: float,
        poll_seconds: Callable[[], float] = lambda: LOOK_SECONDS,
        tidy: Callable[[], None] = lambda: None,
        promote: Callable[[], None] = lambda: None,
        telling: Callable[[Membership], AbstractContextManager[object]] = nullcontext,
        pushes: Callable[[], None] = lambda: None,
        monitor: Callable[[], None] = lambda: None,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._new_runner = new_runner
        self._bell = bell
        self._member = member
        self._drain_seconds = drain_seconds
        self._poll_seconds = poll_seconds
        self._chores = (
            Beside("tidy", tidy, TIDY_SECONDS, "old records were not all removed"),
            Beside("promote", promote, SWEEP_SECONDS, "what succeeded was not all promoted"),
            Beside("pushes", pushes, PUSHES_SECONDS, "what was pushed was not all dealt with"),
            *(Beside(f"health-{n}", monitor, SWEEP_SECONDS, UNSEEN) for n in range(LOOKS_AT_ONCE)),
        )
        self._telling = telling
        self._running: dict[str, threading.Thread] = {}
        self._settling: set[str] = set()
        self._swept = -SWEEP_SECONDS
        self.trouble: str | None = None

    def serve(self, stop: Stop) -> None:
        """Work until told to stop, and return when nothing runs any more.

        Where the records cannot be reached, `trouble` says so and the queue waits. Any other error
        is a defect: what runs is let finish as at a stop, and the error goes on to the caller.
        """
        with self._member, self._telling(self._member):
            log.info("%s works: %s", self._member.id, self._member.worker.name)
            try:
                while not stop.drain.is_set():
                    self._look(stop)
                    self._wait(stop)
            finally:
                self._drain(stop)

    @property
    def id(self) -> str:
        """Return the worker's id; empty until it serves."""
        return self._member.id

    @property
    def running(self) -> list[str]:
        """Return the ids of the deployments that are worked on here."""
        return [name for name, thread in list(self._running.items()) if thread.is_alive()]

    def _wait(self, stop: Stop) -> None:
        until = time.monotonic() + self._poll_seconds()
        while not stop.drain.is_set() and time.monotonic() < until:
            sweep_due = self._swept + SWEEP_SECONDS - time.monotonic()
            if self._bell.wait(max(0.0, min(LOOK_SECONDS, until - time.monotonic()))):
                return
            if sweep_due < 0:
                return

    def _look(self, stop: Stop) -> None:
        goes_on = lambda: self._member.valid() and not stop.drain.is_set()  # noqa: E731
        try:
            if not self._member.valid():
                self._join_again()
                return
            self._member.renew_if_late()
            self._sweep(stop)
            for chore in self._chores:
                chore.when_due()
            while self._busy() < self._member.worker.at_once:
                deployment = self._store.claim_next(self._member.id, self._takes, goes_on)
                if deployment is None:
                    break
                self._begin(deployment, self._carry_out, stop)
            self.trouble = None
        except StoreError as error:
            if self.trouble is None:
                log.error("the queue waits: %s", error)
            self.trouble = "the database does not answer"
        except LeaseLost as error:
            log.warning("%s", error.message)

    def _takes(self, target: Target) -> bool:
        return takes(self._member.worker.labels, target)

    def _busy(self) -> int:
        return sum(name not in self._settling for name in self.running)

    def _join_again(self) -> None:
        """Begin anew once nothing runs here any more: what was held is for others to settle."""
        if self.running:
            return
        before = self._member.id
        self._member.join()
        log.warning("the lease of %s was lost; this worker goes on as %s", before, self._member.id)

    def _sweep(self, stop: Stop) -> None:
        """Leave nothing open: neither what the dead began, nor what broke off here."""
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        self._running = {n: thread for n, thread in self._running.items() if thread.is_alive()}
        self._settling &= set(self._running)
        for deployment in self._store.held_by(self._member.id):
            if deployment.id not in self._running:
                self._settle(deployment, BROKE_OFF, stop)
        while len(self._settling) < self._member.worker.at_once:
            taken = self._store.take_over(self._member.id)
            if taken is None:
                break
            log.warning("%s is taken over: %s", taken.id, DIED)
            self._settle(taken, DIED, stop)

    def _settle(self, deployment: Deployment, why: str, stop: Stop) -> None:
        mine, valid = self._member.id, self._validity()

        def work(left: Deployment, _stop: Stop) -> None:
            with self._runner(left) as runner:
                settle_or_give_up(left, self._catalogue.now, self._store, runner, valid, why, mine)

        self._settling.add(deployment.id)
        self._begin(deployment, work, stop)

    def _begin(
        self, deployment: Deployment, work: Callable[[Deployment, Stop], None], stop: Stop
    ) -> None:
        thread = threading.Thread(target=work, args=(deployment, stop), name=deployment.id)
        try:
            thread.start()
        except RuntimeError:  # the machine has no room for another; the next sweep ends it
            log.exception("%s could not be begun", deployment.id)
        else:
            self._running[deployment.id] = thread

    def _carry_out(self, deployment: Deployment, stop: Stop) -> None:
        target, valid = deployment.target, self._validity()
        log.info("%s begins: %s %s", deployment.id, target.fraise, target.environment)
        with self._runner(deployment) as runner:
            catalogue, cancelled = self._catalogue.now, stop.now.is_set
            execute(deployment, catalogue, self._store, runner, _unheard, cancelled, valid)

    @contextmanager
    def _runner(self, deployment: Deployment) -> Iterator[Runner]:
        """Lend a runner to one thread, and say in the log how it went."""
        runner = self._new_runner()
        try:
            yield runner
            ended = self._store.deployment(deployment.id)
            if ended.status.terminal:
                log.info("%s is %s: %s", ended.id, ended.status.value, ended.reason or "it serves")
        except LeaseLost as error:
            log.warning("%s is left to others: %s", deployment.id, error.message)
        except Exception:
            log.exception("%s broke off", deployment.id)
        finally:
            runner.close()
            self._bell.ring()

    def _validity(self) -> Callable[[], bool]:
        """Return what is True as long as the worker is who it is now, and may go on."""
        member, mine = self._member, self._member.id
        return lambda: member.id == mine and member.valid()

    def _drain(self, stop: Stop) -> None:
        deadline = time.monotonic() + self._drain_seconds
        while self.running and not stop.now.wait(LOOK_SECONDS):
            if time.monotonic() > deadline:
                stop.now.set()
        for thread in self._running.values():
            thread.join()


def _unheard(_events: object) -> None:
    """Nobody listens here: who wants to know reads the records."""
