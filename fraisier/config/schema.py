"""What `fraises.yaml` may hold, as JSON Schema: the one definition that editors and we check by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fraisier.config.grammar import (
    DIALECT,
    EXTENSION,
    LABEL,
    mapping_of,
    named,
    reference,
)
from fraisier.config.monitoring_schema import MONITORING
from fraisier.config.proxy_schema import PROXY
from fraisier.config.pushes_schema import DEPLOY_ON, GIT
from fraisier.config.receivers_schema import NOTIFICATIONS, WEBHOOKS
from fraisier.config.release_schema import ENVIRONMENT_KEYS, TYPES
from fraisier.config.strategy_schema import STRATEGY_CONFIG
from fraisier.config.windows import OUTSIDE, WINDOWS
from fraisier.domain.catalogue import Json, Provider
from fraisier.domain.strategy import STRATEGIES

#: What git-check-ref-format allows, told as a pattern; as `check_version` of the collection.
GIT_BRANCH = (
    r"^(?![-/.]|@$)(?!.*(\.\.|//|@\{|/\.|\.lock(/|$)))"
    r"[^\x00-\x20\x7f~^:?*\[\\]{1,255}(?<![/.])$(?!\n)"
)
GIT_PROVIDERS = ("github", "gitlab", "gitea", "forgejo", "bitbucket", "git")
INVENTORY_PLUGIN = "fraisier.deploy.fraises"

GIT_AUTH = mapping_of(
    {
        "token": reference("A token for https: a reference, as in env_vars."),
        "username": {
            "description": "The user name that goes with the token.",
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$",
            "patternErrorMessage": "a user name of letters, digits and . _ @ + -",
            "default": "x-access-token",
        },
        "ssh_key": reference("A private key for SSH, such as a deploy key: a reference."),
    }
)

_COUNT: Json = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
RETENTION = mapping_of(
    {
        "deployments": {
            "description": "How many deployments of each target are kept, the newest. Beyond them "
            "stay the last 10 successes, what holds a target and what has not ended.",
            **_COUNT,
        },
        "events_days": {
            "description": "Days after the end of a deployment at which its events are removed, "
            "but for lines of logs and the last event.",
            **_COUNT,
        },
        "logs_days": {
            "description": "Days after the end of a deployment at which its lines of logs are "
            "removed.",
            **_COUNT,
        },
    }
)


def environment(providers: Mapping[str, Provider]) -> Json:
    """Return the schema of an environment; its `provider_config` is as its provider says."""
    properties: Json = {
        "provider": {
            "description": "How the service is put there; `fraisier providers` lists them.",
            **_one_of("provider", sorted(providers)),
        },
        "provider_config": {
            "description": "Where and how, in the provider's own keys.",
            "type": "object",
        },
        "monitoring": {
            "description": "How often the health of what is deployed is looked at; never when left "
            "out.",
            **MONITORING,
        },
        "deploy_on": {"description": "Which pushes deploy here.", **DEPLOY_ON},
        "strategy": {
            "description": "How the change moves over the hosts; without it, as the provider does.",
            **_one_of("strategy", STRATEGIES),
        },
        "strategy_config": {"description": "The pace of a roll-out.", **STRATEGY_CONFIG},
        "proxy": {"description": "What stands in front of the service.", **PROXY},
        "auto_rollback": {
            "description": "Put back what served before when a deployment fails.",
            "type": "boolean",
            "default": True,
        },
        "on_busy": {
            "description": "What a request does while another is under way: wait (queue), take "
            "the place of waiting ones (supersede), or be refused (reject).",
            "enum": ["queue", "supersede", "reject"],
            "default": "queue",
        },
        "deploy_windows": WINDOWS,
        "outside_windows": OUTSIDE,
        "region": {
            "description": "A label for where the hosts are. A worker with a region takes only the "
            "targets of that region.",
            **LABEL,
            "default": "default",
        },
        "network": {
            "description": "A label for the network that reaches the hosts. A worker with a "
            "network takes only the targets of that network.",
            **LABEL,
        },
    }
    schema = mapping_of(
        {**properties, **ENVIRONMENT_KEYS},
        required=("provider", "provider_config"),
    )
    return {**schema, "allOf": [_when(provider) for _, provider in sorted(providers.items())]}


def _one_of(noun: str, names: Iterable[str]) -> Json:
    """Return the schema of a name in either spelling; `x-known` has the ones that messages show."""
    known = list(names)
    allowed = sorted({spelling for name in known for spelling in spellings(name)})
    return {"title": noun, "enum": allowed, "x-known": known}


def _when(provider: Provider) -> Json:
    config = {"$id": f"urn:fraisier:provider:{provider.name}", **extensible(provider.schema)}
    config.setdefault("type", "object")
    condition = {"provider": {"enum": sorted(spellings(provider.name))}}
    return {
        "if": {"properties": condition, "required": ["provider"]},
        "then": {"properties": {"provider_config": config}},
    }


def fraise(providers: Mapping[str, Provider]) -> Json:
    """Return the schema of a fraise."""
    return mapping_of(
        {
            "type": {
                "description": "What kind of service it is.",
                "enum": [*TYPES],
                "default": "api",
            },
            "description": {
                "description": "What the service is, for people.",
                "type": "string",
                "default": "",
            },
            "git_provider": {
                "description": "Who keeps the repository; completes a git_repo of owner/name.",
                "enum": list(GIT_PROVIDERS),
            },
            "git_repo": {
                "description": "The repository: owner/name, a git URL, or a path with a slash.",
                "type": "string",
            },
            "git_auth": {
                "description": "What opens a private repository: a token or an ssh_key. Without it "
                "the SSH agent and settings of whoever runs git do.",
                **GIT_AUTH,
            },
            "git_branch": {
                "description": "The branch whose newest commit is deployed when none is named.",
                "type": "string",
                "pattern": GIT_BRANCH,
                "patternErrorMessage": "the name of a git branch",
                "default": "main",
            },
            "environments": {
                "description": "Where the service runs, by a name of your own.",
                **named(environment(providers), minProperties=1),
            },
        },
        required=("git_repo", "environments"),
    )


def published_schema(providers: Mapping[str, Provider]) -> Json:
    """Return the schema of the whole file, every provider's own part included."""
    root = mapping_of(
        {
            "plugin": {
                "description": "Makes the file an inventory of plain Ansible too.",
                "const": INVENTORY_PLUGIN,
            },
            "fraises": {
                "description": "The services that can be deployed, by a name of your own.",
                **named(fraise(providers)),
            },
            "retention": {
                "description": "How long records are kept; without it, all of them for ever.",
                **RETENTION,
            },
            "git": {
                "description": "Git hosts that may tell of pushes, and how they prove themselves.",
                **GIT,
            },
            "webhooks": {
                "description": "Receivers that are sent events as signed POSTs.",
                **WEBHOOKS,
            },
            "notifications": {
                "description": "Chats and people that are told of events.",
                **NOTIFICATIONS,
            },
        },
        required=("fraises",),
    )
    return {"$schema": DIALECT, "title": "fraises.yaml", **root}


def spellings(name: str) -> set[str]:
    """Return a name with hyphens and with underscores: both are accepted everywhere."""
    return {name.replace("-", "_"), name.replace("_", "-")}


def extensible(schema: Any) -> Any:
    """Return a provider's schema with `x-` keys allowed wherever it lists a mapping's keys."""
    if isinstance(schema, list):
        return [extensible(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    opened = {key: extensible(item) for key, item in schema.items()}
    if opened.get("additionalProperties") is False and isinstance(opened.get("properties"), dict):
        opened["patternProperties"] = {EXTENSION: {}, **opened.get("patternProperties", {})}
    return opened
