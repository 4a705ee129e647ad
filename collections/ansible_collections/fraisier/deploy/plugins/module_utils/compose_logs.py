# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a service's containers said: the last lines, or those after a cursor."""

from __future__ import annotations

import json
import time
from typing import Any, Iterable

from .app_journal import MOST_BYTES, MOST_OF_ONE
from .compose_app import moment
from .compose_containers import Container
from .compose_engine import Docker
from .redaction import shorten

MOST_LINES = 10_000

Line = tuple[str, str, str, str]  # time as the engine writes it, container, its id, text


def read(
    docker: Docker,
    found: Iterable[Container],
    lines: int | None = None,
    since: str | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Return `entries` (each `at`, `source`, `text`), the `cursor` behind them, and `left_out`.

    `since`: a time as `docker logs` takes it, or `@` and Unix seconds. `after`: the cursor of an
    earlier answer. `at` and `now` are Unix seconds.
    """
    now, seen = time.time(), dict(json.loads(after)) if after else {}
    earliest = min(seen.values(), default="")
    told: list[Line] = []
    for container in found:
        begin = seen.get(container.id, earliest) or (since or "").lstrip("@")
        told += _of_one(docker, container, None if after else lines, begin)
    told = sorted(line for line in told if line[0] > seen.get(line[2], ""))
    told = told if lines is None or after else told[-lines:]
    kept, left_out = _bounded(told)
    for at, _name, id, _text in told:
        seen[id] = max(at, seen.get(id, ""))
    entries = [{"at": moment(at), "source": name, "text": text} for at, name, _id, text in kept]
    cursor = json.dumps(seen, sort_keys=True) if seen else None
    return {"entries": entries, "cursor": cursor, "left_out": left_out, "now": now}


def _of_one(docker: Docker, container: Container, lines: int | None, since: str) -> list[Line]:
    words = ["--timestamps", "--tail", str(min(lines or MOST_LINES, MOST_LINES))]
    words += ["--since", since] if since else []
    said = docker.ask("logs", *words, "--", container.id)
    rows = (*said.out.splitlines(), *said.err.splitlines())
    split = (row.partition(" ") for row in rows)
    return [
        (at, container.name, container.id, shorten(text, MOST_OF_ONE))
        for at, _space, text in split
        if moment(at)
    ]


def _bounded(told: list[Line]) -> tuple[list[Line], int]:
    """Return the last lines that fit, and how many do not."""
    size, first = 0, len(told)
    while first > 0 and size + len(told[first - 1][3]) <= MOST_BYTES:
        first -= 1
        size += len(told[first][3])
    return told[first:], first
