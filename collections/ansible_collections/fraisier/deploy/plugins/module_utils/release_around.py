# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The work around a release of a service under systemd: what is called when, on its site."""

from __future__ import annotations

from . import backups, hooks, migration
from .around import parse
from .commands import User
from .prepare import command_environment
from .releases import Release
from .seat import Seat, check_on
from .setting import Setting
from .site import Site


def setting_of(site: Site, release: Release, user: User, seat: Seat | None = None) -> Setting:
    """Return a release as the commands around it find it; raises Failure `service_invalid`.

    `seat`: that of a colour, whose port and variables they get.
    """
    service, own = site.service, seat.environment if seat else {}
    port = own.get("PORT") if own.get("FRAISIER_COLOUR") else None
    return Setting(
        around=parse(service.around),
        name=f"{service.fraise}.{service.environment}",
        deployment=site.claim.deployment,
        release=release.id,
        version=release.version,
        folder=site.layout.tree(release.id),
        app_path=site.layout.app_path,
        state=site.layout.state,
        user=user,
        environment={**command_environment(site, release.version, release.id, user), **own},
        report=site.report,
        fence=site.fence,
        first=site.first,
        serves=site.previous is not None,
        asked=(lambda check: check_on(check, int(port))) if port else (lambda check: check),
        warnings=site.around["warnings"],
    )


def save(site: Site, release: Release, user: User) -> None:
    """Take the backup that a deployment begins with, unless it was asked not to."""
    setting = setting_of(site, release, user)
    if setting.around.backup is None:
        return
    if not site.backs_up:
        site.around["warnings"].append("no backup was taken: it was asked not to")
        return
    site.fence.check()
    site.around["backup"] = backups.take(setting, "deployment")


def before(site: Site, release: Release, user: User) -> None:
    """Run the hooks before a release serves, save what there is, and migrate the database.

    Nothing that serves has been changed when one of them fails. Of a checkout that is deployed in
    place, the files are the release's by now, and were saved before.
    """
    setting = setting_of(site, release, user)
    hooks.run(setting, "pre_deployment")
    if not site.layout.in_place:
        save(site, release, user)
    site.around["migrated"] = migration.up(setting)


def smoke(site: Site, release: Release, user: User, seat: Seat | None = None) -> None:
    """Run the smoke tests of a release that has passed its gate, in its seat."""
    hooks.smoke(setting_of(site, release, user, seat))


def after(site: Site, release: Release, user: User, seat: Seat | None = None) -> None:
    """Run the hooks after a release has begun to serve."""
    hooks.run(setting_of(site, release, user, seat), "post_deployment")


def take_back(site: Site, user: User) -> None:
    """Take back what this deployment migrated, before an earlier release serves again."""

    def find(release: str) -> Setting | None:
        found = site.ledger.get(release)
        return setting_of(site, found, user) if found else None

    if migration.down(site.layout.state, site.claim.deployment, find):
        site.around["migrated"] = False
