"""Requests for hosts that a dead worker may have taken out of a proxy: they get them again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from fraisier.domain.catalogue import Catalogue, Host, Provider
from fraisier.domain.deployment import Deployment
from fraisier.domain.plan import Step, Work
from fraisier.domain.ports import Runner, Store
from fraisier.engine.patience import patiently
from fraisier.engine.request import request_for, turn
from fraisier.engine.steps import Listener
from fraisier.engine.traffic import begun, proxy_become, undrain

#: The proxies have so many seconds to answer; those that are silent are asked again meanwhile.
SECONDS, SHORTEST_SECONDS, PAUSE_SECONDS = 22.0, 3.0, 1.0

log = logging.getLogger("fraisier.worker")


def undrain_all(
    deployment: Deployment,
    catalogue: Catalogue,
    store: Store,
    runner: Runner,
    valid: Callable[[], bool],
    tell: Listener,
    last_step: int,
) -> list[str]:
    """Give every host of a target its requests again; return the proxies that did not confirm it.

    Whether the services are up is not asked here: the look at their hosts tells that. `last_step`
    is the number of the step, after all that the attempt itself can have made.
    """
    target = deployment.target
    provider = catalogue.providers.get(target.provider)
    left = list(target.proxy_hosts)
    if not left:
        return []
    if provider is None or "undrain" not in provider.playbooks:
        return [host.name for host in left]
    step = Step(
        "undrain",
        tuple(host.name for host in left),
        True,
        {"servers": [host.name for host in target.hosts]},
    )
    if deployment.settle_failures == 0:
        tell(store.record(deployment, [begun(step)], patient=valid))
    installation = patiently(store.installation, valid)
    deadline, again = time.monotonic() + SECONDS, False
    while left and valid() and (seconds := deadline - time.monotonic()) > SHORTEST_SECONDS:
        time.sleep(PAUSE_SECONDS if again else 0)
        again = True
        work = _work(deployment, provider, left, installation, step, last_step, seconds)
        try:
            seen = runner.run(work, lambda _facts: None, lambda: not valid()).hosts
        except Exception:
            log.exception("%s: its proxies could not be asked", deployment.id)
            break
        left = [host for host in left if host.name not in seen or not seen[host.name].ok]
    return [host.name for host in left]


def _work(
    deployment: Deployment,
    provider: Provider,
    hosts: list[Host],
    installation: str,
    step: Step,
    last_step: int,
    seconds: float,
) -> Work:
    fences = {host.name: {"turn": turn(deployment, last_step)} for host in hosts}
    return Work(
        deployment_id=deployment.id,
        verb=step.verb,
        playbook=provider.playbooks[step.verb],
        hosts=tuple(hosts),
        become=proxy_become(hosts),
        request=request_for(deployment, installation, fences, **undrain(step, ())),
        secrets=deployment.target.secrets,
        timeout=seconds,
        secrets_required=False,
    )
