"""The service itself on real hosts: its state, its log, restarting it, a command beside it.

That a running deployment keeps it from being restarted: test_services_both_ways.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import scenarios

from support.nowhere import nowhere
from support.target import APP_PATH, Target, until

__all__ = ["nowhere"]

SECRET = "a-secret-that-no-log-may-show"
VARIABLES = {"PORT": "8000", "COLOUR": "blue", "TEST_SECRET": {"env": "THE_SECRET"}}
MAIN_PID = "systemctl show --value -p MainPID my-api"
#: A service that tells its secret, and writes to the journal whatever is appended to a file.
TALKATIVE = [
    "/bin/sh",
    "-c",
    'echo "it is $TEST_SECRET"; touch /tmp/said; python3 app.py & exec tail -n 0 -F /tmp/said',
]
SCRIPT = """
import os, sys
print(os.getcwd(), os.environ["COLOUR"], os.getuid(), *sys.argv[1:])
print("the secret:", os.environ["TEST_SECRET"])
sys.exit(7)
"""


def app(verb: str, *options: str) -> tuple[str, ...]:
    """Return the arguments of `fraisier app VERB my_api production`."""
    return ("app", verb, "my_api", "production", *options)


@contextmanager
def reading(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    """Collect the lines of a process's output while the block runs; it is stopped by Ctrl-C."""
    lines: list[str] = []
    assert process.stdout is not None
    thread = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    thread.start()
    try:
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        thread.join(30)
        process.communicate(timeout=30)


@pytest.mark.cpu_seconds(40, reason="every service operation on one running service")
def test_a_running_service_is_looked_at_stopped_started_and_entered(target: Target) -> None:
    not_deployed = target.fraisier(*app("restart"))
    assert not_deployed.code == 1, not_deployed.said
    assert "not deployed on this host" in not_deployed.err
    target.configure(exec=TALKATIVE, env_vars=VARIABLES)
    sha = target.repository.commit("good")
    deployed = target.deploy(THE_SECRET=SECRET)
    assert deployed.code == 0, deployed.said
    look_at_the_state(target, sha)
    enter(target, sha)
    read_the_log(target)
    be_kept_out_by_a_lock(target, sha)


def look_at_the_state(target: Target, sha: str) -> None:
    """See what systemd says; stop the service and start it."""
    host = target.hosts[0]
    seen = target.fraisier("--json", *app("status"))
    assert seen.code == 0, seen.said
    (found,) = seen.json["hosts"]
    assert found["unit"]["main_pid"] == int(target.inside(host, MAIN_PID))
    assert found["release"]["version"] == sha
    assert found["memory_bytes"] > 1_000_000
    started = int(target.inside(host, f"stat -c %Y /proc/$({MAIN_PID})"))
    assert abs(found["since"] - started) < 3
    stopped = target.fraisier(*app("stop"))
    assert stopped.code == 0, stopped.said
    assert target.served(host) is None
    seen = target.fraisier(*app("status"))
    assert seen.code == 5, seen.said
    assert "inactive" in seen.out
    assert sha[:7] in seen.out
    begun = target.fraisier(*app("start"))
    assert begun.code == 0, begun.said
    assert target.served(host) == sha


def enter(target: Target, sha: str) -> None:
    """Run commands as the service in its release, without a shell; no secret comes out."""
    trap = "$(touch /tmp/ran); {{ 7*7 }}"
    result = target.fraisier("--json", *app("exec", "--", "python3", "-c", SCRIPT, trap))
    assert result.code == 5, result.said
    (found,) = result.json["hosts"]
    assert found["exit_status"] == 7
    assert f"-{sha[:7]} blue 990 {trap}\n" in found["output"]
    assert "the secret: " in found["output"]
    assert SECRET not in result.said, "the host knows it without our help"
    assert target.inside(target.hosts[0], "ls /tmp/ran 2>/dev/null || true") == ""

    command = ["sh", "-c", "echo $TEST_SECRET; echo begun; sleep 61 & sleep 62"]
    words = app("exec", "--timeout", "1", "--", *command)
    late = target.fraisier("--json", *words, THE_SECRET=SECRET)
    assert late.code == 5, late.said
    assert late.json["hosts"][0]["timed_out"] is True
    assert late.json["hosts"][0]["output"].endswith("begun\n")
    assert SECRET not in late.said
    assert target.inside(target.hosts[0], "pgrep -f 'sleep 6[12]' || true") == ""


