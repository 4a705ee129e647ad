"""Coolify: what is decided without a server, and what role, modules and provider agree on."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.fraisier.deploy.plugins.doc_fragments.coolify_service import (
    ModuleDocFragment,
)
from ansible_collections.fraisier.deploy.plugins.module_utils import (
    coolify_answers,
    coolify_gate,
    coolify_resource,
    coolify_service,
    coolify_values,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.coolify_options import (
    COOLIFY_HEALTH_CHECK,
    COOLIFY_SERVICE,
    coolify_options,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.coolify_resource import View
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure

HERE = Path(__file__).parents[3] / "collections/ansible_collections/fraisier/deploy"
PROVIDER = yaml.safe_load((HERE / "providers/coolify/provider.yml").read_text())
ROLE = yaml.safe_load((HERE / "roles/coolify/meta/argument_specs.yml").read_text())
DEFAULTS = yaml.safe_load((HERE / "roles/coolify/defaults/main.yml").read_text())
DOCUMENTED = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
COMMIT, DIGEST = "a" * 40, "sha256:" + "d" * 64


def options(**more: Any) -> dict[str, Any]:
    """Return the options of a service, with their defaults."""
    filled = {name: option.get("default") for name, option in COOLIFY_SERVICE.items()}
    given = {"fraise": "my_api", "environment": "production", "url": "https://c.example.com"}
    return {**filled, **given, "application_uuid": "app", **more}


def service(secrets: Mapping[str, str] | None = None, **more: Any) -> Any:
    """Return a service of such options."""
    return coolify_service.from_options(options(**more), secrets or {}, {"token": "1|token"})


def code_of(act: Any) -> str:
    """Return the code of the Failure that something raises."""
    with pytest.raises(Failure) as caught:
        act()
    return caught.value.code


# --- options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"url": "coolify.example.com"},
        {"url": "ftp://coolify.example.com"},
        {"url": "https://me:secret@coolify.example.com"},
        {"application_uuid": None},
        {"service_uuid": "svc"},
        {"application_uuid": "../../teams"},
        {"keep_releases": 1},
        {"env_vars": {"A-B": "1"}},
    ],
)
def test_options_that_cannot_be_are_refused(more: dict[str, Any]) -> None:
    assert code_of(lambda: service(**more)) == "service_invalid"


@pytest.mark.parametrize("token", [None, "", "two words", "line\nbreak", "é"])
def test_a_token_that_no_header_holds_is_refused_and_not_told(token: str | None) -> None:
    with pytest.raises(Failure) as caught:
        coolify_service.from_options(options(), {}, {"token": token})
    assert caught.value.code == "token_missing"
    assert not token or token not in caught.value.message


def test_a_service_does_not_show_its_secrets() -> None:
    text = repr(service({"DATABASE_URL": "top-secret"}))
    assert "top-secret" not in text
    assert "1|token" not in text


def test_the_address_may_be_written_with_the_apis_own_path() -> None:
    assert service(url="https://c.example.com/api/v1/").place.url == "https://c.example.com"


@pytest.mark.parametrize(
    ("kind", "version", "wanted"),
    [
        ("git", "", ""),
        ("git", "HEAD", ""),
        ("git", COMMIT, COMMIT),
        ("git", "1.5", None),
        ("git", COMMIT[:12], None),
        ("image", "1.5", "1.5"),
        ("image", DIGEST, DIGEST),
        ("image", "sha256-" + "d" * 64, DIGEST),
        ("image", "-x", None),
        ("image", "a b", None),
        ("stack", "", ""),
        ("stack", "1.5", None),
    ],
)
def test_what_a_version_may_be(kind: str, version: str, wanted: str | None) -> None:
    if wanted is None:
        refusal = code_of(lambda: coolify_service.wanted_version(kind, version))
        assert refusal == "version_invalid"
    else:
        assert coolify_service.wanted_version(kind, version) == wanted


# --- answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"message": "Unauthenticated."}, "token_refused"),
        (400, {"message": "Invalid token."}, "token_refused"),
        (400, {"message": "No."}, "coolify_refused"),
        (403, {"message": "Missing required permissions: write"}, "coolify_forbidden"),
        (404, {"message": "Resource not found."}, "coolify_not_found"),
        (409, {"message": "Domain conflicts detected."}, "coolify_refused"),
        (422, {"message": "Validation error.", "errors": {"name": ["x"]}}, "coolify_refused"),
        (429, {}, "coolify_limited"),
        (302, "", "coolify_redirects"),
        (500, {"message": "Server Error"}, "coolify_error"),
        (502, "<html>", "coolify_error"),
        (200, "{half", "coolify_unexpected"),
        (200, "<html>", "coolify_unexpected"),
        (200, "[" * 200_000, "coolify_unexpected"),
        (500, "[" * 200_000, "coolify_error"),
        (422, '{"message": {"a": 1}, "errors": {"b": 2}}', "coolify_refused"),
    ],
)
def test_each_answer_has_its_meaning(status: int, body: Any, code: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    assert code_of(lambda: coolify_answers.read(status, {}, text.encode(), "GET /x")) == code


def test_a_refusal_names_fields_and_never_values() -> None:
    body = {"message": "Validation error.", "errors": {"value": ["top-secret is too long"]}}
    with pytest.raises(Failure) as caught:
        coolify_answers.read(422, {}, json.dumps(body).encode(), "PATCH /x")
    assert "(value)" in caught.value.message
    assert "top-secret" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (200, {}, None),
        (429, {"retry-after": "7"}, 7.0),
        (429, {}, 5.0),
        (429, {"retry-after": "x"}, 5.0),
        (429, {"retry-after": "\xb2"}, 5.0),
        (429, {"retry-after": "9" * 400}, float("inf")),
    ],
)
def test_how_long_a_limit_is_waited_for(
    status: int, headers: dict[str, str], wait: float | None
) -> None:
    assert coolify_answers.wait_of(status, headers) == wait


class Answers:
    """An API that gives these answers."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get(self, *_path: str, **_query: Any) -> Any:
        """Return the answer."""
        return self.answer

    def send(self, *_path: str, **_more: Any) -> Any:
        """Return the answer."""
        return self.answer


