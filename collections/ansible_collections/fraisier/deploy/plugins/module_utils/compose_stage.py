# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The verbs of a service in containers with colours: stage, promote, and both at once."""

from __future__ import annotations

import time
from dataclasses import replace

from . import colours as book
from . import compose_around
from .compose_activate import GUILTY
from .compose_colours import require_suitable, shared_volumes
from .compose_conflicts import require_no_conflicts
from .compose_deploy import (
    before_now,
    check_machine,
    obtained,
    prune,
    recorded_or_reused,
    same,
    say_what_was_not_compared,
)
from .compose_pair import ComposePair, open_pair
from .compose_service import check_version
from .compose_site import ComposeSite
from .compose_started import stop_started
from .failure import Failure
from .judge import mark_of
from .releases import BAD, Release


def deploy(site: ComposeSite, version: str) -> None:
    """Stage a version and give it the traffic; what served is stopped after its drain."""
    pair = _begin(site, version)
    release = _stage(pair, version)
    if release is None:
        return
    _go_live(pair, str(pair.record.staged), release)
    leave(pair, keep=False)
    prune(site)


def stage(site: ComposeSite, version: str) -> None:
    """Run a version as the idle colour, with its gate passed and without traffic."""
    _stage(_begin(site, version), version)


def promote(site: ComposeSite) -> None:
    """Give what is staged all traffic for good; nothing is to be done where nothing is staged."""
    site.enter()
    pair = open_pair(site)
    site.previous = site.remembered()
    colour = pair.record.staged or pair.record.live
    release = pair.release(colour)
    if colour is None or release is None:
        raise Failure(
            "nothing_staged",
            f"no release of {site.service.fraise} is staged on this host",
            "stage a version first, or deploy it",
        )
    if pair.record.staged is None:
        pair.all_to_live()
        return
    pair.pass_gate(colour, fresh=False)
    pair.require_seen(colour)
    _go_live(pair, colour, release)
    leave(pair, keep=pair.front.keep_old)
    prune(site)


def check_colours(site: ComposeSite) -> None:
    """Raise Failure where the service cannot run as two colours; say what both will write to."""
    if site.front is None:
        return
    with site.report.step("check colours"):
        service = site.service.service
        require_suitable(site.project, service, site.front.app_port, site.dependents)
        volumes = ", ".join(shared_volumes(site.project, service))
        if volumes:
            site.report.say("check colours", f"both colours write to the volumes {volumes}")


def start(pair: ComposePair, colour: str, release: Release, smoke: bool = False) -> None:
    """Start a release as an idle colour and pass the gate there; nothing is left if that fails.

    A release that does not start or pass is marked bad, and its colour is stopped. `smoke`: its
    smoke tests have to pass too.
    """
    site = pair.ground
    with site.report.step("stop idle") as step:
        pair.all_to_live()
        step["changed"] = pair.record.release_of(colour) is not None
        pair.stop(colour)
    pair.save(pair.record.with_staged(colour, release.id))
    site.changed = True
    try:
        pair.start(colour, release)
        pair.pass_gate(colour, fresh=True)
        if smoke:
            compose_around.smoke(site, release, colour, pair.record.ports[colour])
        with site.report.step("proxy"):
            pair.require_seen(colour)
    except BaseException as error:
        if isinstance(error, Failure) and error.code in GUILTY:
            site.ledger.mark(release, BAD)
        with site.report.step("take back"):
            pair.stop(colour)
        raise


def give_traffic(
    pair: ComposePair, colour: str, release: Release, went_live: bool = True
) -> Release:
    """Make a colour the live one: the proxy first, then the record, then `current`."""
    site = pair.ground
    with site.report.step("switch") as step:
        site.fence.check()
        before = site.ledger.current()
        if went_live and before != release.id:
            release = replace(release, deployed_at=time.time(), previous=before)
            site.ledger.write(release)
        step["changed"] = site.changed = site.switched = True
        pair.give(colour)
        pair.save(pair.record.with_live(colour))
        if before != release.id:
            site.ledger.switch(release.id)
    return site.ledger.mark(release, mark_of(site, release))


def leave(pair: ComposePair, keep: bool) -> None:
    """Let the colour that is not live end what it has under way; `keep`: it goes on running."""
    site, live = pair.ground, pair.record.live
    if live is None:
        return
    old = book.other(live)
    if pair.record.release_of(old) is not None:
        with site.report.step("drain") as step:
            backend = pair.record.backend
            empty = pair.traffic.drain(backend, [old], pair.front.drain)
            step["changed"] = True
            if not empty:
                site.report.say("drain", f"requests to {old} did not end in {pair.front.drain:g} s")
            if not keep:
                pair.stop(old)
            pair.traffic.ready(backend, [old])
    pair.stop_plain()


def _begin(site: ComposeSite, version: str) -> ComposePair:
    check_version(version)
    check_machine(site)
    check_colours(site)
    site.enter()
    site.sweep()
    pair = open_pair(site)
    site.previous = before_now(site)
    require_no_conflicts(site, site.project)
    return pair


def _stage(pair: ComposePair, version: str) -> Release | None:
    """Return the release that is staged now; None where the live one is what is asked for."""
    site, live = pair.ground, pair.record.live
    candidate, now = obtained(site, version), pair.release(live)
    if live and now and same(site, now, candidate) and pair.runs(live, now):
        pair.all_to_live()
        if pair.record.staged:
            pair.stop(pair.record.staged)
        pair.pass_gate(live, fresh=False)
        say_what_was_not_compared(site)
        return None
    release = recorded_or_reused(site, candidate)
    try:
        compose_around.before(site, release)
        start(pair, pair.record.idle, release, smoke=True)
    except (Failure, OSError):
        compose_around.take_back(site)
        stop_started(site)
        raise
    return release


def _go_live(pair: ComposePair, colour: str, release: Release) -> None:
    """Give a release the traffic, and do what comes after that; if it fails, the release is bad."""
    site = pair.ground
    release = give_traffic(pair, colour, release)
    try:
        compose_around.after(site, release, colour, pair.record.ports[colour])
    except Failure as failure:
        if failure.code in GUILTY:
            site.ledger.mark(release, BAD)
        raise
