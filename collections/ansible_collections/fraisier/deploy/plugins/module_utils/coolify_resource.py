# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""An application or a service as Coolify has it: what it says, and what it can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from .coolify_http import Api
from .coolify_service import DIGEST, GIT, IMAGE, STACK, TAG, CoolifyService, plain_version
from .coolify_values import clean, flag, listed, mapping, number, parse, unexpected, word
from .failure import Failure

UNDER_WAY = ("queued", "in_progress")
FINISHED, CANCELLED = "finished", "cancelled-by-user"
BY_DIGEST = "@sha256"  # ends an image's name at Coolify whose tag is the digest
#: Begins a tag at Coolify that is a digest; Coolify writes "@sha256:" before the rest of it.
DIGEST_TAG = "sha256-"
#: A name that nothing has: asking to change it shows whether the token would be let.
NOTHING = "fraisier-only-asks"
#: How many deployments are read at once, how many of the application itself are wanted, and how
#: many are read to find those: a list has the previews of pull requests too.
LISTED, WANTED, MOST = 20, 20, 500
COMMIT, IMAGE_NAME, IMAGE_TAG = (
    "git_commit_sha", "docker_registry_image_name", "docker_registry_image_tag",
)  # fmt: skip
#: What Coolify's log of a deployment of an image begins with.
_STARTED = re.compile(r"Starting deployment of (\S+) to ")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*\Z")
_ID = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True)
class View:
    """What Coolify says now. `configured` is the version that the next deployment would have.

    `status` is Coolify's own word, such as running:healthy; `checked` False means that it does
    not look whether the service is well. `name` is that of the image, where there is one.
    `settings` are the fields that say the version, as Coolify has them.
    """

    kind: str
    configured: str
    status: str
    checked: bool
    name: str = ""
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def running(self) -> bool:
        """True while a container of it runs, well or not."""
        return self.status.startswith("running")

    def version_in(self, image: str) -> str:
        """Return the version of an image of this name; empty for every other text."""
        if image and image == image_of(self.settings):
            return self.configured
        if not self.name or image[: len(self.name)] != self.name:
            return ""
        mark, version = image[len(self.name) :][:1], plain_version(image[len(self.name) + 1 :])
        pattern = {":": TAG, "@": DIGEST}.get(mark)
        return version if pattern is not None and pattern.match(version) else ""

    def settings_for(self, version: str) -> dict[str, str]:
        """Return the fields that make a version the next one; empty: the newest of the branch.

        What is configured already is left as it is spelled, where Coolify reads it so.
        """
        if self.kind == GIT:
            return {COMMIT: version or "HEAD"}
        found = DIGEST.match(version)
        name = self.name + (BY_DIGEST if found else "")
        wanted = {IMAGE_NAME: name, IMAGE_TAG: found[1] if found else version}
        if version == self.configured and image_of(self.settings) == image_of(wanted):
            return dict(self.settings)
        return wanted


@dataclass(frozen=True)
class Deployment:
    """A deployment of Coolify's. `commit` is HEAD until Coolify has found out.

    `preview`: it is of a pull request, and not of what the application itself runs.
    """

    uuid: str
    status: str
    commit: str
    by_api: bool
    created_at: str
    preview: bool = False
    lines: tuple[str, ...] = field(default=(), repr=False)

    @property
    def under_way(self) -> bool:
        """True while it waits or works."""
        return self.status in UNDER_WAY

    @property
    def image(self) -> str:
        """The image that the log names; empty where it names none, or may not be read."""
        found = next(filter(None, map(_STARTED.match, self.lines[:20])), None)
        return found[1] if found else ""


