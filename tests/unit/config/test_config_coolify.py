"""Targets at a Coolify: what is refused, and what role and runner are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from config_files import Files

from fraisier.domain.catalogue import Target
from fraisier.domain.plan import Work
from fraisier.domain.secret import Secret
from fraisier.runner.invocation import invocation

GOOD = """\
fraises:
  my_api:
    git_provider: github
    git_repo: my-org/my-api
    environments:
      production:
        provider: coolify
        provider_config:
          url: https://coolify.example.com
          token: {file: token.txt}
          application_uuid: app1
          env_vars: {LEVEL: info, SECRET: {env: MY_SECRET}}
      staging:
        provider: coolify
        provider_config:
          url: https://coolify.example.com
          token: {env: COOLIFY_TOKEN}
          service_uuid: svc1
          ca_file: certs/ca.pem
"""
PATH = "fraises.my_api.environments.production"


def target(files: Files, name: str = "production") -> Target:
    """Return a target of the good configuration."""
    return files.load(GOOD).target("my_api", name)


def test_a_target_is_told_what_the_role_takes_and_no_secret(files: Files) -> None:
    found = target(files)
    assert found.secrets == {
        "coolify:token": {"file": str(files.folder / "token.txt")},
        "SECRET": {"env": "MY_SECRET"},
    }
    assert found.service["application_uuid"] == "app1"
    assert found.service["env_vars"] == {"LEVEL": "info"}
    assert found.service["timeout"] == 540
    assert "token" not in found.service
    assert "repository" not in found.service
    assert [host.connection for host in found.hosts] == ["local"]
    assert found.become is False
    assert target(files, "staging").service["ca_file"] == str(files.folder / "certs/ca.pem")


UUID, TOKEN = "application_uuid: app1", "token: {file: token.txt}"
URL = f"url: https://coolify.example.com\n          {TOKEN}"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (UUID, "poll_interval: 1", "application_uuid or service_uuid is missing"),
        (UUID, f"{UUID}\n          service_uuid: svc2", "not both"),
        (UUID, "service_uuid: svc1", "is that of my_api/"),
        (UUID, "application_uuid: ../teams", "letters, digits and -"),
        (TOKEN, "token: 1|written-out", f"{PATH}.provider_config.token"),
        (TOKEN, "token: {env: a b}", "must name an environment variable"),
        (TOKEN, "timeout: 5", '"token" is missing'),
        (URL, f"url: coolify\n          {TOKEN}", "a whole http or https URL"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(
    files: Files, old: str, new: str, problem: str
) -> None:
    assert GOOD.count(old) == 1
    told = "\n".join(files.problems(GOOD.replace(old, new)))
    assert problem in told
    assert "1|written-out" not in told


@pytest.mark.parametrize("strategy", ["rolling", "blue-green", "canary"])
def test_strategies_that_coolify_has_no_traffic_for_are_refused(
    files: Files, strategy: str
) -> None:
    text = GOOD.replace("production:\n", f"production:\n        strategy: {strategy}\n", 1)
    assert any(f"cannot carry out {strategy}" in each for each in files.problems(text))


def test_the_token_goes_to_the_playbook_as_a_secret_of_its_own(
    files: Files, tmp_path: Path
) -> None:
    found = target(files)
    more: dict[str, Any] = {"become": False, "timeout": 1.0, "secrets": found.secrets}
    work = Work("dep_1", "deploy", "x.y.z", found.hosts, request={"service": {}}, **more)
    secrets = {"coolify:token": Secret("1|the-token"), "SECRET": Secret("the-value")}
    made = invocation(work, secrets, tmp_path)
    assert "1|the-token" in made.request
    assert "secret_coolify" in made.request
    assert not any("1|the-token" in text for text in made.files.values())
