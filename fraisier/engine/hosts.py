"""Work on a target's hosts outside a deployment: looking, preparing, the service itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fraisier.domain.catalogue import Catalogue, Host, Target
from fraisier.domain.deployment import Status
from fraisier.domain.errors import Refused, UsageError, did_you_mean
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work, batches
from fraisier.domain.ports import Filter, Runner, Store
from fraisier.engine.request import proxy_of

Tell = Callable[[Sequence[Fact]], None]


class Hosts:
    """Runs one verb of a provider on a target's hosts. Records nothing and takes no fence."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        runner: Runner,
        recover: Callable[[], None] = lambda: None,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._runner = runner
        self._recover = recover

    def can(self, target: Target, verb: str) -> bool:
        """True where the target's provider has a playbook for the verb."""
        return verb in self._catalogue.providers[target.provider].playbooks

    def run(
        self,
        target: Target,
        verb: str,
        timeout: float,
        tell: Tell = lambda _facts: None,
        cancelled: Callable[[], bool] = lambda: False,
        more: bool = False,
        **request: Any,
    ) -> Outcome:
        """Run a verb on every host of the target, for at most `timeout` seconds.

        `request` goes to the playbook as it is, `more` says that another run will follow. Secrets
        that have no value here are left out, unless a health check needs some. Raises UsageError
        where the provider does not have the verb, ConfigurationError or RunnerError while nothing
        has run.
        """
        work = Work(
            deployment_id=verb,
            verb=verb,
            playbook=self.playbook(target, verb),
            hosts=target.hosts,
            become=target.become,
            inventory=target.inventory,
            request=self._request(target, verb, request),
            secrets=target.secrets,
            timeout=timeout,
            secrets_required=target.has_secret_headers and _judges(verb, request),
            more=more,
        )
        outcome = self._runner.run(work, tell, cancelled)
        return outcome.of([host.name for host in work.hosts])

    def in_turn(
        self, target: Target, verb: str, timeout: float, **request: Any
    ) -> Iterator[Outcome]:
        """Run a verb on `max_parallel` hosts at once; the first bad outcome is the last."""
        for group in batches(target):
            last = group[-1] is target.hosts[-1]
            outcome = self.run(of_hosts(target, group), verb, timeout, more=not last, **request)
            yield outcome
            if not outcome.ok:
                return

    def require_idle(self, target: Target) -> None:
        """Raise Refused while a deployment of the target is at work."""
        self._recover()
        wanted = Filter(target.fraise, target.environment, Status.IN_PROGRESS.value, limit=1)
        for running in self._store.deployments(wanted):
            raise Refused(
                f"{running.id} is changing {target.fraise} {target.environment} now",
                f"wait for its end, or stop it (its command runs by {running.triggered_by}); "
                f"fraisier show {running.id} tells how far it is",
            )

    def playbook(self, target: Target, verb: str) -> str:
        """Return the playbook of a verb, or raise UsageError where the provider has none."""
        playbooks = self._catalogue.providers[target.provider].playbooks
        if verb not in playbooks:
            raise UsageError(
                f'provider "{target.provider}" of {target.fraise} {target.environment} '
                f'cannot do "{verb}"',
                f"it can: {', '.join(playbooks)}",
            )
        return playbooks[verb]

    def _request(self, target: Target, verb: str, more: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "deployment": verb,
            "installation": self._store.installation(),
            "service": dict(target.service),
            "fence": {},
            **proxy_of(target),
            **more,
        }


def _judges(verb: str, request: Mapping[str, Any]) -> bool:
    """Return whether this request ends in a health check, which is wrong without its headers."""
    return verb == "verify" or request.get("app", {}).get("action") in ("restart", "start")


def answers(outcome: Outcome, key: str = "") -> list[dict[str, Any]]:
    """Return what each host answered as plain data: `host`, `state`, `error`, and its result.

    With a `key`, that part of the result stands beside its `gate`. No result replaces `host`,
    `state` or `error`.
    """
    return [
        {**ours, **(_part(host.result, key) if key else host.result), **ours}
        for host in outcome.hosts.values()
        for ours in [_ended(host)]
    ]


def _ended(host: HostOutcome) -> dict[str, Any]:
    error = dict(host.error) if host.error else None
    return {"host": host.host, "state": host.state, "error": error}


def _part(result: Mapping[str, Any], key: str) -> dict[str, Any]:
    gate = {"gate": result["gate"]} if result.get("gate") else {}
    return {**result.get(key, {}), **gate}


def of_hosts(target: Target, hosts: Sequence[Host]) -> Target:
    """Return the target as if it had these hosts only."""
    return replace(target, hosts=tuple(hosts))


def host_named(target: Target, name: str) -> Host:
    """Return a host of the target by its name, or raise UsageError."""
    for host in target.hosts:
        if host.name == name:
            return host
    names = [host.name for host in target.hosts]
    raise UsageError(
        f'{target.fraise} {target.environment} has no host "{name}"{did_you_mean(name, names)}',
        f"its hosts: {', '.join(names)}",
    )