class Resource:
    """What a run may do with one application or service."""

    def __init__(self, service: CoolifyService, api: Api) -> None:
        self.api, self._service = api, service
        self._path = (service.kind, service.uuid)

    def view(self) -> View:
        """Look at it."""
        data = mapping(self.api.get(*self._path))
        status = word(data, "status")
        if not self._service.is_application:
            return View(STACK, word(data, "config_hash"), status, checked=True)
        own, found = flag(data, "health_check_enabled"), flag(data, "custom_healthcheck_found")
        if word(data, "build_pack") == "dockerimage":
            return _image_view(data, status, own or found)
        commit = word(data, COMMIT) or "HEAD"
        configured = "" if commit == "HEAD" else commit
        return View(GIT, configured, status, own or found, settings={COMMIT: commit})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Set the fields that say which version the next deployment is to have."""
        self.api.send("PATCH", *self._path, body=dict(settings))

    def variables(self) -> dict[str, dict[str, Any]]:
        """Return the variables by name, each with its `uuid`; `value` only where it may be read."""
        found = listed(self.api.get(*self._path, "envs"), "variables")
        mine = [each for each in found if not flag(each, "is_preview")]
        return {word(each, "key"): dict(each) for each in mine}

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

    def remove_variable(self, found: Mapping[str, Any]) -> None:
        """Remove one of the variables that `variables` returned."""
        self.api.send("DELETE", *self._path, "envs", word(found, "uuid", _ID))

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
        answer = mapping(self.api.send("POST", *self._path, "start"))
        return word(answer, "deployment_uuid", _ID) or None

    def stop(self) -> None:
        """Stop it; nothing is pruned."""
        self.api.send("POST", *self._path, "stop", docker_cleanup=False)

    def deployments(self) -> list[Deployment]:
        """Return the application's newest deployments, newest first; a service has none.

        Previews of pull requests are in Coolify's list too: they are other deployments, of other
        commits, beside what the application runs, and are left out.
        """
        if not self._service.is_application:
            return []
        mine: dict[str, Deployment] = {}
        for skip in range(0, MOST, LISTED):
            page = self._page(skip)
            mine.update({each.uuid: each for each in page if not each.preview})
            if len(page) < LISTED or len(mine) >= WANTED:
                break
        return sorted(mine.values(), key=lambda each: each.created_at, reverse=True)

    def _page(self, skip: int) -> list[Deployment]:
        found = self.api.get("deployments", *self._path, skip=skip, take=LISTED)
        if isinstance(found, Mapping) and "deployments" in found:
            found = found["deployments"]  # as it is; the document promises the list alone
        return [_deployment(each) for each in listed(found, "deployments")]

    def deployment(self, uuid: str) -> Deployment:
        """Look at one deployment."""
        found = _deployment(mapping(self.api.get("deployments", uuid)))
        if found.uuid != uuid:
            raise unexpected(f"it is of deployment {found.uuid}, and not of {uuid}")
        return found

    def find(self, uuid: str) -> Deployment | None:
        """Look at one deployment; None where Coolify lists others, and not that one.

        A proxy answers 404 as well while Coolify restarts behind it.
        """
        try:
            return self.deployment(uuid)
        except Failure as failure:
            if failure.code != "coolify_not_found":
                raise
        return next((each for each in self.deployments() if each.uuid == uuid), None)

    def cancel(self, uuid: str) -> None:
        """Ask for the end of a deployment; one that has ended already is left as it is."""
        try:
            self.api.send("POST", "deployments", uuid, "cancel")
        except Failure as failure:
            if failure.code != "coolify_refused":
                raise


def _deployment(data: Mapping[str, Any]) -> Deployment:
    uuid, status = word(data, "deployment_uuid", _ID), word(data, "status")
    commit = word(data, "commit")
    if not uuid or not status:
        raise unexpected("a deployment has no deployment_uuid, or no status")
    return Deployment(
        uuid=uuid,
        status=status,
        commit=commit if _REF.match(commit) else "",
        by_api=flag(data, "is_api"),
        created_at=word(data, "created_at"),
        preview=number(data, "pull_request_id") != 0,
        lines=tuple(lines_of(data.get("logs"))),
    )


def _image_view(data: Mapping[str, Any], status: str, checked: bool) -> View:
    """Return the view of an application that runs an image.

    Coolify has three spellings of a digest: a name that ends in @sha256 with the digits as tag,
    a tag that begins with sha256-, and both.
    """
    name, tag = word(data, IMAGE_NAME), word(data, IMAGE_TAG)
    settings = {IMAGE_NAME: name, IMAGE_TAG: tag}
    bare = bare_name(settings)
    plain = plain_version(tag or "latest")
    digest = plain_version(f"sha256:{tag}") if bare != name else plain
    version = digest if DIGEST.match(digest) else plain
    return View(IMAGE, version, status, checked, bare, settings)


def bare_name(settings: Mapping[str, str]) -> str:
    """Return the name of the image without Coolify's mark of a digest."""
    name = settings.get(IMAGE_NAME, "")
    return name[: -len(BY_DIGEST)] if name.endswith(BY_DIGEST) else name


def image_of(settings: Mapping[str, str]) -> str:
    """Return the image that Coolify runs by these settings."""
    name, tag = settings.get(IMAGE_NAME, ""), settings.get(IMAGE_TAG) or "latest"
    if tag.startswith(DIGEST_TAG):
        return f"{name}{BY_DIGEST}:{tag[len(DIGEST_TAG) :]}"
    return f"{name}:{tag}"


def lines_of(logs: Any) -> list[str]:
    """Return what a deployment printed, without the lines that Coolify hides as debug output."""
    try:
        entries = parse(logs) if isinstance(logs, str) else logs
    except ValueError:
        return clean(str(logs)).splitlines()
    entries = entries if isinstance(entries, list) else []
    shown = [each for each in entries if isinstance(each, Mapping) and not each.get("hidden")]
    texts = [each["output"] for each in shown if isinstance(each.get("output"), str)]
    return [line for text in texts for line in clean(text).splitlines()]
