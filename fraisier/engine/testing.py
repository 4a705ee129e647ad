"""The tests of an environment: run at the end of a deployment, and what they say of a version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Step
from fraisier.domain.ports import Store
from fraisier.engine.request import first_host
from fraisier.engine.steps import Steps

#: How long reaching the host may take, beside the test itself, in seconds.
CONTACT_SECONDS = 60.0
TESTED = "deployment.tested"


@dataclass(frozen=True)
class Tested:
    """What tests came to. `stopped` is the outcome of the one in which somebody cancelled."""

    why: str = ""
    stopped: Outcome | None = None


def run_tests(steps: Steps, deployment: Deployment, cancelled: Callable[[], bool]) -> Tested:
    """Run a target's tests on its first host, in their order, up to the first that fails.

    What they come to is recorded. They change neither the hosts nor the end of the deployment.
    """
    host, tests = first_host(deployment.target), deployment.target.tests
    if not tests or host is None or deployment.kind != "deploy":
        return Tested()
    for test in tests:
        step = Step("app", (host,), True, {})
        asked = {"action": "exec", "argv": [*test["command"]], "timeout": test["timeout"]}
        deadline = time.monotonic() + float(test["timeout"]) + CONTACT_SECONDS
        outcome = steps.beside(step, test["name"], deadline, cancelled, app=asked)
        if outcome.ended == "cancelled":
            return Tested(stopped=outcome)
        why, output = _judge(test, outcome, host)
        text = f"$ {test['name']}\n{output}"
        steps.record([Fact("log.line", host, {"step": "tests", "text": text})])
        if why:
            steps.record([Fact(TESTED, host, {"passed": False, "test": test["name"], "why": why})])
            return Tested(why)
    steps.record([Fact(TESTED, host, {"passed": True, "tests": len(tests)})])
    return Tested()


def _judge(test: dict[str, Any], outcome: Outcome, host: str) -> tuple[str, str]:
    """Return why a test failed, empty where it passed, and what it wrote."""
    name = f"the test `{test['name']}`"
    if not outcome.ok:
        error = outcome.first_error()
        return f"{name} could not be run on {host}: {error['message']} [{error['code']}]", ""
    told = outcome.hosts[host].result.get("app")
    if not told:
        return f"{name} could not be run on {host}: the provider told nothing of it", ""
    output = str(told["output"])
    if told["timed_out"]:
        return f"{name} did not end within {test['timeout']:g} s on {host}", output
    if told["exit_status"] != 0:
        return f"{name} ended with {told['exit_status']} on {host}", output
    return "", output


def verdict(store: Store, past: Iterable[Deployment], version: str) -> str | None:
    """Return why a version may not go on from where it succeeded; None where it may.

    `past` are the deployments of that environment, newest first. The newest that was tested tells;
    where there are no tests, to have succeeded is enough.
    """
    for deployment in past:
        if deployment.version != version or deployment.status is not Status.SUCCESS:
            continue
        if not deployment.target.tests:
            return None
        told = store.events(deployment.id, kind=TESTED)
        if told:
            data = told[-1].data
            return None if data["passed"] else f"{data['why']} ({deployment.id})"
    return "its tests were not run"
