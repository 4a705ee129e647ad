"""What may be deployed, where and by which provider: a configuration known to be good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fraisier.domain.delivery import Endpoint
from fraisier.domain.errors import EnvironmentNotFound, FraiseNotFound, did_you_mean
from fraisier.domain.health import NO_MONITORING, Monitoring
from fraisier.domain.host import Host
from fraisier.domain.proxy import Proxy
from fraisier.domain.push import GitHost, Listening
from fraisier.domain.reach import Reach
from fraisier.domain.retention import KEEP_ALL, Retention
from fraisier.domain.secret import HEADERS
from fraisier.domain.strategy import StrategyConfig
from fraisier.domain.windows import Window

Json = dict[str, Any]

__all__ = [
    "Catalogue", "Fraise", "Host", "InventoryGroup", "Json", "Provider", "Proxy", "Target",
]  # fmt: skip


@dataclass(frozen=True)
class Provider:
    """A way to put a service somewhere: playbooks, a role and what they can do.

    `playbooks` maps a verb (`preflight`, `deploy`, `restore`, `probe`, `verify`; not every provider
    has `app`, `setup` and those that move traffic: `stage`, `shift`, `promote`, `drain`,
    `undrain`) to a playbook.
    `versions`: what a version is, `git` (a commit of the repository) or `image` (what a container
    image's tag or digest names, which the host finds out). `proxy`: its services can stand behind
    one. `around`: it carries out hooks, backups, migrations and smoke tests. `types`:
    the types of services that it runs.
    """

    name: str
    description: str
    playbooks: Mapping[str, str]
    role: str
    strategies: tuple[str, ...]
    default_strategy: str
    schema: Mapping[str, Any] = field(hash=False)
    versions: str = "git"
    source: str = ""
    proxy: bool = False
    around: bool = False
    types: tuple[str, ...] = ("api", "worker")


@dataclass(frozen=True)
class InventoryGroup:
    """The hosts of a group, or of one name, in a team's own Ansible inventory (absolute path)."""

    inventory: str
    group: str


@dataclass(frozen=True)
class Target:
    """A fraise in an environment: all that a deployment of it needs, with secrets as references.

    `service` is the provider's own part of the configuration, in the shape its role takes.
    `secrets` are references by purpose: an environment variable's name, or a name with a colon for
    what is not of the service's environment (`become:password`, `git:token`, `git:ssh_key`,
    `tls:cert`, `tls:key`, `header:health_check/NAME`, `header:smoke/NUMBER/NAME`).
    `inventory`: where the hosts are read from when there is something to do on them; `become` None
    leaves to that inventory whether to become root. `region` and `network` say which workers may
    take it, where workers have labels of that kind. `after`: the environment in which a version
    must have succeeded before it may come here; `promote`: whether it then comes by itself
    (`automatic`) or when somebody says so (`manual`). `tests`: what is run here at the end of a
    deployment, each `{"name", "command", "timeout"}` (an argument list, seconds).
    `deploy_windows`: when deployments may begin, always where there are none; `outside_windows`:
    what is done with a request at other times (`refuse` or `wait`). `monitoring`: how often it is
    looked at between deployments.
    """

    fraise: str
    environment: str
    type: str
    provider: str
    repository: str
    branch: str
    strategy: str
    strategy_config: StrategyConfig
    hosts: tuple[Host, ...]
    service: Json = field(hash=False)
    secrets: Json = field(default_factory=dict, hash=False)
    inventory: InventoryGroup | None = None
    become: bool | None = True
    auto_rollback: bool = True
    on_busy: str = "queue"
    region: str = "default"
    network: str | None = None
    proxy: Proxy | None = None
    after: str | None = None
    promote: str = "manual"
    tests: tuple[Json, ...] = field(default=(), hash=False)
    deploy_windows: tuple[Window, ...] = ()
    outside_windows: str = "refuse"
    monitoring: Monitoring = NO_MONITORING

    @property
    def proxy_hosts(self) -> tuple[Host, ...]:
        """Return the machines of a proxy that does not run on those of the service."""
        return self.proxy.hosts if self.proxy else ()

    @property
    def check_type(self) -> str:
        """Return the type of its health check; `none` where its unit or container says enough."""
        return str((self.service.get("health_check") or {}).get("type", "none"))

    @property
    def has_secret_headers(self) -> bool:
        """True where a health check or smoke test cannot be made without a secret."""
        return any(name.startswith(HEADERS) for name in self.secrets)

    @property
    def is_here(self) -> bool:
        """True where one of its hosts is this very machine."""
        return any(host.connection == "local" for host in self.hosts)

    def as_json(self) -> Json:
        """Return the snapshot that is stored with a deployment."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Target:
        """Rebuild a target from its snapshot, also from one that was made by an earlier version."""
        inventory, proxy = data.get("inventory"), data.get("proxy")
        return cls(
            **{
                **data,
                "strategy_config": StrategyConfig.from_json(data["strategy_config"]),
                "hosts": tuple(Host(**host) for host in data["hosts"]),
                "inventory": InventoryGroup(**inventory) if inventory else None,
                "proxy": Proxy.from_json(proxy) if proxy else None,
                "tests": tuple(data.get("tests") or ()),
                "deploy_windows": tuple(
                    Window(**{**each, "days": tuple(each["days"])})
                    for each in data.get("deploy_windows") or ()
                ),
                "monitoring": Monitoring(**data.get("monitoring") or {}),
            }
        )


@dataclass(frozen=True)
class Fraise:
    """A deployable service and its environments, by name."""

    name: str
    type: str
    description: str
    targets: Mapping[str, Target] = field(hash=False)

    def in_order(self) -> list[Target]:
        """Return its targets by the names of their environments."""
        return [target for _, target in sorted(self.targets.items())]


@dataclass(frozen=True)
class Catalogue:
    """All that one configuration file describes. `path` is that file, `digest` its identity.

    `receivers` are its webhooks and notifications. `listening` are the targets that pushes deploy,
    `git_hosts` who may tell of those, by the name of the git host.
    """

    path: str
    fraises: Mapping[str, Fraise] = field(hash=False)
    providers: Mapping[str, Provider] = field(hash=False)
    retention: Retention = KEEP_ALL
    receivers: tuple[Endpoint, ...] = ()
    listening: tuple[Listening, ...] = ()
    git_hosts: Mapping[str, GitHost] = field(default_factory=dict, hash=False)
    digest: str = ""

    @property
    def now(self) -> Catalogue:
        """Return it as it is now, never to change."""
        return self

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Let this thread see one configuration as long as the block runs."""
        yield

    def fraise(self, name: str) -> Fraise:
        """Return a fraise by name, or raise FraiseNotFound."""
        if name not in self.fraises:
            raise FraiseNotFound(
                f'no fraise "{name}" in {self.path}{did_you_mean(name, self.fraises)}',
                f"known: {', '.join(sorted(self.fraises)) or 'none'}",
            )
        return self.fraises[name]

    def target(self, fraise: str, environment: str) -> Target:
        """Return a target, or raise FraiseNotFound or EnvironmentNotFound."""
        found = self.fraise(fraise)
        if environment not in found.targets:
            raise EnvironmentNotFound(
                f'fraise "{fraise}" has no environment "{environment}"'
                f"{did_you_mean(environment, found.targets)}",
                f"known: {', '.join(sorted(found.targets)) or 'none'} (in {self.path})",
            )
        return found.targets[environment]

    def within(self, reach: Reach) -> Catalogue:
        """Return what it would be if there were no other targets than those within a reach."""
        fraises = {}
        for name, fraise in self.fraises.items():
            mine = {e: target for e, target in fraise.targets.items() if reach.covers(name, e)}
            if mine:
                fraises[name] = replace(fraise, targets=mine)
        return replace(self.now, fraises=fraises)

    def targets(self) -> list[Target]:
        """Return every target, by fraise and environment."""
        fraises = [fraise for _, fraise in sorted(self.fraises.items())]
        return [target for fraise in fraises for target in fraise.in_order()]
