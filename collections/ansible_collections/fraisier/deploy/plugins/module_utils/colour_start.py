# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Starting a release as a colour, before it gets any traffic."""

from __future__ import annotations

import os

from . import envfile, release_around
from .activate import GUILTY, pass_gate, start_unit
from .colour_pair import Pair
from .commands import User
from .failure import Failure
from .files import replace_link, write_atomic
from .releases import BAD, Release
from .seat import Seat, unit_text


def start(pair: Pair, colour: str, release: Release, user: User, smoke: bool = False) -> None:
    """Start a release as an idle colour and pass the gate there; nothing is left if that fails.

    A release that does not start or pass is marked bad, and its colour is stopped. `smoke`: it has
    to pass its smoke tests too.
    """
    site = pair.site
    with site.report.step("stop idle") as step:
        pair.all_to_live()
        step["changed"] = pair.record.release_of(colour) is not None
        pair.stop(colour)
    pair.save(pair.record.with_staged(colour, release.id))
    site.changed = True
    try:
        with site.report.step("start") as step:
            step["changed"] = True
            _write(pair, colour, release)
            start_unit(site, pair.seat(colour).unit)
        pass_gate(site, release, user, fresh=True, seat=pair.seat(colour))
        with site.report.step("proxy"):
            pair.require_seen(colour)
        if smoke:
            release_around.smoke(site, release, user, pair.seat(colour))
    except BaseException as error:
        if isinstance(error, Failure) and error.code in GUILTY:
            site.ledger.mark(release, BAD)
        with site.report.step("take back"):
            pair.stop(colour)
        raise


def _write(pair: Pair, colour: str, release: Release) -> None:
    """Write all that the colour's unit is started from: link, environment, unit."""
    site, seat = pair.site, pair.seat(colour)
    replace_link(pair.link(colour), os.path.join("releases", release.id))
    own = envfile.parse(site.ledger.stored(release.id)[0] or "")
    write_atomic(seat.environment_file, envfile.render({**own, **seat.environment}), 0o600)
    _write_unit(pair, seat, release)


def _write_unit(pair: Pair, seat: Seat, release: Release) -> None:
    """Write the unit where it is ours. It starts with the system only once it was promoted."""
    manager = pair.site.systemd
    text = unit_text(pair.site.service, release, seat)
    if text is not None and manager.installed_text(seat.unit) != text:
        write_atomic(manager.unit_path(seat.unit), text, 0o644)
        manager.systemctl("daemon-reload")
