"""Which repository a git_repo means, and what is refused before git sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraisier.config.repository import BadRepository, repository

BASE = Path("/srv/config")


@pytest.mark.parametrize(
    ("git_repo", "git_provider", "url"),
    [
        ("my-org/my-api", "github", "https://github.com/my-org/my-api.git"),
        ("my-org/my-api.git", "github", "https://github.com/my-org/my-api.git"),
        ("my-org/my-api", "bitbucket", "https://bitbucket.org/my-org/my-api.git"),
        ("group/sub/my-api", "gitlab", "https://gitlab.com/group/sub/my-api.git"),
        ("https://git.example.com/a.git", None, "https://git.example.com/a.git"),
        ("ssh://git@git.example.com:2222/a.git", "gitea", "ssh://git@git.example.com:2222/a.git"),
        ("git@github.com:my-org/my-api.git", "github", "git@github.com:my-org/my-api.git"),
        ("/srv/git/my-api", "git", "/srv/git/my-api"),
        ("./my-api", None, "/srv/config/my-api"),
        ("../my-api/", None, "/srv/my-api"),
        (".", None, "/srv/config"),
        ("../-x:y", None, "/srv/-x:y"),
    ],
)
def test_a_repository_is_a_url_or_an_absolute_path(
    git_repo: str, git_provider: str | None, url: str
) -> None:
    assert repository(git_repo, git_provider, BASE) == url


@pytest.mark.parametrize(
    ("git_repo", "git_provider", "reason"),
    [
        ("", None, "must be text without control characters"),
        ("https://a/b\n", None, "must be text without control characters"),
        ("--upload-pack=x", "github", "must not start with '-'"),
        ("-oProxyCommand=id:x", None, "must not start with '-'"),
        ("ext::sh -c id", None, "names a helper of git"),
        ("fd::17", None, "names a helper of git"),
        ("file:///srv/git", None, "write the path itself, without file://"),
        ("git://a/b", None, "git:// is not supported; use https, ssh or a path"),
        ("ssh://-oProxyCommand=id/x", None, "needs a host name that does not start with '-'"),
        ("ssh://-oA=b@host/x", None, "needs a host name that does not start with '-'"),
        ("git@-oProxyCommand=id:x", None, "is no repository"),
        ("git@host:--upload-pack=id", None, "is no repository"),
        ("https://me:hunter2@a/b", None, "must not hold a user name or password"),
        ("https://hunter2@a/b", None, "must not hold a user name or password"),
        ("ssh://git:hunter2@a/b", None, "must not hold a user name or password"),
        ("https://a", None, "names a host and no repository on it"),
        ("https:///a/b", None, "needs a host name"),
        ("https://a:port/b", None, "is not a URL that can be read"),
        ("https://a/b c", None, "must not hold spaces"),
        ("{{ 7*7 }}", "github", "is no repository"),
        ("my-api", "github", "is no repository"),
        ("my-org/my-api", None, "needs a git_provider (github, gitlab, bitbucket) beside it"),
        ("my-org/my-api", "gitea", "with git_provider gitea, write the whole URL or a path"),
        ("my-org/my-api", "forgejo", "with git_provider forgejo, write the whole URL or a path"),
        ("a/b/c", "github", "on github a repository is owner/name, with one slash"),
    ],
)
def test_a_repository_that_git_could_misread_is_refused(
    git_repo: str, git_provider: str | None, reason: str
) -> None:
    with pytest.raises(BadRepository) as caught:
        repository(git_repo, git_provider, BASE)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)
