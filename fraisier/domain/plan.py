"""What will be done, in order: pure planning from a target to steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils import planning
from fraisier.domain.catalogue import Host, InventoryGroup, Provider, Target
from fraisier.domain.errors import UsageError
from fraisier.domain.strategy import canonical_strategy


@dataclass(frozen=True)
class Step:
    """One playbook over one batch of hosts. `verb` names the provider's playbook.

    `drain` and `undrain` are for the hosts of a proxy. `args`: what the verb is to do there.
    """

    verb: str
    hosts: tuple[str, ...]
    last: bool = False
    args: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Plan:
    """The way out. The way back depends on what happened, and is planned then."""

    strategy: str
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return asdict(self)


def check_strategy(provider: Provider, strategy: str) -> str:
    """Return the canonical strategy, or raise UsageError where the provider cannot carry it."""
    canonical = canonical_strategy(strategy)
    if canonical not in provider.strategies:
        raise UsageError(
            f'provider "{provider.name}" cannot carry strategy "{canonical}"',
            f"it can: {', '.join(provider.strategies)}",
        )
    return canonical


def check_plan(provider: Provider, target: Target, strategy: str, verb: str = "deploy") -> str:
    """Return the canonical strategy, or raise UsageError with why it cannot be followed here."""
    canonical = check_strategy(provider, strategy)
    name = f"{target.fraise} {target.environment}"
    if target.proxy is not None and not provider.proxy:
        raise UsageError(
            f'a service of the provider "{provider.name}" cannot stand behind a proxy',
            f"take `proxy` out of {name}, or choose a provider that can",
        )
    if canonical in planning.TWO_COLOURS and verb == "deploy":
        _check_two_colours(target, canonical, name)
    needed = dict.fromkeys(step.verb for step in way_out(target, canonical, verb).steps)
    missing = [verb for verb in needed if verb not in provider.playbooks]
    if missing:
        raise UsageError(
            f'{canonical} for {name} needs "{missing[0]}", and the provider "{provider.name}" has '
            "no playbook for it",
            f"it has: {', '.join(provider.playbooks)}",
        )
    return canonical


def _check_two_colours(target: Target, strategy: str, name: str) -> None:
    """Raise UsageError unless both releases can be up at once, and there is a way between them."""
    if target.proxy is None or not target.proxy.local:
        proxy = target.proxy
        has = "has none" if proxy is None else "is another's"
        if proxy is not None and proxy.hosts:
            has = "has hosts of its own, which know a host only as a whole"
        raise UsageError(
            f"{strategy} moves requests between two releases on each host, and needs a proxy of "
            f"Fraisier's on them; that of {name} {has}",
            "write `proxy: {}` without `hosts` and `type`, then run: "
            f"fraisier setup {name}; or use the strategy rolling",
        )
    if strategy == "canary" and not target.strategy_config.canary:
        raise UsageError(
            f"canary has no steps for {name}",
            "write them: strategy_config: {canary: [{weight: 10, pause: 60}]}; or use blue-green",
        )


def way_out(target: Target, strategy: str, verb: str = "deploy") -> Plan:
    """Plan the change of every host of a target, as the collection's own playbooks do."""
    names, pace = [host.name for host in target.hosts], target.strategy_config
    plan = planning.way_out(
        strategy, names, pace.max_parallel, verb, _proxies(target), pace.canary, pace.analysis
    )
    return Plan(strategy, _steps(plan["steps"]))


def batches(target: Target) -> list[tuple[Host, ...]]:
    """Return a target's hosts in the batches that may change together."""
    size = planning.batch_size(target.strategy_config.max_parallel, len(target.hosts))
    return [target.hosts[start : start + size] for start in range(0, len(target.hosts), size)]


def way_back(
    target: Target, strategy: str, failed: Sequence[str], moved: Sequence[str]
) -> list[Step]:
    """Plan the return: the failed hosts first, then the moved ones at the pace they went out."""
    pace = target.strategy_config.max_parallel
    return list(_steps(planning.way_back(failed, moved, pace, strategy, _proxies(target))))


def _proxies(target: Target) -> list[str]:
    return [host.name for host in target.proxy_hosts]


def _steps(planned: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(
        Step(step["verb"], tuple(step["hosts"]), step["last"], step["args"]) for step in planned
    )


@dataclass(frozen=True)
class Work:
    """One invocation of a playbook: who, what, and how long it may take (seconds).

    `request` is plain data for the playbook; `secrets` maps purposes to references, as a target
    does. Where they are not `required`, those that have no value are left out: the way back needs
    none of them, but what it says must not show those that are known. `more`: another run will
    follow. `inventory`: the hosts are reached as that inventory says. `limit`: what people know the
    end of its time by, such as "progress_deadline (600 s)".
    """

    deployment_id: str
    verb: str
    playbook: str
    hosts: tuple[Host, ...]
    become: bool | None
    request: Mapping[str, Any]
    secrets: Mapping[str, Any]
    timeout: float
    secrets_required: bool = True
    more: bool = False
    inventory: InventoryGroup | None = None
    limit: str = ""
