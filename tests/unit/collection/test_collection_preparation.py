"""What a host needs before the first deployment of a service."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.preparation import preparation
from ansible_collections.fraisier.deploy.plugins.module_utils.service import from_options

SERVICE = {
    "fraise": "my_api",
    "environment": "production",
    "repository": "/git/app.git",
    "app_path": "/opt/my-api",
    "service_name": "my-api",
    "service_user": "my-api",
    "exec": ["bin/serve", "{{ 7*7 }}"],
    "layout": "releases",
    "systemd_scope": "system",
}
FOREIGN = {**SERVICE, "exec": None}


def test_the_unit_is_the_very_one_that_a_deployment_writes() -> None:
    defaults: dict[str, Any] = {
        "systemd_service": None, "build": [], "build_timeout": 1, "env_vars": {}, "shared": [],
        "health_check": None, "min_healthy_time": None, "healthy_deadline": 60,
        "keep_releases": 5,
    }  # fmt: skip
    service = from_options({**defaults, **SERVICE}, {})
    wanted = service.unit_text("/opt/my-api/current", "/opt/my-api/.fraisier/environment")
    assert preparation(SERVICE, False, False)["unit"] == {
        "path": "/etc/systemd/system/my-api.service",
        "text": wanted,
    }


@pytest.mark.parametrize(
    ("service", "plain_user", "variables", "needed"),
    [
        (SERVICE, False, True, {"unit"}),
        (SERVICE, True, True, {"unit", "rule", "enable"}),
        (FOREIGN, False, True, {"drop_in"}),
        (FOREIGN, False, False, set()),
        (FOREIGN, True, False, {"rule"}),
        ({**SERVICE, "systemd_scope": "user"}, True, True, {"own_manager"}),
    ],
)
def test_only_what_is_needed_is_made(
    service: dict[str, Any], plain_user: bool, variables: bool, needed: set[str]
) -> None:
    found = preparation(service, plain_user, variables)
    optional = ("unit", "rule", "enable", "drop_in", "own_manager")
    assert {name for name in optional if found[name]} == needed


def test_the_folder_is_root_s_unless_a_plain_user_deploys_and_shared_is_the_service_s() -> None:
    assert preparation(SERVICE, False, False)["folders"] == [
        {"path": "/opt/my-api", "owner": "root", "mode": "0755"},
        {"path": "/opt/my-api/shared", "owner": "my-api", "mode": "0755"},
    ]
    plain = preparation(SERVICE, True, False)["folders"]
    assert [folder["owner"] for folder in plain] == ["my-api", "my-api"]
    assert preparation({**SERVICE, "layout": "in_place"}, False, False)["folders"] == []


def test_the_rule_lets_a_plain_user_do_four_things_to_one_unit() -> None:
    service = {**SERVICE, "systemd_service": "my:api@1.service"}
    rule = preparation(service, True, False)["rule"]
    assert rule["path"] == "/etc/sudoers.d/fraisier-my_api_1_service", "sudo skips names with a dot"
    command = rule["text"].splitlines()[-1].partition("NOPASSWD: ")[2]
    assert command.split(", ") == [
        f"/usr/bin/systemctl {verb} my\\:api@1.service"
        for verb in ("restart", "start", "stop", "reset-failed")
    ]


def test_a_drop_in_lets_the_service_start_before_the_first_deployment() -> None:
    found = preparation(FOREIGN, False, True)["drop_in"]
    assert found["text"].endswith("[Service]\nEnvironmentFile=-/opt/my-api/.fraisier/environment\n")
