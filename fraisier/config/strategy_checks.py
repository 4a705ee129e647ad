"""Rules for `strategy`, `strategy_config` and `proxy` that a schema cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from ansible_collections.fraisier.deploy.plugins.module_utils.conditions import parse
from ansible_collections.fraisier.deploy.plugins.module_utils.planning import TWO_COLOURS
from fraisier.config.report import Path, Report
from fraisier.config.service_checks import url_problem
from fraisier.domain.catalogue import Provider
from fraisier.domain.strategy import STRATEGIES

Values = Mapping[str, Any]

#: What an analysis of each type needs, and the keys that mean something to no other type.
_NEEDED = {
    "proxy": ("measure",),
    "http": ("url",),
    "exec": ("command",),
    "prometheus": ("url", "query"),
}
_OWN = {
    "measure": ("proxy",),
    "url": ("http", "prometheus"),
    "host": ("http",),
    "query": ("prometheus",),
    "command": ("exec",),
    "success_condition": ("proxy", "prometheus"),
    "failure_condition": ("proxy", "prometheus"),
}


def check_strategy(values: Values, path: Path, report: Report, provider: Provider | None) -> None:
    """Check an environment's strategy and its pace."""
    strategy = str(values.get("strategy", "")).replace("_", "-")
    if provider and strategy in STRATEGIES and strategy not in provider.strategies:
        can = ", ".join(provider.strategies)
        message = f"the provider {provider.name} cannot carry out {strategy}; it can: {can}"
        report.add((*path, "strategy"), message)
    elif strategy in TWO_COLOURS:
        problem = _two_colours_problem(values, strategy)
        if problem:
            report.add((*path, "strategy"), problem)
    config = values.get("strategy_config")
    if isinstance(config, Mapping):
        _check_times(config, (*path, "strategy_config"), report)
        _check_canary(config, (*path, "strategy_config"), report)
        _check_analysis(config, (*path, "strategy_config", "analysis"), report)


def _two_colours_problem(values: Values, strategy: str) -> str | None:
    proxy, config = values.get("proxy"), values.get("strategy_config")
    if proxy is None:
        return f"{strategy} needs a proxy on the service's hosts: write `proxy: {{}}` beside it"
    if isinstance(proxy, Mapping) and proxy.get("type") == "none":
        return f"{strategy} needs a proxy of Fraisier's; that of this environment is another's"
    if isinstance(proxy, Mapping) and "hosts" in proxy:
        return f"{strategy} needs the proxy on the service's own hosts: leave out proxy.hosts"
    if strategy == "canary" and not (isinstance(config, Mapping) and config.get("canary")):
        return "canary needs its steps: strategy_config: {canary: [{weight: 10, pause: 60}]}"
    return None


def _check_times(config: Values, path: Path, report: Report) -> None:
    healthy, deadline = config.get("min_healthy_time"), config.get("healthy_deadline", 60)
    if _number(healthy) and _number(deadline) and healthy >= deadline:
        message = f"must be less than healthy_deadline ({deadline}): no host could ever be healthy"
        report.add((*path, "min_healthy_time"), message)
    pauses = [step.get("pause") for _, step in _mappings(config, "canary", path)]
    total, limit = sum(filter(_number, pauses)), config.get("progress_deadline", 600)
    if _number(limit) and 0 < total >= limit:
        message = (
            f"must be more than the pauses of the canary together ({total} s), or it would always "
            "end in the middle"
        )
        report.add(
            (*path, "progress_deadline" if "progress_deadline" in config else "canary"), message
        )


def _check_canary(config: Values, path: Path, report: Report) -> None:
    before: float = 0
    for where, step in _mappings(config, "canary", path):
        weight = step.get("weight")
        if not _number(weight) or weight < 1:  # the schema has told that
            continue
        if weight <= before:
            message = f"must be more than the step before it has ({before})"
            report.add((*where, "weight"), message)
        before = weight


def _check_analysis(config: Values, path: Path, report: Report) -> None:
    names: set[str] = set()
    for where, each in _mappings(config, "analysis", path[:-1]):
        name, kind = each.get("name"), str(each.get("type"))
        if isinstance(name, str):
            if name in names:
                report.add((*where, "name"), f"{name} is the name of another one already")
            names.add(name)
        for key in _NEEDED.get(kind, ()):
            if key not in each:
                report.add(where, f'"{key}" is missing')
        for key, kinds in _OWN.items():
            if key in each and kind in _NEEDED and kind not in kinds:
                report.add((*where, key), f"means nothing with the type {kind}")
        _check_conditions(each, kind, where, report)
        if isinstance(each.get("url"), str) and (problem := url_problem(each["url"])):
            report.add((*where, "url"), problem)


def _check_conditions(each: Values, kind: str, path: Path, report: Report) -> None:
    keys = ("success_condition", "failure_condition")
    if kind in ("proxy", "prometheus") and not any(key in each for key in keys):
        report.add(path, "success_condition or failure_condition is missing")
    for key in keys:
        if isinstance(each.get(key), str):
            try:
                parse(each[key])
            except ValueError as error:
                report.add((*path, key), str(error))


def _mappings(config: Values, key: str, path: Path) -> Iterator[tuple[Path, Values]]:
    entries = config.get(key)
    for at, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping):
            yield (*path, key, at), entry


def _number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
