# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Going back in containers with colours: at once, where what is wanted still runs."""

from __future__ import annotations

from . import compose_around
from .compose_activate import healthy, runs
from .compose_images import bring_back
from .compose_pair import ComposePair, open_pair
from .compose_restore import chosen, require_startable, take_back_inputs
from .compose_retire import forget
from .compose_site import ComposeSite
from .compose_stage import give_traffic, leave, start
from .compose_started import stop_started
from .failure import Failure
from .releases import BAD, Release
from .wanted import Wanted


def restore(site: ComposeSite, wanted: Wanted) -> None:
    """Make the host serve what is wanted; a staged release is taken back. Raises Failure."""
    site.enter()
    site.sweep()
    pair = open_pair(site)
    site.previous = site.remembered()
    if wanted.nothing:
        compose_around.take_back(site)
        _abandon(pair, None, wanted)
        with site.report.step("remove") as step:
            step["changed"] = site.changed = site.switched = True
            forget(pair)
            site.ledger.forget_current()
        stop_started(site)
        return
    with site.report.step("choose"):
        release = chosen(site, wanted)
    bring_back(site, release)
    colour = pair.record.colour_of(release.id)
    if colour is None or not pair.runs(colour, release):
        require_startable(site, release)
    _abandon(pair, release, wanted)
    _take_back(pair, release)
    compose_around.take_back(site)  # in the files of the release that is left
    site.install_files(release.spec.get("files"))
    current = site.previous.id if site.previous else None
    if release.good and current == release.id and _serves(pair, release):
        return
    site.reused = True
    colour = _at_once(pair, release)
    if colour is None:
        take_back_inputs(site, release)
        colour = pair.record.idle
        start(pair, colour, release)
    give_traffic(pair, colour, release, went_live=False)
    leave(pair, keep=False)


def _abandon(pair: ComposePair, release: Release | None, wanted: Wanted) -> None:
    """Mark what is left as bad, where that is asked for: the staged one, else the live one."""
    site = pair.ground
    failed = pair.release(pair.record.staged)
    if failed is None and site.previous is not None:
        failed = site.ledger.get(site.previous.id)
    if wanted.mark_bad and failed is not None and (release is None or failed.id != release.id):
        site.ledger.mark(failed, BAD)


def _take_back(pair: ComposePair, release: Release) -> None:
    """Give the live colour all traffic, and stop a staged one that is not what is wanted."""
    staged = pair.record.staged
    with pair.ground.report.step("take back") as step:
        step["changed"] = pair.all_to_live()
        if staged and pair.record.release_of(staged) != release.id:
            step["changed"] = pair.ground.changed = True
            pair.stop(staged)


def _serves(pair: ComposePair, release: Release) -> bool:
    """True where a release serves already, which its gate has to agree to; raises Failure."""
    live = pair.record.live
    if live is None:  # as it did before there were colours
        if not runs(pair.ground, release):
            return False
        healthy(pair.ground)
        return True
    if pair.record.release_of(live) != release.id or not pair.runs(live, release):
        return False
    pair.pass_gate(live, fresh=False)
    return True


def _at_once(pair: ComposePair, release: Release) -> str | None:
    """Return the other colour where it runs the release and is well: it needs no start."""
    colour = pair.record.colour_of(release.id)
    if colour is None or colour == pair.record.live or not pair.runs(colour, release):
        return None
    try:
        pair.pass_gate(colour, fresh=False)
        pair.require_seen(colour)
    except Failure as failure:
        pair.ground.report.say("choose", f"{failure.message}: it is started anew")
        return None
    return colour
