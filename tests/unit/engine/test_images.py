"""Versions that are images: asked for by a tag or by nothing, recorded as the content they had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.cli.present import short
from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import UsageError, VersionNotFound
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.worker import Worker
from fraisier.store import SqlStore
from support.fakes import PROVIDER, Inventories, Repositories, ScriptedRunner, joined, make_target

ONE, TWO, BAD = (f"sha256:{letter * 64}" for letter in "abc")
IMAGES = replace(PROVIDER, name="docker_compose", versions="image", default_strategy="recreate")


class Registry(ScriptedRunner):
    """A machine that knows what content each tag has; None is what the file says."""

    contents: dict[str | None, str]
    asked: list[str | None]

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Do the work with the content that the version has."""
        version = work.request.get("version")
        self.asked.append(version)
        content = self.contents.get(version, version)
        found = replace(work, request={**work.request, "version": content})
        return super().run(found, on_facts, cancelled)


class Project:
    """A target whose versions are images, on a scripted machine."""

    def __init__(self, folder: Path) -> None:
        target = make_target("localhost", provider="docker_compose", strategy="recreate")
        fraise = Fraise("api", "api", "", {"production": target})
        catalogue = Catalogue("fraises.yaml", {"api": fraise}, {"docker_compose": IMAGES})
        self.store = SqlStore.open(f"sqlite:///{folder / 'test.db'}")
        self.machine = Registry({"localhost": (BAD, "gate")})
        self.machine.asked = []
        self.machine.contents = {None: ONE, "1.5": TWO, "1.6": BAD}
        self.deployments = Deployments(catalogue, self.store, Repositories(), Inventories())
        self.worker = Worker(catalogue, self.store, self.machine, joined(self.store))

    def end(self, deployment: Deployment) -> Deployment:
        """Carry a deployment out."""
        return self.worker.carry_out(deployment, lambda _: None, lambda: False, lambda _: None)

    def deploy(self, version: str | None = None, **more: Any) -> Deployment:
        """Deploy a version."""
        wish = Wish("api", "production", "cli:test", version=version, **more)
        return self.end(self.deployments.deploy(wish))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_what_was_asked_for_stands_until_the_machine_has_told(project: Project) -> None:
    wish = Wish("api", "production", "cli:test")
    asked = project.deployments.deploy(wish)
    assert asked.version == AS_CONFIGURED
    ended = project.end(asked)
    assert (ended.status, ended.version, ended.requested_version) == (Status.SUCCESS, ONE, None)
    assert project.machine.asked == [None]
    assert project.store.placements("api", "production")["localhost"].version == ONE


def test_a_tag_is_recorded_as_its_content_also_when_it_was_bad(project: Project) -> None:
    project.deploy()
    assert project.deploy("1.5").version == TWO
    bad = project.deploy("1.6")
    assert (bad.status, bad.version) == (Status.ROLLED_BACK, BAD)
    assert bad.requested_version == "1.6"


def test_what_was_never_brought_keeps_the_name_it_was_asked_by(project: Project) -> None:
    project.machine.bad = {"localhost": (TWO, "build")}
    assert project.deploy("1.5").version == "1.5"


def test_a_rollback_goes_to_the_last_other_content(project: Project) -> None:
    project.deploy()
    project.deploy("1.5")
    project.deploy("1.5")
    wish = Wish("api", "production", "cli:test")
    back = project.end(project.deployments.rollback(wish))
    assert (back.status, back.version) == (Status.SUCCESS, ONE)
    named = Wish("api", "production", "cli:test", version=short(TWO))
    assert project.end(project.deployments.rollback(named)).version == TWO


def test_content_seen_here_may_be_named_by_its_first_digits(project: Project) -> None:
    project.deploy()
    project.deploy("1.5")
    again = project.deploy(short(ONE))
    assert (again.version, again.requested_version) == (ONE, short(ONE))


@pytest.mark.parametrize("version", ["-x", "a b", "$(x)", "x" * 129, "sha256:ab", ""])
def test_what_no_image_can_be_called_is_refused(project: Project, version: str) -> None:
    with pytest.raises(UsageError):
        project.deploy(version)
    assert not project.machine.works


def test_a_version_that_was_never_good_here_cannot_be_gone_back_to(project: Project) -> None:
    project.deploy()
    wish = Wish("api", "production", "cli:test", version="1.55")
    with pytest.raises(VersionNotFound):
        project.deployments.rollback(wish)


def test_the_same_key_finds_the_request_whose_version_became_known(project: Project) -> None:
    first = project.deploy(idempotency_key="k")
    assert first.version == ONE
    again = project.deployments.deploy(Wish("api", "production", "cli:test", idempotency_key="k"))
    assert again.id == first.id
