"""Where providers are found, and what is wrong with a bad one."""

from __future__ import annotations

import pytest
from config_files import BOAT, Files

from fraisier.config import load_providers
from fraisier.config.providers import MORE_VERBS, PROVIDER_SCHEMA, VERBS
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.strategy import STRATEGIES


def _problems(files: Files) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_providers(files.folder, files.environ)
    prefix = f"{files.folder}/providers/boat/provider.yml:"
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


def test_bare_metal_comes_along_and_can_do_every_step(files: Files) -> None:
    provider = load_providers(files.folder, {})["bare_metal"]
    assert set(provider.playbooks) == {*VERBS, *MORE_VERBS}
    assert provider.default_strategy in provider.strategies
    assert set(provider.strategies) <= set(STRATEGIES)
    assert provider.source.endswith("providers/bare_metal")


def test_the_first_folder_that_has_a_provider_is_taken(boat: Files) -> None:
    first, second = boat.folder / "first", boat.folder / "second"
    for folder in (first, second):
        boat.write(BOAT.replace("Ships it.", folder.name), f"{folder.name}/boat/provider.yml")
    path = {"FRAISIER_PROVIDERS_PATH": f"{second}:{first}"}
    assert load_providers(boat.folder, path)["boat"].description == "second"
    assert load_providers(boat.folder, {})["boat"].description == "Ships it."
    assert set(load_providers(boat.folder, path)) == {
        "boat",
        "bare_metal",
        "coolify",
        "docker_compose",
    }


def test_a_folder_of_the_path_that_is_not_there_is_told(files: Files) -> None:
    files.environ["FRAISIER_PROVIDERS_PATH"] = "/nowhere/at/all"
    assert _problems(files) == [
        "environment: FRAISIER_PROVIDERS_PATH: /nowhere/at/all is not a folder; "
        "correct it or leave it out"
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: boat", "name: ship", '1: name: must be the name of its folder, "boat"'),
        ("role: ", "rôle: ", '1: "role" is missing'),
        ("deploy: harbour", "dploy: harbour", '3: playbooks: "deploy" is missing'),
        (
            "default_strategy: recreate",
            "default_strategy: rolling",
            "5: capabilities.default_strategy: must be one of its strategies",
        ),
        (
            "[recreate, canary]",
            "[recreate, drift]",
            "5: capabilities.strategies[1]: expected one of recreate, rolling, blue-green, canary; "
            'got "drift"',
        ),
        (
            '"^[a-z]+$"',
            '"["',
            "11: schema.properties.port: holds a pattern that cannot be read: [:",
        ),
        (
            "{type: integer, description: In",
            "{type: whole, description: In",
            "13: schema.properties",
        ),
        ("name: boat", "name: [boat", "2: is not valid YAML"),
    ],
)
def test_a_bad_provider_is_told_by_its_own_file_and_line(
    files: Files, old: str, new: str, problem: str
) -> None:
    assert old in BOAT
    files.write(BOAT.replace(old, new, 1), "providers/boat/provider.yml")
    assert any(found.startswith(problem) for found in _problems(files))


def test_every_key_of_a_provider_is_described() -> None:
    def described(schema: dict) -> None:
        for name, child in schema.get("properties", {}).items():
            assert child["description"], name
            described(child)

    described(PROVIDER_SCHEMA)
