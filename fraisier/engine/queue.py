"""A server's work: the queue is carried out, targets side by side, until the server stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import StoreError
from fraisier.domain.ports import Runner, Store
from fraisier.engine.execution import execute, interrupt

POLL_SECONDS = 0.2
SWEEP_SECONDS = 5.0

log = logging.getLogger("fraisier.worker")


@dataclass(frozen=True)
class Stop:
    """What a server is told: `drain` to begin nothing more, `now` to cancel what still runs."""

    drain: threading.Event = field(default_factory=threading.Event)
    now: threading.Event = field(default_factory=threading.Event)


class QueueWorker:
    """Claims queued deployments and carries each out in a thread of its own.

    The thread lives as long as the attempt: the kernel ends Ansible's processes with the thread
    that started them. `at_once` bounds how many attempts run; `drain_seconds` how long they may go
    on once the server is to stop. After that they are cancelled, and go back first.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        new_runner: Callable[[], Runner],
        at_once: int,
        drain_seconds: float,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._new_runner = new_runner
        self._at_once = at_once
        self._drain_seconds = drain_seconds
        self._running: dict[str, threading.Thread] = {}
        self._swept = -SWEEP_SECONDS
        self.trouble: str | None = None

    def serve(self, stop: Stop) -> None:
        """Work until told to stop, and return when nothing runs any more.

        Where the records cannot be reached, `trouble` says so and the queue waits. Any other error
        is a defect: what runs is let finish as at a stop, and the error goes on to the caller.
        """
        try:
            while not stop.drain.is_set():
                self._look(stop)
                stop.drain.wait(POLL_SECONDS)
        finally:
            self._drain(stop)

    @property
    def running(self) -> list[str]:
        """Return the ids of the deployments that are worked on here."""
        return [name for name, thread in list(self._running.items()) if thread.is_alive()]

    def _look(self, stop: Stop) -> None:
        try:
            self._sweep()
            while len(self.running) < self._at_once:
                deployment = self._store.claim_next()
                if deployment is None:
                    break
                self._begin(deployment, stop)
            self.trouble = None
        except StoreError as error:
            if self.trouble is None:
                log.error("the queue waits: %s", error)
            self.trouble = "the database does not answer"

    def _sweep(self) -> None:
        """Leave nothing open: neither what the dead began, nor what broke off here."""
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        for ended in self._store.abandon_dead():
            log.warning("%s is %s: %s", ended.id, ended.status.value, ended.reason)
        self._running = {n: thread for n, thread in self._running.items() if thread.is_alive()}
        for deployment_id in self._store.begun_here():
            if deployment_id not in self._running:
                interrupt(self._store, deployment_id, "the attempt broke off and could not say so")
        self._swept = time.monotonic()

    def _begin(self, deployment: Deployment, stop: Stop) -> None:
        thread = threading.Thread(
            target=self._carry_out, args=(deployment, stop), name=deployment.id
        )
        try:
            thread.start()
        except RuntimeError:  # the machine has no room for another; the next sweep ends it
            log.exception("%s could not be begun", deployment.id)
        else:
            self._running[deployment.id] = thread

    def _carry_out(self, deployment: Deployment, stop: Stop) -> None:
        target, runner = deployment.target, self._new_runner()
        log.info("%s begins: %s %s", deployment.id, target.fraise, target.environment)
        try:
            execute(deployment, self._catalogue, self._store, runner, _unheard, stop.now.is_set)
            ended = self._store.deployment(deployment.id)
            log.info("%s is %s: %s", ended.id, ended.status.value, ended.reason or "it serves")
        except Exception:
            log.exception("%s broke off", deployment.id)
        finally:
            runner.close()

    def _drain(self, stop: Stop) -> None:
        deadline = time.monotonic() + self._drain_seconds
        while self.running and not stop.now.wait(POLL_SECONDS):
            if time.monotonic() > deadline:
                stop.now.set()
        for thread in self._running.values():
            thread.join()


def _unheard(_events: object) -> None:
    """Nobody listens here: who wants to know reads the records."""
