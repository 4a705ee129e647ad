# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a Compose file comes to: resolved by Compose itself, then pinned to one image."""

from __future__ import annotations

import copy
import json
import os
import re
from typing import Any, Iterable, Mapping

from .compose_engine import Docker, compose, last_line
from .compose_service import CONTENT, ComposeService
from .failure import Failure

HIDDEN = "[secret]"
SHORTEST = 4  # a shorter secret is hidden only where it is all that stands there


def resolve(docker: Docker, service: ComposeService) -> dict[str, Any]:
    """Return the project as `docker compose config` gives it: this service and what it needs.

    Paths in it are absolute, and the variables have their values: it holds secrets.
    """
    file, folder = service.file, os.path.dirname(service.file)
    require_readable(file)
    begin = compose(file, folder, service.project_name)
    said = docker.ask(*begin, "config", "--format", "json", "--", service.service, cwd=folder)
    if said.code != 0:
        raise _invalid(said.err, service)
    project: dict[str, Any] = json.loads(said.out)
    if service.service not in project.get("services", {}):
        raise _no_service(service)
    return project


def dependents(docker: Docker, service: ComposeService) -> list[str]:
    """Return the services of the file that need this one, by name."""
    folder = os.path.dirname(service.file)
    begin = compose(service.file, folder, service.project_name)
    said = docker.ask(*begin, "config", "--format", "json", cwd=folder)
    if said.code != 0:
        raise _invalid(said.err, service)
    services = json.loads(said.out).get("services", {})
    return sorted(name for name, each in services.items() if _needs(each, service.service))


def _needs(service: Mapping[str, Any], name: str) -> bool:
    words = [str(w).split(":") for w in (*(service.get("links") or ()), *_volumes_from(service))]
    shared = [str(service.get(key) or "") for key in ("network_mode", "ipc", "pid")]
    return (
        name in (service.get("depends_on") or {})
        or any(word[0] == name for word in words)
        or f"service:{name}" in shared
    )


def _volumes_from(service: Mapping[str, Any]) -> list[str]:
    return [str(each) for each in service.get("volumes_from") or ()]


def require_readable(file: str) -> None:
    """Raise Failure `compose_file_missing` when the file cannot be read."""
    try:
        with open(file, "rb"):
            return
    except OSError as error:
        raise Failure(
            "compose_file_missing",
            f"{file} cannot be read: {error.strerror}",
            "docker_compose_file starts at the folder of fraises.yaml; correct it",
        ) from None


def _invalid(text: str, service: ComposeService) -> Failure:
    why = last_line(text)
    if re.search(r"no such service", text, re.IGNORECASE):
        return _no_service(service)
    return Failure(
        "compose_invalid",
        f"{service.file}: {why}",
        "see what is wrong with `docker compose config`; variables come from env_vars and .env",
        text,
    )


def _no_service(service: ComposeService) -> Failure:
    return Failure(
        "compose_service_missing",
        f'{service.file} has no service "{service.service}"',
        "correct `service`; `docker compose config --services` lists them",
    )


def image_of(project: Mapping[str, Any], service: str) -> str:
    """Return the reference of a service's image; one that is only built is named by Compose."""
    return str(project["services"][service].get("image") or f"{project['name']}-{service}")


def is_built(project: Mapping[str, Any], service: str) -> bool:
    """True where the file says how to build the service's image."""
    return bool(project["services"][service].get("build"))


def has_sources(project: Mapping[str, Any], service: str) -> bool:
    """True unless the folder that a service's image is built from is missing."""
    context = str((project["services"][service].get("build") or {}).get("context") or "")
    return not os.path.isabs(context) or os.path.isdir(context)


def replicas(project: Mapping[str, Any], service: str) -> int:
    """Return how many containers of a service are wanted."""
    own = project["services"][service]
    for number in (own.get("scale"), (own.get("deploy") or {}).get("replicas")):
        if number is not None:
            return int(number)
    return 1


def others(project: Mapping[str, Any], service: str) -> list[str]:
    """Return the services that a service needs."""
    return sorted(name for name in project["services"] if name != service)


def repository_of(reference: str) -> str:
    """Return an image's reference without its tag and digest."""
    name = reference.partition("@")[0]
    before, colon, after = name.rpartition(":")
    return before if colon and "/" not in after else name


def asked(project: Mapping[str, Any], service: str, version: str) -> str | None:
    """Return the reference that a version means; None: as the file says.

    Raises Failure `version_not_for_build` for a tag of a service that has no image but its own.
    """
    if not version:
        return None
    if project["services"][service].get("image"):
        repository = repository_of(image_of(project, service))
        return f"{repository}{'@' if CONTENT.match(version) else ':'}{version}"
    raise Failure(
        "version_not_for_build",
        f'"{version}" names an image, but "{service}" is built from its folder and has none',
        "deploy without --version to build what is there; or give the service an `image`",
    )


def with_image(project: Mapping[str, Any], service: str, reference: str) -> dict[str, Any]:
    """Return a project in which the service runs this image, and nothing builds or pulls it."""
    changed: dict[str, Any] = copy.deepcopy(dict(project))
    own = changed["services"][service]
    for key in ("build", "pull_policy"):
        own.pop(key, None)
    own["image"] = reference
    return changed


def text_of(project: Mapping[str, Any]) -> str:
    """Return a project as text, the same for the same content."""
    return json.dumps(project, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def hidden(project: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """Return a project as text without any of these values."""
    values = sorted({value for value in secrets if value}, key=len, reverse=True)
    return text_of(_hide(project, values))


def _hide(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {_hide(str(key), secrets): _hide(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            for form in (secret.replace("$", "$$"), secret):  # Compose writes $ as $$
                if value == form:
                    return HIDDEN
                if len(form) >= SHORTEST:
                    value = value.replace(form, HIDDEN)
    return value
