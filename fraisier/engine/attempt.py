"""One execution of a deployment, step by step, to a state that is true on the hosts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fraisier.domain.catalogue import Provider
from fraisier.domain.deployment import CancelAsked, Deployment, Status
from fraisier.domain.errors import ConfigurationError, LeaseLost, RunnerError
from fraisier.domain.event import Event, Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Plan, Step, Work, way_back
from fraisier.domain.ports import Runner, Store
from fraisier.engine.ledger import HostState, first_state, settled
from fraisier.engine.request import request_for, turn
from fraisier.failpoints import failpoint

Listener = Callable[[Sequence[Event]], None]


class Attempt:
    """Carries a claimed deployment to its end. `tell` hears each event once it is recorded.

    Once `valid()` is False somebody else may hold the deployment: what runs is stopped, and
    LeaseLost raised, with nothing more written.
    """

    def __init__(
        self,
        deployment: Deployment,
        plan: Plan,
        provider: Provider,
        store: Store,
        runner: Runner,
        tell: Listener,
        cancelled: Callable[[], bool],
        valid: Callable[[], bool],
    ) -> None:
        self._deployment = deployment
        self._target = deployment.target
        self._plan = plan
        self._provider = provider
        self._store = store
        self._runner = runner
        self._tell = tell
        self._cancelled = cancelled
        self._valid = valid
        self._step = 0
        self._installation = store.installation()
        placed = store.placements(self._target.fraise, self._target.environment)
        self._hosts = {
            host.name: first_state(host.name, placed.get(host.name)) for host in self._target.hosts
        }

    def run(self) -> Status:
        """Walk the plan; at the first step that fails, find the way back. Return the end state."""
        deadline = self._new_deadline()
        for step in self._plan.steps:
            outcome = self._perform(step, deadline, self._cancelled)
            if not outcome.ok:
                return self._end_badly(outcome)
        try:
            return self._finish(Status.SUCCESS, self._good_news())
        except CancelAsked:
            asked = {"code": "cancelled", "message": "it was cancelled in the last moment"}
            return self._end_badly(Outcome("cancelled", {}, asked))

    # --- one step -------------------------------------------------------------------------

    def _perform(
        self, step: Step, deadline: float, cancelled: Callable[[], bool], **more: Any
    ) -> Outcome:
        self._record([Fact("deployment.step", None, {"verb": step.verb, "hosts": [*step.hosts]})])
        if step.verb in ("deploy", "restore"):
            self._record([Fact("deployment.host_started", host) for host in step.hosts])
        self._step += 1
        failpoint("step.before")
        outcome = self._run(self._work(step, deadline, more), self._until(cancelled))
        failpoint("step.after")
        if not self._valid():
            raise LeaseLost("this worker's lease was not renewed in time; its run was stopped")
        self._take_in(step.verb, outcome)
        return outcome

    def _until(self, cancelled: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: cancelled() or not self._valid()

    def _run(self, work: Work, cancelled: Callable[[], bool]) -> Outcome:
        try:
            return self._runner.run(work, self._record, cancelled)
        except (ConfigurationError, RunnerError) as error:  # raised before anything ran
            said = {"code": error.code, "message": error.message, "hint": error.hint}
            hosts = {host.name: HostOutcome(host.name, "failed", {}, said) for host in work.hosts}
            return Outcome("broken", hosts, said)

    def _work(self, step: Step, deadline: float, more: dict[str, Any]) -> Work:
        if self._deployment.kind == "rollback" and step.verb == "restore" and "restore" not in more:
            more = {"restore_version": self._deployment.version, **more}
        now = {"turn": turn(self._deployment, self._step)}
        fences = {name: {**self._hosts[name].fences, **now} for name in step.hosts}
        return Work(
            deployment_id=self._deployment.id,
            verb=step.verb,
            playbook=self._provider.playbooks[step.verb],
            hosts=tuple(host for host in self._target.hosts if host.name in step.hosts),
            become=self._target.become,
            inventory=self._target.inventory,
            request=request_for(self._deployment, self._installation, fences, **more),
            secrets=self._target.secrets,
            timeout=max(1.0, deadline - time.monotonic()),
            secrets_required=step.verb in ("preflight", "deploy"),
            more=not step.last,
        )

    def _take_in(self, verb: str, outcome: Outcome) -> None:
        facts, changes = [], verb in ("deploy", "restore")
        for name, host in outcome.hosts.items():
            self._hosts[name] = self._hosts[name].after(verb, host, self._deployment.id)
            if changes or not host.ok:
                facts.append(Fact("deployment.host_completed", name, _told(host, verb)))
        states = [self._hosts[name] for name in outcome.hosts]
        found = [placement for state in states if (placement := state.placement())]
        self._store_and_tell(facts, states, found, self._content(verb, outcome))

    def _content(self, verb: str, outcome: Outcome) -> str | None:
        """Return which content the version has, once a host that got it has told."""
        if verb != "deploy" or self._provider.versions != "image":
            return None
        got = [name for name, host in outcome.hosts.items() if host.ok or self._hosts[name].moved]
        return next((self._hosts[name].version for name in got), None)

    def _record(self, facts: Sequence[Fact]) -> None:
        self._store_and_tell(facts, (), ())

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

    def _new_deadline(self) -> float:
        return time.monotonic() + self._target.strategy_config.progress_deadline

    # --- the way back ---------------------------------------------------------------------

    def _end_badly(self, outcome: Outcome) -> Status:
        error = outcome.first_error()
        where = f"{error['host']}: " if "host" in error else ""
        why = f"{where}{error['message']} [{error['code']}]"
        stopped = outcome.ended == "cancelled"
        end = Status.CANCELLED if stopped else Status.FAILED
        unconfirmed = self._look_at(outcome)
        failed = [name for name in outcome.hosts if self._touched(name)]
        moved = [name for name in self._hosts if self._touched(name) and name not in failed]
        if not failed and not moved:
            return self._end_unmoved(end, why, unconfirmed)
        if not self._target.auto_rollback:
            if unconfirmed:
                return self._finish(Status.INTERRUPTED, f"{why}; unseen: {', '.join(unconfirmed)}")
            return self._finish(end, f"{why}; left as they are: {', '.join([*failed, *moved])}")
        return self._go_back(failed, moved, end, why)

    def _touched(self, name: str) -> bool:
        return self._hosts[name].moved or self._hosts[name].unsure

    def _end_unmoved(self, end: Status, why: str, unconfirmed: list[str]) -> Status:
        if unconfirmed and end is Status.CANCELLED:
            return self._finish(Status.INTERRUPTED, f"{why}; unseen: {', '.join(unconfirmed)}")
        changed = [name for name, state in self._hosts.items() if state.changed]
        left = f"the release was not switched; restarted on {', '.join(changed)}"
        return self._finish(end, f"{why}; {left if changed else 'no host was changed'}")

    def _look_at(self, outcome: Outcome) -> list[str]:
        """Stop what may still run on hosts that fell silent; return those that do not answer."""
        silent = tuple(name for name, host in outcome.hosts.items() if host.state == "unknown")
        if not silent:
            return []
        seen = self._perform(Step("probe", silent), self._new_deadline(), _never, stop=True)
        return [name for name, host in seen.hosts.items() if not settled(host, self._installation)]

    def _go_back(self, failed: list[str], moved: list[str], end: Status, why: str) -> Status:
        deadline = self._new_deadline()
        for step in way_back(self._target, failed, moved):
            known = {
                name: self._hosts[name].previous
                for name in step.hosts
                if self._hosts[name].previous_known
            }
            more = {"restore": known, "mark_bad": end is Status.FAILED}
            self._perform(step, deadline, _never, **more)
        lost = [name for name in (*failed, *moved) if self._hosts[name].state != "restored"]
        if lost:
            return self._finish(Status.ROLLBACK_FAILED, f"{why}; not restored: {', '.join(lost)}")
        back = [name for name in (*failed, *moved) if self._hosts[name].release is not None]
        if not back:
            return self._finish(
                end, f"{why}; there was no earlier release, so the service was stopped"
            )
        end = Status.ROLLED_BACK if end is Status.FAILED else end
        return self._finish(end, f"{why}; the earlier release serves again on {', '.join(back)}")

    # --- the end --------------------------------------------------------------------------

    def _good_news(self) -> str:
        changed = [name for name, state in self._hosts.items() if state.state != "unchanged"]
        return "" if changed else "it was serving already; nothing was changed"

    def _finish(self, status: Status, reason: str) -> Status:
        self._tell(self._store.finish(self._deployment, status, reason, patient=self._valid))
        return status


def _told(host: HostOutcome, verb: str) -> dict[str, Any]:
    fields = ("release", "previous", "reused", "gate", "steps", "changed", "switched")
    told = {name: host.result[name] for name in fields if name in host.result}
    return {"state": host.state, "verb": verb, "error": host.error and dict(host.error), **told}


def _never() -> bool:
    return False
