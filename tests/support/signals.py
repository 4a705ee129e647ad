"""Signals as a terminal's processes have them: tests may run under nohup, which ignores some."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def handled(handler: signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Let this process handle signals so, while the block runs."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, each)
