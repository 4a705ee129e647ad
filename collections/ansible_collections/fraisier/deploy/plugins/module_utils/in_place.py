# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Releases that share one checkout: adopting what is there, moving it, and moving it back."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from . import switch_note
from .checkout import Checkout, find_owner, named
from .commands import User, find_user, user_of
from .differences import borrowed
from .failure import Failure
from .files import read_text, write_atomic
from .git_access import Access
from .git_mirror import Mirror
from .ground import require_own_folder, require_real_path
from .observe import UNKNOWN, running_release
from .prepare import build, write_files
from .releases import FOUND, GOOD, PREPARED, Layout, Release, new_id
from .site import Site
from .state_folders import try_folders


def checkout_of(site: Site, user: User) -> Checkout:
    """Return the checkout at app_path, or the one to be made there; raises Failure."""
    path = site.layout.app_path
    require_real_path(path)
    owner = find_owner(path, user) or user
    require_own_folder(os.path.dirname(path), owner)
    return Checkout(path, owner, site.source.access)


def look(layout: Layout) -> dict[str, Any] | None:
    """Return the `head` of a checkout and its `changes`; None where whoever looks may not."""
    git = os.path.join(layout.app_path, ".git")
    owner = user_of(os.lstat(git).st_uid) if os.path.lexists(git) else None
    if owner is None or owner.uid == 0 or os.geteuid() not in (0, owner.uid):
        return None
    checkout = Checkout(layout.app_path, owner, Access(layout.app_path))
    return {"head": checkout.head(), "changes": checkout.changes()}


def ensure(checkout: Checkout, sha: str) -> None:
    """Make the checkout where there is none."""
    if not checkout.exists:
        checkout.create(sha)


def to_be_adopted(site: Site, user: User) -> dict[str, Any] | None:
    """Return what `adopt` would record as the release before; None where it would do nothing."""
    head = _unrecorded(site, checkout_of(site, user))
    if head is None or not site.systemd.show(site.service.systemd_service).active:
        return None
    return {"id": None, "version": head, "good": True}


def adopt(site: Site, checkout: Checkout) -> None:
    """Record what is checked out as a release, where it was not Fraisier that put it there."""
    head = _unrecorded(site, checkout)
    if head is None:
        return
    with site.report.step("adopt") as step:
        site.fence.check()
        step["changed"] = True
        release = _found(site, head, _current(site))
        checkout.keep(release.id, head)
        switch = switch_note.begin(site.layout, release.id, _ran(site, checkout, release))
        site.ledger.switch(release.id)
        switch_note.finish(site.layout, switch)
        site.report.say("adopt", f"found commit {head} in {checkout.path}: release {release.id}")


def prepare(site: Site, version: str, checkout: Checkout) -> Release:
    """Return a new release of a commit that can be moved to; raises Failure."""
    fetch(site, version, checkout)
    with site.report.step("check checkout"):
        if settled(site):
            checkout.require_movable(version)
    with site.report.step("record"):
        now = time.time()
        release = new_id(now, version, os.listdir(site.layout.records))
        try:
            site.ledger.open(release)
            write_files(site, version, release)
            checkout.keep(release, version)
            return site.ledger.write(
                Release(
                    release, version, site.claim.deployment, PREPARED, now, spec=site.service.spec()
                )
            )
        except BaseException:
            with site.removing("sweep", release):
                site.ledger.remove(release)
            raise


def fetch(site: Site, version: str, checkout: Checkout) -> None:
    """Bring a commit into the checkout's repository; no file of the checkout changes."""
    with site.report.step("fetch") as step:
        ensure(checkout, version)
        step["changed"] = checkout.fetch(version)


def try_fetch(site: Site, version: str, checkout: Checkout) -> None:
    """Raise what `fetch` would; what it brings is gone afterwards."""
    with site.report.step("fetch"):
        if not checkout.exists:
            try_folders(checkout.path)
        with borrowed(checkout.objects(), checkout.access, checkout.owner, version) as trial:
            checkout.fetch(version, replace(trial, shallow=True))


def move(site: Site, release: Release, user: User) -> None:
    """Make the files those of a release, and build it there.

    Changes that are in the way were left by a deployment that failed or was cut short, or by its
    build: they are kept as a commit, and its name is told.
    """
    checkout = checkout_of(site, user)
    force = not settled(site) or bool(checkout.changes())
    switch = switch_note.begin(site.layout, release.id, _runs_now(site))
    site.ledger.switch(release.id)
    saved = checkout.save(release.id) if force else None
    if saved:
        site.report.say("switch", f"changed files were kept: git stash apply {saved}")
    checkout.move(release.version, force)
    switch_note.finish(site.layout, switch)


