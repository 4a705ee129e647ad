"""Services that come to an end, on real hosts: by a timer, or when they are asked for."""

from __future__ import annotations

from typing import Any

import yaml

from support.target import Target, until

JOB = 'echo "$FRAISIER_VERSION $(id -un)" >> /tmp/ran; cat note; test ! -e fails'
TIMER = "my-api.timer"


def configure(target: Target, kind: str, **more: Any) -> None:
    """Make the target's service one of a type that comes to an end."""
    target.configure(
        exec=["/bin/sh", "-c", JOB], health_check=None, env_vars={"WHAT": "a job"}, **more
    )
    file = target.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    document["fraises"]["my_api"]["type"] = kind
    file.write_text(yaml.safe_dump(document))
    target.inside(target.hosts[0], "rm -f /tmp/ran")


def ran(target: Target) -> list[str]:
    """Return the versions that ran on the host, in their order, and as whom."""
    return target.inside(target.hosts[0], "cat /tmp/ran 2>/dev/null || true").splitlines()


def status(target: Target) -> dict[str, Any]:
    """Return what `app status` tells of the host."""
    found = target.fraisier("--json", "app", "status", "my_api", "production").json
    host: dict[str, Any] = found["hosts"][0]
    return host


def test_an_etl_runs_when_it_is_asked_to_and_its_result_is_told(target: Target) -> None:
    configure(target, "etl")
    first = target.repository.commit("good", {"note": "nothing to say"})
    done = target.deploy()
    assert done.code == 0, done.said
    assert ran(target) == [], "a deployment does not run it"
    assert status(target)["last_run"] is None
    started = target.fraisier("app", "start", "my_api", "production")
    assert started.code == 0, started.said
    assert ran(target) == [f"{first} app"]
    seen = status(target)
    assert seen["ok"]
    assert seen["last_run"]["result"] == "success"
    assert seen["last_run"]["exit_status"] == 0
    assert "success, exit status 0" in target.fraisier("app", "status", "my_api", "production").out

    second = target.repository.commit("good", {"note": "the reason why", "fails": ""})
    assert target.deploy().code == 0
    bad = target.fraisier("app", "start", "my_api", "production")
    assert bad.code == 5, bad.said
    assert "exit status 1" in bad.said
    assert ran(target)[-1] == f"{second} app"
    seen = target.fraisier("app", "status", "my_api", "production")
    assert seen.code == 5, seen.said
    assert "exit-code, exit status 1" in seen.out
    assert "the reason why" in target.fraisier("app", "logs", "my_api", "production").out
    back = target.fraisier("rollback", "my_api", "production")
    assert back.code == 0, back.said
    assert target.fraisier("app", "start", "my_api", "production").code == 0
    assert ran(target)[-1] == f"{first} app"


def test_a_scheduled_service_is_run_once_by_a_deployment_where_that_is_wanted(
    target: Target,
) -> None:
    host = target.hosts[0]
    configure(target, "scheduled", schedule="Mon *-*-* 03:00:00", run_now=True)
    sha = target.repository.commit("good", {"note": "tick"})
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.inside(host, f"systemctl is-active {TIMER}; systemctl is-enabled {TIMER}") == (
        "active\nenabled"
    )
    assert "03:00:00" in target.inside(host, f"systemctl show -P NextElapseUSecRealtime {TIMER}")
    assert ran(target) == [f"{sha} app"]
    again = target.deploy()
    assert again.code == 0, again.said
    assert ran(target) == [f"{sha} app"], "nothing changed, nothing ran"

    bad = target.repository.commit("good", {"note": "tock", "fails": ""})
    failed = target.deploy()
    assert failed.code == 5, failed.said
    assert "job_failed" in failed.said
    assert target.last()["status"] == "rolled_back"
    assert bad[:7] not in target.current(host)
    assert target.inside(host, f"systemctl is-active {TIMER}") == "active"
    configure(target, "scheduled", schedule="Foo 99:99")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert "schedule_invalid" in refused.said


def test_a_scheduled_service_runs_by_its_timer(target: Target) -> None:
    host = target.hosts[0]
    configure(target, "scheduled", schedule="*-*-* *:*:00/2")
    sha = target.repository.commit("good", {"note": "tick"})
    done = target.deploy()
    assert done.code == 0, done.said
    until(lambda: len(ran(target)) >= 2, 60)
    assert set(ran(target)) == {f"{sha} app"}
    seen = status(target)
    assert seen["next"]
    assert seen["last_run"]["started_at"] > 0
    assert target.fraisier("app", "stop", "my_api", "production").code == 0
    assert target.inside(host, f"systemctl is-active {TIMER} || true") == "inactive"
    target.repository.commit("good", {"note": "tock"})
    configure(target, "etl")
    assert target.deploy().code == 0
    assert target.inside(host, f"systemctl cat {TIMER} 2>&1 || true").startswith("No files found")
