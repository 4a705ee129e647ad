"""Which folders an application may live in."""

from __future__ import annotations

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.paths import (
    check_app_path,
    check_shared_path,
    check_shared_paths,
)


@pytest.mark.parametrize(
    "path",
    ["/opt/my-api", "/srv/www/my_api", "/var/lib/my-api", "/var/www/api", "/home/app/site", "/a/b"],
)
def test_a_folder_of_ones_own_is_accepted(path: str) -> None:
    assert check_app_path(path) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/", "belongs to the system|two folders deep"),
        ("", "absolute"),
        ("opt/api", "absolute"),
        ("~/api", "absolute"),
        ("$HOME/api", "absolute"),
        ("/opt", "two folders deep"),
        ("/root", "two folders deep"),
        ("/home", "two folders deep"),
        ("/etc", "belongs to the system"),
        ("/etc/api", "belongs to the system"),
        ("/usr/local/api", "belongs to the system"),
        ("/bin/x", "belongs to the system"),
        ("/proc/1", "belongs to the system"),
        ("/var/lib", "belongs to the system"),
        ("/var/log/api", "belongs to the system"),
        ("/var/lib/dpkg/x", "belongs to the system"),
        ("/opt/../etc", "'..'"),
        ("/opt/api/..", "'..'"),
        ("/opt/api/", "written without"),
        ("/opt//api", "written without"),
        ("//opt/api", "written without"),
        ("/opt/./api", "written without"),
        ("/opt/my api", "only letters"),
        ("/opt/api\n", "only letters"),
        ("/opt/api\0", "only letters"),
        ("/opt/ap%i", "only letters"),
        ("/opt/äpi", "only letters"),
        ("/opt/-rf", "starts with '-'"),
    ],
)
def test_a_folder_of_the_systems_or_written_oddly_is_refused(path: str, why: str) -> None:
    problem = check_app_path(path)
    assert problem is not None
    assert any(part in problem for part in why.split("|"))


@pytest.mark.parametrize("path", ["uploads", "var/log", ".env", "a b"])
def test_a_relative_path_can_be_shared(path: str) -> None:
    assert check_shared_path(path) is None


@pytest.mark.parametrize(
    "path", ["", ".", "..", "/etc", "../x", "a/../../b", "a/", "./a", "-x", "a\nb", "a\0"]
)
def test_a_path_that_leaves_the_release_cannot_be_shared(path: str) -> None:
    assert check_shared_path(path) is not None


def test_shared_paths_beside_each_other_and_the_same_twice_do_no_harm() -> None:
    assert not list(check_shared_paths(["config", "config.d", "up/loads", "up/load", "config"]))
    assert [at for at, _problem in check_shared_paths(["a", "a/b", "a/b/c", "../x"])] == [1, 2, 3]
