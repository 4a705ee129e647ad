"""What the keys `deploy_on` and `git` of `fraises.yaml` may hold, as JSON Schema."""

from __future__ import annotations

from fraisier.config.grammar import mapping_of, reference
from fraisier.domain.catalogue import Json

#: Git hosts whose webhooks are understood.
GIT_HOSTS = ("github", "gitlab", "gitea", "forgejo", "gogs", "bitbucket")
_GLOB = r"^[^\x00-\x20\x7f/][^\x00-\x1f\x7f]*$"
_GLOB_RULE = "a name, or a pattern such as release/*, without a slash at its beginning"


def _glob(description: str) -> Json:
    return {
        "description": description,
        "type": "string",
        "pattern": _GLOB,
        "patternErrorMessage": _GLOB_RULE,
        "maxLength": 255,
    }


DEPLOY_ON: Json = mapping_of(
    {
        "branch": _glob(
            "Pushes to the branches that this names; `*` stands for anything but a slash, `**` for "
            "anything. Without `branch` and `tag` it is git_branch."
        ),
        "tag": _glob("Tags that are pushed, such as v*."),
        "paths": {
            "description": "Only pushes to a branch that change one of these files, such as api/**."
            " Where the git host does not say which files, every push deploys.",
            "type": "array",
            "items": _glob("A file, or a pattern of them."),
            "minItems": 1,
        },
        "provider": {
            "description": "The git host whose webhooks deploy here. Without it: git_provider where"
            " that names a git host, else the public host of git_repo, else the only one in `git`.",
            "enum": list(GIT_HOSTS),
        },
        "repository": {
            "description": "The repository's full name on the git host, such as my-org/my-api, "
            "or its URL there, where git_repo is fetched from elsewhere.",
            "type": "string",
            "pattern": r"^[^\x00-\x20\x7f]+$",
            "patternErrorMessage": "a full name such as my-org/my-api",
            "maxLength": 255,
        },
    }
)


def _secrets(name: str, what: str) -> Json:
    return {
        name: reference(what),
        f"old_{name}s": {
            "description": f"While {name} is replaced: those that the git host may still use.",
            "type": "array",
            "items": reference("A secret that is being replaced."),
            "minItems": 1,
        },
    }


def _host(name: str) -> Json:
    properties = _secrets("webhook_secret", "The secret that the git host was given, a reference.")
    if name == "gitlab":
        what = "The signing token (whsec_…) that GitLab made for the webhook, a reference."
        properties |= _secrets("signing_secret", what)
        return {**mapping_of(properties), "minProperties": 1}
    return mapping_of(properties, required=("webhook_secret",))


GIT: Json = mapping_of(
    {name: {"description": f"Webhooks of {name}.", **_host(name)} for name in GIT_HOSTS}
)
