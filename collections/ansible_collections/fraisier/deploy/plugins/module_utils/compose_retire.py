# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Removing the colours of a service in containers: nothing served before, or the proxy is gone."""

from __future__ import annotations

from . import colours as book
from . import ports
from .colour_ground import traffic
from .colours import COLOURS, Colours
from .compose_names import colour_name
from .compose_pair import ComposePair, remove
from .compose_site import ComposeSite
from .failure import Failure
from .files import remove_file


def retire(site: ComposeSite) -> None:
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
            _remove_colours(site, record)


def forget(pair: ComposePair) -> None:
    """Take the service from the proxy, then stop both colours and what served before them."""
    pair.traffic.remove(pair.record.backend)
    _remove_colours(pair.ground, pair.record)
    pair.stop_plain()


def _remove_colours(site: ComposeSite, record: Colours) -> None:
    """Stop and remove both colours, and forget them; nobody may be giving them requests."""
    for colour in COLOURS:
        remove(site, colour_name(site.service.service, colour))
    for colour in COLOURS:
        ports.Ports().free(f"{record.backend}:{colour}")
        remove_file(f"{site.layout.state}/{colour}.json")
    book.forget(site.layout.state)
