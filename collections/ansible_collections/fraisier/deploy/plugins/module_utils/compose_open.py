# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""From a service's options to its site: which project it is, and what its Compose file comes to."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

from .compose_engine import Docker
from .compose_files import Files, moved
from .compose_inputs import with_labels
from .compose_project import dependents, resolve
from .compose_service import ComposeService
from .compose_site import PLACE, ComposeSite, key_of
from .failure import Failure
from .fence_rules import Claim
from .files import read_text
from .front import Front
from .releases import state_home


def open_site(
    service: ComposeService,
    claim: Claim | None,
    version: str = "",
    *,
    reads_file: bool,
    files: Files | None = None,
    front: Front | None = None,
) -> ComposeSite:
    """Return the site of a service; raises Failure when Docker is not there.

    `reads_file`: the Compose file is resolved, and has to be good. Without it the project is the
    one that was deployed last from this file, so that there is a way back from a broken one.
    `files`: the Compose file came from the controller. `front`: what is in front of the service.
    """
    docker = Docker(service.variables(version))
    docker.require()
    if files is not None:
        service = replace(service, file=files.file)
    name = None if reads_file else service.project_name or remembered_name(service)
    if name is None and not reads_file and files is not None and not files.digest:
        name = files.usual_project  # nothing was deployed here, and no file was sent
    if name is not None:
        site = ComposeSite(service, claim, docker, name, None, files)
    else:
        project, around, key = _resolved(docker, service, files, front)
        site = ComposeSite(service, claim, docker, str(project["name"]), project, files)
        site.dependents, site.key = around, key
    site.front = front
    return site


def _resolved(
    docker: Docker, service: ComposeService, files: Files | None, front: Front | None
) -> tuple[dict[str, Any], list[str], bytes]:
    """Return the project, and the services that need this one where that is of interest.

    And the key with which the labels of its services were made.
    """
    ask = bool(front and front.colours)
    if files is None or not files.digest:
        project, folder = resolve(docker, service), os.path.dirname(service.file)
        key = key_of(str(project["name"]), service.service)
        project = with_labels(project, folder, docker.environment, key, sent=False)
        return project, dependents(docker, service) if ask else [], key
    with files.laid_out() as file:
        folder, laid = os.path.dirname(file), replace(service, file=file)
        try:
            project = resolve(docker, laid)
            around = dependents(docker, laid) if ask else []
        except Failure as failure:
            failure.message = failure.message.replace(folder, files.sent_from)
            failure.text = failure.text.replace(folder, files.sent_from)
            raise
        key = key_of(str(project["name"]), service.service)
        project = with_labels(project, folder, docker.environment, key, sent=True)
    return moved(project, folder, files.folder), around, key


def remembered_name(service: ComposeService) -> str | None:
    """Return the project that the service's file was last deployed as."""
    home = os.path.join(state_home(), "compose")
    folders = os.listdir(home) if os.path.isdir(home) else []
    texts = [read_text(os.path.join(home, each, service.service, PLACE)) for each in folders]
    places = [json.loads(text) for text in texts if text]
    ours = [place for place in places if place["file"] == service.file]
    return str(max(ours, key=lambda place: place["at"])["project"]) if ours else None
