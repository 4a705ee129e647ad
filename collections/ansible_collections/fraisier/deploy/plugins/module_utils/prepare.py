# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Making a release: its files, its links to what is shared, its build, its environment and unit."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any, Callable

from . import envfile
from .commands import SYSTEM_PATH, Finished, User, run
from .failure import Failure, disk_full
from .files import write_atomic
from .git import Mirror
from .releases import PREPARED, Release, new_id
from .service import argument_list, shown
from .site import Site


def prepare(site: Site, version: str, deployment: str, user: User) -> Release:
    """Return a new release of `version`, complete; nothing is left of it when it fails."""
    fetch(site, version)
    now, layout, service = time.time(), site.layout, site.service
    release = new_id(now, version, os.listdir(layout.releases) + os.listdir(layout.records))
    try:
        site.ledger.open(release)
        with site.report.step("unpack") as step:
            step["changed"] = True
            os.chown(layout.tree(release), user.uid, user.gid)
            mirror = Mirror(layout.repo, service.repository)
            mirror.extract(version, layout.tree(release), user)
            link_shared(site, release, user)
        build(site, version, release, user)
        with site.report.step("record"):
            write_files(site, version, release)
            return site.ledger.write(
                Release(release, version, deployment, PREPARED, now, spec=service.spec())
            )
    except BaseException:
        site.ledger.remove(release)
        raise


def fetch(site: Site, version: str) -> None:
    """Bring a commit into the mirror, and see that all of it can be deployed."""
    with site.report.step("fetch") as step:
        mirror = Mirror(site.layout.repo, site.service.repository)
        step["changed"] = mirror.fetch(version)
        mirror.check_supported(version)


def build(site: Site, version: str, release: str, user: User) -> None:
    """Run the build commands, as the service's user in the release's folder."""
    service, limit = site.service, time.monotonic() + site.service.build_timeout
    env = command_environment(site, version, release, user)
    for command in service.build:
        with site.report.step("build") as step:
            step["changed"] = True
            finished = run(
                argument_list(command), env=env, cwd=site.layout.tree(release), user=user,
                timeout=max(0.0, limit - time.monotonic()),
            )  # fmt: skip
            if finished.code != 0:
                raise _build_failure(shown(command), finished, service.build_timeout)
            site.report.say("build", f"$ {shown(command)}\n{finished.output}")


def command_environment(site: Site, version: str, release: str, user: User) -> dict[str, str]:
    """Return the environment of commands that run as the service's user.

    A user without a home folder gets `shared` for one, so that tools have a place for caches.
    """
    home = user.home if os.path.isdir(user.home) else site.layout.shared
    basics = {"PATH": SYSTEM_PATH, "HOME": home, "USER": user.name, "LANG": "C.UTF-8"}
    return {**basics, **site.service.variables(version, release)}


def write_files(site: Site, version: str, release: str) -> None:
    """Write the release's environment file and, when it is ours, its unit."""
    environment, unit = wanted_files(site, version, release)
    write_atomic(site.layout.environment_of(release), environment, 0o600)
    if unit is not None:
        write_atomic(site.layout.unit_of(release), unit, 0o600)


def wanted_files(site: Site, version: str, release: str) -> tuple[str, str | None]:
    """Return the texts that the environment file and the unit of a release should have."""
    layout = site.layout
    environment = envfile.render(site.service.variables(version, release))
    return environment, site.service.unit_text(layout.current, layout.environment)


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


def as_user(user: User, work: Callable[[], Any]) -> None:
    """Do file work as another account, in a child: root never follows what that account made."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os._exit(_child(user, work, writing))
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        number, message, name = json.loads(said or '[null, "it was killed", null]')
        raise OSError(number, message, name)


def _child(user: User, work: Callable[[], Any], pipe: int) -> int:
    try:
        os.umask(0o022)
        os.initgroups(user.name, user.gid)
        os.setgid(user.gid)
        os.setuid(user.uid)
        work()
    except OSError as error:
        os.write(pipe, json.dumps([error.errno, error.strerror, str(error.filename)]).encode())
        return 1
    except BaseException as error:
        os.write(pipe, json.dumps([None, repr(error), None]).encode())
        return 1
    return 0


def _build_failure(command: str, finished: Finished, limit: float) -> Failure:
    full = disk_full(finished.output)
    if full is not None:
        full.text = f"$ {command}\n{finished.output}"
        return full
    how = f"exit status {finished.code}"
    if finished.timed_out:
        how = f"it did not end within build_timeout ({limit:g} s)"
    last = (finished.output.strip().splitlines() or ["no output"])[-1][:300]
    return Failure(
        "build_failed",
        f"the build command `{command}` failed: {how}: {last}",
        "see the log; the old release still serves",
        f"$ {command}\n{finished.output}",
    )
