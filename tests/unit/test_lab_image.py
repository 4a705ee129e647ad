"""The image: its name follows its recipe, its packages come from the machine's own mirror."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from fraisier.lab import containers, mirror
from fraisier.lab.archive import File, pack
from fraisier.lab.image import debootstrap
from fraisier.lab.recipe import Recipe

ONE_LINE = """\
# deb http://commented.example bookworm main
deb http://security.example/debian-security bookworm-security main
deb [signed-by=/k.gpg arch=amd64] http://one.example/debian bookworm main
"""
DEB822 = """\
Types: deb-src
URIs: http://sources.example
Suites: bookworm

Types: deb
Enabled: no
URIs: http://off.example
Suites: bookworm

Types: deb
# a comment
URIs: http://two.example/debian http://spare.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


def machine(root: Path, release: str, sources: dict[str, str]) -> Path:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text(release)
    for name, text in sources.items():
        (root / "etc/apt" / name).write_text(text)
    return root


def test_any_change_of_the_recipe_gives_another_image() -> None:
    recipe = Recipe()
    others = [
        replace(recipe, packages=(*recipe.packages, "vim")),
        replace(recipe, setup=recipe.setup + "true\n"),
        replace(recipe, files=recipe.files[1:]),
        replace(recipe, suite="trixie"),
    ]
    assert recipe.tag == Recipe().tag
    assert len({recipe.tag, *(other.tag for other in others)}) == 5


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"sources.list": ONE_LINE}, "http://one.example/debian"),
        ({"sources.list.d/debian.sources": DEB822}, "http://two.example/debian"),
        ({"sources.list.d/debian.sources.off": DEB822}, None),
        ({"sources.list": "deb http://three.example trixie main\n"}, None),
        ({}, None),
    ],
)
def test_the_mirror_is_the_one_this_machine_uses(
    tmp_path: Path, sources: dict[str, str], expected: str | None
) -> None:
    root = machine(tmp_path, "ID=debian\nVERSION_CODENAME=bookworm\n", sources)
    assert mirror.of_this_machine("bookworm", root) == expected


def test_another_distribution_leaves_the_mirror_to_debootstrap(tmp_path: Path) -> None:
    root = machine(tmp_path, "ID=ubuntu\nID_LIKE=debian\n", {"sources.list": ONE_LINE})
    assert mirror.of_this_machine("bookworm", root) is None


def test_debootstrap_gets_every_package_of_the_recipe(tmp_path: Path) -> None:
    command = debootstrap(Recipe(packages=("systemd", "git")), str(tmp_path))
    assert "--include=systemd,git" in command
    assert command[3:5] == ("bookworm", str(tmp_path))


def test_packed_files_keep_owner_mode_and_content() -> None:
    files = [File("/a", None, 0o700, 1000), File("/a/b", "text\n", 0o600, 1000)]
    with tarfile.open(fileobj=io.BytesIO(pack(files))) as tar:
        folder, file = tar.getmembers()
        content = tar.extractfile(file)
        assert content is not None
        assert content.read() == b"text\n"
    assert (folder.name, folder.isdir(), folder.mode, folder.uid) == ("a", True, 0o700, 1000)
    assert (file.name, file.mode, file.uid, file.gid) == ("a/b", 0o600, 1000, 1000)


def test_only_cgroup_version_1_shows_a_host_the_machines_own_tree() -> None:
    flags, command = containers.CGROUPS["2"]
    assert flags == ("--cgroupns=private",)
    assert "remount,rw" in command[-1]
    assert "/sys/fs/cgroup:/sys/fs/cgroup:rw" in containers.CGROUPS["1"][0]
