"""Services in containers on this machine's real engine, with the shipped defaults."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from support.compose import STATE, Project, Registry, base_image, docker
from support.target import until

SECRET = "a-secret-that-must-stay-out-of-everything"
HERE = f"t{os.getpid()}"
#: Between two looks at the arguments of all processes; no call of Docker is over so soon.
LOOK_SECONDS = 0.01


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


@pytest.mark.cpu_seconds(30, reason="four deployments, a plan and a rollback")
def test_a_project_is_built_planned_upgraded_and_taken_back(project: Project) -> None:
    project.configure(env_vars={"GREETING": "bonjour"})
    first = project.good()
    one, db = project.image(), project.containers("db")
    assert project.served() == "1"
    assert project.last()["version"] == one
    assert one[7:19] in first.said
    assert db
    assert not project.containers("other"), "nothing asked for it"

    before = project.containers()
    again = project.good()
    assert "nothing was changed" in again.said
    assert (project.containers(), project.containers("db")) == (before, db)
    assert len(project.releases()) == 1

    project.configure(env_vars={"GREETING": "salut"})
    state = sorted((STATE / project.name).rglob("*"))
    plan = project.fraisier("--json", "plan", "my_api", "development")
    assert plan.code == 0, plan.said
    require_plan_of_a_greeting(plan.json)
    assert (project.containers(), sorted((STATE / project.name).rglob("*"))) == (before, state)

    project.write("2")
    project.good()
    two = project.image()
    assert project.answer() == {"version": "2", "greeting": "salut", "secret_length": 0}
    assert two != one
    assert project.containers("db") == db
    assert len(project.containers()) == 1

    require_a_bad_version_goes_back(project, two)

    (project.folder / "docker-compose.yml").write_text("services: [broken\n")
    back = project.fraisier("rollback", "my_api", "development")
    assert back.code == 0, back.said
    assert project.answer() == {"version": "1", "greeting": "bonjour", "secret_length": 0}
    assert project.image() == one == project.last()["version"]


def require_plan_of_a_greeting(plan: Any) -> None:
    """See that a plan shows the one variable that changes, and what it cannot know."""
    (host,) = plan["hosts"]
    assert host["would_change"] is True
    (entry,) = host["diff"]
    assert '"GREETING": "bonjour"' in entry["before"]
    assert '"GREETING": "salut"' in entry["after"]
    assert {"image", "up"} == {step["step"] for step in host["unpredictable"]}


def require_a_bad_version_goes_back(project: Project, good: str) -> None:
    """Deploy a version that is not healthy; see that what served before serves again."""
    served = project.served()
    project.write("3", "http500")
    bad = project.deploy()
    assert bad.code == 5, bad.said
    assert "health_check_failed" in bad.said
    last = project.last()
    assert last["status"] == "rolled_back"
    assert last["version"] not in (good, "as configured"), "history tells what was tried"
    assert project.served() == served
    assert project.image() == good
    assert [release["status"] for release in project.releases()] == ["good", "good", "bad"]


def test_a_broken_file_leaves_nothing_and_a_bad_first_version_only_its_volume(
    project: Project,
) -> None:
    (project.folder / "docker-compose.yml").write_text("services:\n  api:\n    imagine: x\n")
    broken = project.deploy()
    assert broken.code == 5, broken.said
    assert "[compose_invalid]" in broken.said
    assert "imagine" in broken.said
    assert "Traceback" not in broken.said
    assert not project.containers()
    project.compose()
    project.write("1", "http500")
    bad = project.deploy()
    assert bad.code == 5, bad.said
    assert project.last()["status"] == "failed"
    assert not project.containers()
    assert docker("volume", "ls", "--quiet", "--filter", f"name={project.name}_data")


def test_a_service_that_somebody_started_is_adopted_and_its_own_check_decides(
    project: Project,
) -> None:
    ask = "import urllib.request as r; r.urlopen('http://localhost:8000/')"
    check = {"test": ["CMD", "python3", "-c", ask], "interval": "1s", "retries": 2}
    project.compose(healthcheck=check)
    project.configure(health_check=None)
    project.by_hand("up", "--detach", "--build")
    started, image = project.containers(), project.image()
    unchanged = project.good()
    assert "nothing was changed" in unchanged.said
    assert project.containers() == started, "it was not restarted"
    project.write("2", "http500")
    bad = project.deploy()
    assert bad.code == 5, bad.said
    assert "unhealthy" in bad.said
    assert project.last()["status"] == "rolled_back"
    assert project.served() == "1"
    assert project.image() == image
    assert project.containers("other"), "it is none of ours"
    require_an_edited_check_not_to_judge(project, "1")


def require_an_edited_check_not_to_judge(project: Project, served: str) -> None:
    """Deploy a good version with a check that nothing passes; what served before serves again."""
    project.write("3")
    project.configure(health_check={"type": "tcp", "port": 9, "timeout": 1})
    edited = project.deploy()
    assert edited.code == 5, edited.said
    assert project.last()["status"] == "rolled_back", project.last()["reason"]
    assert project.served() == served


@pytest.mark.slow
def test_a_check_that_an_adopted_service_never_passed_only_warns(project: Project) -> None:
    project.by_hand("up", "--detach", "--build")
    require_an_edited_check_not_to_judge(project, "1")
    assert "warning: on" in project.last()["reason"]
    (release,) = [each for each in project.releases() if each["status"] == "good"]
    assert release["deployment"] == "", "it was there before"


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
            while not wait([running], timeout=LOOK_SECONDS).done:
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


def test_a_command_that_is_killed_while_a_container_is_replaced_leaves_nothing_double(
    project: Project,
) -> None:
    project.compose(init=None, stop_grace_period="4s")  # python as process 1 ignores SIGTERM
    project.good()
    project.write("2")
    process = project.fraisier.execute("deploy", "my_api", "development")
    until(lambda: len(project.containers()) == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert project.last()["status"] == "interrupted"
    unlocked = project.fraisier("unlock", "my_api", "development", "--reason", "I looked")
    assert unlocked.code == 0, unlocked.said
    project.good()
    assert project.served() == "2"
    assert list(project.containers()) == [f"{project.name}-api-1"]


def test_a_name_that_is_taken_is_refused_and_the_service_goes_on(project: Project) -> None:
    project.good()
    before, taken = project.containers(), f"{project.name}-taken"
    docker("run", "--detach", "--name", taken, project.base, "sleep", "infinity")
    try:
        project.compose(container_name=taken)
        refused = project.deploy()
    finally:
        docker("rm", "--force", taken)
    assert refused.code == 5, refused.said
    assert "[container_name_taken]" in refused.said
    assert project.last()["status"] == "failed"
    assert project.containers() == before
    project.good()
    assert list(project.containers()) == [taken]


def test_a_tag_is_pulled_recorded_by_its_content_and_seen_when_it_moves(
    project: Project, registry: Registry
) -> None:
    reference = registry.push(project, "1.0", "one")
    registry.push(project, "1.1", "two")
    project.compose(build=None, image=reference)
    project.good()
    assert project.served() == "one"
    (first,) = project.releases()
    assert first["spec"]["digest"].startswith(f"{registry.address}/my-org/api@sha256:")
    project.good("--version", "1.1")
    two = project.image()
    assert project.served() == "two"
    assert project.last()["requested_version"] == "1.1"
    assert project.last()["version"] == two
    missing = project.deploy("--version", "9.9")
    assert missing.code == 5, missing.said
    assert "image_not_found" in missing.said
    assert project.served() == "two"

    project.configure(pull="always")
    registry.push(project, "1.1", "three")
    project.good("--version", "1.1")
    assert project.served() == "three", "the tag has moved"
    gone = [f"fraisier/{project.name}-api:{two[7:19]}", two]
    docker("rmi", "--force", *gone, check=False)
    assert docker("images", "--quiet", "--no-trunc").find(two) == -1
    result = project.fraisier("rollback", "my_api", "development")
    assert result.code == 0, result.said
    assert project.served() == "two", "it was pulled again by its digest"


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
    finally:
        Registry.stop(name)
