"""The package as users install it: what it holds, and a deployment with nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fraisier import __version__
from support.command import Fraisier
from support.environments import linked, required, without_hashes
from support.target import Target
from support.tree import COLLECTION, TOP, files_of

#: The download and installation of every dependency.
SLOW = (pytest.mark.slow, pytest.mark.timeout(900))
SHIPPED = "ansible_collections/fraisier/deploy"


@dataclass(frozen=True)
class Installed(Fraisier):
    """The command of an environment; its processes know no other."""

    environment_folder: Path = Path()

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command."""
        return [str(self.environment_folder / "bin/fraisier"), *arguments]

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return an environment without this one's Python."""
        mine = {k: v for k, v in super().environ(more).items() if not k.startswith("PYTHON")}
        return {**mine, "PATH": os.defpath, "HOME": str(self.environment_folder)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    pins = without_hashes(TOP / "constraints-gates.txt", tmp_path_factory.mktemp("pins"))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, TOP],
        env={**os.environ, "PIP_CONSTRAINT": str(pins)},
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module", params=["linked", pytest.param("installed", marks=SLOW)])
def environment(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return an environment that has the wheel and what it depends on.

    That is linked from this environment, or installed as the wheel's requirements have it.
    """
    folder = tmp_path_factory.mktemp("environment")
    options = ["--quiet", "--disable-pip-version-check"]
    if request.param == "linked":
        linked(folder, *required("fraisier"))
        options += ["--no-deps", "--no-compile"]
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        options += ["--constraint", str(without_hashes(TOP / "constraints.txt", folder))]
    python = str(folder / "bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", *options]
    wheel = next(built.glob("*.whl"))
    done = subprocess.run([*install, wheel], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_holds_both_halves_once_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert len(names) == len(set(names))
    about = {name for name in names if name.startswith(f"fraisier-{__version__}.dist-info/")}
    control_plane = {f"fraisier/{name}" for name in files_of(TOP / "fraisier")}
    collection = {f"{SHIPPED}/{name}" for name in files_of(COLLECTION)}
    assert set(names) - about == control_plane | collection


def test_the_source_distribution_holds_what_git_has_but_its_links(built: Path) -> None:
    top = f"fraisier-{__version__}"
    with tarfile.open(next(built.glob("*.tar.gz"))) as source:
        members = source.getmembers()
    assert [member.name for member in members if not member.isfile()] == []
    assert {member.name for member in members} == {
        f"{top}/{name}" for name in files_of(TOP) | {"PKG-INFO"}
    }


def test_both_halves_have_one_version() -> None:
    assert yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"] == __version__


def test_the_installed_command_begins_a_project_and_deploys(
    environment: Path, target: Target, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    fraisier = Installed(empty, environment_folder=environment)
    assert __version__ in fraisier("--version").out
    collections = Path(fraisier("collection", "path").out.strip())
    assert (collections / SHIPPED).is_relative_to(environment)
    assert_it_is_documented(environment, collections)
    begun = fraisier("config", "init")
    assert begun.code == 0, begun.said
    assert fraisier("config", "validate").code == 0
    (empty / "fraises.yaml").write_bytes((target.folder / "fraises.yaml").read_bytes())
    good = target.repository.commit("good")
    done = fraisier("deploy", "my_api", "production")
    assert done.code == 0, done.said
    assert target.served(target.hosts[0]) == good
    target.repository.commit("http500")
    assert fraisier("deploy", "my_api", "production").code == 5
    assert target.served(target.hosts[0]) == good


def assert_it_is_documented(environment: Path, collections: Path) -> None:
    """`ansible-doc` of the environment describes a module of the collection in it."""
    done = subprocess.run(
        [environment / "bin/ansible-doc", "--json", "fraisier.deploy.release"],
        env={"PATH": os.defpath, "HOME": str(environment), "LANG": "C.UTF-8",
             "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        cwd=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)["fraisier.deploy.release"]["doc"]
    assert page["collection"] == "fraisier.deploy"
    assert Path(page["filename"]).is_relative_to(environment)
