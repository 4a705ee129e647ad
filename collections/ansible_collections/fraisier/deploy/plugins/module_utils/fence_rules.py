# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Who may take the fence of an application: pure decisions about claims and holders."""

from __future__ import annotations

from dataclasses import dataclass

from .failure import Failure


@dataclass(frozen=True)
class Claim:
    """Who asks for the fence, and what it believes.

    `expected`: the highest number its records hold (None: it has none). `number`: the number an
    earlier step of the same deployment took (None: take it now). `takeover`: a module of the same
    installation that still runs is ended. `force`: so is anybody's. `wait`, `lease`: seconds.
    """

    installation: str
    deployment: str
    expected: int | None = None
    number: int | None = None
    force: bool = False
    takeover: bool = True
    wait: float = 10.0
    lease: float = 3600.0


@dataclass(frozen=True)
class Holder:
    """Who holds the fence. `deadline` is seconds since the boot `boot_id`; `taken_at` Unix time."""

    number: int
    installation: str
    deployment: str
    pid: int
    pid_start: int
    boot_id: str
    taken_at: int
    deadline: float
    released: bool = False

    def binding(self, boot: str, now: float) -> bool:
        """True while a foreign claim must respect this holder."""
        return not self.released and self.boot_id == boot and now < self.deadline

    def __str__(self) -> str:
        return f"deployment {self.deployment} of installation {self.installation}"


def next_number(holder: Holder | None, claim: Claim, boot: str, now: float) -> int:
    """Decide the number a claim gets, or raise Failure `fence_held` or `fence_stale`."""
    if holder is None:
        if claim.number is not None:
            raise stale("the fence that this deployment took is gone from the host")
        return (claim.expected or 0) + 1
    ours = holder.installation == claim.installation
    newer = holder.deployment > claim.deployment  # ids sort by the time they were given
    if ours and holder.deployment == claim.deployment:
        if claim.number not in (None, holder.number):
            raise stale(f"the host's fence is at {holder.number}, not at {claim.number}")
        return holder.number
    if claim.number is not None:
        raise stale(f"{holder} has taken this host since")
    if claim.force:
        return max(holder.number, claim.expected or 0) + 1
    if not ours and holder.binding(boot, now):
        raise held(holder)
    if ours and claim.expected is not None and holder.number > claim.expected and newer:
        raise stale(
            f"a newer deployment {holder.deployment} of this installation has taken this host"
        )
    return max(holder.number, claim.expected or 0) + 1


def held(holder: Holder | None) -> Failure:
    """Return the refusal that names who holds the fence."""
    return Failure(
        "fence_held",
        f"another run holds this application on the host: {holder or 'it has not said who it is'}",
        "wait until it has ended; if it is certain that it is dead, deploy again with force",
    )


def stale(why: str) -> Failure:
    """Return the refusal of a run whose time is over."""
    return Failure(
        "fence_stale", why, "nothing was changed by this run; see what runs now, then deploy again"
    )
