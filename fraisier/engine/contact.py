"""Reaches hosts again that do not answer: within a bound, and never past a step's deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fraisier.domain.errors import LeaseLost
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Step
from fraisier.domain.strategy import StrategyConfig
from fraisier.engine.ledger import OUT_OF_SIGHT, settled
from fraisier.engine.steps import Steps
from fraisier.engine.traffic import OF_PROXIES

#: A host that does not answer is tried again for so many seconds, with a pause before each try.
BOUND_SECONDS, PAUSE_SECONDS = 60.0, 3.0
#: A try needs so many seconds before the deadline: one that is cut leaves unknown what it did.
LEAST_SECONDS = 15.0
#: A cancellation is noticed within so many seconds.
POLL_SECONDS = 0.2
#: The last look at hosts that were not restored may take so many seconds.
INSPECT_SECONDS = 15.0
#: Before anything was changed, a run that Ansible did not begin is tried again so often.
LOCAL_TRIES = 2

#: Codes of errors that may be over in a moment: nothing answered, or contact was lost.
SILENT = ("host_unreachable", "contact_lost")
#: Codes of runs that ended on this machine before they had reached the host.
LOCAL = ("runner_failed", "broken")
#: On the way back the host has answered before, so these pass, too: a host that has just booted
#: may not know its users yet.
PASSING = (
    *SILENT, *LOCAL, "host_unknown", "ssh_denied", "login_refused", "become_failed", *OUT_OF_SIGHT,
)  # fmt: skip


class Contact:
    """Performs steps as `Steps` does, and again where hosts could not be reached.

    A host that answers has the whole bound again.
    """

    def __init__(self, steps: Steps, pace: StrategyConfig, valid: Callable[[], bool]) -> None:
        self._steps = steps
        self._bound_back = BOUND_SECONDS if pace.rollback_deadline is None else pace.seconds_back
        self._valid = valid
        self._silent_since: dict[str, float] = {}

    def forward(self, step: Step, deadline: float, cancelled: Callable[[], bool]) -> Outcome:
        """Carry a step out; hosts on which nothing was changed, for want of contact, again.

        What moves traffic for a time is done once, and so is a step that failed on any host.
        """
        outcome, tries = self._steps.perform(step, deadline, cancelled), 0
        while left := _not_begun(step, outcome, tries < LOCAL_TRIES):
            tries += 1
            if time.monotonic() + PAUSE_SECONDS + LEAST_SECONDS > deadline:
                return outcome
            if not self._may_try(outcome, left, BOUND_SECONDS, deadline, cancelled):
                return replace(outcome, ended="cancelled") if cancelled() else outcome
            found = self._steps.perform(replace(step, hosts=left), deadline, cancelled, again=True)
            outcome = Outcome(found.ended, {**outcome.hosts, **found.hosts}, found.error)
        self._silent_since.clear()
        return outcome

    def back(self, step: Step, deadline: float, **more: Any) -> Outcome:
        """Carry out a step of the way back, or a look; again for hosts that did not answer."""
        outcome = self._steps.perform(step, deadline, _never, **more)
        while left := self._unanswered(step, outcome):
            if not self._may_try(outcome, left, self._bound_back, deadline, _never):
                break
            found = self._steps.perform(
                replace(step, hosts=left), deadline, _never, again=True, **more
            )
            outcome = Outcome(found.ended, {**outcome.hosts, **found.hosts}, found.error)
        return outcome

    def inspect(self, names: Sequence[str]) -> list[str]:
        """Look once more at hosts that are about to be given up; return those that answer."""
        if not names:
            return []
        deadline = time.monotonic() + INSPECT_SECONDS
        seen = self._steps.perform(Step("probe", tuple(names)), deadline, _never, stop=True)
        return [name for name, host in seen.hosts.items() if host.ok]

    def _unanswered(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
        """Return the hosts to try again; of proxies all, as each has to know of every server."""
        ours = self._steps.installation
        left = [
            name
            for name, host in outcome.hosts.items()
            if _passes(host, PASSING) or (step.verb == "probe" and not settled(host, ours))
        ]
        for name in {*outcome.hosts} - {*left}:
            self._silent_since.pop(name, None)
        return step.hosts if left and step.verb in OF_PROXIES else tuple(left)

    def _may_try(
        self,
        outcome: Outcome,
        names: Sequence[str],
        bound: float,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> bool:
        """Pause, and return whether to try again; False where the time is over or it is cancelled.

        Raises LeaseLost once somebody else may hold the deployment.
        """
        begun = time.monotonic()
        new = [name for name in names if name not in self._silent_since]
        since = [self._silent_since.setdefault(name, begun) for name in names]
        over = min(deadline, max(since) + bound)
        if begun + PAUSE_SECONDS > over:
            return False
        self._steps.record([_told(outcome.hosts.get(name), name, over - begun) for name in new])
        while time.monotonic() < begun + PAUSE_SECONDS:
            if not self._valid():
                raise LeaseLost("this worker's lease was not renewed in time; it tries no more")
            if cancelled():
                return False
            time.sleep(POLL_SECONDS)
        return True


def _not_begun(step: Step, outcome: Outcome, local: bool) -> tuple[str, ...]:
    """Return the hosts that a step has not changed; none where it has failed on any other."""
    bad = {name: host for name, host in outcome.hosts.items() if not host.ok}
    if step.verb == "shift" or outcome.ended in ("cancelled", "timeout"):
        return ()
    codes = (*SILENT, *LOCAL) if local else SILENT
    nothing = all(
        _passes(host, codes) and (step.verb == "preflight" or host.state != "unknown")
        for host in bad.values()
    )
    return tuple(bad) if nothing else ()


def _passes(host: HostOutcome, codes: Sequence[str]) -> bool:
    return not host.ok and (host.error or {}).get("code") in codes


def _told(host: HostOutcome | None, name: str, seconds: float) -> Fact:
    why = (host.error or {}).get("message") if host else ""
    text = f"{name} could not be reached ({why or 'no answer'}); "
    text += f"Fraisier tries again for up to {seconds:.0f} s"
    return Fact("log.line", name, {"step": "contact", "text": text})


def _never() -> bool:
    return False
