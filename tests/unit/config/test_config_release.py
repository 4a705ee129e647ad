"""The keys around a release: what is refused, and what goes to the hosts."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import pytest
import yaml
from config_files import GOOD, Files

from ansible_collections.fraisier.deploy.plugins.plugin_utils import targets
from fraisier.domain.errors import ConfigurationError

ENVIRONMENT = "fraises.my_api.environments.production"


def with_keys(files: Files, kind: str = "api", config: Any = None, **keys: Any) -> Any:
    """Load the good file with more keys in its environment, its type and its provider_config."""
    document = yaml.safe_load(GOOD)
    fraise = document["fraises"]["my_api"]
    fraise["type"] = kind
    production = fraise["environments"]["production"]
    production.update(keys)
    for name, value in (config or {}).items():
        production["provider_config"].pop(name, None)
        if value is not None:
            production["provider_config"][name] = value
    return files.load(yaml.safe_dump(document)).target("my_api", "production")


def refusals(files: Files, *arguments: Any, **keys: Any) -> list[str]:
    """Return what is wrong with the file, without the places."""
    with pytest.raises(ConfigurationError) as refused:
        with_keys(files, *arguments, **keys)
    return [f"{problem.path}: {problem.message}" for problem in refused.value.problems]


def test_what_is_done_around_a_release_goes_to_the_hosts_as_it_is_written(files: Files) -> None:
    keys = {
        "hooks": {"pre_deployment": ["a"]},
        "backup": {"paths": ["shared/data"]},
        "migrate": {"command": ["m"]},
        "smoke": [{"url": "http://localhost/"}],
    }
    target = with_keys(files, **keys)
    found = target.service["around"]
    assert found["hooks"] == keys["hooks"]
    assert found["backup"] == {
        "paths": ["shared/data"], "keep": 5, "timeout": 1800, "stop": True, "on": "each",
    }  # fmt: skip
    assert found["migrate"] == {"command": ["m"], "timeout": 1800, "on": "first"}
    assert found["smoke"] == keys["smoke"]
    assert "around" not in with_keys(files).service


def test_the_key_on_needs_no_quotes(files: Files) -> None:
    """YAML 1.1 reads it as true; what else it reads so is still no key."""
    around = ("backup: {paths: [shared/data], on: first}", "migrate: {command: [m], on: each}")
    lines = "\n        ".join(("provider: bare_metal", *around))
    text = GOOD.replace("provider: bare_metal", lines)
    found = files.load(text).target("my_api", "production").service["around"]
    assert (found["backup"]["on"], found["migrate"]["on"]) == ("first", "each")
    with pytest.raises(ConfigurationError, match="the key yes is no text"):
        files.load(text.replace("on: first", "yes: first"))


def test_plain_ansible_reads_the_key_on_as_well() -> None:
    data = yaml.safe_load(GOOD)
    production = data["fraises"]["my_api"]["environments"]["production"]
    production["backup"] = yaml.safe_load("{paths: [shared/data], on: first}")
    assert True in production["backup"]
    provider = FilePath(targets.__file__).parents[2] / "providers/bare_metal/provider.yml"
    schema = yaml.safe_load(provider.read_text())["schema"]
    (found,) = targets.read_targets(data, schema, "/", {})
    assert found.value["service"]["around"]["backup"] == {"paths": ["shared/data"], "on": "first"}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"hooks": {"pre_deploy": []}}, "hooks.pre_deploy: unknown key"),
        ({"backup": {"keep": 2}}, "backup: it saves nothing"),
        ({"backup": {"paths": ["/"]}}, "backup.paths[0]: must be a path"),
        ({"backup": {"paths": ["x"], "restore_command": "y"}}, "backup.restore_command: there is"),
        ({"backup": {"paths": ["x"], "folder": "y"}}, "backup.folder: expected an absolute path"),
        ({"smoke": [{"name": "x"}]}, 'smoke[0]: needs either "command" or "url"'),
        ({"smoke": [{"url": "ftp://x"}]}, "smoke[0].url: must be a whole http or https URL"),
        ({"after": "staging"}, 'after: there is no environment "staging"'),
        ({"promote": "automatic"}, 'promote: needs "after"'),
        ({"promote": "soon"}, "promote: "),
        ({"tests": [{"name": "x"}]}, "tests[0]"),
        ({"tests": [{"command": "x", "timeout": 0}]}, "tests[0]"),
        ({"after": "production"}, "after: leads back to this environment itself"),
    ],
)
def test_what_cannot_be_meant_is_refused(files: Files, keys: Any, said: str) -> None:
    found = refusals(files, **keys)
    assert len(found) == 1, found
    assert found[0].startswith(f"{ENVIRONMENT}.{said}"), found


def test_only_versions_that_both_sides_know_come_by_themselves(files: Files) -> None:
    document = yaml.safe_load(GOOD)
    environments = document["fraises"]["my_api"]["environments"]
    environments["staging"] = {
        "provider": "docker_compose",
        "provider_config": {
            "compose_file": "compose.yaml", "service": "web", "image_name": "example/web",
        },
    }  # fmt: skip
    environments["production"] |= {"after": "staging", "promote": "automatic"}
    with pytest.raises(ConfigurationError) as refused:
        files.load(yaml.safe_dump(document))
    found = {problem.path: problem.message for problem in refused.value.problems}
    assert found[f"{ENVIRONMENT}.promote"] == (
        "versions of staging are tags or digests of an image, these commits of the repository"
    )


def test_tests_are_argument_lists_with_a_name_and_a_time(files: Files) -> None:
    long = {"command": ["bin/e2e", "a b"], "name": "end to end", "timeout": 5}
    target = with_keys(files, tests=["first | second\nthird", ["bin/x", "y z"], long])
    assert target.tests == (
        {
            "name": "first | second",
            "command": ["/bin/sh", "-e", "-c", "first | second\nthird"],
            "timeout": 600,
        },
        {"name": "bin/x 'y z'", "command": ["bin/x", "y z"], "timeout": 600},
        {"name": "end to end", "command": ["bin/e2e", "a b"], "timeout": 5},
    )
    assert with_keys(files).tests == ()
    assert with_keys(files).promote == "manual"


JOB = {"health_check": None, "exec": ["bin/job"]}


def test_a_service_that_comes_to_an_end_is_told_so(files: Files) -> None:
    target = with_keys(files, "scheduled", {**JOB, "schedule": "daily"})
    assert target.service["type"] == "scheduled"
    assert target.service["schedule"] == "daily"
    assert "type" not in with_keys(files).service


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("scheduled", JOB, 'provider_config: "schedule" is missing'),
        ("scheduled", {**JOB, "schedule": "a\nb"}, "provider_config.schedule: expected a time"),
        ("etl", {**JOB, "schedule": "daily"}, "provider_config.schedule: has no meaning"),
        ("api", {"run_now": True}, "provider_config.run_now: has no meaning"),
        (
            "backup",
            {"exec": ["x"], "health_check": {"type": "systemd"}},
            "provider_config.health_check: has no meaning with the type backup",
        ),
    ],
)
def test_what_a_type_cannot_have_is_refused(
    files: Files, kind: str, config: Any, said: str
) -> None:
    found = refusals(files, kind, config)
    assert len(found) == 1, found
    assert found[0].startswith(f"{ENVIRONMENT}.{said}"), found
