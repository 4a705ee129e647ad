"""Git repositories as the control plane sees them: which commit a version names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils import git
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import from_options
from ansible_collections.fraisier.deploy.plugins.module_utils.redaction import knowing, redacted
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import FraisierError, UsageError, VersionNotFound
from fraisier.domain.plain_text import clean, one_line
from fraisier.domain.secret import Secret

ERRORS: dict[str, type[FraisierError]] = {
    "version_ambiguous": UsageError,
    "version_invalid": UsageError,
    "version_not_found": VersionNotFound,
}
GIT_SECRETS = ("token", "ssh_key")

Resolver = Callable[[Mapping[str, Any], bool], Mapping[str, Secret]]


class GitRepositories:
    """Asks a repository itself, with `git ls-remote`.

    `resolve` turns references into secrets; its second argument says that each must have a value.
    """

    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve

    def resolve(self, target: Target, version: str | None) -> str:
        """Return the full SHA a version of a target names (None: its branch's newest commit).

        A full SHA is taken as it is: the hosts find out whether it exists. Raises UsageError,
        VersionNotFound, ConfigurationError where a secret has no value, or FraisierError where the
        repository does not answer.
        """
        named = {f"git:{name}": name for name in GIT_SECRETS}
        references = {name: target.secrets[name] for name in named if name in target.secrets}
        secrets = self._resolve(references, True)
        revealed = {named[name]: secret.reveal() for name, secret in secrets.items()}
        with knowing(revealed.values()):  # what the server says may hold them
            try:
                user = target.service.get("git_username")
                access = from_options(target.repository, user, revealed)
                return str(git.resolve(access, target.branch if version is None else version))
            except Failure as failure:
                kind = ERRORS.get(failure.code, FraisierError)
                said, hint = redacted(failure.message), redacted(failure.hint)
                raise kind(one_line(said), clean(hint)) from None
