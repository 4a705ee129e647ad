"""What people get wrong: each a clear error, the right exit code, and the old release serving."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import scenarios

from support.target import APP_PATH, Target

MakeTarget = Callable[[int], Target]


def test_a_version_that_does_not_exist_changes_nothing(target: Target) -> None:
    good = scenarios.first_deployment(target)
    for version, code in (("no-such-branch", 1), ("0" * 39 + "1", 5)):
        result = target.deploy("--version", version)
        assert result.code == code, result.said
        assert version[:12] in result.said
        assert target.served(target.hosts[0]) == good
        assert len(target.releases(target.hosts[0])) == 1


@pytest.mark.parametrize(
    "version", ["{{ 99*999 }}", "--upload-pack=touch /tmp/ran", "-x", "a b", ""]
)
def test_a_version_that_is_a_trick_is_refused_and_never_evaluated(
    target: Target, version: str
) -> None:
    """S6, S7."""
    target.repository.commit("good")
    result = target.deploy(f"--version={version}")
    assert result.code == 2, result.said
    assert "98901" not in result.said
    assert not Path("/tmp/ran").exists()
    assert target.inside(target.hosts[0], f"ls -d {APP_PATH} 2>/dev/null || true") == ""


def test_a_configuration_value_is_never_evaluated(target: Target) -> None:
    trap = "{{ lookup('pipe', 'touch /tmp/evaluated') }}"
    target.configure(env_vars={"PORT": "8000", "TRAP": trap, "OTHER": "%h $HOME `id` \" ' \\"})
    target.repository.commit("good")
    assert target.deploy().code == 0
    assert not Path("/tmp/evaluated").exists()
    host = target.hosts[0]
    look = "tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID my-api)/environ"
    seen = target.inside(host, look).splitlines()
    assert f"TRAP={trap}" in seen
    assert "OTHER=%h $HOME `id` \" ' \\" in seen
    assert target.inside(host, "ls /tmp/evaluated 2>/dev/null || true") == ""


def test_a_build_that_fails_shows_its_output_and_leaves_no_half_made_release(
    target: Target,
) -> None:
    good = scenarios.first_deployment(target)
    target.configure(build=["echo building; echo the-compiler-said-no >&2; exit 3"])
    target.repository.commit("good", {"note": "cannot be built"})
    result = target.deploy()
    assert result.code == 5, result.said
    assert "exit" in result.said
    last = target.last()
    assert last["status"] == "failed"
    assert "the-compiler-said-no" in target.fraisier("logs", last["id"]).out
    assert target.served(target.hosts[0]) == good
    assert len(target.releases(target.hosts[0])) == 1


def test_a_full_disk_on_the_host_is_named_and_the_old_release_serves(target: Target) -> None:
    host = target.hosts[0]
    target.inside(host, f"mkdir -p {APP_PATH} && mount -t tmpfs -o size=64m tmpfs {APP_PATH}")
    good = scenarios.first_deployment(target)
    target.configure(build=["head -c 80000000 /dev/zero > big"])
    target.repository.commit("good", {"note": "too big"})
    result = target.deploy()
    assert result.code == 5, result.said
    assert "disk" in result.said
    assert target.served(host) == good
    assert len(target.releases(host)) == 1


def test_an_unreachable_host_is_told_before_any_host_is_changed(fleet: Target) -> None:
    good = scenarios.first_deployment(fleet)
    fleet.repository.commit("good", {"note": "newer"})
    fleet.inside(fleet.hosts[2], "systemctl stop ssh.socket ssh.service")
    try:
        result = fleet.deploy()
    finally:
        fleet.inside(fleet.hosts[2], "systemctl start ssh.service")
    assert result.code == 5, result.said
    assert fleet.hosts[2].address in result.said
    assert "no host was changed" in result.said
    assert result.err.count("nothing answers at") == 1, "it is said once, not twice"
    assert [fleet.served(host) for host in fleet.hosts] == [good] * 3


def test_a_wrong_key_says_so(target: Target, tmp_path: Path) -> None:
    import subprocess

    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    host = {"hostname": target.hosts[0].address, "username": "deploy", "ssh_key_path": str(key)}
    target.configure(hosts=[host])
    target.repository.commit("good")
    result = target.deploy()
    assert result.code == 5, result.said
    assert "authorized_keys" in result.said


def test_a_changed_host_key_is_refused(target: Target, tmp_path: Path) -> None:
    """S9."""
    good = scenarios.first_deployment(target)
    pinned = tmp_path / "known_hosts"
    other = target.lab.known_hosts.read_text().splitlines()
    keys = [line.split(" ", 1)[1] for line in other]
    address = target.hosts[0].address
    pinned.write_text(f"{address} {keys[-1]}\n")
    target.configure(known_hosts=str(pinned))
    target.repository.commit("good", {"note": "newer"})
    result = target.deploy()
    assert result.code == 5, result.said
    assert "key" in result.said
    assert "pinned" in result.said
    assert target.served(target.hosts[0]) == good


def test_a_host_whose_key_was_never_pinned_is_refused(target: Target, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    target.configure(known_hosts=str(empty))
    target.repository.commit("good")
    result = target.deploy()
    assert result.code == 5, result.said
    assert "no key is pinned" in result.said


def test_a_service_user_that_does_not_exist_is_named(make_target: MakeTarget) -> None:
    target = make_target(2)
    target.configure(service_user="nobody-here")
    target.repository.commit("good")
    result = target.deploy()
    assert result.code == 5, result.said
    assert "nobody-here" in result.said
    assert "useradd" in result.err, "what to do about it is said"
    assert target.inside(target.hosts[0], f"ls {APP_PATH}/current 2>/dev/null || true") == ""


def test_a_unit_that_is_not_ours_is_left_alone(target: Target) -> None:
    host = target.hosts[0]
    unit = "/etc/systemd/system/my-api.service"
    target.inside(host, f"printf '[Service]\\nExecStart=/bin/true\\n' > {unit}")
    target.repository.commit("good")
    result = target.deploy()
    assert result.code == 5, result.said
    assert unit in result.said
    assert "ExecStart=/bin/true" in target.inside(host, f"cat {unit}")


def test_an_unknown_fraise_and_environment_have_their_exit_codes(target: Target) -> None:
    for arguments, code in ((("nope", "production"), 3), (("my_api", "nope"), 4)):
        result = target.fraisier("deploy", *arguments)
        assert result.code == code
        assert "known:" in result.err


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ({"app_path": "/"}, "provider_config.app_path"),
        ({"app_path": "/opt/../etc"}, "provider_config.app_path"),
        ({"hots": []}, 'provider_config.hots: unknown key; did you mean "hosts"?'),
        ({"keep_releases": "five"}, "provider_config.keep_releases"),
        ({"hosts": None}, '"hosts" is missing'),
    ],
)
def test_a_bad_configuration_is_told_with_line_and_path(
    target: Target, provider: dict[str, object], path: str
) -> None:
    target.configure(**provider)
    result = target.deploy()
    assert result.code == 1, result.said
    assert path in result.err
    assert "fraises.yaml:" in result.err
    assert not (target.folder / "fraisier.db").exists()


def test_a_git_that_is_missing_on_this_machine_is_said_by_doctor(
    target: Target, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ssh").symlink_to(str(shutil.which("ssh")))
    result = target.fraisier("doctor", PATH=str(tools))
    assert result.code == 1
    assert "git: not found" in result.out
    assert "apt-get install git" in result.out
