"""What a schema cannot say: rules between keys, and rules that other parts of Fraisier own.

Each check takes values as they were written and leaves alone what has the wrong type: the schema
has reported that already, and the rest of the file is still to be checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils.host_names import check_host
from fraisier.config.coolify_checks import check_coolify
from fraisier.config.document import Document
from fraisier.config.proxy_checks import check_proxy
from fraisier.config.pushes import check_deploy_on, check_pushes
from fraisier.config.receivers_checks import check_receivers
from fraisier.config.release_checks import check_after, check_around, check_type
from fraisier.config.report import Path, Report
from fraisier.config.repository import BadRepository, auth_problem, repository
from fraisier.config.rights_checks import check_rights
from fraisier.config.service_checks import (
    check_app_folder,
    check_env_vars,
    check_health_check,
    check_registries,
    reference_problem,
)
from fraisier.config.services import compose_file
from fraisier.config.strategy_checks import check_strategy
from fraisier.config.windows import check_windows
from fraisier.domain.catalogue import Provider
from fraisier.domain.secret import SecretReference

Values = Mapping[str, Any]


def check(document: Document, data: Any, providers: Mapping[str, Provider], base: FilePath) -> None:
    """Add to the document's report what is wrong in `data` beyond its schema."""
    report = document.report
    places: dict[tuple[str, ...], str] = {}
    check_receivers(data, report)
    check_pushes(data, report)
    for path, fraise in _entries(data, ("fraises",)):
        _check_repository(fraise, path, report, base)
        check_after(fraise, path, report, providers)
        for place, environment in _entries(fraise, (*path, "environments"), "environments"):
            provider = providers.get(str(environment.get("provider")).replace("-", "_"))
            check_deploy_on(data, fraise, environment, place, report)
            check_around(environment, place, report, provider)
            check_type(fraise, environment, place, report, provider)
            check_strategy(environment, place, report, provider)
            check_windows(environment, place, report)
            check_proxy(environment, place, report, provider)
            config, where = environment.get("provider_config"), (*place, "provider_config")
            if isinstance(config, Mapping):
                _check_ssh_file(config, where, "known_hosts", report)
                _check_hosts(config, where, report, provider, base)
                _check_source(config, where, report)
                check_rights(config, where, report)
                check_app_folder(config, where, report)
                check_env_vars(config, where, document)
                check_health_check(config, where, report)
                check_registries(config, where, report)
                check_coolify(config, where, report, provider, places)
                _check_shared_places(config, where, report, places)
                _check_shared_project(config, where, report, places, base)


def _entries(parent: Any, path: Path, key: str = "fraises") -> Iterator[tuple[Path, Values]]:
    """Yield (path, mapping) of each entry of our own under a key, if they are mappings at all."""
    entries = parent.get(key) if isinstance(parent, Mapping) else None
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        if isinstance(entry, Mapping) and not name.startswith("x-"):
            yield (*path, name), entry


def _check_repository(fraise: Values, path: Path, report: Report, base: FilePath) -> None:
    repo, git_provider = fraise.get("git_repo"), fraise.get("git_provider")
    if isinstance(repo, str) and isinstance(git_provider, str | None):
        try:
            found = repository(repo, git_provider, base)
            _check_git_auth(fraise.get("git_auth"), found, (*path, "git_auth"), report)
        except BadRepository as error:
            report.add((*path, "git_repo"), str(error))


def _check_git_auth(git_auth: Any, found: str, path: Path, report: Report) -> None:
    if not isinstance(git_auth, Mapping):
        return
    problem = auth_problem(git_auth, found)
    if problem:
        report.add(path, problem)
    for key in ("token", "ssh_key"):
        reference = SecretReference.parse(git_auth.get(key))
        problem = reference_problem(reference) if reference else None
        if problem:
            report.add((*path, key), problem)


def _check_inventory(hosts: Values, path: Path, report: Report, base: FilePath) -> None:
    name = hosts.get("inventory")
    if isinstance(name, str) and not (base / FilePath(name).expanduser()).exists():
        report.add((*path, "inventory"), f"there is no {name}; paths start at {base}")


