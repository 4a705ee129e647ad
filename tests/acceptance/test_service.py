"""The service itself on real hosts: its state, its log, restarting it, a command beside it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import scenarios

from fraisier.lab import LabHost
from support.target import APP_PATH, Target, until

SECRET = "a-secret-that-no-log-may-show"
MAIN_PID = "systemctl show --value -p MainPID my-api"
#: A service that writes to the journal whatever is appended to a file of the host.
TALKATIVE = ["/bin/sh", "-c", "touch /tmp/said; python3 app.py & exec tail -n 0 -F /tmp/said"]


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


def test_the_state_is_what_systemd_says(target: Target) -> None:
    sha = scenarios.first_deployment(target)
    host = target.hosts[0]
    seen = target.fraisier("--json", *app("status"))
    assert seen.code == 0, seen.said
    (found,) = seen.json["hosts"]
    assert found["unit"]["main_pid"] == int(target.inside(host, MAIN_PID))
    assert found["release"]["version"] == sha
    assert found["memory_bytes"] > 1_000_000
    started = int(target.inside(host, f"stat -c %Y /proc/$({MAIN_PID})"))
    assert abs(found["since"] - started) < 3
    assert sha[:7] in target.fraisier(*app("status")).out
    stopped = target.fraisier(*app("stop"))
    assert stopped.code == 0, stopped.said
    assert target.served(host) is None
    seen = target.fraisier(*app("status"))
    assert seen.code == 5, seen.said
    assert "inactive" in seen.out
    begun = target.fraisier(*app("start"))
    assert begun.code == 0, begun.said
    assert target.served(host) == sha


def test_a_restart_is_one_host_after_another_and_waits_for_health(fleet: Target) -> None:
    sha = scenarios.first_deployment(fleet)
    before = [fleet.inside(host, MAIN_PID) for host in fleet.hosts]
    result = fleet.fraisier(*app("restart"))
    assert result.code == 0, result.said
    assert all(
        fleet.inside(host, MAIN_PID) != pid for host, pid in zip(fleet.hosts, before, strict=True)
    )
    assert [fleet.served(host) for host in fleet.hosts] == [sha] * 3
    assert result.err.count("healthy after") == 3


def test_a_restart_that_breaks_ends_at_the_first_bad_host(fleet: Target) -> None:
    sha = scenarios.first_deployment(fleet)
    third = fleet.inside(fleet.hosts[2], MAIN_PID)
    fleet.inside(fleet.hosts[1], f"echo '{sha} http500' > /etc/fraisier-test-behaviour")
    result = fleet.fraisier("--json", *app("restart"))
    assert result.code == 5, result.said
    assert result.json["left"] == [fleet.hosts[2].address]
    assert "HTTP 500" in result.err
    assert fleet.inside(fleet.hosts[2], MAIN_PID) == third
    assert fleet.served(fleet.hosts[0]) == fleet.served(fleet.hosts[2]) == sha


def test_a_restart_is_refused_while_a_deployment_is_at_work(target: Target) -> None:
    good = scenarios.first_deployment(target)
    host = target.hosts[0]
    pid = target.inside(host, MAIN_PID)
    target.configure(build=["touch /tmp/building; sleep 5"])
    target.repository.commit("good", {"note": "slow to build"})
    process = target.fraisier.start("deploy", "my_api", "production")
    until(lambda: target.inside(host, "test -e /tmp/building && echo yes || true") == "yes")
    result = target.fraisier(*app("restart"))
    assert result.code == 8, result.said
    assert target.last()["id"] in result.err
    assert target.inside(host, MAIN_PID) == pid
    looked = target.fraisier(*app("status"))
    assert looked.code == 0, "to look is never refused"
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert target.served(host) not in (None, good)
    target.inside(host, "rm -f /tmp/building")


def test_a_host_refuses_while_a_run_of_others_holds_its_lock(target: Target) -> None:
    scenarios.first_deployment(target)
    host = target.hosts[0]
    fence = target.inside(host, f"cat {APP_PATH}/.fraisier/fence.json")
    pid = target.inside(host, MAIN_PID)
    target.inside(host, f"systemd-run -q --unit=holder flock {APP_PATH}/.fraisier/lock sleep 60")
    until(lambda: "sleep" in target.inside(host, "systemctl status holder || true"))
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


def test_the_log_is_followed_and_nothing_in_it_reaches_the_terminal_raw(target: Target) -> None:
    target.configure(exec=TALKATIVE)
    target.repository.commit("good")
    assert target.deploy().code == 0
    host = target.hosts[0]
    target.inside(host, "seq 150 >> /tmp/said")
    target.inside(host, "printf 'first\\033[31m red \\007\\n' >> /tmp/said")
    until(lambda: "first" in target.fraisier(*app("logs", "-n", "5")).out)
    with reading(target.fraisier.start(*app("logs", "-f", "-n", "3"))) as lines:
        until(lambda: any("first" in line for line in lines))
        target.inside(host, "echo second >> /tmp/said")
        until(lambda: any("second" in line for line in lines))
    assert not [line for line in lines if "\x1b" in line or "\x07" in line]
    assert any("first\\x1b[31m red \\x07" in line for line in lines)
    assert sum("second" in line for line in lines) == 1, "a line is shown once"
    shown = target.fraisier("--json", *app("logs", "--since", "10m"))
    assert shown.json["logs"][-1]["text"] == "second", "the last lines since then, not the first"
    assert shown.json["logs"][-1]["source"].startswith("sh[")
    assert len(shown.json["logs"]) == 100
    target.inside(host, "rm -f /tmp/said")


def test_a_command_runs_as_the_service_in_its_release_without_a_shell(target: Target) -> None:
    target.configure(env_vars={"PORT": "8000", "COLOUR": "blue"})
    sha = scenarios.first_deployment(target)
    script = "import os,sys; print(os.getcwd(), os.environ['COLOUR'], os.getuid(), *sys.argv[1:])"
    trap = "$(touch /tmp/ran); {{ 7*7 }}"
    result = target.fraisier(*app("exec", "--", "python3", "-c", script, trap))
    assert result.code == 0, result.said
    assert f"-{sha[:7]} blue 990 {trap}\n" in result.out
    assert target.inside(target.hosts[0], "ls /tmp/ran 2>/dev/null || true") == ""


@pytest.mark.parametrize(
    ("command", "status"), [(["sh", "-c", "exit 7"], 7), (["no-such-command"], 127)]
)
def test_the_exit_status_of_a_command_is_told(
    target: Target, command: list[str], status: int
) -> None:
    scenarios.first_deployment(target)
    result = target.fraisier("--json", *app("exec", "--", *command))
    assert result.code == 5, result.said
    assert result.json["hosts"][0]["exit_status"] == status


def test_a_command_that_takes_too_long_is_ended_with_all_it_began(target: Target) -> None:
    scenarios.first_deployment(target)
    command = ["sh", "-c", "echo begun; sleep 61 & sleep 62"]
    result = target.fraisier("--json", *app("exec", "--timeout", "1", "--", *command))
    assert result.code == 5, result.said
    assert result.json["hosts"][0]["timed_out"] is True
    assert result.json["hosts"][0]["output"] == "begun\n"
    assert target.inside(target.hosts[0], "pgrep -f 'sleep 6[12]' || true") == ""


def test_no_secret_is_shown_by_a_log_or_a_command(target: Target) -> None:
    target.configure(
        exec=["/bin/sh", "-c", 'echo "it is $TEST_SECRET"; exec python3 app.py'],
        env_vars={"PORT": "8000", "TEST_SECRET": {"env": "THE_SECRET"}},
    )
    target.repository.commit("good")
    assert target.deploy(THE_SECRET=SECRET).code == 0
    for options in (("exec", "--", "env"), ("logs",)):
        for environment in ({"THE_SECRET": SECRET}, {}):  # the host knows it without our help
            shown = target.fraisier(*app(*options), **environment)
            assert shown.code == 0, shown.said
            assert "it is" in shown.out or "TEST_SECRET=" in shown.out
            assert SECRET not in shown.said


def test_what_is_not_deployed_or_not_there_is_said(target: Target) -> None:
    for verb in ("restart", "start", "stop"):
        result = target.fraisier(*app(verb))
        assert result.code == 1, result.said
        assert "not deployed on this host" in result.err
    unknown = target.fraisier(*app("status", "--host", "nowhere"))
    assert unknown.code == 2, unknown.said
    assert target.hosts[0].address in unknown.err
    bad = target.fraisier(*app("logs", "--since", "yesterday-ish"))
    assert bad.code == 2, bad.said


def test_what_really_runs_is_compared_with_the_records(fleet: Target) -> None:
    sha = scenarios.first_deployment(fleet)
    probe = ("hosts", "probe", "my_api", "production")
    agreed = fleet.fraisier("--json", *probe)
    assert agreed.code == 0, agreed.said
    assert [host["release"]["version"] for host in agreed.json["hosts"]] == [sha] * 3
    fleet.inside(fleet.hosts[0], "systemctl stop my-api")
    _forget(fleet, fleet.hosts[1])
    differs = fleet.fraisier(*probe)
    assert differs.code == 5, differs.said
    assert f"{fleet.hosts[0].address}: the service does not run" in differs.out
    assert f"{fleet.hosts[1].address}: the records say" in differs.out
    assert f"{fleet.hosts[2].address}:" not in differs.out
    fleet.inside(fleet.hosts[2], "systemctl stop ssh.socket ssh.service")
    try:
        silent = fleet.fraisier("--json", *probe)
    finally:
        fleet.inside(fleet.hosts[2], "systemctl start ssh.service")
    assert silent.code == 1, silent.said
    assert silent.json["hosts"][2]["error"]["code"] == "host_unreachable"


def _forget(target: Target, host: LabHost) -> None:
    """Take `current` away, as somebody who cleans up by hand would."""
    target.inside(host, f"rm {APP_PATH}/current")
