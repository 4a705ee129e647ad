"""A server program of the tests: started in a folder of its own, stopped, killed, made to stall."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

START_SECONDS = 30
STOP_SECONDS = 30
STARTS = 3
PREFIX = "fraisier-daemon-"
MEMORY, MEMORY_BYTES = "/dev/shm", 4 << 30
#: Where Debian keeps server programs that are on nobody's PATH.
ELSEWHERE = ("/usr/sbin", *(str(p) for p in Path("/usr/lib/postgresql").glob("*/bin")))
#: Outlives a killed run of the tests just long enough to end its server and remove its folder.
WATCH = """read -r _ && exit
kill -s "$3" "$1"
for _ in 1 2 3 4 5 6; do kill -0 "$1" 2>/dev/null && sleep 0.5; done
kill -s KILL "$1" 2>/dev/null && sleep 1
rm -rf "$2"
"""


def program(name: str) -> str:
    """Return the path of a program, or fail with what to install."""
    path = os.pathsep.join([os.environ["PATH"], *ELSEWHERE])
    found = shutil.which(name, path=path)
    assert found, f"{name} is missing: run scripts/system-packages services"
    return found


class Daemon:
    """One server on a free port of 127.0.0.1; `user` runs it where the tests run as root.

    `argv(folder, port)` is its command, `ready(port)` tells whether it answers. Its folder is made
    in `place`, or in memory where there is room.
    """

    def __init__(
        self,
        argv: Callable[[Path, int], Sequence[str]],
        ready: Callable[[int], bool],
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        place: Path | None = None,
    ) -> None:
        self._argv, self._ready, self._stop_signal = argv, ready, stop_signal
        self.user = user if os.getuid() == 0 else None
        place = place or Path(_place())
        _remove_leftovers(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        if self.user:
            shutil.chown(self.folder, self.user)
        self._stop_word = stop_signal.name.removeprefix("SIG")
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    def run(self, argv: Sequence[str]) -> None:
        """Run a program to its end as the server's user, in its folder."""
        done = subprocess.run(
            argv, cwd=self.folder, user=self.user, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{argv[0]}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        """Start it and wait until it answers; a second start keeps the port."""
        for _ in range(STARTS):
            port = self.port or free_port()
            self._spawn(port)
            if self._answers(port):
                self.port = port
                return
            self.kill()
        raise AssertionError(f"{self._argv(self.folder, 0)[0]}: {self.log.read_text()[-3000:]}")

    @property
    def log(self) -> Path:
        """Return the file of what it said."""
        return self.folder / "daemon.log"

    def stop(self) -> None:
        """End it in order."""
        self._end(self._stop_signal)

    def kill(self) -> None:
        """End it and its children at once, as a power cut would."""
        for pid in self._tree():
            _send(pid, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End it in order and start it again on the same port and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Make it stall: its connections stay open and nothing answers."""
        for pid in self._tree():
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a stalled one go on."""
        for pid in self._tree():
            _send(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        self.resume()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, port: int) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._argv(self.folder, port),
                cwd=self.folder,
                user=self.user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(
            ["sh", "-c", WATCH, "watch", str(self.process.pid), str(self.folder), self._stop_word],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _answers(self, port: int) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if self._ready(port):
                return True
            time.sleep(0.02)
        return False

    def _end(self, number: signal.Signals) -> None:
        if self.process is None or self._watch is None:
            return
        self.process.send_signal(number)
        self.process.wait(STOP_SECONDS)
        self._watch.communicate(b"ended\n")
        self.process = self._watch = None

    def _tree(self) -> list[int]:
        if self.process is None:
            return []
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            children = []
        return [pid, *map(int, children)]


def _place() -> Path:
    """Return where the folders are: in memory, where this machine has it to spare."""
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
            return Path(MEMORY)
    return Path(tempfile.gettempdir())


def _remove_leftovers(place: Path) -> None:
    """Remove the folders of runs that were killed before their server began."""
    for folder in place.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
