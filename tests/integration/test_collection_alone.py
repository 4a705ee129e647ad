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
from scenarios import first_deployment

from support.controller import Controller, build
from support.target import Target
from support.tree import COLLECTION, files_of

ASK = ("-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production")
#: What `ansible-doc` does not describe; an action is described by the module of its name.
NOT_DESCRIBED = {"action", "doc_fragments", "module_utils", "plugin_utils"}


#: For what does not depend on the version of Ansible.
once = pytest.mark.parametrize("controller", ["oldest"], indirect=True)
QUICK = {"strategy_config": {"healthy_deadline": 4}}
SECRET = "known-to-the-vault-only"
#: A configuration whose host nobody reaches.
FRAISES = """\
plugin: fraisier.deploy.fraises
fraises:
  my_api:
    git_repo: /git/my-api
    environments:
      production:
        provider: bare_metal
        provider_config:
          hosts: [{hostname: 127.0.0.9}]
          app_path: /opt/my-api
          service_name: my-api
          service_user: app
          exec: [bin/serve]
"""


def play(
    controller: Controller, target: Target, *names: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run playbooks as the contract writes it; nothing may be deprecated or warned of.

    `names` are playbooks of the collection, and options.
    """
    books = [f"fraisier.deploy.{name}" for name in names if re.fullmatch("[a-z]+", name)]
    more = [name for name in names if not re.fullmatch("[a-z]+", name)]
    command = ("ansible-playbook", "-i", "fraises.yaml", *books, *ASK, *more)
    done = controller(*command, cwd=target.folder, **environment)
    assert "WARNING" not in done.stdout + done.stderr
    return done


def deployed(controller: Controller, target: Target, *more: str, **environment: str) -> int:
    """Deploy, which has to succeed; return how many tasks changed something."""
    done = play(controller, target, "deploy", *more, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))


def refused(controller: Controller, target: Target) -> str:
    """Deploy a release that is not healthy, which has to fail; return what was said."""
    done = play(controller, target, "deploy")
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout


@pytest.mark.cpu_seconds(40, reason="seven playbooks of plain Ansible, each a new process")
def test_it_deploys_upgrades_and_rolls_back_on_one_host(
    controller: Controller, target: Target
) -> None:
    """Each part begins where the one before has left the host."""
    target.configure(QUICK)
    older = check_a_second_deployment_changes_nothing(controller, target)
    newer = target.repository.commit("good", {"note": "newer"})
    check_a_vault_secret_reaches_the_service(controller, target, newer)
    assert target.served(target.hosts[0]) == newer
    check_a_bad_release_is_taken_back(controller, target, newer)
    looks = play(controller, target, "rollback", "preflight", "verify", "probe")
    assert looks.returncode == 0, looks.stdout
    assert target.served(target.hosts[0]) == older


def check_a_second_deployment_changes_nothing(controller: Controller, target: Target) -> str:
    """Deploy a good version twice; return it."""
    host = target.hosts[0]
    good = target.repository.commit("good")
    assert deployed(controller, target) > 0
    assert target.served(host) == good
    look = "readlink /opt/my-api/current; systemctl show -p MainPID my-api; ls /opt/my-api/releases"
    before = target.inside(host, look)
    assert deployed(controller, target) == 0
    assert target.inside(host, look) == before
    return good


def check_a_vault_secret_reaches_the_service(
    controller: Controller, target: Target, version: str
) -> None:
    """Deploy a version with a secret that only the vault has."""
    password = target.folder / "password"
    password.write_text("of the vault\n")
    encrypted = controller.must(
        "ansible-vault", "encrypt_string", "--vault-password-file", str(password), SECRET,
        cwd=target.folder,
    )  # fmt: skip
    target.configure(QUICK, env_vars={"PORT": "8000", "TEST_SECRET": "HERE"})
    file = target.folder / "fraises.yaml"
    deeper = encrypted.replace("\n", f"\n{' ' * 20}")
    file.write_text(file.read_text().replace("TEST_SECRET: HERE", f"TEST_SECRET: {deeper}"))
    asked = ("-v", "-e", f"fraisier_version={version}")
    deployed(controller, target, *asked, ANSIBLE_VAULT_PASSWORD_FILE=str(password))
    assert SECRET in target.inside(target.hosts[0], "cat /opt/my-api/.fraisier/environment")
    target.configure(QUICK)


def check_a_bad_release_is_taken_back(controller: Controller, target: Target, good: str) -> None:
    host = target.hosts[0]
    current = target.current(host)
    target.repository.commit("http500", {"note": "after a good one"})
    said = refused(controller, target)
    assert "is not healthy" in said
    assert "What served before was restored." in said
    assert target.served(host) == good
    assert target.current(host) == current


@pytest.mark.slow
@once
@pytest.mark.cpu_seconds(40, reason="three playbooks of plain Ansible, each a new process")
def test_a_bad_release_that_nothing_replaces_is_stopped_or_stays(
    controller: Controller, target: Target
) -> None:
    """Here the role decides; where the control plane deploys, the engine does."""
    target.configure(QUICK)
    target.repository.commit("http500")
    assert "The service was stopped; nothing served before." in refused(controller, target)
    assert target.unit_state(target.hosts[0]) != "active"
    target.repository.commit("good")
    deployed(controller, target)
    target.configure({**QUICK, "auto_rollback": False})
    bad = target.repository.commit("http500", {"note": "it stays"})
    assert "The new release was left as it is" in refused(controller, target)
    assert bad[:7] in target.current(target.hosts[0])


@once
@pytest.mark.cpu_seconds(40, reason="a playbook over three hosts")
def test_it_stops_at_the_first_bad_batch(controller: Controller, fleet: Target) -> None:
    good = first_deployment(fleet)
    fleet.configure(QUICK)
    newer = fleet.repository.commit("good", {"note": "bad on the second host only"})
    fleet.inside(fleet.hosts[1], f"echo '{newer} http500' > /etc/fraisier-test-behaviour")
    assert play(controller, fleet, "deploy").returncode == 2
    assert [fleet.served(host) for host in fleet.hosts] == [newer, good, good]
    assert newer[:7] not in "".join(fleet.releases(fleet.hosts[2]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "-e fraisier_fraise=NAME"),
        (("-e", "fraisier_fraise=nope", "-e", "fraisier_environment=test"), "has no nope/test"),
    ],
)
def test_a_target_that_is_not_there_is_an_error(
    controller: Controller, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "fraises.yaml").write_text(FRAISES)
    command = ("ansible-playbook", "-i", "fraises.yaml", "fraisier.deploy.deploy", *words)
    done = controller(*command, cwd=tmp_path)
    assert done.returncode == 4, done.stdout
    assert said in done.stderr


def test_nothing_else_of_fraisier_is_there(controller: Controller, tmp_path: Path) -> None:
    find = "import importlib.util as u; print(u.find_spec('fraisier'))"
    assert controller.must("python", "-c", find, cwd=tmp_path).strip() == "None"
    listed = controller.must("ansible-galaxy", "collection", "list", "--format=json", cwd=tmp_path)
    places = {place for place, found in json.loads(listed).items() if "fraisier.deploy" in found}
    assert places == {f"{controller.folder}/collections/ansible_collections"}


def test_every_plugin_and_every_role_is_described(controller: Controller, tmp_path: Path) -> None:
    pages = described(controller, tmp_path)
    kinds = {folder.name for folder in (COLLECTION / "plugins").iterdir()} - NOT_DESCRIBED
    assert kinds >= {"filter", "inventory", "modules"}
    for kind in sorted(kinds):
        found = pages[kind.removesuffix("s")]
        sources = {Path(name) for name in files_of(COLLECTION / "plugins" / kind)}
        if kind not in ("filter", "test"):  # one source of these holds several
            files = {f"fraisier.deploy.{path.stem}" for path in sources if path.suffix == ".py"}
            assert set(found) == files
        for name, page in found.items():
            assert page["doc"]["short_description"], name
            assert page["doc"]["description"], name
            assert page["examples"], name
            assert page["return"] or kind == "inventory", name
    roles = {f"fraisier.deploy.{folder.name}" for folder in (COLLECTION / "roles").iterdir()}
    assert set(pages["role"]) == roles
    for name, role in pages["role"].items():
        check_role(name, role)


def described(controller: Controller, cwd: Path) -> dict[str, Any]:
    """Return what `ansible-doc` says; it may complain of nothing but Ansible's own parts."""
    done = controller("ansible-doc", "--metadata-dump", "fraisier.deploy", cwd=cwd)
    assert done.returncode == 0, done.stderr
    complaints = done.stderr.splitlines()
    assert [line for line in complaints if "/ansible/_internal/" not in line] == []
    found: dict[str, Any] = json.loads(done.stdout)["all"]
    return found


def check_role(name: str, role: dict[str, Any]) -> None:
    """A role's pages describe all that its argument specification has, and nothing else."""
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


def test_what_tools_leave_behind_is_not_packed(tmp_path: Path) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(COLLECTION, copy, symlinks=True)
    left = (
        ".ansible/roles/x", ".pytest_cache/x", "tests/output/junit/x.xml",
        "plugins/modules/__pycache__/x.cpython-311.pyc", "fraisier-deploy-0.0.1.tar.gz",
    )  # fmt: skip
    for name in left:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
    with tarfile.open(build(copy, tmp_path)) as tar:
        assert set(left) & set(tar.getnames()) == set()
