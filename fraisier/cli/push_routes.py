"""What `doctor` says of the git hosts whose pushes deploy a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.incoming import IncomingFilter, IncomingStatus, IncomingStore
from fraisier.domain.push import Listening

#: So many deliveries that deployed something are compared with the configuration of now.
LATEST = 1000

#: Whether it is as it must be, what was found, what to do.
Finding = tuple[bool, str, str]


def push_routes(
    catalogue: Catalogue, store: IncomingStore | None, target: Target
) -> Iterator[Finding]:
    """Yield which git host reaches a target that pushes deploy, and whether others did before."""
    for each in catalogue.listening:
        if (each.fraise, each.environment) != (target.fraise, target.environment):
            continue
        yield _route(catalogue, each)
        before = _providers(store, each) - {each.provider} if store is not None else set()
        if before:
            names = " and ".join(sorted(before))
            told = f"pushes of {names} deployed it in the last 30 days, and do not any more"
            yield False, told, _fix(sorted(before))


def _route(catalogue: Catalogue, each: Listening) -> Finding:
    known = sorted(catalogue.git_hosts)
    if not each.provider:
        several = "no push deploys it: several git hosts are configured, and no key names its own"
        return False, several, _fix(known)
    if each.provider not in known:
        told = f"no push deploys it: only {each.provider} may, for which `git` has no secret"
        return False, told, f"{_fix(known)}; or give git: {each.provider} its webhook_secret"
    return True, f"pushes of {each.provider} deploy it", ""


def _fix(providers: Sequence[str]) -> str:
    keys = " or ".join(f"{{provider: {name}}}" for name in providers)
    return f"name the git host that sends its pushes, in fraises.yaml: deploy_on: {keys}"


def _providers(store: IncomingStore, each: Listening) -> set[str]:
    """Return the git hosts whose pushes deployed a target lately."""
    deliveries = store.incoming(IncomingFilter(status=IncomingStatus.TRIGGERED, limit=LATEST))
    target = (each.fraise, each.environment)
    return {
        delivery.provider
        for delivery in deliveries
        for outcome in delivery.outcomes
        if outcome.deployment_id and (outcome.fraise, outcome.environment) == target
    }
