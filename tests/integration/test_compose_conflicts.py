"""What keeps Compose from bringing a project up is seen before, and what broke off is put right.

On this machine's engine, without Ansible.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_activate,
    compose_deploy,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.wanted import Wanted
from integration.test_compose_engine import failure_of
from integration.test_compose_inputs import Shop, shop
from support.compose import docker, free_port

__all__ = ["shop"]


@contextmanager
def somebodys(shop: Shop, *options: str) -> Iterator[str]:
    """Have a container that is none of the project's; yields its id."""
    id = docker("run", "--detach", "--init", *options, shop.base, "sleep", "infinity")
    try:
        yield id
    finally:
        docker("rm", "--force", id)


def require_refused(shop: Shop, code: str, word: str) -> None:
    """See that a deployment is refused, and that the containers are those from before."""
    before = (shop.containers(), shop.containers("back"))
    refused = failure_of(shop.deploy_here)
    assert (refused.code, word in refused.message) == (code, True), refused.message
    assert (shop.containers(), shop.containers("back")) == before
    assert shop.containers()


def test_what_is_taken_or_missing_is_refused_before_anything_changes(shop: Shop) -> None:
    shop.document({}, {})
    shop.deploy_here()
    port, name = free_port(), f"{shop.name}-taken"
    with somebodys(shop, "--name", name, "--publish", f"127.0.0.1:{port}:80"):
        shop.document({"container_name": name}, {})
        require_refused(shop, "container_name_taken", name)
        shop.document({}, {"container_name": name})
        require_refused(shop, "container_name_taken", name)
        shop.document({"ports": [f"{port}:80"]}, {})
        require_refused(shop, "port_taken", f"the container {name} has it")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        own = listening.getsockname()[1]
        shop.document({"ports": [f"127.0.0.1:{own}:80"]}, {})
        require_refused(shop, "port_taken", "another process")
    external: dict[str, Any] = {"it": {"external": True, "name": f"{shop.name}-nowhere"}}
    shop.document({"networks": ["it"]}, {}, networks=external)
    require_refused(shop, "network_missing", f"{shop.name}-nowhere")
    shop.document({}, {"volumes": ["it:/data"]}, volumes=external)
    require_refused(shop, "volume_missing", f"{shop.name}-nowhere")
    shop.document({"container_name": name, "ports": [f"{port}:80"]}, {})
    shop.deploy_here()
    assert list(shop.containers()) == [name]
    shop.document({"container_name": name, "ports": [f"{port}:80"], "environment": ["A=1"]}, {})
    shop.deploy_here()
    assert list(shop.containers()) == [name], "its own name and port are no conflict"


def test_an_address_that_another_container_has_is_refused(shop: Shop) -> None:
    shop.document({}, {})
    shop.deploy_here()
    network = f"{shop.name}-fixed"
    docker("network", "create", "--subnet", "10.213.77.0/28", network)
    try:
        fixed = {"it": {"external": True, "name": network}}
        with somebodys(shop, "--network", network, "--ip", "10.213.77.5"):
            address = {"networks": {"it": {"ipv4_address": "10.213.77.5"}}}
            shop.document(address, {}, networks=fixed)
            require_refused(shop, "address_taken", "10.213.77.5")
    finally:
        docker("network", "rm", network)


def test_a_name_that_is_taken_in_the_last_moment_costs_a_rollback_and_not_the_service(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.document({}, {})
    good = shop.deploy_here().ledger.current()
    taken = f"{shop.name}-taken"
    shop.document({"container_name": taken}, {})
    with monkeypatch.context() as blind, somebodys(shop, "--name", taken):
        blind.setattr(compose_deploy, "require_no_conflicts", lambda *_a: None)
        failed = failure_of(shop.deploy_here)
        assert failed.code == "start_failed"
        (left,) = shop.containers()
        assert left.endswith(f"_{taken}")
        shop.restore_here(Wanted(to=good, mark_bad=True))
        assert list(shop.containers()) == [f"{shop.name}-api-1"]
    shop.deploy_here()
    assert list(shop.containers()) == [taken]


def test_a_container_that_was_made_and_never_ran_is_made_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose makes a container, gives it its secrets, and starts it: it may break off between."""
    shop.document({"secrets": ["word"]}, {}, secrets={"word": {"environment": "WORD"}})
    with monkeypatch.context() as blind:
        blind.setattr(compose_deploy, "require_no_conflicts", lambda *_a: None)
        assert failure_of(shop.deploy_here).code == "start_failed"
    (made,) = shop.containers().values()
    assert docker("inspect", "--format", "{{.State.Status}}", made) == "created"
    shop.deploy_here(env_vars={"WORD": "a word"})
    assert shop.reads("/run/secrets/word") == "a word"
    assert made not in shop.containers().values()


def test_a_release_that_still_runs_is_not_brought_up_again_to_go_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.document({}, {})
    good = shop.deploy_here().ledger.current()
    before = shop.containers()
    shop.document({"image": shop.base, "volumes": ["it:/data"]}, {},
                  volumes={"it": {"external": True, "name": f"{shop.name}-nowhere"}})  # fmt: skip
    with monkeypatch.context() as blind:
        blind.setattr(compose_deploy, "require_no_conflicts", lambda *_a: None)
        assert failure_of(shop.deploy_here).code == "start_failed"
        blind.setattr(compose_activate, "run_up", lambda *_a: pytest.fail("it was brought up"))
        shop.restore_here(Wanted(to=good))
    assert shop.containers() == before
