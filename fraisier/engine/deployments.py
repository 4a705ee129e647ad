"""Requests: checked against the catalogue, resolved to one commit, then recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import Refused, UsageError, VersionNotFound
from fraisier.domain.plan import Plan, check_strategy, way_out
from fraisier.domain.ports import Filter, Inventories, NewDeployment, Repositories, Store

#: The fewest characters of a commit that name it.
SHORTEST = 4


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
    """Deployments as they are asked for and looked at."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        repositories: Repositories,
        inventories: Inventories,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._repositories = repositories
        self._inventories = inventories

    def target(self, fraise: str, environment: str) -> Target:
        """Return a target with its hosts, also where an inventory of the team's has to name them.

        Raises FraiseNotFound, EnvironmentNotFound or ConfigurationError.
        """
        found = self._catalogue.target(fraise, environment)
        if found.inventory is None:
            return found
        return replace(found, hosts=self._inventories.hosts(found.inventory))

    def deploy(self, wish: Wish) -> Deployment:
        """Record a request to bring a version to a target; raise NotFound, UsageError, Refused."""
        target = self.target(wish.fraise, wish.environment)
        strategy = self._strategy(target, wish)
        version = self._version(target, wish.version)
        return self._store.request(self._new("deploy", target, strategy, version, wish))

    def rollback(self, wish: Wish) -> Deployment:
        """Record a request to go back to a version that was good on this target."""
        target = self.target(wish.fraise, wish.environment)
        strategy = self._strategy(target, wish)
        version = self._version_to_go_back_to(target, wish.version)
        return self._store.request(self._new("rollback", target, strategy, version, wish))

    def plan(self, deployment: Deployment) -> Plan:
        """Return the way out of a deployment."""
        verb = "restore" if deployment.kind == "rollback" else "deploy"
        return way_out(deployment.target, deployment.strategy, verb)

    def _version(self, target: Target, named: str | None) -> str:
        """Ask the repository; what it does not know may be short for a version seen here."""
        try:
            return self._repositories.resolve(target.repository, named, target.branch)
        except VersionNotFound:
            seen = self._store.deployments(Filter(target.fraise, target.environment, limit=1000))
            found = {d.version for d in seen if named and d.version.startswith(named)}
            if len(found) != 1 or len(named or "") < SHORTEST:
                raise
            return found.pop()

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
            options={name: value for name, value in options.items() if value},
        )

    def _version_to_go_back_to(self, target: Target, named: str | None) -> str:
        good = Filter(target.fraise, target.environment, Status.SUCCESS.value, limit=1000)
        versions = [deployment.version for deployment in self._store.deployments(good)]
        if not versions:
            raise Refused(
                f"{target.fraise} {target.environment} has no successful deployment to go back to",
                f"deploy a version: fraisier deploy {target.fraise} {target.environment}",
            )
        if named is None:
            return self._earlier(target, versions)
        return _matching(named, versions)

    def _earlier(self, target: Target, versions: list[str]) -> str:
        earlier = [version for version in versions if version != versions[0]]
        if not earlier:
            raise Refused(
                f"{versions[0][:7]} is the only version that was ever good on "
                f"{target.fraise} {target.environment}",
                "name another with fraisier deploy … --version",
            )
        return earlier[0]


def _matching(named: str, versions: list[str]) -> str:
    if len(named) < SHORTEST:
        raise UsageError(
            f'"{named}" is too short for a version', f"give at least {SHORTEST} characters"
        )
    found = {version for version in versions if version.startswith(named)}
    if len(found) != 1:
        raise VersionNotFound(
            f'"{named}" names {len(found) or "no"} version{"s"[: len(found) != 1]} '
            "that was good on this target",
            f"good ones, newest first: {', '.join(v[:12] for v in dict.fromkeys(versions))}",
        )
    return found.pop()
