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
from ansible_collections.fraisier.deploy.plugins.module_utils.seal import Seal, seal

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


@pytest.mark.parametrize("more", [{}, {"number": 5}, {"force": True}, {"expected": 4}])
def test_a_step_before_the_one_that_was_here_is_refused(more: dict[str, object]) -> None:
    """I5: of two steps of one deployment the earlier one cannot come after the later one."""
    later = _holder(deployment="dep_new", turn=2003)
    assert _refusal(later, turn=2002, **more) == "fence_stale"
    assert _decide(later, turn=2003, **more) == 5
    assert _decide(later, turn=2004, **more) == 5


def test_where_turns_are_not_counted_steps_are_told_by_their_number_alone() -> None:
    assert _decide(_holder(deployment="dep_new", turn=2003), number=5) == 5
    assert _decide(_holder(deployment="dep_new"), turn=2003, number=5) == 5


@pytest.mark.parametrize("more", [{"expected": 4}, {"expected": None}, {"force": True}])
def test_a_late_step_of_an_older_deployment_is_refused(more: dict[str, object]) -> None:
    """I5: it was asked for earlier and its turn was earlier; not even force makes it timely."""
    assert _refusal(_holder(turn=9001), deployment="dep_a", turn=8001, **more) == "fence_stale"


def test_clocks_that_are_set_back_lock_nobody_out() -> None:
    """I15: the id of a newer deployment may sort before the holder's, but its turn is higher."""
    assert _decide(_holder(turn=9001), deployment="dep_a", turn=10001, expected=4) == 6


def test_a_database_that_was_restored_locks_nobody_out() -> None:
    """I5: its turns begin again from an earlier one, but its ids are newer."""
    assert _decide(_holder(turn=9001), deployment="dep_z", turn=3001, expected=2) == 6


def test_scopes_are_named_for_the_run_and_by_nothing_that_systemd_would_read() -> None:
    assert _holder(deployment="dep_1", pid=7).scopes == "fraisier-dep_1-7-"
    assert _holder(deployment="a b/*é", pid=7).scopes == "fraisier-a_b___-7-"
    assert len(_holder(deployment="x" * 500).scopes) < 200


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


def test_a_late_step_does_not_end_the_run_that_came_after_it(tmp_path: Path, hold: object) -> None:
    """I5: a claim is judged before it may end anybody."""
    held = hold("ours")  # type: ignore[operator]
    path = tmp_path / "fence.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "turn": 2003}))
    for late in (_claim("dep_held", turn=2002), _claim("dep_a", turn=1001)):
        with pytest.raises(Failure) as caught:
            Fence(str(tmp_path)).acquire(late)
        assert caught.value.code == "fence_stale"
        assert seal(str(tmp_path), "ours", late.deployment, late.turn) == Seal()
    assert start_time(held.child) is not None


def test_a_probe_can_stop_only_its_own_installations_run(tmp_path: Path, hold: object) -> None:
    held = hold("ours")  # type: ignore[operator]
    assert seal(str(tmp_path), "theirs", None, None) == Seal()
    assert seal(str(tmp_path), "theirs", "dep_theirs", 9001) == Seal()
    assert start_time(held.child) is not None
    assert seal(str(tmp_path), "ours", None, None) == Seal(stopped=True)
    assert session_members(held.session) == []
    assert seal(str(tmp_path), "ours", None, None) == Seal()


def _holder_in(folder: Path) -> Holder:
    holder = read_holder(str(folder / "fence.json"))
    assert holder is not None
    return holder


def test_a_fence_that_was_written_before_turns_were_counted_is_read(tmp_path: Path) -> None:
    old = {name: value for name, value in vars(_holder()).items() if name != "turn"}
    (tmp_path / "fence.json").write_text(json.dumps(old))
    assert _holder_in(tmp_path).turn == 0


def test_a_sealed_host_refuses_what_was_on_its_way(tmp_path: Path, hold: object) -> None:
    """I7: what runs is ended, and what is late finds that its turn has passed."""
    held = hold("ours")  # type: ignore[operator]
    assert seal(str(tmp_path), "ours", "dep_held", 2009) == Seal(stopped=True, sealed=True)
    assert session_members(held.session) == []
    holder = _holder_in(tmp_path)
    assert (holder.number, holder.deployment, holder.turn) == (1, "dep_held", 2009)
    assert holder.released
    for late in (_claim("dep_held", turn=2001), _claim("dep_held", number=1, turn=2001)):
        with pytest.raises(Failure) as caught:
            Fence(str(tmp_path)).acquire(late)
        assert caught.value.code == "fence_stale"
    after = Fence(str(tmp_path))
    assert after.acquire(_claim("dep_held", number=1, turn=2010)) == 1
    after.close()


@pytest.mark.parametrize("before", [None, "dep_before"])
def test_a_host_that_a_deployment_has_not_reached_yet_is_sealed_for_it(
    tmp_path: Path, before: str | None
) -> None:
    """I7: the first step of a deployment may come after the probe that looks for it."""
    state = tmp_path / "app" / ".fraisier"
    expected = 0
    if before:
        state.mkdir(parents=True)
        fence = Fence(str(state))
        expected = fence.acquire(_claim(before, turn=1001))
        fence.release()
        fence.close()
    assert seal(str(state), "ours", "dep_late", 2009) == Seal(sealed=True)
    assert _holder_in(state).number == expected + 1
    assert os.listdir(tmp_path / "app") == [".fraisier"]
    for late in (_claim("dep_late", turn=2001, expected=expected), _claim("dep_a", turn=1000)):
        with pytest.raises(Failure) as caught:
            Fence(str(state)).acquire(late)
        assert caught.value.code == "fence_stale"
    next_one = Fence(str(state))
    assert next_one.acquire(_claim("dep_next", turn=3001, expected=expected)) == expected + 2
    next_one.close()


def test_where_a_deployment_would_not_work_a_seal_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for folder in ("checkout", "open"):
        state = tmp_path / folder / ".fraisier"
        assert seal(str(state), "ours", "dep_1", 1009) == Seal()
        assert not state.exists()


_WAIT = """
import sys, time
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence import Fence
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.processes import lead_session
lead_session()
print("begun", flush=True)
try:
    Fence(sys.argv[1]).acquire(Claim("ours", "dep_held", turn=2002, takeover=False, wait=30))
except Failure as failure:
    print(failure.code, flush=True)
else:
    time.sleep(60)
"""


def test_a_step_that_waits_for_the_fence_is_refused_once_the_host_is_sealed(
    tmp_path: Path, hold: object
) -> None:
    """I5: the decision falls under the lock, by what the probe has written."""
    hold("ours")  # type: ignore[operator]
    argv = [sys.executable, "-c", _WAIT, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    waiting = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "begun\n"
    assert seal(str(tmp_path), "ours", "dep_held", 2009) == Seal(stopped=True, sealed=True)
    said = waiting.communicate(timeout=10)[0]
    # it may have got in first, when the holder was gone: then it was what ran, and was ended
    assert said == "fence_stale\n" or waiting.returncode == -signal.SIGTERM
    assert _holder_in(tmp_path).turn == 2009


def test_a_run_that_lost_the_fence_to_a_seal_changes_nothing_more(tmp_path: Path) -> None:
    """I7: even one that could not be ended asks before each change."""
    fence = Fence(str(tmp_path))
    fence.acquire(_claim("dep_1", turn=2001))
    path = tmp_path / "fence.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "turn": 2009}))
    with pytest.raises(Failure) as caught:
        fence.check()
    assert caught.value.code == "fence_stale"
    fence.close()
