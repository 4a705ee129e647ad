"""The keys of an environment for what is done around a release: hooks, backup, migration, tests."""

from __future__ import annotations

import shlex
from typing import Any

from fraisier.config.grammar import LONGEST, NAME, NAME_RULE, mapping_of, reference
from fraisier.config.secret_headers import without_secret_headers
from fraisier.domain.catalogue import Json

#: The keys that travel to the hosts, as `around` of the service.
AROUND = ("hooks", "backup", "migrate", "smoke")

TEST_SECONDS = 600

#: The types of services that come to an end.
JOBS = ("scheduled", "etl", "backup")
TYPES = ("api", "worker", *JOBS)

#: The ways to refer to a secret.
REFERENCES = reference("A secret.")["anyOf"]

_ARGUMENTS: Json = {"type": "array", "minItems": 1, "items": {"type": "string"}}
_COMMAND: Json = {"anyOf": [{"type": "string", "minLength": 1}, _ARGUMENTS]}


def _command(description: str) -> Json:
    return {"description": f"{description} A text goes through sh, a list does not.", **_COMMAND}


def _seconds(description: str, default: int) -> Json:
    return {
        "description": description,
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": LONGEST,
        "default": default,
    }


def _entries(description: str, default_seconds: int, **more: Json) -> Json:
    """Return the schema of a list of commands, each written short or with what belongs to it."""
    keys: Json = {
        "command": _command("What is run, as the service's user in the release's folder."),
        "name": {
            "description": "What to call it in logs; its command when left out.",
            "type": "string",
            "minLength": 1,
        },
        "timeout": _seconds("Seconds that it may take.", default_seconds),
        "on_failure": {
            "description": "Whether its failure is one of the deployment, or a warning.",
            "enum": ["fail", "warn"],
            "default": "fail",
        },
        **more,
    }
    long = mapping_of(keys, required=() if more else ("command",))
    items: Json = {"anyOf": [{"type": "string", "minLength": 1}, _ARGUMENTS, long]}
    return {"description": description, "type": "array", "items": items}


_ON: Json = {"enum": ["first", "each"]}

HOOKS = mapping_of(
    {
        "pre_deployment": _entries(
            "Run on each host once the release is ready, before anything that serves changes.", 600
        ),
        "post_deployment": _entries(
            "Run on each host once the release serves; one that fails makes the release bad.", 600
        ),
    }
)

BACKUP = mapping_of(
    {
        "paths": {
            "description": "Files and folders on the host; relative ones start at app_path.",
            "type": "array",
            "items": {"type": "string", "minLength": 1},
        },
        "command": _command("What it writes to its output is saved, such as a database dump."),
        "restore_command": _command("It gets the saved output as its input."),
        "keep": {
            "description": "How many backups are kept on a host, the newest.",
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": 5,
        },
        "timeout": _seconds("Seconds that each of the two commands may take.", 1800),
        "folder": {
            "description": "The folder on the host for backups, absolute; "
            "/var/lib/fraisier/backups when left out.",
            "type": "string",
            "pattern": "^/[^\\x00]*$",
            "patternErrorMessage": "an absolute path",
        },
        "stop": {
            "description": "Stop the service while a backup is put back.",
            "type": "boolean",
            "default": True,
        },
        "on": {
            "description": "Whether each host is saved, or the first of the target only.",
            **_ON,
            "default": "each",
        },
    }
)

MIGRATE = mapping_of(
    {
        "command": _command(
            "It changes the database, after the backup and before the release serves."
        ),
        "down": _command("It takes that back, where the deployment goes back after it."),
        "timeout": _seconds("Seconds that each of the two commands may take.", 1800),
        "on": {
            "description": "Whether it runs on the first host of the target, or on each.",
            **_ON,
            "default": "first",
        },
    },
    required=("command",),
)

SMOKE = _entries(
    "Tests on each host of a release that has passed its gate; one that fails makes it bad.",
    30,
    url={
        "description": "Instead of a command, a URL to ask from the host itself.",
        "type": "string",
        "minLength": 1,
    },
    method={
        "description": "For a URL, the method.",
        "enum": ["GET", "HEAD", "POST", "OPTIONS"],
        "default": "GET",
    },
    headers={
        "description": "For a URL, more headers; a secret is a reference.",
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "string"}, *REFERENCES]},
    },
    status={
        "description": "For a URL, the status that is right, or several; any 2xx when left out.",
        "anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {
                "type": "array",
                "minItems": 1,
                "items": {"type": "integer", "minimum": 100, "maximum": 599},
            },
        ],
    },
    body={
        "description": "For a URL, a text that the body must contain.",
        "type": "string",
        "minLength": 1,
    },
    validate_certs={
        "description": "For https, check the certificate.",
        "type": "boolean",
        "default": True,
    },
)

TESTS = {
    "description": "Commands at the end of a deployment, once, on its first host; a version whose "
    "tests fail goes on serving here, and goes no further.",
    "type": "array",
    "items": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            _ARGUMENTS,
            mapping_of(
                {
                    "command": _command("What is run, as the service's user, where it runs."),
                    "name": {
                        "description": "What to call it in logs; its command when left out.",
                        "type": "string",
                        "minLength": 1,
                    },
                    "timeout": _seconds("Seconds that it may take.", TEST_SECONDS),
                },
                required=("command",),
            ),
        ]
    },
}

ENVIRONMENT_KEYS: Json = {
    "hooks": {"description": "Commands before and after a release begins to serve.", **HOOKS},
    "backup": {"description": "What is saved before a release begins to serve.", **BACKUP},
    "migrate": {"description": "The step that changes the database.", **MIGRATE},
    "smoke": SMOKE,
    "after": {
        "description": "The environment that a version must have succeeded in before it may come "
        "here.",
        "type": "string",
        "pattern": f"^{NAME}$",
        "patternErrorMessage": NAME_RULE,
    },
    "promote": {
        "description": "Whether a version that succeeded in the environment of after comes here by "
        "itself, where a server or worker is at work.",
        "enum": ["manual", "automatic"],
        "default": "manual",
    },
    "tests": TESTS,
}


def around_of(environment: Json) -> dict[str, Any]:
    """Return what a service is told of the work around its releases; empty where there is none."""
    found = {key: environment[key] for key in AROUND if environment.get(key)}
    if "smoke" in found:
        found["smoke"] = [without_secret_headers(test) for test in found["smoke"]]
    return found


def tests_of(environment: Json) -> tuple[Json, ...]:
    """Return the tests of an environment, each with `name`, `command` (a list) and `timeout`."""
    return tuple(_test(entry) for entry in environment.get("tests") or ())


def _test(entry: Any) -> Json:
    given = entry if isinstance(entry, dict) else {"command": entry}
    command = given["command"]
    plain = isinstance(command, str)
    return {
        "name": given.get("name") or (_first_line(command) if plain else shlex.join(command)),
        "command": ["/bin/sh", "-e", "-c", command] if plain else [*command],
        "timeout": given.get("timeout", TEST_SECONDS),
    }


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), text)
