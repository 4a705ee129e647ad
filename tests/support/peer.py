"""A process with a bell on NATS, for tests: it rings when told to, and says when it hears.

`python -m support.peer URL…`: a line on standard input rings; each ring heard from elsewhere is a
line on standard output with the clock's time (CLOCK_MONOTONIC is the same in every process). The
line `?` is answered with whether it is connected, and with how many threads there are.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


class Peer:
    """Such a process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._heard: list[float] = []
        self._answers: list[str] = []
        self._answered = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def connected(self) -> bool:
        """True while it is connected."""
        return self._asked()[0] == "True"

    @property
    def threads(self) -> int:
        """Return how many threads it has."""
        return int(self._asked()[1])

    def heard_since(self, moment: float) -> list[float]:
        """Return when it heard rings from elsewhere after a moment."""
        return [at for at in list(self._heard) if at > moment]

    def ring(self, times: int = 1) -> float:
        """Have it ring and return the moment before."""
        before = time.monotonic()
        self._say("ring\n" * times)
        return before

    def close(self) -> None:
        """End it in order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0
        self._listener.join()
        self._process.stdout.close()

    def _asked(self) -> list[str]:
        with self._answered:
            self._say("?\n")
            assert self._answered.wait_for(lambda: self._answers, 10), "no answer"
            return self._answers.pop().split()

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("heard"):
                self._heard.append(float(line.split()[1]))
            else:
                with self._answered:
                    self._answers.append(line)
                    self._answered.notify()


@contextmanager
def peer(log: Path, *urls: str) -> Iterator[Peer]:
    """Run such a process; what it says on standard error goes to a file."""
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.peer", *urls],
            cwd=TESTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        found = Peer(process)
        try:
            yield found
        finally:
            found.close()


def main(urls: Sequence[str]) -> None:
    """Be such a process until standard input ends."""
    import logging

    from fraisier.engine.bell import Bell
    from fraisier.nats import Connection, Wakeups

    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)

    class Loud(Bell):
        """Says what it hears."""

        def hear(self) -> None:
            """Hear a ring from elsewhere."""
            print("heard", time.monotonic(), flush=True)

        def ring(self) -> None:
            """Tell the others only: what is heard is then from elsewhere."""
            for tell in self._listeners:
                tell()

    bell = Loud()
    wakeups = Wakeups(bell)
    connection = Connection(urls, "a peer of the tests", [wakeups])
    wakeups.listen_on(connection)
    connection.start()
    for line in sys.stdin:
        if line == "?\n":
            print(connection.connected, threading.active_count(), flush=True)
        else:
            bell.ring()
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
