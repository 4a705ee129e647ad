# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What opens a repository: a token or an SSH key, shown to its own server and to no other."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Iterator, Mapping

from . import git_url
from .commands import User
from .failure import Failure

USERNAME = "x-access-token"
# In batch mode ssh asks nothing, so that a server whose key is not known is refused.
_SSH = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10"
    " -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
)
# A helper of git's: a fixed text for sh, whose printf is built in. The values come by environment.
_HELPER = (
    "!f() { printf 'username=%s\\npassword=%s\\n'"
    ' "$CREDENTIAL_USERNAME" "$CREDENTIAL_PASSWORD"; }; f'
)


@dataclass(frozen=True)
class Access:
    """A repository and what opens it; without token and key, git's own settings and agent do.

    `token` is the password of `username` over https; `ssh_key` the text of a private key.
    """

    repository: str
    username: str = USERNAME
    token: str | None = field(default=None, repr=False)
    ssh_key: str | None = field(default=None, repr=False)

    def to(self, repository: str) -> Access:
        """Return access to another repository: with these credentials on the same server only."""
        if git_url.server(repository) == git_url.server(self.repository):
            return replace(self, repository=repository)
        return Access(repository)

    def require_usable(self) -> None:
        """Raise Failure unless git may be given the repository, and it the credentials."""
        git_url.require_repository(self.repository)
        problem = git_url.check_token_use(self.repository) if self.token is not None else None
        if problem is None and not f"{self.username}{self.token or ''}".isprintable():
            problem = "the token and its username must be one line of printable characters"
        if problem is None and self.ssh_key is not None:
            problem = self._key_problem(self.ssh_key)
        if problem:
            raise Failure("git_auth_invalid", f"git_auth: {problem}", "correct git_auth")

    def options(self) -> tuple[str, ...]:
        """Return the options that make git use the token, for this repository's server alone.

        Helpers set before are taken out for that server: one could write the token to a disk.
        """
        if self.token is None:
            return ()
        scope = f"credential.{git_url.origin(self.repository)}.helper"
        return ("-c", f"{scope}=", "-c", f"{scope}={_HELPER}")

    def environment(self, key: int | None = None) -> dict[str, str]:
        """Return what git and its helpers find in their environment; `key` is of `key_opened`."""
        found = {"GIT_SSH_COMMAND": _SSH}
        if key is not None:
            # ssh closes what it inherits, git does not: the key is read from git, ssh's parent
            only = "-o IdentitiesOnly=yes -o IdentityAgent=none"
            found["GIT_SSH_COMMAND"] = f"{_SSH} {only} -i /proc/$PPID/fd/{key}"
        if self.token is not None:
            found.update(CREDENTIAL_USERNAME=self.username, CREDENTIAL_PASSWORD=self.token)
        return found

    @contextmanager
    def key_opened(self, user: User | None = None) -> Iterator[int | None]:
        """Hold the SSH key in a file of memory that has no name; yields its descriptor.

        It is gone with the last process that holds it, however that process ends. Only `user`
        may read it, this process's own account when None.
        """
        if self.ssh_key is None:
            yield None
            return
        descriptor = os.memfd_create("key")
        try:
            os.write(descriptor, self.ssh_key.replace("\r\n", "\n").rstrip("\n").encode() + b"\n")
            os.fchmod(descriptor, 0o600)
            if user is not None and user.uid != os.geteuid():
                os.fchown(descriptor, user.uid, user.gid)
            yield descriptor
        finally:
            os.close(descriptor)

    def _key_problem(self, key: str) -> str | None:
        server = git_url.server(self.repository)
        if server is None or server[0] != "ssh":
            return "ssh_key is for a repository over SSH (git@host:path)"
        if not key.lstrip().startswith("-----BEGIN "):
            return "ssh_key must be the text of a private key, which starts with -----BEGIN"
        return None


def from_options(
    repository: str, username: str | None, secrets: Mapping[str, object] | None
) -> Access:
    """Return the access that a module's options tell: `secrets` has `token` or `ssh_key`."""
    given = {name: str(value) for name, value in (secrets or {}).items() if value}
    return Access(repository, username or USERNAME, given.get("token"), given.get("ssh_key"))
