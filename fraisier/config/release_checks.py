"""Rules for the keys around a release that their schema cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.config.release_schema import AROUND, JOBS, TYPES
from fraisier.config.report import Path, Report
from fraisier.config.service_checks import check_headers, url_problem
from fraisier.domain.catalogue import Provider

Values = Mapping[str, Any]


def check_around(values: Values, path: Path, report: Report, provider: Provider | None) -> None:
    """Check hooks, backup, migrate and smoke of an environment."""
    for key in AROUND:
        if values.get(key) and provider is not None and not provider.around:
            report.add((*path, key), f"the provider {provider.name} does not carry this out")
    if values.get("tests") and provider is not None and "app" not in provider.playbooks:
        message = f"the provider {provider.name} runs no commands beside a service"
        report.add((*path, "tests"), message)
    if values.get("promote") == "automatic" and not values.get("after"):
        report.add((*path, "promote"), 'needs "after": the environment that versions come from')
    _check_backup(values.get("backup"), (*path, "backup"), report)
    smoke = values.get("smoke")
    for at, entry in enumerate(smoke if isinstance(smoke, list) else ()):
        if isinstance(entry, Mapping):
            _check_smoke(entry, (*path, "smoke", at), report)


def _check_backup(backup: Any, path: Path, report: Report) -> None:
    if not isinstance(backup, Mapping):
        return
    if not backup.get("paths") and not backup.get("command"):
        report.add(path, 'it saves nothing: name "paths", or a "command" whose output is saved')
    if backup.get("restore_command") and not backup.get("command"):
        report.add((*path, "restore_command"), 'there is no "command" whose output it could get')
    paths = backup.get("paths")
    for at, item in enumerate(paths if isinstance(paths, list) else ()):
        if isinstance(item, str) and (not item.isprintable() or item.strip("/.") == ""):
            report.add((*path, "paths", at), "must be a path of a file or folder, and not all of /")


def _check_smoke(entry: Values, path: Path, report: Report) -> None:
    if bool(entry.get("command")) == bool(entry.get("url")):
        report.add(path, 'needs either "command" or "url"')
    url = entry.get("url")
    problem = url_problem(url) if isinstance(url, str) else None
    if problem:
        report.add((*path, "url"), problem)
    check_headers(entry, path, report)


def check_type(
    fraise: Values, environment: Values, path: Path, report: Report, provider: Provider | None
) -> None:
    """Check that a type can be run there, and has the keys that it needs and no others."""
    kind, config = str(fraise.get("type", "api")), environment.get("provider_config")
    if provider is None or not isinstance(config, Mapping) or kind not in TYPES:
        return
    if kind not in provider.types:
        can = ", ".join(provider.types)
        message = f"the provider {provider.name} does not run the type {kind}; it runs: {can}"
        report.add((*path, "provider"), message)
        return
    where = (*path, "provider_config")
    if kind == "scheduled":
        for key in ("schedule", "exec"):
            if not config.get(key):
                report.add(where, f'"{key}" is missing: a scheduled service needs it')
    elif config.get("schedule"):
        report.add((*where, "schedule"), f"has no meaning with the type {kind}; use scheduled")
    if kind in JOBS:
        _refuse_serving(environment, config, path, report, kind)
    elif config.get("run_now"):
        report.add((*where, "run_now"), f"has no meaning with the type {kind}")


def _refuse_serving(
    environment: Values, config: Values, path: Path, report: Report, kind: str
) -> None:
    """Refuse what only a service has that stays up."""
    message = f"has no meaning with the type {kind}, which comes to an end"
    if environment.get("proxy"):
        report.add((*path, "proxy"), message)
    if config.get("health_check"):
        report.add((*path, "provider_config", "health_check"), message)
    if environment.get("strategy") in ("blue-green", "blue_green", "canary"):
        report.add((*path, "strategy"), message)


def check_after(
    fraise: Values, path: Path, report: Report, providers: Mapping[str, Provider]
) -> None:
    """Check that `after` names another environment of the fraise, and that none is after itself.

    What comes by itself must be a version that both environments' providers know.
    """
    environments = fraise.get("environments")
    if not isinstance(environments, Mapping):
        return
    before = {
        name: earlier if isinstance(earlier := values.get("after"), str) else None
        for name, values in environments.items()
        if isinstance(values, Mapping)
    }
    for name, earlier in before.items():
        if not isinstance(earlier, str):
            continue
        where = (*path, "environments", name, "after")
        if earlier not in before:
            report.add(where, f'there is no environment "{earlier}" of this fraise')
        elif name in _all_before(name, before):
            report.add(where, "leads back to this environment itself")
        elif environments[name].get("promote") == "automatic":
            kinds = [_versions(environments[each], providers) for each in (earlier, name)]
            if None not in kinds and kinds[0] != kinds[1]:
                words = {"git": "commits of the repository", "image": "tags or digests of an image"}
                message = f"versions of {earlier} are {words[kinds[0]]}, these {words[kinds[1]]}"
                report.add((*where[:-1], "promote"), message)


def _versions(environment: Values, providers: Mapping[str, Provider]) -> Any:
    """Return what versions are in an environment: git or image; None where it is not known."""
    provider = providers.get(str(environment.get("provider")).replace("-", "_"))
    return provider.versions if provider else None


def _all_before(name: str, before: Mapping[Any, Any]) -> list[Any]:
    """Return the environments that come before one, as far as that goes without a repetition."""
    found: list[Any] = []
    earlier = before.get(name)
    while earlier in before and earlier not in found:
        found.append(earlier)
        earlier = before[earlier]
    return found
