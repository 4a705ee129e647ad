"""What the dead left: its hosts are looked at, then it ends, and says what is true there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fraisier.domain.catalogue import Catalogue, Host, Provider
from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.errors import LeaseLost
from fraisier.domain.event import Fact
from fraisier.domain.ids import now
from fraisier.domain.outcome import HostOutcome
from fraisier.domain.plan import Work
from fraisier.domain.ports import Runner, Store
from fraisier.engine.ledger import holder_of, settled, stopped
from fraisier.engine.membership import Membership
from fraisier.engine.patience import patiently
from fraisier.engine.request import request_for, turn
from fraisier.engine.steps import Listener
from fraisier.engine.undrain import undrain_all
from fraisier.failpoints import failpoint

#: The hosts have so many seconds to answer before a deployment ends as interrupted.
PROBE_SECONDS = 22.0
#: Those that are silent are asked again, after a pause, while so many seconds are left.
SHORTEST_PROBE_SECONDS, PAUSE_SECONDS = 3.0, 1.0
#: The step of the last look: after every step that the attempt itself can have made.
LAST_STEP = 999_999
#: So many settlements may fail by what the hosts say.
BELIEVED = 3
DIED = "its worker died"
BROKE_OFF = "the attempt broke off and could not say so"

log = logging.getLogger("fraisier.worker")


class Recovery:
    """Ends what dead workers left, as a member of those who live."""

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        store: Store,
        new_runner: Callable[[], Runner],
        member: Callable[[], Membership],
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._new_runner = new_runner
        self._member = member

    def __call__(self) -> None:
        """Take over and settle, one after the other, until the dead hold nothing more.

        What cannot be settled is left to the next process: it stops nobody else's command. Raises
        StoreError, and ConfigurationError where it is not known how hosts are reached.
        """
        if not self._store.abandoned():
            return
        member = self._member()
        while (taken := self._store.take_over(member.id)) is not None:
            catalogue, runner = self._catalogue(), self._new_runner()
            try:
                settle_or_give_up(
                    taken, catalogue, self._store, runner, member.valid, DIED, member.id
                )
            finally:
                runner.close()


def settle_or_give_up(
    deployment: Deployment,
    catalogue: Catalogue,
    store: Store,
    runner: Runner,
    valid: Callable[[], bool],
    why: str,
    worker_id: str,
) -> None:
    """End a deployment as `settle` does; where that fails, leave it to others, and later to all."""
    try:
        settle(deployment, catalogue, store, runner, valid, why)
    except LeaseLost:
        raise
    except Exception:
        log.exception("%s could not be ended", deployment.id)
        pause = store.give_up(deployment, worker_id)
        log.warning("%s is left to another worker, in %g s", deployment.id, pause)


def settle(
    deployment: Deployment,
    catalogue: Catalogue,
    store: Store,
    runner: Runner,
    valid: Callable[[], bool],
    why: str,
    tell: Listener = lambda _events: None,
) -> None:
    """End a deployment whose attempt is over without an end: `interrupted`, after a bounded look.

    What still runs on a host is stopped there first, and what may still arrive will be refused. The
    log tells of it once, however often that fails. Where it has failed BELIEVED times, what the
    hosts say is taken for unknown.
    """
    failpoint("settle.before_probe")
    names = [host.name for host in deployment.target.hosts]
    if deployment.settle_failures == 0:
        step = Fact("deployment.step", None, {"verb": "probe", "hosts": names})
        tell(store.record(deployment, [step], patient=valid))
    installation = patiently(store.installation, valid)
    outcomes = _look(deployment, catalogue, installation, runner, valid)
    if deployment.settle_failures >= BELIEVED:
        outcomes = {}
    target = deployment.target
    records = patiently(lambda: store.host_records(deployment.id), valid)
    before = {record.host: record for record in records}
    placed = patiently(lambda: store.placements(target.fraise, target.environment), valid)
    hosts = [_record(deployment, name, outcomes.get(name), before.get(name)) for name in names]
    found = [_placement(name, outcomes.get(name), placed.get(name), installation) for name in names]
    tell(store.record(deployment, [], hosts, found, patient=valid))
    failpoint("settle.after_probe")
    said = [_said(name, outcomes.get(name), installation) for name in names]
    silent = undrain_all(deployment, catalogue, store, runner, valid, tell, LAST_STEP)
    if silent:
        said.append(f"{', '.join(silent)} may still send no requests to {', '.join(names)}")
    reason = "; ".join([why, *said])
    tell(store.finish(deployment, Status.INTERRUPTED, reason, patient=valid))


def _look(
    deployment: Deployment,
    catalogue: Catalogue,
    installation: str,
    runner: Runner,
    valid: Callable[[], bool],
) -> Mapping[str, HostOutcome]:
    """Return what each host says, as far as they can be asked from here; those silent twice."""
    provider = catalogue.providers.get(deployment.target.provider)
    if provider is None or "probe" not in provider.playbooks:
        return {}
    seen: dict[str, HostOutcome] = {}
    deadline = time.monotonic() + PROBE_SECONDS
    while valid() and (left := deadline - time.monotonic()) > SHORTEST_PROBE_SECONDS:
        silent = [
            host
            for host in deployment.target.hosts
            if host.name not in seen or not settled(seen[host.name], installation)
        ]
        if not silent:
            break
        time.sleep(PAUSE_SECONDS if seen else 0)
        work = _probe(deployment, provider, silent, installation, left)
        try:
            seen |= runner.run(work, lambda _facts: None, lambda: not valid()).hosts
        except Exception:
            log.exception("%s: its hosts could not be looked at", deployment.id)
            break
    return seen


def _probe(
    deployment: Deployment,
    provider: Provider,
    hosts: Sequence[Host],
    installation: str,
    seconds: float,
) -> Work:
    fences = {host.name: {"turn": turn(deployment, LAST_STEP)} for host in hosts}
    return Work(
        deployment_id=deployment.id,
        verb="probe",
        playbook=provider.playbooks["probe"],
        hosts=tuple(hosts),
        become=deployment.target.become,
        inventory=deployment.target.inventory,
        request=request_for(deployment, installation, fences, stop=True),
        secrets=deployment.target.secrets,
        timeout=seconds,
        secrets_required=False,
    )


def _record(
    deployment: Deployment, name: str, seen: HostOutcome | None, before: HostRecord | None
) -> HostRecord:
    previous = before.previous if before else None
    if seen is None or not seen.ok:
        error = dict(seen.error) if seen is not None and seen.error else None
        return HostRecord(name, "unknown", before.release if before else None, previous, error)
    release = seen.result.get("release") or {}
    state = "changed" if release.get("deployment") == deployment.id else "unchanged"
    return HostRecord(name, state, release.get("id"), previous, before.error if before else None)


def _placement(
    name: str, seen: HostOutcome | None, before: Placement | None, installation: str
) -> Placement:
    """Return what a host runs. It is not known while something of the attempt still runs there."""
    before = before or Placement(name, 0, None, None, good=False, at=now())
    if seen is None or not seen.ok:
        return replace(before, known=False)
    release = seen.result.get("release") or {}
    fence = max(before.fence, holder_of(seen).get("number", 0))
    good = release.get("status") == "good"
    known = stopped(seen, installation)
    return Placement(name, fence, release.get("id"), release.get("version"), good, now(), known)


def _said(name: str, seen: HostOutcome | None, installation: str) -> str:
    if seen is None or not seen.ok:
        return f"what {name} serves is unknown"
    if not seen.result.get("healed", True):
        return f"{name} may get too few or divided requests: its proxy could not be told"
    if not settled(seen, installation):
        return f"{name} still has something running of it"
    result: Mapping[str, Any] = seen.result
    release = result.get("release")
    if not release:
        return f"{name} has no release"
    version = str(release.get("version") or "").removeprefix("sha256:")[:7]
    if "running" not in result:
        return f"{name} has {version} current"
    running = result["running"]
    if running != release.get("id"):
        return f"{name} has {version} current, and {running or 'nothing'} runs"
    return f"{name} runs {version}"
