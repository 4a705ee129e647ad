# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The images of a service: pulled, built or there already, and kept for as long as a release is."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Mapping

from .commands import Finished
from .compose_engine import Docker, compose, last_line, output_of
from .compose_login import logged_in, refused
from .compose_project import (
    asked,
    has_sources,
    image_of,
    is_built,
    others,
    repository_of,
    text_of,
    with_image,
)
from .compose_service import CONTENT
from .compose_site import ComposeSite, content_of
from .failure import Failure
from .files import read_json, remove_file, write_atomic
from .releases import Release

WANTED = "wanted.json"


@dataclass(frozen=True)
class Image:
    """An image: its content, how it was asked for, and what the registry calls that content.

    `version` and `others`, the images built for what it needs, are of the recorded release whose
    version was named, where one was.
    """

    id: str
    reference: str
    digest: str | None = None
    built: bool = False
    version: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


def find(docker: Docker, reference: str) -> Image | None:
    """Return an image that this engine has."""
    found = docker.ask_json("image", "inspect", "--", reference)
    if not found:
        return None
    repository = repository_of(reference)
    digests = [d for d in found[0].get("RepoDigests") or () if repository_of(d) == repository]
    return Image(found[0]["Id"], reference, digests[0] if digests else None)


def obtain(site: ComposeSite, version: str) -> Image:
    """Return the image that a version means (empty: as the file says), pulled or built now."""
    service, project = site.service.service, site.project
    own = known(site, version)
    if own is not None:
        return own
    reference = asked(project, service, version)
    if reference is None and is_built(project, service):
        return _build(site, service, image_of(project, service))
    return _pulled(site, reference or image_of(project, service), site.service.pull)


def known(site: ComposeSite, version: str) -> Image | None:
    """Return the image that content named as a version is, or was built from, where it is here."""
    if not CONTENT.match(version):
        return None
    for spec in _specs_of(site, version):
        found = find(site.docker, str(spec.get("id") or version))
        if found is not None:
            others = {str(name): str(id) for name, id in (spec.get("images") or {}).items()}
            built = version == f"sha256:{spec.get('files')}"
            return replace(found, built=built, version=version, others=others)
    return find(site.docker, version)


def _specs_of(site: ComposeSite, version: str) -> Iterator[dict[str, Any]]:
    """Yield what is recorded of a version: by this service, then by others on this machine.

    A version of another environment is promoted so.
    """
    yield from (release.spec for release in site.ledger.all() if release.version == version)
    folder = os.path.dirname(os.path.dirname(site.layout.state))
    for path in sorted(
        glob.glob(os.path.join(glob.escape(folder), "*", "*", "releases", "*.json"))
    ):
        record = read_json(path) or {}
        if record.get("version") == version and isinstance(record.get("spec"), dict):
            yield record["spec"]


def obtain_others(site: ComposeSite, image: Image) -> dict[str, str]:
    """Pull the images of what the service needs where they are missing; build those to be built.

    Returns the built ones: a version covers their sources too. Of a release that was named it
    takes those of that time.
    """
    built = {}
    for name in others(site.project, site.service.service):
        reference = image_of(site.project, name)
        before = image.others.get(name)
        if before and find(site.docker, before) is not None:
            built[name] = before
            continue
        missing = find(site.docker, reference) is None
        if is_built(site.project, name) and (missing or has_sources(site.project, name)):
            built[name] = _build(site, name, reference).id
        elif missing:
            _pulled(site, reference, "missing", name)
    return built


def builds_others(site: ComposeSite) -> bool:
    """True where an image is built for something that the service needs."""
    project = site.project
    return any(is_built(project, name) for name in others(project, site.service.service))


