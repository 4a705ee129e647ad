# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Giving a colour the traffic for good: what was staged is live, and what was live is left."""

from __future__ import annotations

import time
from dataclasses import replace

from . import colours as book
from .colour_pair import Pair
from .judge import mark_of
from .releases import Release


def give_traffic(pair: Pair, colour: str, release: Release, went_live: bool = True) -> Release:
    """Make a colour the live one: the proxy first, then the record, then `current`.

    A run that is cut between them leaves the record to say where traffic belongs. `went_live`:
    record the time of it.
    """
    site = pair.site
    with site.report.step("switch") as step:
        site.fence.check()
        before = site.ledger.current()
        if went_live and before != release.id:
            release = replace(release, deployed_at=time.time(), previous=before)
            site.ledger.write(release)
        unit = pair.seat(colour).unit
        site.systemd.systemctl("enable", "--", unit)
        step["changed"] = site.changed = True
        site.switched = True
        pair.give(colour)
        pair.save(pair.record.with_live(colour))
        if before != release.id:
            site.ledger.switch(release.id)
    return site.ledger.mark(release, mark_of(site, release))


def leave(pair: Pair, keep: bool) -> None:
    """Let the colour that is not live end what it has under way; `keep`: it goes on running."""
    site, live = pair.site, pair.record.live
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
