"""Services that come to an end, on real hosts: by a timer, or when they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from support.command import Result
from support.target import Target, until

#: A job fails by its release, or by what is on its host: then no other release helps.
FAILS = "/tmp/job-fails"
NOTE = 'echo "$FRAISIER_VERSION $(id -un)" >> /tmp/ran; cat note'
JOB = f"{NOTE}; test ! -e fails && test ! -e {FAILS}"
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
    target.inside(target.hosts[0], f"rm -f /tmp/ran {FAILS}")


def ran(target: Target) -> list[str]:
    """Return the versions that ran on the host, in their order, and as whom."""
    return target.inside(target.hosts[0], "cat /tmp/ran 2>/dev/null || true").splitlines()


def status(target: Target) -> dict[str, Any]:
    """Return what `app status` tells of the host."""
    found = target.fraisier("--json", "app", "status", "my_api", "production").json
    host: dict[str, Any] = found["hosts"][0]
    return host


def app(target: Target, verb: str) -> Result:
    """Run `fraisier app VERB` for the target."""
    return target.fraisier("app", verb, "my_api", "production")


@pytest.mark.cpu_seconds(40, reason="three deployments of a job, and its timers")
def test_a_job_runs_by_its_deployment_by_its_timer_and_when_it_is_asked_to(target: Target) -> None:
    first = run_once_by_a_deployment(target)
    run_by_a_timer(target, first)
    run_when_asked(target)


def run_once_by_a_deployment(target: Target) -> str:
    """Deploy a scheduled service with `run_now`, again, and one that fails; return the first."""
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
    assert ran(target) == [f"{version} app" for version in (sha, bad, sha)]
    assert target.inside(host, f"systemctl is-active {TIMER}") == "active"
    seen = status(target)
    assert seen["next"]
    assert seen["last_run"]["started_at"] > 0
    return sha


def run_by_a_timer(target: Target, sha: str) -> None:
    """Let the timer of a release run it again and again, then stop the timer."""
    host = target.hosts[0]
    configure(target, "scheduled", schedule="*-*-* *:*:00/2")
    done = target.deploy("--version", sha)
    assert done.code == 0, done.said
    until(lambda: len(ran(target)) >= 2, 60)
    assert set(ran(target)) == {f"{sha} app"}
    stopped = app(target, "stop")
    assert stopped.code == 0, stopped.said
    assert target.inside(host, f"systemctl is-active {TIMER} || true") == "inactive"


def run_when_asked(target: Target) -> None:
    """Make the service an ETL job: no timer is left, and `app start` runs it and tells its end."""
    host = target.hosts[0]
    configure(target, "etl")
    (target.repository.work / "fails").unlink()
    sha = target.repository.commit("good", {"note": "the reason why"})
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.inside(host, f"systemctl cat {TIMER} 2>&1 || true").startswith("No files found")
    assert ran(target) == [], "a deployment does not run it"
    started = app(target, "start")
    assert started.code == 0, started.said
    assert ran(target) == [f"{sha} app"]
    seen = app(target, "status")
    assert seen.code == 0, seen.said
    assert "success, exit status 0" in seen.out

    target.inside(host, f"touch {FAILS}")
    bad = app(target, "start")
    assert bad.code == 5, bad.said
    assert "exit status 1" in bad.said
    assert ran(target) == [f"{sha} app"] * 2
    seen = app(target, "status")
    assert seen.code == 5, seen.said
    assert "exit-code, exit status 1" in seen.out
    assert "the reason why" in app(target, "logs").out
    target.inside(host, f"rm -f /tmp/ran {FAILS}")
