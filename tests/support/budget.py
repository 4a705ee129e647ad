"""A pytest plugin: what each test costs in processor time, and a limit on it.

A test that uses more than `LIMIT_SECONDS` fails the run, unless the marker
`cpu_seconds(limit, reason)` allows it more and says why. Limits are seconds of the machine they
were set on: where a sample of work takes longer, they grow in proportion. What sets up fixtures
that tests share counts as a cost of its own. `--durations-table FILE` writes the costs of each file
as a table. In a run of one process all containers of the machine count, so that nothing else may
run on it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic  # bound here: tests may replace that of the module
from typing import Any

import pytest

from support import processor_time

LIMIT_SECONDS = 20.0
SLOWEST = 15
PROPERTY = "cost"
#: How slow the processor is, sampled between tests.
SLOWNESS = "slowness"
SAMPLE_EVERY_SECONDS = 5.0
XDIST = "PYTEST_XDIST_WORKER"
COLUMNS = (
    "file",
    "tests",
    "wall s",
    "CPU s: processes",
    "CPU s: containers",
    "CPU s: shared fixtures",
    "CPU s per test",
)


@dataclass
class Cost:
    """Seconds: of the clock, and of processors for processes and for containers."""

    wall: float = 0.0
    processes: float = 0.0
    containers: float = 0.0

    @property
    def cpu(self) -> float:
        """Return the processor seconds."""
        return self.processes + self.containers

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    def __sub__(self, other: Cost) -> Cost:
        return self + Cost(-other.wall, -other.processes, -other.containers)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--durations-table", metavar="FILE", help="Write what each file costs.")


def pytest_configure(config: pytest.Config) -> None:
    workers = config.getoption("numprocesses", None) or config.getoption("tx", None)
    if not workers:
        alone = config.getoption("durations_table") is not None and XDIST not in os.environ
        config.pluginmanager.register(Measuring(processor_time.start(alone)), "measuring-costs")
    if XDIST not in os.environ:
        config.pluginmanager.register(Reporting(config), "reporting-costs")


class Measuring:
    """Measures each test in the process that runs it."""

    def __init__(self, meter: processor_time.ProcessorTime) -> None:
        self._meter = meter
        self._shared = Cost()
        self._depth = 0
        self._start = Cost()
        self._sampled = float("-inf")

    def _now(self) -> Cost:
        return Cost(monotonic(), self._meter.processes(), self._meter.containers())

    @contextmanager
    def _sharing(self) -> Iterator[None]:
        """Count what is done as a cost of fixtures that tests share."""
        start, self._depth = self._now(), self._depth + 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._shared += self._now() - start

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        with self._sharing():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        self._start, self._shared = self._now(), Cost()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, Any]:
        report = yield
        marker = item.get_closest_marker("cpu_seconds")
        limit = float(marker.args[0]) if marker else LIMIT_SECONDS
        if call.when in ("setup", "call"):
            cost = self._now() - self._start - self._shared
            # Of both phases the later counts: it holds the costs of the earlier.
            report.user_properties.append((PROPERTY, [vars(cost), vars(self._shared), limit]))
        elif monotonic() - self._sampled >= SAMPLE_EVERY_SECONDS:
            report.user_properties.append((SLOWNESS, processor_time.sample()))
            self._sampled = monotonic()
        return report


@dataclass(eq=False)
class Reporting:
    """Collects what workers measured, where the run is controlled."""

    config: pytest.Config
    costs: dict[str, Cost] = field(default_factory=dict)
    shared: dict[str, Cost] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    slowness: list[float] = field(default_factory=list)
    start: tuple[float, float] = field(default_factory=processor_time.machine)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY:
                cost, shared, limit = value
                self.costs[report.nodeid] = Cost(**cost)
                self.shared[report.nodeid] = Cost(**shared)
                self.limits[report.nodeid] = limit
            elif name == SLOWNESS:
                self.slowness.append(value)

    @property
    def slower(self) -> float:
        """Return how many times slower the machine was than that of the limits, at least 1."""
        return max(1.0, median(self.slowness)) if self.slowness else 1.0

    @property
    def too_expensive(self) -> list[str]:
        """Return the tests that used more than they may."""
        limits = self.limits
        return [test for test, cost in self.costs.items() if cost.cpu > limits[test] * self.slower]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.too_expensive and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        write = terminalreporter.write_line
        terminalreporter.section("processor time")
        slowest = sorted(self.costs, key=lambda test: self.costs[test].cpu, reverse=True)
        for test in slowest[:SLOWEST]:
            cost = self.costs[test]
            write(f"{cost.cpu:7.1f} s  (took {cost.wall:6.1f} s)  {test}")
        tests = sum(self.costs.values(), Cost())
        shared = sum(self.shared.values(), Cost())
        write(
            f"{tests.cpu:.0f} s in {len(self.costs)} tests, {shared.cpu:.0f} s in fixtures that"
            f" they share. {self._machine()}"
        )
        slower = f" ({self.slower:.2f} times, as this machine is slower)" if self.slower > 1 else ""
        for test in self.too_expensive:
            used, limit = self.costs[test].cpu, self.limits[test]
            write(
                f"TOO EXPENSIVE: {test} used {used:.1f} s of the processor and may use {limit:g} s"
                f"{slower}. Make it cheaper (CONTRIBUTING.md), or give it a limit and a reason: "
                '@pytest.mark.cpu_seconds(40, reason="…")',
                red=True,
            )
        if table := self.config.getoption("durations_table"):
            Path(table).write_text(self._table())
            write(f"the costs of each file are in {table}")

    def _machine(self) -> str:
        now = processor_time.machine()
        worked, idle = now[0] - self.start[0], now[1] - self.start[1]
        return (
            f"The machine worked {worked:.0f} s and was idle for {idle:.0f} s; the same work took"
            f" {self.slower:.2f} times as long as on the machine of the limits."
        )

    def _table(self) -> str:
        """Return a Markdown table of all files, the most expensive claims first."""
        files: dict[str, list[Cost]] = defaultdict(list)
        shared: dict[str, Cost] = defaultdict(Cost)
        for test, cost in self.costs.items():
            file = test.partition("::")[0]
            files[file].append(cost)
            shared[file] += self.shared[test]
        rows = [(file, costs, shared[file]) for file, costs in files.items()]
        rows.sort(key=lambda row: sum(cost.cpu for cost in row[1]) / len(row[1]), reverse=True)
        rows.append(("all", list(self.costs.values()), sum(shared.values(), Cost())))
        head = f"| {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * (len(COLUMNS) - 1)}\n"
        return head + "".join(_row(*row) for row in rows) + f"\n{self._machine()}\n"


def _row(file: str, costs: list[Cost], shared: Cost) -> str:
    total = sum(costs, Cost())
    cells = (total.wall, total.processes, total.containers, shared.cpu)
    figures = " | ".join(f"{cell:.1f}" for cell in cells)
    return f"| {file} | {len(costs)} | {figures} | {total.cpu / max(1, len(costs)):.2f} |\n"
