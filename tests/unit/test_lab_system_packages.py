"""scripts/system-packages: reports exactly what is missing, installs nothing it need not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Servers and tools whose program and package have one name.
SAME_NAMES = ("haproxy", "openssl", "certbot", "prometheus", "faketime")

SCRIPT = Path(__file__).parents[2] / "scripts" / "system-packages"
TOOLS = ("bash", "id", "sed", "sort", "tr", "uname")
ALL = (
    "git", "ssh", "ssh-keygen", "curl", "make", "debootstrap", "git-lfs", "iptables", "dockerd",
    "docker",
)  # fmt: skip


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The script, on a machine that has only what is in `path`.

    A copy is run that does not look where this machine's own dockerd and PostgreSQL may be.
    """
    copy = path.parent / "system-packages"
    text = SCRIPT.read_text()
    for elsewhere in ('PATH="$PATH:/usr/sbin:/sbin"\n', "/usr/lib/postgresql"):
        assert elsewhere in text
        text = text.replace(elsewhere, "")
    copy.write_text(text)
    bash = shutil.which("bash") or "/bin/bash"
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run(
        (bash, str(copy), *words), env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder of programs: tools, everything wanted, and this Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or "/bin/false")
    for name in ALL:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    (folder / "docker").write_text("#!/bin/sh\necho 2.26.1\n")
    python = Path(sys.base_prefix) / "bin" / "python3"
    (folder / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    (folder / "python3").chmod(0o755)
    return folder


def test_a_complete_machine_needs_nothing(path: Path) -> None:
    done = run(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "system-packages: everything for base lab is there\n"


@pytest.mark.parametrize("program", ["git", "curl", "make"])
def test_a_missing_program_is_named_with_its_package(path: Path, program: str) -> None:
    (path / program).unlink()
    done = run(path, "base")
    assert done.returncode == 1
    assert f"(package: {program})" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_only_the_groups_asked_for_are_looked_at(path: Path) -> None:
    (path / "debootstrap").unlink()
    assert run(path, "base").returncode == 0
    assert "debootstrap" in run(path, "lab").stderr


def test_a_docker_client_without_an_engine_still_needs_one(path: Path) -> None:
    (path / "dockerd").unlink()
    (path / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert "a Docker engine" in run(path, "lab").stderr


def test_an_engine_that_answers_needs_neither_dockerd_nor_iptables(path: Path) -> None:
    (path / "dockerd").unlink()
    (path / "iptables").unlink()
    assert run(path, "lab").returncode == 0


@pytest.mark.parametrize(
    "said", ["echo 1.29.2", "echo unknown command: docker compose >&2; exit 1"]
)
def test_version_1_of_compose_does_not_do(path: Path, said: str) -> None:
    script = f'#!/bin/sh\ncase "$1" in compose) {said};; esac\n'
    (path / "docker").write_text(script)
    done = run(path, "lab")
    assert done.returncode == 1
    assert "Docker Compose 2" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("exit 1", "Python 3.11 or newer"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "venv and ensurepip of python3"),
    ],
)
def test_a_python_that_would_not_do_is_reported(path: Path, python: str, expected: str) -> None:
    (path / "python3").write_text(f"#!/bin/sh\n{python}\n")
    done = run(path, "base")
    assert done.returncode == 1
    assert expected in done.stderr


@pytest.fixture
def servers(path: Path) -> Path:
    """The same folder with every server."""
    silent = dict.fromkeys(("initdb", "mariadbd", *SAME_NAMES), "")
    for name, said in {**silent, "nats-server": "nats-server: v2.10.27"}.items():
        (path / name).write_text(f"#!/bin/sh\necho {said}\n")
        (path / name).chmod(0o755)
    return path


def test_servers_are_wanted_only_where_they_are_asked_for(path: Path, servers: Path) -> None:
    assert run(servers, "services").returncode == 0
    for name in ("initdb", "mariadbd", "nats-server", *SAME_NAMES):
        (path / name).unlink()
    assert run(path).returncode == 0
    said = run(path, "services").stderr
    for package in ("postgresql", "mariadb-server", "nats-server", *SAME_NAMES):
        assert f"(package: {package})" in said


@pytest.mark.parametrize("version", ["v2.9.10", "v1.4.1"])
def test_an_older_nats_does_not_do(servers: Path, version: str) -> None:
    (servers / "nats-server").write_text(f"#!/bin/sh\necho nats-server: {version}\n")
    done = run(servers, "services")
    assert done.returncode == 1
    assert "NATS 2.10 or newer" in done.stderr


def test_a_machine_without_apt_is_told_what_to_install_itself(path: Path) -> None:
    (path / "git").unlink()
    assert "not Debian or Ubuntu" in run(path).stderr


def test_checking_never_installs(path: Path) -> None:
    (path / "git").unlink()
    (path / "apt-get").write_text("#!/bin/sh\necho apt-get ran\n")
    (path / "apt-get").chmod(0o755)
    done = run(path, "--check", "base")
    assert done.returncode == 1
    assert "apt-get ran" not in done.stdout + done.stderr


def test_an_unknown_group_is_an_invalid_argument(path: Path) -> None:
    done = run(path, "nope")
    assert done.returncode == 2
    assert '"nope" is not a group' in done.stderr
