"""A short round of the crash harness: every failpoint once, over three databases, on real hosts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from chaos.figures import figures, read
from fraisier import lab as labs
from fraisier.failpoints import NAMES

RUN = Path(__file__).with_name("run.py")
LIMIT_SECONDS = 420


def test_nothing_is_lost_doubled_stuck_late_or_untrue(lab: labs.Lab, tmp_path: Path) -> None:
    """I1-I5, I7-I11, I14: whatever is killed or cancelled, and wherever."""
    evidence = tmp_path / "chaos.jsonl"
    options = ("--lab", lab.name, "--out", str(evidence), "--lanes", "2", "--plain")
    done = subprocess.run(
        [sys.executable, str(RUN), *options], capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    tried = {line["how"] for line in read(evidence) if line["kind"] == "strike"}
    assert tried >= NAMES, "every failpoint must have killed somebody"
    assert figures(read(evidence)).cancelled >= 8, "of ten that were to be cancelled"
