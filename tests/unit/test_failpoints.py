"""Failpoints: they end a process where a test asks for it, and nowhere else."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fraisier import failpoints
from fraisier.failpoints import NAMES, Armed, armed

SOURCE = Path(failpoints.__file__).parent
PASSES = """
import sys
from fraisier.failpoints import failpoint
for name in sys.argv[1:]:
    failpoint(name)
    print(name, flush=True)
"""


def passing(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Pass places in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PASSES, *names], env=environment, capture_output=True, text=True
    )


def test_without_the_variable_nothing_happens() -> None:
    done = passing("claim.after_commit", "step.before")
    assert (done.returncode, done.stdout) == (0, "claim.after_commit\nstep.before\n")


def test_the_process_is_killed_at_the_place_and_not_before() -> None:
    done = passing("step.before", "step.after", FRAISIER_FAILPOINT="step.after")
    assert (done.returncode, done.stdout) == (-9, "step.before\n")


def test_a_later_passage_can_be_asked_for() -> None:
    done = passing("step.before", "step.after", "step.before", FRAISIER_FAILPOINT="step.before:2")
    assert (done.returncode, done.stdout) == (-9, "step.before\nstep.after\n")


def test_a_random_instant_comes_after_the_claim() -> None:
    environment = {"FRAISIER_FAILPOINT": "random:0.2"}
    assert passing("step.before", **environment).returncode == 0
    waits = f"{PASSES}import time; time.sleep(20)"
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", waits, "claim.after_commit"], env=environment)
    assert done.returncode == -9
    assert time.monotonic() - begun < 15


def test_a_process_can_stop_there_instead_and_go_on() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PASSES, "step.before", "step.after"],
        env={"FRAISIER_FAILPOINT": "step.after:1:stop"},
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 15
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(18)
    assert process.communicate(timeout=15)[0] == "step.before\nstep.after\n"


def test_each_place_passed_is_logged_once(tmp_path: Path) -> None:
    log = tmp_path / "passed"
    passing("step.before", "step.after", "step.before", FRAISIER_FAILPOINT_LOG=str(log))
    assert log.read_text() == "step.before\nstep.after\n"


@pytest.mark.parametrize("wish", ["nowhere", "step.before:x", "step.before:1:rest", "random:x"])
def test_what_cannot_be_meant_is_refused_at_import(wish: str) -> None:
    done = passing(FRAISIER_FAILPOINT=wish)
    assert done.returncode == 1
    assert "ValueError" in done.stderr


def test_a_place_that_has_no_name_is_a_defect() -> None:
    with pytest.raises(ValueError, match=r"fraisier\.failpoints\.NAMES"):
        Armed("", "log").passed("nowhere")


def test_an_installed_package_ignores_the_variable() -> None:
    environment = {"FRAISIER_FAILPOINT": "step.before"}
    assert armed(environment, test_build=False) is None
    assert armed(environment, test_build=True) is not None
    assert armed({}, test_build=True) is None


def test_every_name_is_a_place_in_the_code_and_every_place_has_a_name() -> None:
    files = [path for path in SOURCE.rglob("*.py") if path.name != "failpoints.py"]
    placed = {
        name for path in files for name in re.findall(r'failpoint\("([^"]+)"\)', path.read_text())
    }
    assert placed == set(NAMES)
