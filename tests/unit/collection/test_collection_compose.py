"""Services in containers: what is decided without an engine, and what is said without one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.fraisier.deploy.plugins.doc_fragments.compose_service import (
    ModuleDocFragment,
)
from ansible_collections.fraisier.deploy.plugins.module_utils import (
    compose_containers,
    compose_engine,
    compose_gate,
    compose_images,
    compose_open,
    compose_probe,
    compose_project,
    compose_service,
    compose_site,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_containers import Container
from ansible_collections.fraisier.deploy.plugins.module_utils.compose_options import (
    COMPOSE_HEALTH_CHECK,
    COMPOSE_SERVICE,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim
from ansible_collections.fraisier.deploy.plugins.module_utils.releases import Release

HERE = Path(__file__).parents[3] / "collections/ansible_collections/fraisier/deploy"
PROVIDER = yaml.safe_load((HERE / "providers/docker_compose/provider.yml").read_text())
ROLE = yaml.safe_load((HERE / "roles/docker_compose/meta/argument_specs.yml").read_text())
DEFAULTS = yaml.safe_load((HERE / "roles/docker_compose/defaults/main.yml").read_text())
DOCUMENTED = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def project(**api: Any) -> dict[str, Any]:
    """Return a project whose service `api` is as given."""
    return {"name": "demo", "services": {"api": api, "db": {"image": "postgres:16"}}}


def container(name: str = "demo-api-1", **more: Any) -> Container:
    """Return a container that runs."""
    values: dict[str, Any] = {
        "id": name, "name": name, "service": "api", "image": "api", "image_id": A, "hash": "h",
        "state": "running", "exit_code": 0, "health": "", "seen": "", "restarts": 0,
        "started_at": "1",
    }  # fmt: skip
    return Container(**{**values, **more})


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("api", "api"),
        ("api:1", "api"),
        ("registry.example.com:5000/my-org/api", "registry.example.com:5000/my-org/api"),
        ("registry.example.com:5000/my-org/api:1.2", "registry.example.com:5000/my-org/api"),
        (f"my-org/api:1@{A}", "my-org/api"),
    ],
)
def test_a_reference_is_parted_from_its_tag_and_digest(reference: str, repository: str) -> None:
    assert compose_project.repository_of(reference) == repository


@pytest.mark.parametrize(
    ("version", "reference"), [("", None), ("1.5", "my-org/api:1.5"), (A, f"my-org/api@{A}")]
)
def test_a_version_is_another_tag_of_the_same_repository(
    version: str, reference: str | None
) -> None:
    found = compose_project.asked(project(image="my-org/api:1.4"), "api", version)
    assert found == reference


def test_a_service_that_is_only_built_has_no_tags() -> None:
    with pytest.raises(Failure) as caught:
        compose_project.asked(project(build={"context": "."}), "api", "1.5")
    assert caught.value.code == "version_not_for_build"


def test_a_pinned_service_is_neither_built_nor_pulled_and_the_others_stay() -> None:
    given = project(build={"context": "."}, pull_policy="always", command=["x"])
    pinned = compose_project.with_image(given, "api", "fraisier/demo-api:1")
    assert pinned["services"]["api"] == {"command": ["x"], "image": "fraisier/demo-api:1"}
    assert pinned["services"]["db"] == given["services"]["db"]
    assert given["services"]["api"]["build"], "what was given is left as it was"


def test_secrets_are_hidden_also_as_compose_writes_them() -> None:
    given = project(environment={"A": "pa$$word-1", "URL": "x://u:pa$$word-1@h", "PIN": "12"})
    shown = compose_project.hidden(given, ["pa$word-1", "12", ""])
    assert "word-1" not in shown
    environment = json.loads(shown)["services"]["api"]["environment"]
    assert environment == {"A": "[secret]", "URL": "x://u:[secret]@h", "PIN": "[secret]"}
    assert "postgres:16" in shown


@pytest.mark.parametrize("version", ["1.5", "v1", "latest", A])
def test_a_tag_or_a_digest_is_a_version(version: str) -> None:
    assert compose_service.check_version(version) == version


@pytest.mark.parametrize("version", ["-x", "a b", "a:b", "{{ 7*7 }}", "$(x)", "1\n", "sha256:ab"])
def test_what_is_neither_is_refused(version: str) -> None:
    with pytest.raises(Failure) as caught:
        compose_service.check_version(version)
    assert caught.value.code == "version_invalid"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"docker_compose_file": "docker-compose.yml"}, "absolute"),
        ({"service": "--all"}, "service"),
        ({"project_name": "Demo"}, "project_name"),
        ({"keep_releases": 1}, "keep_releases"),
        ({"env_vars": {"A B": "x"}}, "plain name"),
        ({"env_vars": {"DOCKER_HOST": "x"}}, "read by Docker itself"),
        ({"env_vars": {"LD_PRELOAD": "x"}}, "read by Docker itself"),
    ],
)
def test_options_that_cannot_be_are_refused(change: Mapping[str, Any], word: str) -> None:
    options = {name: option.get("default") for name, option in COMPOSE_SERVICE.items()}
    options |= {"fraise": "f", "environment": "e", "docker_compose_file": "/x", "service": "api"}
    assert compose_service.from_options(options).check.type == "docker"
    with pytest.raises(Failure) as caught:
        compose_service.from_options({**options, **change})
    assert caught.value.code == "service_invalid"
    assert word in caught.value.message


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (None, "is gone"),
        (container(restarts=2), "restarted 2 times"),
        (container(state="exited", exit_code=3), "exit status 3"),
        (container(started_at="2"), "somebody else"),
        (container(health="unhealthy", seen="no route"), "no route"),
    ],
)
def test_what_goes_wrong_with_a_container_is_noticed(now: Container | None, word: str) -> None:
    wrong = compose_containers.judge(container(), now, 0)
    assert wrong is not None
    assert word in wrong


@pytest.mark.parametrize(
    "now", [container(), container(health="starting"), container(health="healthy")]
)
def test_a_container_that_goes_on_is_left_alone(now: Container) -> None:
    assert compose_containers.judge(container(), now, 0) is None


def test_all_containers_must_be_well() -> None:
    well, ill = container("a", health="healthy"), container("b", health="starting")
    assert compose_gate.states([well])[0] is True
    assert compose_gate.states([well, ill]) == (False, "a is healthy, b is starting")
    assert compose_gate.states([])[0] is False


def test_what_a_killed_compose_left_is_removed_or_takes_the_name_it_was_made_for() -> None:
    passing = container("0123456789ab_demo-api-1", state="created")
    assert compose_containers.half_replaced([passing, container()]) == [(passing, None)]
    assert compose_containers.half_replaced([passing]) == [(passing, "demo-api-1")]
    running = container("0123456789ab_demo-api-1")
    assert compose_containers.half_replaced([running, container("my_api-1")]) == []


def test_the_release_that_runs_is_known_by_content_and_configuration() -> None:
    one = Release("1", A, "", "good", 0, spec={"hash": "h"})
    two = Release("2", A, "", "good", 0, spec={"hash": "other"})
    running = compose_probe.running_release
    assert running([container()], [two, one], "2") == "1"
    assert running([container(hash="changed by hand")], [two, one], "1") == "unknown"
    assert running([container(state="exited")], [one], "1") is None
    assert running([container(), container("b", image_id=B)], [one], "1") == "unknown"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("manifest for x:9 not found: manifest unknown", "image_not_found"),
        ("pull access denied for x, repository does not exist", "pull_failed"),
        ("dial tcp: lookup registry: no such host", "pull_failed"),
    ],
)
def test_why_a_pull_failed_is_told(text: str, code: str) -> None:
    failure = compose_images.pull_failure("x:9", Finished(1, text), 5)
    assert (failure.code, failure.text) == (code, text)


def test_a_pull_or_a_build_that_takes_too_long_names_its_limit() -> None:
    late = Finished(-1, "", timed_out=True)
    assert "pull_timeout (5 s)" in compose_images.pull_failure("x", late, 5).message
    assert "build_timeout (6 s)" in compose_images.build_failure("x", late, 6).message


def test_the_marks_around_what_compose_says_are_left_out() -> None:
    text = 'time="2026" level=warning msg="the \\"X\\" variable is not set"\n\n'
    assert compose_engine.last_line(text) == 'the "X" variable is not set'
    assert compose_engine.last_line(" validating: no \n") == "validating: no"
    assert compose_engine.last_line("") == "no word"


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None) -> None:
    """Have a `docker` that does what the script says, or none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is not None:
        (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("script", "code", "word"),
    [
        (None, "docker_missing", "not installed"),
        (
            'echo "Cannot connect to the Docker daemon at x. Is it running?" >&2; exit 1',
            "docker_unavailable",
            "Cannot connect",
        ),
        (
            '[ "$1" = version ] && echo 20.10 || { echo "not a docker command" >&2; exit 1; }',
            "compose_missing",
            "not there",
        ),
        ('[ "$1" = version ] && echo 20.10 || echo 1.29.2', "compose_missing", "version 2"),
    ],
)
def test_what_the_machine_lacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, code: str, word: str
) -> None:
    fake(tmp_path, monkeypatch, script)
    with pytest.raises(Failure) as caught:
        compose_engine.Docker().require()
    assert caught.value.code == code
    assert word in caught.value.message
    assert caught.value.hint


