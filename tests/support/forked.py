"""Commands of Fraisier as forks of one process that has loaded it already.

Most of what a short command takes is loading Python modules, and the tests run thousands of them.
Here each is a process with a folder, an environment, pipes and an exit code of its own, but made by
a fork and not by an exec. What tests start in the background, and what documents say, is executed.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.loaded import NUMBER

#: What is read while Python or a module is loaded: where one differs the command is executed.
AT_LOADING = ("FRAISIER_FAILPOINT", "PYTHON", "LANG", "LC_", "TZ")
OURS = ("FRAISIER_", "ANSIBLE_")
#: What there is on the machine, its hosts included, when a command does not end.
PROCESSES = ("ps", "-eww", "--forest", "-o", "pid,ppid,stat,wchan:20,etimes,time,args")
_lock = threading.Lock()
_running: socket.socket | None = None


def can_be_forked(environment: Mapping[str, str]) -> bool:
    """Say whether a command with that environment behaves the same as a fork."""
    names = {name for name in (*environment, *os.environ) if name.startswith(AT_LOADING)}
    return all(environment.get(name) == os.environ.get(name) for name in names)


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `fraisier` with arguments to its end; fail where it takes longer, and show what runs."""
    request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
    pipes = [os.pipe() for _ in range(3)]
    heard = {reader: b"" for reader, _ in pipes}
    try:
        try:
            socket.send_fds(_loaded(), [request], [writer for _, writer in pipes])
        finally:
            for _, writer in pipes:
                os.close(writer)
        in_time = _hear(heard, time.monotonic() + seconds)
    finally:
        for reader, _ in pipes:
            os.close(reader)
    out, err, told = heard.values()
    pid, *code = [number for (number,) in NUMBER.iter_unpack(told)]
    if not in_time:
        processes = subprocess.run(PROCESSES, capture_output=True, text=True, check=True).stdout
        os.kill(pid, signal.SIGKILL)
        said = f"{_text(out)}{_text(err)}\n{processes}"
        raise AssertionError(f"{pid} ({arguments}) did not end within {seconds} s:\n{said}")
    return subprocess.CompletedProcess(list(arguments), code[0], _text(out), _text(err))


def _hear(heard: dict[int, bytes], deadline: float) -> bool:
    """Read all pipes to their ends; False where that takes too long."""
    with selectors.DefaultSelector() as selector:
        for reader in heard:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                heard[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
    return True


def _text(data: bytes) -> str:
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def _loaded() -> socket.socket:
    """Return the way to the process that has loaded Fraisier; it ends with this one."""
    global _running
    with _lock:
        if _running is None:
            _running, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with there:
                loaded = subprocess.Popen(
                    [sys.executable, "-m", "support.loaded", str(there.fileno())],
                    cwd=Path(__file__).parents[1],
                    env={k: v for k, v in os.environ.items() if not k.startswith(OURS)},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[there.fileno()],
                )
            atexit.register(_end, _running, loaded)
        return _running


def _end(running: socket.socket, loaded: subprocess.Popen[bytes]) -> None:
    running.close()
    loaded.wait()
