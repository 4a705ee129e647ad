"""The collection from its tarball, under plain Ansible, where nothing else of Fraisier is.

Everything runs with the oldest and with the newest ansible-core that the collection is made for.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.controller import Controller
from support.gates import Gates
from support.target import Target
from support.tree import COLLECTION, files_of

ASK = ("-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production")
#: What `ansible-doc` does not describe; an action is described by the module of its name.
NOT_DESCRIBED = {"action", "doc_fragments", "module_utils", "plugin_utils"}


#: For what does not depend on the version of Ansible.
once = pytest.mark.parametrize("controller", ["oldest"], indirect=True)
QUICK = {"strategy_config": {"healthy_deadline": 4}}


def play(
    controller: Controller, target: Target, name: str = "deploy", *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook as the contract writes it; nothing may be deprecated or warned of."""
    command = ("ansible-playbook", "-i", "fraises.yaml", f"fraisier.deploy.{name}", *ASK, *more)
    done = controller(*command, cwd=target.folder, **environment)
    assert "WARNING" not in done.stdout + done.stderr
    return done


def deployed(controller: Controller, target: Target, *more: str, **environment: str) -> int:
    """Deploy, which has to succeed; return how many tasks changed something."""
    done = play(controller, target, "deploy", *more, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))


def test_it_deploys_changes_nothing_twice_and_takes_a_bad_release_back(
    controller: Controller, target: Target
) -> None:
    target.configure(QUICK)
    host = target.hosts[0]
    good = target.repository.commit("good")
    assert deployed(controller, target) > 0
    assert target.served(host) == good
    look = "readlink /opt/my-api/current; systemctl show -p MainPID my-api; ls /opt/my-api/releases"
    before = target.inside(host, look)
    assert deployed(controller, target) == 0
    assert target.inside(host, look) == before
    current = target.current(host)
    target.repository.commit("http500")
    bad = play(controller, target)
    assert bad.returncode == 2, bad.stdout
    assert "is not healthy" in bad.stdout
    assert "What served before was restored." in bad.stdout
    assert target.served(host) == good
    assert target.current(host) == current


def test_it_upgrades_goes_back_when_asked_and_looks(controller: Controller, target: Target) -> None:
    older, newer = (target.repository.commit("good", {"n": n}) for n in ("1", "2"))
    for sha in (older, newer):
        deployed(controller, target, "-e", f"fraisier_version={sha}")
        assert target.served(target.hosts[0]) == sha
    assert play(controller, target, "rollback").returncode == 0
    assert target.served(target.hosts[0]) == older
    for look in ("preflight", "verify", "probe"):
        done = play(controller, target, look)
        assert done.returncode == 0, done.stdout


@once
def test_it_stops_at_the_first_bad_batch(controller: Controller, fleet: Target) -> None:
    fleet.configure(QUICK)
    good = fleet.repository.commit("good")
    deployed(controller, fleet)
    newer = fleet.repository.commit("good", {"note": "bad on the second host only"})
    fleet.inside(fleet.hosts[1], f"echo '{newer} http500' > /etc/fraisier-test-behaviour")
    assert play(controller, fleet).returncode == 2
    assert [fleet.served(host) for host in fleet.hosts] == [newer, good, good]
    assert newer[:7] not in "".join(fleet.releases(fleet.hosts[2]))


@once
def test_a_first_release_that_is_bad_is_stopped(controller: Controller, target: Target) -> None:
    target.configure(QUICK)
    target.repository.commit("http500")
    done = play(controller, target)
    assert done.returncode == 2
    assert "The service was stopped; nothing served before." in done.stdout
    assert target.unit_state(target.hosts[0]) != "active"


@once
def test_without_the_way_back_it_says_that_the_bad_release_stays(
    controller: Controller, target: Target
) -> None:
    target.repository.commit("good")
    deployed(controller, target)
    target.configure({**QUICK, "auto_rollback": False})
    bad = target.repository.commit("http500")
    done = play(controller, target)
    assert done.returncode == 2
    assert "The new release was left as it is" in done.stdout
    assert bad[:7] in target.current(target.hosts[0])


