"""Setting up a proxy on a real host: what is shown, what is done, what stays."""

from __future__ import annotations

import pytest

from support.target import Target, until

PROXY = {"port": 80, "health_path": "/health"}
STATE = "systemctl is-active fraisier-proxy; systemctl is-enabled fraisier-proxy"
MAIN = "systemctl show -p MainPID --value fraisier-proxy"


@pytest.mark.slow
@pytest.mark.cpu_seconds(40, reason="setup runs three times on a real host: shown, done, and again")
def test_setup_says_what_it_would_do_makes_a_proxy_that_survives_and_finds_nothing_more_to_do(
    target: Target,
) -> None:
    target.configure({"proxy": PROXY})
    host = target.hosts[0]
    shown = target.fraisier("setup", "my_api", "production")
    assert shown.code == 0, shown
    assert "would write what all services share" in shown.out
    assert "+++ /etc/fraisier-proxy/00-global.cfg" in shown.out
    assert target.inside(host, "ls -d /etc/fraisier-proxy 2>/dev/null || true") == ""

    done = target.fraisier("setup", "my_api", "production", "--yes")
    assert done.code == 0, done
    assert target.inside(host, STATE).split() == ["active", "enabled"]
    users = target.inside(host, "ps -o user= -C haproxy").split()
    assert sorted(users) == ["haproxy", "root"]
    assert target.inside(host, "systemctl is-active haproxy || true") == "inactive"

    before = target.inside(host, MAIN)
    target.inside(host, f"kill -9 {before}")
    until(lambda: target.inside(host, MAIN) not in ("0", before), 60)
    until(lambda: target.inside(host, f"{STATE}; true").split() == ["active", "enabled"], 60)

    again = target.fraisier("setup", "my_api", "production", "--yes")
    assert again.code == 0, again
    assert "nothing to do" in again.out
    looked = target.fraisier("doctor", "my_api", "production")
    assert "knows the service from its first deployment on" in looked.out
