# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Sealing a host: what runs of a deployment is ended, and what comes late of it is refused."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from . import balancer
from .colour_ground import heal
from .commands import User
from .failure import Failure
from .fence import Fence, end_run, read_holder
from .fence_rules import Claim
from .ground import require_own_folder
from .ledger import Ledger
from .options import FENCE

#: Seconds to wait for a run that does not end.
WAIT = 8.0


#: The options of a module that can do it.
STOP: dict[str, Any] = {
    "stop": {"type": "bool", "default": False},
    "installation": {"type": "str"},
    "deployment": {"type": "str"},
    "turn": FENCE["turn"],
}


@dataclass(frozen=True)
class Seal:
    """What came of it: whether a run was ended, and whether late steps are refused now.

    `healed`: False where a proxy or balancer could not be told to give all requests back.
    """

    stopped: bool = False
    sealed: bool = False
    healed: bool = True


def seal_where_asked(
    ledger: Ledger,
    options: Mapping[str, Any],
    check_mode: bool,
    own: Callable[[], Mapping[str, str]] | None = None,
) -> Seal:
    """Do as the options of `STOP` say; in check mode nothing.

    `own`: the variables of the release that is current, where it is not a systemd service's.
    """
    if check_mode or not options["stop"]:
        return Seal()
    who, turn = options["installation"], options["turn"]
    return seal(ledger.layout.state, who, options["deployment"], turn, lambda: _mend(ledger, own))


def _mend(ledger: Ledger, own: Callable[[], Mapping[str, str]] | None) -> bool:
    """Put right what a cut run left: the current release's environment, the live one's traffic.

    Returns False where whoever moves the traffic could not be told.
    """
    ledger.mend()
    healed = True
    for tell in (lambda: heal(ledger), lambda: balancer.heal(ledger, own)):
        try:
            tell()
        except (Failure, OSError):
            healed = False
    return healed


def seal(
    folder: str,
    installation: str,
    deployment: str | None,
    turn: int | None,
    mend: Callable[[], bool] = lambda: True,
) -> Seal:
    """End what an installation still runs on an application whose state is in `folder`.

    With a `turn`, the fence is taken with it and given up at once, for `deployment` (None: that
    of the holder): a step with a lower turn is refused from then on, though it be on its way.
    Another installation's fence is left alone, and so is one that a later step has. `mend` is
    called while the fence is held, and tells whether the traffic is as it should be.
    """
    holder = read_holder(os.path.join(folder, "fence.json"))
    if holder is not None and holder.installation != installation:
        return Seal()
    deployment = deployment or (holder.deployment if holder else None)
    if turn is None or deployment is None:
        return Seal(stopped=holder is not None and end_run(holder))
    if holder is None and not _make(folder):
        return Seal()
    fence, claim = Fence(folder), Claim(installation, deployment, turn=turn, wait=WAIT)
    sealed, healed = False, True
    with suppress(Failure, OSError):
        fence.acquire(claim)
        sealed = True
        healed = mend()
        fence.release()
    fence.close()
    return Seal(fence.ended, sealed, healed)


def _make(folder: str) -> bool:
    """Make a state folder as a deployment would; False where it would not."""
    own = os.path.dirname(folder)
    if os.path.lexists(os.path.join(own, ".git")):
        return False
    with suppress(Failure, OSError):
        require_own_folder(own, _me())
        os.makedirs(own, 0o755, exist_ok=True)
        os.makedirs(folder, 0o700, exist_ok=True)
        return True
    return False


def _me() -> User | None:
    if os.geteuid() == 0:
        return None
    entry = pwd.getpwuid(os.geteuid())
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
