"""The launcher is told to stop, once or twice."""

from __future__ import annotations

import os
import signal

import pytest

from fraisier.runner import child


def test_told_twice_it_stops_once() -> None:
    before = signal.signal(signal.SIGTERM, child._told)
    try:
        with pytest.raises(child._Told):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
