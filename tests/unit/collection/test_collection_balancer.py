"""A host that is taken out of somebody else's balancer is put back, however the change ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.balancer import drained, heal
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.front import Front
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from ansible_collections.fraisier.deploy.plugins.module_utils.site import Site
from ansible_collections.fraisier.deploy.plugins.module_utils.source import Source
from support.colours import USER, service

Make = Callable[[list[str], list[str]], Site]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a site with these commands."""

    def site(drain: list[str], undrain: list[str]) -> Site:
        front = Front(drain_command=drain, undrain_command=undrain)
        made = Site(service(tmp_path), Claim("i", "d"), Source(Access("/r")), front)
        os.makedirs(made.layout.state, exist_ok=True)
        return made

    return site


OUT, IN = ["/bin/sh", "-c", "echo out >> story"], ["/bin/sh", "-c", "echo in >> story"]


def story(site: Site) -> list[str]:
    path = Path(site.layout.app_path, "story")
    return path.read_text().split() if path.exists() else []


def test_it_is_out_while_the_service_changes(make: Make) -> None:
    site = make(OUT, IN)
    with drained(site, USER):
        assert story(site) == ["out"]
    assert story(site) == ["out", "in"]
    assert not heal(site.ledger), "there is nothing left to put right"


@pytest.mark.parametrize("error", [Failure("start_failed", "x"), KeyboardInterrupt()])
def test_it_is_put_back_when_the_change_fails(make: Make, error: BaseException) -> None:
    site = make(OUT, IN)
    with pytest.raises(type(error)), drained(site, USER):
        raise error
    assert story(site) == ["out", "in"]


def test_nothing_is_changed_when_it_cannot_be_taken_out(make: Make) -> None:
    site, reached = make(["/bin/false"], IN), []
    with pytest.raises(Failure) as caught, drained(site, USER):
        reached.append(True)
    assert caught.value.code == "drain_failed"
    assert not reached
    assert story(site) == ["in"]


def test_a_host_that_stays_out_is_told_of(make: Make) -> None:
    site = make(OUT, ["/bin/false"])
    with pytest.raises(Failure) as caught, drained(site, USER):
        pass
    assert caught.value.code == "undrain_failed"
    with pytest.raises(Failure):
        heal(site.ledger)


def test_whoever_comes_after_a_cut_puts_it_back(make: Make) -> None:
    site = make(OUT, IN)
    block = drained(site, USER)
    block.__enter__()  # and then the machine stops
    assert heal(site.ledger)
    assert story(site) == ["out", "in"]
    assert not heal(site.ledger)


def test_without_commands_nothing_is_noted(make: Make) -> None:
    site = make([], [])
    with drained(site, USER):
        assert os.listdir(site.layout.state) == []
