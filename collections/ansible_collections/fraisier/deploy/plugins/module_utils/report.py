# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a run says of itself: its steps with their times, and the output worth keeping."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any, Iterator

from .failure import Failure, from_os_error


class Report:
    """Collects steps and log entries, in the shape the modules return them."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.log: list[dict[str, str]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a step; a Failure or a known OSError that leaves it carries the step's name."""
        entry: dict[str, Any] = {"name": name, "seconds": 0.0, "changed": False}
        self.steps.append(entry)
        started = time.monotonic()
        try:
            yield entry
        except Failure as failure:
            raise self._located(failure, name) from None
        except OSError as error:
            known = from_os_error(error)
            if known is None:
                raise
            raise self._located(known, name) from error
        finally:
            entry["seconds"] = round(time.monotonic() - started, 4)

    def say(self, step: str, text: str) -> None:
        """Keep a command's output or a remark under a step's name."""
        if text.strip():
            self.log.append({"step": step, "text": text})

    def _located(self, failure: Failure, name: str) -> Failure:
        if not failure.step:
            failure.step = name
            self.say(name, failure.text)
        return failure