def build_here(site: Site, release: Release, user: User) -> None:
    """Run the build commands in the checkout, and remember what they did to files of the commit."""
    build(site, release.version, release.id, user)
    checkout = checkout_of(site, user)
    if checkout.changes():
        write_atomic(_built(site, release.id), checkout.fingerprint())


def require_unchanged(site: Site, checkout: Checkout) -> None:
    """Raise Failure for a checkout whose files somebody has changed by hand."""
    if not settled(site):
        return
    changed = checkout.changes()
    if changed and not _changed_by_build(site, checkout):
        raise Failure(
            "checkout_changed",
            f"files in {checkout.path} were changed by hand: {named(changed)}",
            f"commit and push them, or put them away on the host as {checkout.owner.name}: "
            f"git -C {checkout.path} stash",
        )


def require_way(site: Site, version: str, user: User) -> None:
    """Raise Failure where going back to a commit would cost what a person has in the checkout."""
    checkout = checkout_of(site, user)
    require_unchanged(site, checkout)
    if settled(site):
        checkout.require_movable(version)


def require_room(site: Site, repository: Mirror, version: str, user: User) -> str | None:
    """Return what is checked out; raises Failure where moving to a commit would cost files.

    `repository` has the commit; the checkout need not, or need not even be there.
    """
    checkout = checkout_of(site, user)
    if settled(site) and checkout.exists:
        checkout.require_movable(version, repository)
    return checkout.head()


def settled(site: Site) -> bool:
    """True unless the last deployment here was cut short or bad: the files are then its own."""
    current = _current(site)
    return (current is None or current.good) and not switch_note.unfinished(site.layout)


def _changed_by_build(site: Site, checkout: Checkout) -> bool:
    current = site.ledger.current()
    built = read_text(_built(site, current)) if current else None
    return built is not None and built == checkout.fingerprint()


def is_at(site: Site, release: Release) -> bool:
    """True when the commit that is checked out is a release's, and the files are all its own."""
    checkout = checkout_of(site, find_user(site.service.service_user))
    return not switch_note.unfinished(site.layout) and checkout.head() == release.version


def give_back(site: Site, user: User) -> None:
    """Check out the commit that was found, where what was deployed since is taken away."""
    found = [release for release in site.ledger.all() if release.deployment == FOUND]
    checkout = checkout_of(site, user)
    if found and checkout.head() not in (None, found[0].version):
        saved = checkout.save(found[0].id)
        checkout.move(found[0].version, force=True)
        site.report.say("remove", f"{checkout.path} is at {found[0].version} again, as found")
        if saved:
            site.report.say("remove", f"changed files were kept: git stash apply {saved}")


def _unrecorded(site: Site, checkout: Checkout) -> str | None:
    """Return the commit that is checked out, unless a deployment has brought or left it."""
    head, current = checkout.head(), _current(site)
    brought = current is not None and (current.version == head or not current.good)
    return None if brought or switch_note.unfinished(site.layout) else head


def _current(site: Site) -> Release | None:
    current = site.ledger.current()
    return site.ledger.get(current) if current else None


def _found(site: Site, head: str, before: Release | None) -> Release:
    """Record a commit that was found; its environment is the one that the unit has been reading."""
    now = time.time()
    release = new_id(now, head, os.listdir(site.layout.records))
    active = site.systemd.show(site.service.systemd_service).active
    environment = site.ledger.stored(before.id)[0] if before else None
    site.ledger.open(release)
    write_atomic(site.layout.environment_of(release), environment or "")
    return site.ledger.write(
        Release(
            release, head, FOUND, GOOD if active else PREPARED, now, now,
            previous=before.id if before else None,
        )
    )  # fmt: skip


def _ran(site: Site, checkout: Checkout, release: Release) -> str | None:
    """Return what the process runs when its checkout is found: that, unless HEAD moved since."""
    state = site.systemd.show(site.service.systemd_service)
    started, moved = switch_note.started_at(state.main_pid), checkout.moved_at()
    if not state.main_pid or started is None:
        return UNKNOWN if state.active else None
    return release.id if moved is not None and started >= moved else UNKNOWN


def _runs_now(site: Site) -> str | None:
    return running_release(site.layout, site.systemd.show(site.service.systemd_service))


def _built(site: Site, release: str) -> str:
    return os.path.join(site.layout.record(release), "built")
