"""What is said of the mechanism that ends the processes of a run."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fraisier.cli import cli
from fraisier.runner import mechanism
from fraisier.runner.mechanism import SUBREAPER, Mechanism, choose, wanted_by


def test_what_is_asked_for_is_what_is_done() -> None:
    assert choose(wanted_by({"FRAISIER_CONTAINMENT": "subreaper"})).name == SUBREAPER
    assert wanted_by({}) == wanted_by({"FRAISIER_CONTAINMENT": ""}) == "auto"


def test_what_is_not_permitted_is_said_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mechanism, "obstacle", lambda user: "not permitted")
    found = choose()
    assert (found.name, found.why) == (SUBREAPER, "not permitted")
    assert found.fix


def test_doctor_says_what_is_in_force_and_a_fallback_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poor = Mechanism(SUBREAPER, "not permitted", "sysctl -w a=1")
    monkeypatch.setattr(mechanism, "in_force", lambda wanted: poor)
    said = CliRunner().invoke(cli, ["doctor"]).output
    (line,) = [line for line in said.splitlines() if "processes of a run" in line]
    assert line.startswith("✓ processes of a run: subreaper (not permitted; ")
    assert "sysctl -w a=1" in line
