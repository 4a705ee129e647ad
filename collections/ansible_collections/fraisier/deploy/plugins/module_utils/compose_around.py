# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The work around a release of a service in containers: what is called when, and where it runs."""

from __future__ import annotations

import os
from dataclasses import replace

from . import backups, colours, hooks, migration
from .around import parse
from .commands import User, user_of
from .compose_engine import Docker
from .compose_names import colour_name
from .compose_site import ComposeSite
from .releases import Release
from .seat import check_on
from .setting import Setting


def setting_of(
    site: ComposeSite, release: Release, colour: str | None = None, port: int | None = None
) -> Setting:
    """Return a release as the commands around it find it; raises Failure `service_invalid`.

    They run on the Docker host, in the folder of the Compose file, with the variables of the
    release; `docker compose` means its project there. `colour`: the one that it runs as, on `port`.
    """
    service = site.service
    return Setting(
        around=parse(service.around),
        name=f"{service.fraise}.{service.environment}",
        deployment=site.claim.deployment if site.claim else "",
        release=release.id,
        version=release.version,
        folder=os.path.dirname(service.file),
        app_path=os.path.dirname(service.file),
        state=site.layout.state,
        user=whoever_runs(),
        environment=_environment(site, release, colour, port),
        report=site.report,
        fence=site.fence,
        first=site.first,
        serves=site.previous is not None,
        asked=(lambda check: check_on(check, int(port))) if port else (lambda check: check),
        warnings=site.around["warnings"],
    )


def serving(site: ComposeSite) -> Setting | None:
    """Return what serves as the commands find it that save or restore its data; None for nothing.

    With colours it is the live one.
    """
    previous = site.ledger.get(site.previous.id) if site.previous else None
    if previous is None:
        return None
    record = colours.read(site.layout.state)
    live = record.live if record else None
    port = record.ports[live] if record and live else None
    return setting_of(site, previous, live, port)


def before(site: ComposeSite, release: Release) -> None:
    """Run the hooks before a release serves, save what there is, and migrate the database.

    Nothing that serves has been changed when one of them fails.
    """
    setting = setting_of(site, release)
    hooks.run(setting, "pre_deployment")
    _save(site, release)
    site.around["migrated"] = migration.up(setting)


def smoke(
    site: ComposeSite, release: Release, colour: str | None = None, port: int | None = None
) -> None:
    """Run the smoke tests of a release that has passed its gate, where it runs."""
    hooks.smoke(setting_of(site, release, colour, port))


def after(
    site: ComposeSite, release: Release, colour: str | None = None, port: int | None = None
) -> None:
    """Run the hooks after a release has begun to serve."""
    hooks.run(setting_of(site, release, colour, port), "post_deployment")


def take_back(site: ComposeSite) -> None:
    """Take back what this deployment migrated, before an earlier release serves again."""

    def find(release: str) -> Setting | None:
        found = site.ledger.get(release)
        return setting_of(site, found) if found else None

    deployment = site.claim.deployment if site.claim else ""
    if migration.down(site.layout.state, deployment, find):
        site.around["migrated"] = False


def whoever_runs() -> User:
    """Return the account of this process, one that has no name included."""
    uid = os.geteuid()
    home = os.environ.get("HOME", "/")
    return user_of(uid) or User(str(uid), uid, os.getegid(), home)


def _save(site: ComposeSite, release: Release) -> None:
    """Take the backup that a deployment begins with, unless it was asked not to.

    Its command asks the containers that run; where none does yet, only the paths are saved.
    """
    told = site.around["warnings"]
    setting = serving(site) or setting_of(site, release)
    backup = setting.around.backup
    if backup is None:
        return
    if not site.backs_up:
        told.append("no backup was taken: it was asked not to")
        return
    if backup.command and not setting.serves:
        told.append("the backup command was not run: nothing was deployed here before")
        backup = replace(backup, command=())
        setting.around = replace(setting.around, backup=backup if backup.paths else None)
    site.fence.check()
    site.around["backup"] = backups.take(setting, "deployment")


def _environment(
    site: ComposeSite, release: Release, colour: str | None, port: int | None
) -> dict[str, str]:
    """Return the variables of a release, and those by which `docker compose` finds its project."""
    own, layout = site.service.service, site.layout
    variables = Docker(site.stored(release.id)[1]["variables"]).environment
    file = f"{layout.state}/{colour}.json" if colour else layout.file_of(release.id)
    ours = {
        "FRAISIER_RELEASE": release.id,
        "FRAISIER_SERVICE": colour_name(own, colour) if colour else own,
        "COMPOSE_PROJECT_NAME": site.name,
        "COMPOSE_FILE": file,
    }
    coloured = {"FRAISIER_COLOUR": colour, "PORT": str(port)} if colour and port else {}
    return {**variables, **coloured, **ours}
