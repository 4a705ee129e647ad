"""A provider that is a folder: the one of the tutorial, on a real host."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from support.pages import TOP
from support.target import Target

EXAMPLE = TOP / "docs/examples/static-site"


@pytest.fixture
def site(make_target: Callable[[int], Target]) -> Target:
    """Return a target whose folder is the example's, with a repository of a site."""
    target = make_target(1)
    shutil.copytree(EXAMPLE, target.folder, dirs_exist_ok=True)
    shutil.copy(target.lab.known_hosts, target.folder / "known_hosts")
    target.fraisier = type(target.fraisier)(
        target.folder,
        environment={
            "HANDBOOK_REPO": str(target.repository.path),
            "WEB_HOST": target.hosts[0].address,
            "SSH_KEY": str(target.lab.key),
        },
    )
    return target


def served(site: Target) -> str:
    """Return the site's page as it is on the host."""
    return site.inside(site.hosts[0], "cat /srv/handbook/current/index.html 2>/dev/null || true")


@pytest.mark.slow
@pytest.mark.cpu_seconds(40, reason="every verb of the provider that the tutorial writes")
def test_the_tutorials_provider_deploys_goes_back_and_is_looked_at(site: Target) -> None:
    try:
        run = site.fraisier
        listed = run("providers")
        assert "static_site" in listed.said, listed.said
        first = site.repository.commit("good", {"index.html": "first"})
        done = run("deploy", "handbook", "production")
        assert done.code == 0, done.said
        assert served(site) == "first"
        site.repository.commit("good", {"index.html": "second"})
        assert run("deploy", "handbook", "production").code == 0
        assert served(site) == "second"
        back = run("rollback", "handbook", "production")
        assert back.code == 0, back.said
        assert served(site) == "first"
        probed = run("--json", "hosts", "probe", "handbook", "production")
        assert probed.code == 0, probed.said
        (host,) = probed.json["hosts"]
        assert host["running"] == host["release"]["id"] == first
        refused = run("deploy", "handbook", "production", "--version", bare(site))
        assert refused.code == 5, refused.said
        assert "the commit has no index.html" in refused.said
        assert served(site) == "first"
    finally:
        site.inside(site.hosts[0], "rm -rf /srv/handbook")


def bare(site: Target) -> str:
    """Return a commit that has no page."""
    (site.repository.work / "index.html").unlink()
    return site.repository.commit("good", {})
