"""What opens a private repository, as fraises.yaml says it."""

from __future__ import annotations

import pytest
from config_files import GOOD, Files

from fraisier.domain.errors import ConfigurationError

HTTPS = "https://git.example.com/my-api.git"
SSH = "git@git.example.com:my-api.git"
PATH = "fraises.my_api.git_auth"


def with_auth(git_repo: str, git_auth: str) -> str:
    """Return a file whose repository is opened so."""
    return GOOD.replace("/srv/git/my-api", f"{git_repo}\n    git_auth: {git_auth}")


def test_a_token_becomes_a_reference_and_a_user_name(files: Files) -> None:
    target = files.load(with_auth(HTTPS, "{token: {env: GIT_TOKEN}}")).target(
        "my_api", "production"
    )
    assert target.secrets == {"git:token": {"env": "GIT_TOKEN"}}
    assert target.service["git_username"] == "x-access-token"
    target = files.load(with_auth(HTTPS, "{token: {file: token}, username: deployer}")).target(
        "my_api", "production"
    )
    assert target.secrets == {"git:token": {"file": str(files.folder / "token")}}
    assert target.service["git_username"] == "deployer"


def test_a_deploy_key_becomes_a_reference(files: Files) -> None:
    target = files.load(with_auth(SSH, "{ssh_key: {file: keys/deploy}}")).target(
        "my_api", "production"
    )
    assert target.secrets == {"git:ssh_key": {"file": str(files.folder / "keys/deploy")}}
    assert "git_username" not in target.service


@pytest.mark.parametrize(
    ("git_repo", "git_auth", "problem"),
    [
        (HTTPS, "{}", ": must have either a token or an ssh_key"),
        (HTTPS, "{username: me}", ": must have either a token or an ssh_key"),
        (
            SSH,
            "{ssh_key: {env: A}, token: {env: B}}",
            ": must have either a token or an ssh_key",
        ),
        (SSH, "{token: {env: A}}", ": token is for a repository over https"),
        ("/srv/git/a", "{token: {env: A}}", ": token is for a repository over https"),
        (
            "http://git.example.com/a",
            "{token: {env: A}}",
            ": token would travel unencrypted over http: use https",
        ),
        (HTTPS, "{ssh_key: {env: A}}", ": ssh_key is for a git_repo over SSH"),
        ("/srv/git/a", "{ssh_key: {env: A}}", ": ssh_key is for a git_repo over SSH"),
        (SSH, "{ssh_key: {env: A}, username: me}", ": username goes with a token"),
        (HTTPS, "{token: {env: A-B}}", ".token: {env: …} must name an environment variable"),
        (HTTPS, '{token: {env: A}, username: "a:b"}', ".username: expected a user name"),
        (HTTPS, "{tokne: {env: A}}", '.tokne: unknown key; did you mean "token"?'),
    ],
)
def test_what_cannot_open_the_repository_is_refused(
    files: Files, git_repo: str, git_auth: str, problem: str
) -> None:
    assert f"5: {PATH}{problem}" in "\n".join(files.problems(with_auth(git_repo, git_auth)))


@pytest.mark.parametrize("git_auth", ["{token: hunter2}", "{ssh_key: [hunter2]}", "hunter2"])
def test_a_secret_that_is_written_out_is_refused_and_not_shown(files: Files, git_auth: str) -> None:
    files.write(with_auth(HTTPS, git_auth))
    with pytest.raises(ConfigurationError) as caught:
        files.load()
    assert "git_auth" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_pushed_cannot_be_a_checkout(files: Files) -> None:
    keys = "          source: push\n          layout: in_place\n"
    (problem,) = files.problems(GOOD + keys)
    assert problem.startswith(
        "12: fraises.my_api.environments.production.provider_config.source: push needs the layout"
    )
