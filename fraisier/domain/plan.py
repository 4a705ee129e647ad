"""What will be done, in order: pure planning from a target to steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fraisier.domain.catalogue import Host, InventoryGroup, Provider, Target
from fraisier.domain.errors import UsageError
from fraisier.domain.strategy import batches, canonical_strategy


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
    """Plan the change of every host of a target.

    Several hosts are looked at before the first is changed. A single host needs no step of its
    own for that: the same module execution looks, then changes.
    """
    names = [host.name for host in target.hosts]
    groups = batches(strategy, names, target.strategy_config.max_parallel)
    first = [Step("preflight", tuple(names))] if verb == "deploy" and len(names) > 1 else []
    moves = [Step(verb, group, last=group is groups[-1]) for group in groups]
    return Plan(strategy, (*first, *moves))


def way_back(target: Target, failed: Sequence[str], moved: Sequence[str]) -> list[Step]:
    """Plan the return: the failed hosts first, as they serve nobody, then the moved ones.

    The moved hosts are healthy, so they go back at the pace they went out, last one first.
    """
    size = target.strategy_config.max_parallel
    later = batches("rolling", list(reversed(moved)), size) if moved else []
    groups = [*([tuple(failed)] if failed else []), *later]
    return [Step("restore", tuple(group), last=group is groups[-1]) for group in groups]


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
