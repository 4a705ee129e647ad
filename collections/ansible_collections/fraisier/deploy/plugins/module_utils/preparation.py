# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a host needs before the first deployment of a service: names, folders and texts. Pure."""

from __future__ import annotations

import re
from typing import Any, Mapping

from . import unit
from .releases import IN_PLACE, RELEASES, Layout
from .service import JOBS

SYSTEMCTL = "/usr/bin/systemctl"
#: What a plain deploy user may tell systemd about the service's unit.
VERBS = ("restart", "start", "stop", "reset-failed")
DROP_IN = "50-fraisier.conf"
_SPECIAL = re.compile(r"([,:=\\])")  # in sudoers these need a backslash


def preparation(service: Mapping[str, Any], plain_user: bool, variables: bool) -> dict[str, Any]:
    """Return what is to be there, for tasks to make: `user`, `folders`, `unit`, `drop_in`, …

    `plain_user`: deployments run as the service's user and never become root. `variables`: the
    service is given environment variables. What is not needed is None.
    """
    layout = Layout(service["app_path"], service.get("layout") or RELEASES)
    user, name = service["service_user"], _unit_name(service)
    own_manager = service.get("systemd_scope") == "user"
    written = bool(service.get("exec"))
    writes_unit = written and service.get("type") not in JOBS  # a job's comes with its deployment
    return {
        "user": user,
        "folders": _folders(layout, user, plain_user),
        "unit": _unit(service, layout, name) if writes_unit and not own_manager else None,
        "unit_name": name,
        "mark": unit.MARK,
        "environment": layout.environment,
        "drop_in": _drop_in(layout, name) if variables and not written else None,
        "own_manager": own_manager,
        "enable": plain_user and writes_unit and not own_manager,
        "rule": _rule(user, name) if plain_user and not own_manager else None,
    }


def _unit_name(service: Mapping[str, Any]) -> str:
    return str(service.get("systemd_service") or f"{service['service_name']}.service")


def _folders(layout: Layout, user: str, plain_user: bool) -> list[dict[str, str]]:
    """Return the folders that a deployment may be unable to make, or the service needs before it.

    A checkout is made by its first deployment.
    """
    if layout.kind == IN_PLACE:
        return []
    owner = user if plain_user else "root"
    return [
        {"path": layout.app_path, "owner": owner, "mode": "0755"},
        {"path": layout.shared, "owner": user, "mode": "0755"},
    ]


def _unit(service: Mapping[str, Any], layout: Layout, name: str) -> dict[str, str]:
    text = unit.render(
        description=f"{service['fraise']} ({service['environment']})",
        user=service["service_user"],
        current=layout.current,
        environment=layout.environment,
        command=[str(word) for word in service["exec"]],
    )
    return {"path": f"/etc/systemd/system/{name}", "text": text}


def _drop_in(layout: Layout, name: str) -> dict[str, str]:
    """Return the drop-in that gives an existing unit its variables.

    The dash lets the service start while the file is not there, before the first deployment.
    """
    text = f"{unit.MARK}.\n[Service]\nEnvironmentFile=-{unit.specifiers(layout.environment)}\n"
    return {"folder": f"{name}.d", "name": DROP_IN, "text": text}


def _rule(user: str, name: str) -> dict[str, str]:
    """Return the sudo rule by which a plain user restarts this unit, and nothing else."""
    what = _SPECIAL.sub(r"\\\1", name)
    commands = ", ".join(f"{SYSTEMCTL} {verb} {what}" for verb in VERBS)
    # sudo does not read files with a dot in their name
    path = f"/etc/sudoers.d/fraisier-{re.sub('[^A-Za-z0-9_-]', '_', name)}"
    return {"path": path, "text": f"{unit.MARK}.\n{user} ALL=(root) NOPASSWD: {commands}\n"}
