"""What is written in more than one place says the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.fraisier.deploy.plugins.doc_fragments import fence as fence_fragment
from ansible_collections.fraisier.deploy.plugins.doc_fragments import service as service_fragment
from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.options import (
    FENCE,
    HEALTH_CHECK,
    SERVICE,
)
from ansible_collections.fraisier.deploy.plugins.modules import fence, health_gate
from fraisier.domain.strategy import StrategyConfig

HERE = Path(__file__).parents[3] / "collections/ansible_collections/fraisier/deploy"
PROVIDER = yaml.safe_load((HERE / "providers/bare_metal/provider.yml").read_text())
SCHEMA = PROVIDER["schema"]
ROLE = yaml.safe_load((HERE / "roles/bare_metal/meta/argument_specs.yml").read_text())
DEFAULTS = yaml.safe_load((HERE / "roles/bare_metal/defaults/main.yml").read_text())
DOCUMENTED = {
    name: option
    for fragment in (service_fragment, fence_fragment)
    for name, option in yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"].items()
}
ROLE_SERVICE = ROLE["argument_specs"]["main"]["options"]["bare_metal_service"]["options"]

#: Of a service, what comes from other parts of fraises.yaml than provider_config.
ELSEWHERE = {"fraise", "environment", "repository", "branch", "git_username", "around", "type"}
PACE = {"min_healthy_time", "healthy_deadline"}
#: Of provider_config, what is about reaching the host and not about the service.
CONNECTION = {"hosts", "known_hosts", "become", "become_password"}


def _shape(options: Mapping[str, Any], nested: str = "options") -> dict[str, Any]:
    """Return what of an option's description is a promise: type, default, choices, required."""
    fields = ("type", "default", "choices", "required", "elements")
    return {
        name: {
            **{field: option[field] for field in fields if field in option},
            **({"options": _shape(option[nested], nested)} if nested in option else {}),
        }
        for name, option in options.items()
    }


def test_the_role_takes_the_service_that_the_modules_take() -> None:
    assert _shape(ROLE_SERVICE) == _shape(SERVICE)


def test_the_documentation_of_the_modules_tells_the_options_they_have() -> None:
    assert _shape(DOCUMENTED["service"]["suboptions"], "suboptions") == _shape(SERVICE)
    assert _shape(DOCUMENTED["fence"]["suboptions"], "suboptions") == _shape(FENCE)


@pytest.mark.parametrize(
    ("module", "option", "spec"),
    [(health_gate, "health_check", HEALTH_CHECK)],
)
def test_a_module_of_its_own_documents_the_same_check(
    module: Any, option: str, spec: Mapping[str, Any]
) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"][option]["suboptions"]
    assert _shape(documented, "suboptions") == _shape(spec)


def test_the_fence_module_documents_the_same_fence() -> None:
    documented = _shape(yaml.safe_load(fence.DOCUMENTATION)["options"])
    for name, option in _shape(FENCE).items():
        option.pop("required", None)
        assert documented[name] == option, name


def test_provider_config_and_the_service_know_the_same_keys() -> None:
    assert set(SCHEMA["properties"]) - CONNECTION == set(SERVICE) - ELSEWHERE - PACE
    check = SCHEMA["properties"]["health_check"]["properties"]
    assert set(check) == set(HEALTH_CHECK)


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: option["default"] for name, option in options.items() if "default" in option}


def test_provider_config_and_the_service_have_the_same_defaults() -> None:
    theirs = _defaults(SERVICE)
    theirs.pop("healthy_deadline")
    theirs.pop("around")
    theirs.pop("type")
    ours = {n: v for n, v in _defaults(SCHEMA["properties"]).items() if n not in CONNECTION}
    assert ours == theirs
    check = SCHEMA["properties"]["health_check"]["properties"]
    assert _defaults(check) == _defaults(HEALTH_CHECK)


def test_the_check_itself_has_the_same_defaults() -> None:
    for name, default in _defaults(HEALTH_CHECK).items():
        assert getattr(Check(), name) == default, name


def test_the_pace_has_the_same_default_as_the_strategy() -> None:
    assert SERVICE["healthy_deadline"]["default"] == StrategyConfig().healthy_deadline
    assert SERVICE["min_healthy_time"].get("default") == StrategyConfig().min_healthy_time


def test_the_roles_defaults_are_those_it_documents() -> None:
    for name, entry in ROLE["argument_specs"].items():
        for option, described in entry["options"].items():
            if "default" in described:
                assert DEFAULTS[option] == described["default"], f"{name}: {option}"
            else:
                assert option not in DEFAULTS, f"{name}: {option}"


def test_every_entry_point_of_the_role_is_a_file_and_documented() -> None:
    tasks = {file.stem for file in (HERE / "roles/bare_metal/tasks").glob("*.yml")}
    assert tasks == set(ROLE["argument_specs"])


def test_the_provider_names_playbooks_that_are_there() -> None:
    for playbook in PROVIDER["playbooks"].values():
        assert (HERE / "playbooks" / f"{playbook.rpartition('.')[2]}.yml").is_file()
    assert (HERE / "roles" / PROVIDER["role"].rpartition(".")[2]).is_dir()


def _properties(schema: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(schema, Mapping):
        for name, child in schema.get("properties", {}).items():
            yield f"{path}.{name}", child
        for key, child in schema.items():
            yield from _properties(child, f"{path}.{key}")
    elif isinstance(schema, list):
        for item in schema:
            yield from _properties(item, path)


def test_the_schema_is_one_and_describes_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    missing = [path for path, child in _properties(SCHEMA) if not child.get("description")]
    assert missing == []
    jsonschema.validate(_example(), SCHEMA)


def _example() -> dict[str, Any]:
    return {
        "hosts": [{"hostname": "one.example.com", "username": "deploy"}],
        "service_name": "my-api",
        "app_path": "/opt/my-api",
        "exec": ["bin/serve"],
        "build": ["make", ["make", "install"]],
        "env_vars": {"PORT": 8000, "DEBUG": False, "KEY": {"env": "API_KEY"}},
        "health_check": {"type": "http", "url": "http://localhost:8000/", "status": [200, 204]},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"hots": []},
        {"hosts": []},
        {"hosts": [{"hostname": "-oProxyCommand=x"}]},
        {"layout": "in_situ"},
        {"systemd_scope": "session"},
        {"become_password": "plain text"},
        {"source": "teleport"},
        {"keep_releases": 1},
        {"systemd_service": "my-api"},
        {"systemd_service": "../x.service"},
        {"env_vars": {"KEY": {"env": "A", "file": "b"}}},
        {"health_check": {"type": "docker"}},
        {"build": "make"},
        {"service_user": "root; rm"},
    ],
)
def test_the_schema_refuses_what_the_role_could_not_do(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**_example(), **change}, SCHEMA)
