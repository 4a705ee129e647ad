# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Deploying a service in containers: the sentence of what a deployment is."""

from __future__ import annotations

import os
import time
from typing import Any

from . import compose_around
from .compose_activate import activate, healthy, runs
from .compose_balancer import out_of_balancer
from .compose_containers import Container, containers
from .compose_engine import compose
from .compose_images import Image, find, forget, keep, kept_name, obtain, obtain_others
from .compose_project import text_of, with_image
from .compose_retire import retire
from .compose_service import check_version
from .compose_site import ComposeSite, content_of
from .failure import Failure
from .files import remove_file, write_atomic
from .ground import require_space
from .releases import GOOD, PREPARED, Release, earlier_good, new_id, to_prune


def deploy(site: ComposeSite, version: str) -> None:
    """Make the service run a version (empty: as its file says). Raises Failure."""
    version = check_version(version)
    check_machine(site)
    site.enter()
    site.sweep()
    site.previous = before_now(site)
    site.install_files(site.files.digest if site.files else None)
    image = obtain(site, version)
    obtain_others(site)
    project = pinned(site, keep(site, image.id))
    environment = site.environment(version)
    if site.previous and unchanged(site, site.previous, image.id, project, environment):
        healthy(site)
        retire(site)
        return
    release = recorded_or_reused(site, image, project, environment)
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


def recorded_or_reused(
    site: ComposeSite, image: Image, project: dict[str, Any], environment: dict[str, Any]
) -> Release:
    """Return the release that is what is asked for, recorded now where there is none yet."""
    release = _reusable(site, image.id, project, environment)
    deployment = site.claim.deployment if site.claim else ""
    return release or _recorded(site, image, project, environment, deployment)


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


def same(
    site: ComposeSite, release: Release, image: str, project: dict[str, Any], env: dict[str, Any]
) -> bool:
    """True when a release is good and just what is asked for."""
    files = site.files is None or release.spec.get("files") == site.files.digest
    stored = site.stored(release.id) == (project, env)
    return release.good and content_of(release) == image and stored and files


def unchanged(
    site: ComposeSite, release: Release, image: str, project: dict[str, Any], env: dict[str, Any]
) -> bool:
    """True when just what is asked for runs already."""
    return same(site, release, image, project, env) and runs(site, release)


def _reusable(
    site: ComposeSite, image: str, project: dict[str, Any], env: dict[str, Any]
) -> Release | None:
    found = (r for r in site.ledger.all() if same(site, r, image, project, env))
    release = next(found, None)
    site.reused = release is not None
    return release


def _recorded(
    site: ComposeSite,
    image: Image,
    project: dict[str, Any],
    environment: dict[str, Any],
    deployment: str,
    **more: Any,
) -> Release:
    """Record a new release; nothing is left of it when that fails."""
    now, status = time.time(), more.pop("status", PREPARED)
    id = new_id(now, image.id.removeprefix("sha256:"), os.listdir(site.layout.records))
    with site.report.step("record"):
        site.fence.check()
        try:
            site.ledger.open(id)
            site.write(id, project, environment)
            sent = {"files": site.files.digest} if site.files else {}
            spec = {"image": image.reference, "digest": image.digest, **sent, **more}
            version = image.id
            if image.built and site.files:  # each host builds its own: the sources are the version
                version, spec["id"] = f"sha256:{site.files.digest}", image.id
            return site.ledger.write(Release(id, version, deployment, status, now, spec=spec))
        except BaseException:
            with site.removing("record", id):
                site.ledger.remove(id)
            raise


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
        release = _recorded(
            site, image, project, site.environment(""), "", status=GOOD, hash=container.hash
        )
        site.ledger.switch(release.id)
    return release


def _started_from(site: ComposeSite, container: Container) -> bool:
    """True when the container was made from the Compose file as it is now."""
    file = os.path.join(site.layout.state, "adopted.json")
    project = with_image(site.project, site.service.service, container.image)
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
        kept = {kept_name(site, content_of(release)) for release in ledger.all()}
        for image in {content_of(r) for r in old if kept_name(site, content_of(r)) not in kept}:
            with site.removing("prune", f"the image {kept_name(site, image)}"):
                forget(site, image)
        if site.files is not None:
            with site.removing("prune", "files that no release needs"):
                site.files.prune()