def listed(answer: Any) -> list[str]:
    """Return the deployments that are read from an answer."""
    resource = coolify_resource.Resource(service(), Answers(answer))  # type: ignore[arg-type]
    return [each.uuid for each in resource.deployments()]


def test_deployments_are_read_as_documented_and_as_coolify_counts_them() -> None:
    one = {"deployment_uuid": "one", "status": "finished", "created_at": "2026-01-01T00:00:00Z"}
    two = {"deployment_uuid": "two", "status": "queued", "created_at": "2026-01-02T00:00:00Z"}
    assert listed([one, two]) == ["two", "one"]
    assert listed({"count": 2, "deployments": [two, one]}) == ["two", "one"]
    assert listed({"count": 2, "deployments": {"0": two, "1": one}}) == ["two", "one"]
    assert listed([]) == []


ODD = [
    None, True, False, 0, -1, 7, 2**63, 1.5, "", "x", "x" * 1000, "a\nb", "\x1b[2Jx", "\udc80",
    "\0",
    "../..", [], [1], {}, {"a": {"b": []}}, "9" * 500, "HEAD", "\u202ex",
]  # fmt: skip
APPLICATION = {
    "status": "running:healthy", "build_pack": "nixpacks", "git_commit_sha": COMMIT,
    "docker_registry_image_name": "nginx", "docker_registry_image_tag": "1.0",
    "health_check_enabled": True, "custom_healthcheck_found": False,
}  # fmt: skip
DEPLOYMENT = {
    "deployment_uuid": "one", "status": "finished", "commit": COMMIT, "is_api": True, "logs": "[]",
    "pull_request_id": 0, "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
VARIABLE = {"key": "A", "value": "1", "is_preview": False, "uuid": "env1"}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_every_field_of_every_answer_may_be_anything(odd: Any) -> None:
    for name in APPLICATION:
        for pack in ("nixpacks", "dockerimage"):
            _read(lambda api: api.view(), {**APPLICATION, "build_pack": pack, name: odd})
    for name in DEPLOYMENT:
        _read(lambda api: api.deployments(), [{**DEPLOYMENT, name: odd}])
        _read(lambda api: api.deployment("one"), {**DEPLOYMENT, name: odd})
    for name in VARIABLE:
        _read(lambda api: api.variables(), [{**VARIABLE, name: odd}])
        _read(lambda api, name=name: api.remove_variable({**VARIABLE, name: odd}), {})
    for read in ("view", "deployments", "variables", "start"):
        _read(lambda api, read=read: getattr(api, read)(), odd)
    _read(lambda api: api.start(), {"deployment_uuid": odd})


def _read(read: Any, answer: Any) -> None:
    """See that something is read, as short texts of one line, or that the answer is refused."""
    resource = coolify_resource.Resource(service(), Answers(answer))  # type: ignore[arg-type]
    try:
        found = read(resource)
    except Failure as failure:
        found = []
        codes = {failure.code}
    else:
        codes = set()
    assert codes <= {"coolify_unexpected"}
    for each in found if isinstance(found, list) else [found]:
        texts = [
            value for value in getattr(each, "__dict__", {}).values() if isinstance(value, str)
        ]
        for text in texts:
            assert len(text) <= 400
            assert text.isprintable()


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("nginx:1.27", "1.27"),
        (f"nginx@{DIGEST}", DIGEST),
        ("nginx:sha256-" + "d" * 64, ""),
        ("nginx2:1.27", ""),
        ("nginx@1.27", ""),
        ("nginx: x", ""),
        ("nginx", ""),
        ("", ""),
    ],
)
def test_the_version_of_an_image_is_read_from_its_reference(image: str, version: str) -> None:
    assert View("image", "1.0", "running", False, "nginx").version_in(image) == version


