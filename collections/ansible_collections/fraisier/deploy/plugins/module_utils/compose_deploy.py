# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Deploying a service in containers: the sentence of what a deployment is."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Mapping

from . import compose_around
from .compose_activate import activate, healthy, runs
from .compose_balancer import out_of_balancer
from .compose_conflicts import require_no_conflicts
from .compose_containers import Container, containers
from .compose_engine import compose
from .compose_images import (
    Image,
    find,
    forget,
    keep,
    obtain,
    obtain_others,
    tags_in_use,
    tags_of,
    version_of,
)
from .compose_inputs import keep as keep_inputs
from .compose_inputs import mounted, without_labels, writable_folders
from .compose_project import text_of, with_image
from .compose_retire import retire
from .compose_service import check_version
from .compose_site import ComposeSite, content_of
from .failure import Failure
from .files import remove_file, write_atomic
from .ground import require_space
from .releases import GOOD, PREPARED, Release, earlier_good, new_id, to_prune


@dataclass(frozen=True)
class Candidate:
    """A release before it is recorded: version, images, environment, and the pinned project.

    `built` has the images that were built for what the service needs.
    """

    image: Image
    version: str
    project: dict[str, Any]
    environment: dict[str, Any]
    built: Mapping[str, str] = field(default_factory=dict)


def deploy(site: ComposeSite, version: str) -> None:
    """Make the service run a version (empty: as its file says). Raises Failure."""
    version = check_version(version)
    check_machine(site)
    site.enter()
    site.sweep()
    site.previous = before_now(site)
    require_no_conflicts(site, site.project)
    candidate = obtained(site, version)
    if site.previous and unchanged(site, site.previous, candidate):
        healthy(site)
        retire(site)
        say_what_was_not_compared(site)
        return
    release = recorded_or_reused(site, candidate)
    try:
        compose_around.before(site, release)
        with out_of_balancer(site):
            activate(site, release)
        retire(site)
    except (Failure, OSError):
        if not site.switched:  # nobody else will take it back
            compose_around.take_back(site)
        raise
    prune(site)


def before_now(site: ComposeSite) -> Release | None:
    """Return the release that serves, one that somebody started without Fraisier included."""
    return site.remembered() or _adopted(site)


def obtained(site: ComposeSite, version: str) -> Candidate:
    """Pull or build the images of a version, and return what is to run."""
    site.install_files(site.files.digest if site.files else None)
    image = obtain(site, version)
    built = obtain_others(site, image)
    for name, id in built.items():
        keep(site, id, name)
    project = pinned(site, keep(site, image.id))
    covers = version_of(site, image, built)
    return Candidate(image, covers, project, site.environment(version), built)


def say_what_was_not_compared(site: ComposeSite) -> None:
    """Name the folders whose content is not compared, as the containers may write to it."""
    folder = os.path.dirname(site.service.file)
    names = writable_folders(site.project, folder) if site.files is None else []
    if names:
        site.report.say(
            "compare",
            f"not compared, as the containers may write there: {', '.join(names)}; "
            f"to have changes read: fraisier app restart {site.service.fraise} "
            f"{site.service.environment}",
        )


def recorded_or_reused(site: ComposeSite, candidate: Candidate) -> Release:
    """Return the release that is what is asked for, recorded now where there is none yet."""
    release = next((r for r in site.ledger.all() if same(site, r, candidate)), None)
    site.reused = release is not None
    deployment = site.claim.deployment if site.claim else ""
    return release or _recorded(site, candidate, deployment)


def check_machine(site: ComposeSite) -> None:
    """Raise Failure when there is no room here."""
    with site.report.step("check machine"):
        require_space(site.layout.state)
        root = site.docker.ask("info", "--format", "{{.DockerRootDir}}").out.strip()
        if os.path.isdir(root):  # where the engine is elsewhere, its disk cannot be seen
            require_space(root)


def pinned(site: ComposeSite, reference: str) -> dict[str, Any]:
    """Return the project of now with the service's image as it is kept."""
    return with_image(site.project, site.service.service, reference)


def same(site: ComposeSite, release: Release, candidate: Candidate) -> bool:
    """True when a release is good and just what is asked for."""
    files = site.files is None or release.spec.get("files") == site.files.digest
    stored = site.stored(release.id) == (candidate.project, candidate.environment)
    own = content_of(release) == candidate.image.id
    built = (release.spec.get("images") or {}) == candidate.built
    return release.good and own and built and stored and files


