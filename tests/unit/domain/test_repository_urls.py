"""URLs of git repositories: which are of one repository, and which contradict each other."""

from __future__ import annotations

import pytest

from fraisier.domain.repository_urls import contradiction, one_of

NAME = "team/app"
GITEA = ("https://git.example.com/team/app", "ssh://git@git.example.com:2222/team/app.git",
         "https://git.example.com/team/app.git")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "urls"),
    [
        (NAME, GITEA),
        (NAME, ()),
        ("Team/App", GITEA),
        ("group/sub/app", ("https://gl.example/group/sub/app.git", "git@gl.example:group/sub/app")),
        (NAME, ("https://example.com/gitea/team/app.git", "git@example.com:team/app.git")),
        ("TEAM/app", ("https://bb.example/scm/team/app.git", "ssh://git@bb.example:7999/team/app")),
        ("~ada/app", ("https://bb.example/scm/~ada/app.git", "ssh://git@bb.example:7999/~ada/app")),
        (NAME, ("https://git.example.com/team/app", "git@ssh.example.com:team/app.git")),
        (NAME, ("https://git.example.com/team/app", "git@ssh.git.example.com:team/app.git")),
        (NAME, ("https://git.example.com/team/app", "git@ssh.dmz.example.com:team/app.git")),
        (NAME, ("https://git.dmz.example.com/team/app", "git@ssh.example.com:team/app.git")),
        (NAME, ("https://git.example.com/team/app", "git@localhost:team/app.git")),
        (NAME, ("http://192.168.1.5:3000/team/app", "ssh://git@git.example.com:2222/team/app")),
        (NAME, ("http://[fd00::1]:3000/team/app", "git@gitea:team/app.git")),
    ],
)
def test_urls_of_one_repository_agree(name: str, urls: tuple[str, ...]) -> None:
    assert contradiction(name, urls) == ""


@pytest.mark.parametrize("wrong", range(len(GITEA)))
@pytest.mark.parametrize(
    "other",
    [
        "https://github.com/team/app",
        "git@github.com:team/app.git",
        "https://git.example.com/team/other",
        "https://git.example.com/evilteam/app",
        "https://git.example.com.evil.example/team/app",
        "https://git.example.com@evil.example/team/app",
        "https://evil.example/git.example.com/team/app",
        "https://git.example.com/team/app?x=1",
        "/team/other",
    ],
)
def test_one_url_of_another_repository_contradicts_the_others(other: str, wrong: int) -> None:
    urls = list(GITEA)
    urls[wrong] = other
    assert contradiction(NAME, urls)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("git.example", "ssh.example"),
        ("a.one.example.com", "b.two.example.com"),
        ("git.example.com", "gitexample.com"),
    ],
)
def test_names_of_two_domains_contradict_each_other(first: str, second: str) -> None:
    assert contradiction(NAME, (f"https://{first}/team/app", f"git@{second}:team/app.git"))


@pytest.mark.parametrize("name", ["", "/", "team", "evil/team/app", "team/ap"])
def test_a_name_of_another_repository_contradicts_the_urls(name: str) -> None:
    assert contradiction(name, GITEA)


@pytest.mark.parametrize(
    ("source", "urls", "same"),
    [
        ("git@git.example.com:team/app", GITEA, True),
        ("https://GIT.example.com:443/Team/App.git/", GITEA, True),
        ("http://git.example.com:3000/team/app", GITEA, True),
        ("ssh://git@git.example.com:2222/team/app", GITEA, True),
        ("ssh://git@git.example.com:2223/team/app", GITEA, False),
        ("https://other.example.com/team/app", GITEA, False),
        ("http://10.0.0.5:3000/team/app", ("http://10.0.0.5:3000/team/app",), True),
        ("http://10.0.0.5:4000/team/app", ("http://10.0.0.5:3000/team/app",
                                           "ssh://git@10.0.0.5:2222/team/app"), False),
        ("http://localhost:3000/team/app", ("http://localhost:3000/team/app",), True),
        ("http://localhost:4000/team/app", ("http://localhost:3000/team/app",), False),
        ("git@localhost:team/app", (*GITEA, "git@localhost:team/app.git"), False),
    ],
)  # fmt: skip
def test_a_source_is_one_of_the_urls(source: str, urls: tuple[str, ...], same: bool) -> None:
    assert one_of(source, urls) is same
