"""The fence: who may take it, that its number only rises, and that a leftover is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence import (
    Fence,
    read_holder,
    stop_leftover,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import (
    Claim,
    Holder,
    next_number,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.processes import (
    session_members,
    start_time,
)

BOOT, NOW = "this-boot", 1000.0


def _holder(**changes: object) -> Holder:
    usual = {
        "number": 5,
        "installation": "ours",
        "deployment": "dep_old",
        "pid": 1,
        "pid_start": 0,
        "boot_id": BOOT,
        "taken_at": 0,
        "deadline": NOW + 60,
        "released": False,
    }
    return Holder(**{**usual, **changes})  # type: ignore[arg-type]


def _decide(holder: Holder | None, **changes: object) -> int:
    claim = Claim(**{"installation": "ours", "deployment": "dep_new", **changes})  # type: ignore[arg-type]
    return next_number(holder, claim, BOOT, NOW)


def _refusal(holder: Holder | None, **changes: object) -> str:
    with pytest.raises(Failure) as caught:
        _decide(holder, **changes)
    return caught.value.code


def test_the_first_holder_gets_number_one() -> None:
    assert _decide(None) == 1


def test_a_host_made_anew_goes_on_after_the_recorded_number() -> None:
    assert _decide(None, expected=41) == 42


def test_a_new_deployment_gets_the_next_number() -> None:
    assert _decide(_holder(), expected=5) == 6


def test_the_same_deployment_keeps_its_number() -> None:
    assert _decide(_holder(deployment="dep_new"), expected=4) == 5
    assert _decide(_holder(deployment="dep_new"), number=5) == 5


def test_a_newer_deployment_of_this_installation_is_respected() -> None:
    assert _refusal(_holder(), expected=4) == "fence_stale"


def test_a_later_step_is_refused_once_another_deployment_has_the_host() -> None:
    assert _refusal(_holder(number=6), number=5) == "fence_stale"
    assert _refusal(_holder(number=6), number=6) == "fence_stale"
    assert _refusal(_holder(number=6, deployment="dep_new"), number=5) == "fence_stale"
    assert _refusal(None, number=5) == "fence_stale"


def test_force_does_not_revive_a_step_whose_number_is_gone() -> None:
    assert _refusal(_holder(number=6), number=5, force=True) == "fence_stale"


def test_a_foreign_holder_is_refused_by_name_unless_forced() -> None:
    foreign = _holder(installation="theirs", deployment="dep_theirs")
    with pytest.raises(Failure, match=r"dep_theirs.*theirs") as caught:
        _decide(foreign)
    assert caught.value.code == "fence_held"
    assert _decide(foreign, force=True) == 6


@pytest.mark.parametrize(
    "change", [{"released": True}, {"deadline": NOW - 1}, {"boot_id": "an earlier boot"}]
)
def test_a_foreign_holder_that_is_gone_is_not_waited_for(change: dict[str, object]) -> None:
    assert _decide(_holder(installation="theirs", **change)) == 6


def _claim(deployment: str = "dep_1", **more: object) -> Claim:
    return Claim("ours", deployment, **more)  # type: ignore[arg-type]


def test_numbers_rise_on_the_disk_and_are_the_owners_alone(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        fence = Fence(str(tmp_path))
        assert fence.acquire(_claim(f"dep_{number}")) == number
        fence.release()
        fence.close()
    assert (tmp_path / "fence.json").stat().st_mode & 0o777 == 0o600
    holder = read_holder(str(tmp_path / "fence.json"))
    assert holder is not None
    assert holder.released


def test_a_change_under_a_lost_fence_is_refused(tmp_path: Path) -> None:
    fence = Fence(str(tmp_path))
    fence.acquire(_claim())
    fence.check()
    data = json.loads((tmp_path / "fence.json").read_text())
    (tmp_path / "fence.json").write_text(json.dumps({**data, "number": 2, "deployment": "dep_2"}))
    with pytest.raises(Failure, match="dep_2") as caught:
        fence.check()
    assert caught.value.code == "fence_stale"
    fence.close()


def test_a_fence_that_was_never_taken_protects_nothing(tmp_path: Path) -> None:
    with pytest.raises(Failure):
        Fence(str(tmp_path)).check()


_HOLD = """
import signal, subprocess, sys, time
from ansible_collections.fraisier.deploy.plugins.module_utils.fence import Fence
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.processes import lead_session
lead_session()
if sys.argv[3] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Fence(sys.argv[1]).acquire(Claim(sys.argv[2], "dep_held"))
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


class Held:
    """A process that holds the fence, with a child of its own."""

    def __init__(self, folder: Path, installation: str, manner: str) -> None:
        argv = [sys.executable, "-c", _HOLD, str(folder), installation, manner]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdout is not None
        self.child = int(self.process.stdout.readline())
        self.session = os.getsid(self.child)

    def end(self) -> None:
        for pid in session_members(self.session):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[object]:
    held: list[Held] = []

    def make(installation: str = "ours", manner: str = "hearing") -> Held:
        held.append(Held(tmp_path, installation, manner))
        return held[-1]

    yield make
    for each in held:
        each.end()


@pytest.mark.parametrize("manner", ["hearing", "deaf"])
def test_a_leftover_of_the_same_installation_is_ended_with_its_children(
    tmp_path: Path, hold: object, manner: str
) -> None:
    held = hold("ours", manner)  # type: ignore[operator]
    fence = Fence(str(tmp_path))
    assert fence.acquire(_claim("dep_next")) == 2
    assert session_members(held.session) == []
    fence.close()


def test_children_of_a_killed_run_are_ended_too(tmp_path: Path, hold: object) -> None:
    held = hold()  # type: ignore[operator]
    leader = held.session
    os.kill(leader, signal.SIGKILL)
    held.process.wait()
    assert start_time(held.child) is not None
    fence = Fence(str(tmp_path))
    assert fence.acquire(_claim("dep_next")) == 2
    assert session_members(leader) == []
    fence.close()


@pytest.mark.parametrize("claim", [{"installation": "others"}, {"takeover": False}])
def test_a_running_holder_that_may_not_be_ended_is_left_alone(
    tmp_path: Path, hold: object, claim: dict[str, object]
) -> None:
    held = hold()  # type: ignore[operator]
    wanted = {"installation": "ours", "deployment": "dep_next", "wait": 0.1, **claim}
    with pytest.raises(Failure, match="dep_held") as caught:
        Fence(str(tmp_path)).acquire(Claim(**wanted))  # type: ignore[arg-type]
    assert caught.value.code == "fence_held"
    assert start_time(held.child) is not None


def test_force_ends_a_foreign_holder(tmp_path: Path, hold: object) -> None:
    held = hold("theirs")  # type: ignore[operator]
    fence = Fence(str(tmp_path))
    assert fence.acquire(_claim("dep_next", force=True)) == 2
    assert session_members(held.session) == []
    fence.close()


def test_a_probe_can_stop_only_its_own_installations_run(tmp_path: Path, hold: object) -> None:
    held = hold("ours")  # type: ignore[operator]
    assert not stop_leftover(str(tmp_path), "theirs")
    assert start_time(held.child) is not None
    assert stop_leftover(str(tmp_path), "ours")
    assert session_members(held.session) == []
    assert not stop_leftover(str(tmp_path), "ours")
