"""What will be done, in order: pure planning from a target to steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils import planning
from fraisier.domain.catalogue import Host, InventoryGroup, Provider, Target
from fraisier.domain.errors import UsageError
from fraisier.domain.strategy import canonical_strategy


@dataclass(frozen=True)
class Step:
    """One playbook over one batch of hosts. `verb` names the provider's playbook."""

    verb: str
    hosts: tuple[str, ...]
    last: bool = False


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


def way_out(target: Target, strategy: str, verb: str = "deploy") -> Plan:
    """Plan the change of every host of a target, as the collection's own playbooks do."""
    names = [host.name for host in target.hosts]
    plan = planning.way_out(strategy, names, target.strategy_config.max_parallel, verb)
    return Plan(strategy, _steps(plan["steps"]))


def batches(target: Target) -> list[tuple[Host, ...]]:
    """Return a target's hosts in the batches that may change together."""
    size = planning.batch_size(target.strategy_config.max_parallel, len(target.hosts))
    return [target.hosts[start : start + size] for start in range(0, len(target.hosts), size)]


def way_back(target: Target, failed: Sequence[str], moved: Sequence[str]) -> list[Step]:
    """Plan the return: the failed hosts first, then the moved ones at the pace they went out."""
    steps = planning.way_back(failed, moved, target.strategy_config.max_parallel)
    return list(_steps(steps))


def _steps(planned: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(step["verb"], tuple(step["hosts"]), step["last"]) for step in planned)


@dataclass(frozen=True)
class Work:
    """One invocation of a playbook: who, what, and how long it may take (seconds).

    `request` is plain data for the playbook; `secrets` maps purposes to references, as a target
    does. Where they are not `required`, those that have no value are left out: the way back needs
    none of them, but what it says must not show those that are known. `more`: another run will
    follow. `inventory`: the hosts are reached as that inventory says.
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
