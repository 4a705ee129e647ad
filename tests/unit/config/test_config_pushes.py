"""`deploy_on` and `git`: what they come to, and what is said where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from config_files import Files

from fraisier.config import load
from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.push import DeployOn
from fraisier.domain.secret import SecretReference

SECRET = {"env": "HOOK_SECRET"}
PLACE = "fraises.my_api.environments.production.deploy_on"


def test_a_repository_on_a_path_needs_the_name_that_its_host_gives_it(files: Files) -> None:
    git = {"github": {"webhook_secret": SECRET}}
    with pytest.raises(ConfigurationError, match="git_repo is a path, which no git host knows"):
        loaded(files, {}, git, "/srv/git/my-api.git")
    named = {"repository": "my-org/my-api"}
    (found,) = loaded(files, named, git, "/srv/git/my-api.git").listening
    assert found.on.repository == "my-org/my-api"


def loaded(
    files: Files,
    deploy_on: Any,
    git: Any,
    git_repo: str = "https://git.example.com/my-org/my-api",
    git_provider: str | None = None,
) -> Catalogue:
    """Return the catalogue of a file with these keys."""
    provider = {"app_path": "/opt/my-api", "service_name": "my-api", "service_user": "app",
                "hosts": [{"hostname": "web-1"}]}  # fmt: skip
    production = {"provider": "bare_metal", "provider_config": provider}
    if deploy_on is not None:
        production["deploy_on"] = deploy_on
    fraise = {"git_repo": git_repo, "git_branch": "trunk",
              "environments": {"production": production}}  # fmt: skip
    if git_provider is not None:
        fraise["git_provider"] = git_provider
    document = {"fraises": {"my_api": fraise}, **({"git": git} if git is not None else {})}
    return load(str(files.write(yaml.safe_dump(document, sort_keys=False))))


def problems(files: Files, deploy_on: Any, git: Any) -> str:
    """Return what is wrong with a file with these keys."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(files, deploy_on, git)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, DeployOn("trunk")),
        ({"branch": "release/*"}, DeployOn("release/*")),
        ({"branch": "42-don't-(x)=y"}, DeployOn("42-don't-(x)=y")),
        ({"tag": "v*"}, DeployOn(None, "v*")),
        ({"tag": "v*", "branch": "main"}, DeployOn("main", "v*")),
        ({"paths": ["api/**"]}, DeployOn("trunk", paths=("api/**",))),
        ({"repository": "a/b", "x-note": 1}, DeployOn("trunk", repository="a/b")),
    ],
)
def test_deploy_on_says_which_pushes_deploy(files: Files, given: Any, found: DeployOn) -> None:
    (listening,) = loaded(files, given, {"github": {"webhook_secret": SECRET}}).listening
    assert (listening.fraise, listening.environment) == ("my_api", "production")
    assert listening.source == "https://git.example.com/my-org/my-api"
    assert listening.on == found


def test_without_deploy_on_no_push_deploys(files: Files) -> None:
    found = loaded(files, None, {"github": {"webhook_secret": SECRET}})
    assert found.listening == ()


OWN = "https://git.example.com/my-org/my-api"