def test_previews_are_left_out_and_read_over() -> None:
    previews = [{**DEPLOYMENT, "deployment_uuid": f"p{n}", "pull_request_id": n} for n in (1, "2")]
    assert listed([*previews, DEPLOYMENT, {**DEPLOYMENT, "deployment_uuid": "two"}]) == [
        "one",
        "two",
    ]


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 9_000, "9" * 30, "NaN", "-Infinity"])
def test_json_that_no_api_sends_is_refused(text: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match=r"nested|large|number"):
            coolify_values.parse(given)


def test_lines_that_coolify_hides_stay_hidden() -> None:
    entries = [
        {"output": "one\ntwo", "hidden": False},
        {"output": "env: secret", "hidden": True},
        {"output": None},
    ]
    assert coolify_resource.lines_of(json.dumps(entries)) == ["one", "two"]
    assert coolify_resource.lines_of("plain\ntext") == ["plain", "text"]
    assert coolify_resource.lines_of(None) == []


@pytest.mark.parametrize(
    ("status", "checked", "own", "good"),
    [
        ("running:healthy", True, False, True),
        ("running:healthy:excluded", True, False, True),
        ("running:unhealthy", False, True, False),
        ("running:unknown", True, False, False),
        ("running:unknown", False, False, True),
        ("running:unknown", True, True, True),
        ("running", False, False, True),
        ("starting:unknown", False, True, False),
        ("exited:unhealthy", False, False, False),
        ("exited", False, True, False),
        ("", False, True, False),
    ],
)
def test_what_coolify_says_of_health(status: str, checked: bool, own: bool, good: bool) -> None:
    view = View("git", "", status, checked)
    assert coolify_gate.judge(view, own)[0] is good


