"""The runner: one piece of work becomes one run of ansible-runner in a process of its own."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fraisier.domain.errors import RunnerError
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.domain.secret import Secret
from fraisier.runner.containment import become_subreaper, end_descendants
from fraisier.runner.folder import private_folder, write_private
from fraisier.runner.invocation import Invocation, invocation
from fraisier.runner.redaction import Redactor
from fraisier.runner.translation import Translation

POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
Resolver = Callable[[Mapping[str, Any]], Mapping[str, Secret]]


class AnsibleRunner:
    """Runs playbooks. `resolve` turns references into secrets, as late as that can be."""

    def __init__(self, resolve: Resolver, environ: Mapping[str, str] = os.environ) -> None:
        self._resolve = resolve
        self._environ = environ

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Run the work to its end, or end it when cancelled or out of time; raise RunnerError."""
        secrets = self._resolve(work.secrets)
        redactor = Redactor(secrets.values())
        become_subreaper()
        with private_folder() as folder:
            described = invocation(work, secrets, folder, self._environ)
            _write(folder, described)
            run = _Run(folder, described, work.timeout, cancelled)
            translation = Translation(work)
            try:
                for messages in run.batches():
                    events = [redactor.data(m["event"]) for m in messages if "event" in m]
                    facts = [fact for event in events for fact in translation.facts(event)]
                    if facts:
                        on_facts(facts)
            finally:
                run.end()
            return translation.outcome(run.ended)


class _Run:
    """One child process and what it says, until it ends or is told to."""

    def __init__(
        self, folder: Path, described: Invocation, timeout: float, cancelled: Callable[[], bool]
    ) -> None:
        self.ended = "broken"
        self._folder = folder
        self._deadline = time.monotonic() + timeout
        self._cancelled = cancelled
        self._errors = folder / "child.log"
        with open(self._errors, "w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fraisier.runner.child", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(described.environment),
                cwd=folder,
                start_new_session=True,
            )

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Yield what the child says, in the groups it arrives in."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while self._may_go_on():
                if not selector.select(POLL_SECONDS):
                    continue
                data = os.read(pipe, 1 << 20)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                messages = [json.loads(line) for line in lines]
                self._note_end(messages)
                yield messages

    def _note_end(self, messages: Sequence[Mapping[str, Any]]) -> None:
        ends = [message["end"] for message in messages if "end" in message]
        # 0 done, 2 hosts failed, 4 hosts unreachable: in each the hosts have told their story
        if ends and ends[-1]["rc"] in (0, 2, 4) and self.ended == "broken":
            self.ended = "done"

    def _may_go_on(self) -> bool:
        now = time.monotonic()
        if self.ended in ("cancelled", "timeout"):
            return now < self._deadline
        stop = "cancelled" if self._cancelled() else "timeout" if now > self._deadline else None
        if stop and self.ended == "broken" and self._process.poll() is None:
            self.ended = stop
            self._deadline = now + STOP_SECONDS
            self._process.terminate()
        return True

    def end(self) -> None:
        """Leave nothing running: the child ends its own tree; what it could not, is ended here."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_descendants(str(self._folder))
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._process.returncode not in (0, 143, -15) and self.ended == "broken":
            said = self._errors.read_text().strip().splitlines()
            raise RunnerError(
                f"ansible-runner ended with {self._process.returncode}: {(said or ['?'])[-1]}",
                "fraisier doctor checks the installation",
            )


def _write(folder: Path, described: Invocation) -> None:
    for name in ("project", "ssh", "tmp", "home"):
        (folder / name).mkdir(mode=0o700)
    for name, text in described.files.items():
        write_private(folder / name, text)
    write_private(folder / "arguments.json", json.dumps(dict(described.arguments)))
