"""Hooks, migrations and smoke tests on real hosts: when they run, as whom, and what they stop."""

from __future__ import annotations

from typing import Any

import scenarios

from support.colours_lab import PROXY, prepare
from support.target import APP_PATH, Target

SECRET = "a-secret-that-no-log-may-show"
NOTES = f"{APP_PATH}/shared/notes"
NOTE = f'echo "$0 $FRAISIER_VERSION $(id -un) $(pwd)" >> {NOTES}'
PACE = {"strategy_config": {"healthy_deadline": 8}}


def noting(word: str) -> list[str]:
    """Return a hook that notes its name, version, user and folder."""
    return ["/bin/sh", "-c", NOTE, word]


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


def test_hooks_run_in_the_release_as_its_user_before_and_after_it_serves(target: Target) -> None:
    hooks = {
        "pre_deployment": [noting("before"), f"readlink {APP_PATH}/current >> {NOTES} || true"],
        "post_deployment": [
            {"command": "echo the secret is $TEST_SECRET; exit 3", "on_failure": "warn"},
            noting("after"),
        ],
    }
    variables = {"PORT": "8000", "TEST_SECRET": {"env": "S"}}
    target.configure({**PACE, "hooks": hooks}, env_vars=variables)
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

    second = target.repository.commit("good")
    assert target.deploy(S=SECRET).code == 0
    before, there, after = notes(target)
    assert there == [release], "the old release was current when the first hooks ran"
    assert after[1] == second
    again = target.deploy(S=SECRET)
    assert again.code == 0, again.said
    assert notes(target) == [], "nothing changed, so nothing was run"


def test_a_hook_that_fails_stops_the_deployment_or_takes_it_back(target: Target) -> None:
    first = scenarios.first_deployment(target)
    host = target.hosts[0]
    target.configure({**PACE, "hooks": {"pre_deployment": ["echo told why >&2; exit 7"]}})
    target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "hook_failed" in refused.said
    assert "told why" in refused.said
    assert target.last()["status"] == "failed"
    assert target.served(host) == first

    endless = {"command": "sleep 60", "timeout": 1}
    target.configure({**PACE, "hooks": {"post_deployment": [endless]}})
    back = target.deploy()
    assert back.code == 5, back.said
    assert "did not end within 1 s" in back.said
    assert target.last()["status"] == "rolled_back"
    assert target.served(host) == first
    assert target.inside(host, "pgrep -f 'slee[p] 60' || true") == ""


def test_a_smoke_test_that_fails_makes_the_release_bad(target: Target) -> None:
    url = "http://localhost:8000/health"
    target.configure({**PACE, "smoke": [{"url": url, "body": "version"}, "test -f app.py"]})
    first = scenarios.first_deployment(target)
    target.configure({**PACE, "smoke": [{"url": url, "body": "this is not in it"}]})
    target.repository.commit("good")
    bad = target.deploy()
    assert bad.code == 5, bad.said
    assert "smoke_failed" in bad.said
    assert target.last()["status"] == "rolled_back"
    assert target.served(target.hosts[0]) == first


def test_a_migration_runs_once_and_is_taken_back_before_the_old_release_serves(
    fleet: Target,
) -> None:
    migrate = {"command": noting("up"), "down": noting("down")}
    fleet.configure({"strategy_config": {"healthy_deadline": 15}, "migrate": migrate})
    first = scenarios.first_deployment(fleet)
    assert [line[:2] for line in notes(fleet)] == [["up", first]]
    for other in fleet.hosts[1:]:
        assert notes(fleet, other) == []

    second = fleet.repository.commit("die")
    bad = fleet.deploy()
    assert bad.code == 5, bad.said
    assert fleet.last()["status"] == "rolled_back"
    ran = notes(fleet)
    assert [line[:2] for line in ran] == [["up", second], ["down", second]]
    assert ran[0][3] == ran[1][3], "both ran in the release that failed"
    assert [fleet.served(host) for host in fleet.hosts] == [first] * 3

    fleet.configure({**PACE, "migrate": {"command": "exit 9", "down": noting("down")}})
    fleet.repository.commit("good")
    refused = fleet.deploy()
    assert refused.code == 5, refused.said
    assert "migration_failed" in refused.said
    assert notes(fleet) == [], "what failed is not taken back: nobody knows how far it came"
    assert [fleet.served(host) for host in fleet.hosts] == [first] * 3


def test_with_colours_all_is_done_before_the_release_gets_any_traffic(target: Target) -> None:
    host = target.hosts[0]
    pace = {"strategy": "blue-green", "proxy": PROXY, **PACE}
    well = 'curl -fsS "http://localhost:$PORT/health" | grep "$FRAISIER_VERSION"'
    migrate = {"command": noting("up"), "down": noting("down")}
    url = {"url": "http://localhost:8000/health", "body": "version"}
    target.configure({**pace, "migrate": migrate, "smoke": [well, url]})
    prepare(target)
    first = target.repository.commit("good")
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.served(host) == first
    assert [line[:2] for line in notes(target)] == [["up", first]]

    failing = {"command": f'echo "$PORT" > {NOTES}.port; exit 1', "name": "the smoke"}
    target.configure({**pace, "migrate": migrate, "smoke": [failing]})
    second = target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "smoke_failed" in refused.said
    assert target.served(host) == first
    assert [line[:2] for line in notes(target)] == [["up", second], ["down", second]]
    assert target.inside(host, f"cat {NOTES}.port; rm {NOTES}.port") in ("9000", "9001")

    hooks = {"post_deployment": ["exit 1"]}
    target.configure({**pace, "migrate": migrate, "hooks": hooks})
    third = target.repository.commit("good")
    back = target.deploy()
    assert back.code == 5, back.said
    assert target.last()["status"] == "rolled_back"
    assert target.served(host) == first
    assert [line[:2] for line in notes(target)] == [["up", third], ["down", third]]