def test_a_vault_secret_reaches_the_service(controller: Controller, target: Target) -> None:
    secret = "known-to-the-vault-only"
    password = target.folder / "password"
    password.write_text("of the vault\n")
    encrypted = controller.must(
        "ansible-vault", "encrypt_string", "--vault-password-file", str(password), secret,
        cwd=target.folder,
    )  # fmt: skip
    target.configure(env_vars={"PORT": "8000", "TEST_SECRET": "HERE"})
    file = target.folder / "fraises.yaml"
    deeper = encrypted.replace("\n", f"\n{' ' * 20}")
    file.write_text(file.read_text().replace("TEST_SECRET: HERE", f"TEST_SECRET: {deeper}"))
    target.repository.commit("good")
    deployed(controller, target, "-v", ANSIBLE_VAULT_PASSWORD_FILE=str(password))
    found = target.inside(target.hosts[0], "cat /opt/my-api/.fraisier/environment")
    assert secret in found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "-e fraisier_fraise=NAME"),
        (("-e", "fraisier_fraise=nope", "-e", "fraisier_environment=test"), "has no nope/test"),
    ],
)
def test_a_target_that_is_not_there_is_an_error(
    controller: Controller, target: Target, words: tuple[str, ...], said: str
) -> None:
    command = ("ansible-playbook", "-i", "fraises.yaml", "fraisier.deploy.deploy", *words)
    done = controller(*command, cwd=target.folder)
    assert done.returncode == 4, done.stdout
    assert said in done.stderr


def test_nothing_else_of_fraisier_is_there(controller: Controller, tmp_path: Path) -> None:
    find = "import importlib.util as u; print(u.find_spec('fraisier'))"
    assert controller.must("python", "-c", find, cwd=tmp_path).strip() == "None"
    listed = controller.must("ansible-galaxy", "collection", "list", "--format=json", cwd=tmp_path)
    places = {place for place, found in json.loads(listed).items() if "fraisier.deploy" in found}
    assert places == {f"{controller.folder}/collections/ansible_collections"}


def described(controller: Controller, cwd: Path, kind: str, *names: str) -> dict[str, Any]:
    """Return what `ansible-doc` says; it may complain of nothing but Ansible's own parts."""
    done = controller("ansible-doc", "--type", kind, "--json", *names, cwd=cwd)
    assert done.returncode == 0, done.stderr
    complaints = done.stderr.splitlines()
    assert [line for line in complaints if "/ansible/_internal/" not in line] == []
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_plugin_is_described(controller: Controller, tmp_path: Path) -> None:
    kinds = {folder.name for folder in (COLLECTION / "plugins").iterdir()} - NOT_DESCRIBED
    assert kinds >= {"filter", "inventory", "modules"}
    for kind in sorted(kinds):
        word = kind.removesuffix("s")
        names = described(controller, tmp_path, word, "--list", "fraisier.deploy")
        sources = {Path(name) for name in files_of(COLLECTION / "plugins" / kind)}
        if kind not in ("filter", "test"):  # one source of these holds several
            files = {f"fraisier.deploy.{path.stem}" for path in sources if path.suffix == ".py"}
            assert set(names) == files
        for name, page in described(controller, tmp_path, word, *names).items():
            assert page["doc"]["short_description"], name
            assert page["doc"]["description"], name
            assert page["examples"], name
            assert page["return"] or kind == "inventory", name


def test_every_role_is_described(controller: Controller, tmp_path: Path) -> None:
    names = [f"fraisier.deploy.{folder.name}" for folder in (COLLECTION / "roles").iterdir()]
    found = described(controller, tmp_path, "role", *names)
    assert set(found) == set(names)
    for name, role in found.items():
        tasks = COLLECTION / "roles" / name.split(".")[-1] / "tasks"
        specified = yaml.safe_load((tasks.parent / "meta/argument_specs.yml").read_text())
        assert set(role["entry_points"]) == set(specified["argument_specs"]), name
        for point, page in role["entry_points"].items():
            assert (tasks / f"{point}.yml").is_file(), f"{name} {point}"
            assert page["short_description"], f"{name} {point}"
            wanted = specified["argument_specs"][point].get("options") or {}
            assert set(page["options"]) == set(wanted), f"{name} {point}"


def test_the_tarball_holds_the_collection_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as tar:
        packed = {member.name for member in tar if member.isfile()}
        assert [member.name for member in tar if member.issym() or member.islnk()] == []
    made = {"MANIFEST.json", "FILES.json"}
    assert packed == files_of(COLLECTION) - {"galaxy.yml"} | made


def test_what_tools_leave_behind_is_not_packed(gates: Gates, tmp_path: Path) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(COLLECTION, copy, symlinks=True)
    left = (
        ".ansible/roles/x", ".pytest_cache/x", "tests/output/junit/x.xml",
        "plugins/modules/__pycache__/x.cpython-311.pyc", "fraisier-deploy-0.0.1.tar.gz",
    )  # fmt: skip
    for name in left:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
    done = gates("ansible-galaxy", "collection", "build", str(copy), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as tar:
        assert set(left) & set(tar.getnames()) == set()
