"""What Galaxy and the tools of the Ansible project say of the collection."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from support.gates import Gates
from support.tree import COLLECTION


@pytest.fixture(scope="session")
def installed(gates: Gates, tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the collection as a user has it."""
    top = tmp_path_factory.mktemp("installed")
    command = ("collection", "install", str(tarball), "--collections-path", str(top), "--offline")
    done = gates("ansible-galaxy", *command, cwd=top)
    assert done.returncode == 0, done.stderr
    return top / "ansible_collections/fraisier/deploy"


def test_it_is_sane(gates: Gates, installed: Path) -> None:
    done = gates("ansible-test", "sanity", "--local", "--requirements", "-v", cwd=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = done.stdout + done.stderr
    for name in ("validate-modules", "pylint", "import", "ansible-doc", "changelog"):
        assert f'Running sanity test "{name}"' in ran
    versions = {path.name.removeprefix("python") for path in gates.pythons.iterdir()}
    for version in sorted(versions & {"3.9", "3.10", "3.11", "3.12", "3.13"}):
        assert f'Running sanity test "import" on Python {version}' in ran


def test_galaxy_would_take_it(gates: Gates, tarball: Path, tmp_path: Path) -> None:
    done = gates("python", "-m", "galaxy_importer.main", str(tarball), cwd=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Importer processing completed successfully" in said
    assert [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))] == []


def test_its_documentation_is_well_formed(gates: Gates, installed: Path) -> None:
    done = gates("antsibull-docs", "lint-collection-docs", "--plugin-docs", ".", cwd=installed)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_changelog_is_well_formed_and_tells_of_this_version(
    gates: Gates, installed: Path
) -> None:
    done = gates("antsibull-changelog", "lint", cwd=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    version = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"]
    releases = yaml.safe_load((COLLECTION / "changelogs/changelog.yaml").read_text())["releases"]
    assert version in releases


def test_its_changelog_is_written_from_its_data(
    gates: Gates, installed: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "ansible_collections/fraisier/deploy"
    shutil.copytree(installed, copy)
    shutil.copy(COLLECTION / "galaxy.yml", copy)
    done = gates("antsibull-changelog", "generate", cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / "CHANGELOG.rst").read_text() == (COLLECTION / "CHANGELOG.rst").read_text()