def unchanged(site: ComposeSite, release: Release, candidate: Candidate) -> bool:
    """True when just what is asked for runs already."""
    return same(site, release, candidate) and runs(site, release)


def _recorded(
    site: ComposeSite, candidate: Candidate, deployment: str, status: str = PREPARED, **more: Any
) -> Release:
    """Record a new release; nothing is left of it when that fails."""
    now, image, version = time.time(), candidate.image, candidate.version
    id = new_id(now, image.id.removeprefix("sha256:"), os.listdir(site.layout.records))
    with site.report.step("record"):
        site.fence.check()
        try:
            site.ledger.open(id)
            site.write(id, candidate.project, candidate.environment)
            sent = {"files": site.files.digest} if site.files else {}
            own = {"id": image.id} if version != image.id else {}
            built = {"images": dict(candidate.built)} if candidate.built else {}
            spec = {
                "image": image.reference, "digest": image.digest, **sent, **own, **built, **more
            }  # fmt: skip
            kept = _keep_inputs(site, id, candidate.project)
            spec.update({"inputs": kept} if kept else {})
            return site.ledger.write(Release(id, version, deployment, status, now, spec=spec))
        except BaseException:
            with site.removing("record", id):
                site.ledger.remove(id)
            raise


def _keep_inputs(site: ComposeSite, release: str, project: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the mounted files beside the Compose file with a release; those sent are kept already.

    Files elsewhere belong to others: a rollback must not bring an expired certificate back.
    """
    folder = os.path.dirname(site.service.file)
    paths = [path for path in mounted(project, folder) if path.startswith(folder + os.sep)]
    if site.files is not None:
        paths = [path for path in paths if not path.startswith(site.files.folder + os.sep)]
    return keep_inputs(paths, os.path.join(site.layout.record(release), "inputs"))


def _adopted(site: ComposeSite) -> Release | None:
    """Take what somebody started without Fraisier as the release that was there before."""
    found = [c for c in containers(site.docker, site.name, site.service.service) if c.running]
    if not found:
        return None
    container = found[0]
    with site.report.step("adopt") as step:
        site.fence.check()
        step["changed"] = True
        image = find(site.docker, container.image)
        if image is None or image.id != container.image_id:
            image = Image(container.image_id, container.image)
        project = pinned(site, keep(site, image.id))
        if not _started_from(site, container):
            site.report.say(
                "adopt",
                f"{container.name} was started from another state of {site.service.file}: going "
                "back to it would take its image, and the file as it is now",
            )
        # which content its configs and mounted files had is not known: it has no label of it
        project = without_labels(project)
        found_here = Candidate(image, image.id, project, site.environment(""))
        release = _recorded(site, found_here, "", GOOD, hash=container.hash)
        site.ledger.switch(release.id)
    return release


def _started_from(site: ComposeSite, container: Container) -> bool:
    """True when the container was made from the Compose file as it is now."""
    file = os.path.join(site.layout.state, "adopted.json")
    project = with_image(without_labels(site.project), site.service.service, container.image)
    if not site.project["services"][site.service.service].get("image"):
        project["services"][site.service.service].pop("image")
    write_atomic(file, text_of(project), 0o600)
    try:
        begin = [*compose(file, site.layout.state, site.name), "--env-file", os.devnull]
        said = site.docker.ask(*begin, "config", "--hash", site.service.service)
    finally:
        remove_file(file)
    return said.out.split()[-1:] == [container.hash]


def prune(site: ComposeSite) -> None:
    """Remove the records of releases beyond `keep_releases`, and what kept their images."""
    ledger, keep_releases = site.ledger, site.service.keep_releases
    with site.report.step("prune") as step:
        releases, current = ledger.all(), ledger.current()
        before = earlier_good(releases, current)
        old = to_prune(releases, current, before.id if before else None, keep_releases)
        for release in old:
            site.fence.check()
            with site.removing("prune", release.id):
                ledger.remove(release.id)
                step["changed"] = True
        for name in sorted({tag for r in old for tag in tags_of(site, r)} - tags_in_use(site)):
            with site.removing("prune", f"the image {name}"):
                forget(site, name)
        if site.files is not None:
            with site.removing("prune", "files that no release needs"):
                site.files.prune()
