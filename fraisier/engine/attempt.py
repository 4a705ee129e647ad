"""One execution of a deployment, step by step, to a state that is true on the hosts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from fraisier.domain.catalogue import Provider
from fraisier.domain.deployment import SERVED_ON, UNTOUCHED, CancelAsked, Deployment, Status
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Plan, Step, way_back
from fraisier.domain.ports import Runner, Store
from fraisier.engine.contact import Contact
from fraisier.engine.holding import wait_for_a_person
from fraisier.engine.ledger import RESTARTING, HostState, settled
from fraisier.engine.steps import Listener, Steps
from fraisier.engine.testing import run_tests
from fraisier.engine.traffic import UNDRAIN_SECONDS, why_hold

__all__ = ["Attempt", "Listener"]

_CANCELLED = {"code": "cancelled", "message": "it was cancelled while it was paused"}


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
        self._store = store
        self._tell = tell
        self._cancelled = cancelled
        self._valid = valid
        self._steps = Steps(deployment, provider, store, runner, tell, valid)
        self._contact = Contact(self._steps, self._target.strategy_config, valid)
        self._hosts = self._steps.hosts

    def run(self) -> Status:
        """Walk the plan; at the first step that fails, find the way back. Return the end state."""
        deadline = time.monotonic() + self._target.strategy_config.progress_deadline
        for planned in self._plan.steps:
            step = self._needed(planned)
            if not step.hosts:
                continue
            outcome = self._contact.forward(step, deadline, self._cancelled)
            if not outcome.ok:
                return self._end_badly(outcome)
            why = why_hold(step, outcome)
            if why is not None:
                begun = time.monotonic()
                if not self._hold(step, why):
                    return self._end_badly(Outcome("cancelled", {}, _CANCELLED))
                deadline += time.monotonic() - begun
        tested = run_tests(self._steps, self._deployment, self._cancelled)
        if tested.stopped is not None:
            return self._end_badly(tested.stopped)
        try:
            return self._finish(Status.SUCCESS, self._good_news(tested.why))
        except CancelAsked:
            asked = {"code": "cancelled", "message": "it was cancelled in the last moment"}
            return self._end_badly(Outcome("cancelled", {}, asked))

    def _needed(self, step: Step) -> Step:
        """Return the step for the hosts that need it: traffic moves where a release is staged."""
        if step.verb not in ("shift", "promote"):
            return step
        return replace(step, hosts=tuple(name for name in step.hosts if self._hosts[name].staged))

    def _hold(self, step: Step, why: str) -> bool:
        """Wait for a person; return whether to go on."""
        data = {"weight": step.args.get("weight"), "why": why}
        self._steps.record([Fact("deployment.paused", None, data)])
        cancelled, valid = self._cancelled, self._valid
        found = wait_for_a_person(self._store, self._deployment.id, cancelled, valid)
        if found is None:
            return False
        told = {**data, "by": found.resume_requested_by}
        self._steps.record([Fact("deployment.resumed", None, told)])
        return True

    # --- the way back ---------------------------------------------------------------------

    def _time_back(self) -> float:
        return time.monotonic() + self._target.strategy_config.seconds_back

    def _end_badly(self, outcome: Outcome) -> Status:
        error = outcome.first_error()
        where = f"{error['host']}: " if "host" in error else ""
        why = f"{where}{error['message']} [{error['code']}]"
        stopped = outcome.ended == "cancelled"
        end = Status.CANCELLED if stopped else Status.FAILED
        unconfirmed = self._look_at(outcome)
        touched = [name for name, state in self._hosts.items() if state.touched]
        failed = [name for name in outcome.hosts if name in touched]
        moved = [name for name in touched if name not in failed]
        if not touched:
            return self._end_unmoved(end, why, unconfirmed)
        if not self._target.auto_rollback:
            if unconfirmed:
                return self._finish(Status.INTERRUPTED, self._unseen(why, unconfirmed))
            states = [self._hosts[name] for name in touched]
            if not stopped or any(state.unsure or not state.staged for state in states):
                left = ", ".join([*failed, *moved])
                return self._finish(end, f"{why}; left as they are: {left}")
            # what only stood beside what serves gives its part of the requests back
        return self._go_back(failed, moved, end, why)

    def _end_unmoved(self, end: Status, why: str, unconfirmed: list[str]) -> Status:
        if unconfirmed:
            return self._finish(Status.INTERRUPTED, self._unseen(why, unconfirmed))
        changed = [_changes(state) for state in self._hosts.values() if state.changed]
        left = "; ".join(["the release was not switched", *changed])
        return self._finish(end, f"{why}; {left if changed else UNTOUCHED}")

    def _unseen(self, why: str, unconfirmed: list[str]) -> str:
        return f"{why}; unseen: {', '.join(unconfirmed)}{self._unknown()}"

    def _unknown(self) -> str:
        """Name the hosts that were lost, and neither seen nor restored since."""
        lost = [name for name, state in self._hosts.items() if state.lost]
        return f"; what {', '.join(lost)} serves is unknown" if lost else ""

    def _look_at(self, outcome: Outcome) -> list[str]:
        """Stop what may still run on hosts that fell silent; return those that do not answer."""
        lost = [name for name, host in outcome.hosts.items() if host.state == "unknown"]
        silent = tuple(name for name in lost if name in self._hosts)
        if not silent:
            return []
        seen = self._contact.back(Step("probe", silent), self._time_back(), stop=True)
        ours = self._steps.installation
        return [name for name, host in seen.hosts.items() if not settled(host, ours)]

    def _go_back(self, failed: list[str], moved: list[str], end: Status, why: str) -> Status:
        deadline, switched = self._time_back(), any(state.moved for state in self._hosts.values())
        for step in way_back(self._target, self._plan.strategy, failed, moved):
            self._back(step, deadline, end)
        lost = [name for name, state in self._hosts.items() if state.lost]
        if seen := self._contact.inspect(lost):
            self._back(Step("restore", tuple(seen), True), deadline, end)
        lost = [name for name in (*failed, *moved) if self._hosts[name].state != "restored"]
        if lost:
            why = f"{why}; not restored: {', '.join(lost)}"
            return self._finish(Status.ROLLBACK_FAILED, f"{why}{self._unknown()}")
        names = [*failed, *moved]
        back = [name for name in names if self._hosts[name].release is not None]
        stopped = ", ".join(name for name in names if name not in back)
        if not back:
            return self._finish(
                end, f"{why}; there was no earlier release, so the service was stopped"
            )
        end = Status.ROLLED_BACK if end is Status.FAILED else end
        told = [f"{why}; the earlier release {self._served(switched)} on {', '.join(back)}"]
        told += [f"stopped on {stopped}, where there was no earlier release"] if stopped else []
        return self._finish(end, "; ".join([*told, *self._doubts()]))

    def _served(self, switched: bool) -> str:
        """Return what the earlier release does now: it serves again only where it is healthy."""
        if not switched:
            return SERVED_ON
        doubtful = any(state.doubtful for state in self._hosts.values())
        return "runs again" if doubtful else "serves again"

    def _doubts(self) -> list[str]:
        """Name the hosts whose restored release fails a check that decides nothing."""
        names = [name for name, state in self._hosts.items() if state.doubtful]
        if not names:
            return []
        return [
            f"warning: on {', '.join(names)} it fails the current health check; the check that it "
            "passed is unknown, or a secret of it is missing"
        ]

    def _back(self, step: Step, deadline: float, end: Status) -> None:
        known = {
            name: self._hosts[name].previous
            for name in step.hosts
            if name in self._hosts and self._hosts[name].previous_known
        }
        bad = {"restore": known, "mark_bad": end is Status.FAILED}
        self._contact.back(step, deadline, **(bad if step.verb == "restore" else {}))

    # --- the end --------------------------------------------------------------------------

    def _good_news(self, failed_test: str) -> str:
        changed = [name for name, state in self._hosts.items() if state.state != "unchanged"]
        said = [] if changed else ["it was serving already; nothing was changed"]
        said += self._doubts()
        return "; ".join([*said, *([f"it goes no further: {failed_test}"] if failed_test else [])])

    def _finish(self, status: Status, reason: str) -> Status:
        """Write the end; what a proxy still keeps requests from gets them again first."""
        silent = self._undrain()
        if silent:
            drained = ", ".join(sorted(self._steps.drained))
            reason = f"{reason}; {', '.join(silent)} may still send no requests to {drained}"
            status = status if status is Status.INTERRUPTED else Status.ROLLBACK_FAILED
        self._tell(self._store.finish(self._deployment, status, reason, patient=self._valid))
        return status

    def _undrain(self) -> list[str]:
        """Give drained hosts their requests again; return the proxies that did not confirm it."""
        servers = [name for name in self._hosts if name in self._steps.drained]
        well = [name for name in servers if self._hosts[name].state == "restored"]
        left = [host.name for host in self._target.proxy_hosts] if servers else []
        deadline, again = time.monotonic() + UNDRAIN_SECONDS, True
        while left:
            args = {"servers": servers, "serving": well}
            step = Step("undrain", tuple(left), True, args)
            outcome = self._contact.back(step, deadline)
            left = [name for name, host in outcome.hosts.items() if not host.ok]
            if not left or not again:
                break
            again = False
        if servers and not left:
            self._steps.drained.clear()
        return left


def _changes(state: HostState) -> str:
    """Return what was done on a host that was not switched."""
    if set(state.done) & {*RESTARTING}:
        return f"restarted on {state.name}"
    what = ", ".join(dict.fromkeys(state.done))
    return f"changed on {state.name}: {what}" if what else f"something was changed on {state.name}"