def test_version_1_alone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, monkeypatch, '[ "$1" = version ] && echo 20.10 || exit 1')
    (tmp_path / "bin/docker-compose").write_text("#!/bin/sh\n")
    (tmp_path / "bin/docker-compose").chmod(0o755)
    with pytest.raises(Failure) as caught:
        compose_engine.Docker().require()
    assert "only the old docker-compose" in caught.value.message


def test_variables_of_the_shell_do_not_reach_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_REMOVE_ORPHANS", "true")
    monkeypatch.setenv("GREETING", "from the shell")
    environment = compose_engine.Docker({"MINE": "1", "PATH": "/nowhere"}).environment
    assert "COMPOSE_REMOVE_ORPHANS" not in environment
    assert "GREETING" not in environment
    assert environment["MINE"] == "1"
    assert environment["PATH"] != "/nowhere"


def service(name: str, file: str = "/srv/docker-compose.yml") -> compose_service.ComposeService:
    """Return a service of a Compose file."""
    options = {name: option.get("default") for name, option in COMPOSE_SERVICE.items()}
    given = {"fraise": "f", "environment": "e", "docker_compose_file": file, "service": name}
    return compose_service.from_options({**options, **given})


def site(name: str, project: str = "demo") -> compose_site.ComposeSite:
    """Return the site of a service, with its fence taken."""
    made = compose_site.ComposeSite(
        service(name), Claim("ins", "dep"), compose_engine.Docker(), project
    )
    made.enter()
    return made


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that holds the state of all services."""
    monkeypatch.setattr(compose_site, "state_home", lambda: str(tmp_path))
    monkeypatch.setattr(compose_open, "state_home", lambda: str(tmp_path))
    return tmp_path


def test_two_services_of_a_project_are_brought_up_one_after_the_other(state: Path) -> None:
    one, two = site("api"), site("worker")
    with one.alone(1):
        with site("api", "another").alone(0):
            pass
        with pytest.raises(Failure) as caught, two.alone(0.1):
            pass
        assert caught.value.code == "project_busy"
    with two.alone(0):
        pass


def test_the_way_back_knows_the_project_when_the_file_is_gone(state: Path) -> None:
    assert compose_open.remembered_name(service("api")) is None
    site("api", "older")
    site("api", "newer")
    assert compose_open.remembered_name(service("api")) == "newer"
    assert compose_open.remembered_name(service("api", "/elsewhere/x.yml")) is None
    assert compose_open.remembered_name(service("worker")) is None
    assert (state / "compose/newer/api").stat().st_mode & 0o077 == 0


# --- what is written in more than one place -------------------------------------------------


def _shape(options: Mapping[str, Any], nested: str = "options") -> dict[str, Any]:
    fields = ("type", "default", "choices", "required", "elements")
    return {
        name: {
            **{field: option[field] for field in fields if field in option},
            **({"options": _shape(option[nested], nested)} if nested in option else {}),
        }
        for name, option in options.items()
    }


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: option["default"] for name, option in options.items() if "default" in option}


def test_role_modules_and_documentation_take_the_same_service() -> None:
    taken = ROLE["argument_specs"]["main"]["options"]["docker_compose_service"]["options"]
    assert _shape(taken) == _shape(COMPOSE_SERVICE)
    assert _shape(DOCUMENTED["service"]["suboptions"], "suboptions") == _shape(COMPOSE_SERVICE)


def test_provider_config_has_the_same_keys_and_defaults() -> None:
    elsewhere = {"fraise", "environment", "min_healthy_time", "healthy_deadline", "around"}
    keys = PROVIDER["schema"]["properties"]
    reached = {"hosts", "known_hosts", "become", "become_password"}
    assert set(keys) - reached == set(COMPOSE_SERVICE) - elsewhere
    theirs = {n: v for n, v in _defaults(COMPOSE_SERVICE).items() if n not in elsewhere}
    own = {name: keys[name] for name in keys if name not in reached}
    assert _defaults(own) == theirs
    check = keys["health_check"]["properties"]
    assert set(check) == set(COMPOSE_HEALTH_CHECK)
    assert _defaults(check) == _defaults(COMPOSE_HEALTH_CHECK)
    assert check["type"]["enum"] == COMPOSE_HEALTH_CHECK["type"]["choices"]
    assert keys["pull"]["enum"] == COMPOSE_SERVICE["pull"]["choices"]


def test_the_roles_defaults_are_those_it_documents() -> None:
    for name, entry in ROLE["argument_specs"].items():
        for option, described in entry["options"].items():
            if "default" in described:
                assert DEFAULTS[option] == described["default"], f"{name}: {option}"
            else:
                assert option not in DEFAULTS, f"{name}: {option}"
    tasks = {file.stem for file in (HERE / "roles/docker_compose/tasks").glob("*.yml")}
    assert tasks == set(ROLE["argument_specs"])


def test_the_provider_names_playbooks_that_are_there() -> None:
    for playbook in PROVIDER["playbooks"].values():
        assert (HERE / "playbooks" / f"{playbook.rpartition('.')[2]}.yml").is_file()


@pytest.mark.parametrize(
    "change",
    [
        {"service": ""},
        {"service": "-x"},
        {"project_name": "My Project"},
        {"pull": "sometimes"},
        {"health_check": {"type": "systemd"}},
        {"hosts": []},
        {"keep_releases": 1},
    ],
)
def test_the_schema_refuses_what_the_role_could_not_do(change: Mapping[str, Any]) -> None:
    schema, good = PROVIDER["schema"], {"docker_compose_file": "./x.yml", "service": "api"}
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **change}, schema)
