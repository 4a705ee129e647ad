"""Git repositories as the control plane sees them: which commit a version names."""

from __future__ import annotations

from ansible_collections.fraisier.deploy.plugins.module_utils import git
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from fraisier.domain.errors import FraisierError, UsageError, VersionNotFound

ERRORS: dict[str, type[FraisierError]] = {
    "version_ambiguous": UsageError,
    "version_invalid": UsageError,
    "version_not_found": VersionNotFound,
}


class GitRepositories:
    """Asks a repository itself, with `git ls-remote`."""

    def resolve(self, repository: str, version: str | None, branch: str) -> str:
        """Return the full SHA a version names (None: the branch's newest commit).

        A full SHA is taken as it is: the hosts find out whether it exists.
        Raises UsageError, VersionNotFound, or FraisierError where the repository does not answer.
        """
        try:
            return str(git.resolve(repository, branch if version is None else version))
        except Failure as failure:
            raise ERRORS.get(failure.code, FraisierError)(failure.message, failure.hint) from None
