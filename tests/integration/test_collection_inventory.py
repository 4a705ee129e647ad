"""fraises.yaml as an inventory of plain Ansible: what it offers, and that nothing in it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fraisier.deploy.plugins.plugin_utils.targets import (
    ConfigurationError,
    read_targets,
)
from fraisier.config.repository import repository

PROJECT = Path(__file__).parents[2]
PROVIDER = "collections/ansible_collections/fraisier/deploy/providers/bare_metal/provider.yml"
SCHEMA = yaml.safe_load((PROJECT / PROVIDER).read_text())["schema"]
BIN = Path(sys.executable).parent


def _file(**provider_config: Any) -> dict[str, Any]:
    config = {
        "hosts": [{"hostname": "127.0.0.9", "username": "deploy", "ssh_key_path": "keys/id"}],
        "known_hosts": "known hosts",
        "service_name": "my-api",
        "app_path": "/opt/my-api",
        "service_user": "app",
        **provider_config,
    }
    environment = {
        "provider": "bare-metal",
        "strategy_config": {"max_parallel": "50%", "healthy_deadline": 20},
        "provider_config": config,
    }
    return {
        "plugin": "fraisier.deploy.fraises",
        "fraises": {
            "my-api": {
                "git_provider": "github",
                "git_repo": "my-org/my-api",
                "environments": {"staging-1": environment},
            }
        },
    }


def _run(
    folder: Path, *arguments: str, data: Any, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = folder / "fraises.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    env = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        **environment,
    }
    program, *rest = arguments
    argv = [str(BIN / program), "-i", str(path), *rest]
    return subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)


def _inventory(folder: Path, data: Any, **environment: str) -> dict[str, Any]:
    finished = _run(folder, "ansible-inventory", "--list", data=data, **environment)
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = _plain(json.loads(finished.stdout))
    return found


def _plain(value: Any) -> Any:
    """Return a value without the marks by which Ansible says that it will not template it."""
    if isinstance(value, dict) and set(value) == {"__ansible_unsafe"}:
        return value["__ansible_unsafe"]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _variables(folder: Path, data: Any, **environment: str) -> dict[str, Any]:
    hosts: dict[str, Any] = _inventory(folder, data, **environment)["_meta"]["hostvars"]
    return hosts["127.0.0.9"]  # type: ignore[no-any-return]


def test_hosts_come_with_their_groups_and_how_to_reach_them(tmp_path: Path) -> None:
    inventory = _inventory(tmp_path, _file())
    for group in ("my_api_staging_1", "fraise_my_api", "environment_staging_1"):
        assert inventory[group]["hosts"] == ["127.0.0.9"]
    assert "my_api_staging_1_rolling_by_50_percent" in inventory
    variables = inventory["_meta"]["hostvars"]["127.0.0.9"]
    assert variables["ansible_host"] == "127.0.0.9"
    assert variables["ansible_port"] == 22
    assert variables["ansible_user"] == "deploy"
    assert variables["ansible_become"] is True
    assert variables["ansible_ssh_private_key_file"] == str(tmp_path / "keys/id")
    pinned = f"-o 'UserKnownHostsFile={tmp_path}/known hosts' -o StrictHostKeyChecking=yes"
    assert variables["ansible_ssh_common_args"] == pinned


def test_the_service_has_the_shape_and_the_defaults_that_the_role_takes(tmp_path: Path) -> None:
    data = _file(env_vars={"PORT": 8000, "DEBUG": True, "KEY": {"file": "secret"}})
    target = _variables(tmp_path, data)["fraisier_targets"]["my-api/staging-1"]
    service = target["service"]
    assert service["repository"] == "https://github.com/my-org/my-api.git"
    assert (service["branch"], service["systemd_service"]) == ("main", "my-api.service")
    assert (service["keep_releases"], service["healthy_deadline"]) == (5, 20)
    assert service["env_vars"] == {"PORT": "8000", "DEBUG": "true"}
    assert target["secret_references"] == {"KEY": {"file": str(tmp_path / "secret")}}


def test_the_environment_fills_in_and_a_missing_variable_is_named(tmp_path: Path) -> None:
    data = _file(app_path="${APP_HOME:-/opt}/my-api", env_vars={"A": "$${HOME}"})
    service = _variables(tmp_path, data)["fraisier_targets"]["my-api/staging-1"]["service"]
    assert service["app_path"] == "/opt/my-api"
    assert service["env_vars"] == {"A": "${HOME}"}
    finished = _run(tmp_path, "ansible-inventory", "--list", data=_file(app_path="${NOT_THERE}/x"))
    assert "NOT_THERE is not set" in finished.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hots": []}, "provider_config.hots: unknown key"),
        ({"hosts": []}, "provider_config.hosts: must not be empty"),
        ({"hosts": [{"port": 22}]}, 'provider_config.hosts[0]: "hostname" is missing'),
        ({"hosts": [{"hostname": "-oX"}]}, "hosts[0].hostname: must be a host name"),
        ({"app_path": "/opt/../etc"}, "app_path: must not contain '..'"),
        ({"app_path": "/"}, "app_path: must be at least two folders deep"),
        ({"keep_releases": "five"}, "keep_releases: must be of type integer"),
        ({"layout": "in_situ"}, "layout: must be one of releases, in_place"),
        ({"service_user": None}, "service_user: must be of type string"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_targets(_file(**change), SCHEMA, str(tmp_path), {})
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once_by_the_inventory(tmp_path: Path) -> None:
    data = _file(hots=[], keep_releases="five")
    said = _run(tmp_path, "ansible-inventory", "--list", data=data).stderr
    assert "hots: unknown key" in said
    assert "keep_releases: must be of type integer" in said


def test_hosts_of_a_teams_own_inventory_are_found_where_that_is_read_before(
    tmp_path: Path,
) -> None:
    """`chosen_hosts` takes a name for that of a host, also where a group has it."""
    (tmp_path / "team.ini").write_text(
        "[web]\nweb-1 ansible_host=10.0.0.1\nweb-2\n[web-2]\nweb-1\nweb-2\n"
    )
    chosen = {"plugin": "fraisier.deploy.chosen_hosts", "group": "turn", "hosts": ["web-2", "w-9"]}
    (tmp_path / "chosen.yml").write_text(json.dumps(chosen))
    data = _file(hosts={"inventory": "team.ini", "group": "web"}, service_user="app")
    alone = _run(tmp_path, "ansible-inventory", "--list", data=data)
    assert 'group "web" of team.ini; name that inventory before' in " ".join(alone.stderr.split())
    named = [word for name in ("team.ini", "fraises.yaml", "chosen.yml") for word in ("-i", name)]
    finished = _run(tmp_path, "ansible-inventory", *named, "--list", data=data)
    assert finished.returncode == 0, finished.stderr
    found = _plain(json.loads(finished.stdout))
    assert found["turn"]["hosts"] == ["web-2"]
    assert set(found["_meta"]["hostvars"]) == {"web-1", "web-2"}
    assert found["my_api_staging_1"]["hosts"] == ["web-1", "web-2"]
    seen = found["_meta"]["hostvars"]["web-1"]
    assert seen["ansible_host"] == "10.0.0.1"
    assert "my-api/staging-1" in seen["fraisier_targets"]


def test_the_file_needs_its_root_key(tmp_path: Path) -> None:
    data = _file()
    del data["plugin"]
    assert "my_api" not in _run(tmp_path, "ansible-inventory", "--list", data=data).stdout


_SHOW = """
- hosts: my_api_staging_1
  gather_facts: false
  vars:
    chosen: "{{ fraisier_targets['my-api/staging-1'] }}"
  tasks:
    - ansible.builtin.copy:
        dest: "{{ lookup('env', 'HOME') }}/seen.json"
        mode: "0600"
        content: "{{ {'env_vars': chosen.service.env_vars, 'build': chosen.service.build,
          'secrets': chosen.secret_references | fraisier.deploy.secret_values,
          'headers': chosen.header_references | fraisier.deploy.secret_values} | to_json }}"
