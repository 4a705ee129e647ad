"""The parts of a server: when one of them fails, the whole ends and says which."""

from __future__ import annotations

import threading
import time

import pytest

from fraisier.cli.serve import Serving
from fraisier.domain.errors import FraisierError
from fraisier.engine.queue import Stop


class Part:
    """A part of a server that goes on until it is told to end, or to break."""

    def __init__(self) -> None:
        self.leave, self.breaks = threading.Event(), False

    def run(self) -> None:
        """Go on, as the API does."""
        self.leave.wait(20)
        if self.breaks:
            raise ZeroDivisionError

    def shutdown(self) -> None:
        """Have no answers left to finish."""

    def serve(self, stop: Stop) -> None:
        """Go on, as the worker does."""
        while not stop.drain.wait(0.01):
            if self.leave.is_set():
                raise ZeroDivisionError


class Nobody:
    """Those who follow logs: there are none."""

    def join(self, seconds: float) -> None:
        """Wait for nobody."""


@pytest.mark.parametrize(("broken", "name"), [("worker", "the worker"), ("api", "the API")])
def test_the_server_ends_when_a_part_of_it_has_failed(broken: str, name: str) -> None:
    api, worker, stop = Part(), Part(), Stop()
    (worker if broken == "worker" else api).leave.set()
    api.breaks = broken == "api"
    began = time.monotonic()
    with pytest.raises(FraisierError, match=name):
        Serving(api, worker, stop, Nobody()).run()
    assert time.monotonic() - began < 10
    api.leave.set()
    assert stop.drain.is_set(), "nobody is told that work goes on"
