"""The collection without the control plane: plain Ansible, Molecule, and the tarball for Galaxy."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from support.target import Target

ROOT = Path(__file__).parents[2]
COLLECTION = ROOT / "collections/ansible_collections/fraisier/deploy"
BIN = Path(sys.executable).parent


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools that were installed with Fraisier."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": path, "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
    )


def play(target: Target, name: str = "deploy", *more: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection the way the contract writes it."""
    return run(
        "ansible-playbook", "-i", "fraises.yaml", f"fraisier.deploy.{name}",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production", *more,
        cwd=target.folder,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of Ansible's come from this machine."""
    for name in list(os.environ):
        if name.startswith("ANSIBLE_"):
            monkeypatch.delenv(name)


def test_plain_ansible_deploys_changes_nothing_twice_and_takes_a_bad_release_back(
    target: Target,
) -> None:
    host = target.hosts[0]
    good = target.repository.commit("good")
    first = play(target)
    assert first.returncode == 0, first.stdout + first.stderr
    assert target.served(host) == good
    again = play(target)
    assert again.returncode == 0, again.stdout
    before = target.current(host)
    target.repository.commit("http500")
    bad = play(target)
    assert bad.returncode == 2, bad.stdout
    assert "is not healthy" in bad.stdout
    assert target.served(host) == good
    assert target.current(host) == before
    assert play(target, "verify").returncode == 0


def test_plain_ansible_rolls_back_to_the_release_before(target: Target) -> None:
    first, second = (target.repository.commit("good", {"n": n}) for n in ("1", "2"))
    for sha in (first, second):
        done = play(target, "deploy", "-e", f"fraisier_version={sha}")
        assert done.returncode == 0, done.stdout
    assert target.served(target.hosts[0]) == second
    done = play(target, "rollback")
    assert done.returncode == 0, done.stdout
    assert target.served(target.hosts[0]) == first


def test_what_plain_ansible_did_does_not_stop_the_control_plane_nor_the_reverse(
    target: Target,
) -> None:
    for number in range(2):
        for tool in (play, Target.deploy):
            sha = target.repository.commit("good", {"n": f"{number} {tool.__name__}"})
            done = tool(target)
            code = done.returncode if hasattr(done, "returncode") else done.code
            assert code == 0, done
            assert target.served(target.hosts[0]) == sha


def test_the_tarball_holds_the_whole_collection(tmp_path: Path) -> None:
    done = run(
        "ansible-galaxy", "collection", "build", str(COLLECTION), "--output-path", str(tmp_path),
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("fraisier-deploy-*.tar.gz"))) as tar:
        packed = set(tar.getnames())
    listed = run("git", "ls-files", "--", ".", cwd=COLLECTION).stdout.splitlines()
    missing = {name for name in listed if name not in packed and name != "galaxy.yml"}
    assert missing == set()


@pytest.mark.parametrize("scenario", ["default", "docker_compose"])
def test_a_molecule_scenario_passes(scenario: str) -> None:
    done = run("molecule", "test", "--scenario-name", scenario, cwd=COLLECTION)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
