"""The queue as a whole: what waits and why, what runs where, who works, and the pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused
from fraisier.domain.ports import Filter, Store
from fraisier.domain.worker import Pause, WorkerRecord
from fraisier.engine.views import deployment_json, timestamp

Json = dict[str, Any]

#: So many of those that wait are listed, the first accepted first; `queued` counts all.
SHOWN = 100
MOST = 1000


class Overview:
    """Looks at the queue, and holds it. `ring` wakes the workers when it goes on."""

    def __init__(self, store: Store, ring: Callable[[], None]) -> None:
        self._store = store
        self._ring = ring

    def queue(self) -> Json:
        """Return what waits, what runs, who works, and the pause (`None`: it goes on)."""
        running, paused = self._all(Status.IN_PROGRESS), self._store.paused()
        workers = self._store.workers()  # after what runs: whoever holds that is then among them
        holders = {worker.id: worker for worker in workers}
        return {
            "paused": pause_json(paused) if paused else None,
            "queued": self._store.count(Filter(status=Status.PENDING.value)),
            "waiting": [self._waiting(found) for found in self._all(Status.PENDING)[:SHOWN]],
            "running": [_running(found, holders.get(found.worker_id or "")) for found in running],
            "workers": [worker_json(worker) for worker in workers],
        }

    def workers(self) -> list[Json]:
        """Return the processes that work."""
        return [worker_json(worker) for worker in self._store.workers()]

    def pause(self, by: str, reason: str) -> Json:
        """Let nothing more begin, on any worker; what runs goes on. Return the pause."""
        self._store.pause(by, reason)
        paused = self._store.paused()
        return pause_json(paused) if paused else pause_json(Pause(by, reason, 0))

    def resume(self, by: str) -> Json:
        """End the pause and return it; raise Refused where there is none."""
        paused = self._store.paused()
        if paused is None:
            raise Refused("the queue is not paused")
        self._store.resume(by)
        self._ring()
        return pause_json(paused)

    def _all(self, status: Status) -> list[Deployment]:
        """Return those in a state, the first accepted first."""
        return self._store.deployments(Filter(status=status.value, limit=MOST))[::-1]

    def _waiting(self, deployment: Deployment) -> Json:
        why = self._store.waiting(deployment.id)
        return {
            **_named(deployment),
            "position": why.position if why else None,
            "waiting_for": why.reason if why else None,
            "blocked_by": why.blocked_by if why else None,
        }


def worker_json(worker: WorkerRecord) -> Json:
    """Return a worker; `running` are the ids of what it holds."""
    shown = {**vars(worker), "labels": {**worker.labels}, "running": [*worker.running]}
    return {**shown, "started_at": timestamp(worker.started_at)}


def pause_json(pause: Pause) -> Json:
    """Return a pause."""
    return {**vars(pause), "at": timestamp(pause.at)}


def _running(deployment: Deployment, holder: WorkerRecord | None) -> Json:
    worker = {"id": holder.id, "name": holder.name, "alive": holder.alive} if holder else None
    return {**_named(deployment), "worker": worker}


def _named(deployment: Deployment) -> Json:
    whole = deployment_json(deployment)
    names = ("id", "kind", "fraise", "environment", "region", "status", "version", "triggered_by")
    return {name: whole[name] for name in (*names, "created_at", "started_at")}
