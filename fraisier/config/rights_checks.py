"""Rules for who works on a host and how: layout, become, systemd_scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraisier.config.report import Path, Report
from fraisier.config.service_checks import reference_problem
from fraisier.domain.secret import SecretReference

Values = Mapping[str, Any]


def check_rights(values: Values, path: Path, report: Report) -> None:
    """Check that what is to be done on the hosts can be done by whoever logs in there."""
    if values.get("layout") == "in_place" and values.get("shared"):
        message = "means nothing with the layout in_place: files that git does not know stay"
        report.add((*path, "shared"), message)
    if values.get("systemd_scope") == "user" and values.get("become") is not False:
        message = "user needs become: false, as a user's own systemd is told by that user"
        report.add((*path, "systemd_scope"), message)
    _check_password(values, path, report)
    _check_plain_user(values, path, report)


def _check_password(values: Values, path: Path, report: Report) -> None:
    reference = SecretReference.parse(values.get("become_password"))
    problem = reference_problem(reference) if reference else None
    if reference and values.get("become") is False:
        problem = "is for sudo, and become is false"
    if problem:
        report.add((*path, "become_password"), problem)


def _check_plain_user(values: Values, path: Path, report: Report) -> None:
    user, hosts = values.get("service_user"), values.get("hosts")
    if values.get("become") is not False or not isinstance(user, str):
        return
    for host in hosts if isinstance(hosts, list) else ():
        login = host.get("username") if isinstance(host, Mapping) else None
        if isinstance(login, str) and login not in ("root", user):
            message = f"without become {login} can act as {login} only; set service_user: {login}"
            report.add((*path, "service_user"), message)
            return