def _check_source(values: Values, path: Path, report: Report) -> None:
    if values.get("source") == "push" and values.get("layout") == "in_place":
        message = "push needs the layout releases: a checkout gets its commits from its repository"
        report.add((*path, "source"), message)


def _check_hosts(
    values: Values, path: Path, report: Report, provider: Provider | None, base: FilePath
) -> None:
    hosts = values.get("hosts")
    if isinstance(hosts, Mapping):
        _check_service_user(values, [{}], path, report, provider)
        _check_inventory(hosts, (*path, "hosts"), report, base)
    if not isinstance(hosts, list):
        return
    addresses: dict[str, int] = {}
    names: dict[str, int] = {}
    for at, host in enumerate(hosts):
        if not isinstance(host, Mapping) or not isinstance(host.get("hostname"), str):
            continue
        where = (*path, "hosts", at)
        _check_ssh_file(host, where, "ssh_key_path", report)
        for key, problem in check_host(host):
            report.add((*where, key), problem)
        address = f"{host['hostname']}:{host.get('port', 22)}"
        name = str(host.get("name", host["hostname"]))
        if address in addresses:
            first = f"hosts[{addresses[address]}]"
            report.add((*where, "hostname"), f"{address} is in the list already, as {first}")
        elif name in names:
            message = f"{name} is the name of hosts[{names[name]}] already; give one another `name`"
            report.add((*where, "name" if "name" in host else "hostname"), message)
        addresses.setdefault(address, at)
        names.setdefault(name, at)
    _check_service_user(values, hosts, path, report, provider)


def _check_ssh_file(values: Values, path: Path, key: str, report: Report) -> None:
    """Refuse what ssh would not take literally: quotes, and its own `%h` and `${NAME}`."""
    name = values.get(key)
    if isinstance(name, str) and (not name.isprintable() or set(name) & set("\"'\\%$")):
        report.add((*path, key), "must be a path without quotes, backslashes, % and $")


def _check_service_user(
    values: Values, hosts: list[Any], path: Path, report: Report, provider: Provider | None
) -> None:
    if provider is None or "service_user" not in provider.schema.get("properties", {}):
        return
    first = hosts[0] if hosts and isinstance(hosts[0], Mapping) else None
    if first is not None and not (values.get("service_user") or first.get("username")):
        report.add(path, "service_user is missing: name the user the service runs as")


def _check_shared_places(
    values: Values, path: Path, report: Report, places: dict[tuple[str, ...], str]
) -> None:
    """Refuse two targets that would overwrite each other on one host."""
    hosts, target = values.get("hosts"), f"{path[1]}/{path[3]}"
    for host in hosts if isinstance(hosts, list) else ():
        if not isinstance(host, Mapping):
            continue
        for key, place in _places(values):
            at = f"{host.get('hostname')}:{host.get('port', 22)}"
            other = places.setdefault((at, place), target)
            if other != target:
                message = f"{place} is that of {other} on {at} already; give each its own"
                report.add((*path, key), message)


def _check_shared_project(
    values: Values, path: Path, report: Report, places: dict[tuple[str, ...], str], base: FilePath
) -> None:
    """Refuse two targets that are the same service of the same Compose project."""
    file, service = values.get("docker_compose_file"), values.get("service")
    if not isinstance(file, str) or not isinstance(service, str):
        return
    project, target = str(values.get("project_name", "")), f"{path[1]}/{path[3]}"
    other = places.setdefault((compose_file(file, base), project, service), target)
    if other != target:
        message = f'"{service}" of {file} is that of {other} already; give each a project_name'
        report.add((*path, "service"), message)


def _places(values: Values) -> Iterator[tuple[str, str]]:
    """Yield (key, what it takes of a host): the folder and the systemd unit."""
    if isinstance(values.get("app_path"), str):
        yield "app_path", values["app_path"]
    if isinstance(values.get("systemd_service"), str):
        yield "systemd_service", values["systemd_service"]
    elif isinstance(values.get("service_name"), str) and "app_path" in values:
        yield "service_name", f"{values['service_name']}.service"
