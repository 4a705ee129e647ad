"""Commands of Fraisier as forks of one process that has loaded it already.

Most of what a short command takes is loading Python modules, and the tests run thousands of them.
Here each is a process with a folder, an environment, pipes and an exit code of its own, but made by
a fork and not by an exec. What documents say, and what is killed, is executed.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from support.loaded import NUMBER

#: What is read while Python or a module is loaded: where one differs the command is executed.
AT_LOADING = ("FRAISIER_FAILPOINT", "PYTHON", "LANG", "LC_", "TZ")
OURS = ("FRAISIER_", "ANSIBLE_")
#: What there is on the machine, its hosts included, when a command does not end.
PROCESSES = ("ps", "-eww", "--forest", "-o", "pid,ppid,stat,wchan:20,etimes,time,args")
_lock = threading.Lock()
_running: socket.socket | None = None
_process: subprocess.Popen[bytes] | None = None
#: What the process says of itself: nothing, unless it fails.
_log = Path(tempfile.gettempdir()) / f"fraisier-loaded-{os.getpid()}.log"


def can_be_forked(environment: Mapping[str, str]) -> bool:
    """Say whether a command with that environment behaves the same as a fork."""
    names = {name for name in (*environment, *os.environ) if name.startswith(AT_LOADING)}
    return all(environment.get(name) == os.environ.get(name) for name in names)


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `fraisier` with arguments to its end; fail where it takes longer, and show what runs."""
    command = Command(arguments, folder, environment)
    try:
        out, err = command.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        processes = subprocess.run(PROCESSES, capture_output=True, text=True, check=True).stdout
        command.kill()
        out, err = command.communicate()
        what = f"{command.pid} ({arguments}) did not end within {seconds} s"
        raise AssertionError(f"{what}:\n{out}{err}\n{processes}") from None
    return subprocess.CompletedProcess(command.args, command.wait(), out, err)


class Command:
    """A command that runs as a fork, with the interface of subprocess.Popen.

    What it prints goes to `output`, a file, or to `stdout` and `stderr`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: IO[bytes] | None = None,
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        self._readers: list[_Reader] = []
        with ExitStack() as theirs:
            if output is None:
                (self.stdout, out), (self.stderr, err) = _pipe(theirs), _pipe(theirs)
            else:
                out = err = output.fileno()
            self._told, tell = os.pipe()
            theirs.callback(os.close, tell)
            request = json.dumps([self.args, str(folder), dict(environment)]).encode()
            socket.send_fds(loaded_process(), [request], [out, err, tell])
        self.pid = self._number()
        assert self.pid is not None, _why_it_ended()

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise TimeoutExpired where it does not end in time."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it printed, at its end; raise TimeoutExpired as `wait`."""
        if not self._readers:
            assert self.stdout is not None
            assert self.stderr is not None
            self._readers = [_Reader(self.stdout), _Reader(self.stderr)]
        deadline = None if timeout is None else time.monotonic() + timeout
        for reader in self._readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(_left(deadline))
        out, err = self._readers
        return out.text, err.text

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int | None:
        data = os.read(self._told, NUMBER.size)
        return int(NUMBER.unpack(data)[0]) if data else None

    def _ended(self) -> None:
        code = self._number()
        self.returncode = -signal.SIGKILL if code is None else code
        os.close(self._told)


class _Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, source: IO[str]) -> None:
        super().__init__(daemon=True)
        self._source = source
        self.text = ""
        self.start()

    def run(self) -> None:
        with self._source:
            self.text = self._source.read()


def _pipe(theirs: ExitStack) -> tuple[IO[str], int]:
    reader, writer = os.pipe()
    theirs.callback(os.close, writer)
    return os.fdopen(reader, encoding="utf-8"), writer


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def loaded_process() -> socket.socket:
    """Return the way to a process that has loaded Fraisier; it ends with this one."""
    global _running, _process
    with _lock:
        if _running is not None and _process is not None and _process.poll() is not None:
            _running.close()
            _running = None  # the next test has a new one
            raise AssertionError(f"a test has killed what it did not start: {_why_it_ended()}")
        if _running is None:
            _running, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with there, _log.open("ab") as log:
                _process = subprocess.Popen(
                    [sys.executable, "-m", "support.loaded", str(there.fileno())],
                    cwd=Path(__file__).parents[1],
                    env={k: v for k, v in os.environ.items() if not k.startswith(OURS)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[there.fileno()],
                )
            atexit.register(_end, _process)
        return _running


def _why_it_ended() -> str:
    code = _process.wait() if _process else None
    return f"the process that forks commands has ended ({code}): {_log.read_text()}"


def _end(process: subprocess.Popen[bytes]) -> None:
    if _running is not None and process is _process:
        _running.close()
    process.wait()
    _log.unlink(missing_ok=True)