@pytest.mark.parametrize(
    ("git_provider", "git_repo", "deploy_on", "configured", "found"),
    [
        ("github", "my-org/my-api", {}, "github gitea", ("github", True)),
        ("github", "my-org/my-api", {}, "gitea", ("github", True)),
        ("gitea", OWN, {}, "github gitea", ("gitea", True)),
        ("gitea", "https://github.com/my-org/my-api", {}, "github gitea", ("gitea", True)),
        ("forgejo", OWN, {"provider": "gitea"}, "forgejo gitea", ("gitea", True)),
        ("gitlab", "group/sub/my-api", {}, "github gitlab", ("gitlab", True)),
        ("git", OWN, {"provider": "gogs"}, "github gogs", ("gogs", True)),
        ("git", OWN, {}, "github gitea", ("", False)),
        (None, OWN, {}, "github gitea", ("", False)),
        (None, OWN, {}, "gitea", ("gitea", False)),
        (None, OWN, {"repository": "a/b"}, "github gitea", ("", False)),
        (None, "https://github.com/my-org/my-api", {}, "github gitea", ("github", False)),
        ("git", "git@GitLab.com:g/s/my-api.git", {}, "github gitlab", ("gitlab", False)),
        ("git", "git@bitbucket.org:my-org/my-api", {}, "gitea", ("bitbucket", False)),
        (None, "https://github.com/m/mirror", {"repository": "a/b"}, "gitea", ("gitea", False)),
        (None, "https://github.com/a/b", {"repository": "a/b"}, "github gitea", ("github", False)),
        (None, "/srv/mirror", {"repository": "https://github.com/a/b"}, "github gitea",
         ("github", False)),
    ],
)  # fmt: skip
def test_one_git_host_reaches_a_target_or_none(
    files: Files,
    git_provider: str | None,
    git_repo: str,
    deploy_on: Any,
    configured: str,
    found: tuple[str, bool],
) -> None:
    git = {name: {"webhook_secret": SECRET} for name in configured.split()}
    (listening,) = loaded(files, deploy_on, git, git_repo, git_provider).listening
    assert (listening.provider, listening.named) == found


def test_a_host_has_its_secrets_the_newest_first(files: Files) -> None:
    old = {"file": "old"}
    given = {
        "github": {"webhook_secret": SECRET, "old_webhook_secrets": [old]},
        "gitlab": {"signing_secret": SECRET},
    }
    hosts = loaded(files, {}, given).git_hosts
    new, before = SecretReference("env", "HOOK_SECRET"), SecretReference("file", "old")
    assert (hosts["github"].secrets, hosts["github"].keys) == ((new, before), ())
    assert (hosts["gitlab"].secrets, hosts["gitlab"].keys) == ((), (new,))


@pytest.mark.parametrize(
    ("deploy_on", "git", "told"),
    [
        ({}, None, f"{PLACE}: no git host may tell of pushes"),
        ({}, {}, f"{PLACE}: no git host may tell of pushes"),
        ({"branch": "/main"}, {"github": {"webhook_secret": SECRET}}, f"{PLACE}.branch: "),
        ({"branch": ""}, {"github": {"webhook_secret": SECRET}}, f"{PLACE}.branch: "),
        ({"paths": []}, {"github": {"webhook_secret": SECRET}}, f"{PLACE}.paths: "),
        ({"paths": ["/api"]}, {"github": {"webhook_secret": SECRET}}, f"{PLACE}.paths[0]: "),
        ({"tag": "v*", "paths": ["a"]}, {"github": {"webhook_secret": SECRET}}, "are for branches"),
        ({"branches": "x"}, {"github": {"webhook_secret": SECRET}}, 'did you mean "branch"?'),
        ({"provider": "git"}, {"github": {"webhook_secret": SECRET}}, f"{PLACE}.provider: "),
        ({"provider": "gitea"}, {"github": {"webhook_secret": SECRET}}, "git has no gitea"),
        (None, {"github": {}}, 'git.github: "webhook_secret" is missing'),
        (None, {"gitlab": {}}, "git.gitlab: "),
        (None, {"github": {"webhook_secret": "hunter2"}}, "git.github.webhook_secret: "),
        (None, {"github": {"webhook_secret": {"env": "A B"}}}, "must name an environment variable"),
        (None, {"githup": {"webhook_secret": SECRET}}, 'did you mean "github"?'),
        (None, {"github": {"signing_secret": SECRET, "webhook_secret": SECRET}}, "unknown key"),
    ],
)
def test_what_is_wrong_is_told(files: Files, deploy_on: Any, git: Any, told: str) -> None:
    said = problems(files, deploy_on, git)
    assert told in said
    assert "hunter2" not in said
