"""The parts of a cycle: processes begin and die, others recover, and all is looked at."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict

from chaos.evidence import Strike, marker_of
from chaos.faults import clock
from chaos.jobs import CLOCK, RECOVERING, Job
from chaos.judge import ENDS
from chaos.records import Owner
from chaos.target import Target
from chaos.victims import Victim

LIMIT_SECONDS = 150.0
POLL_SECONDS = 0.1


class Scene:
    """A target, a deployment on it, and the processes around it: what every job is made of.

    `worker` is one that runs there already, or None. `secret` opens the target's API; `next_job`
    may make the worker that recovers its victim.
    """

    def __init__(
        self,
        target: Target,
        job: Job,
        secret: str,
        worker: Victim | None,
        next_job: Job | None,
        chance: random.Random,
    ) -> None:
        self._target, self._job, self._secret = target, job, secret
        self.worker, self._next, self._chance = worker, next_job, chance
        self.version = target.shelf.take(job.version)
        self._key = f"chaos-{uuid.uuid4().hex}"
        self._id: str | None = None
        self._strikes: list[Strike] = []
        self._most_live = 0

    # --- steps ----------------------------------------------------------------------------

    def _begin(self, job: Job, named: bool = True) -> Victim:
        """Start the victim, or take the worker that runs, and give it the deployment."""
        victim, self.worker = self.worker, None
        fit = job.ready_early and job.how != CLOCK and victim is not None and victim.alive
        if victim is not None and not (fit and victim.failpoint == job.failpoint):
            victim.close()
            victim = None
        if job.victim in ("worker", "machine"):
            self._id = self._target.ask(self.version, self._key)
        victim = victim or self._start(job)
        self._hand_over(victim)
        if named and self._id is None:
            self._until(lambda: bool(self._target.records.with_key(self._key)))
            self._id = self._target.records.with_key(self._key)[0]
        return victim

    def _start(self, job: Job) -> Victim:
        wish = ("deploy", "chaos", self._target.name, "--version", self.version)
        wish = (*wish, "--idempotency-key", self._key)
        environ = clock(job.how, self._chance)
        return Victim(self._target, job.victim, job.failpoint, *wish, environ=environ)

    def _hand_over(self, victim: Victim) -> None:
        """Ask a server for the deployment; the others know of it already."""
        if victim.kind != "serve" or not victim.ready():
            return
        body = {"fraise": "chaos", "environment": self._target.name, "version": self.version}
        told = victim.post(self._secret, "/deployments", body, self._key)
        self._id = told["id"] if told else self._id

    def _recover(self, seconds: float = LIMIT_SECONDS) -> None:
        """Let a worker bring the deployment to its end."""
        self._recoverer()
        self._until(lambda: self._ended, seconds)

    def _recoverer(self) -> None:
        if self.worker is None or not self.worker.alive:
            early = self._next is not None and self._next.ready_early
            failpoint = self._next.failpoint if self._next and early else None
            self.worker = Victim(self._target, "worker", failpoint)

    # --- what is seen ---------------------------------------------------------------------

    @property
    def _ended(self) -> bool:
        row = self._target.records.deployment(self._id) if self._id else None
        return row is not None and row["status"] in ENDS

    def _on_a_host(self) -> bool:
        """True once a host knows the attempt, or can do so no more."""
        places = self._target.places.values()
        return self._ended or any(place.holder() == self._id for place in places)

    @property
    def _switched(self) -> bool:
        places = self._target.places.values()
        return self._ended or any(place.runs_by_now(self.version) for place in places)

    @property
    def _builds(self) -> bool:
        return any(place.works_on(self.version) for place in self._target.places.values())

    def _owned_by(self, victim: Victim) -> Owner | None:
        """Return the live attempt if the victim holds it."""
        owner = self._target.records.owner(self._id) if self._id else None
        if owner is None or owner.status != "in_progress":
            return None
        return owner if victim.is_worker(owner.pid, owner.name) else None

    def _note(self, victim: Victim, before: Owner | None) -> None:
        """Note that a victim has died, with what it held; `before`: as seen just before."""
        assert not victim.alive
        self._strikes.append(self._seen(victim, before))
        victim.close()

    def _seen(self, victim: Victim, before: Owner | None) -> Strike:
        owner = self._target.records.owner(self._id) if self._id else None
        mine = owner is not None and victim.is_worker(owner.pid, owner.name)
        row = self._target.records.deployment(self._id) if self._id else None
        completed = row["completed_at"] if row else None
        if before is not None and not mine and (completed is None or completed > victim.died_at):
            owner, mine = before, True  # another worker was faster than this look
        shown = {**asdict(owner), "mine": mine} if owner else None
        marker = marker_of(self._target.look(), self.version)
        assert victim.died_at is not None
        how = self._job.how if victim.failpoint or len(self._strikes) == 0 else "random"
        if self._job.how in RECOVERING and not victim.failpoint:
            how = "random"
        return Strike(how, victim.kind, victim.failpoint, victim.died_at, shown, marker)

    def _until(self, condition: Callable[[], bool], seconds: float = LIMIT_SECONDS) -> bool:
        """Wait for a condition; what never comes true is for the judge to see."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._most_live = max(self._most_live, self._target.records.most_live())
            time.sleep(POLL_SECONDS)
        return True
