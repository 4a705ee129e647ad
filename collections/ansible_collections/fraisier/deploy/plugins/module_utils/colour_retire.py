# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Removing colours from a host: nothing served before them, or there is no proxy any more."""

from __future__ import annotations

import os

from . import colours as book
from . import ports
from .colour_ground import traffic
from .colours import COLOURS, Colours
from .failure import Failure
from .files import remove_file
from .seat import Seat, colour_seat
from .site import Site
from .unit import is_ours


def retire(site: Site) -> None:
    """Remove the colours of a service that serves without them now, where there are any."""
    record = book.read(site.layout.state)
    if record is None:
        return
    with site.report.step("leave colours") as step:
        site.fence.check()
        step["changed"] = site.changed = True
        try:
            traffic().remove(record.backend)
        except Failure as failure:  # a proxy that is gone has nothing to remove
            site.report.say("leave colours", failure.message)
        with site.removing("leave colours", "what blue-green left"):
            remove_colours(site, record)


def remove_colours(site: Site, record: Colours) -> None:
    """Stop and remove both colours, and forget them; nobody may be giving them requests."""
    for colour in COLOURS:
        _remove(site, colour_seat(site.service, site.layout, colour, record.ports[colour]))
        ports.Ports().free(f"{record.backend}:{colour}")
    book.forget(site.layout.state)
    site.systemd.systemctl("daemon-reload")


def _remove(site: Site, seat: Seat) -> None:
    manager = site.systemd
    if manager.show(seat.unit).exists:
        manager.systemctl("disable", "--now", "--", seat.unit, timeout=65)
        manager.tell("reset-failed", seat.unit)
    if is_ours(manager.installed_text(seat.unit) or ""):
        remove_file(manager.unit_path(seat.unit))
    if os.path.islink(seat.folder):
        remove_file(seat.folder)
    remove_file(seat.environment_file)
