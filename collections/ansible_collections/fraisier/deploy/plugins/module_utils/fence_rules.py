# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Who may take the fence of an application: pure decisions about claims and holders."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .failure import Failure


@dataclass(frozen=True)
class Claim:
    """Who asks for the fence, and what it believes.

    `expected`: the highest number its records hold (None: it has none). `number`: the number an
    earlier step of the same deployment took (None: take it now). `turn`: the place of this step
    among all steps of the installation for this application (None: nobody counts them).
    `takeover`: a module of the same installation that still runs is ended. `force`: so is
    anybody's. `wait`, `lease`: seconds.
    """

    installation: str
    deployment: str
    expected: int | None = None
    number: int | None = None
    turn: int | None = None
    force: bool = False
    takeover: bool = True
    wait: float = 10.0
    lease: float = 3600.0


@dataclass(frozen=True)
class Holder:
    """Who holds the fence. `deadline` is seconds since the boot `boot_id`; `taken_at` Unix time.

    `turn`: the highest turn that was seen of this deployment; 0 where turns are not counted.
    """

    number: int
    installation: str
    deployment: str
    pid: int
    pid_start: int
    boot_id: str
    taken_at: int
    deadline: float
    released: bool = False
    turn: int = 0

    def binding(self, boot: str, now: float) -> bool:
        """True while a foreign claim must respect this holder."""
        return not self.released and self.boot_id == boot and now < self.deadline

    @property
    def scopes(self) -> str:
        """The beginning of the names of the scopes that its long commands run in."""
        name = re.sub(r"[^A-Za-z0-9_.]", "_", self.deployment)[:100]
        return f"fraisier-{name}-{self.pid}-"

    def __str__(self) -> str:
        return f"deployment {self.deployment} of installation {self.installation}"


def next_number(holder: Holder | None, claim: Claim, boot: str, now: float) -> int:
    """Decide the number a claim gets, or raise Failure `fence_held` or `fence_stale`."""
    require_its_time(holder, claim)
    if holder is None:
        return (claim.expected or 0) + 1
    ours = holder.installation == claim.installation
    if ours and holder.deployment == claim.deployment:
        return holder.number
    if claim.force:
        return max(holder.number, claim.expected or 0) + 1
    if not ours and holder.binding(boot, now):
        raise held(holder)
    return max(holder.number, claim.expected or 0) + 1


def require_its_time(holder: Holder | None, claim: Claim) -> None:
    """Raise Failure `fence_stale` for a claim that others, or later steps, have come after.

    Such a claim is late: it may not even end what runs.
    """
    if holder is None:
        if claim.number is not None:
            raise stale("the fence that this deployment took is gone from the host")
        return
    ours = holder.installation == claim.installation
    if ours and holder.deployment == claim.deployment:
        _require_its_turn(holder, claim)
    elif claim.number is not None:
        raise stale(f"{holder} has taken this host since")
    elif ours and _older(holder, claim):
        raise stale(
            f"a newer deployment {holder.deployment} of this installation has taken this host"
        )


def turn_after(holder: Holder | None, claim: Claim) -> int:
    """Return the turn that is remembered once a claim has the fence."""
    if holder is None or holder.deployment != claim.deployment:
        return claim.turn or 0
    return max(holder.turn, claim.turn or 0)


def _require_its_turn(holder: Holder, claim: Claim) -> None:
    if claim.number not in (None, holder.number):
        raise stale(f"the host's fence is at {holder.number}, not at {claim.number}")
    if claim.turn is not None and claim.turn < holder.turn:
        raise stale(f"a later step of {claim.deployment} has taken this host")


def _older(holder: Holder, claim: Claim) -> bool:
    """True where the records of a claim do not know the holder, and it came before the holder.

    Ids sort by the time they were given, which a clock that was set can get wrong; turns rise
    with each step, which a database that was restored forgets. Where there are both, both count,
    and `force` makes no late step timely.
    """
    if holder.deployment <= claim.deployment or holder.number <= (claim.expected or 0):
        return False
    if claim.turn is None or not holder.turn:
        return claim.expected is not None and not claim.force
    return holder.turn > claim.turn


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
