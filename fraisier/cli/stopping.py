"""Signals and `--timeout` become one question that is asked on the way: shall I stop?"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

Handlers = dict[signal.Signals, Any]

#: Ctrl-C, `kill`, a terminal that is closed, and Ctrl-\\: each asks for a clean stop.
ALWAYS = (signal.SIGINT, signal.SIGTERM)
UNLESS_IGNORED = (signal.SIGHUP, signal.SIGQUIT)


def catch(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Handlers:
    """Let a handler take signals; return the handlers before.

    Where `nohup` or a shell had SIGHUP or SIGQUIT ignored, that stays so.
    """
    heard = [n for n in numbers if n in ALWAYS or signal.getsignal(n) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


class Stopping:
    """While entered, signals ask for a clean stop instead of ending the process.

    `asked` is called at each signal; `timeout` is in seconds, None for no limit.
    """

    def __init__(self, asked: Callable[[], None], timeout: float | None) -> None:
        self._tell = asked
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._asked = False
        self._before: Handlers = {}
        self.timed_out = False

    def wanted(self) -> bool:
        """Return True once a stop was asked for or the time is over."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.timed_out = True
        return self._asked or self.timed_out

    def __enter__(self) -> Stopping:
        self._before = catch(self._ask, *ALWAYS, *UNLESS_IGNORED)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        self._tell()
