"""Which pushes deploy what: repositories, branches, tags and paths."""

from __future__ import annotations

import pytest

from fraisier.domain.push import DeployOn, Listening, Push, place_of, ref_of

SHA = "0123456789abcdef0123456789abcdef01234567"


def push(kind: str = "branch", name: str = "main", **more: object) -> Push:
    """Return a push to my-org/my-api."""
    urls = ("https://github.com/my-org/my-api.git", "git@github.com:my-org/my-api.git")
    plain = {"repository": "my-org/my-api", "urls": urls, "commit": SHA}
    return Push(kind=kind, name=name, **{**plain, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/Team/app.git",
        "https://git.example.com/team/app/",
        "http://git.example.com:3000/team/app",
        "ssh://git@git.example.com:2222/team/app.git",
        "git@git.example.com:team/app.git",
        "git.example.com:team/app",
        "GIT.example.com:/team/app",
    ],
)
def test_all_urls_of_a_repository_are_one_place(url: str) -> None:
    assert place_of(url) == "git.example.com/team/app"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("https://github.com/a/b", "https://github.com/a/bb"),
        ("https://github.com/a/b", "https://gitlab.com/a/b"),
        ("https://github.com.evil.example/a/b", "https://github.com/a/b"),
        ("https://evil.example/github.com/a/b", "https://github.com/a/b"),
        ("/srv/git/a.git", "https://srv/git/a.git"),
    ],
)
def test_other_repositories_are_other_places(first: str, second: str) -> None:
    assert place_of(first) != place_of(second)


def test_a_full_ref_is_a_branch_or_a_tag() -> None:
    assert ref_of("refs/heads/feature/x") == ("branch", "feature/x")
    assert ref_of("refs/tags/v1") == ("tag", "v1")
    for other in ("refs/heads/", "refs/notes/x", "main", ""):
        assert ref_of(other) == ("", other)


def test_branches_and_tags_are_told_apart() -> None:
    assert DeployOn(branch="v1").why_not(push(name="v1")) == ""
    assert "tag v1" in DeployOn(branch="v1").why_not(push("tag", "v1"))
    assert DeployOn(tag="v*").why_not(push("tag", "v1")) == ""
    assert "branch v1" in DeployOn(tag="v*").why_not(push(name="v1"))


def test_paths_narrow_a_push_where_they_are_known() -> None:
    on = DeployOn(branch="main", paths=("api/**", "*.toml"))
    assert on.why_not(push(paths=("web/a.js", "api/a.py"))) == ""
    assert on.why_not(push(paths=("pyproject.toml",))) == ""
    assert "no file" in on.why_not(push(paths=("web/a.js",)))
    assert "no file" in on.why_not(push(paths=()))
    assert on.why_not(push(paths=None)) == "", "what is not known deploys"


def test_a_target_hears_of_its_own_repository_only() -> None:
    def of(source: str, repository: str = "") -> Listening:
        return Listening("api", "production", source, DeployOn("main", repository=repository))

    assert of("git@github.com:My-Org/my-api").is_of(push())
    assert not of("https://github.com/my-org/other").is_of(push())
    assert not of("https://gitlab.com/my-org/my-api").is_of(push())
    assert of("/srv/git/my-api.git").is_of(push(urls=("/srv/git/my-api.git",)))
    assert of("/srv/mirror", "My-Org/my-api").is_of(push())
    assert not of("https://github.com/my-org/my-api", "my-org/renamed").is_of(push())


def test_without_urls_the_full_name_decides() -> None:
    data_center = push(repository="TEAM/app", urls=())
    on = DeployOn("main")
    for source in ("https://bb.example/scm/team/app.git", "ssh://git@bb.example:7999/team/app"):
        assert Listening("api", "production", source, on).is_of(data_center)
    other = Listening("api", "production", "https://bb.example/scm/team/other.git", on)
    assert not other.is_of(data_center)
    assert not Listening("api", "production", "/srv/git/x", on).is_of(push(repository="", urls=()))


def test_only_the_git_host_of_a_target_reaches_it() -> None:
    github = "https://github.com/my-org/my-api"
    found = Listening("api", "production", github, DeployOn("main"), "github")
    assert found.why_not_from("github", push()) == ""
    assert "pushes of github" in found.why_not_from("gitea", push())
    nobody = Listening("api", "production", github, DeployOn("main"))
    for provider in ("github", "gitea", ""):
        assert "names no provider" in nobody.why_not_from(provider, push())


def test_without_urls_a_name_needs_a_git_host_that_is_named() -> None:
    bare = push(repository="TEAM/app", urls=())

    def why(source: str, named: bool, repository: str = "") -> str:
        on = DeployOn("main", repository=repository)
        found = Listening("api", "production", source, on, "bitbucket", named)
        return found.why_not_from("bitbucket", bare)

    own = "https://bb.example/scm/team/app.git"
    assert why(own, named=True) == ""
    assert "no URL" in why(own, named=False)
    assert why(own, named=False, repository="team/app") == ""
    assert "no URL" in why("https://bitbucket.org/team/app", named=True), "of Bitbucket Cloud"


def test_a_repository_can_be_named_by_its_url() -> None:
    on = DeployOn("main", repository="https://git-b.example.com/team/app")
    found = Listening("api", "production", "/srv/mirror", on, "gitea")
    for host, mine in (("git-a", False), ("git-b", True)):
        urls = (f"https://{host}.example.com/team/app.git",)
        assert found.is_of(push(repository="team/app", urls=urls)) is mine


def test_a_push_survives_the_records() -> None:
    for paths in (None, ("a", "b")):
        found = push(paths=paths)
        assert Push.from_json(found.as_json()) == found
