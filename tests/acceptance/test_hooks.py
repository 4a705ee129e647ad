"""Hooks, migrations and smoke tests on real hosts: when they run, as whom, and what they stop.

With colours the same code runs at another moment: what is slow here has its rules in
test_collection_compose_around.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.colours_lab import PROXY, prepare
from support.target import APP_PATH, Target

SECRET = "a-secret-that-no-log-may-show"
NOTES = f"{APP_PATH}/shared/notes"
NOTE = f'echo "$0 $FRAISIER_VERSION $(id -un) $(pwd)" >> {NOTES}'
URL = "http://localhost:8000/health"
VARIABLES = {"PORT": "8000", "TEST_SECRET": {"env": "S"}}
PACE = {"strategy_config": {"healthy_deadline": 8}}


def noting(word: str) -> list[str]:
    """Return a hook that notes its name, version, user and folder."""
    return ["/bin/sh", "-c", NOTE, word]


MIGRATE = {"command": noting("up"), "down": noting("down")}
COLOURS = {"strategy": "blue-green", "proxy": PROXY, **PACE, "migrate": MIGRATE}
WELL = 'curl -fsS "http://localhost:$PORT/health" | grep "$FRAISIER_VERSION"'
HOOKS = {
    "pre_deployment": [noting("before"), f"readlink {APP_PATH}/current >> {NOTES} || true"],
    "post_deployment": [
        {"command": "echo the secret is $TEST_SECRET; exit 3", "on_failure": "warn"},
        noting("after"),
    ],
}


def notes(target: Target, host: Any = None) -> list[list[str]]:
    """Return what hooks noted on a host, and forget it."""
    said = target.inside(host or target.hosts[0], f"cat {NOTES} 2>/dev/null; rm -f {NOTES}")
    return [line.split() for line in said.splitlines()]


def around(target: Target) -> dict[str, Any]:
    """Return what the newest deployment told of the work around it on its first host."""
    told = target.fraisier("--json", "events", target.last()["id"]).json["events"]
    ended = [e["data"] for e in told if e["type"] == "deployment.host_completed"]
    found: dict[str, Any] = ended[0]["around"]
    return found


def test_hooks_and_smoke_tests_run_around_a_release_and_can_stop_it(target: Target) -> None:
    first = run_all_that_is_good(target)
    host = target.hosts[0]
    release = target.current(host)

    bad_smoke = [{"url": URL, "body": "this is not in it"}]
    target.configure({**PACE, "hooks": HOOKS, "smoke": bad_smoke}, env_vars=VARIABLES)
    target.repository.commit("good", {"note": "its smoke test fails"})
    bad = target.deploy(S=SECRET)
    assert bad.code == 5, bad.said
    assert "smoke_failed" in bad.said
    assert target.last()["status"] == "rolled_back"
    assert target.served(host) == first
    before, there, *_ = notes(target)
    assert there == [release], "the old release was current when the first hooks ran"
    assert before[1] == target.last()["version"]

    why = ["echo told why >&2; exit 7"]
    target.configure({**PACE, "hooks": {"pre_deployment": why}}, env_vars=VARIABLES)
    target.repository.commit("good", {"note": "its first hook fails"})
    refused = target.deploy(S=SECRET)
    assert refused.code == 5, refused.said
    assert "hook_failed" in refused.said
    assert "told why" in refused.said
    assert target.last()["status"] == "failed"
    assert (target.served(host), target.current(host)) == (first, release)

    endless = {"command": "sleep 60", "timeout": 1}
    target.configure({**PACE, "hooks": {"post_deployment": [endless]}}, env_vars=VARIABLES)
    back = target.deploy(S=SECRET)
    assert back.code == 5, back.said
    assert "did not end within 1 s" in back.said
    assert target.last()["status"] == "rolled_back"
    assert target.served(host) == first
    assert target.inside(host, "pgrep -f 'slee[p] 60' || true") == ""


def run_all_that_is_good(target: Target) -> str:
    """Deploy with hooks and smoke tests that pass, twice; return the version."""
    smoke = [{"url": URL, "body": "version"}, "test -f app.py"]
    target.configure({**PACE, "hooks": HOOKS, "smoke": smoke}, env_vars=VARIABLES)
    first = target.repository.commit("good")
    done = target.deploy(S=SECRET)
    assert done.code == 0, done.said
    release = target.current(target.hosts[0])
    before, after = notes(target)
    assert before == ["before", first, "app", f"{APP_PATH}/{release}"]
    assert after == ["after", first, "app", f"{APP_PATH}/{release}"]
    (warning,) = around(target)["warnings"]
    assert "exit status 3" in warning
    logs = target.fraisier("logs", target.last()["id"])
    assert "the secret is ***" in logs.out.replace("********", "***"), logs.out
    assert SECRET not in logs.out + target.fraisier("events", target.last()["id"]).out

    again = target.deploy(S=SECRET)
    assert again.code == 0, again.said
    assert notes(target) == [], "nothing changed, so nothing was run"
    return first


def test_a_migration_runs_once_and_is_taken_back_before_the_old_release_serves(
    make_target: Callable[[int], Target],
) -> None:
    fleet = make_target(2)
    fleet.configure({"strategy_config": {"healthy_deadline": 15}, "migrate": MIGRATE})
    first = fleet.repository.commit("good")
    done = fleet.deploy()
    assert done.code == 0, done.said
    assert [line[:2] for line in notes(fleet)] == [["up", first]]
    assert notes(fleet, fleet.hosts[1]) == [], "on one host only"

    second = fleet.repository.commit("die")
    bad = fleet.deploy()
    assert bad.code == 5, bad.said
    assert fleet.last()["status"] == "rolled_back"
    ran = notes(fleet)
    assert [line[:2] for line in ran] == [["up", second], ["down", second]]
    assert ran[0][3] == ran[1][3], "both ran in the release that failed"
    assert [fleet.served(host) for host in fleet.hosts] == [first] * 2


@pytest.mark.slow
def test_with_colours_all_is_done_before_the_release_gets_any_traffic(target: Target) -> None:
    host = target.hosts[0]
    target.configure({**COLOURS, "smoke": [WELL, {"url": URL, "body": "version"}]})
    prepare(target)
    first = target.repository.commit("good")
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.served(host) == first
    assert [line[:2] for line in notes(target)] == [["up", first]]

    failing = {"command": f'echo "$PORT" > {NOTES}.port; exit 1', "name": "the smoke"}
    second = taken_back(target, {"smoke": [failing]}, first)
    assert "smoke_failed" in second
    assert target.inside(host, f"cat {NOTES}.port; rm {NOTES}.port") in ("9000", "9001")
    taken_back(target, {"hooks": {"post_deployment": ["exit 1"]}}, first)
    assert target.last()["status"] == "rolled_back"


def taken_back(target: Target, work: dict[str, Any], first: str) -> str:
    """Deploy with work that fails: the migration must be taken back; return what was said."""
    target.configure({**COLOURS, **work})
    version = target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert target.served(target.hosts[0]) == first
    assert [line[:2] for line in notes(target)] == [["up", version], ["down", version]]
    return refused.said
