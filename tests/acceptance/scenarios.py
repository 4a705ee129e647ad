"""Scenarios on real hosts, each asserting what the hosts and their clients say.

They are functions so that a mutation test can run them against a Fraisier with a part taken out.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress

from support import starting_state
from support.target import APP_PATH, Target, until, watched


def first_deployment(target: Target) -> str:
    """Have a good version on hosts that have none: restored, if it was deployed once; its SHA."""
    sha = target.repository.commit("good")
    if not starting_state.restore(target, sha):
        result = target.deploy()
        assert result.code == 0, result.said
        starting_state.save(target, sha)
    for host in target.hosts:
        assert target.served(host) == sha
        assert target.unit_state(host) == "active"
        assert target.current(host).startswith("releases/")
        assert target.inside(host, "ps -o user= -C python3").split() == ["app"]
    assert target.last()["status"] == "success"
    return sha


def check_bad_release(target: Target, behaviour: str = "http500") -> None:
    """Deploy a version that is not well after a good one: the good one must serve again."""
    check_goes_back(target, first_deployment(target), behaviour)


def check_goes_back(target: Target, good: str, behaviour: str) -> None:
    """Deploy a version that is not well where a good one runs: the good one must serve again."""
    before = {host.name: target.current(host) for host in target.hosts}
    bad = target.repository.commit(behaviour)
    result = target.deploy("--version", bad)
    assert result.code == 5, f"{behaviour}: {result.said}"
    assert target.last()["status"] == "rolled_back", behaviour
    for host in target.hosts:
        assert target.served(host) == good, behaviour
        assert target.current(host) == before[host.name]
        assert target.unit_state(host) == "active"


def check_roll_out_with_a_bad_second_host(fleet: Target, good: str) -> None:
    """Of three hosts the second cannot run the new version: all three end on the old one."""
    bad = fleet.repository.commit("good", {"note": "bad on the second host only"})
    second = fleet.hosts[1]
    fleet.inside(second, f"echo '{bad} http500' > /etc/fraisier-test-behaviour")
    with watched(fleet.hosts) as watch:
        result = fleet.deploy("--version", bad)
    assert result.code == 5, result.said
    assert fleet.last()["status"] == "rolled_back"
    assert [fleet.served(host) for host in fleet.hosts] == [good] * 3
    assert watch.looks > 20
    assert watch.stalls <= 3, watch.story()
    assert watch.fewest >= 2, watch.story()
    third = fleet.hosts[2]
    assert bad[:7] not in "".join(fleet.releases(third)), "the third host should not be touched"


def check_held_by_another_installation(target: Target) -> None:
    """A host that another installation is working on is left alone."""
    good = first_deployment(target)
    newer = target.repository.commit("good", {"note": "newer"})
    path = f"{APP_PATH}/.fraisier/fence.json"
    edit = (
        "import json,sys,time; p=sys.argv[1]; d=json.load(open(p));"
        "d.update(installation='ins_other', deployment='dep_other', released=False,"
        "deadline=time.clock_gettime(time.CLOCK_BOOTTIME)+600); json.dump(d, open(p, 'w'))"
    )
    target.inside(target.hosts[0], f'python3 -c "{edit}" {path}')
    result = target.deploy()
    assert result.code == 5, result.said
    assert "dep_other" in result.said
    assert target.served(target.hosts[0]) == good
    forced = target.deploy("--force")
    assert forced.code == 0, forced.said
    assert target.served(target.hosts[0]) == newer


def check_cancelled_at_terminal(target: Target, stop: Callable[[int], None]) -> None:
    """A deployment is stopped in the middle of a build: nothing goes on, the old release serves."""
    good = first_deployment(target)
    host = target.hosts[0]
    target.configure(build=["touch /tmp/building; sleep 300; touch /tmp/built"])
    target.repository.commit("good", {"note": "slow to build"})
    window, terminal = pty.openpty()
    process = on_terminal(target, terminal)
    until(lambda: target.inside(host, "test -e /tmp/building && echo yes || true") == "yes", 60)
    stop(window)
    assert process.wait(60) == 9, target.last()
    assert target.last()["status"] == "cancelled"
    assert target.inside(host, "pgrep -f '[s]leep 300' || true") == ""
    assert target.inside(host, "ls /tmp/built 2>/dev/null || true") == ""
    assert target.served(host) == good
    assert len(target.releases(host)) == 1
    target.inside(host, "rm -f /tmp/building")


def on_terminal(target: Target, terminal: int) -> subprocess.Popen[bytes]:
    """Start a deployment in a session of its own on a terminal, which is closed here."""

    def take_terminal() -> None:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may run under nohup
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    try:
        return subprocess.Popen(
            target.fraisier.argv("deploy", "my_api", "production"),
            cwd=target.fraisier.folder, env=target.fraisier.environ({}),
            stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=take_terminal,
        )  # fmt: skip
    finally:
        os.close(terminal)


def press_ctrl_c(window: int) -> None:
    """Type Ctrl-C in the terminal's window, and read what is printed to the end."""
    os.write(window, b"\x03")
    with suppress(OSError):  # EIO: the process has ended
        while os.read(window, 1 << 16):
            pass
    os.close(window)


def close_terminal(window: int) -> None:
    """Close the terminal's window: its processes get SIGHUP, and can print no more."""
    os.close(window)
