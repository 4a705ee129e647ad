"""Backups on real hosts: taken before a deployment, read back, restored byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
import scenarios

from support.target import APP_PATH, Target

DATA = f"{APP_PATH}/shared/data"
DATABASE = f"{APP_PATH}/shared/app.db"
STORE = "/var/lib/fraisier/backups/my_api.production"
PACE = {"strategy_config": {"healthy_deadline": 8}}
#: The database is a file that its own tools dump and load, as a real one's do.
BACKUP = {
    "paths": ["shared/data"],
    "command": ["/bin/cat", DATABASE],
    "restore_command": f"cat > {DATABASE}.new && mv {DATABASE}.new {DATABASE}",
    "keep": 2,
}
#: All of the data, its owners, modes, times and links.
SUM = (
    f"cd {APP_PATH}/shared && sha256sum app.db && find data -printf '%p %y %m %u %g %Ts %l\\n'"
    " | sort && find data -type f -exec sha256sum {} + | sort"
)
MAKE = (
    f"mkdir -p {DATA}/deep && head -c 3000000 /dev/urandom > {DATA}/deep/blob && ln -s deep/blob"
    f" {DATA}/link && echo plain > '{DATA}/a name' && chmod 640 '{DATA}/a name'"
    f" && head -c 200000 /dev/urandom > {DATABASE} && chown -R app:app {DATA} {DATABASE}"
)


@pytest.fixture
def saved(target: Target) -> Target:
    """Return a target with data, a backup configured, and one release."""
    host = target.hosts[0]
    scenarios.first_deployment(target)
    target.inside(host, MAKE)
    target.configure({**PACE, "backup": BACKUP})
    return target


def backups(target: Target) -> list[dict[str, Any]]:
    """Return the backups that the host has, newest first."""
    found = target.fraisier("--json", "backups", "list", "my_api", "production")
    assert found.code == 0, found.said
    (host,) = found.json["hosts"]
    listed: list[dict[str, Any]] = host["backups"]
    return listed


def test_what_a_bad_migration_destroys_is_restored_byte_for_byte(saved: Target) -> None:
    host = saved.hosts[0]
    before = saved.inside(host, SUM)
    bad = f"rm -r {DATA}/deep; echo broken > {DATABASE}; echo more > {DATA}/new"
    saved.configure({**PACE, "backup": BACKUP, "migrate": {"command": bad}})
    second = saved.repository.commit("good")
    done = saved.deploy()
    assert done.code == 0, done.said
    assert saved.inside(host, SUM) != before
    (found,) = backups(saved)
    assert found["deployment"] == saved.last()["id"]
    assert {file["name"] for file in found["files"]} == {"files.tar.gz", "dump"}
    seen = saved.inside(host, f"stat -c %a:%U {STORE} {STORE}/{found['id']}")
    assert seen == "700:root\n700:root"

    restore = ("backups", "restore", "my_api", "production")
    unsure = saved.fraisier(*restore)
    assert unsure.code == 2, unsure.said
    assert saved.inside(host, SUM) != before
    process = saved.inside(host, "systemctl show --value -p MainPID my-api")
    restored = saved.fraisier(*restore, found["id"], "--yes")
    assert restored.code == 0, restored.said
    assert saved.inside(host, SUM) == before
    assert saved.inside(host, "systemctl show --value -p MainPID my-api") != process
    assert saved.served(host) == second
    assert saved.inside(host, f"ls -A {APP_PATH}/shared").split() == ["app.db", "data"]


@pytest.mark.slow
def test_so_many_are_kept_and_a_damaged_or_failed_one_changes_nothing(saved: Target) -> None:
    host, served = saved.hosts[0], saved.served(saved.hosts[0])
    taken = []
    for _ in range(3):
        done = saved.fraisier("--json", "backups", "take", "my_api", "production")
        assert done.code == 0, done.said
        taken.append(done.json["hosts"][0]["backups"][0]["id"])
    assert [each["id"] for each in backups(saved)] == taken[:0:-1]

    saved.inside(host, f"echo x | dd of={STORE}/{taken[-1]}/dump bs=1 seek=1000 conv=notrunc")
    before = saved.inside(host, SUM)
    refused = saved.fraisier("backups", "restore", "my_api", "production", "--yes")
    assert refused.code == 5, refused.said
    assert "differs" in refused.said
    assert saved.inside(host, SUM) == before
    assert saved.served(host) == served

    newer = saved.repository.commit("good")
    broken = {**BACKUP, "command": "echo half; echo the disk is on fire >&2; exit 4"}
    saved.configure({**PACE, "backup": broken})
    failed = saved.deploy()
    assert failed.code == 5, failed.said
    assert "backup_failed" in failed.said
    assert "the disk is on fire" in failed.said
    assert saved.last()["status"] == "failed"
    assert saved.served(host) == served

    done = saved.deploy("--no-backup")
    assert done.code == 0, done.said
    assert saved.served(host) == newer
    assert saved.fraisier("--json", "show", saved.last()["id"]).json["options"]["no_backup"]
    assert saved.inside(host, f"ls -A {STORE}").split() == taken[1:], (
        "no more and nothing half-made"
    )
