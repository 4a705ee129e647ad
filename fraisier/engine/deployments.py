"""Requests: checked against the catalogue, resolved to one commit, then recorded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import Refused, UsageError, VersionNotFound
from fraisier.domain.plan import check_strategy
from fraisier.domain.ports import Filter, Inventories, NewDeployment, Repositories, Store
from fraisier.engine.bell import Bell

#: The fewest characters of a commit, or of an image's content, that name it.
SHORTEST = 4
#: An image's tag, or its digest.
IMAGE_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Wish:
    """What a person asks for. `health_check_delay` is in seconds; None means as configured."""

    fraise: str
    environment: str
    triggered_by: str
    version: str | None = None
    strategy: str | None = None
    health_check_delay: float | None = None
    force: bool = False
    idempotency_key: str | None = None
    reason: str = ""


class Deployments:
    """Deployments as they are asked for and looked at.

    The `bell` rings for what workers wait for; `recover` settles what the dead left, where no
    server does that.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        repositories: Repositories,
        inventories: Inventories,
        bell: Bell | None = None,
        recover: Callable[[], None] = lambda: None,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._repositories = repositories
        self._inventories = inventories
        self._bell = bell or Bell()
        self._recover = recover

    def target(self, fraise: str, environment: str) -> Target:
        """Return a target with its hosts, also where an inventory of the team's has to name them.

        Raises FraiseNotFound, EnvironmentNotFound or ConfigurationError.
        """
        found = self._catalogue.target(fraise, environment)
        if found.inventory is None:
            return found
        return replace(found, hosts=self._inventories.hosts(found.inventory))

    def deploy(self, wish: Wish, worker_id: str | None = None) -> Deployment:
        """Record a request to bring a version to a target; raise NotFound, UsageError, Refused.

        Any worker may carry it out; with `worker_id` it is for that one alone.
        """
        self._recover()
        again = self._repeated("deploy", wish)
        if again is not None:
            return again
        return self._request(self.draft(wish), worker_id)

    def draft(self, wish: Wish) -> NewDeployment:
        """Return the deployment that a wish comes to, recorded nowhere."""
        target = self.target(wish.fraise, wish.environment)
        strategy = self._strategy(target, wish)
        version = self._version(target, wish.version)
        return self._new("deploy", target, strategy, version, wish)

    def rollback(self, wish: Wish, worker_id: str | None = None) -> Deployment:
        """Record a request to go back to a version that was good on this target."""
        self._recover()
        again = self._repeated("rollback", wish)
        if again is not None:
            return again
        target = self.target(wish.fraise, wish.environment)
        strategy = self._strategy(target, wish)
        version = self._version_to_go_back_to(target, wish.version)
        return self._request(self._new("rollback", target, strategy, version, wish), worker_id)

    def cancel(self, deployment_id: str, by: str) -> Deployment:
        """End a deployment that waits, or ask one that is worked on to stop; raise Refused.

        The attempt sees the wish within a second, wherever it runs, and goes back first.
        """
        self._recover()
        found = self._store.cancel(deployment_id, by)
        self._bell.ring()
        return found

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str:
        """Release a held target and return the deployment that held it; raise Refused."""
        self._catalogue.target(fraise, environment)
        held = self._store.unlock(fraise, environment, reason, by)
        if held is None:
            raise Refused(f"{fraise} {environment} is not held")
        self._bell.ring()
        return held

    def _request(self, new: NewDeployment, worker_id: str | None) -> Deployment:
        found = self._store.request(new, worker_id)
        self._bell.ring()
        return found

    def _repeated(self, kind: str, wish: Wish) -> Deployment | None:
        """Return what the same request made before, where a key says that it may be a repeat."""
        if wish.idempotency_key is None:
            return None
        return self._store.repeated(
            wish.triggered_by, wish.idempotency_key, _fingerprint(kind, wish)
        )

    def _version(self, target: Target, named: str | None) -> str:
        """Ask the repository; what it does not know may be short for a version seen here."""
        if self._catalogue.providers[target.provider].versions == "image":
            return self._image_version(target, named)
        try:
            return self._repositories.resolve(target, named)
        except VersionNotFound:
            seen = self._seen(target, named or "")
            if seen is None:
                raise
            return seen

    def _image_version(self, target: Target, named: str | None) -> str:
        """Return the tag or digest named, or the content seen here that it is short for."""
        if named is None:
            return AS_CONFIGURED
        seen = self._seen(target, named)
        if seen is None and not IMAGE_VERSION.fullmatch(named):
            raise UsageError(
                f'"{named}" is neither an image\'s tag nor a digest',
                "name a tag such as 1.4.2, or a digest: sha256: and 64 hexadecimal digits",
            )
        return seen or named

    def _seen(self, target: Target, named: str) -> str | None:
        """Return the one version of this target's deployments that `named` is short for."""
        past = self._store.deployments(Filter(target.fraise, target.environment, limit=1000))
        found = {deployment.version for deployment in past if begins(deployment.version, named)}
        return found.pop() if len(found) == 1 and len(named) >= SHORTEST else None

    def _strategy(self, target: Target, wish: Wish) -> str:
        provider = self._catalogue.providers[target.provider]
        return check_strategy(provider, wish.strategy or target.strategy)

    def _new(
        self, kind: str, target: Target, strategy: str, version: str, wish: Wish
    ) -> NewDeployment:
        options = {
            "health_check_delay": wish.health_check_delay,
            "force": wish.force,
            "reason": wish.reason,
        }
        return NewDeployment(
            kind=kind,
            target=target,
            version=version,
            requested_version=wish.version,
            strategy=strategy,
            triggered_by=wish.triggered_by,
            idempotency_key=wish.idempotency_key,
            fingerprint=_fingerprint(kind, wish),
            options={name: value for name, value in options.items() if _said(value)},
        )

    def _version_to_go_back_to(self, target: Target, named: str | None) -> str:
        good = Filter(target.fraise, target.environment, Status.SUCCESS.value, limit=1000)
        deployed = self._store.deployments(good)
        if not deployed:
            raise nothing_to_go_back_to(target.fraise, target.environment)
        versions = [*(each.version for each in deployed), *self._found_by(deployed[-1])]
        if named is None:
            return self._earlier(target, versions)
        return _matching(named, versions)

    def _found_by(self, first: Deployment) -> list[str]:
        """Return the good versions that the first deployment found: others had put them there."""
        told = [
            event.data.get("previous") or {}
            for event in self._store.events(first.id)
            if event.type == "deployment.host_completed"
        ]
        return [before["version"] for before in told if before.get("good")]

    def _earlier(self, target: Target, versions: list[str]) -> str:
        earlier = [version for version in versions if version != versions[0]]
        if not earlier:
            raise Refused(
                f"{_quoted(versions[0])} is the only version that was ever good on "
                f"{target.fraise} {target.environment}",
                "name another with fraisier deploy … --version",
            )
        return earlier[0]


def begins(version: str, named: str) -> bool:
    """Return whether a version begins so, written with `sha256:` or without."""
    return version.startswith(named) or version.removeprefix("sha256:").startswith(named)


def _quoted(version: str) -> str:
    return version.removeprefix("sha256:")[:12]


def _said(value: object) -> bool:
    """True for an option that was chosen; a delay of 0 seconds was."""
    return value is not None and value is not False and value != ""


def _fingerprint(kind: str, wish: Wish) -> str:
    """Return what two requests share only if they ask for the same."""
    text = json.dumps({"kind": kind, **vars(wish)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
