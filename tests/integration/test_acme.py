"""Certificates from an ACME authority on a real host: setup, the unit, the timer, doctor.

The authority of the tests runs on the very host, beside certbot: there is no DNS that leads to it.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest

from support import acme
from support.target import Target, until

NAME, OTHER = "api.example.com", "www.example.com"
UNIT = "fraisier-acme@my_api.production.service"
DIRECTORY = "http://127.0.0.1:14000/directory"
PROXY = {"host": NAME, "app_port": 9000, "health_path": "/health"}


def challenges_at(target: Target, port: int) -> None:
    """Have the authority ask for challenges on a port of the host."""
    target.inside(target.hosts[0], f"echo {port} > /run/acme-port")


def begin_authority(target: Target) -> None:
    """Start the authority on the host."""
    host = target.hosts[0]
    packed = base64.b64encode(Path(acme.__file__).read_bytes()).decode()
    target.inside(host, f"echo {packed} | base64 -d > /run/acme.py")
    begin = "systemd-run --quiet --unit test-acme"
    target.inside(host, f"{begin} /usr/bin/python3 /run/acme.py 14000 /run/acme-port 20")
    until(lambda: "newNonce" in target.inside(host, f"curl -s {DIRECTORY} || true"))


def end_authority(target: Target) -> None:
    """Stop the authority; the rest is wiped with the host's proxy."""
    target.inside(target.hosts[0], "systemctl stop test-acme")


def shown(target: Target) -> str:
    """Return the certificate that the proxy shows, as text that holds its issuer's name."""
    ask = "import ssl; print(ssl.get_server_certificate(('127.0.0.1', 443)))"
    pem = target.inside(target.hosts[0], f'python3 -c "{ask}"')
    return ssl.PEM_cert_to_DER_cert(pem + "\n").decode("latin-1")


@pytest.mark.slow
@pytest.mark.cpu_seconds(50, reason="two real setups with certbot on one host, and a deployment")
def test_a_proxy_gets_its_certificate_renews_it_and_gets_another_by_a_deployment(
    target: Target,
) -> None:
    host = target.hosts[0]
    tls = {"acme": {"directory": DIRECTORY, "email": "ops@example.com"}}
    own = {"hostname": host.address, "username": "deploy", "ssh_key_path": str(target.lab.key)}
    target.configure({"proxy": {**PROXY, "tls": tls, "hosts": [own]}})
    try:
        challenges_at(target, 81)
        begin_authority(target)
        refused = target.fraisier("setup", "my_api", "production", "--yes")
        assert refused.code != 0
        assert f"of {NAME} the authority says: 127.0.0.1: Invalid response" in refused.out
        assert "Fraisier stand-in" in shown(target)
        looked = target.fraisier("doctor", "my_api", "production")
        assert f"no certificate for {NAME}" in looked.out

        challenges_at(target, 80)
        done = target.fraisier("setup", "my_api", "production", "--yes")
        assert done.code == 0, done
        first = shown(target)
        assert "Test authority" in first
        pem = target.inside(host, "stat -c '%a %U' /etc/fraisier-proxy/certs/*.pem")
        assert pem == "600 root"
        looked = target.fraisier("doctor", "my_api", "production")
        assert "its certificate ends in 20 days" in looked.out
        timer = "systemctl is-active fraisier-acme.timer; systemctl is-enabled fraisier-acme.timer"
        assert target.inside(host, timer).split() == ["active", "enabled"]

        target.inside(host, "systemctl start fraisier-acme@all.service")
        assert shown(target) != first, "one that ends in 20 days is due"

        check_first_deployment(target)
    finally:
        end_authority(target)


def check_first_deployment(target: Target) -> None:
    """Deploy behind a proxy on the service's own host: that gets the certificate of a new name."""
    host = target.hosts[0]
    proxy = {**PROXY, "host": OTHER, "tls": {"acme": {"directory": DIRECTORY}}}
    target.configure({"proxy": proxy})
    assert OTHER not in shown(target)
    target.repository.commit("good")
    deployed = target.deploy()
    assert deployed.code == 0, deployed
    until(lambda: OTHER in shown(target), 60)
    assert "Test authority" in shown(target)
    until(lambda: target.inside(host, f"systemctl is-active {UNIT} || true") == "inactive", 60)
    assert target.inside(host, f"systemctl show -p Result --value {UNIT}") == "success"
