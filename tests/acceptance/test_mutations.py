"""The scenarios can fail: with the fence, the gate or the way back taken out, each turns red."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import scenarios

from support.command import Fraisier
from support.target import Target

ROOT = Path(__file__).parents[2]
SHARED = "collections/ansible_collections/fraisier/deploy/plugins/module_utils"

#: What is taken out: the file, the line that does it, and what stands there instead.
FENCE = (f"{SHARED}/fence_rules.py", "    if not ours and holder.binding(boot, now):", "    if 0:")
GATE = (f"{SHARED}/activate.py", "        if not verdict.passed:", "        if 0:")
WAY_BACK = (
    "fraisier/engine/attempt.py",
    "for step in way_back(self._target, self._plan.strategy, failed, moved):",
    "for step in ():",
)


def mutated(folder: Path, mutation: tuple[str, str, str]) -> list[Path]:
    """Copy both halves of Fraisier with one line changed; return what goes on PYTHONPATH."""
    name, before, after = mutation
    ignored = shutil.ignore_patterns("__pycache__", "extensions", "output")
    for part in ("fraisier", "collections"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    text = (folder / name).read_text()
    assert text.count(before) == 1, f"the line to take out of {name} is not there once"
    (folder / name).write_text(text.replace(before, after))
    return [folder, folder / "collections"]


@pytest.mark.parametrize(
    ("mutation", "scenario"),
    [
        pytest.param(FENCE, scenarios.check_held_by_another_installation, id="fence"),
        pytest.param(GATE, scenarios.check_bad_release, id="gate"),
        pytest.param(WAY_BACK, scenarios.check_bad_release, id="way-back"),
    ],
)
def test_without_it_the_scenario_turns_red(
    target: Target,
    tmp_path: Path,
    mutation: tuple[str, str, str],
    scenario: Callable[[Target], None],
) -> None:
    path = mutated(tmp_path / "mutant", mutation)
    target.fraisier = Fraisier(target.folder, path)
    with pytest.raises(AssertionError) as caught:
        scenario(target)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "first_deployment" not in frames, "the mutant cannot even do what is not mutated"
