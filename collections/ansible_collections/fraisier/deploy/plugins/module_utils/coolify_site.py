# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A service at Coolify, as this machine remembers it: the ground that every verb stands on."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from typing import Any, ContextManager, Mapping
from urllib.parse import urlsplit

from .clean_up import tolerated
from .coolify_http import Api
from .coolify_resource import FINISHED, Deployment, Resource, View
from .coolify_service import GIT, IMAGE, STACK, CoolifyService, plain_version
from .failure import Failure
from .fence import Fence
from .fence_rules import Claim
from .files import read_json, remove_file, write_json
from .ledger import Ledger
from .redaction import SHORTEST_SECRET
from .releases import IN_PLACE, Layout, Release, new_id, state_home
from .report import Report
from .state_folders import make_own, try_own


@dataclass(frozen=True)
class CoolifyLayout(Layout):
    """The paths of a service at Coolify: `app_path` is its state folder and holds all."""

    kind: str = IN_PLACE

    @property
    def state(self) -> str:
        """The folder that is for nobody else to read."""
        return self.app_path


class CoolifyLedger(Ledger):
    """The releases of a service; 0.1.0 recorded digests as Coolify spells them."""

    def get(self, release: str) -> Release | None:
        """Return a complete release, a digest as its version in the one spelling."""
        found = super().get(release)
        return found and replace(found, version=plain_version(found.version))


class CoolifySite:
    """The service, its releases and its fence on this machine; and what the run reports."""

    def __init__(self, service: CoolifyService, claim: Claim | None) -> None:
        self.service = service
        self.claim = claim
        self.resource = Resource(service, Api(service.place))
        self.layout = CoolifyLayout(state_folder(service))
        self.ledger = CoolifyLedger(self.layout)
        self.fence = Fence(self.layout.state)
        self.report = Report()
        self.switched = False
        self.changed = False
        self.reused = False
        self.gate: dict[str, Any] | None = None
        self.previous: Release | None = None
        self.lenient = self.doubtful = False
        self.around: dict[str, Any] = {"warnings": []}

    def enter(self) -> Claim:
        """Make the state folder ready and take the fence; returns the claim it was taken for."""
        if self.claim is None:
            raise ValueError("a site that was made without a claim takes no fence")
        with self.report.step("fence"):
            self.fence.require_its_time(self.claim)
            os.makedirs(os.path.dirname(self.layout.state), exist_ok=True)
            make_own(self.layout.state, self.layout.records)
            self.fence.acquire(self.claim)
            self.ledger.sweep(lambda release: self.removing("fence", release))
        return self.claim

    def try_enter(self) -> None:
        """Raise what `enter` would; makes no folder and leaves the fence as it is."""
        if self.claim is None:
            raise ValueError("a site that was made without a claim takes no fence")
        with self.report.step("fence"):
            self.fence.examine(self.claim)
            try_own(self.layout.state, self.layout.records)

    def remembered(self) -> Release | None:
        """Return the release that is current by the records of this machine."""
        current = self.ledger.current()
        if current is None:
            return None
        return self.ledger.get(current) or Release(current, "", "", "unknown", 0.0)

    def record(self, release: Release, variables: Mapping[str, str | None]) -> Release:
        """Record a new release with the variables it has; nothing is left when that fails."""
        self.fence.check()
        try:
            self.ledger.open(release.id)
            environment = {"variables": dict(variables), "secrets": sorted(self.service.secrets)}
            write_json(self.layout.environment_of(release.id), environment)
            return self.ledger.write(release)
        except BaseException:
            with self.removing("record", release.id):
                self.ledger.remove(release.id)
            raise

    def new(self, version: str, status: str, deployment: str, **spec: Any) -> Release:
        """Return a release made now, which is not recorded yet."""
        now, mark = time.time(), hashlib.sha256(version.encode()).hexdigest()
        taken = os.listdir(self.layout.records)
        return Release(new_id(now, mark, taken), version, deployment, status, now, spec=spec)

    def variables_of(self, release: Release) -> dict[str, str | None]:
        """Return the variables of a release; None stands for one that could not be read."""
        found = read_json(self.layout.environment_of(release.id))
        if found is None:
            raise Failure(
                "release_not_found",
                f"the record of release {release.id} is damaged",
                "deploy the version again",
            )
        variables: dict[str, str | None] = found["variables"]
        return variables

    def recorded_secrets(self) -> set[str]:
        """Return the secret values of all releases on record; Coolify may print those, too."""
        found = [read_json(self.layout.environment_of(each.id)) for each in self.ledger.all()]
        return {
            str(environment["variables"].get(name) or "")
            for environment in found
            if environment is not None
            for name in environment["secrets"]
        }

    def hide(self, text: str) -> str:
        """Return a text without secrets, to be cut: half of one would not be found any more."""
        secrets = {*self.service.secrets.values(), *self.recorded_secrets()}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "********")
        return text

    def switch(self, release: Release, went_live: bool) -> Release:
        """Make a release current in the records."""
        self.fence.check()
        current = self.ledger.current()
        if current == release.id:
            return release
        if went_live:
            release = replace(release, deployed_at=time.time(), previous=current)
            self.ledger.write(release)
        self.ledger.switch(release.id)
        self.switched = True
        return release

    def unswitch(self) -> None:
        """Take the switch back: Coolify was not changed."""
        if self.previous is None:
            self.ledger.forget_current()
        else:
            self.ledger.switch(self.previous.id)
        self.switched = False

    # --- the note of what this machine began at Coolify -----------------------------------

    def note(self) -> dict[str, Any] | None:
        """Return what was begun at Coolify and not brought to a good end.

        `known`: the deployments before it; `asked`: whether one may have begun; its `uuid`;
        `ended`: it was seen to end; `undo`: what the settings were. 0.1.0 wrote the first two.
        """
        found = read_json(self._note)
        return found if found is None or isinstance(found.get("known"), list) else None

    def begin(self, known: list[str], undo: Mapping[str, Any]) -> None:
        """Note that the settings are changed and that the request for a deployment comes next."""
        write_json(self._note, {"known": known, "uuid": None, "asked": False, "undo": undo})

    def add_to_note(self, **more: Any) -> None:
        """Write down more of what was begun."""
        write_json(self._note, {**(self.note() or {"known": []}), **more, "at": time.time()})

    def ended(self) -> None:
        """Write down that nothing of ours is under way at Coolify, nor left in its settings."""
        remove_file(self._note)

    @property
    def _note(self) -> str:
        return os.path.join(self.layout.state, "underway.json")

    def removing(self, step: str, what: str) -> ContextManager[None]:
        """Return a context in which removing a release may fail."""
        warnings = self.around["warnings"]
        return tolerated(self.report, warnings, step, f"release {what}")

    def result(self) -> dict[str, Any]:
        """Return what the modules return, as far as the run came."""
        return {
            "changed": self.changed,
            "fence": self.fence.number,
            "switched": self.switched,
            "release": describe(self._now()),
            "previous": before(self.previous),
            "reused": self.reused,
            "gate": self.gate,
            "steps": self.report.steps,
            "log": self.report.log,
            "around": self.around,
        }

    def _now(self) -> Release | None:
        current = self.ledger.current()
        return self.ledger.get(current) if current else None


