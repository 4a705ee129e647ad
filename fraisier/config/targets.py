"""Makes the domain's values of a configuration that is known to be good."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from fraisier.config.defaults import fill
from fraisier.config.monitoring_schema import monitoring_of
from fraisier.config.proxies import certificate_of, proxy_of
from fraisier.config.pushes import git_hosts_of, listening_of
from fraisier.config.receivers import receivers_of
from fraisier.config.release_schema import JOBS, around_of, tests_of
from fraisier.config.report import without_extensions
from fraisier.config.repository import repository
from fraisier.config.schema import fraise as fraise_schema
from fraisier.config.secret_headers import header_references
from fraisier.config.services import git_settings, secrets_of, service_of
from fraisier.config.windows import windows_of
from fraisier.domain.catalogue import (
    Catalogue,
    Fraise,
    Host,
    InventoryGroup,
    Json,
    Provider,
    Target,
)
from fraisier.domain.push import Listening
from fraisier.domain.retention import Retention
from fraisier.domain.strategy import StrategyConfig, canonical_strategy

#: The one host of a target whose provider has none to name.
THIS_MACHINE = Host("localhost", "localhost", connection="local")


def build(data: Json, providers: Mapping[str, Provider], file: Path) -> Catalogue:
    """Return the catalogue of a file's checked values; relative paths start at its folder."""
    schema = fraise_schema(providers)
    fraises = {
        name: _fraise(name, fill(values, schema), providers, file.parent)
        for name, values in without_extensions(data["fraises"]).items()
    }
    retention = Retention(**without_extensions(data.get("retention") or {}))
    hosts = git_hosts_of(data)
    listening = tuple(_listening(data, fraises, hosts))
    return Catalogue(str(file), fraises, providers, retention, receivers_of(data), listening, hosts)


def _listening(
    data: Json, fraises: Mapping[str, Fraise], hosts: Collection[str]
) -> Iterator[Listening]:
    """Yield the targets that pushes deploy."""
    for name, values in without_extensions(data["fraises"]).items():
        for environment in without_extensions(values["environments"]):
            target = fraises[name].targets[environment]
            yield from listening_of(name, environment, values, target, hosts)


def _fraise(name: str, values: Json, providers: Mapping[str, Provider], base: Path) -> Fraise:
    targets = {
        environment: _target(name, environment, values, providers, base)
        for environment in without_extensions(values["environments"])
    }
    return Fraise(name, values["type"], values["description"], targets)


def _target(
    name: str, environment: str, fraise: Json, providers: Mapping[str, Provider], base: Path
) -> Target:
    values = fraise["environments"][environment]
    provider = providers[values["provider"].replace("-", "_")]
    config = fill(values["provider_config"], provider.schema)
    elsewhere = _has_hosts(provider) and config.get("hosts") is not None
    hosts = _hosts(config, base) if elsewhere else (THIS_MACHINE,)
    pace = _strategy_config(values.get("strategy_config", {}))
    proxy = values.get("proxy")
    source = repository(fraise["git_repo"], fraise.get("git_provider"), base)
    git_auth = fraise.get("git_auth", {}) if provider.versions == "git" else {}
    identity = {
        "fraise": name,
        "environment": environment,
        "repository": source,
        "branch": fraise["git_branch"],
    }
    return Target(
        **identity,
        type=fraise["type"],
        provider=provider.name,
        strategy=canonical_strategy(values.get("strategy", provider.default_strategy)),
        strategy_config=pace,
        hosts=hosts,
        service={
            **service_of(provider, identity, config, hosts, pace, base),
            **git_settings(provider, git_auth),
            **({"type": fraise["type"]} if fraise["type"] in JOBS else {}),
            **({"around": around} if (around := around_of(values)) else {}),
        },
        secrets=secrets_of(
            config, git_auth, {**certificate_of(proxy), **header_references(config, values)}, base
        ),
        inventory=_inventory(config, base),
        become=config.get("become", _become(config)) if elsewhere else False,
        auto_rollback=values["auto_rollback"],
        on_busy=values["on_busy"],
        region=values["region"],
        network=values.get("network"),
        after=values.get("after"),
        promote=values["promote"],
        tests=tests_of(values),
        deploy_windows=windows_of(values),
        outside_windows=values["outside_windows"],
        monitoring=monitoring_of(values),
        proxy=proxy_of(proxy, _hosts({**(proxy or {}), **_known_hosts(config)}, base)),
    )


def _has_hosts(provider: Provider) -> bool:
    """True where the provider works on hosts; another works from this machine."""
    return "hosts" in provider.schema.get("properties", {})


def _strategy_config(values: Json) -> StrategyConfig:
    parallel = values.get("max_parallel")
    if isinstance(parallel, str) and parallel.isdigit():
        values = {**values, "max_parallel": int(parallel)}
    return StrategyConfig.from_json(values)


def _hosts(config: Json, base: Path) -> tuple[Host, ...]:
    hosts = config.get("hosts")
    if not isinstance(hosts, list):
        return ()
    return tuple(_host(host, config.get("known_hosts"), base) for host in hosts)


def _known_hosts(config: Json) -> Json:
    """Return where the keys of all the target's hosts are pinned, those of its proxy too."""
    return {key: config[key] for key in ("known_hosts",) if key in config}


def _inventory(config: Json, base: Path) -> InventoryGroup | None:
    hosts = config.get("hosts")
    if not isinstance(hosts, Mapping):
        return None
    return InventoryGroup(str(_path(hosts["inventory"], base)), hosts["group"])


def _become(config: Json) -> bool | None:
    """Return what holds where `become` is not written: an inventory may say it by itself."""
    return None if isinstance(config.get("hosts"), Mapping) else True


def _host(values: Json, known_hosts: str | None, base: Path) -> Host:
    known = ("port", "username", "python", "private_address")
    optional = {key: values[key] for key in known if key in values}
    return Host(
        name=str(values.get("name", values["hostname"])),
        address=values["hostname"],
        ssh_key_path=_path(values.get("ssh_key_path"), base),
        known_hosts=_path(values.get("known_hosts", known_hosts), base),
        **optional,
    )


def _path(path: str | None, base: Path) -> str | None:
    """Return a path of the file as an absolute one, `~` meaning the home of who runs Fraisier."""
    return os.path.normpath(base / os.path.expanduser(path)) if path else None
