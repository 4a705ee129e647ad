"""What a lab leaves for its user: pinned keys, inventory, fraises.yaml."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from http.server import HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from fraisier.domain.errors import LabError
from fraisier.lab import example, example_app, files, place
from fraisier.lab.model import Lab, LabHost, checked_name
from support.repository import git

KEYS = {"demo-1": "ssh-ed25519 AAAA1", "demo-2": "ssh-ed25519 AAAA2"}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = tmp_path / "demo"
    hosts = (
        LabHost("demo-1", "127.0.10.1", "c1", lab="demo", folder=folder),
        LabHost("demo-2", "127.0.10.2", "c2", port=2222, lab="demo", folder=folder),
    )
    made = Lab("demo", folder, hosts)
    files.prepare(made)
    files.write(made, KEYS)
    return made


def test_the_private_key_is_for_its_owner_only_and_is_made_once(lab: Lab) -> None:
    assert lab.key.stat().st_mode & 0o777 == 0o600
    assert files.prepare(lab) == files.prepare(lab)


def test_host_keys_are_pinned_to_address_and_port(lab: Lab) -> None:
    assert lab.known_hosts.read_text().splitlines() == [
        "127.0.10.1 ssh-ed25519 AAAA1",
        "[127.0.10.2]:2222 ssh-ed25519 AAAA2",
    ]


def test_the_login_command_pins_the_key_and_names_an_unusual_port(lab: Lab) -> None:
    first, second = (" ".join(lab.ssh(host)) for host in lab.hosts)
    assert f"UserKnownHostsFile={lab.known_hosts} -o StrictHostKeyChecking=yes" in first
    assert "-p" not in first.split()
    assert second.endswith("-p 2222 deploy@127.0.10.2")


def test_fraises_yaml_names_every_host_and_this_labs_key(lab: Lab) -> None:
    fraise = yaml.safe_load(lab.config.read_text())["fraises"]["my_api"]
    config = fraise["environments"]["production"]["provider_config"]
    assert [(host["hostname"], host["port"]) for host in config["hosts"]] == [
        ("127.0.10.1", 22),
        ("127.0.10.2", 2222),
    ]
    assert {host["ssh_key_path"] for host in config["hosts"]} == {str(lab.key)}
    assert config["known_hosts"] == str(lab.known_hosts)
    assert fraise["git_repo"] == f"{lab.git}/simple-web-service.git"


def test_the_inventory_holds_every_host_with_its_port(lab: Lab) -> None:
    text = lab.inventory.read_text()
    assert "demo-2 ansible_host=127.0.10.2 ansible_port=2222\n" in text
    assert f"UserKnownHostsFile={lab.known_hosts} -o StrictHostKeyChecking=yes" in text


def test_writing_the_same_again_touches_no_file(lab: Lab) -> None:
    before = {path: path.stat().st_ino for path in lab.folder.iterdir()}
    files.write(lab, KEYS)
    assert {path: path.stat().st_ino for path in lab.folder.iterdir()} == before


def test_a_lab_that_lost_a_host_forgets_it_everywhere(lab: Lab) -> None:
    files.forget(replace(lab, hosts=lab.hosts[1:]))
    for path in (lab.known_hosts, lab.inventory, lab.config):
        assert "127.0.10.1" not in path.read_text()
        assert "127.0.10.2" in path.read_text()


def test_a_folder_without_our_key_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    assert files.discard(Lab("demo", tmp_path, ())) is False
    assert (tmp_path / "precious").exists()


def test_a_lab_folder_is_removed_with_all_in_it(lab: Lab) -> None:
    assert files.discard(lab) is True
    assert not lab.folder.exists()


def test_a_host_whose_key_is_gone_is_an_orphan(lab: Lab) -> None:
    assert files.judged(lab.hosts[0]).running
    files.discard(lab)
    assert files.judged(lab.hosts[0]).state == "orphaned"


@pytest.mark.parametrize("path", ["/srv/my labs", "/srv/a:b"])
def test_a_home_that_docker_and_ssh_would_misread_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAISIER_LAB_HOME", path)
    with pytest.raises(LabError) as refused:
        place.home()
    assert "FRAISIER_LAB_HOME" in refused.value.hint


def test_the_home_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAISIER_LAB_HOME", str(tmp_path))
    assert place.home() == tmp_path


@pytest.mark.parametrize("name", ["", "Demo", "1st", "a/b", "..", "-x", "a" * 32, "a\n"])
def test_a_name_that_could_leave_the_home_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        checked_name(name)


def test_the_service_of_fraises_yaml_is_in_the_labs_repository(lab: Lab) -> None:
    example.publish(lab)
    repository = lab.git / example.REPOSITORY
    first = git("rev-parse", "main", cwd=repository)
    assert git("show", "main:requirements.txt", cwd=repository).startswith("#")
    code = git("show", "main:app.py", cwd=repository)
    assert code == Path(example_app.__file__).read_text().strip()
    git("update-ref", "refs/heads/mine", first, cwd=repository)
    example.publish(lab)
    assert git("rev-parse", "mine", cwd=repository) == first, "what is there is left alone"


def test_the_example_service_says_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAISIER_VERSION", "v1")
    with HTTPServer(("127.0.0.1", 0), example_app.Service) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/health"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert json.load(answer) == {"status": "ok", "version": "v1"}
        thread.join()
