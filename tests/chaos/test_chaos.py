"""Rounds of the crash harness on real hosts: a kill of each class, and all failpoints."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chaos.figures import figures, read
from fraisier import lab as labs
from fraisier.failpoints import NAMES

RUN = Path(__file__).with_name("run.py")
#: A kill of each class: of whoever asks, before, in and after a run, at any instant, of the relay.
CLASSES = (
    "request.after_commit",
    "claim.after_commit",
    "runner.begun",
    "finish.before_commit",
    "tree",
    "relay.before_publish",
)
#: The same processes die each time.
SEED = "a kill of each class"
LIMIT_SECONDS = 1500


@pytest.mark.cpu_seconds(120, reason="what is killed, and what recovers, is executed")
@pytest.mark.timeout(LIMIT_SECONDS)
def test_a_kill_of_each_class_loses_nothing(lab: labs.Lab, tmp_path: Path) -> None:
    options = ("--only", ",".join(CLASSES), "--databases", "sqlite", "--seed", SEED)
    lines = chaos(lab, tmp_path, *options, "--lanes", "1")
    assert struck(lines) == set(CLASSES)
    assert figures(lines).kills >= 2, "of four that may meet an attempt on a host"
    assert len({line["victim"] for line in lines if line["kind"] == "strike"}) >= 2


@pytest.mark.slow
@pytest.mark.cpu_seconds(1500, reason="every failpoint, with processes that are executed")
@pytest.mark.timeout(LIMIT_SECONDS)
def test_nothing_is_lost_doubled_stuck_late_or_untrue(lab: labs.Lab, tmp_path: Path) -> None:
    """I1-I5, I7-I11, I14: whatever is killed or cancelled, and wherever."""
    lines = chaos(lab, tmp_path, "--times", "2", "--lanes", "2")
    tried = Counter(line["how"] for line in lines if line["kind"] == "strike")
    assert set(tried) >= NAMES, "every failpoint must have killed somebody"
    assert all(tried[name] >= 2 for name in NAMES), tried
    assert figures(lines).cancelled >= 8, "of twelve that were to be cancelled"


def chaos(lab: labs.Lab, folder: Path, *options: str) -> list[dict[str, Any]]:
    """Do a round, which has to end well; return its evidence."""
    evidence = folder / "chaos.jsonl"
    command = (sys.executable, str(RUN), "--lab", lab.name, "--out", str(evidence), "--plain")
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return read(evidence)


def struck(lines: list[dict[str, Any]]) -> set[str]:
    """Return how processes were killed."""
    return {line["how"] for line in lines if line["kind"] == "strike"}
