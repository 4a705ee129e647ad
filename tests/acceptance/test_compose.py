"""Services in containers on this machine's real engine, with the shipped defaults."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.compose import STATE, Project, Registry, base_image, docker
from support.target import until

SECRET = "a-secret-that-must-stay-out-of-everything"
HERE = f"t{os.getpid()}"


@pytest.fixture(scope="module")
def base() -> str:
    """Return an image that everything here is made from."""
    return base_image()


@pytest.fixture(scope="module")
def registry(base: str) -> Iterator[Registry]:
    """Return a registry of this machine."""
    name = f"fraisier-test-registry-{os.getpid()}"
    try:
        yield Registry.start(name, base)
    finally:
        Registry.stop(name)


@pytest.fixture
def project(base: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Return a project of its own; everything of it is removed afterwards."""
    folder = tmp_path / "project"
    folder.mkdir()
    name = f"{HERE}-{abs(hash(request.node.nodeid)) % 10**8}"
    project = Project(folder, name, base)
    yield project
    project.remove()


def test_a_first_deployment_builds_and_serves(project: Project) -> None:
    result = project.good()
    assert project.served() == "1"
    assert project.last()["version"] == project.image()
    assert project.containers("db")
    assert not project.containers("other"), "nothing asked for it"
    assert project.image()[7:19] in result.said


def test_the_same_again_changes_nothing(project: Project) -> None:
    project.good()
    before = project.containers(), project.containers("db")
    again = project.good()
    assert "nothing was changed" in again.said
    assert (project.containers(), project.containers("db")) == before
    assert len(project.releases()) == 1


def test_an_upgrade_serves_the_new_version_and_leaves_the_rest_running(project: Project) -> None:
    project.good()
    first, db = project.image(), project.containers("db")
    project.write("2")
    project.good()
    assert project.served() == "2"
    assert project.image() != first
    assert project.containers("db") == db
    assert len(project.containers()) == 1


@pytest.mark.parametrize("behaviour", ["http500", "die", "deaf"])
def test_a_version_that_is_not_well_goes_back(project: Project, behaviour: str) -> None:
    project.good()
    good = project.image()
    project.write("2", behaviour)
    result = project.deploy()
    assert result.code == 5, result.said
    assert "health_check_failed" in result.said
    last = project.last()
    assert last["status"] == "rolled_back"
    assert last["version"] not in (good, "as configured"), "history tells what was tried"
    assert project.served() == "1"
    assert project.image() == good
    assert [release["status"] for release in project.releases()] == ["good", "bad"]


def test_an_open_port_with_nobody_behind_it_is_not_healthy(project: Project) -> None:
    project.configure(health_check={"type": "tcp", "port": project.port})
    project.good()
    project.write("2", "deaf")
    result = project.deploy()
    assert result.code == 5, result.said
    assert "nothing listens behind it" in result.said
    assert project.served() == "1"


def test_a_build_that_fails_leaves_what_serves_alone(project: Project) -> None:
    project.good()
    before = project.containers()
    with (project.folder / "Dockerfile").open("a") as file:
        file.write("RUN exit 3\n")
    result = project.deploy()
    assert result.code == 5, result.said
    assert "build_failed" in result.said
    assert "no host was changed" in result.said
    assert project.containers() == before


def test_a_first_version_that_is_not_well_is_stopped_and_its_volume_stays(
    project: Project,
) -> None:
    project.write("1", "http500")
    result = project.deploy()
    assert result.code == 5, result.said
    assert project.last()["status"] == "failed"
    assert not project.containers()
    assert docker("volume", "ls", "--quiet", "--filter", f"name={project.name}_data")


def test_going_back_brings_the_image_and_the_configuration_it_had(project: Project) -> None:
    project.configure(env_vars={"GREETING": "bonjour"})
    project.good()
    first = project.image()
    project.write("2")
    project.configure(env_vars={"GREETING": "salut"})
    project.good()
    assert project.answer() == {"version": "2", "greeting": "salut", "secret_length": 0}
    (project.folder / "docker-compose.yml").write_text("services: [broken\n")
    result = project.fraisier("rollback", "my_api", "development")
    assert result.code == 0, result.said
    assert project.answer() == {"version": "1", "greeting": "bonjour", "secret_length": 0}
    assert project.image() == first == project.last()["version"]


def test_a_version_seen_before_can_be_named_by_its_content(project: Project) -> None:
    project.good()
    first = project.image()
    project.write("2")
    project.good()
    project.good("--version", first.removeprefix("sha256:")[:12])
    assert project.served() == "1"
    assert project.image() == first


def test_a_service_that_somebody_started_is_taken_as_the_one_before(project: Project) -> None:
    project.by_hand("up", "--detach", "--build")
    started, image = project.containers(), project.image()
    unchanged = project.good()
    assert "nothing was changed" in unchanged.said
    assert project.containers() == started, "it was not restarted"
    project.write("2", "http500")
    result = project.deploy()
    assert result.code == 5, result.said
    assert project.last()["status"] == "rolled_back"
    assert project.served() == "1"
    assert project.image() == image
    assert project.containers("other"), "it is none of ours"


