"""From one environment to the next: which version may go on, and why one may not."""

from __future__ import annotations

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import Refused, UsageError
from fraisier.domain.ports import Filter, Store
from fraisier.engine.testing import verdict

#: Ends that say nothing of the version: what ran before runs still.
NEUTRAL = frozenset({Status.PENDING, Status.IN_PROGRESS, Status.CANCELLED, Status.SUPERSEDED})
_LOOKED_AT = 1000


def says_nothing(deployment: Deployment) -> bool:
    """Return whether a deployment left what ran before: nothing is to be learnt from its end.

    One that was cancelled after it began left what it had changed, where nothing goes back.
    """
    cut = deployment.status is Status.CANCELLED and deployment.started_at is not None
    return deployment.status in NEUTRAL and (deployment.target.auto_rollback or not cut)


def to_promote(
    catalogue: Catalogue, store: Store, fraise: str, source: str, target: str
) -> Deployment:
    """Return the deployment whose version goes from environment `source` to `target`.

    It is the last that ended as a success in `source`. Raises Refused where there is none, or where
    what came after it failed; UsageError where the two can have no version in common.
    """
    before, after = catalogue.target(fraise, source), catalogue.target(fraise, target)
    _require_same_kind(catalogue, before, after)
    past = store.deployments(Filter(fraise, source, limit=_LOOKED_AT))
    said = [deployment for deployment in past if not says_nothing(deployment)]
    if not said:
        raise Refused(
            f"nothing was deployed to {fraise} {source} yet, so nothing can go on from there",
            f"deploy there first: fraisier deploy {fraise} {source}",
        )
    newest = said[0]
    if newest.status is not Status.SUCCESS:
        raise Refused(
            f"the last deployment to {fraise} {source} is no success: {newest.id} is "
            f"{newest.status}",
            f"see why: fraisier show {newest.id}; then deploy a good version to {source}",
        )
    why = verdict(store, said, newest.version)
    if why is not None:
        raise Refused(
            f"{short(newest.version)} does not go on from {fraise} {source}: {why}",
            f"see why: fraisier logs {newest.id}; deploying it to {source} again tests it again",
        )
    if newest.version == AS_CONFIGURED:
        raise Refused(
            f"which version {fraise} {source} got is not known: {newest.id} never told",
            f"deploy a named version to {source}, then promote it",
        )
    return newest


def require_earlier_success(store: Store, target: Target, version: str, force: bool) -> None:
    """Raise Refused unless a version succeeded in the environment that the target comes after."""
    if target.after is None or force:
        return
    good = Filter(target.fraise, target.after, Status.SUCCESS.value, limit=_LOOKED_AT)
    past = [each for each in store.deployments(good) if each.version == version]
    why = verdict(store, past, version) if past else None
    if past and why is None:
        return
    if past:
        raise Refused(
            f"{short(version)} does not go on from {target.fraise} {target.after}: {why}",
            "deploying it there again tests it again; --force goes without",
        )
    raise Refused(
        f"{short(version)} has not succeeded in {target.fraise} {target.after}, which comes before "
        f"{target.environment}",
        f"deploy it there, then: fraisier promote {target.fraise} {target.after} "
        f"{target.environment}; --force goes without",
    )


def short(version: str) -> str:
    """Return a version as a sentence names it."""
    return version if version == AS_CONFIGURED else version.removeprefix("sha256:")[:12]


def _require_same_kind(catalogue: Catalogue, before: Target, after: Target) -> None:
    if before.environment == after.environment:
        raise UsageError("a version is promoted from one environment to another; these are one")
    kinds = [catalogue.providers[target.provider].versions for target in (before, after)]
    if kinds[0] != kinds[1]:
        words = {"git": "commits of the repository", "image": "tags or digests of an image"}
        raise UsageError(
            f"versions of {before.environment} are {words[kinds[0]]}, those of "
            f"{after.environment} {words[kinds[1]]}",
            "promote between environments whose providers have the same kind of version",
        )
