"""The leash: a run goes on while the process that watches it shows that it may.

A pipe whose other end only the watching process has. When that process dies the kernel closes it;
while it is awake it writes now and then until when the run may go on. When it is paused, or waits
for something else, nothing comes and that moment passes. The clock is CLOCK_BOOTTIME: the time that
the machine slept counts.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import time

LEASH_SECONDS = 20.0
BEAT_SECONDS = 1.0
#: The exit code of a run that ended because nobody watched it.
SILENT = 75
_MOMENT = struct.Struct("d")


def now() -> float:
    """Return the seconds since the machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leash:
    """The watching end. `reader` is what the child process inherits."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._beaten = -BEAT_SECONDS

    def handed_over(self) -> None:
        """Keep only the watching end."""
        os.close(self.reader)

    def beat(self, until: float) -> None:
        """Let the run go on `until` then; a second time within BEAT_SECONDS does nothing."""
        if now() - self._beaten >= BEAT_SECONDS:
            self._beaten = now()
            with contextlib.suppress(BrokenPipeError, BlockingIOError):
                os.write(self._writer, _MOMENT.pack(until))

    def close(self) -> None:
        """Let go: what is on the leash ends. May be called twice."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1


def held(leash: int, child: int) -> bool:
    """Watch a leash until a child (a pidfd) ends; False as soon as it may not go on.

    That is at the end of file, and when the moment passes that was heard of last. Before the first
    beat there is none.
    """
    until = float("inf")
    while True:
        wait = None if until == float("inf") else max(0.0, min(BEAT_SECONDS, until - now()))
        ready, _, _ = select.select([child, leash], [], [], wait)
        if child in ready:
            return True
        if now() >= until:
            return False
        if leash in ready:
            said = os.read(leash, _MOMENT.size * 512)  # each beat is written whole
            if not said:
                return False
            (until,) = _MOMENT.unpack(said[-_MOMENT.size :])


def let_go(leash: int) -> bool:
    """Return whether nobody has the other end any more."""
    poll = select.poll()
    poll.register(leash, 0)
    return bool(poll.poll(0))
