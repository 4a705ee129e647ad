"""The collection's modules for Compose on this machine's engine, without Ansible around them.

What an engine, Compose or a container says and does is real here; a case costs a few calls of
`docker`. That a deployment acts on it is in acceptance/test_compose.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_gate,
    compose_open,
    compose_service,
    compose_site,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_containers import inspect
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_deploy import deploy
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_engine import Docker
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_images import predicted
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_options import COMPOSE_SERVICE
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_restore import restore
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.gate import Verdict
from ansible_collections.fraisier.deploy.plugins.module_utils.wanted import Wanted
from support.compose import APP, Project, base_image, docker, free_port

#: Seconds until the gate gives up on what never becomes healthy; whatever ends earlier has longer.
DEADLINE, LONG = 2.0, 60.0


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Project]:
    """Return a project whose state is in a folder of the test's own."""
    for module in (compose_site, compose_open):
        monkeypatch.setattr(module, "state_home", lambda: str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    name = f"t{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**8}"
    made = Project(folder, name, base_image())
    yield made
    made.remove()


def site_of(project: Project, **more: Any) -> compose_site.ComposeSite:
    """Return the service's site as a module finds it; arguments replace options."""
    options = {name: option.get("default") for name, option in COMPOSE_SERVICE.items()}
    url = f"http://127.0.0.1:{project.port}/health"
    given = {
        "fraise": "f",
        "environment": "e",
        "docker_compose_file": str(project.folder / "docker-compose.yml"),
        "service": "api",
        "project_name": project.name,
        "health_check": {"type": "http", "url": url},
        **more,
    }
    service = compose_service.from_options({**options, **given})
    claim = Claim("installation", "deployment", takeover=True)
    return compose_open.open_site(service, claim, reads_file=True)


def failure_of(work: Callable[[], object]) -> Failure:
    """Return the Failure that some work ends with."""
    with pytest.raises(Failure) as caught:
        work()
    return caught.value


def test_a_project_that_cannot_be_deployed_is_refused_in_the_words_of_compose(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(project.folder / "nowhere.yml")
    missing = failure_of(lambda: site_of(project, docker_compose_file=nowhere))
    assert missing.code == "compose_file_missing"
    assert failure_of(lambda: site_of(project, service="apo")).code == "compose_service_missing"
    project.compose(build=None, image="127.0.0.1:9/nobody/nothing:1")
    never = failure_of(lambda: predicted(site_of(project, pull="never"), ""))
    assert never.code == "image_missing"
    (project.folder / "docker-compose.yml").write_text("services:\n  api:\n    imagine: x\n")
    broken = failure_of(lambda: site_of(project))
    assert (broken.code, "imagine" in broken.message) == ("compose_invalid", True)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        silent = failure_of(lambda: site_of(project))
    assert (silent.code, "start it" in silent.hint) == ("docker_unavailable", True)


class Service:
    """One container of the test service, and what the health gate says of it."""

    def __init__(self, base: str, folder: Path) -> None:
        self.port = free_port()
        self._base, self._folder, self._ids = base, folder, list[str]()

    def start(self, behaviour: str, *options: str, command: tuple[str, ...] = ()) -> None:
        """Replace the container by one that behaves so."""
        self.remove()
        for name, text in {
            "version": "2",
            "behaviour": behaviour,
            "app.py": APP.read_text(),
        }.items():
            (self._folder / name).write_text(text)
        words = command or ("python3", "-u", "/app/app.py")
        publish = ("--publish", f"127.0.0.1:{self.port}:8000")
        mount = ("--volume", f"{self._folder}:/app:ro")
        run = ("run", "--detach", "--init", *publish, *mount, *options, self._base, *words)
        self._ids = [docker(*run)]

    def verdict(self, **check: Any) -> Verdict:
        """Run the gate over the container."""
        seen, wanted = inspect(Docker(), self._ids), Check(**{"deadline": DEADLINE, **check})
        return compose_gate.require_healthy(Docker(), wanted, None, seen, fresh=True)

    def remove(self) -> None:
        """Remove the container."""
        if self._ids:
            docker("rm", "--force", *self._ids)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Return a service without a container."""
    made = Service(base_image(), tmp_path)
    yield made
    made.remove()


def test_an_http_check_sees_every_way_of_being_unhealthy(service: Service) -> None:
    url = f"http://127.0.0.1:{service.port}/health"
    service.start("good")
    assert service.verdict(type="http", url=url, deadline=LONG).passed
    service.start("http500")
    assert service.verdict(type="http", url=url, status=[500], deadline=LONG).passed
    sick = service.verdict(type="http", url=url)
    assert (sick.passed, "500" in sick.detail) == (False, True), sick
    service.start("deaf")
    assert not service.verdict(type="http", url=url).passed
    service.start("die")
    dead = service.verdict(type="http", url=url, deadline=LONG)
    assert (dead.passed, "exit status 1" in dead.detail) == (False, True), dead


def test_an_open_port_with_nobody_behind_it_is_not_healthy(service: Service) -> None:
    check = {"type": "tcp", "host": "127.0.0.1", "port": service.port}
    service.start("good")
    assert service.verdict(**check, deadline=LONG).passed
    service.start("deaf")
    deaf = service.verdict(**check)
    assert not deaf.passed
    assert "nothing listens behind it" in deaf.detail


def test_a_command_inside_the_container_decides(service: Service) -> None:
    service.start("good")
    right, wrong = (("grep", "-q", version, "/app/version") for version in "21")
    assert service.verdict(type="exec", command=right, deadline=LONG).passed
    assert not service.verdict(type="exec", command=wrong).passed


def test_a_service_without_a_check_must_stay_up(service: Service) -> None:
    service.start("good")
    stays = service.verdict(type="docker", deadline=LONG)
    assert stays.passed
    assert stays.seconds >= compose_gate.STAY_UP
    service.start("good", "--restart", "always", command=("sleep", "1"))
    ends = service.verdict(type="docker", deadline=LONG)
    assert not ends.passed
    assert "restarted" in ends.detail


def run(
    project: Project, work: Callable[[compose_site.ComposeSite], None], **options: Any
) -> compose_site.ComposeSite:
    """Do what a module does, and return the site that it was done on."""
    site = site_of(project, **options)
    try:
        work(site)
    finally:
        site.fence.close()
    return site


def test_what_fails_is_stopped_the_first_time_and_leaves_what_serves_alone_later(
    project: Project,
) -> None:
    project.write("0", "die")
    failure_of(lambda: run(project, lambda site: deploy(site, "")))
    assert project.containers("db")
    run(project, lambda site: restore(site, Wanted(nothing=True, mark_bad=True)))
    assert not project.containers("db"), "the first deployment had started it"
    assert not project.containers()

    project.write("1")
    run(project, lambda site: deploy(site, ""))
    before = project.containers()
    with (project.folder / "Dockerfile").open("a") as file:
        file.write("RUN exit 3\n")
    failed = failure_of(lambda: run(project, lambda site: deploy(site, "")))
    assert failed.code == "build_failed"
    assert project.containers() == before
    assert project.served() == "1"


def test_only_so_many_releases_are_kept_and_their_images_for_as_long(project: Project) -> None:
    for version in "123":
        project.write(version)
        site = run(project, lambda site: deploy(site, ""), keep_releases=2)
    releases = site.ledger.all()
    assert len(releases) == 2
    kept = {release.version.removeprefix("sha256:")[:12] for release in releases}
    assert set(project.kept()) == kept
    docker("image", "prune", "--force")
    run(project, lambda site: restore(site, Wanted()))
    assert project.served() == "2"
    three = next(release.version for release in releases if release.version != project.image())
    run(project, lambda site: deploy(site, three))
    assert project.served() == "3", "named by its content, it is not built again"
    assert project.image() == three
