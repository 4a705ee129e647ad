"""The collection beside the control plane, and its roles under Molecule."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scenarios import first_deployment

from support.controller import Controller
from support.exclusive import exclusive
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


def test_what_plain_ansible_did_does_not_stop_the_control_plane_nor_the_reverse(
    target: Target,
) -> None:
    first_deployment(target)
    for number, tool in enumerate((play, Target.deploy)):
        sha = target.repository.commit("good", {"n": f"{number}"})
        done = tool(target)
        code = done.returncode if hasattr(done, "returncode") else done.code
        assert code == 0, done
        assert target.served(target.hosts[0]) == sha


SCENARIOS = ("default", "docker_compose", "coolify", "proxy")
slow = (pytest.mark.slow, pytest.mark.timeout(1200))
#: All of them pass in `make test-all`; CI runs the one that a systemd host takes part in.
OURS = [pytest.param(name, marks=slow if name != "default" else ()) for name in SCENARIOS]
molecule_runs = pytest.mark.cpu_seconds(60, reason="Molecule runs seven playbooks, each a process")


def passes(scenario: str, **environment: str) -> None:
    """Run a scenario to its end: a host, the role, the role again, checks, no host."""
    with exclusive("molecule"):  # their labs have one name
        done = run("molecule", "test", "--scenario-name", scenario, cwd=COLLECTION, **environment)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


@molecule_runs
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("scenario", OURS)
def test_a_molecule_scenario_passes(scenario: str) -> None:
    passes(scenario)


@molecule_runs
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("controller", ["newest"], indirect=True)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_molecule_scenario_passes_on_the_newest_ansible(
    controller: Controller, scenario: str, tmp_path: Path
) -> None:
    assert not controller.container, "Molecule needs Python 3.12 or newer on this machine"
    log = tmp_path / "log"
    passes(
        scenario,
        PATH=os.pathsep.join([f"{controller.folder}/venv/bin", str(BIN), os.environ["PATH"]]),
        FRAISIER_PYTHON=sys.executable,
        ANSIBLE_LOG_PATH=str(log),
        ANSIBLE_LOG_VERBOSITY="3",
    )
    assert (controller.folder / "venv").as_posix() in log.read_text()
