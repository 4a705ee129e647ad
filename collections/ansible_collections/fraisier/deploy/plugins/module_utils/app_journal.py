# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a unit wrote to the journal: the last lines, or those after a cursor."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import deque
from typing import IO, Any, Iterable, Mapping, Sequence

from .commands import end_group, spawn
from .failure import Failure
from .redaction import shorten
from .systemd import Manager

#: Of one answer: how many bytes of text, and how long one message may be.
MOST_BYTES = 1 << 20
MOST_OF_ONE = 16 * 1024
LIMIT_SECONDS = 30.0
_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,_PID"
_DENIED = ("insufficient permissions", "not seeing messages from other users")


def read(
    manager: Manager,
    unit: str,
    lines: int | None = None,
    since: str | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Return `entries` (each `at`, `source`, `text`), the `cursor` behind them, and `left_out`.

    `lines`: only so many, the last. `since`: a time as journalctl takes it. `after`: the cursor of
    an earlier answer; what does not fit then comes with the next one. `at` and `now` are Unix
    seconds; `left_out` counts entries that did not fit.
    """
    now = time.time()
    argv = [*manager.journal_argv(unit), "--output=json", f"--output-fields={_FIELDS}", "--all"]
    if after:
        argv.append(f"--after-cursor={after}")
    elif since:  # with it, journalctl of systemd 252 shows the first of so many --lines
        argv.append(f"--since={since}")
    elif lines is not None:
        argv.append(f"--lines={lines}")
    most = None if after else lines
    with tempfile.TemporaryFile() as errors:
        found = _collect(argv, manager.environment, errors, after is not None, most)
        _raise_for(errors, found)
    return {**found, "now": now, "cursor": found["cursor"] or after}


def _collect(
    argv: Sequence[str],
    environment: Mapping[str, str],
    errors: IO[bytes],
    forward: bool,
    most: int | None,
) -> dict[str, Any]:
    process = spawn(argv, env=environment, stderr=errors.fileno())
    ender = threading.Timer(LIMIT_SECONDS, process.kill)
    ender.start()
    try:
        found = bounded(process.stdout or (), forward, most)
        found["exit_status"] = 0 if found["full"] else process.wait()
    finally:
        ender.cancel()
        end_group(process)
    return found


def bounded(lines: Iterable[bytes], forward: bool, most: int | None = None) -> dict[str, Any]:
    """Return the entries in journalctl's JSON lines that fit.

    `forward` keeps the first and stops there (`full`); otherwise the last are kept, and no more
    than `most` of them: those before were not asked for, and count as nothing left out.
    """
    kept: deque[dict[str, Any]] = deque()
    size, left_out, cursor = 0, 0, None
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            continue  # journalctl itself speaks, as "-- No entries --" of old versions
        entry = _entry(data)
        kept.append(entry)
        cursor, size = data.get("__CURSOR"), size + len(entry["text"])
        if most is not None and len(kept) > most:
            size -= len(kept.popleft()["text"])
        while size > MOST_BYTES and not forward:
            size -= len(kept.popleft()["text"])
            left_out += 1
        if size > MOST_BYTES:
            break
    left_out = left_out if most is None else min(left_out, most - len(kept))
    full = size > MOST_BYTES
    return {"entries": list(kept), "cursor": cursor, "left_out": left_out, "full": full}


def _entry(data: dict[str, Any]) -> dict[str, Any]:
    name, pid = data.get("SYSLOG_IDENTIFIER"), data.get("_PID")
    return {
        "at": int(data.get("__REALTIME_TIMESTAMP", 0)) / 1e6,
        "source": f"{name}[{pid}]" if pid else str(name or ""),
        "text": shorten(_text(data.get("MESSAGE")), MOST_OF_ONE),
    }


def _text(message: Any) -> str:
    """Return a message; one that is not UTF-8 comes as a list of bytes."""
    if isinstance(message, list):
        numbers = [each for each in message if isinstance(each, int)]
        return bytes(numbers).decode("utf-8", "replace")
    return message if isinstance(message, str) else ""


def _raise_for(errors: IO[bytes], found: dict[str, Any]) -> None:
    errors.seek(0)
    said = errors.read(4096).decode("utf-8", "replace").strip()
    if any(sign in said for sign in _DENIED) and not found["entries"]:
        raise Failure(
            "journal_denied",
            "this user may not read the journal of the service",
            "add the user to the group systemd-journal on the host, and log in anew",
        )
    if found["exit_status"] != 0 and not found["entries"]:
        why = shorten(said.splitlines()[-1], 300) if said else f"exit status {found['exit_status']}"
        raise Failure(
            "journal_failed", f"journalctl: {why}", "check --since; else look at the host"
        )
