"""What is done with a service outside a deployment: looked at, restarted, saved, put back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from fraisier.domain.audit import AuditStore
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import Refused, UsageError
from fraisier.domain.ports import Store
from fraisier.engine.differences import differences
from fraisier.engine.hosts import Hosts, answers, host_named, of_hosts
from fraisier.engine.logs import behind

#: How long hosts may take to answer what needs no work, and to look at backups, in seconds.
CONTACT_SECONDS = 60.0
LOOK_SECONDS = 120.0
MOST_LINES = 10_000
CONTROLS = ("restart", "start", "stop")

Json = dict[str, Any]


class Records(Store, AuditStore, Protocol):
    """The records: what hosts run, and who did what."""


@dataclass(frozen=True)
class Where:
    """A target, or one host of it."""

    fraise: str
    environment: str
    host: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.fraise, self.environment, self.host)))


class Tending:
    """Asks the hosts of a target, and answers with what each said.

    `find` returns a target with its hosts; `lend` lends what works on hosts, for one question.
    """

    def __init__(
        self,
        find: Callable[[str, str], Target],
        store: Records,
        lend: Callable[[], AbstractContextManager[Hosts]],
    ) -> None:
        self._find = find
        self._store = store
        self._lend = lend
        self._lock = threading.Lock()
        self._changing: set[tuple[str, str]] = set()

    def probe(self, where: Where) -> list[Json]:
        """Return what really runs on each host, and how it `differs` from the records."""
        target = self._find(where.fraise, where.environment)
        with self._lend() as hosts:
            outcome = hosts.run(target, "probe", CONTACT_SECONDS)
        placed = self._store.placements(where.fraise, where.environment)
        return [
            {**host, "differs": differences(host, placed.get(host["host"]))}
            for host in answers(outcome)
        ]

    def status(self, where: Where) -> list[Json]:
        """Return how the service is on each host."""
        return self._app(where, "status")

    def logs(
        self,
        where: Where,
        asked: Mapping[str, Any],
        cancelled: Callable[[], bool] = lambda: False,
        more: bool = False,
    ) -> tuple[list[Json], Json]:
        """Return what the service wrote on each host, and how to ask for what comes behind that.

        `asked`: `lines`, the last so many; `since` and `after` by host, as an answer gave them;
        `start` (Unix seconds) stands for all hosts. `more` says that it will be asked again.
        """
        target, wanted = self._target(where), dict(asked)
        start = wanted.pop("start", None)
        if start is not None:
            wanted["since"] = {host.name: f"@{start:.6f}" for host in target.hosts}
        request = {"action": "logs", **wanted}
        with self._lend() as hosts:
            outcome = hosts.run(
                target, "app", CONTACT_SECONDS, cancelled=cancelled, more=more, app=request
            )
        found = answers(outcome, "app")
        return found, behind(found, wanted)

    def execute(self, where: Where, argv: Sequence[str], timeout: float, by: str) -> list[Json]:
        """Run a command beside the service on each host, without a shell, for so many seconds.

        The audit trail has the program and not its arguments, which may hold secrets.
        """
        asked = {"argv": list(argv), "timeout": timeout}
        self._target(where)  # raises where there is none
        self._store.add_audit(by, "app.exec", str(where), argv[0])
        return self._app(where, "exec", asked, timeout + CONTACT_SECONDS)

    def control(
        self, where: Where, verb: str, by: str, told: Callable[[Json], None] = lambda _host: None
    ) -> Json:
        """Restart, start or stop the service, max_parallel hosts at once; tell each as it comes.

        Returns the `hosts`, and those that were `left` as they are after a bad one. Raises Refused
        while a deployment, or another of these, is at work there.
        """
        target, found = self._target(where), []
        with self._alone(where), self._lend() as hosts:
            hosts.require_idle(target)
            self._store.add_audit(by, f"app.{verb}", str(where))
            for outcome in hosts.in_turn(target, "app", _limit(target), app={"action": verb}):
                for host in answers(outcome, "app"):
                    found.append(host)
                    told(host)
        done = {host["host"] for host in found}
        return {"hosts": found, "left": [h.name for h in target.hosts if h.name not in done]}

    def backups(self, where: Where) -> list[Json]:
        """Return the backups on each host, newest first."""
        whole = self._find(where.fraise, where.environment)
        _configured(whole)
        with self._lend() as hosts:
            return self._backup(hosts, whole, where, {"action": "list"}, LOOK_SECONDS)

    def take(self, where: Where, by: str) -> list[Json]:
        """Take a backup on each host now; raise Refused while something is at work there."""
        return self._saved(where, {"action": "take"}, by)

    def restore(self, where: Where, backup_id: str, by: str) -> list[Json]:
        """Put a backup back on each host, the newest where the id is empty; raise Refused."""
        return self._saved(where, {"action": "restore", "id": backup_id}, by)

    def _saved(self, where: Where, asked: Json, by: str) -> list[Json]:
        whole = self._find(where.fraise, where.environment)
        one = float(_configured(whole).get("timeout", 1800))
        limit = LOOK_SECONDS + 2 * one + 2 * whole.strategy_config.healthy_deadline
        with self._alone(where), self._lend() as hosts:
            hosts.require_idle(whole)
            self._store.add_audit(by, f"backup.{asked['action']}", str(where), asked.get("id", ""))
            return self._backup(hosts, whole, where, asked, limit)

    def _backup(
        self, hosts: Hosts, whole: Target, where: Where, asked: Json, limit: float
    ) -> list[Json]:
        first = whole.hosts[0].name
        outcome = hosts.run(_part(whole, where), "backup", limit, backup=asked, first=first)
        return answers(outcome, "backup")

    def _app(
        self,
        where: Where,
        action: str,
        asked: Mapping[str, Any] = MappingProxyType({}),
        limit: float = CONTACT_SECONDS,
    ) -> list[Json]:
        target = self._target(where)
        with self._lend() as hosts:
            outcome = hosts.run(target, "app", limit, app={"action": action, **asked})
        return answers(outcome, "app")

    def _target(self, where: Where) -> Target:
        return _part(self._find(where.fraise, where.environment), where)

    @contextmanager
    def _alone(self, where: Where) -> Iterator[None]:
        """Let one at a time change the hosts of a target from here."""
        key = (where.fraise, where.environment)
        with self._lock:
            if key in self._changing:
                raise Refused(
                    f"{' '.join(key)} is being restarted, stopped, saved or put back now",
                    "wait for the end of that",
                )
            self._changing.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._changing.remove(key)


def _part(target: Target, where: Where) -> Target:
    return target if where.host is None else of_hosts(target, [host_named(target, where.host)])


def _limit(target: Target) -> float:
    """Return how long one batch may take: the gate, and the run of a job, which is waited for."""
    run = target.service.get("run_timeout") or 0 if target.service.get("type") else 0
    return CONTACT_SECONDS + 2 * target.strategy_config.healthy_deadline + float(run)


def _configured(target: Target) -> Json:
    backup = target.service.get("around", {}).get("backup")
    if not backup:
        raise UsageError(
            f"{target.fraise} {target.environment} has no backup configured",
            "say what to save with the key backup of the environment",
        )
    return dict(backup)