"""


def _seen(folder: Path, data: Any, **environment: str) -> tuple[dict[str, Any], str]:
    (folder / "show.yml").write_text(_SHOW)
    finished = _run(
        folder, "ansible-playbook", "show.yml", "-e", "ansible_connection=local", "-e",
        f"ansible_python_interpreter={sys.executable}", "-e", "ansible_become=false", data=data,
        **environment,
    )  # fmt: skip
    said = finished.stdout + finished.stderr
    seen = folder / "seen.json"
    return (json.loads(seen.read_text()) if seen.exists() else {}), said


def test_templates_in_the_file_are_text_and_nothing_of_them_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "pwned"
    evil = f"{{{{ lookup('pipe', 'touch {mark}') }}}}"
    seen, said = _seen(tmp_path, _file(env_vars={"A": evil, "B": "{{ 7*7 }}"}, build=[evil]))
    found = {"env_vars": {"A": evil, "B": "{{ 7*7 }}"}, "build": [evil]}
    assert seen == {**found, "secrets": {}, "headers": {}}, said
    assert not mark.exists()


def test_secrets_are_read_when_needed_from_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    references = {"A": {"env": "MY_SECRET"}, "B": {"file": "secret"}}
    seen, _ = _seen(tmp_path, _file(env_vars=references), MY_SECRET="{{ 7*7 }}")
    assert seen["secrets"] == {"A": "{{ 7*7 }}", "B": "from a file"}


def test_the_password_of_sudo_is_read_when_needed_and_never_templated(tmp_path: Path) -> None:
    data = _file(become_password={"env": "SUDO_PASSWORD"})
    listed = _run(tmp_path, "ansible-inventory", "--list", data=data, SUDO_PASSWORD="s3cret")
    assert "s3cret" not in listed.stdout
    shown = _run(
        tmp_path, "ansible", "all", "-m", "ansible.builtin.debug", "-a",
        "var=ansible_become_password", data=data, SUDO_PASSWORD="{{ 7*7 }}",
    )  # fmt: skip
    assert '"ansible_become_password": "{{ 7*7 }}"' in shown.stdout, shown.stdout + shown.stderr


def test_headers_that_are_secrets_are_read_as_others_are(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    url = "http://localhost:8000/health"
    headers = {"Accept": "text/html", "X-Api-Key": {"env": "MY_SECRET"}}
    data = _file(health_check={"type": "http", "url": url, "headers": headers})
    smoke = ["true", {"url": url, "headers": {"Private-Key": {"file": "secret"}, "A": "b"}}]
    data["fraises"]["my-api"]["environments"]["staging-1"]["smoke"] = smoke
    service = _variables(tmp_path, data)["fraisier_targets"]["my-api/staging-1"]["service"]
    assert service["health_check"]["headers"] == {"Accept": "text/html"}
    assert service["around"]["smoke"] == ["true", {"url": url, "headers": {"A": "b"}}]
    seen, said = _seen(tmp_path, data, MY_SECRET="{{ 7*7 }}")
    values = {"health_check/X-Api-Key": "{{ 7*7 }}", "smoke/1/Private-Key": "from a file"}
    assert seen.get("headers") == values, said
    data["fraises"]["my-api"]["environments"]["staging-1"]["provider_config"]["health_check"][
        "headers"
    ] = {"X-Api-Key": {"evn": "MY_SECRET"}}
    with pytest.raises(ConfigurationError, match="has none of the shapes"):
        read_targets(data, SCHEMA, str(tmp_path), {})


def test_every_missing_secret_is_named_and_none_is_shown(tmp_path: Path) -> None:
    references = {"A": {"env": "NOT_SET"}, "B": {"file": "nowhere"}, "C": {"env": "THERE"}}
    seen, said = _seen(tmp_path, _file(env_vars=references), THERE="canary-value")
    assert seen == {}
    text = " ".join(said.split())
    assert "A: the environment variable NOT_SET is not set" in text
    assert "B: cannot read" in text
    assert "canary-value" not in said


def test_a_value_of_ansibles_own_vault_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame")
    argv = ["ansible-vault", "encrypt_string", "--vault-password-file", "password", "hidden text"]
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    encrypted = subprocess.run(
        argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    indented = encrypted.replace("\n", "\n" + " " * 16)
    text = yaml.safe_dump(_file(env_vars={"A": "@@"})).replace("'@@'", indented)
    seen, said = _seen(tmp_path, text, ANSIBLE_VAULT_PASSWORD_FILE=str(tmp_path / "password"))
    assert seen.get("secrets") == {"A": "hidden text"}, said
    assert seen["env_vars"] == {}


@pytest.mark.parametrize(
    ("git_provider", "git_repo"),
    [
        ("github", "my-org/my-api"),
        ("github", "my-org/my-api.git"),
        ("bitbucket", "my-org/my-api"),
        ("gitlab", "group/my-api"),
        ("gitlab", "group/sub/my-api"),
        ("github", "./mirror"),
        ("gitlab", "../mirrors/my-api"),
        ("gitea", "https://git.example.com/team/app"),
        ("git", "ssh://git@git.example.com:2222/team/app.git"),
        (None, "git@git.example.com:team/app.git"),
        (None, "/srv/git/my-api.git"),
    ],
)
def test_a_repository_is_the_one_that_fraisier_deploys(
    tmp_path: Path, git_provider: str | None, git_repo: str
) -> None:
    data = _file()
    data["fraises"]["my-api"].update(git_repo=git_repo, git_provider=git_provider or "git")
    environment = data["fraises"]["my-api"]["environments"]["staging-1"]
    environment["deploy_on"] = {"provider": "gogs", "repository": "team/app"}
    (found,) = read_targets(data, SCHEMA, str(tmp_path), {})
    expected = repository(git_repo, git_provider, tmp_path)
    assert found.value["service"]["repository"] == expected


def test_what_opens_the_repository_stays_a_reference(tmp_path: Path) -> None:
    data = _file(source="push")
    fraise = data["fraises"]["my-api"]
    fraise["git_auth"] = {"token": {"file": "secrets/token"}, "username": "deployer"}
    (found,) = read_targets(data, SCHEMA, str(tmp_path), {})
    assert found.value["git_references"] == {"token": {"file": f"{tmp_path}/secrets/token"}}
    assert found.value["service"]["git_username"] == "deployer"
    assert found.value["service"]["source"] == "push"
    fraise["git_auth"] = {"token": "written out"}
    with pytest.raises(ConfigurationError, match="must be a reference") as caught:
        read_targets(data, SCHEMA, str(tmp_path), {})
    assert "written out" not in str(caught.value)
