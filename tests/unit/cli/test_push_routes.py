"""What `doctor` says of the git hosts whose pushes deploy a target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fraisier.cli.push_routes import push_routes
from fraisier.domain.incoming import Incoming, IncomingStatus, Outcome
from fraisier.domain.push import DeployOn, GitHost, Listening
from support.fakes import make_catalogue, make_target


class Deliveries:
    """Records of what came in: which git hosts deployed `api production`, and another target."""

    def __init__(self, *providers: str) -> None:
        self.providers = providers

    def incoming(self, wanted: Any) -> list[Incoming]:
        """Return a delivery of each, which deployed it."""
        status = IncomingStatus.TRIGGERED
        assert wanted.status is status
        mine, other = Outcome("api", "production", "dep_1"), Outcome("api", "staging", "dep_2")
        refused = Outcome("api", "production", None, "it is busy")
        made = [(name, (mine, other)) for name in self.providers]
        every = [*made, ("gogs", (other, refused))]
        return [Incoming("w", n, "1", 0, "push", "t", status, outcomes=o) for n, o in every]


def found(provider: str, *before: str, known: str = "gitea github") -> list[Any]:
    """Return what is said of a target that this git host reaches, and whom these deployed."""
    target = make_target()
    on = Listening("api", "production", "https://git.example.com/a/b", DeployOn("main"), provider)
    others = replace(on, environment="staging", provider="gogs")
    hosts = {name: GitHost() for name in known.split()}
    catalogue = replace(make_catalogue(target), listening=(others, on), git_hosts=hosts)
    store: Any = Deliveries(*before)
    said = list(push_routes(catalogue, store, target))
    assert said[:1] == list(push_routes(catalogue, None, target)), "without records too"
    return said


def test_a_target_that_its_git_host_reaches_is_in_order() -> None:
    ((ok, detail, _),) = found("gitea", "gitea")
    assert ok
    assert "gitea" in detail


def test_a_target_that_no_git_host_reaches_is_listed_with_the_fix() -> None:
    for provider in ("", "gitlab"):
        ((ok, detail, fix),) = found(provider)
        assert not ok
        assert "no push deploys it" in detail
        assert "deploy_on: {provider: " in fix


def test_a_target_that_another_git_host_deployed_before_is_listed() -> None:
    (_, (ok, detail, fix)) = found("github", "gitea", "github")
    assert not ok
    assert "gitea" in detail
    assert "gitea" in fix


def test_a_target_that_no_push_deploys_is_not_spoken_of() -> None:
    assert list(push_routes(make_catalogue(make_target()), None, make_target())) == []
