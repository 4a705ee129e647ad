"""The side of the fork server that asks it: runs that are forked instead of executed.

A process that runs Ansible often (`fraisier serve`, a worker) calls `warm_up` once. From then on
its runs are forks of a process that has Ansible loaded; see `fraisier.runner.fork_server`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from fraisier.runner.containment import BLANK
from fraisier.runner.folder import make_folder
from fraisier.runner.fork_server import LARGEST, NUMBER
from fraisier.runner.invocation import environment

#: What the end of a launcher comes to whose fork server was ended before it could tell.
UNTOLD = -signal.SIGKILL
START_SECONDS = 30.0
STOP_SECONDS = 5.0
_lock = threading.Lock()
_server: ForkServer | None = None


def warm_up(environ: Mapping[str, str] = os.environ) -> None:
    """Load Ansible in a process of its own, once; raise OSError where that cannot be started."""
    global _server
    with _lock:
        if _server is None:
            _server = ForkServer(environ)
            atexit.register(cool_down)


def cool_down() -> None:
    """End that process, and what it launched."""
    global _server
    with _lock:
        atexit.unregister(cool_down)
        if _server is not None:
            _server.close()
            _server = None


def fork(
    told: Sequence[str], environ: Mapping[str, str], errors: int, leash: int
) -> Launcher | None:
    """Launch a run as a fork; None where there is no fork server, or no longer."""
    with _lock:
        if _server is None:
            return None
        with contextlib.suppress(ConnectionError):
            return _server.launch(told, environ, errors, leash)
    cool_down()
    return None


class ForkServer:
    """A process that has Ansible loaded and forks launchers; it ends with this process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._owner = os.getpid()
        self._folder = make_folder()
        self._requests, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with there:
                self._process = self._start(there.fileno(), environ)
        except OSError:
            self._requests.close()
            self._folder.wipe()
            raise

    def _start(self, requests: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with open(self._folder.path / "server.log", "w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fraisier.runner.fork_server", str(requests)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment(self._folder.path, environ), "FRAISIER_RUN": BLANK},
                cwd=self._folder.path,
                start_new_session=True,
                pass_fds=[requests],
            )

    def launch(
        self, told: Sequence[str], environ: Mapping[str, str], errors: int, leash: int
    ) -> Launcher:
        """Ask for a launcher; raise ConnectionError where the server is gone, or OSError."""
        request = json.dumps({"told": list(told), "environment": dict(environ)}).encode()
        assert len(request) <= LARGEST
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            hears, end = os.pipe()
            theirs.callback(os.close, hears)
            stdin = ours.enter_context(os.fdopen(end, "wb"))
            end, says = os.pipe()
            theirs.callback(os.close, says)
            stdout = ours.enter_context(os.fdopen(end, "rb"))
            told_here, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            theirs.enter_context(tells)
            ours.enter_context(told_here)
            given = [hears, says, errors, leash, tells.fileno()]
            socket.send_fds(self._requests, [request], given)
            ours.pop_all()
        return Launcher(told_here, stdin, stdout)

    def close(self) -> None:
        """End it, and with it what it launched; in a fork of its owner only let go of it."""
        if os.getpid() != self._owner:
            self._requests.close()
            return
        self._folder.disown()
        self._requests.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.wipe()


class Launcher:
    """A launcher that was forked, in the way subprocess.Popen shows one that was executed."""

    def __init__(self, told: socket.socket, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.stdin, self.stdout = stdin, stdout
        self._told = told
        self._pidfd = -1
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """The launcher's process number; 0 where it was never started."""
        return self._pid if self._begun() else 0

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise subprocess.TimeoutExpired where it does not end in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._code is None and not self._begun():
            self._code = UNTOLD
        if self._code is None:
            self._heard(self._told.fileno(), deadline, timeout)
            data = self._told.recv(NUMBER.size)
            if not data:  # the server was ended, and the kernel ends what it launched
                self._heard(self._pidfd, deadline, timeout)
            self._code = NUMBER.unpack(data)[0] if data else UNTOLD
            self._told.close()
            os.close(self._pidfd)
        return self._code

    def terminate(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._code is None and self._begun():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _begun(self) -> bool:
        """Wait until it has been forked; False where the server ended before that."""
        if self._pidfd < 0 and self._code is None:
            self._told.settimeout(START_SECONDS)
            data, given = b"", [-1]
            with contextlib.suppress(TimeoutError):
                data, given, _, _ = socket.recv_fds(self._told, NUMBER.size, 1)
            self._told.settimeout(None)
            if not data:
                self._code = UNTOLD
                self._told.close()
                return False
            (self._pid,), (self._pidfd,) = NUMBER.unpack(data), given
        return self._pidfd >= 0

    def _heard(self, descriptor: int, deadline: float | None, timeout: float | None) -> None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(left):
            raise subprocess.TimeoutExpired(["fraisier.runner.child"], timeout or 0.0)
