"""Colours on real hosts: the first beside a plain unit, the team's template, and the way out."""

from __future__ import annotations

import pytest

from support.colours_lab import PROXY, colours, prepare, weights
from support.target import APP_PATH, UNIT, Target, served, until

TEMPLATE = f"""[Service]
User=app
WorkingDirectory={APP_PATH}/%i
EnvironmentFile={APP_PATH}/.fraisier/%i.environment
ExecStart=/usr/bin/python3 app.py

[Install]
WantedBy=multi-user.target
"""


def configure(target: Target, strategy: str = "blue-green", **provider: object) -> None:
    """Write fraises.yaml with a proxy on the port that a lab host publishes."""
    pace = {"healthy_deadline": 8}
    target.configure({"strategy": strategy, "proxy": PROXY, "strategy_config": pace}, **provider)


def test_a_service_gets_its_colours_while_its_plain_unit_serves(target: Target) -> None:
    """The plain unit stays until the proxy has the traffic, and is stopped then."""
    host = target.hosts[0]
    plain = {"env_vars": {"PORT": "8001"}}
    check = {"health_check": {"type": "http", "url": "http://localhost:8001/health"}}
    target.configure(**plain, **check)
    first = target.repository.commit("good")
    assert target.deploy().code == 0
    configure(target, **plain, **check)
    prepare(target)
    second = target.repository.commit("good", {"note": "second"})
    assert target.deploy().code == 0
    assert target.served(host) == second, "by the proxy's port"
    assert target.unit_state(host) == "inactive"
    assert target.inside(host, f"systemctl is-enabled {UNIT} || true") == "disabled"
    assert colours(target)["live"] == "blue"
    back = target.fraisier("rollback", "my_api", "production")
    assert back.code == 0, back.out
    assert target.served(host) == first, "a release from before the colours runs as one"


def test_a_bad_first_colour_leaves_the_plain_unit_as_it_was(target: Target) -> None:
    host = target.hosts[0]
    plain = {"env_vars": {"PORT": "8001"}}
    check = {"health_check": {"type": "http", "url": "http://localhost:8001/health", "timeout": 2}}
    target.configure(**plain, **check)
    target.repository.commit("good")
    assert target.deploy().code == 0
    before = target.current(host)
    configure(target, **plain, **check)
    prepare(target)
    target.repository.commit("http500")
    assert target.deploy().code == 5
    assert target.unit_state(host) == "active"
    assert target.current(host) == before
    assert colours(target)["live"] is None


def test_a_template_of_the_teams_own_is_used_as_it_is(target: Target) -> None:
    host = target.hosts[0]
    configure(target, exec=None)
    prepare(target)
    target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5
    assert "colours_unsuitable" in refused.out + refused.err
    path = "/etc/systemd/system/my-api@.service"
    target.inside(host, f"cat > {path} <<'END'\n{TEMPLATE}END\nsystemctl daemon-reload")
    version = target.repository.commit("good", {"note": "second"})
    done = target.deploy()
    assert done.code == 0, done.out
    assert target.served(host) == version
    assert target.inside(host, f"cat {path}") == TEMPLATE.strip()
    enabled = target.inside(host, "systemctl is-enabled my-api@blue.service")
    assert enabled == "enabled"


def test_without_app_port_free_ports_are_found_and_kept(target: Target) -> None:
    pace = {"healthy_deadline": 8}
    proxy = {name: value for name, value in PROXY.items() if name != "app_port"}
    target.configure({"strategy": "rolling", "proxy": proxy, "strategy_config": pace})
    prepare(target)
    target.repository.commit("good")
    assert target.deploy().code == 0
    first = colours(target)["ports"]
    assert all(9100 <= port < 9900 for port in first.values())
    assert len(set(first.values())) == 2
    target.repository.commit("good", {"note": "second"})
    assert target.deploy().code == 0
    assert colours(target)["ports"] == first


def test_what_a_killed_proxy_starts_with_is_what_it_did_before(target: Target) -> None:
    host = target.hosts[0]
    configure(target)
    prepare(target)
    for note in ("first", "second"):
        version = target.repository.commit("good", {"note": note})
        assert target.deploy().code == 0
    before = weights(target)
    target.inside(host, "systemctl kill --signal=KILL fraisier-proxy")
    until(lambda: served(host.address) == version, 30)
    assert weights(target) == before == {"blue": 0, "green": 100}


def test_without_a_proxy_any_more_the_plain_unit_serves(target: Target) -> None:
    host = target.hosts[0]
    configure(target)
    prepare(target)
    target.repository.commit("good")
    assert target.deploy().code == 0
    target.inside(host, "systemctl stop fraisier-proxy")  # its port is the service's now
    target.configure()
    version = target.repository.commit("good", {"note": "second"})
    done = target.deploy()
    assert done.code == 0, done.out
    assert target.served(host) == version
    left = target.inside(host, "systemctl list-units --plain --no-legend 'my-api@*'")
    assert left == ""


@pytest.mark.parametrize("ended", ["well", "badly"])
def test_a_balancer_of_somebody_elses_hears_of_every_change(target: Target, ended: str) -> None:
    """Whatever was drained is undrained on every path."""
    host = target.hosts[0]
    story = "/tmp/balancer"
    commands = {
        f"{what}_command": ["/bin/sh", "-c", f"echo {what} >> {story}"]
        for what in ("drain", "undrain")
    }
    target.inside(host, f"rm -f {story}")
    target.configure({"proxy": {"type": "none", **commands}})
    target.repository.commit("good")
    assert target.deploy().code == 0
    assert target.inside(host, f"cat {story}").split() == ["drain", "undrain"]
    if ended == "badly":
        target.repository.commit("http500")
        assert target.deploy().code == 5
        told = target.inside(host, f"cat {story}").split()
        assert told == ["drain", "undrain"] * 3, "the change, the way back, each for itself"


def test_what_was_promoted_starts_with_the_system_and_nothing_else(target: Target) -> None:
    host = target.hosts[0]
    configure(target, "rolling")
    prepare(target)
    for note in ("first", "second"):
        target.repository.commit("good", {"note": note})
        assert target.deploy().code == 0
    wanted = "ls /etc/systemd/system/multi-user.target.wants | grep my-api || true"
    assert target.inside(host, wanted).split() == ["my-api@green.service"]
