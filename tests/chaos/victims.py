"""The processes of Fraisier that a round kills, and those that recover after them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

import requests

from chaos.target import ASKER, Target
from support.server import free_port

#: Keeps a namespace's first process alive beside its worker: the kernel lets no signal of its own
#: namespace kill that one.
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
START_SECONDS = 60.0
WORKERS = ("worker", "machine")
#: How a process says that SIGKILL ended it, and how a shell does that had waited for one.
KILLED = (-9, 137)
_numbers = count(1)


class Victim:
    """A process of one of these kinds, working on one target.

    `worker`; `machine`, a worker in a PID namespace of its own, of which others cannot see whether
    it lives; `serve`, with `secret` for its API; `command`, one `fraisier deploy` by itself.
    """

    def __init__(
        self,
        target: Target,
        kind: str,
        failpoint: str | None = None,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.target, self.kind, self.failpoint = target, kind, failpoint
        self.url = f"http://127.0.0.1:{free_port()}" if kind == "serve" else ""
        self.died_at: int | None = None
        self.name = f"{kind}-{next(_numbers)}"
        self._log: IO[bytes] = (target.folder / f"{kind}.log").open("ab")
        self.process = subprocess.Popen(
            self._argv(arguments),
            cwd=target.folder,
            env={**target.environ(failpoint), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _argv(self, arguments: tuple[str, ...]) -> list[str]:
        match self.kind:
            case "command":
                return self.target.argv(*arguments)
            case "serve":
                bind = self.url.removeprefix("http://")
                return self.target.argv("serve", "--bind", bind, "--concurrency", "1")
        worker = self.target.argv("worker", "--concurrency", "1", "--name", self.name)
        return worker if self.kind == "worker" else [*NAMESPACE, f"{' '.join(worker)}; exit $?"]

    @property
    def alive(self) -> bool:
        """True while it lives. Notes when it was first seen dead."""
        if self.process.poll() is None:
            return True
        if self.died_at is None:
            self.died_at = time.time_ns() // 1000
        return False

    @property
    def killed(self) -> bool:
        """True where it died by SIGKILL, and did not just end."""
        return self.process.poll() in KILLED

    def is_worker(self, pid: int | None, name: str | None) -> bool:
        """True where a worker's row, by its name or its process, is this process."""
        return name == self.name if self.kind in WORKERS else pid == self.process.pid

    def kill(self) -> None:
        """Kill it and wait for it; its children are left to whoever ends them."""
        self._end([self.process.pid])

    def kill_tree(self) -> None:
        """Kill it with everything below it, as the kernel does with a control group."""
        self._end([self.process.pid, *_below(self.process.pid)])

    def stop(self) -> None:
        """Make it stall, alone: what it had started goes on."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, if it still lives."""
        if self.alive:
            self.kill()
        self._log.close()

    def ready(self) -> bool:
        """Wait until its API answers; False where it died first."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.alive:
            with suppress(requests.RequestException):
                if requests.get(f"{self.url}/health/ready", timeout=2).status_code == 200:
                    return True
            time.sleep(0.1)
        return False

    def post(self, secret: str, path: str, body: Any = None, key: str = "") -> Any:
        """Send a request to its API; None where it died before it answered."""
        headers = {"Authorization": f"Bearer {secret}"}
        headers |= {"Idempotency-Key": key} if key else {}
        try:
            answer = requests.post(
                f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=60
            )
        except requests.RequestException:
            return None
        if answer.status_code >= 500:
            return None
        assert answer.ok, answer.text
        return answer.json()

    def _end(self, pids: list[int]) -> None:
        self.died_at = time.time_ns() // 1000
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)


def secret_for(target: Target) -> str:
    """Return a token of a target's server."""
    from fraisier.domain.token import Scope

    return target.application.tokens.create("chaos", Scope.ADMIN, None, ASKER)[1]


def _below(root: int) -> list[int]:
    found, queue = [], [root]
    while queue:
        path = Path(f"/proc/{queue.pop()}/task")
        with suppress(OSError):
            for task in path.iterdir():
                children = [int(pid) for pid in (task / "children").read_text().split()]
                found += children
                queue += children
    return found
