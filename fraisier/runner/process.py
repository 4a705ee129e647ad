"""One child process and its private folder, from before its work is known until both are gone."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fraisier.domain.errors import RunnerError
from fraisier.runner.containment import end_descendants
from fraisier.runner.folder import make_folder, write_private
from fraisier.runner.invocation import (
    INVENTORY,
    PLAYBOOK,
    REQUEST,
    Invocation,
    environment,
)

POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
STOPPED = (0, 143, -15)


class Process:
    """`ended` says how the run ended: done, cancelled, timeout, or broken until it has."""

    def __init__(
        self, folder: Path, process: subprocess.Popen[bytes], inventory: str | None
    ) -> None:
        self.folder = folder
        self.inventory = inventory
        self.ended = "broken"
        self._process = process

    @classmethod
    def start(cls, environ: Mapping[str, str], inventory: str | None = None) -> Process:
        """Start the child; Ansible loads in it and waits for its work.

        `inventory` is a team's own, which has to be known that early.
        """
        folder = make_folder()
        os.mkfifo(folder / REQUEST, 0o600)
        for name in ("ansible.cfg", INVENTORY, PLAYBOOK):
            write_private(folder / name, "")
        with open(folder / "child.log", "w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "fraisier.runner.child", str(folder), inventory or ""],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(folder, environ, inventory),
                cwd=folder,
                start_new_session=True,
            )
        return cls(folder, process, inventory)

    def begin(self, described: Invocation) -> None:
        """Hand over the work."""
        for name, text in described.files.items():
            write_private(self.folder / name, text)
        line = json.dumps({"ssh": described.connections, "request": described.request})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.close()
        except BrokenPipeError:
            raise RunnerError(
                self.why_broken() or "ansible-runner ended before it was told its work",
                "fraisier doctor checks the installation",
            ) from None

    def events(
        self, timeout: float, cancelled: Callable[[], bool]
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield ansible-runner's events in the groups they arrive in."""
        assert self._process.stdout is not None
        pipe, pending = self._process.stdout.fileno(), b""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while self.ended == "broken":
                if cancelled():
                    self.ended = "cancelled"
                elif time.monotonic() > deadline:
                    self.ended = "timeout"
                elif selector.select(POLL_SECONDS):
                    data = os.read(pipe, 1 << 20)
                    if not data:
                        break
                    *lines, pending = (pending + data).split(b"\n")
                    yield self._heard([json.loads(line) for line in lines])

    def _heard(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # with its statistics a playbook has said all it will say: what is left is cleaning up
        if any(message.get("event") == "playbook_on_stats" for message in messages):
            self.ended = "done"
        return messages

    def why_broken(self) -> str:
        """Return why the child ended before its run did; empty where it did not."""
        if self.ended != "broken":
            return ""
        try:
            if self._process.wait(STOP_SECONDS) in STOPPED:
                return ""
        except subprocess.TimeoutExpired:
            return "ansible-runner fell silent and did not end"
        said = (self.folder / "child.log").read_text().strip().splitlines() or ["it said nothing"]
        return f"ansible-runner ended with {self._process.returncode}: {said[-1]}"

    def end(self) -> None:
        """Leave nothing: the child ends its own tree; what it could not end, is ended here."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_descendants(str(self.folder))
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        shutil.rmtree(self.folder)
