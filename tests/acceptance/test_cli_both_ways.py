"""One complete story of the command on a real host, alone and with a server.

What both ways print and how they end is compared in unit/cli/test_both_ways.py, command by command.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fronts import NAMES, Front, alone, behind_a_server
from support.target import APP_PATH, Target, until

#: A version with a file `slow` is still being built when a test looks, for so many seconds.
BUILD = """
echo building
if [ -e slow ]; then touch /tmp/building; sleep $(cat slow); touch /tmp/built; fi
"""
ABSENT = "ls /tmp/built 2>/dev/null || true"


@pytest.fixture
def prepared(target: Target) -> Iterator[Target]:
    """Return a target whose slow versions are slow, and one good version in its repository."""
    target.configure(build=[BUILD])
    target.repository.commit("good")
    yield target
    target.inside(target.hosts[0], "rm -f /tmp/building /tmp/built")


@pytest.fixture(params=["alone", "server"])
def front(request: pytest.FixtureRequest, prepared: Target, tmp_path: Path) -> Iterator[Front]:
    """Return the command in both ways."""
    if request.param == "alone":
        yield alone(prepared)
    else:
        with behind_a_server(prepared, tmp_path / "client") as served:
            yield served


def newest(front: Front) -> dict[str, Any]:
    """Return the newest deployment as the history has it."""
    found: dict[str, Any] = front.json("history", *NAMES, "--limit", "1")["deployments"][0]
    return found


def building(front: Front) -> str:
    """Wait until the host builds, and return the id of the deployment under way."""
    host = front.target.hosts[0]
    look = "test -e /tmp/building && echo yes || true"
    until(lambda: front.target.inside(host, look) == "yes", seconds=60)
    return str(newest(front)["id"])


def test_deploy_look_roll_back_follow_and_cancel_on_a_real_host(front: Front) -> None:
    good = check_first_deployment(front)
    check_dry_run(front, good)
    check_bad_version(front, good)
    check_cancel_from_elsewhere(front, good)


def check_first_deployment(front: Front) -> str:
    """Deploy to a bare host, follow it, check each view of it; return the version that it runs."""
    sha = front.target.repository.commit("good", {"slow": "3"})
    host = front.target.hosts[0]
    assert front.json("list")["targets"][0]["fraise"] == "my_api"
    assert front.json("history") == {"deployments": []}
    assert front.json("status")["targets"][0]["last_deployment"] is None
    waiting = front.begin("--follow")
    following = front.fraisier.start("logs", building(front), "--follow")
    followed, err = following.communicate(timeout=120)
    assert following.returncode == 0, followed + err
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, out + err
    assert front.target.served(host) == sha
    assert f"my_api → production  {sha[:7]} (main)" in err
    assert "      building\n" in err
    assert f"✓ {host.address}  {sha[:7]} serves" in err
    assert out.startswith(f"success  my_api production {sha[:7]} serves (")
    last = newest(front)
    assert (last["status"], last["version"]) == ("success", sha)
    assert front.json("show", last["id"])["hosts"][0]["state"] == "changed"
    assert front.json("status", *NAMES)["targets"][0]["hosts"][0]["version"] == sha
    types = [event["type"] for event in front.json("events", last["id"])["events"]]
    assert types[0] == "deployment.queued"
    assert types[-1] == "deployment.completed"
    assert f"{host.address} build: building\n" in followed
    assert followed == front("logs", last["id"]).out
    assert front.json("providers")["providers"]
    return sha


def check_dry_run(front: Front, old: str) -> None:
    """A dry run says what would change and changes nothing."""
    host = front.target.hosts[0]
    look = f"find {APP_PATH} /etc/systemd/system/my-api.service -printf '%p %T@ %s\\n' | sort"
    before = front.target.inside(host, look)
    new = front.target.repository.commit("good", {"note": "newer", "slow": "0"})
    plan = front.json("deploy", *NAMES, "--dry-run")
    assert (plan["ok"], plan["would_change"]) == (True, True)
    assert (plan["version"], plan["hosts"][0]["from"]["version"]) == (new, old)
    assert front.target.inside(host, look) == before
    assert len(front.json("history")["deployments"]) == 1


def check_bad_version(front: Front, good: str) -> None:
    """A version that is not healthy is rolled back, and the command ends with 5."""
    bad = front.target.repository.commit("http500")
    result = front.deploy("--version", bad)
    assert result.code == 5, result.said
    assert result.out.startswith("rolled_back  my_api production")
    assert newest(front)["status"] == "rolled_back"
    assert front.target.served(front.target.hosts[0]) == good


def check_cancel_from_elsewhere(front: Front, good: str) -> None:
    """Another command cancels what one waits for: the old version runs, and nothing else."""
    host = front.target.hosts[0]
    front.target.inside(host, "rm -f /tmp/building /tmp/built")
    front.target.repository.commit("good", {"slow": "300"})
    waiting = front.begin()
    name = building(front)
    asked = front("cancel", name)
    assert asked.code == 0, asked.said
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 9, out + err
    assert newest(front)["status"] == "cancelled"
    assert front.target.served(host) == good
    assert front.target.inside(host, "pgrep -f '[s]leep 300' || true") == ""
    assert front.target.inside(host, ABSENT) == ""


def test_what_runs_on_the_hosts_is_tended_through_a_server(
    prepared: Target, tmp_path: Path
) -> None:
    host, data = prepared.hosts[0], f"{APP_PATH}/shared/data"
    pid, written = "systemctl show --value -p MainPID my-api", f"cat {data}/words"
    prepared.configure({"backup": {"paths": ["shared/data"]}})
    with behind_a_server(prepared, tmp_path / "client") as served:
        assert served.deploy().code == 0
        first, sha = prepared.inside(host, pid), prepared.served(host)
        assert served.json("app", "status", *NAMES)["hosts"][0]["unit"]["main_pid"] == int(first)
        restarted = served("app", "restart", *NAMES)
        assert restarted.code == 0, restarted.said
        assert prepared.inside(host, pid) not in (first, "0")
        assert served("app", "stop", *NAMES).code == 0
        assert prepared.served(host) is None
        assert served("app", "status", *NAMES).code == 5
        assert served("app", "start", *NAMES).code == 0
        assert prepared.served(host) == sha is not None
        done = served.json("app", "exec", *NAMES, "--", "id", "-un")
        assert done["hosts"][0]["output"] == "app\n"
        assert "Started" in served("app", "logs", *NAMES).out

        prepared.inside(host, f"mkdir -p {data} && echo before > {data}/words")
        taken = served.json("backups", "take", *NAMES)["hosts"][0]["backups"][0]["id"]
        prepared.inside(host, f"echo after > {data}/words")
        restored = served("backups", "restore", *NAMES, taken, "--yes")
        assert restored.code == 0, restored.said
        assert prepared.inside(host, written) == "before"
        assert prepared.served(host) == sha

        noted = [each["action"] for each in served.json("audit")["audit"]]
    verbs = ["app.restart", "app.stop", "app.start", "app.exec", "backup.take", "backup.restore"]
    assert [action for action in reversed(noted) if action in verbs] == verbs


def test_who_stops_waiting_does_not_stop_the_server(prepared: Target, tmp_path: Path) -> None:
    """Ctrl-C, as a terminal sends it to the client."""
    prepared.repository.commit("good", {"slow": "300"})
    with behind_a_server(prepared, tmp_path / "client") as served:
        waiting = served.fraisier.execute("deploy", *NAMES, *served.waiting)
        name = building(served)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=60)
        assert waiting.returncode == 7, out + err
        assert f"fraisier cancel {name}" in err
        assert served.json("show", name)["status"] == "in_progress"
        assert served("cancel", name).code == 0
        until(lambda: served.json("show", name)["status"] == "cancelled", seconds=60)
