"""The published schema: what editors get, and what documentation is checked by."""

from __future__ import annotations

import json

import pytest
from config_files import GOOD, Files
from jsonschema import Draft202012Validator

from fraisier.config import iter_keys, load_providers, published_schema


@pytest.fixture
def schema(boat: Files) -> dict:
    """The schema of the whole file, with two providers in it."""
    return published_schema(load_providers(boat.folder, {}))


def test_the_schema_is_valid_json_schema(schema: dict) -> None:
    Draft202012Validator.check_schema(json.loads(json.dumps(schema)))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_has_a_description(schema: dict) -> None:
    keys = list(iter_keys(schema))
    assert [path for path, description, _ in keys if not description] == []
    assert len({path for path, _, _ in keys}) == len(keys) > 40


def test_keys_are_listed_with_their_defaults(schema: dict) -> None:
    keys = {path: default for path, _, default in iter_keys(schema)}
    environment = "fraises.<name>.environments.<name>"
    assert keys["fraises.<name>.git_branch"] == "main"
    assert keys[f"{environment}.strategy_config.healthy_deadline"] == 60
    assert keys[f"{environment}.provider_config.hosts[].port"] == 22
    assert keys[f"{environment}.provider_config.speed"] == 7
    assert keys[f"{environment}.provider_config.env_vars.<name>.env"] is None


def test_the_keys_of_one_provider_can_be_listed_alone(boat: Files) -> None:
    provider = load_providers(boat.folder, {})["boat"]
    assert list(iter_keys(provider.schema)) == [
        ("port", "Where it lands.", None),
        ("hosts", "The crews.", None),
        ("hosts[].hostname", "The ship.", None),
        ("hosts[].port", "Of SSH.", 2222),
        ("speed", "In knots.", 7),
        ("sails", "What pulls it.", {}),
        ("sails.main", "The great one.", True),
    ]


def test_each_provider_is_checked_by_its_own_schema(boat: Files) -> None:
    text = GOOD.replace("provider: bare_metal", "provider: boat")
    path = "fraises.my_api.environments.production.provider_config"
    known = "known here: port, hosts, speed, sails"
    assert boat.problems(text) == [
        f'8: {path}: "port" is missing',
        f'9: {path}.hosts[0].username: unknown key; did you mean "hostname"?',
        f"10: {path}.service_name: unknown key; {known}",
        f"11: {path}.app_path: unknown key; {known}",
    ]


def test_a_pattern_ends_where_the_text_ends(boat: Files) -> None:
    boat.write(
        """\
        fraises:
          cargo:
            git_repo: ./cargo
            environments:
              sea: {provider: boat, provider_config: {port: "hamburg\\n"}}
        """
    )
    (problem,) = boat.problems()
    assert problem.endswith('port: expected text of the form ^[a-z]+$; got "hamburg\\x0a"')
