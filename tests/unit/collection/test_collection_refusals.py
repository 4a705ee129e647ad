"""What the modules refuse around a release, and what they leave when they refuse it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    app,
    backups,
    hooks,
    migration,
    oneshot,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from fraisier.runner.diagnosis import BROKEN_MODULE, diagnose
from support.colours import Host, coloured_host
from unit.collection.test_collection_cut_short import setting

__all__ = ["coloured_host"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"command": "echo half; echo the disk is on fire >&2; exit 4"}, "the disk is on fire"),
        ({"command": "exit 0"}, "wrote nothing"),
        ({"paths": ["data", "nowhere"]}, "nowhere"),
        ({"command": ["no-such-program"]}, "no-such-program"),
    ],
)
def test_a_backup_that_fails_leaves_nothing_half_made(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    own = setting(tmp_path, {"backup": {"paths": ["data"], **wrong}})
    (tmp_path / "app/data").write_text("precious")
    with pytest.raises(Failure) as caught:
        backups.take(own, "deployment")
    failure = caught.value
    assert failure.code == "backup_failed"
    assert said in f"{failure.message} {failure.text}"
    assert "--no-backup" in failure.hint
    assert list((tmp_path / "store/a.b").iterdir()) == []


def test_a_migration_that_fails_is_not_taken_back(tmp_path: Path) -> None:
    """Nobody knows how far it came."""
    down = ["sh", "-c", "echo down >> ../ran"]
    own = setting(tmp_path, {"migrate": {"command": ["sh", "-c", "exit 9"], "down": down}})
    with pytest.raises(Failure) as caught:
        migration.up(own)
    assert caught.value.code == "migration_failed"
    assert migration.down(own.state, "dep-1", lambda _release: own) is False
    assert not (tmp_path / "ran").exists()


def test_a_migration_runs_on_the_first_host_unless_it_is_wanted_on_each(tmp_path: Path) -> None:
    for on, first, ran in (
        ("first", True, True),
        ("first", False, False),
        ("each", True, True),
        ("each", False, True),
    ):
        own = setting(tmp_path, {"migrate": {"command": ["true"], "on": on}})
        own.first = first
        assert migration.up(own) is ran, (on, first)


@pytest.mark.parametrize("when", ["pre_deployment", "post_deployment"])
def test_a_hook_that_fails_stops_those_after_it_unless_it_may_fail(
    tmp_path: Path, when: str
) -> None:
    def note(word: str, code: int) -> list[str]:
        return ["sh", "-c", f"echo {word} >> ../ran; exit {code}"]

    may = {"command": note("may", 3), "on_failure": "warn"}
    own = setting(tmp_path, {"hooks": {when: [may, note("must", 7), note("never", 0)]}})
    with pytest.raises(Failure) as caught:
        hooks.run(own, when)
    assert caught.value.code == "hook_failed"
    assert "exit status 7" in caught.value.message
    (warning,) = own.warnings
    assert "exit status 3" in warning
    assert (tmp_path / "ran").read_text() == "may\nmust\n"


def test_a_hook_that_does_not_end_is_ended(tmp_path: Path) -> None:
    own = setting(tmp_path, {"hooks": {"pre_deployment": [{"command": "sleep 60", "timeout": 1}]}})
    with pytest.raises(Failure, match="did not end within 1 s"):
        hooks.run(own, "pre_deployment")


def test_a_schedule_that_systemd_does_not_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def calendar(argv: list[str], **_more: Any) -> Finished:
        asked.append(argv)
        return Finished(1, "Failed to parse calendar specification 'Foo 99:99'")

    monkeypatch.setattr(oneshot, "run_program", calendar)
    service = SimpleNamespace(is_job=True, type="scheduled", schedule="Foo 99:99")
    systemd = SimpleNamespace(right=(), environment={})
    with pytest.raises(Failure) as caught:
        oneshot.check(SimpleNamespace(service=service, systemd=systemd))  # type: ignore[arg-type]
    assert caught.value.code == "schedule_invalid"
    assert "Foo 99:99" in caught.value.message
    assert asked == [["systemd-analyze", "calendar", "--", "Foo 99:99"]]


@pytest.mark.parametrize("verb", ["restart", "start", "stop"])
def test_a_service_that_is_not_deployed_cannot_be_controlled(host: Host, verb: str) -> None:
    with pytest.raises(Failure) as caught:
        app.control(host.site(), verb)
    assert caught.value.code == "nothing_deployed"
    assert "not deployed on this host" in caught.value.message
    assert host.world.effects == []


def test_a_host_without_python_is_told_what_to_install() -> None:
    """The sentence is the one of ansible.plugins.action for an interpreter that is not there."""
    found = diagnose(BROKEN_MODULE, "The module interpreter '/usr/bin/python3.1' was not found.")
    assert found.code == "python_missing"
    assert "install python3" in found.hint