def state_folder(service: CoolifyService) -> str:
    """Return the folder of a service's state, which only its user can read."""
    host = urlsplit(service.place.url).netloc.replace(":", "_")
    return os.path.join(state_home(), "coolify", f"{host}_{service.uuid}")


def last_finished(site: CoolifySite) -> Deployment | None:
    """Return Coolify's last deployment of the application that ended well."""
    return next((each for each in site.resource.deployments() if each.status == FINISHED), None)


def version_of(site: CoolifySite, view: View, deployment: Deployment) -> str:
    """Return the version that a deployment of Coolify's deployed; empty: it cannot be told."""
    if view.kind == GIT and deployment.commit not in ("", "HEAD"):
        return deployment.commit
    version = next((r.version for r in site.ledger.all() if deployment.uuid in uuids_of(r)), "")
    return version if version not in ("", "HEAD") else view.version_in(deployment.image)


def uuids_of(release: Release) -> list[str]:
    """Return Coolify's deployments of a release, oldest first; 0.1.0 recorded the last one."""
    last = release.spec.get("uuid")
    uuids: list[str] = release.spec.get("uuids") or ([last] if last else [])
    return uuids


def version_that_runs(site: CoolifySite, view: View) -> str:
    """Return the version that runs at Coolify, as far as can be told; empty: it cannot.

    What is configured is not what runs: somebody may have set it and deployed nothing. It is
    believed for an image, whose deployments tell their tag in their log alone, when that may not
    be read and the last one ended well; and where it is what this machine saw running and Coolify
    remembers no deployment.
    """
    if view.kind == STACK:
        return view.configured
    ended = [each for each in site.resource.deployments() if not each.under_way]
    good = next((each for each in ended if each.status == FINISHED), None)
    if good is not None:
        guess = view.kind == IMAGE and good is ended[0] and not good.image
        return version_of(site, view, good) or (view.configured if guess else "")
    seen = site.remembered()
    same = seen is not None and seen.good and seen.version == view.configured
    return view.configured if same or (view.kind == IMAGE and not ended) else ""


def runs(site: CoolifySite, view: View, release: Release) -> bool:
    """True when it is this release's version that runs at Coolify, as far as Coolify tells."""
    return view.running and version_that_runs(site, view) == release.version


def before(release: Release | None) -> dict[str, Any] | None:
    """Return what was current when the run began, in the shape the modules return it."""
    if release is None:
        return None
    return {"id": release.id, "version": release.version, "good": release.good}


def describe(release: Release | None) -> dict[str, Any] | None:
    """Return a release in the shape the modules return it."""
    if release is None:
        return None
    return {
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "deployment": release.deployment,
        "uuid": release.spec.get("uuid"),
    }
