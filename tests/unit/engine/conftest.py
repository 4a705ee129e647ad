"""Fixtures for the engine: pauses between tries take no time."""

from __future__ import annotations

import pytest

from fraisier.engine import contact
from support.clock import VirtualTime


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Return the clock by which hosts that do not answer are tried again."""
    virtual = VirtualTime()
    monkeypatch.setattr(contact, "time", virtual)
    return virtual
