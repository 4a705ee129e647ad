# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""One try of each kind of health check."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Mapping

from . import http_try
from .check import Check
from .commands import User, run
from .failure import Failure
from .headers import without_queries
from .redaction import shorten

_HTTP = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where an `exec` check runs: its user, folder and variables."""

    user: User | None = None
    folder: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def parse(data: Mapping[str, Any] | None, min_healthy: float | None, deadline: float) -> Check:
    """Return a Check from the options of a module; raises Failure `health_check_invalid`.

    Without an own `min_healthy`, watching the unit alone takes 2 s and any other check none.
    """
    given = {name: value for name, value in (data or {}).items() if value is not None}
    kind = given.setdefault("type", "systemd")
    status, command = given.pop("status", ()), given.pop("command", ())
    given["status"] = tuple(status) if isinstance(status, (list, tuple)) else (int(status),)
    given["command"] = ("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command)
    if min_healthy is None:
        min_healthy = 2.0 if kind == "systemd" else 0.0
    check = Check(**given, min_healthy=min_healthy, deadline=deadline)
    needed = {"http": bool(check.url), "tcp": check.port > 0, "exec": bool(check.command)}
    if not needed.get(kind, True):
        key = {"http": "url", "tcp": "port", "exec": "command"}[kind]
        raise Failure(
            "health_check_invalid", f"a health check of type {kind} needs {key}", f"add {key}"
        )
    if kind == "http" and not _HTTP.match(check.url):
        url = without_queries(check.url)
        raise Failure("health_check_invalid", f"{url!r} is no http URL", "correct url")
    return check


def attempt(check: Check, place: Place, limit: float) -> tuple[bool, str]:
    """Try an http, tcp or exec check once, for at most `limit` seconds.

    Returns whether it is healthy, and what was seen.
    """
    if check.type == "http":
        return http_try.attempt(check, limit)
    if check.type == "tcp":
        return _tcp(check, limit)
    return _exec(check, place, limit)


def _tcp(check: Check, limit: float) -> tuple[bool, str]:
    try:
        http_try.connect(check.host, check.port, time.monotonic() + limit).close()
    except socket.timeout:
        return False, f"no answer within {limit:g} s"
    except OSError as error:
        return False, http_try.describe(error)
    return True, f"port {check.port} accepts connections"


def _exec(check: Check, place: Place, limit: float) -> tuple[bool, str]:
    finished = run(
        check.command, env=place.environment, timeout=limit, cwd=place.folder, user=place.user
    )
    if finished.timed_out:
        return False, f"the command did not end within {limit:g} s"
    last = shorten((finished.output.strip().splitlines() or [""])[-1], 200)
    return finished.code == 0, f"exit status {finished.code}" + (f": {last}" if last else "")
