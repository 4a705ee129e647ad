"""What Galaxy and the tools of the Ansible project say of the collection.

CI runs the sanity tests that are cheap; `make gates` and `make test-all` run everything.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.controller import Controller
from support.gates import NEWEST, OLDEST, Gates, stand_in_for_get_pip
from support.interpreters import link_interpreters
from support.tree import COLLECTION

#: The sanity tests for which nothing is installed, and the one about documentation and arguments.
CHEAP = (
    *("compile", "empty-init", "ignores", "line-endings", "no-assert", "no-get-exception"),
    *("no-illegal-filenames", "no-smart-quotes", "replace-urlopen", "shebang", "symlinks"),
    *("use-argspec-type-path", "use-compat-six", "validate-modules"),
)


@pytest.mark.parametrize("controller", ["oldest"], indirect=True)
def test_the_cheap_sanity_tests_pass(controller: Controller, tmp_path: Path) -> None:
    pythons = link_interpreters(tmp_path, OLDEST, NEWEST)
    stand_in_for_get_pip(controller.folder)
    options = [word for name in CHEAP for word in ("--test", name)]
    done = controller(
        *("ansible-test", "sanity", "--local", "--requirements", *options),
        cwd=controller.folder / "collections/ansible_collections/fraisier/deploy",
        PATH=f"{controller.folder}/venv/bin:{tmp_path}:{os.defpath}",
    )
    ran = done.stdout + done.stderr
    assert done.returncode == 0, ran
    for name in set(CHEAP) - {"compile"}:
        assert f'Running sanity test "{name}"' in ran
    for minor in pythons:
        assert f'Running sanity test "compile" on Python 3.{minor}' in ran


def test_its_changelog_tells_of_this_version() -> None:
    version = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"]
    releases = yaml.safe_load((COLLECTION / "changelogs/changelog.yaml").read_text())["releases"]
    assert version in releases


def gated(test: Any) -> Any:
    """Mark a test that needs the environment of the gates."""
    marks = (
        pytest.mark.slow,
        pytest.mark.timeout(2400),
        pytest.mark.cpu_seconds(900, reason="it makes environments for every Python"),
    )
    for mark in marks:
        test = mark(test)
    return test


@pytest.fixture(scope="session")
def installed(gates: Gates, tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the collection as a user has it."""
    top = tmp_path_factory.mktemp("installed")
    command = ("collection", "install", str(tarball), "--collections-path", str(top), "--offline")
    done = gates("ansible-galaxy", *command, cwd=top)
    assert done.returncode == 0, done.stderr
    return top / "ansible_collections/fraisier/deploy"


@gated
def test_it_is_sane(gates: Gates, installed: Path) -> None:
    done = gates("ansible-test", "sanity", "--local", "--requirements", "-v", cwd=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = done.stdout + done.stderr
    for name in ("validate-modules", "pylint", "import", "ansible-doc", "changelog"):
        assert f'Running sanity test "{name}"' in ran
    versions = {path.name.removeprefix("python") for path in gates.pythons.iterdir()}
    for version in sorted(versions & {"3.9", "3.10", "3.11", "3.12", "3.13"}):
        assert f'Running sanity test "import" on Python {version}' in ran


@gated
def test_galaxy_would_take_it(gates: Gates, tarball: Path, tmp_path: Path) -> None:
    done = gates("python", "-m", "galaxy_importer.main", str(tarball), cwd=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Importer processing completed successfully" in said
    assert [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))] == []


@gated
def test_its_documentation_is_well_formed(gates: Gates, installed: Path) -> None:
    done = gates("antsibull-docs", "lint-collection-docs", "--plugin-docs", ".", cwd=installed)
    assert done.returncode == 0, done.stdout + done.stderr


@gated
def test_its_changelog_is_well_formed(gates: Gates, installed: Path) -> None:
    done = gates("antsibull-changelog", "lint", cwd=installed)
    assert done.returncode == 0, done.stdout + done.stderr


@gated
def test_its_changelog_is_written_from_its_data(
    gates: Gates, installed: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "ansible_collections/fraisier/deploy"
    shutil.copytree(installed, copy)
    shutil.copy(COLLECTION / "galaxy.yml", copy)
    done = gates("antsibull-changelog", "generate", cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / "CHANGELOG.rst").read_text() == (COLLECTION / "CHANGELOG.rst").read_text()
