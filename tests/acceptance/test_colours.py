"""Slots on real hosts: the first beside a plain unit, the way out, and the team's template."""

from __future__ import annotations

import pytest

from support.colours_lab import PROXY, colours, enabled, give_proxy
from support.target import APP_PATH, UNIT, Target

TEMPLATE = f"""[Service]
User=app
WorkingDirectory={APP_PATH}/%i
EnvironmentFile={APP_PATH}/.fraisier/%i.environment
ExecStart=/usr/bin/python3 app.py

[Install]
WantedBy=multi-user.target
"""
#: A plain unit on the port that its slots will have, behind a balancer that is not Fraisier's.
PLAIN = {
    "env_vars": {"PORT": "8001"},
    "health_check": {"type": "http", "url": "http://localhost:8001/health", "timeout": 2},
}
BALANCER = "/tmp/balancer"
NAMES = ("my_api", "production")


def configure(target: Target, strategy: str = "blue-green", **provider: object) -> None:
    """Write fraises.yaml with a proxy and without a port for the slots."""
    pace = {"healthy_deadline": 8}
    proxy = {name: value for name, value in PROXY.items() if name != "app_port"}
    target.configure({"strategy": strategy, "proxy": proxy, "strategy_config": pace}, **provider)


@pytest.mark.slow
@pytest.mark.cpu_seconds(30, reason="one host walks through six deployments instead of six hosts")
def test_a_plain_unit_serves_until_its_first_slot_does_and_again_without_a_proxy(
    target: Target,
) -> None:
    host = target.hosts[0]
    first = begin_behind_a_balancer(target)
    configure(target, **PLAIN)
    give_proxy(target)
    check_bad_first_slot(target)

    second = target.repository.commit("good", {"note": "second"})
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.served(host) == second, "by the proxy's port"
    assert target.unit_state(host) == "inactive"
    record = colours(target)
    assert record["live"] == "blue"
    assert enabled(target) == ["my-api@blue.service"], "the plain unit does not start any more"
    assert all(9100 <= port < 9900 for port in record["ports"].values()), "free ports are found"
    assert len(set(record["ports"].values())) == 2

    back = target.fraisier("rollback", *NAMES)
    assert back.code == 0, back.said
    assert target.served(host) == first, "a release from before the slots runs in one"
    assert colours(target)["ports"] == record["ports"], "they are kept"

    target.inside(host, "systemctl stop fraisier-proxy")  # its port is the service's now
    target.configure()
    third = target.repository.commit("good", {"note": "third"})
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.served(host) == third
    left = target.inside(host, "systemctl list-units --plain --no-legend 'my-api@*'")
    assert left == ""


def begin_behind_a_balancer(target: Target) -> str:
    """Deploy a good version and a bad one: whatever was drained is undrained on every path."""
    host = target.hosts[0]
    commands = {
        f"{what}_command": ["/bin/sh", "-c", f"echo {what} >> {BALANCER}"]
        for what in ("drain", "undrain")
    }
    target.inside(host, f"rm -f {BALANCER}")
    target.configure({"proxy": {"type": "none", **commands}}, **PLAIN)
    version = target.repository.commit("good")
    assert target.deploy().code == 0
    assert target.inside(host, f"cat {BALANCER}").split() == ["drain", "undrain"]
    target.repository.commit("http500")
    assert target.deploy().code == 5
    told = target.inside(host, f"cat {BALANCER}").split()
    assert told == ["drain", "undrain"] * 3, "the change, the way back, each for itself"
    return version


def check_bad_first_slot(target: Target) -> None:
    """Deploy a bad version to a first slot: the plain unit stays as it was."""
    host = target.hosts[0]
    before = target.current(host)
    target.repository.commit("http500", {"note": "a bad first slot"})
    assert target.deploy().code == 5
    assert target.unit_state(host) == "active"
    assert target.inside(host, f"systemctl is-enabled {UNIT} || true") == "enabled"
    assert target.current(host) == before
    assert colours(target)["live"] is None


def test_a_template_of_the_teams_own_is_used_as_it_is(target: Target) -> None:
    host = target.hosts[0]
    configure(target, exec=None)
    give_proxy(target)
    target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5
    assert "colours_unsuitable" in refused.said
    path = "/etc/systemd/system/my-api@.service"
    target.inside(host, f"cat > {path} <<'END'\n{TEMPLATE}END\nsystemctl daemon-reload")
    version = target.repository.commit("good", {"note": "second"})
    done = target.deploy()
    assert done.code == 0, done.said
    assert target.served(host) == version
    assert target.inside(host, f"cat {path}") == TEMPLATE.strip()
    assert enabled(target) == ["my-api@blue.service"]