def test_a_service_without_a_check_must_stay_up(project: Project) -> None:
    project.configure(health_check=None)
    project.good()
    project.compose(command=["sh", "-c", "sleep 1"], restart="always")
    result = project.deploy()
    assert result.code == 5, result.said
    assert "restarted" in result.said
    assert project.served() == "1"


def test_the_containers_own_check_decides(project: Project) -> None:
    ask = "import urllib.request as r; r.urlopen('http://localhost:8000/')"
    check = {"test": ["CMD", "python3", "-c", ask], "interval": "1s", "retries": 2}
    project.compose(healthcheck=check)
    project.configure(health_check=None)
    project.good()
    project.write("2", "http500")
    result = project.deploy()
    assert result.code == 5, result.said
    assert "unhealthy" in result.said
    assert project.served() == "1"


def test_a_command_inside_the_container_decides(project: Project) -> None:
    project.configure(health_check={"type": "exec", "command": "grep -q 1 /app/version"})
    project.good()
    project.write("2")
    result = project.deploy()
    assert result.code == 5, result.said
    assert "health_check_failed" in result.said
    assert project.served() == "1"


def test_only_so_many_releases_and_images_are_kept(project: Project) -> None:
    project.configure(keep_releases=2)
    for version in "1234":
        project.write(version)
        project.good()
    assert len(project.releases()) == 2
    kept = {release["version"].removeprefix("sha256:")[:12] for release in project.releases()}
    assert set(project.kept()) == kept
    docker("image", "prune", "--force")
    assert project.fraisier("rollback", "my_api", "development").code == 0
    assert project.served() == "3"


def test_a_secret_is_in_the_container_and_in_private_files_and_nowhere_else(
    project: Project,
) -> None:
    project.compose(environment={"TEST_SECRET": "${THE_TOKEN}"})
    project.configure(env_vars={"THE_TOKEN": {"env": "THE_SECRET"}})
    watch = Arguments(SECRET)
    result = watch.during(
        lambda: project.fraisier(
            "-vv", "--json", "deploy", "my_api", "development", THE_SECRET=SECRET
        )
    )
    assert result.code == 0, result.said
    found = project.answer()
    assert found is not None
    assert found["secret_length"] == len(SECRET)
    assert SECRET not in result.said
    assert watch.looks > 20
    assert not watch.seen, watch.seen
    files = [path for path in (STATE / project.name).rglob("*") if path.is_file()]
    holding = [path for path in files if SECRET in path.read_text()]
    assert holding
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    assert (STATE / project.name / "api").stat().st_mode & 0o077 == 0
    for path in project.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    plan = project.fraisier(
        "--json", "plan", "my_api", "development", THE_SECRET="another-secret-value"
    )
    assert plan.code == 0, plan.said
    assert SECRET not in plan.said
    assert "another-secret-value" not in plan.said
    assert "[secret]" in plan.said


class Arguments:
    """What stood in the arguments of any process while something was done."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self.looks = 0
        self.seen: set[str] = set()

    def during(self, work: Callable[[], Any]) -> Any:
        """Do the work, look all the while, and return what it returns."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(work)
            while not running.done():
                self._look()
            return running.result()

    def _look(self) -> None:
        self.looks += 1
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if self._text in arguments:
                self.seen.add(arguments.decode(errors="replace"))


def test_a_plan_shows_what_would_change_and_changes_nothing(project: Project) -> None:
    project.good()
    project.configure(env_vars={"GREETING": "salut"})
    before = project.containers(), sorted((STATE / project.name).rglob("*"))
    plan = project.fraisier("--json", "plan", "my_api", "development")
    assert plan.code == 0, plan.said
    (host,) = plan.json["hosts"]
    assert host["would_change"] is True
    (entry,) = host["diff"]
    assert '"GREETING": "hello"' in entry["before"]
    assert '"GREETING": "salut"' in entry["after"]
    assert {"image", "up"} == {step["step"] for step in host["unpredictable"]}
    assert (project.containers(), sorted((STATE / project.name).rglob("*"))) == before


def test_a_command_that_is_killed_while_a_container_is_replaced_leaves_nothing_double(
    project: Project,
) -> None:
    project.compose(init=None, stop_grace_period="4s")  # python as process 1 ignores SIGTERM
    project.good()
    project.write("2")
    process = project.fraisier.start("deploy", "my_api", "development")
    until(lambda: len(project.containers()) == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: project.last()["status"] == "interrupted")
    unlocked = project.fraisier("unlock", "my_api", "development", "--reason", "I looked")
    assert unlocked.code == 0, unlocked.said
    project.good()
    assert project.served() == "2"
    assert list(project.containers()) == [f"{project.name}-api-1"]


