# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""How a host feels to those who log in: its clock, its disk, and how long a shell takes."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sys
import time
from typing import Any, Protocol

from .commands import SYSTEM_PATH, User, collect, end_group, find_user, spawn
from .releases import Layout

SHELL_SECONDS = 15.0
_LARGEST = 2**63 - 1  # a network's file system may claim more


class Place(Protocol):
    """What has an application's folder in its layout."""

    @property
    def layout(self) -> Layout:
        """The paths of the application."""


#: A shell that takes so much longer with its files than without them is timed again.
_QUICK_SECONDS, _TRIES = 0.3, 3

#: What shells read when a command comes by SSH, by the shell's name; ~ is the user's home.
_READ = {
    "bash": ("~/.bashrc", "/etc/bash.bashrc", "/etc/bashrc"),
    "zsh": ("~/.zshenv", "/etc/zsh/zshenv", "/etc/zshenv"),
    "fish": ("~/.config/fish/config.fish", "~/.config/fish/conf.d", "/etc/fish/config.fish"),
}


def examine(site: Place, login: str | None) -> dict[str, Any]:
    """Return what doctor judges: `clock` (Unix seconds), `disk`, `shell`, `python`.

    `login` is the account that SSH logs in as; its shell is timed as sshd starts it, and without
    the files that shells read.
    """
    return {
        "clock": time.time(),
        "disk": disk(site.layout.app_path),
        "shell": shell(account(login)),
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def account(login: str | None) -> User:
    """Return the account that logged in, which sudo remembers."""
    name = login or os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return find_user(name)


def disk(path: str) -> dict[str, Any]:
    """Return the `path` that is there already and the bytes and files that fit there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    free = min(found.f_bavail * found.f_frsize, _LARGEST)
    files = min(found.f_favail, _LARGEST) if found.f_files else None
    return {"path": path, "bytes": free, "files": files}


def shell(user: User) -> dict[str, Any]:
    """Return the `seconds` that the account's shell takes, `bare` those without its `files`."""
    program = pwd.getpwnam(user.name).pw_shell or "/bin/sh"
    alone = {"HOME": "/nonexistent", "ZDOTDIR": "/nonexistent"}
    # bash on Debian reads its files when sshd has started it, which it sees by this variable
    as_sshd = {"HOME": user.home, "SSH_CLIENT": "127.0.0.1 22 22", "USER": user.name}
    names = _READ.get(os.path.basename(program), ())
    paths = [name.replace("~", user.home, 1) for name in names]
    for _ in range(_TRIES):  # a busy host is slow for a moment, and its files are not to blame
        bare, seconds = (_seconds(program, user, each) for each in (alone, as_sshd))
        if bare is None or seconds is None or seconds - bare < _QUICK_SECONDS:
            break
    return {
        "program": program,
        "seconds": seconds,
        "bare": bare,
        "files": [path for path in paths if os.path.exists(path)],
    }


def _seconds(program: str, user: User, environment: dict[str, str]) -> float | None:
    """Return how long a shell takes to do nothing; None when it does not end."""
    if shutil.which(program) is None:
        return None
    ours, theirs = socket.socketpair()  # other bashes look whether their input is a socket
    with ours, theirs:
        started = time.monotonic()
        process = spawn(
            [program, "-c", ":"],
            env={"PATH": SYSTEM_PATH, "SHELL": program, "LOGNAME": user.name, **environment},
            cwd="/",
            user=user,
            stdin=theirs.fileno(),
        )
        try:
            finished = collect(process, SHELL_SECONDS)
            return None if finished.timed_out else round(time.monotonic() - started, 3)
        finally:
            end_group(process)
