"""Tests of a Fraisier with a part taken out, each run in a process of its own.

A mutant is made by compiling one function anew, with one line of it changed: nothing is copied, and
no process but its own sees it. The processes are forks of one that has loaded Fraisier and pytest.
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import textwrap
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
LIMIT_SECONDS = 300

#: What the tests and their fixtures load.
PRELOADED = ["pytest", "fraisier.api", "fraisier.wiring", "fraisier.store", "fraisier.lab"]
_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Mutation:
    """What is taken out: a function, as `module:name`, a line of it, and what stands there then."""

    function: str
    line: str
    instead: str

    def apply(self) -> None:
        """Let this process have the mutant; fail where the line is not there once."""
        module, _, path = self.function.partition(":")
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        source = textwrap.dedent(inspect.getsource(found))
        assert source.count(self.line) == 1, f"{self.line!r} is not once in {self.function}"
        names: dict[str, Any] = {}
        mutant = compile(source.replace(self.line, self.instead), self.function, "exec")
        exec(mutant, found.__globals__, names)
        found.__code__ = names[found.__name__].__code__


@dataclass
class Failures:
    """A pytest plugin that notes in which phase each test failed."""

    phases: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self.phases.append(str(report.when))


def failures(test: str, mutation: Mutation) -> list[str]:
    """Run a test below `tests/` of a mutant until it fails, and return in which phase it did.

    Where a database of each kind is tried, SQLite stands for all.
    """
    _CONTEXT.set_forkserver_preload(PRELOADED)
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(theirs, test, mutation))
    process.start()
    theirs.close()
    try:
        assert ours.poll(LIMIT_SECONDS), f"{test} did not end"
        phases: list[str] = ours.recv()
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
    return phases


def _run(tell: Connection, test: str, mutation: Mutation) -> None:
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    mutation.apply()
    found = Failures()
    without = ("cacheprovider", "xdist", "support.budget", "support.evidence")
    options = [part for name in without for part in ("-p", f"no:{name}")]
    chosen = ("-k", "sqlite") if test.startswith("contract/") else ()
    pytest.main(["-q", "-x", *options, *chosen, str(TESTS / test)], plugins=[found])
    tell.send(found.phases)