def test_a_tag_is_pulled_and_recorded_by_its_content(project: Project, registry: Registry) -> None:
    reference = registry.push(project, "1.0", "one")
    registry.push(project, "1.1", "two")
    registry.push(project, "1.2", "three", "http500")
    project.compose(build=None, image=reference)
    project.good()
    assert project.served() == "one"
    (first,) = project.releases()
    assert first["spec"]["digest"].startswith(f"{registry.address}/my-org/api@sha256:")
    project.good("--version", "1.1")
    assert project.served() == "two"
    assert project.last()["requested_version"] == "1.1"
    assert project.last()["version"] == project.image()
    bad = project.deploy("--version", "1.2")
    assert bad.code == 5, bad.said
    assert project.served() == "two"
    missing = project.deploy("--version", "9.9")
    assert missing.code == 5, missing.said
    assert "image_not_found" in missing.said
    assert project.served() == "two"
    assert project.fraisier("rollback", "my_api", "development").code == 0
    assert project.served() == "one"


def test_a_tag_that_moved_is_seen_when_it_is_always_asked_for(
    project: Project, registry: Registry
) -> None:
    reference = registry.push(project, "latest", "one")
    project.compose(build=None, image=reference)
    project.configure(pull="always")
    project.good()
    first = project.image()
    registry.push(project, "latest", "two")
    project.good()
    assert project.served() == "two"
    gone = [f"fraisier/{project.name}-api:{first[7:19]}", first]
    docker("rmi", "--force", *gone, check=False)
    assert docker("images", "--quiet", "--no-trunc").find(first) == -1
    result = project.fraisier("rollback", "my_api", "development")
    assert result.code == 0, result.said
    assert project.served() == "one", "it was pulled again by its digest"


def test_a_private_registry_is_asked_with_a_login_that_does_not_stay(
    project: Project, base: str, tmp_path: Path
) -> None:
    name, login = f"fraisier-test-private-{os.getpid()}", tmp_path / "login"
    login.mkdir()
    own = tmp_path / "own"
    try:
        registry = Registry.private(name, base, login, "robot", SECRET)
        words = ("login", "--username", "robot", "--password-stdin", registry.address)
        docker("--config", str(own), *words, stdin=SECRET)
        project.write("one")
        reference = f"{registry.address}/my-org/api:1"
        docker("build", "--quiet", "--tag", reference, str(project.folder))
        docker("--config", str(own), "push", "--quiet", reference)
        docker("rmi", reference)
        project.compose(build=None, image=reference)
        denied = project.deploy()
        assert denied.code == 5, denied.said
        assert "[registry_denied]" in denied.said
        assert registry.address in denied.said
        password = {"username": "robot", "password": {"env": "THE_PASSWORD"}}
        project.configure(registries={registry.address: password})
        watch = Arguments(SECRET)
        result = watch.during(lambda: project.deploy(THE_PASSWORD=SECRET))
        assert result.code == 0, result.said
        assert project.served() == "one"
        assert SECRET not in result.said
        assert not watch.seen, watch.seen
        for path in (STATE / project.name).rglob("*"):
            assert not path.is_file() or SECRET not in path.read_text(), path
        assert not (STATE / project.name / "api/login").exists()
        wrong = project.deploy("--version", "2", THE_PASSWORD="not-the-password")
        assert "[registry_denied]" in wrong.said
        assert "robot" in wrong.said
    finally:
        Registry.stop(name)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"docker_compose_file": "./nowhere.yml"}, "compose_file_missing"),
        ({"service": "apo"}, "compose_service_missing"),
        ({"pull": "never"}, "image_missing"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_touched(
    project: Project, change: dict[str, Any], code: str
) -> None:
    if "pull" in change:
        project.compose(build=None, image="127.0.0.1:9/nobody/nothing:1")
    project.configure(**change)
    result = project.deploy()
    assert result.code == 5, result.said
    assert f"[{code}]" in result.said
    assert "Traceback" not in result.said
    assert not project.containers()


def test_a_broken_file_is_told_in_the_words_of_compose(project: Project) -> None:
    (project.folder / "docker-compose.yml").write_text("services:\n  api:\n    imagine: x\n")
    result = project.deploy()
    assert result.code == 5, result.said
    assert "[compose_invalid]" in result.said
    assert "imagine" in result.said


def test_an_engine_that_does_not_answer_is_told(project: Project) -> None:
    result = project.deploy(DOCKER_HOST="unix:///nowhere/docker.sock")
    assert result.code == 5, result.said
    assert "[docker_unavailable]" in result.said
    assert "start it" in result.said


def test_two_targets_are_not_one_service(project: Project) -> None:
    file = project.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    environments = document["fraises"]["my_api"]["environments"]
    environments["staging"] = environments["development"]
    file.write_text(yaml.safe_dump(document))
    result = project.fraisier("config", "validate")
    assert result.code != 0
    assert "give each a project_name" in result.said