def read_the_log(target: Target) -> None:
    """Follow the log: nothing in it reaches the terminal raw, and no secret is shown."""
    host = target.hosts[0]
    shown = target.fraisier(*app("logs"), THE_SECRET=SECRET)
    assert "it is" in shown.out, shown.said
    assert SECRET not in shown.said
    target.inside(host, "seq 150 >> /tmp/said")
    target.inside(host, "printf 'first\\033[31m red \\007\\n' >> /tmp/said")
    until(lambda: "first" in target.inside(host, "journalctl -u my-api -n 5 --all"), 60)
    with reading(target.fraisier.start(*app("logs", "-f", "-n", "3"))) as lines:
        until(lambda: any("first" in line for line in lines), 60)
        target.inside(host, "echo second >> /tmp/said")
        until(lambda: any("second" in line for line in lines), 60)
    assert not [line for line in lines if "\x1b" in line or "\x07" in line]
    assert any("first\\x1b[31m red \\x07" in line for line in lines)
    assert sum("second" in line for line in lines) == 1, "a line is shown once"
    last = target.fraisier("--json", *app("logs", "--since", "10m"))
    assert last.json["logs"][-1]["text"] == "second", "the last lines since then, not the first"
    assert last.json["logs"][-1]["source"].startswith("sh[")
    assert len(last.json["logs"]) == 100
    target.inside(host, "rm -f /tmp/said")


def be_kept_out_by_a_lock(target: Target, sha: str) -> None:
    """Restart while a run of others holds the host's lock, and when it does not any more."""
    host = target.hosts[0]
    fence = target.inside(host, f"cat {APP_PATH}/.fraisier/fence.json")
    pid = target.inside(host, MAIN_PID)
    target.inside(host, f"systemd-run -q --unit=holder flock {APP_PATH}/.fraisier/lock sleep 600")
    until(lambda: "sleep" in target.inside(host, "systemctl status holder || true"), 60)
    try:
        result = target.fraisier("--json", *app("restart"))
    finally:
        target.inside(host, "systemctl stop holder")
    assert result.code == 8, result.said
    assert result.json["hosts"][0]["error"]["code"] == "fence_held"
    assert "wait until that run has ended" in result.err
    assert target.inside(host, MAIN_PID) == pid
    assert target.fraisier(*app("restart")).code == 0
    assert target.inside(host, f"cat {APP_PATH}/.fraisier/fence.json") == fence
    assert target.served(host) == sha


def test_a_restart_rolls_ends_at_the_first_bad_host_and_a_probe_tells_what_differs(
    make_target: Callable[[int], Target],
) -> None:
    pair = make_target(2)
    sha = scenarios.first_deployment(pair)
    before = [pair.inside(host, MAIN_PID) for host in pair.hosts]
    result = pair.fraisier(*app("restart"))
    assert result.code == 0, result.said
    pids = [pair.inside(host, MAIN_PID) for host in pair.hosts]
    assert all(new != old for new, old in zip(pids, before, strict=True))
    assert [pair.served(host) for host in pair.hosts] == [sha] * 2
    assert result.err.count("healthy after") == 2, "each waits for its health"

    pair.inside(pair.hosts[0], f"echo '{sha} http500' > /etc/fraisier-test-behaviour")
    result = pair.fraisier("--json", *app("restart"))
    assert result.code == 5, result.said
    assert result.json["left"] == [pair.hosts[1].address]
    assert "HTTP 500" in result.err
    assert pair.inside(pair.hosts[1], MAIN_PID) == pids[1]
    assert pair.served(pair.hosts[1]) == sha
    compare_with_the_records(pair)


def compare_with_the_records(pair: Target) -> None:
    """Probe a host that was stopped and then cleaned up by hand, and one that falls silent."""
    probe = ("hosts", "probe", "my_api", "production")
    first, second = pair.hosts
    pair.inside(first, "systemctl stop my-api")
    differs = pair.fraisier(*probe)
    assert differs.code == 5, differs.said
    assert f"{first.address}: the service does not run" in differs.out
    assert f"{second.address}:" not in differs.out
    pair.inside(first, f"rm {APP_PATH}/current")
    pair.inside(second, "systemctl stop ssh.socket ssh.service")
    try:
        silent = pair.fraisier("--json", *probe)
    finally:
        pair.inside(second, "systemctl start ssh.service")
    assert silent.code == 1, silent.said
    cleaned, unreachable = silent.json["hosts"]
    assert any("the records say" in sentence for sentence in cleaned["differs"])
    assert unreachable["error"]["code"] == "host_unreachable"


def test_what_means_nothing_is_refused_before_a_host_is_asked(nowhere: Target) -> None:
    unknown = nowhere.fraisier(*app("status", "--host", "elsewhere"))
    assert unknown.code == 2, unknown.said
    assert nowhere.hosts[0].address in unknown.err


def test_a_time_that_journalctl_does_not_know_is_a_mistake_of_the_user(nowhere: Target) -> None:
    bad = nowhere.fraisier(*app("logs", "--since", "yesterday-ish"))
    assert bad.code == 2, bad.said
