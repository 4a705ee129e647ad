# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The fence of an application on its host: one holder at a time, and a number that only rises."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import asdict, replace
from typing import Any

from . import scopes
from .fence_rules import (
    Claim,
    Holder,
    held,
    next_number,
    require_its_time,
    stale,
    turn_after,
)
from .files import read_json, write_json
from .processes import boot_id, boot_time, end_session, session_members, start_time


def read_holder(path: str) -> Holder | None:
    """Return who holds the fence by its file; None when nobody ever did."""
    data: dict[str, Any] | None = read_json(path)
    if data is None:
        return None
    known = {name: data[name] for name in Holder.__dataclass_fields__ if name in data}
    return Holder(**known)


class Fence:
    """The fence in a state folder. Its lock lasts until `close` or the process's end."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "fence.json")
        self._lock_path = os.path.join(folder, "lock")
        self._lock: int | None = None
        self.holder: Holder | None = None
        self.ended = False  # whether a run was ended to take it

    def scope(self, number: int) -> str | None:
        """Return the name of the scope for a long command of this run; None without the fence."""
        return f"{self.holder.scopes}{number}.scope" if self.holder else None

    @property
    def number(self) -> int:
        """The number this run holds; 0 before it holds one."""
        return self.holder.number if self.holder else 0

    def acquire(self, claim: Claim) -> int:
        """Take the fence for a claim and return its number; raises Failure when it is refused."""
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            self._take_lock(self._lock, claim)
            previous = read_holder(self._path)
            number = next_number(previous, claim, boot_id(), boot_time())
            if previous is not None:
                self.ended |= end_run(previous)
            self.holder = _holder(claim, number, turn_after(previous, claim))
            write_json(self._path, asdict(self.holder))
        except BaseException:
            self.close()
            raise
        return number

    def require_its_time(self, claim: Claim) -> None:
        """Raise Failure `fence_stale` for a claim that is late, before anything is made for it."""
        require_its_time(read_holder(self._path), claim)

    def examine(self, claim: Claim) -> None:
        """Raise Failure where a claim would be refused now; changes nothing."""
        next_number(read_holder(self._path), claim, boot_id(), boot_time())

    def hold(self, claim: Claim) -> None:
        """Keep others out until `close`, and leave the fence as it is: nobody becomes its holder.

        Raises Failure `fence_held` while a run is at work, and while the fence is another
        installation's (not with `force`).
        """
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        free = try_lock(self._lock)
        holder = read_holder(self._path)
        foreign = holder is not None and holder.installation != claim.installation
        binding = holder is not None and holder.binding(boot_id(), boot_time())
        if not free or (foreign and binding and not claim.force):
            self.close()
            failure = held(holder)
            failure.hint = "nothing was done; wait until that run has ended, then say it again"
            raise failure

    def check(self) -> Holder:
        """Return what this run holds; raises Failure `fence_stale` when it no longer does.

        Call it before changes.
        """
        now = read_holder(self._path)
        if now is None or self._lock is None or now != self.holder:
            raise stale(f"{now or 'nobody'} holds this host's fence now")
        return now

    def release(self) -> None:
        """Say that the deployment is done with this host; others need not wait for the deadline."""
        self.holder = replace(self.check(), released=True)
        write_json(self._path, asdict(self.holder))

    def close(self) -> None:
        """Give the lock up."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self, lock: int, claim: Claim) -> None:
        limit = time.monotonic() + claim.wait
        while not try_lock(lock):
            holder = read_holder(self._path)
            require_its_time(holder, claim)
            if holder is not None and _may_end(holder, claim):
                self.ended |= end_run(holder)
            if time.monotonic() > limit:
                raise held(holder)
            time.sleep(0.05)


def end_run(holder: Holder) -> bool:
    """End all that a holder's run started and that still lives; say whether anything did."""
    if holder.boot_id != boot_id():
        return False
    ended = end_session(holder.pid, holder.pid_start)
    # one that gave the fence up has ended its commands itself
    return (not holder.released and scopes.end(holder.scopes + "*.scope")) or ended


def running(holder: Holder) -> bool:
    """True while a process of the holder's run lives."""
    if holder.boot_id != boot_id() or start_time(holder.pid) not in (None, holder.pid_start):
        return False
    return bool(session_members(holder.pid))


def _may_end(holder: Holder, claim: Claim) -> bool:
    ours = holder.installation == claim.installation and claim.takeover
    return ours or claim.force


def try_lock(descriptor: int) -> bool:
    """Take a lock on an open file, if nobody has it; it lasts until the file is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(claim: Claim, number: int, turn: int) -> Holder:
    pid = os.getpid()
    return Holder(
        number=number,
        installation=claim.installation,
        deployment=claim.deployment,
        pid=pid,
        pid_start=start_time(pid) or 0,
        boot_id=boot_id(),
        taken_at=int(time.time()),
        deadline=boot_time() + claim.lease,
        turn=turn,
    )
