"""Finds providers: folders with a `provider.yml`, the team's own before those that come along."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fraisier.config.document import read
from fraisier.config.grammar import DIALECT, mapping_of
from fraisier.config.release_schema import TYPES
from fraisier.config.report import Report
from fraisier.config.validate import check_schema, validate
from fraisier.domain.catalogue import Json, Provider
from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.strategy import STRATEGIES

COLLECTION = "ansible_collections.fraisier.deploy"
FILE_NAME = "provider.yml"
VERBS = ("preflight", "deploy", "restore", "probe", "verify")
#: What a provider may also be able to do: move traffic, and work outside deployments.
MORE_VERBS = (
    "stage", "shift", "promote", "drain", "undrain", "app", "backup", "setup",
    "proxy_setup", "proxy_probe",
)  # fmt: skip

_TEXT: Json = {"type": "string", "minLength": 1}
_STRATEGY: Json = {"enum": list(STRATEGIES)}


def _described(description: str, schema: Json) -> Json:
    return {"description": description, **schema}


PROVIDER_SCHEMA: Json = {
    "$schema": DIALECT,
    "title": FILE_NAME,
    **mapping_of(
        {
            "name": _described(
                "The provider's name, which is its folder's, with underscores.",
                {
                    "type": "string",
                    "pattern": "^[a-z][a-z0-9_]{0,62}$",
                    "patternErrorMessage": "small letters, digits and _, a letter first",
                },
            ),
            "description": _described("What it does, in a sentence.", _TEXT),
            "playbooks": _described(
                "The playbook of each step.",
                mapping_of(
                    {
                        verb: _described(f"The playbook for {verb}.", _TEXT)
                        for verb in (*VERBS, *MORE_VERBS)
                    },
                    required=("deploy",),
                ),
            ),
            "role": _described("The role that the playbooks use.", _TEXT),
            "capabilities": _described(
                "What the provider can do.",
                mapping_of(
                    {
                        "strategies": _described(
                            "The strategies it carries out.",
                            {"type": "array", "minItems": 1, "items": _STRATEGY},
                        ),
                        "default_strategy": _described("The one for targets without.", _STRATEGY),
                        "versions": _described(
                            "What a version is: a commit of the repository, or an image.",
                            {"enum": ["git", "image"], "default": "git"},
                        ),
                        "proxy": _described(
                            "Whether its services can stand behind a proxy of Fraisier's.",
                            {"type": "boolean", "default": False},
                        ),
                        "types": _described(
                            "The types of services that it runs; api and worker when left out.",
                            {
                                "type": "array",
                                "minItems": 1,
                                "items": {"enum": [*TYPES]},
                            },
                        ),
                        "around": _described(
                            "Whether it carries out hooks, backups, migrations and smoke tests.",
                            {"type": "boolean", "default": False},
                        ),
                    },
                    required=("strategies", "default_strategy"),
                ),
            ),
            "schema": _described("The JSON Schema of its provider_config.", {"type": "object"}),
        },
        required=("name", "description", "playbooks", "role", "capabilities", "schema"),
    ),
}


def load_providers(base: Path, environ: Mapping[str, str]) -> dict[str, Provider]:
    """Return every provider by name, or raise ConfigurationError with all that is wrong in them.

    Looked for in the folders of FRAISIER_PROVIDERS_PATH, then `providers` beside the
    configuration file (in `base`), then the collection; the first of a name is taken.
    """
    found: dict[str, Provider] = {}
    problems: list[Problem] = []
    for folder, own in _folders(base, environ, problems):
        for file in sorted(folder.glob(f"*/{FILE_NAME}")):
            if file.parent.name.replace("-", "_") in found:
                continue
            try:
                provider = load_provider(file, trusted=not own)
            except ConfigurationError as error:
                problems += error.problems
            else:
                found[provider.name] = provider
    if problems:
        raise ConfigurationError(problems, "correct the provider, or leave its folder out")
    return found


def load_provider(file: Path, *, trusted: bool = False) -> Provider:
    """Return the provider of a `provider.yml`, or raise ConfigurationError.

    `trusted` leaves out checking its schema, which the collection's own tests have done.
    """
    document = read(file)
    data, report = document.data, document.report
    validate(data, PROVIDER_SCHEMA, report)
    if isinstance(data, dict):
        _check(data, file, report)
        if isinstance(data.get("schema"), dict) and not trusted:
            check_schema(data["schema"], report, ("schema",))
    report.raise_if_any()
    return _provider(data, file)


def collection_folder() -> Path | None:
    """Return the folder of the installed collection's providers, without importing Ansible."""
    try:
        spec = find_spec(COLLECTION)
    except ModuleNotFoundError:
        return None
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) / "providers" if places else None


def origin(provider: Provider) -> str:
    """Return where a provider comes from, without a path of this machine."""
    shipped = Path(provider.source).parent == collection_folder()
    return COLLECTION.removeprefix("ansible_collections.") if shipped else "own"


def _folders(
    base: Path, environ: Mapping[str, str], problems: list[Problem]
) -> Iterator[tuple[Path, bool]]:
    """Yield (folder, whether it is the team's own)."""
    for name in filter(None, environ.get("FRAISIER_PROVIDERS_PATH", "").split(os.pathsep)):
        folder = Path(os.path.expanduser(name)).absolute()
        if folder.is_dir():
            yield folder, True
        else:
            message = f"{folder} is not a folder; correct it or leave it out"
            problems.append(Problem("environment", 0, "FRAISIER_PROVIDERS_PATH", message))
    yield base / "providers", True
    collection = collection_folder()
    if collection is not None:
        yield collection, False


def _check(data: dict[str, Any], file: Path, report: Report) -> None:
    folder = file.parent.name.replace("-", "_")
    if isinstance(data.get("name"), str) and data["name"] != folder:
        report.add(("name",), f'must be the name of its folder, "{folder}"')
    capabilities = data.get("capabilities")
    if not isinstance(capabilities, dict):
        return
    strategies, default = capabilities.get("strategies"), capabilities.get("default_strategy")
    if isinstance(strategies, list) and default in STRATEGIES and default not in strategies:
        report.add(("capabilities", "default_strategy"), "must be one of its strategies")


def _playbook(name: str, folder: Path) -> str:
    """Return a playbook of a collection by its name, one of the provider's folder by its path."""
    return str((folder / name).absolute()) if name.endswith((".yml", ".yaml")) else name


def _provider(data: dict[str, Any], file: Path) -> Provider:
    return Provider(
        name=data["name"],
        description=data["description"],
        playbooks={verb: _playbook(name, file.parent) for verb, name in data["playbooks"].items()},
        role=data["role"],
        strategies=tuple(data["capabilities"]["strategies"]),
        default_strategy=data["capabilities"]["default_strategy"],
        schema=data["schema"],
        versions=data["capabilities"].get("versions", "git"),
        source=str(file.parent),
        proxy=data["capabilities"].get("proxy", False),
        around=data["capabilities"].get("around", False),
        types=tuple(data["capabilities"].get("types", ("api", "worker"))),
    )