def version_of(site: ComposeSite, image: Image, others: Mapping[str, str]) -> str:
    """Return the version of a release of these images: the content of what they are made from.

    It is the image, and with it those that are built for what the service needs. Each host builds
    images of its own from what was sent: there the sources are the version.
    """
    if image.version and dict(others) == dict(image.others):
        return image.version
    sent = site.files.digest if site.files else ""
    if image.built and sent:
        return f"sha256:{sent}"
    if not others:
        return image.id
    covered = [image.id, sent] if sent else [image.id, *(others[name] for name in sorted(others))]
    return "sha256:" + hashlib.sha256("\n".join(covered).encode()).hexdigest()


def predicted(site: ComposeSite, version: str) -> Image | None:
    """Return the image that `obtain` would find without a build and without the registry."""
    service, project = site.service.service, site.project
    own = known(site, version)
    if own is not None or CONTENT.match(version):
        return own
    reference = asked(project, service, version)
    if reference is None and is_built(project, service):
        return None
    found = find(site.docker, reference or image_of(project, service))
    if found is None and site.service.pull == "never":
        raise _not_here(reference or image_of(project, service))
    return None if site.service.pull == "always" else found


def _pulled(site: ComposeSite, reference: str, policy: str, name: str | None = None) -> Image:
    found = find(site.docker, reference) if policy != "always" else None
    if found is None and policy == "never":
        raise _not_here(reference)
    if found is None:
        with site.report.step("pull") as step:
            step["changed"] = True
            _pull(site, reference, name or site.service.service)
        found = find(site.docker, reference)
    if found is None:
        raise _not_here(reference)
    return found


def _not_here(reference: str) -> Failure:
    return Failure(
        "image_missing",
        f"the image {reference} is not on this engine, and may not be pulled (pull: never)",
        "build or load it first, or set pull: missing",
    )


def _pull(site: ComposeSite, reference: str, name: str) -> None:
    limit = site.service.pull_timeout
    words = ["pull", "--quiet", "--", name]
    with logged_in(site.docker, site.service.registries, site.layout.state):
        finished = _on_wanted(site, with_image(site.project, name, reference), words, limit)
    if finished.code != 0:
        denied = refused(reference, finished.output, site.service.registries)
        raise denied or pull_failure(reference, finished, limit)


def pull_failure(reference: str, finished: Finished, limit: float) -> Failure:
    """Return the Failure of a pull."""
    text = finished.output
    if finished.timed_out:
        why, hint = f"it did not end within pull_timeout ({limit:g} s)", "raise pull_timeout"
        return Failure("pull_failed", f"{reference} could not be pulled: {why}", hint, text)
    if re.search(r"manifest( for [^ ]+)? (is )?(unknown|not found)|not found: manifest", text):
        hint = "name a tag or digest that the registry has; nothing was changed"
        return Failure("image_not_found", f"the registry has no {reference}", hint, text)
    return Failure(
        "pull_failed",
        f"{reference} could not be pulled: {last_line(text)}",
        "check the name and the way to the registry, or pull it by hand",
        text,
    )


def _build(site: ComposeSite, name: str, reference: str) -> Image:
    limit = site.service.build_timeout
    fresh = ["--pull"] if site.service.pull == "always" else []
    words = ["build", *fresh, "--", name]
    with site.report.step("build") as step:
        step["changed"] = True
        with logged_in(site.docker, site.service.registries, site.layout.state):
            finished = _on_wanted(site, site.project, words, limit)
        if finished.code != 0:
            raise build_failure(name, finished, limit)
        site.report.say("build", output_of(["compose", *words], finished))
    found = find(site.docker, reference)
    if found is None:
        raise _not_here(reference)
    return replace(found, built=True)


def build_failure(name: str, finished: Finished, limit: float) -> Failure:
    """Return the Failure of a build."""
    late = f"it did not end within build_timeout ({limit:g} s)"
    why = late if finished.timed_out else last_line(finished.output)
    return Failure(
        "build_failed",
        f'the image of "{name}" could not be built: {why}',
        "see the log, correct the build or the commit, and deploy again",
        finished.output,
    )


