"""Which version a target goes back to: one that was good there, and not found bad since."""

from __future__ import annotations

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused, UsageError, VersionNotFound
from fraisier.domain.ports import Filter, Store

#: The fewest characters of a commit, or of an image's content, that name it.
SHORTEST = 4
#: So many of a target's deployments are looked at, the newest.
LOOKED_AT = 1000
_FOUND_BAD = (Status.ROLLED_BACK, Status.ROLLBACK_FAILED)


def to_go_back_to(store: Store, target: Target, named: str | None) -> str:
    """Return the version that was good before the one that serves, or the good one named so.

    Without a name, one whose last deployment was taken back is left out: it is marked bad on the
    hosts. Raises Refused, UsageError or VersionNotFound.
    """
    past = store.deployments(Filter(target.fraise, target.environment, limit=LOOKED_AT))
    good = Filter(target.fraise, target.environment, Status.SUCCESS.value, limit=LOOKED_AT)
    deployed = store.deployments(good)
    if not deployed:
        raise nothing_to_go_back_to(target.fraise, target.environment)
    versions = [*(each.version for each in deployed), *_found_by(store, deployed[-1])]
    if named is None:
        return _earlier(target, versions, _bad(past))
    return _matching(named, versions)


def _bad(past: list[Deployment]) -> set[str]:
    """Return the versions whose newest deployment was taken back."""
    judged = (Status.SUCCESS, *_FOUND_BAD)
    newest: dict[str, Status] = {}
    for each in past:
        if each.status in judged:
            newest.setdefault(each.version, each.status)
    return {version for version, status in newest.items() if status in _FOUND_BAD}


def _found_by(store: Store, first: Deployment) -> list[str]:
    """Return the good versions that the first deployment found: others had put them there."""
    told = [
        event.data.get("previous") or {}
        for event in store.events(first.id)
        if event.type == "deployment.host_completed"
    ]
    return [before["version"] for before in told if before.get("good")]


def _earlier(target: Target, versions: list[str], bad: set[str]) -> str:
    others = [version for version in versions if version != versions[0]]
    earlier = [version for version in others if version not in bad]
    if not earlier:
        name = f"{target.fraise} {target.environment}"
        only = f"{_quoted(versions[0])} is the only version that was ever good on {name}"
        spoilt = f"every other version that was good on {name} was found bad since"
        if others:
            raise Refused(spoilt, "name one with --to-version")
        raise Refused(only, "name another with fraisier deploy … --version")
    return earlier[0]


def begins(version: str, named: str) -> bool:
    """Return whether a version begins so, written with `sha256:` or without."""
    return version.startswith(named) or version.removeprefix("sha256:").startswith(named)


def _quoted(version: str) -> str:
    return version.removeprefix("sha256:")[:12]


def nothing_to_go_back_to(fraise: str, environment: str) -> Refused:
    """Return why a target that was never deployed well cannot be rolled back."""
    return Refused(
        f"{fraise} {environment} has no successful deployment to go back to",
        f"deploy a version: fraisier deploy {fraise} {environment}",
    )


def _matching(named: str, versions: list[str]) -> str:
    if len(named) < SHORTEST:
        raise UsageError(
            f'"{named}" is too short for a version', f"give at least {SHORTEST} characters"
        )
    found = {version for version in versions if begins(version, named)}
    if len(found) != 1:
        raise VersionNotFound(
            f'"{named}" names {len(found) or "no"} version{"s"[: len(found) != 1]} '
            "that was good on this target",
            f"good ones, newest first: {', '.join(map(_quoted, dict.fromkeys(versions)))}",
        )
    return found.pop()
