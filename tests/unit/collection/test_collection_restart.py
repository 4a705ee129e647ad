"""How a unit is restarted that systemd itself keeps restarting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished
from ansible_collections.fraisier.deploy.plugins.module_utils.systemd import Manager, UnitState

UNIT = "my-api.service"


@dataclass(frozen=True)
class Crashing(Manager):
    """A systemd with one unit in a state; it notes what it is told, and restarts as `code` says."""

    state: UnitState = field(default_factory=lambda: UnitState(UNIT))
    code: int = 0
    told: list[str] = field(default_factory=list)

    def show(self, unit: str) -> UnitState:
        """Return the state."""
        assert unit == UNIT
        return self.state

    def tell(self, verb: str, unit: str, timeout: float = 30) -> Finished:
        """Note the verb."""
        assert unit == UNIT
        self.told.append(verb)
        return Finished(self.code, "")


@pytest.mark.parametrize(
    ("state", "again"),
    [
        (UnitState(UNIT, active_state="active", sub_state="running"), False),
        (UnitState(UNIT, active_state="failed", sub_state="failed"), False),
        (UnitState(UNIT, active_state="activating", sub_state="auto-restart"), True),
        (UnitState(UNIT, active_state="active", sub_state="running", n_restarts=3), True),
    ],
)
def test_a_crash_of_the_release_before_does_not_count_as_one_of_the_release_that_is_started(
    state: UnitState, again: bool
) -> None:
    """The gate takes every restart that systemd counts for one of the new release."""
    systemd = Crashing(state=state)
    assert systemd.restart(UNIT, 30).code == 0
    assert systemd.told == ["reset-failed", "restart", *(["reset-failed"] if again else [])]


def test_a_failed_restart_keeps_its_reason() -> None:
    systemd = Crashing(state=UnitState(UNIT, sub_state="auto-restart"), code=1)
    assert systemd.restart(UNIT, 30).code == 1
    assert systemd.told == ["reset-failed", "restart"]
