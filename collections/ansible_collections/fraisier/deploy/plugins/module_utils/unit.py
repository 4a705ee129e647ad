# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The text of the systemd unit that Fraisier writes for a service."""

from __future__ import annotations

import os
import re
from typing import Sequence

MARK = "# Written by Fraisier"
UNIT_NAME = re.compile(r"[A-Za-z0-9:_.@][A-Za-z0-9:_.@-]{0,199}\.service\Z")
_NEEDS_QUOTES = re.compile(r"[\s;\"'\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_TEXT = """\
{mark}: the next deployment replaces it. Deploy to change it; put your own settings in a drop-in.
[Unit]
Description={description}
After=network.target

[Service]
Type=exec
{user}WorkingDirectory={current}
EnvironmentFile={environment}
ExecStart=:{command}
Restart=on-failure
RestartSec=1
TimeoutStopSec=30

[Install]
WantedBy={target}
"""

#: A time as OnCalendar has it, on one line and without what could end the line.
SCHEDULE = re.compile(r"[A-Za-z0-9*][A-Za-z0-9 ,.:*/~_+-]{0,199}\Z")

_JOB = """\
{mark}: the next deployment replaces it. Deploy to change it; put your own settings in a drop-in.
[Unit]
Description={description}
After=network.target

[Service]
Type=oneshot
{user}WorkingDirectory={current}
EnvironmentFile={environment}
ExecStartPre=+:/bin/sh -c {begin} {state}
ExecStart=:{command}
ExecStopPost=+:/bin/sh -c {end} {state}
TimeoutStartSec={seconds:g}
"""
#: A run of a job leaves in the state folder when it began, and at its end how it ended.
RUN_BEGAN, RUN_ENDED = "run.began", "run.ended"
_BEGIN = f'date +%s.%N > "$0/{RUN_BEGAN}"'
_END = (
    f'cd "$0" && echo "$(cat {RUN_BEGAN}) $(date +%s.%N) $SERVICE_RESULT $EXIT_STATUS" > run.new'
    f" && mv run.new {RUN_ENDED}"
)


def render(
    *, description: str, user: str | None, current: str, environment: str, command: Sequence[str]
) -> str:
    """Return a unit. `current` is the folder it runs in, `environment` its environment file.

    Without a `user` it is a unit for a user's own systemd.

    `command` is an argument list: a first word without a slash is looked up on PATH, a relative
    one under `current`. No variable is expanded in it. Raises ValueError for a NUL character.
    """
    return _TEXT.format(
        mark=MARK,
        description=specifiers(_CONTROL.sub(" ", description)),
        user=f"User={user}\n" if user else "",
        target="multi-user.target" if user else "default.target",
        current=specifiers(current),
        environment=specifiers(environment),
        command=" ".join(word(argument) for argument in absolute(command, current)),
    )


def render_job(
    *, description: str, user: str | None, current: str, environment: str, command: Sequence[str],
    seconds: float,
) -> str:  # fmt: skip
    """Return the unit of a job, as `render` does; a run of it may take so many `seconds`."""
    return _JOB.format(
        mark=MARK,
        description=specifiers(_CONTROL.sub(" ", description)),
        user=f"User={user}\n" if user else "",
        current=specifiers(current),
        environment=specifiers(environment),
        command=" ".join(word(argument) for argument in absolute(command, current)),
        begin=word(_BEGIN),
        end=word(_END),
        state=word(os.path.dirname(environment)),
        seconds=seconds,
    )


def absolute(command: Sequence[str], current: str) -> list[str]:
    """Return a command whose program is an absolute path, as systemd wants it."""
    program, arguments = command[0], list(command[1:])
    if program.startswith("/"):
        return [program, *arguments]
    if "/" in program:
        return [f"{current}/{program[2:] if program.startswith('./') else program}", *arguments]
    return ["/usr/bin/env", program, *arguments]


def word(argument: str) -> str:
    """Quote one argument for ExecStart."""
    if "\0" in argument:
        raise ValueError("an argument of exec holds a NUL character")
    text = specifiers(argument)
    if text and not _NEEDS_QUOTES.search(text) and not _CONTROL.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", escaped) + '"'


def specifiers(text: str) -> str:
    """Keep systemd from reading a percent sign as a specifier."""
    return text.replace("%", "%%")


def is_ours(text: str) -> bool:
    """True for a unit that Fraisier wrote."""
    return text.startswith(MARK)
