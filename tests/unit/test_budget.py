"""The plugins of the suite itself: a limit on processor time, and evidence of failures."""

from __future__ import annotations

import os

import pytest

from support.tree import TOP

pytest_plugins = ("pytester",)

CONFTEST = """
import time, pytest

pytest_plugins = ("support.budget", "support.evidence")

def work(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass

@pytest.fixture(scope="module")
def shared():
    work(0.3)
"""
TESTS = """
import pytest, subprocess, sys
from conftest import work

@pytest.mark.cpu_seconds(0.25, reason="a limit that it keeps")
def test_what_is_shared_does_not_count(shared):
    pass

@pytest.mark.cpu_seconds(0.05, reason="a limit that it does not keep")
def test_own_work_counts():
    work(0.3)

@pytest.mark.cpu_seconds(0.05, reason="a limit that it does not keep")
def test_the_work_of_a_process_counts():
    subprocess.run([sys.executable, "-c", "from conftest import work; work(0.3)"], check=True)
"""
SLOW_MACHINE = """
from support import processor_time
processor_time.sample = lambda: 100.0
"""
FAILING = """
def test_fails(tmp_path):
    (tmp_path / "server.log").write_text("the last words")
    assert tmp_path is None
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return a suite of tests of its own that uses the plugins."""
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(TOP / "tests"))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nmarkers = cpu_seconds(limit, reason): limit")
    return pytester


def test_a_test_that_uses_more_processor_time_than_it_may_fails_the_run(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(TESTS)
    done = suite.runpytest_subprocess("--durations-table", "table.md")
    said = done.stdout.str()
    assert done.ret == pytest.ExitCode.TESTS_FAILED, said
    assert "3 passed" in said
    expensive = [line for line in done.outlines if line.startswith("TOO EXPENSIVE")]
    assert ["own_work" in line or "a_process" in line for line in expensive] == [True, True]
    (row,) = [line for line in (suite.path / "table.md").read_text().splitlines() if ".py" in line]
    assert row.split("|")[2].strip() == "3"


def test_limits_grow_with_the_slowness_of_the_machine(suite: pytest.Pytester) -> None:
    suite.makeconftest(CONFTEST + SLOW_MACHINE)
    suite.makepyfile(TESTS)
    done = suite.runpytest_subprocess()
    assert done.ret == pytest.ExitCode.OK, done.stdout.str()
    assert "took 100.00 times as long" in done.stdout.str()


def test_a_failure_keeps_the_folder_of_its_test_and_prints_where(suite: pytest.Pytester) -> None:
    path = suite.makepyfile(FAILING)
    done = suite.runpytest_subprocess()
    kept = suite.path / "test-failures" / f"{path.name}-test_fails"
    assert str(kept) in done.stdout.str()
    assert (kept / "folder/server.log").read_text() == "the last words"
    assert "assert" in (kept / "report.txt").read_text()
