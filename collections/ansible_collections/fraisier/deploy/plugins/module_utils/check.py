# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a health check says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Sequence


@dataclass(frozen=True)
class Check:
    """A health check; times in seconds. `status` empty means any 2xx, `retries` None no limit.

    `min_healthy`: how long it must stay healthy; `deadline`: by when it must have become so.
    """

    type: str = "systemd"
    url: str = ""
    host: str = "localhost"
    port: int = 0
    command: Sequence[str] = ()
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    status: Sequence[int] = ()
    body: str = ""
    validate_certs: bool = True
    timeout: float = 10.0
    delay: float = 0.0
    interval: float = 1.0
    retries: int | None = None
    min_healthy: float = 0.0
    deadline: float = 60.0
