"""Lanes: targets side by side, each with one job after the other, and the file of evidence."""

from __future__ import annotations

import json
import random
import threading
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chaos.cycle import Cycle
from chaos.evidence import sweep_of
from chaos.figures import is_cancelled, read
from chaos.jobs import AROUND, CANCEL, Job
from chaos.judge import Verdict, judge
from chaos.target import Target
from chaos.victims import Victim, secret_for

#: How often a job is tried whose deployment ends before it is struck.
TRIES = 4


class Book:
    """The file that gets one line for each strike; it also counts those that count.

    `resumed`: the file is kept, and what it shows counts too.
    """

    def __init__(self, path: Path, say: Callable[[str], None], resumed: bool = False) -> None:
        self.path, self._say = path, say
        self._lock = threading.Lock()
        self.kills: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.missed = 0
        self.struck: defaultdict[str, Counter[str]] = defaultdict(Counter)
        if not resumed:
            path.unlink(missing_ok=True)
        for line in read(path) if path.exists() else ():
            self._count(line)

    def write(self, line: dict[str, Any]) -> None:
        """Append a line of evidence."""
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")
            verdict = self._count(line)
        wrong = verdict.lost or verdict.duplicated or verdict.stuck or verdict.late_steps
        if wrong or verdict.untrue:
            self._say(f"WRONG {json.dumps(line, default=str)}\n      {verdict}")

    def _count(self, line: dict[str, Any]) -> Verdict:
        verdict = judge(line)
        self.kills[line["database"]] += verdict.counts
        self.cancelled[line["database"]] += is_cancelled(line)
        self.struck[line["database"]][line.get("how", "")] += 1
        return verdict

    def miss(self, job: Job) -> None:
        """Count a job whose failpoint nobody came by."""
        with self._lock:
            self.missed += 1
        if job.how != CANCEL:
            self._say(f"missed {job}")


class Jobs:
    """The jobs of one database, handed to its lanes. Enough when `enough()` says so."""

    def __init__(self, jobs: Iterator[Job], enough: Callable[[], bool] = lambda: False) -> None:
        self._jobs, self._enough = jobs, enough
        self._lock = threading.Lock()

    def take(self) -> Job | None:
        """Return the next job, None where nothing is left to do."""
        with self._lock:
            return None if self._enough() else next(self._jobs, None)


class Lane(threading.Thread):
    """Works its jobs off on one target, then looks at it once more when all has ended."""

    def __init__(self, target: Target, jobs: Jobs, book: Book, seed: str) -> None:
        super().__init__(name=target.name, daemon=True)
        self.target, self._jobs, self._book = target, jobs, book
        self._chance = random.Random(seed)
        self._worker: Victim | None = None
        self._ends: dict[str, dict[str, Any]] = {}
        self._windows: dict[str, tuple[int, int]] = {}
        self.error: str | None = None

    def run(self) -> None:
        """Carry out every job; an error of the harness itself ends the lane and is kept."""
        try:
            self._secret = secret_for(self.target)
            job = self._jobs.take()
            while job is not None:
                following = self._jobs.take()
                self._carry_out(job, following)
                job = following
            self._sweep()
        except Exception:
            self.error = traceback.format_exc()
        finally:
            if self._worker is not None:
                self._worker.close()

    def _carry_out(self, job: Job, following: Job | None) -> None:
        lines = self._cycle(job, following)
        for _ in range(1 if job.how == CANCEL else TRIES - 1):
            if not lines:
                self._book.miss(job)
                lines = self._cycle(job.simpler(), following)
        for line in lines:
            self._book.write(line)
            if line["deployment"]:
                self._ends[line["deployment"]] = line["end"]

    def _cycle(self, job: Job, following: Job | None) -> list[dict[str, Any]]:
        cycle = Cycle(self.target, job, self._secret, self._worker, following, self._chance)
        try:
            return cycle.run()
        finally:
            self._worker = cycle.worker
            if job.how in AROUND:
                self._windows[cycle.version] = cycle.window

    def _sweep(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._book.write(sweep_of(self.target, self._ends, self._windows))