def _on_wanted(
    site: ComposeSite, project: dict[str, object], words: list[str], limit: float
) -> Finished:
    """Run a command on a project that is no release yet."""
    file = os.path.join(site.layout.state, WANTED)
    site.fence.check()
    write_atomic(file, text_of(project), 0o600)
    try:
        begin = [*compose(file, site.layout.state, site.name), "--env-file", os.devnull]
        return site.docker.do(*begin, *words, timeout=limit)
    finally:
        remove_file(file)


def kept_name(site: ComposeSite, image: str, service: str | None = None) -> str:
    """Return the tag by which the image of a release is kept from `docker image prune`.

    `service`: one that the own service needs.
    """
    name = f"{site.name}-{service or site.service.service}"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"fraisier/{slug}:{image.removeprefix('sha256:')[:12]}"


def keep(site: ComposeSite, image: str, service: str | None = None) -> str:
    """Give an image the tag that keeps it, and return that."""
    name = kept_name(site, image, service)
    tagged = site.docker.do("image", "tag", image, name, timeout=60)
    if tagged.code != 0:
        raise Failure(
            "image_missing", f"{image} is gone: {last_line(tagged.output)}", "deploy again"
        )
    return name


def bring_back(site: ComposeSite, release: Release) -> None:
    """Make sure that the image of an earlier release is here; pulled by its digest where not."""
    if find(site.docker, content_of(release)) is None:
        digest = release.spec.get("digest")
        limit = site.service.pull_timeout
        with site.report.step("pull") as step:
            step["changed"] = True
            with logged_in(site.docker, site.service.registries, site.layout.state):
                words = ("pull", "--quiet", "--", digest)
                pulled = site.docker.do(*words, timeout=limit) if digest else None
        if pulled is None or pulled.code != 0:
            raise Failure(
                "image_missing",
                f"the image of release {release.id} is gone from this engine: "
                f"{release.spec.get('image')}",
                "deploy a version whose image can be pulled or built",
                pulled.output if pulled else "",
            )
    keep(site, content_of(release))
    for name, id in sorted((release.spec.get("images") or {}).items()):
        if find(site.docker, id) is None:
            raise _gone(release, name)
        keep(site, id, name)


def _gone(release: Release, name: str) -> Failure:
    return Failure(
        "image_missing",
        f'the image that was built of "{name}" for release {release.id} is gone from this engine',
        "deploy a version whose image can be pulled or built",
    )


def forget(site: ComposeSite, name: str) -> None:
    """Give up a tag that kept an image; the image goes with it when nothing else needs it."""
    removed = site.docker.do("image", "rm", name, timeout=60)
    if removed.code != 0:
        site.report.say("prune", removed.output)


def name_again(site: ComposeSite, release: Release, project: Mapping[str, Any]) -> None:
    """Give the images that were built for what a release needs the names that its file has.

    A later build took those names. Keep other services of the project out meanwhile.
    """
    for name, id in sorted((release.spec.get("images") or {}).items()):
        reference = image_of(project, name)
        found = find(site.docker, reference) if name in project["services"] else None
        if found is None or found.id != id:
            tagged = site.docker.do("image", "tag", id, reference, timeout=60)
            if tagged.code != 0:
                raise _gone(release, name)


def tags_of(site: ComposeSite, release: Release) -> set[str]:
    """Return the tags that keep the images of a release."""
    return _tags(site, site.service.service, release.version, release.spec)


def tags_in_use(site: ComposeSite) -> set[str]:
    """Return the tags that keep the images of all releases of the project's services."""
    folder = os.path.dirname(site.layout.state)
    found: set[str] = set()
    for path in glob.glob(os.path.join(glob.escape(folder), "*", "releases", "*.json")):
        record, service = read_json(path) or {}, os.path.relpath(path, folder).split(os.sep)[0]
        found |= _tags(site, service, str(record.get("version")), record.get("spec") or {})
    return found


def _tags(site: ComposeSite, service: str, version: str, spec: Mapping[str, Any]) -> set[str]:
    own = kept_name(site, str(spec.get("id") or version), service)
    return {own, *(kept_name(site, id, name) for name, id in (spec.get("images") or {}).items())}
