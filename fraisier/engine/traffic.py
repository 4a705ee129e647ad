"""What the steps that move traffic need besides: who is asked, what for, until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fraisier.domain.catalogue import Host
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plain_text import one_line
from fraisier.domain.plan import Step

#: Steps whose hosts are those of a proxy, not the service's.
OF_PROXIES = ("drain", "undrain")
#: The hosts have so many seconds to be given their requests again.
UNDRAIN_SECONDS = 60.0
#: What a step's own `args` say to the engine alone.
_OF_THE_ENGINE = ("hold",)
_BAD = ("runner.task_failed", "runner.host_unreachable")


class FirstFailure:
    """Passes a run's facts on; `failed` once a host of a step that shifts traffic has failed.

    Then the other hosts' part is over too: whoever measures there gives the traffic back.
    """

    def __init__(self, record: Callable[[Sequence[Fact]], None], verb: str) -> None:
        self._record = record
        self._listens = verb == "shift"
        self.failed = False

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Record facts, and see whether one says that a host has failed."""
        self.failed |= self._listens and any(fact.type in _BAD for fact in facts)
        self._record(facts)


def blamed(outcome: Outcome) -> Outcome:
    """Return the outcome of a run stopped at its first bad host: that one stands first."""
    bad = {name: host for name, host in outcome.hosts.items() if _to_blame(host.error)}
    return Outcome("done", {**bad, **outcome.hosts}, outcome.error)


def _to_blame(error: Any) -> bool:
    return bool(error) and error["code"] != "cancelled"


def traffic(step: Step) -> dict[str, Any]:
    """Return `{"traffic": …}` for a step that does something to the requests."""
    told = {name: value for name, value in step.args.items() if name not in _OF_THE_ENGINE}
    return {"traffic": told} if told else {}


def undrain(step: Step, serving: Sequence[str]) -> dict[str, Any]:
    """Return what a step that undrains asks for: `serving` have to be up for the proxy after it.

    A server without a release has nothing to answer with; the proxy's own check keeps it out.
    """
    return {"traffic": {**traffic(step)["traffic"], "serving": [*serving]}}


def begun(step: Step, again: bool = False) -> Fact:
    """Return the fact that a step has begun, with what it does to the requests in short.

    `again`: it has begun before, and hosts could not be reached.
    """
    told = {name: value for name, value in step.args.items() if name not in ("analysis", "serving")}
    repeated = {"again": True} if again else {}
    data = {"verb": step.verb, "hosts": [*step.hosts], **told, **repeated}
    return Fact("deployment.step", None, data)


def proxy_become(hosts: Sequence[Host]) -> bool:
    """Return whether one must become root on a proxy's hosts: not where root logs in."""
    return any(host.username != "root" for host in hosts)


def why_hold(step: Step, outcome: Outcome) -> str | None:
    """Return why a person must say whether to go on after a step; None where nobody must."""
    unsure = [
        f"{name}{_why_unsure(host.result)}"
        for name, host in outcome.hosts.items()
        if _inconclusive(host.result)
    ]
    if step.verb == "shift" and unsure:
        return f"the analysis is inconclusive on {', '.join(unsure)}"
    return "the canary's step says pause: resume" if step.args.get("hold") else None


def _why_unsure(result: Any) -> str:
    """Return what each inconclusive metric saw last, in brackets; empty where no host tells."""
    told = [each for each in result.get("analysis") or () if _inconclusive(each)]
    seen = one_line("; ".join(f"{each.get('name')}: {each.get('last')}" for each in told))
    return f" ({seen})" if seen else ""


def _inconclusive(result: Any) -> bool:
    return str(result.get("verdict")) == "inconclusive"
