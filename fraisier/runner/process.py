"""One child process and its private folder, from before its work is known until both are gone."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fraisier.domain.errors import RunnerError
from fraisier.runner.containment import anywhere, become_subreaper, collect_session, end_marked
from fraisier.runner.folder import Folder, make_folder, write_private
from fraisier.runner.forking import Launcher
from fraisier.runner.invocation import Invocation
from fraisier.runner.launch import launch, no_start, why_ended
from fraisier.runner.leash import Leash
from fraisier.runner.mechanism import SUBREAPER

POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
#: Numbers of more digits are read as text.
DIGITS = 30
UNREADABLE = {"event": "error", "stdout": "an event of Ansible's could not be read"}


class Process:
    """`ended` says how the run ended: done, cancelled, timeout, or broken until it has."""

    def __init__(
        self,
        folder: Folder,
        process: subprocess.Popen[bytes] | Launcher,
        leash: Leash,
        inventory: str | None,
        mechanism: str,
    ) -> None:
        self.folder = folder.path
        self.inventory = inventory
        self.mechanism = mechanism
        self.ended = "broken"
        self._private = folder
        self._process = process
        self._leash = leash

    @classmethod
    def start(
        cls,
        environ: Mapping[str, str],
        inventory: str | None = None,
        mechanism: str = "auto",
    ) -> Process:
        """Start the child; Ansible loads in it and waits for its work.

        `inventory` is a team's own, which has to be known that early. Raises RunnerError where it
        cannot be started.
        """
        if mechanism == SUBREAPER:
            become_subreaper()
        try:
            folder = make_folder()
        except OSError as error:
            raise no_start(error) from None
        leash = Leash()
        try:
            process = launch(folder.path, environ, inventory, mechanism, leash)
        except OSError as error:
            leash.close()
            folder.wipe()
            raise no_start(error) from None
        finally:
            leash.handed_over()
        return cls(folder, process, leash, inventory, mechanism)

    def watch(self, until: float) -> None:
        """Let the run go on until then (CLOCK_BOOTTIME); called once, it ends unless called on."""
        self._leash.beat(until)

    def begin(self, described: Invocation) -> None:
        """Hand over the work; raise RunnerError where that is not possible."""
        line = json.dumps({"ssh": described.connections, "request": described.request})
        assert self._process.stdin is not None
        try:
            for name, text in described.files.items():
                write_private(self.folder / name, text)
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.close()
        except BrokenPipeError:
            raise RunnerError(
                self.why_broken() or "ansible-runner ended before it was told its work",
                "fraisier doctor checks the installation",
            ) from None
        except OSError as error:
            raise no_start(error) from None

    def events(
        self, timeout: float, cancelled: Callable[[], bool], until: Callable[[], float]
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield ansible-runner's events in the groups they arrive in.

        Each turn of the loop lets the run go on `until()`.
        """
        assert self._process.stdout is not None
        pipe, pending = self._process.stdout.fileno(), b""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while self.ended == "broken":
                self.watch(until())
                if cancelled():
                    self.ended = "cancelled"
                elif time.monotonic() > deadline:
                    self.ended = "timeout"
                elif selector.select(POLL_SECONDS):
                    data = os.read(pipe, 1 << 20)
                    if not data:
                        break
                    *lines, pending = (pending + data).split(b"\n")
                    yield self._heard([read(line) for line in lines])

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
            return why_ended(self._process.wait(STOP_SECONDS), self.folder)
        except subprocess.TimeoutExpired:
            return "ansible-runner fell silent and did not end"

    def end(self) -> None:
        """Leave nothing: the child ends its own tree; what it could not end, is ended here."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_marked(str(self.folder), anywhere)
        collect_session(self._process.pid)
        self._leash.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):  # what it was not told is still in it
                    pipe.close()
        self._private.wipe()


def read(line: bytes) -> dict[str, Any]:
    """Return an event; in its place a remark where it cannot be read. A host chose a part of it."""
    try:
        found = json.loads(line, parse_constant=str, parse_int=_number)
    except (ValueError, RecursionError):
        return UNREADABLE
    return found if isinstance(found, dict) else UNREADABLE


def _number(digits: str) -> int | str:
    return int(digits) if len(digits) <= DIGITS else digits
