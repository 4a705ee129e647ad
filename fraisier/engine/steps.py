"""The steps of one attempt: what each asks of its hosts, and what the hosts told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fraisier.domain.catalogue import Provider
from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import ConfigurationError, LeaseLost, RunnerError
from fraisier.domain.event import Event, Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Step, Work
from fraisier.domain.ports import Runner, Store
from fraisier.engine.kept import kept_for
from fraisier.engine.ledger import CHANGING, HostState, first_state
from fraisier.engine.patience import patiently
from fraisier.engine.request import request_for, turn
from fraisier.engine.traffic import (
    OF_PROXIES,
    FirstFailure,
    begun,
    blamed,
    proxy_become,
    traffic,
    undrain,
)
from fraisier.failpoints import failpoint

Listener = Callable[[Sequence[Event]], None]

#: Steps that start the service, and cannot do without its secrets.
WITH_SECRETS = ("preflight", "deploy", "stage")
#: Steps that `progress_deadline` bounds.
WAY_OUT = ("preflight", "drain", "deploy", "stage", "shift", "promote")
#: Steps whose hosts the log names at their beginning.
TOLD_FIRST = ("deploy", "stage", "promote", "restore")


class Steps:
    """Performs steps, and keeps what is known of the hosts by them.

    `hosts`: the target's, by name. `drained`: those of them that get no new requests from a proxy
    on machines of its own, as far as is known.
    """

    def __init__(
        self,
        deployment: Deployment,
        provider: Provider,
        store: Store,
        runner: Runner,
        tell: Listener,
        valid: Callable[[], bool],
    ) -> None:
        self._deployment = deployment
        self._target = deployment.target
        self._provider = provider
        self._store = store
        self._runner = runner
        self._tell = tell
        self._valid = valid
        self._count = 0
        self.installation = patiently(store.installation, valid)
        name = (self._target.fraise, self._target.environment)
        placed = patiently(lambda: store.placements(*name), valid)
        self.hosts = {
            host.name: first_state(host.name, placed.get(host.name)) for host in self._target.hosts
        }
        self.drained: set[str] = set()

    def perform(
        self,
        step: Step,
        deadline: float,
        cancelled: Callable[[], bool],
        again: bool = False,
        **more: Any,
    ) -> Outcome:
        """Carry a step out by `deadline` (monotonic); `more` goes to its hosts as it is.

        `again`: these hosts could not be reached before. Raises LeaseLost once somebody else may
        hold the deployment.
        """
        self.record([begun(step, again)])
        if step.verb in TOLD_FIRST and not again:
            self.record([Fact("deployment.host_started", host) for host in step.hosts])
        if step.verb == "drain":
            self.drained |= set(step.args["servers"])
        self._count += 1
        failpoint("step.before")
        outcome = self._run(step, self._work(step, deadline, more), cancelled)
        failpoint("step.after")
        if not self._valid():
            raise LeaseLost("this worker's lease was not renewed in time; its run was stopped")
        if step.verb == "undrain" and outcome.ok:
            self.drained -= set(step.args["servers"])
        self._take_in(step.verb, outcome)
        return outcome

    def beside(
        self, step: Step, test: str, deadline: float, cancelled: Callable[[], bool], **more: Any
    ) -> Outcome:
        """Carry a test out, which tells nothing of releases; otherwise as `perform` does."""
        data = {"verb": "test", "hosts": [*step.hosts], "test": test}
        self.record([Fact("deployment.step", None, data)])
        self._count += 1
        if step.verb not in self._provider.playbooks:  # it is another one than at the request
            error = {"code": "provider_unable", "message": f'it cannot do "{step.verb}"'}
            return Outcome("broken", {}, error)
        outcome = self._run(step, self._work(step, deadline, more), cancelled)
        if not self._valid():
            raise LeaseLost("this worker's lease was not renewed in time; its run was stopped")
        return outcome

    def record(self, facts: Sequence[Fact]) -> None:
        """Record facts that change nothing about hosts, and tell them."""
        self._store_and_tell(facts, (), ())

    def _run(self, step: Step, work: Work, cancelled: Callable[[], bool]) -> Outcome:
        hears = FirstFailure(self.record, step.verb)
        until = lambda: cancelled() or hears.failed or not self._valid()  # noqa: E731
        try:
            outcome = self._runner.run(work, hears, until).of([host.name for host in work.hosts])
        except (ConfigurationError, RunnerError) as error:  # raised before anything ran
            said = {"code": error.code, "message": error.message, "hint": error.hint}
            hosts = {host.name: HostOutcome(host.name, "failed", {}, said) for host in work.hosts}
            return Outcome("broken", hosts, said)
        return blamed(outcome) if hears.failed else outcome

    def _work(self, step: Step, deadline: float, more: dict[str, Any]) -> Work:
        asked_for = False  # a rollback whose health check needs secrets is refused without them
        if self._deployment.kind == "rollback" and step.verb == "restore" and "restore" not in more:
            more = {"restore_version": self._deployment.version, **more}
            asked_for = self._target.has_secret_headers
        secrets = self._target.secrets
        if step.verb == "restore":
            asked, of = more, (self._store, self._deployment, step.hosts)
            kept, theirs = patiently(lambda: kept_for(*of, asked), self._valid)
            # The header that the release was healthy with: what it is called now may open another.
            asked_for = asked_for and all(secrets.get(name) == theirs[name] for name in theirs)
            more, secrets = {**more, "kept": kept}, {**secrets, **theirs}
        of_proxies = step.verb in OF_PROXIES
        machines = self._target.proxy_hosts if of_proxies else self._target.hosts
        hosts = tuple(host for host in machines if host.name in step.hosts)
        moves = traffic(step)
        if step.verb == "undrain":
            wanted = step.args.get("serving", step.args["servers"])
            moves = undrain(step, [name for name in wanted if self.hosts[name].release])
        return Work(
            deployment_id=self._deployment.id,
            verb=step.verb,
            playbook=self._provider.playbooks[step.verb],
            hosts=hosts,
            become=proxy_become(hosts) if of_proxies else self._target.become,
            inventory=None if of_proxies else self._target.inventory,
            request=request_for(
                self._deployment, self.installation, self._fences(step), **moves, **more
            ),
            secrets=secrets,
            timeout=max(1.0, deadline - time.monotonic()),
            secrets_required=step.verb in WITH_SECRETS or asked_for,
            more=not step.last,
            limit=self._limit(step.verb),
        )

    def _limit(self, verb: str) -> str:
        """Return the setting that bounds a step, as messages name it; empty where none does."""
        pace, service = self._target.strategy_config, self._target.service
        build = service.get("build_timeout") if service.get("build", True) else None
        if verb in ("deploy", "stage") and build and build >= pace.progress_deadline:
            after = f", which is over before build_timeout ({build:g} s)"
            return f"progress_deadline ({pace.progress_deadline:g} s){after}"
        if verb in WAY_OUT or (verb == "restore" and pace.rollback_deadline is None):
            return f"progress_deadline ({pace.progress_deadline:g} s)"
        return f"rollback_deadline ({pace.rollback_deadline:g} s)" if verb == "restore" else ""

    def _fences(self, step: Step) -> dict[str, dict[str, int | None]]:
        """Return the fence of each host; a proxy's host has no number, and knows turns alone."""
        now: dict[str, int | None] = {"turn": turn(self._deployment, self._count)}
        if step.verb in OF_PROXIES:
            return dict.fromkeys(step.hosts, now)
        return {name: {**self.hosts[name].fences, **now} for name in step.hosts}

    def _take_in(self, verb: str, outcome: Outcome) -> None:
        facts, changes = [], verb in CHANGING
        for name, host in outcome.hosts.items():
            if name in self.hosts and verb not in OF_PROXIES:
                self.hosts[name] = self.hosts[name].after(verb, host, self._deployment.id)
            if changes or not host.ok:
                facts.append(Fact("deployment.host_completed", name, _told(host, verb)))
        named = () if verb in OF_PROXIES else outcome.hosts
        states = [self.hosts[name] for name in named]
        found = [placement for state in states if (placement := state.placement())]
        self._store_and_tell(facts, states, found, self._content(verb, outcome))

    def _content(self, verb: str, outcome: Outcome) -> str | None:
        """Return which content the version has, once a host that got it has told."""
        if verb not in ("deploy", "stage") or self._provider.versions != "image":
            return None
        for name, host in outcome.hosts.items():
            told = host.result.get("staged") if verb == "stage" else None
            if told:
                return str(told["version"])
            if host.ok or self.hosts[name].moved:
                return self.hosts[name].version
        return None

    def _store_and_tell(
        self,
        facts: Sequence[Fact],
        states: Sequence[HostState],
        found: Sequence[Any],
        version: str | None = None,
    ) -> None:
        records = [state.record() for state in states]
        told = self._store.record(
            self._deployment, facts, records, found, version, patient=self._valid
        )
        self._tell(told)


def _told(host: HostOutcome, verb: str) -> dict[str, Any]:
    fields = (
        "release", "previous", "reused", "gate", "around", "steps", "changed", "switched",
        "staged", "verdict", "analysis",
    )  # fmt: skip
    told = {name: host.result[name] for name in fields if name in host.result}
    return {"state": host.state, "verb": verb, "error": host.error and dict(host.error), **told}