# --- role, modules, provider --------------------------------------------------------------


def _shape(given: Mapping[str, Any], nested: str = "options") -> dict[str, Any]:
    fields = ("type", "default", "choices", "required", "elements")
    return {
        name: {
            **{field: option[field] for field in fields if field in option},
            **({"options": _shape(option[nested], nested)} if nested in option else {}),
        }
        for name, option in given.items()
    }


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: option["default"] for name, option in given.items() if "default" in option}


def test_role_modules_and_documentation_take_the_same_service() -> None:
    taken = ROLE["argument_specs"]["main"]["options"]["coolify_service"]["options"]
    assert _shape(taken) == _shape(COOLIFY_SERVICE)
    assert _shape(DOCUMENTED["service"]["suboptions"], "suboptions") == _shape(COOLIFY_SERVICE)
    assert set(DOCUMENTED) == set(coolify_options(fence=False))


@pytest.mark.parametrize("name", ["coolify_preflight", "coolify_probe", "coolify_release"])
def test_a_module_documents_its_own_options(name: str) -> None:
    path = f"ansible_collections.fraisier.deploy.plugins.modules.{name}"
    module = importlib.import_module(path)
    source = (HERE / f"plugins/modules/{name}.py").read_text()
    documented = yaml.safe_load(module.DOCUMENTATION)
    assert documented["module"] == name
    for option in documented["options"]:
        assert f'"{option}": {{' in source or option in (
            "stop",
            "installation",
            "deployment",
            "turn",
        )
    assert yaml.safe_load(module.RETURN)
    assert yaml.safe_load(module.EXAMPLES)


def test_provider_config_has_the_same_keys_and_defaults() -> None:
    elsewhere = {"fraise", "environment", "min_healthy_time", "healthy_deadline"}
    keys = PROVIDER["schema"]["properties"]
    assert set(keys) - {"token"} == set(COOLIFY_SERVICE) - elsewhere
    theirs = {n: v for n, v in _defaults(COOLIFY_SERVICE).items() if n not in elsewhere}
    assert _defaults(keys) == theirs
    check = keys["health_check"]["properties"]
    assert set(check) == set(COOLIFY_HEALTH_CHECK)
    assert _defaults(check) == _defaults(COOLIFY_HEALTH_CHECK)
    assert check["type"]["enum"] == COOLIFY_HEALTH_CHECK["type"]["choices"]


def test_the_roles_defaults_are_those_it_documents() -> None:
    for name, entry in ROLE["argument_specs"].items():
        for option, described in entry["options"].items():
            if "default" in described:
                assert DEFAULTS[option] == described["default"], f"{name}: {option}"
            else:
                assert option not in DEFAULTS, f"{name}: {option}"
    tasks = {file.stem for file in (HERE / "roles/coolify/tasks").glob("*.yml")}
    assert tasks == set(ROLE["argument_specs"])


def test_the_provider_names_playbooks_that_are_there() -> None:
    for playbook in PROVIDER["playbooks"].values():
        assert (HERE / "playbooks" / f"{playbook.rpartition('.')[2]}.yml").is_file()


@pytest.mark.parametrize(
    "change",
    [
        {"url": "coolify"},
        {"url": "https://me@coolify.example.com"},
        {"token": "1|written-out"},
        {"application_uuid": "a/b"},
        {"timeout": 0},
        {"poll_interval": 0},
        {"wait_for_others": -1},
        {"health_check": {"type": "exec", "command": "true"}},
        {"hosts": []},
        {"keep_releases": 1},
    ],
)
def test_the_schema_refuses_what_the_role_could_not_do(change: Mapping[str, Any]) -> None:
    schema = PROVIDER["schema"]
    good = {"url": "https://c.example.com", "token": {"env": "TOKEN"}, "application_uuid": "app"}
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **change}, schema)
