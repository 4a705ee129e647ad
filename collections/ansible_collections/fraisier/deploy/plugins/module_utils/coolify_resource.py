# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""An application or a service as Coolify has it: what it says, and what it can be told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Mapping

from .coolify_http import Api
from .coolify_service import DIGEST, GIT, IMAGE, STACK, CoolifyService
from .failure import Failure

UNDER_WAY = ("queued", "in_progress")
FINISHED, CANCELLED = "finished", "cancelled-by-user"
BY_DIGEST = "@sha256"  # ends an image's name at Coolify whose tag is the digest
#: A name that nothing has: asking to change it shows whether the token would be let.
NOTHING = "fraisier-only-asks"
LISTED = 20


@dataclass(frozen=True)
class View:
    """What Coolify says now. `configured` is the version that the next deployment would have.

    `status` is Coolify's own word, such as running:healthy; `checked` False means that it does
    not look whether the service is well. `name` is that of the image, where there is one.
    """

    kind: str
    configured: str
    status: str
    checked: bool
    name: str = ""

    @property
    def running(self) -> bool:
        """True while a container of it runs, well or not."""
        return self.status.startswith("running")


@dataclass(frozen=True)
class Deployment:
    """A deployment of Coolify's. `commit` is HEAD until Coolify has found out."""

    uuid: str
    status: str
    commit: str
    by_api: bool
    created_at: str
    lines: tuple[str, ...] = field(default=(), repr=False)

    @property
    def under_way(self) -> bool:
        """True while it waits or works."""
        return self.status in UNDER_WAY


class Resource:
    """What a run may do with one application or service."""

    def __init__(self, service: CoolifyService, api: Api) -> None:
        self.api, self._service = api, service
        self._path = (service.kind, service.uuid)

    def view(self) -> View:
        """Look at it."""
        data = _mapping(self.api.get(*self._path))
        status = str(data.get("status") or "")
        if not self._service.is_application:
            return View(STACK, str(data.get("config_hash") or ""), status, checked=True)
        checked = bool(data.get("health_check_enabled") or data.get("custom_healthcheck_found"))
        name = str(data.get("docker_registry_image_name") or "")
        if data.get("build_pack") == "dockerimage":
            tag = str(data.get("docker_registry_image_tag") or "latest")
            called = name.endswith(BY_DIGEST)
            name = name[: -len(BY_DIGEST)] if called else name
            return View(IMAGE, f"sha256:{tag}" if called else tag, status, checked, name)
        commit = str(data.get("git_commit_sha") or "HEAD")
        return View(GIT, "" if commit == "HEAD" else commit, status, checked)

    def set_version(self, view: View, version: str) -> None:
        """Say which version the next deployment is to have; empty: the newest of the branch."""
        if view.kind == GIT:
            body: dict[str, Any] = {"git_commit_sha": version or "HEAD"}
        else:
            found = DIGEST.match(version)
            body = {
                "docker_registry_image_name": view.name + (BY_DIGEST if found else ""),
                "docker_registry_image_tag": found[1] if found else version,
            }
        self.api.send("PATCH", *self._path, body=body)

    def variables(self) -> dict[str, dict[str, Any]]:
        """Return the variables by name, each with its `uuid`; `value` only where it may be read."""
        found = self.api.get(*self._path, "envs")
        mine = [_mapping(each) for each in found] if isinstance(found, list) else []
        return {str(each.get("key")): dict(each) for each in mine if not each.get("is_preview")}

    def set_variables(self, values: Mapping[str, str]) -> None:
        """Set variables to these very values."""
        data = [
            {
                "key": name,
                "value": value,
                "is_preview": False,
                "is_literal": True,
                "is_multiline": "\n" in value,
            }
            for name, value in sorted(values.items())
        ]
        self.api.send("PATCH", *self._path, "envs", "bulk", body={"data": data})

    def remove_variable(self, uuid: str) -> None:
        """Remove one variable."""
        self.api.send("DELETE", *self._path, "envs", uuid)

    def require_abilities(self, writes: bool) -> None:
        """Raise Failure `coolify_forbidden` where the token may not do what is to come.

        Coolify tells nobody what a token may do, so it is asked for something that is not there.
        """
        questions = [("POST", ("deployments", NOTHING, "cancel"))]
        if writes:
            questions.append(("DELETE", (*self._path, "envs", NOTHING)))
        for method, path in questions:
            try:
                self.api.send(method, *path)
            except Failure as failure:
                if failure.code not in ("coolify_not_found", "coolify_refused"):
                    raise

    def start(self) -> str | None:
        """Ask for a deployment; returns its uuid where Coolify began one, or has one."""
        if not self._service.is_application:
            self.api.send("POST", *self._path, "restart", latest=self._service.pull_latest)
            return None
        answer = _mapping(self.api.send("POST", *self._path, "start"))
        uuid = answer.get("deployment_uuid")
        return str(uuid) if uuid else None

    def stop(self) -> None:
        """Stop it; nothing is pruned."""
        self.api.send("POST", *self._path, "stop", docker_cleanup=False)

    def deployments(self) -> list[Deployment]:
        """Return the newest deployments, newest first; a service has none."""
        if not self._service.is_application:
            return []
        found = self.api.get("deployments", *self._path, skip=0, take=LISTED)
        listed = found.get("deployments") if isinstance(found, Mapping) else found
        if isinstance(listed, Mapping):
            listed = list(listed.values())
        read = [_deployment(_mapping(each)) for each in listed or ()]
        return sorted(read, key=lambda each: each.created_at, reverse=True)

    def deployment(self, uuid: str) -> Deployment:
        """Look at one deployment."""
        return _deployment(_mapping(self.api.get("deployments", uuid)))

    def cancel(self, uuid: str) -> None:
        """Ask for the end of a deployment; one that has ended already is left as it is."""
        try:
            self.api.send("POST", "deployments", uuid, "cancel")
        except Failure as failure:
            if failure.code != "coolify_refused":
                raise


def _deployment(data: Mapping[str, Any]) -> Deployment:
    return Deployment(
        uuid=str(data.get("deployment_uuid") or ""),
        status=str(data.get("status") or ""),
        commit=str(data.get("commit") or ""),
        by_api=bool(data.get("is_api")),
        created_at=str(data.get("created_at") or ""),
        lines=tuple(lines_of(data.get("logs"))),
    )


def lines_of(logs: Any) -> list[str]:
    """Return what a deployment printed, without the lines that Coolify hides as debug output."""
    try:
        entries = json.loads(logs) if isinstance(logs, str) else logs
    except ValueError:
        return str(logs).splitlines()
    entries = entries if isinstance(entries, list) else []
    shown = [each for each in entries if isinstance(each, Mapping) and not each.get("hidden")]
    return [line for each in shown for line in str(each.get("output") or "").splitlines()]


def _mapping(data: Any) -> Mapping[str, Any]:
    if isinstance(data, Mapping):
        return data
    raise Failure(
        "coolify_unexpected",
        "Coolify's answer has another shape than its API promises",
        "is the url that of Coolify 4, and not of something before it?",
    )
