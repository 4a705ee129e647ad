# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A service that runs as two colours on this host: its seats, its record, its traffic."""

from __future__ import annotations

import os
import time
from typing import Any, Mapping, Protocol, Sequence

from . import colours as book
from .colours import Colours
from .failure import Failure
from .front import Front
from .observe import running_release
from .releases import Release
from .seat import Seat, colour_seat, unit_text
from .site import Site

ALL = 100
#: Seconds that the proxy may take to see a colour that passed its gate.
SEEN_SECONDS = 20.0


class Traffic(Protocol):
    """What is asked of the proxy: `proxy.Proxy` answers it."""

    def weights(self, backend: str) -> dict[str, int]:
        """Return the weights of the servers as they are now."""

    def set_weights(self, backend: str, weights: dict[str, int]) -> bool:
        """Set the weights of servers; True if one changed."""

    def drain(self, backend: str, servers: Sequence[str], timeout: float) -> bool:
        """Give servers nothing new, and wait until they are done; True if they are in time."""

    def ready(self, backend: str, servers: Sequence[str]) -> bool:
        """Take servers back that were drained."""

    def figures(self, backend: str) -> Mapping[str, Any]:
        """Return what each server did."""

    def remove(self, backend: str) -> bool:
        """Take a service from the proxy."""


class Pair:
    """Both colours of a site. `record` is what the host's record said last, or was made to say."""

    def __init__(self, site: Site, front: Front, traffic: Traffic, record: Colours) -> None:
        self.site = site
        self.front = front
        self.traffic = traffic
        self.record = record

    def save(self, record: Colours) -> None:
        """Write the record."""
        self.site.fence.check()
        self.record = book.write(self.site.layout.state, record)

    def seat(self, colour: str) -> Seat:
        """Return where a colour runs."""
        return colour_seat(self.site.service, self.site.layout, colour, self.record.ports[colour])

    def release(self, colour: str | None) -> Release | None:
        """Return the release of a colour, where it is complete and recorded."""
        return self.site.ledger.get(self.record.release_of(colour) or "")

    def give(self, colour: str, weight: int = ALL) -> bool:
        """Give a colour so many percent of the traffic, and the other one the rest."""
        backend = self.record.backend
        self.traffic.ready(backend, [colour])
        weights = {colour: weight, book.other(colour): ALL - weight}
        changed = self.traffic.set_weights(backend, weights)
        self.site.changed |= changed
        return changed

    def all_to_live(self) -> bool:
        """Give the live colour all traffic; without one, nobody gets any."""
        if self.record.live:
            return self.give(self.record.live)
        return self.traffic.set_weights(self.record.backend, dict.fromkeys(book.COLOURS, 0))

    def require_seen(self, colour: str) -> None:
        """Wait until the proxy's own check finds a colour up; raises Failure."""
        limit = time.monotonic() + SEEN_SECONDS
        while not self._seen(colour):
            if time.monotonic() > limit:
                path = self.front.health_path
                what = f"answers {path} with an error" if path else "takes no connection"
                raise Failure(
                    "proxy_check_failed",
                    f"the {colour} one passed its health check, but for the proxy it {what}",
                    "let the service listen on 127.0.0.1 and the port in PORT; check health_path",
                )
            time.sleep(0.1)

    def _seen(self, colour: str) -> bool:
        found = self.traffic.figures(self.record.backend).get(colour)
        return bool(found is not None and found.up)

    def runs(self, colour: str, release: Release) -> bool:
        """True when a colour is up with this release, as it would be started now."""
        return runs_in(self.site, self.seat(colour), release)

    def stop(self, colour: str) -> None:
        """Stop a colour, and have it stay so; the record says first that it has no release."""
        seat = self.seat(colour)
        if self.record.staged == colour:
            self.save(self.record.without_staged())
        elif self.record.release_of(colour):
            self.save(self.record.with_release(colour, None))
        if not self.site.systemd.show(seat.unit).exists:
            return
        self.site.systemd.systemctl("disable", "--now", "--", seat.unit, timeout=65)
        self.site.systemd.tell("reset-failed", seat.unit)

    def stop_plain(self) -> None:
        """Stop the unit that served before there were colours, and have it stay so."""
        name = self.site.service.systemd_service
        state = self.site.systemd.show(name)
        if not state.exists or not (state.active or state.file_state == "enabled"):
            return
        with self.site.report.step("stop plain unit") as step:
            step["changed"] = True
            self.site.systemd.systemctl("disable", "--now", "--", name, timeout=65)

    def link(self, colour: str) -> str:
        """Return the symbolic link of a colour; raises Failure where something else is there."""
        path = self.seat(colour).folder
        if os.path.lexists(path) and not os.path.islink(path):
            raise Failure(
                "app_path_occupied",
                f"{path} is there and was not made by Fraisier",
                "move it away, or choose another app_path",
            )
        return path


def runs_in(site: Site, seat: Seat, release: Release) -> bool:
    """True when a colour's seat is up with this release, as it would be started now."""
    text = unit_text(site.service, release, seat)
    if text is not None and site.systemd.installed_text(seat.unit) != text:
        return False
    state = site.systemd.show(seat.unit)
    return state.active and running_release(site.layout, state) == release.id
