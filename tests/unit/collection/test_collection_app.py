"""Between deployments: the journal as entries, and a lock that leaves the fence as it is."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import app_journal, envfile
from ansible_collections.fraisier.deploy.plugins.module_utils.app_host import disk, shell
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import User
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.fence import Fence, read_holder
from ansible_collections.fraisier.deploy.plugins.module_utils.fence_rules import Claim

OURS = Claim("ours", "app")


def line(number: int, message: object = "said") -> bytes:
    """Return a line as `journalctl --output=json` writes it."""
    data = {
        "__CURSOR": f"c{number}",
        "__REALTIME_TIMESTAMP": str(number * 1_000_000),
        "SYSLOG_IDENTIFIER": "python3",
        "_PID": "17",
        "MESSAGE": message,
    }
    return json.dumps(data).encode() + b"\n"


def test_entries_have_their_time_source_and_text_and_the_last_ones_cursor() -> None:
    found = app_journal.bounded([line(1, "one"), b"-- No entries --\n", line(2, "two")], False)
    assert found["entries"] == [
        {"at": 1.0, "source": "python3[17]", "text": "one"},
        {"at": 2.0, "source": "python3[17]", "text": "two"},
    ]
    assert (found["cursor"], found["left_out"], found["full"]) == ("c2", 0, False)


@pytest.mark.parametrize(
    ("message", "text"), [([104, 105, 255], "hi\ufffd"), (None, ""), (["odd", 7.5], "")]
)
def test_a_message_that_is_no_text_is_told_as_far_as_it_can_be(message: object, text: str) -> None:
    assert app_journal.bounded([line(1, message)], False)["entries"][0]["text"] == text


def test_too_much_is_cut_at_the_old_end_or_left_for_the_next_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app_journal, "MOST_BYTES", 10)
    lines = [line(number, "12345") for number in range(1, 6)]
    last = app_journal.bounded(lines, forward=False)
    assert [entry["at"] for entry in last["entries"]] == [4.0, 5.0]
    assert (last["left_out"], last["cursor"]) == (3, "c5")
    few = app_journal.bounded(lines, False, most=1)
    assert (len(few["entries"]), few["left_out"]) == (1, 0), "what nobody asked for is not left out"
    begun = app_journal.bounded(lines, forward=True)
    assert [entry["at"] for entry in begun["entries"]] == [1.0, 2.0, 3.0]
    assert (begun["full"], begun["cursor"]) == (True, "c3"), "the rest comes behind its cursor"


@pytest.mark.parametrize("value", ["", "plain", 'a "b" \\ $HOME `id`', "two\nlines\n", "%h é"])
def test_a_release_s_variables_are_read_as_they_were_written(value: str) -> None:
    variables = {"FIRST": value, "SECOND": "x"}
    assert envfile.parse(envfile.render(variables)) == variables


def test_a_lock_keeps_others_out_and_leaves_the_fence_as_it_is(tmp_path: Path) -> None:
    first, second = Fence(str(tmp_path)), Fence(str(tmp_path))
    first.acquire(Claim("ours", "dep_1"))
    first.release()
    with pytest.raises(Failure) as caught:
        second.hold(OURS)
    assert (caught.value.code, "dep_1" in caught.value.message) == ("fence_held", True)
    first.close()
    before = read_holder(f"{tmp_path}/fence.json")
    second.hold(OURS)
    assert read_holder(f"{tmp_path}/fence.json") == before
    with pytest.raises(Failure):
        first.acquire(Claim("other", "dep_2", wait=0))
    second.close()
    assert first.acquire(Claim("other", "dep_2", wait=0)) == 2
    first.close()


def test_the_fence_of_another_installation_is_respected_until_it_is_released(
    tmp_path: Path,
) -> None:
    other = Fence(str(tmp_path))
    other.acquire(Claim("other", "dep_1"))
    other.close()
    fence = Fence(str(tmp_path))
    with pytest.raises(Failure, match="dep_1 of installation other"):
        fence.hold(OURS)
    fence.hold(Claim("ours", "app", force=True))
    fence.close()
    other.acquire(Claim("other", "dep_1"))
    other.release()
    other.close()
    fence.hold(OURS)
    fence.close()


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(
    tmp_path: Path,
) -> None:
    found = disk(str(tmp_path / "not" / "there"))
    assert found["path"] == str(tmp_path)
    assert found["bytes"] > 0


@pytest.fixture
def bash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    """Return an account whose shell is bash and whose home is the folder of the test."""
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: SimpleNamespace(pw_shell="/bin/bash"))
    return User("root", os.getuid(), os.getgid(), str(tmp_path))


def test_a_shell_is_timed_with_the_files_it_reads_and_without(bash: User, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("sleep 1\n")
    found = shell(bash)
    assert found["program"] == "/bin/bash"
    assert found["seconds"] >= 1
    assert found["bare"] < found["seconds"]
    assert f"{tmp_path}/.bashrc" in found["files"]


def test_a_shell_that_was_slow_for_a_moment_is_timed_again(bash: User, tmp_path: Path) -> None:
    mark = tmp_path / "was-slow"
    (tmp_path / ".bashrc").write_text(f"[ -e {mark} ] || {{ touch {mark}; sleep 2; }}\n")
    assert shell(bash)["seconds"] < 2
