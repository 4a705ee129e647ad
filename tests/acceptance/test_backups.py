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


def test_so_many_are_kept_and_no_backup_takes_none(saved: Target) -> None:
    taken = []
    for _ in range(3):
        done = saved.fraisier("--json", "backups", "take", "my_api", "production")
        assert done.code == 0, done.said
        taken.append(done.json["hosts"][0]["backups"][0]["id"])
    assert [each["id"] for each in backups(saved)] == taken[:0:-1]
    saved.repository.commit("good")
    done = saved.deploy("--no-backup")
    assert done.code == 0, done.said
    assert [each["id"] for each in backups(saved)] == taken[:0:-1]
    assert saved.fraisier("--json", "show", saved.last()["id"]).json["options"]["no_backup"]


def test_a_backup_that_fails_stops_the_deployment_before_anything_changed(saved: Target) -> None:
    host = saved.hosts[0]
    served = saved.served(host)
    saved.repository.commit("good")
    for wrong, said in (
        ({"command": "echo half; echo the disk is on fire >&2; exit 4"}, "the disk is on fire"),
        ({"command": "exit 0"}, "wrote nothing"),
        ({"paths": ["shared/nowhere"]}, "shared/nowhere"),
    ):
        saved.configure({**PACE, "backup": {"paths": ["shared/data"], **wrong}})
        done = saved.deploy()
        assert done.code == 5, done.said
        assert "backup_failed" in done.said
        assert said in done.said
        assert saved.last()["status"] == "failed"
        assert saved.served(host) == served
    assert saved.inside(host, f"ls -A {STORE}") == "", "nothing half-made is left"


def test_a_damaged_backup_is_refused_and_the_data_stay(saved: Target) -> None:
    host = saved.hosts[0]
    assert saved.fraisier("backups", "take", "my_api", "production").code == 0
    (found,) = backups(saved)
    saved.inside(host, f"echo x | dd of={STORE}/{found['id']}/dump bs=1 seek=1000 conv=notrunc")
    before = saved.inside(host, SUM)
    refused = saved.fraisier("backups", "restore", "my_api", "production", "--yes")
    assert refused.code == 5, refused.said
    assert "differs" in refused.said
    assert saved.inside(host, SUM) == before
    assert saved.served(host) is not None
