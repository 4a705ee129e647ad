"""Named places where a test build dies on demand, so that recovery is tried and not believed.

`FRAISIER_FAILPOINT` says where this process ends itself with SIGKILL, read once, at import:

- `NAME` or `NAME:N`: at the first or N-th passage of that place;
- `NAME:N:stop`: there it stops itself with SIGSTOP instead, until somebody lets it go on;
- `random:SECONDS`: at a random instant of the SECONDS after its first claim was committed.

`FRAISIER_FAILPOINT_LOG` names a file that gets each place once, when it is first passed.

A test build is a source tree with its tests beside the package. An installed package has none, so
there both variables are ignored: `failpoint` is one comparison that is always false.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

#: Every place there is. The first part of a name is what happens, the second where in it.
NAMES = frozenset(
    {
        *("request.before_commit", "request.after_commit"),
        *("claim.before_commit", "claim.after_commit"),
        *("record.before_commit", "record.after_commit"),
        *("step.before", "step.after", "runner.begun", "runner.ended"),
        *("finish.before_commit", "finish.after_commit"),
        *("take_over.before_commit", "take_over.after_commit"),
        *("settle.before_probe", "settle.after_probe"),
        *("relay.before_publish", "relay.after_publish"),
        *("beat.before_commit", "cancel.before_commit", "cancel.after_commit"),
    }
)
#: From here on a process holds an attempt: a random instant is counted from this place.
HOLDS = "claim.after_commit"
TEST_BUILD = Path(__file__).parents[1] / "tests" / "chaos" / "run.py"


def failpoint(name: str) -> None:
    """Pass a place of NAMES: does nothing, or ends this process where a test asked for that."""
    if _armed is not None:
        _armed.passed(name)


class Armed:
    """What a test asked for: where to end, the how-manieth time, by which signal, and a log.

    `seconds`: end so many seconds after the first HOLDS instead. Raises ValueError where `wish`
    cannot be understood.
    """

    def __init__(self, wish: str, log: str = "") -> None:
        name, _, rest = wish.partition(":")
        self.seconds = random.uniform(0, float(rest)) if name == "random" else None  # noqa: S311
        times, _, how = ("" if name == "random" else rest).partition(":")
        if name not in NAMES | {"random", ""} or how not in ("", "stop"):
            raise ValueError(f"FRAISIER_FAILPOINT={wish}: there are {', '.join(sorted(NAMES))}")
        self.name, self.times = name, int(times or 1)
        self.signal = signal.SIGSTOP if how else signal.SIGKILL
        self.log = log
        self._passages: Counter[str] = Counter()
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        """Count a passage, and act where it is the one. Raises ValueError for an unknown name."""
        if name not in NAMES:
            raise ValueError(f"{name} is no failpoint: add it to fraisier.failpoints.NAMES")
        with self._lock:
            self._passages[name] += 1
            times = self._passages[name]
        if times == 1 and self.log:
            _append(self.log, name)
        if times == 1 and name == HOLDS and self.seconds is not None:
            threading.Thread(target=self._later, args=(self.seconds,), daemon=True).start()
        if (name, times) == (self.name, self.times):
            os.kill(os.getpid(), self.signal)

    def _later(self, seconds: float) -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), self.signal)


def armed(environ: Mapping[str, str], test_build: bool) -> Armed | None:
    """Return what a test asked for by the environment; None outside a test build."""
    wish, log = environ.get("FRAISIER_FAILPOINT", ""), environ.get("FRAISIER_FAILPOINT_LOG", "")
    return Armed(wish, log) if test_build and (wish or log) else None


def _append(path: str, name: str) -> None:
    with open(path, "a") as file:
        file.write(f"{name}\n")


_armed = armed(os.environ, TEST_BUILD.is_file())
