"""Rules for what is known to a Coolify server: which one thing a target is, and its token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils.coolify_service import base_of
from fraisier.config.report import Path, Report
from fraisier.config.service_checks import reference_problem
from fraisier.domain.catalogue import Provider
from fraisier.domain.secret import SecretReference

KINDS = ("application_uuid", "service_uuid")


def check_coolify(
    values: Mapping[str, Any],
    path: Path,
    report: Report,
    provider: Provider | None,
    places: dict[tuple[str, ...], str],
) -> None:
    """Check that a target is one application or one service, which no other target is."""
    if provider is None or provider.name != "coolify":
        return
    given = [key for key in KINDS if key in values]
    if not given:
        report.add(path, "application_uuid or service_uuid is missing: say what is deployed")
    elif len(given) > 1:
        report.add((*path, given[1]), "a target is an application or a service, not both")
    reference = SecretReference.parse(values.get("token"))
    problem = reference_problem(reference) if reference else None
    if problem:
        report.add((*path, "token"), problem)
    url, target = base_of(str(values.get("url", ""))), f"{path[1]}/{path[3]}"
    for key in given:
        other = places.setdefault((url, str(values[key])), target)
        if other != target:
            report.add((*path, key), f"{values[key]} is that of {other} already; deploy it by one")
