"""What `doctor` says of the hosts of a target: whether a deployment could begin there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from fraisier.cli.proxy_health import Finding
from fraisier.cli.symptoms import symptoms
from fraisier.domain.catalogue import Target
from fraisier.domain.outcome import HostOutcome
from fraisier.engine.hosts import Hosts, of_hosts

#: How long a look at hosts may take that is not a preflight, in seconds.
CONTACT_SECONDS = 60.0
#: Playbooks of the collection, whose preflight changes nothing where the request has `check`.
_COLLECTION = "fraisier.deploy."

Cancelled = Callable[[], bool]


def host_readiness(
    hosts: Hosts, target: Target, version: str | None, cancelled: Cancelled
) -> Iterator[Finding]:
    """Yield for each host what a deployment of `version` would find there, and what slows it.

    It is the preflight of a deployment, in check mode. A provider of one's own is only contacted:
    whether its preflight changes nothing is not known.
    """
    began = time.monotonic()
    if _has_preflight(hosts, target):
        limit, again = target.strategy_config.progress_deadline, hosts.can(target, "app")
        outcome = hosts.run(
            target, "preflight", limit, cancelled=cancelled, more=again, check=True, version=version
        )
        good = "a deployment can begin there: its preflight passes"
    else:
        outcome, good = hosts.run(target, "probe", CONTACT_SECONDS, cancelled=cancelled), "answers"
    good = f"{good} ({time.monotonic() - began:.1f} s for all)"
    if not outcome.hosts:
        error = outcome.first_error()
        yield "hosts", False, error["message"], error.get("hint", "")
    slow = _symptoms(hosts, target, outcome.hosts, cancelled)
    for host in outcome.hosts.values():
        error = host.error or {}
        detail = good if host.ok else error.get("message", "no answer")
        yield f"host {host.host}", host.ok, detail, error.get("hint", "")
        for symptom, fix in slow.get(host.host, ()):
            yield f"host {host.host}", False, symptom, fix


def _has_preflight(hosts: Hosts, target: Target) -> bool:
    return hosts.can(target, "preflight") and hosts.playbook(target, "preflight").startswith(
        _COLLECTION
    )


def _symptoms(
    hosts: Hosts, target: Target, seen: Mapping[str, HostOutcome], cancelled: Cancelled
) -> dict[str, list[tuple[str, str]]]:
    """Return what is wrong with each host that answered, beside what fails a deployment."""
    there = [host for host in target.hosts if _answered(seen.get(host.name))]
    if not there or not hosts.can(target, "app"):
        return {}
    login = {host.name: host.username for host in there if host.username}
    asked, began = {"action": "examine", "login": login}, time.time()
    of_these = of_hosts(target, there)
    outcome = hosts.run(of_these, "app", CONTACT_SECONDS, cancelled=cancelled, app=asked)
    period = (began, time.time())
    return {
        host.host: list(symptoms(host.result.get("app", {}), period))
        for host in outcome.hosts.values()
    }


def _answered(host: HostOutcome | None) -> bool:
    return host is not None and host.state in ("ok", "failed")
