"""From a good file to the domain's values, and where the file is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_files import FULL, GOOD, Files, changed, with_config

from fraisier.config import example_config, load
from fraisier.config.locate import locate
from fraisier.domain.catalogue import Host, Target
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.retention import Retention
from fraisier.domain.strategy import StrategyConfig


def test_a_worker_needs_no_health_check(files: Files) -> None:
    files.write(GOOD.replace("type: api", "type: worker"))
    assert files.load().target("my_api", "production").type == "worker"


def test_records_are_kept_for_ever_unless_the_file_says_how_long(files: Files) -> None:
    assert files.load(GOOD).retention.keeps_all
    said = "retention: {deployments: 1000, events_days: 90, x-note: why}\n"
    assert files.load(said + GOOD).retention == Retention(deployments=1000, events_days=90)


def test_a_full_file_becomes_exactly_this_target(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    target = files.load(FULL).target("my_api", "production")
    folder = files.folder
    assert target.hosts == (
        Host("one", "10.0.0.1", 2200, "deploy", f"{folder}/keys/id", f"{folder}/known_hosts"),
        Host("10.0.0.2", "10.0.0.2", 22, None, "/home/me/.ssh/id", f"{folder}/known_hosts"),
    )
    assert (target.provider, target.strategy) == ("bare_metal", "recreate")
    assert target.strategy_config == StrategyConfig("50%", 5, 60, 300)
    assert (target.become, target.auto_rollback) == (False, False)
    assert (target.on_busy, target.region) == ("reject", "eu-west-1")
    assert target.secrets == {
        "URL": {"env": "MY_API_URL"},
        "KEY": {"file": f"{folder}/key"},
        "CERT": {"vault": f"{folder}/cert.vault"},
    }
    assert target.service == {
        "fraise": "my_api",
        "environment": "production",
        "repository": "https://github.com/my-org/my-api.git",
        "branch": "release/2",
        "app_path": "/opt/my-api",
        "layout": "releases",
        "source": "fetch",
        "service_name": "my-api",
        "systemd_service": "api.service",
        "systemd_scope": "system",
        "service_user": "deploy",
        "build": ["make ${HOME}", ["make", "install"]],
        "build_timeout": 60,
        "exec": ["bin/start.sh"],
        "env_vars": {"LOG_LEVEL": "info", "DEBUG": "true", "WORKERS": "4"},
        "shared": ["uploads"],
        "health_check": {
            "type": "tcp",
            "port": 8000,
            "host": "localhost",
            "method": "GET",
            "headers": {},
            "validate_certs": True,
            "timeout": 10,
            "delay": 0,
            "interval": 1,
        },
        "keep_releases": 3,
        "schedule": None,
        "run_now": False,
        "run_timeout": 3600,
        "min_healthy_time": 5,
        "healthy_deadline": 60,
    }
    assert Target.from_json(json.loads(json.dumps(target.as_json()))) == target


def test_what_is_left_out_is_as_the_schemas_say(files: Files) -> None:
    catalogue = files.load(GOOD)
    target = catalogue.target("my_api", "production")
    assert catalogue.path == str(files.path)
    assert target.strategy == catalogue.providers["bare_metal"].default_strategy
    assert target.strategy_config == StrategyConfig()
    assert (target.type, target.branch, target.on_busy) == ("api", "main", "queue")
    assert (target.become, target.auto_rollback, target.region) == (True, True, "default")
    assert target.hosts == (Host("one.example.com", "one.example.com", username="deploy"),)
    nothing = {"exec": None, "health_check": None, "min_healthy_time": None}
    assert target.service == target.service | nothing
    assert target.service["systemd_service"] == "my-api.service"
    assert (target.service["keep_releases"], target.service["build_timeout"]) == (5, 1800)
    assert (target.service["env_vars"], target.secrets) == ({}, {})


def test_the_example_and_the_sample_inventory_load(files: Files) -> None:
    (target,) = files.load(example_config()).targets()
    assert (target.fraise, target.environment) == ("my_api", "production")
    sample = Path(__file__).parents[3] / "inventories" / "fraises.yaml"
    assert load(str(sample), environ={}).targets()
    assert "\nplugin: fraisier.deploy.fraises" in sample.read_text()


def test_a_provider_that_is_only_a_folder_gets_its_own_words(boat: Files) -> None:
    boat.write(
        """\
        fraises:
          cargo:
            git_repo: ./cargo
            environments:
              sea:
                provider: boat
                provider_config:
                  port: hamburg
                  x-note: not for the role
                  hosts: [{hostname: mary}]
        """
    )
    target = boat.load().target("cargo", "sea")
    assert target.strategy == "recreate"
    assert target.hosts == (Host("mary", "mary", 2222),)
    assert target.service == {
        "fraise": "cargo",
        "environment": "sea",
        "repository": f"{boat.folder}/cargo",
        "branch": "main",
        "port": "hamburg",
        "hosts": [{"hostname": "mary", "port": 2222}],
        "speed": 7,
        "sails": {"main": True},
    }


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("25%", "25%"), ('"2"', 2), ("2.0", 2)])
def test_max_parallel_is_a_number_or_a_percentage(files: Files, text: str, value: object) -> None:
    provider = "provider: bare_metal"
    strategy = f"{provider}\n        strategy_config: {{max_parallel: {text}}}"
    target = files.load(changed({provider: strategy})).target("my_api", "production")
    found = target.strategy_config.max_parallel
    assert (found, type(found)) == (value, type(value))


def test_text_from_the_environment_becomes_the_number_or_boolean_wanted(files: Files) -> None:
    files.environ = {"KEEP": "7", "BECOME": "false", "LEVEL": "1.10"}
    text = with_config("keep_releases: ${KEEP}", "become: ${BECOME}", "env_vars: {L: '${LEVEL}'}")
    target = files.load(text).target("my_api", "production")
    assert (target.service["keep_releases"], target.become) == (7, False)
    assert target.service["env_vars"] == {"L": "1.10"}


@pytest.mark.parametrize(
    ("written", "environ", "read"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("${A}", {"A": ""}, ""),
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:-}", {}, ""),
        ("a-${A}-${A}", {"A": "${A}"}, "a-${A}-${A}"),
        ("$${A}", {"A": "x"}, "${A}"),
        ("$A $", {"A": "x"}, "$A $"),
    ],
)
def test_references_to_the_environment_are_replaced_once(
    files: Files, written: str, environ: dict[str, str], read: str
) -> None:
    files.environ = environ
    target = files.load(with_config(f"env_vars: {{V: '{written}'}}")).target("my_api", "production")
    assert target.service["env_vars"] == {"V": read}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "${NONE}",
            "the environment variable NONE is not set; set it, or give a default: ${NONE:-…}",
        ),
        ("${1}", "`${` must be followed by NAME} or NAME:-default}; for itself write `$${`"),
        ("${A", "`${` must be followed by NAME} or NAME:-default}; for itself write `$${`"),
    ],
)
def test_a_reference_without_a_value_is_the_only_problem_of_its_key(
    files: Files, written: str, message: str
) -> None:
    path = "fraises.my_api.environments.production.provider_config.keep_releases"
    assert files.problems(with_config(f"keep_releases: '{written}'")) == [f"12: {path}: {message}"]


def test_the_file_is_looked_for_in_the_order_of_the_contract(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml", "fraises.yaml"):
        (tmp_path / name).write_text(GOOD)
    environ = {"FRAISIER_CONFIG": "b.yaml"}
    assert locate("a.yaml", environ, tmp_path).name == "a.yaml"
    assert locate(None, environ, tmp_path).name == "b.yaml"
    assert locate(None, {"FRAISIER_CONFIG": ""}, tmp_path) == tmp_path / "fraises.yaml"


def test_no_file_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ={}, cwd=tmp_path)
    assert str(caught.value) == (
        "fraises.yaml: no configuration file found; looked at FRAISIER_CONFIG (not set), "
        f"{tmp_path}/fraises.yaml, /etc/fraisier/fraises.yaml\n"
        "  write one with `fraisier config init`, or name one with --config"
    )


def test_a_named_file_that_is_not_there_says_who_named_it(tmp_path: Path) -> None:
    for path, environ, source in (
        ("no.yaml", {}, "--config"),
        (None, {"FRAISIER_CONFIG": "no.yaml"}, "FRAISIER_CONFIG"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load(path, environ=environ, cwd=tmp_path)
        assert f"{tmp_path}/no.yaml: no such file (named by {source})" in str(caught.value)
