# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Running other programs: argument lists, a user, a time limit, bounded output, no survivors."""

from __future__ import annotations

import json
import os
import pwd
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from . import scopes
from .failure import Failure
from .redaction import cut_ends

HALF = 32 * 1024  # bytes kept of the beginning and of the end of a command's output
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class User:
    """An account of the host, as the password database has it."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Finished:
    """A command that ended: `code` is its exit status, -1 when its time ran out."""

    code: int
    output: str
    timed_out: bool = False


def find_user(name: str) -> User:
    """Return an account by name, or raise Failure `user_missing`."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise Failure(
            "user_missing",
            f'there is no user "{name}" on the host',
            f"create it (useradd --system {name}), or name another service_user",
        ) from None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def user_of(uid: int) -> User | None:
    """Return an account by number; None when the password database has none."""
    try:
        return find_user(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return None


def as_user(user: User, work: Callable[[], Any]) -> None:
    """Do file work as another account, in a child: root never follows what that account made."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os._exit(_child(user, work, writing))
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    _pid, status = os.waitpid(child, 0)
    if status:
        number, message, name = json.loads(said or '[null, "it was killed", null]')
        raise OSError(number, message, name)


def _child(user: User, work: Callable[[], Any], pipe: int) -> int:
    try:
        os.umask(0o022)
        _become(user)
        work()
    except OSError as error:
        os.write(pipe, json.dumps([error.errno, error.strerror, str(error.filename)]).encode())
        return 1
    except BaseException as error:
        os.write(pipe, json.dumps([None, repr(error), None]).encode())
        return 1
    return 0


def _become(user: User) -> None:
    if user.uid != os.geteuid():
        os.initgroups(user.name, user.gid)
        os.setgid(user.gid)
        os.setuid(user.uid)


class Bounded:
    """Bytes of which the first and the last HALF are kept."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        """Take more output."""
        room = HALF - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[max(room, 0) :]
        if len(self._tail) > HALF:
            self._dropped += len(self._tail) - HALF
            self._tail = self._tail[-HALF:]

    def text(self) -> str:
        """Return what was kept, with a mark where something is missing, and no part of a secret."""
        if not self._dropped:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = cut_ends(self._head, self._tail)
        gone = self._dropped + len(self._head) + len(self._tail) - len(head) - len(tail)
        gap = f"\n[... {gone} bytes left out ...]\n".encode()
        return (head + gap + tail).decode("utf-8", "replace")


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    user: User | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.STDOUT,
    pass_fds: Sequence[int] = (),
    scope: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program as the leader of a process group, as `user` when that is another account.

    It inherits the descriptors `pass_fds`. `scope`: systemd's scope that is made for it.
    """

    def own_group_as_user() -> None:
        os.setpgid(0, 0)
        if scope is not None:
            scopes.enter(scope)
        os.umask(0o022)
        if user is not None:
            _become(user)

    return subprocess.Popen(
        list(argv), env=dict(env), cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr,
        pass_fds=pass_fds, preexec_fn=own_group_as_user,
    )  # fmt: skip


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    cwd: str | None = None,
    user: User | None = None,
    pass_fds: Sequence[int] = (),
) -> Finished:
    """Run a program to its end or its time limit; what it leaves running is ended with it."""
    try:
        process = spawn(argv, env=env, cwd=cwd, user=user, pass_fds=pass_fds)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        return Finished(127, f"{argv[0]}: {error.strerror}")
    try:
        return collect(process, timeout)
    finally:
        end_group(process)


def collect(
    process: subprocess.Popen[bytes], timeout: float, look: Callable[[], None] = lambda: None
) -> Finished:
    """Read a process's output until it ends or `timeout` seconds are over.

    `look` is called again and again meanwhile; what it raises ends the reading.
    """
    output, limit = Bounded(), time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        over = False  # what it wrote last is looked for after its end was seen
        while True:
            left = limit - time.monotonic()
            if left <= 0:
                return Finished(-1, output.text(), timed_out=True)
            look()
            if selector.select(min(left, 0.1)):
                chunk = os.read(process.stdout.fileno(), 65536)  # type: ignore[union-attr]
                if not chunk:
                    break
                output.add(chunk)
            elif over:
                break
            over = process.poll() is not None
    try:
        return Finished(process.wait(max(0.0, limit - time.monotonic())), output.text())
    except subprocess.TimeoutExpired:
        return Finished(-1, output.text(), timed_out=True)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process's group and reap the process."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
