# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The verbs of a service with colours: stage, promote, and both at once."""

from __future__ import annotations

from . import release_around
from .activate import GUILTY, pass_gate
from .colour_ground import open_pair
from .colour_pair import Pair
from .colour_start import start
from .colour_switch import give_traffic, leave
from .commands import User
from .deploy import make_ready, prune, reused, same, served_before, sweep
from .failure import Failure
from .host_check import check_ground, check_host
from .prepare import prepare
from .releases import BAD, Release
from .site import Site, require_sha


def deploy(site: Site, version: str) -> None:
    """Stage a version and give it the traffic; what served is stopped after its drain."""
    user, pair = _begin(site, version)
    release = _stage(pair, version, user)
    if release is None:
        return
    _go_live(pair, str(pair.record.staged), release, user)
    leave(pair, keep=False)
    prune(site, user)


def stage(site: Site, version: str) -> None:
    """Run a version as the idle colour, with its gate passed and without traffic."""
    user, pair = _begin(site, version)
    _stage(pair, version, user)


def promote(site: Site, version: str | None) -> None:
    """Give what is staged all traffic for good; nothing is to be done where nothing is staged.

    Raises Failure `staged_differs` where what is here is not `version`.
    """
    user = check_ground(site)
    site.enter(user)
    pair = open_pair(site)
    site.previous = served_before(site)
    colour = pair.record.staged or pair.record.live
    release = pair.release(colour)
    if colour is None or release is None:
        raise Failure(
            "nothing_staged",
            f"no release of {site.service.fraise} is staged on this host",
            "stage a version first, or deploy it",
        )
    if version and release.version != version:
        raise Failure(
            "staged_differs",
            f"version {release.version} is here, and {version} is to be promoted",
            "somebody staged another one since; deploy again",
        )
    if pair.record.staged is None:
        pair.all_to_live()
        return
    pass_gate(site, release, user, fresh=False, seat=pair.seat(colour))
    pair.require_seen(colour)
    _go_live(pair, colour, release, user)
    leave(pair, keep=pair.front.keep_old)
    prune(site, user)


def _begin(site: Site, version: str) -> tuple[User, Pair]:
    require_sha(version)
    user = check_host(site)
    site.enter(user)
    sweep(site)
    pair = open_pair(site)
    site.previous = served_before(site)
    return user, pair


def _stage(pair: Pair, version: str, user: User) -> Release | None:
    """Return the release that is staged now; None where the live one is what is asked for."""
    site, live = pair.site, pair.record.live
    now = pair.release(live)
    if live and now and same(site, now, version) and pair.runs(live, now):
        pair.all_to_live()
        if pair.record.staged:
            pair.stop(pair.record.staged)
        pass_gate(site, now, user, fresh=False, seat=pair.seat(live))
        return None
    release = reused(site, version) or prepare(site, version, site.claim.deployment, user)
    try:
        make_ready(site, release, user)
        start(pair, pair.record.idle, release, user, smoke=True)
    except (Failure, OSError):
        release_around.take_back(site, user)
        raise
    return release


def _go_live(pair: Pair, colour: str, release: Release, user: User) -> None:
    """Give a release the traffic, and do what comes after that; if it fails, the release is bad."""
    site = pair.site
    release = give_traffic(pair, colour, release)
    try:
        release_around.after(site, release, user, pair.seat(colour))
    except Failure as failure:
        if failure.code in GUILTY:
            site.ledger.mark(release, BAD)
        raise
