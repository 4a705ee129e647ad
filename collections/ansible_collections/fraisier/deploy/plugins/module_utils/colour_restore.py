# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Going back on a host with colours: at once, where what is wanted still runs as the other one."""

from __future__ import annotations

from . import release_around
from .activate import pass_gate, runs
from .colour_ground import open_pair
from .colour_pair import Pair
from .colour_retire import remove_colours
from .colour_start import start
from .colour_switch import give_traffic, leave
from .commands import User
from .deploy import sweep
from .failure import Failure
from .host_check import check_ground
from .releases import BAD, Release, choose
from .site import Site, remembered
from .wanted import Wanted


def restore(site: Site, wanted: Wanted) -> None:
    """Make the host serve what is wanted; a staged release is taken back. Raises Failure."""
    user = check_ground(site)
    site.enter(user)
    sweep(site)
    pair = open_pair(site)
    site.previous = remembered(site)
    if wanted.nothing:
        release_around.take_back(site, user)
        _abandon(pair, None, wanted)
        _remove_all(pair)
        return
    with site.report.step("choose"):
        current = site.previous.id if site.previous else None
        release = choose(site.ledger.all(), current, wanted.to, wanted.version)
    _abandon(pair, release, wanted)
    _take_back(pair, release)
    release_around.take_back(site, user)
    if release.good and current == release.id and _serves(pair, release, user):
        return
    site.reused = True
    colour = _at_once(pair, release, user)
    if colour is None:
        colour = pair.record.idle
        start(pair, colour, release, user)
    give_traffic(pair, colour, release, went_live=False)
    leave(pair, keep=False)


def _abandon(pair: Pair, release: Release | None, wanted: Wanted) -> None:
    """Mark what is left as bad, where that is asked for: the staged one, else the live one."""
    site = pair.site
    failed = pair.release(pair.record.staged)
    if failed is None and site.previous is not None:
        failed = site.ledger.get(site.previous.id)
    if wanted.mark_bad and failed is not None and (release is None or failed.id != release.id):
        site.ledger.mark(failed, BAD)


def _take_back(pair: Pair, release: Release) -> None:
    """Give the live colour all traffic, and stop a staged one that is not what is wanted."""
    staged = pair.record.staged
    with pair.site.report.step("take back") as step:
        step["changed"] = pair.all_to_live()
        if staged and pair.record.release_of(staged) != release.id:
            step["changed"] = pair.site.changed = True
            pair.stop(staged)


def _serves(pair: Pair, release: Release, user: User) -> bool:
    """True where a release serves already, which its gate has to agree to."""
    site, live = pair.site, pair.record.live
    if live is None:
        if not runs(site, release):
            return False
        pass_gate(site, release, user, fresh=False)
        return True
    if not pair.runs(live, release):
        return False
    pass_gate(site, release, user, fresh=False, seat=pair.seat(live))
    return True


def _at_once(pair: Pair, release: Release, user: User) -> str | None:
    """Return the other colour where it runs the release and is well: it needs no start."""
    colour = pair.record.colour_of(release.id)
    if colour is None or colour == pair.record.live or not pair.runs(colour, release):
        return None
    try:
        pass_gate(pair.site, release, user, fresh=False, seat=pair.seat(colour))
        pair.require_seen(colour)
    except Failure as failure:
        pair.site.report.say("choose", f"{failure.message}: it is started anew")
        return None
    return colour


def _remove_all(pair: Pair) -> None:
    """Stop both colours and take the service from the proxy: nothing served before."""
    site = pair.site
    with site.report.step("remove") as step:
        site.fence.check()
        step["changed"] = site.changed = site.switched = True
        pair.traffic.remove(pair.record.backend)
        site.ledger.forget_current()
        remove_colours(site, pair.record)
