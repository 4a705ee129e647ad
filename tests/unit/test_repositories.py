"""Versions are asked of the repository, with what opens it and no other secret of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import git
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.git_access import Access
from fraisier import repositories
from fraisier.domain.errors import FraisierError, UsageError, VersionNotFound
from fraisier.domain.secret import Secret
from fraisier.repositories import GitRepositories
from support.fakes import make_target

URL = "https://git.example.com/api.git"


def reveal(references: Mapping[str, Any], required: bool) -> dict[str, Secret]:
    """Resolve what is asked for: each secret is its own reference."""
    assert required
    return {name: Secret(reference["env"]) for name, reference in references.items()}


def test_only_what_opens_the_repository_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Access, str]] = []
    monkeypatch.setattr(repositories.git, "resolve", lambda *found: asked.append(found) or "a" * 40)
    target = make_target(
        repository=URL,
        service={"git_username": "me"},
        secrets={"git:token": {"env": "T"}, "PASSWORD": {"env": "P"}},
    )
    known = GitRepositories(reveal)
    assert known.resolve(target, None) == "a" * 40
    assert known.resolve(target, "v1") == "a" * 40
    access = Access(URL, "me", "T")
    assert asked == [(access, "main"), (access, "v1")]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("version_not_found", VersionNotFound),
        ("version_ambiguous", UsageError),
        ("repository_denied", FraisierError),
    ],
)
def test_a_failure_is_told_in_the_words_of_the_control_plane(
    monkeypatch: pytest.MonkeyPatch, code: str, error: type[FraisierError]
) -> None:
    def fail(*_: object) -> str:
        raise Failure(code, "what", "next")

    monkeypatch.setattr(git, "resolve", fail)
    with pytest.raises(error) as caught:
        GitRepositories(reveal).resolve(make_target(), None)
    assert (caught.value.message, caught.value.hint) == ("what", "next")


def test_what_a_git_server_says_is_plain_and_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = "ghp_0123456789abcdef"

    def fail(*_: object) -> str:
        output = "fatal: " + "." * 285 + token + "\x1b]52;c;x\x07" + "." * 100
        raise git.unreachable(URL, Finished(128, output))

    monkeypatch.setattr(repositories.git, "resolve", fail)
    target = make_target(repository=URL, secrets={"git:token": {"env": token}})
    with pytest.raises(FraisierError) as raised:
        GitRepositories(reveal).resolve(target, None)
    assert "ghp_" not in raised.value.message
    assert raised.value.message.isprintable()
