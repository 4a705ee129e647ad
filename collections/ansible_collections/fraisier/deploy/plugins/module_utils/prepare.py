# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release: its files, its links to what is shared, its build, its environment and unit."""

from __future__ import annotations

import os
import shutil
import time

from . import envfile
from .commands import SYSTEM_PATH, Finished, User, as_user
from .contained import run_contained
from .failure import Failure, disk_full
from .files import write_atomic
from .git_tree import Part
from .redaction import shorten
from .releases import PREPARED, Release, new_id
from .service import argument_list, shown
from .site import Site
from .state_folders import try_folders


def prepare(site: Site, version: str, deployment: str, user: User) -> Release:
    """Return a new release of `version`, complete; nothing is left of it when it fails."""
    parts = fetch(site, version)
    now, layout, service = time.time(), site.layout, site.service
    release = new_id(now, version, os.listdir(layout.releases) + os.listdir(layout.records))
    try:
        site.ledger.open(release)
        with site.report.step("unpack") as step:
            step["changed"] = True
            os.chown(layout.tree(release), user.uid, user.gid)
            site.source.unpack(parts, version, layout.tree(release), user)
            link_shared(site, release, user)
        build(site, version, release, user)
        with site.report.step("record"):
            write_files(site, version, release)
            return site.ledger.write(
                Release(release, version, deployment, PREPARED, now, spec=service.spec())
            )
    except BaseException:
        with site.removing("sweep", release):
            site.ledger.remove(release)
        raise


def fetch(site: Site, version: str) -> list[Part]:
    """Bring all of a commit here, unless it was pushed; returns what there is to unpack."""
    if site.source.pushed:
        return []
    with site.report.step("fetch") as step:
        parts = site.source.fetch(site.layout.repo, version)
        step["changed"] = any(part.fetched for part in parts)
    return parts


def try_fetch(site: Site, version: str) -> None:
    """Raise what `fetch` would; what it brings is gone afterwards."""
    if not site.source.pushed:
        with site.report.step("fetch"):
            try_folders(site.layout.repo)
            site.source.try_fetch(site.layout.repo, version)


def build(site: Site, version: str, release: str, user: User) -> None:
    """Run the build commands, as the service's user in the release's folder."""
    service, limit = site.service, time.monotonic() + site.service.build_timeout
    env = command_environment(site, version, release, user)
    for number, command in enumerate(service.build):
        with site.report.step("build") as step:
            step["changed"] = True
            finished = run_contained(
                argument_list(command), env=env, cwd=site.layout.tree(release), user=user,
                timeout=max(0.0, limit - time.monotonic()), scope=site.fence.scope(number),
            )  # fmt: skip
            if finished.code != 0:
                raise _build_failure(shown(command), finished, service.build_timeout)
            site.report.say("build", f"$ {shown(command)}\n{finished.output}")


def command_environment(site: Site, version: str, release: str, user: User) -> dict[str, str]:
    """Return the environment of a build or a check: the user's own, and the service's."""
    return {**user_environment(site, user), **site.service.variables(version, release)}


def user_environment(site: Site, user: User) -> dict[str, str]:
    """Return what every command finds that runs as the service's user.

    A user without a home folder gets `shared` for one, so that tools have a place for caches.
    """
    home = user.home if os.path.isdir(user.home) else site.layout.shared
    return {"PATH": SYSTEM_PATH, "HOME": home, "USER": user.name, "LANG": "C.UTF-8"}


def write_files(site: Site, version: str, release: str) -> None:
    """Write the release's environment file and, when it is ours, its unit."""
    environment, unit = wanted_files(site, version, release)
    write_atomic(site.layout.environment_of(release), environment, 0o600)
    if unit is not None:
        write_atomic(site.layout.unit_of(release), unit, 0o600)


def wanted_files(site: Site, version: str, release: str) -> tuple[str, str | None]:
    """Return the texts that the environment file and the unit of a release should have."""
    return envfile.render(site.service.variables(version, release)), site.unit_text


def link_shared(site: Site, release: str, user: User) -> None:
    """Make the shared paths of a release lead to the application's shared folder."""
    tree, shared = site.layout.tree(release), site.layout.shared

    def link_all() -> None:
        for path in site.service.shared:
            _link(tree, shared, path)

    as_user(user, link_all)


def _link(tree: str, shared: str, path: str) -> None:
    inside, outside = os.path.join(tree, path), os.path.join(shared, path)
    os.makedirs(os.path.dirname(outside), exist_ok=True)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    if os.path.lexists(inside) and not os.path.lexists(outside):
        os.rename(inside, outside)
    elif os.path.isdir(inside) and not os.path.islink(inside):
        shutil.rmtree(inside)
    elif os.path.lexists(inside):
        os.unlink(inside)
    if not os.path.lexists(outside):
        os.mkdir(outside)
    os.symlink(outside, inside)


def _build_failure(command: str, finished: Finished, limit: float) -> Failure:
    full = disk_full(finished.output)
    if full is not None:
        full.text = f"$ {command}\n{finished.output}"
        return full
    how = f"exit status {finished.code}"
    if finished.timed_out:
        how = f"it did not end within build_timeout ({limit:g} s)"
    last = shorten((finished.output.strip().splitlines() or ["no output"])[-1], 300)
    return Failure(
        "build_failed",
        f"the build command `{command}` failed: {how}: {last}",
        "see the log, correct the build or the commit, and deploy again",
        f"$ {command}\n{finished.output}",
    )
