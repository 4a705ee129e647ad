"""What is done around a release in containers, on this machine's real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.compose import Project, base_image, docker

#: The database of these tests: a file in a volume, which only the container `db` reaches.
READ = ["docker", "compose", "exec", "-T", "db", "cat", "/data/rows"]
WRITE = ["docker", "compose", "exec", "-T", "db", "sh", "-c", "cat > /data/rows"]
#: Somebody's balancer, which takes commands.
BALANCER = {
    "type": "none",
    "drain_command": ["sh", "-c", "echo out >> balancer"],
    "undrain_command": ["sh", "-c", "echo in >> balancer"],
}
AROUND: dict[str, Any] = {
    "hooks": {"post_deployment": ["docker compose exec -T $FRAISIER_SERVICE true"]},
    "migrate": {
        "command": "docker compose up -d db && "
        "version=$(docker compose run --rm -T --no-deps api cat /app/version) && "
        'docker compose exec -T db sh -c "echo migrated-$version >> /data/rows"',
        "down": "docker compose exec -T db sh -c 'echo back >> /data/rows'",
    },
    "backup": {"paths": ["data"], "command": READ, "restore_command": WRITE},
    "smoke": [{"command": "curl --fail --silent localhost:$PORT_OF_API/health", "name": "asked"}],
}


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Return a project with work around its releases; all of it is removed afterwards."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data/upload").write_text("one")
    name = f"t{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**8}"
    project = Project(folder, name, base_image())
    configure(project)
    yield project
    project.remove()


def configure(project: Project, **around: Any) -> None:
    """Write fraises.yaml; arguments replace parts of what is done around a release."""
    keys = {**AROUND, **around}
    keys["backup"] = {**keys["backup"], "folder": str(project.folder / "kept")}
    variables = {"PORT_OF_API": str(project.port)}
    project.configure({**keys, "proxy": BALANCER}, env_vars=variables)


def rows(project: Project) -> list[str]:
    """Return what is in the database."""
    (db,) = project.containers("db").values()
    return docker("exec", db, "cat", "/data/rows").split()


def test_a_release_is_saved_migrated_tested_and_taken_back_while_no_requests_come(
    project: Project,
) -> None:
    project.good()
    assert rows(project) == ["migrated-1"], "by the image that was to be deployed"
    assert balancer(project) == ["out", "in"]

    taken = project.fraisier("backups", "take", "my_api", "development")
    assert taken.code == 0, taken.said
    (db,) = project.containers("db").values()
    docker("exec", db, "sh", "-c", "echo lost > /data/rows")
    (project.folder / "data/upload").write_text("two")
    restored = project.fraisier("backups", "restore", "my_api", "development", "--yes")
    assert restored.code == 0, restored.said
    assert rows(project) == ["migrated-1"]
    assert (project.folder / "data/upload").read_text() == "one"
    assert project.served() == "1"
    assert project.containers("db") == dict.fromkeys(project.containers("db"), db)

    balancer(project)
    project.write("2")
    project.good()
    assert rows(project) == ["migrated-1", "migrated-2"]
    (backup,) = sorted((project.folder / "kept").glob("*/*/dump"))[-1:]
    assert backup.read_text().split() == ["migrated-1"], "saved before the migration"
    assert balancer(project) == ["out", "in"]

    configure(project, smoke=["false"])
    project.write("3")
    bad = project.deploy()
    assert bad.code == 5, bad.said
    assert "smoke_failed" in bad.said
    assert project.served() == "2"
    assert rows(project) == ["migrated-1", "migrated-2", "migrated-3", "back"]
    assert balancer(project) == ["out", "in"] * 2, "for the release, and on the way back"


def balancer(project: Project) -> list[str]:
    """Return the commands that the foreign load balancer has received since the last call."""
    told = project.folder / "balancer"
    words = told.read_text().split() if told.exists() else []
    told.unlink(missing_ok=True)
    return words
