"""What people get wrong: each a clear error, the right exit code, and the old release serving."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import scenarios

from support.nowhere import nowhere
from support.target import APP_PATH, Target

__all__ = ["nowhere"]

MakeTarget = Callable[[int], Target]
UNIT_FILE = "/etc/systemd/system/my-api.service"
FOREIGN = "[Service]\nExecStart=/bin/true\n"
TRAP = "{{ lookup('pipe', 'touch /tmp/evaluated') }}"
OTHER = "%h $HOME `id` \" ' \\"


def test_a_deployed_service_outlives_every_mistake(target: Target, tmp_path: Path) -> None:
    """Each mistake is one deployment; the release that served before serves after each of them."""
    host = target.hosts[0]
    target.inside(host, f"mkdir -p {APP_PATH} && mount -t tmpfs -o size=64m tmpfs {APP_PATH}")
    good = deploy_values_that_look_like_code(target)
    for version, code in (("no-such-branch", 1), ("0" * 39 + "1", 5)):
        result = target.deploy("--version", version)
        assert result.code == code, result.said
        assert version[:12] in result.said
        require_untouched(target, good, f"after {version}")

    target.configure(build=["echo building; echo the-compiler-said-no >&2; exit 3"])
    refused(target, good, "exit", said_by="a build that fails")
    last = target.last()
    assert last["status"] == "failed"
    assert "the-compiler-said-no" in target.fraisier("logs", last["id"]).out

    target.configure(build=["head -c 80000000 /dev/zero > big"])
    refused(target, good, "disk", said_by="a full disk")

    target.configure(service_user="nobody-here")
    refused(target, good, "nobody-here", "useradd", said_by="a service user that is not there")

    target.configure()
    kept = target.inside(host, f"cat {UNIT_FILE}")
    target.inside(host, f"printf '{FOREIGN}' > {UNIT_FILE}")
    refused(target, good, UNIT_FILE, said_by="a unit that is not ours")
    assert target.inside(host, f"cat {UNIT_FILE}") == FOREIGN.strip()
    target.inside(host, f"cat > {UNIT_FILE} <<'END'\n{kept}\nEND")

    mistakes_with_keys(target, good, tmp_path)


def deploy_values_that_look_like_code(target: Target) -> str:
    """Deploy with variables that a shell, systemd or Jinja would change; return the version."""
    target.configure(env_vars={"PORT": "8000", "TRAP": TRAP, "OTHER": OTHER})
    good = target.repository.commit("good")
    result = target.deploy()
    assert result.code == 0, result.said
    host = target.hosts[0]
    look = "tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID my-api)/environ"
    seen = target.inside(host, look).splitlines()
    assert f"TRAP={TRAP}" in seen
    assert f"OTHER={OTHER}" in seen
    assert not Path("/tmp/evaluated").exists()
    assert target.inside(host, "ls /tmp/evaluated 2>/dev/null || true") == ""
    return good


def mistakes_with_keys(target: Target, good: str, tmp_path: Path) -> None:
    """S9: a host key that changed, one that was never pinned, a login key that is not let in."""
    address = target.hosts[0].address
    keys = [line.split(" ", 1)[1] for line in target.lab.known_hosts.read_text().splitlines()]
    pinned, empty, key = tmp_path / "pinned", tmp_path / "empty", tmp_path / "other"
    pinned.write_text(f"{address} {keys[-1]}\n")
    target.configure(known_hosts=str(pinned))
    refused(target, good, "key", "pinned", said_by="a host key that changed")
    empty.write_text("")
    target.configure(known_hosts=str(empty))
    refused(target, good, "no key is pinned", said_by="a host key that was never pinned")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    login = {"hostname": address, "username": "deploy", "ssh_key_path": str(key)}
    target.configure(hosts=[login])
    refused(target, good, "authorized_keys", said_by="a login key that is not let in")


def refused(target: Target, good: str, *words: str, said_by: str) -> None:
    """Deploy a new version: it must fail with these words and change nothing that serves."""
    target.repository.commit("good", {"note": said_by})
    result = target.deploy()
    assert result.code == 5, f"{said_by}: {result.said}"
    for word in words:
        assert word in result.said, f"{said_by}: {result.said}"
    require_untouched(target, good, said_by)


def require_untouched(target: Target, good: str, mistake: str) -> None:
    """Fail unless the host has and serves the one good release."""
    assert target.served(target.hosts[0]) == good, mistake
    assert len(target.releases(target.hosts[0])) == 1, mistake


@pytest.mark.cpu_seconds(40, reason="the host is tried again for a minute")
def test_an_unreachable_host_is_told_before_any_host_is_changed(make_target: MakeTarget) -> None:
    pair = make_target(2)
    good = scenarios.first_deployment(pair)
    pair.repository.commit("good", {"note": "newer"})
    pair.inside(pair.hosts[1], "systemctl stop ssh.socket ssh.service")
    try:
        result = pair.deploy()
    finally:
        pair.inside(pair.hosts[1], "systemctl start ssh.service")
    assert result.code == 5, result.said
    assert pair.hosts[1].address in result.said
    assert "no host was changed" in result.said
    assert result.err.count("could not be reached") == 1, "it is said once, not at each try"
    assert [pair.served(host) for host in pair.hosts] == [good] * 2


@pytest.mark.parametrize(
    "version", ["{{ 99*999 }}", "--upload-pack=touch /tmp/ran", "-x", "a b", ""]
)
def test_a_version_that_is_a_trick_is_refused_and_never_evaluated(
    nowhere: Target, version: str
) -> None:
    """S6, S7."""
    result = nowhere.deploy(f"--version={version}")
    assert result.code == 2, result.said
    assert "98901" not in result.said
    assert not Path("/tmp/ran").exists()


def test_an_unknown_fraise_and_environment_have_their_exit_codes(nowhere: Target) -> None:
    for arguments, code in ((("nope", "production"), 3), (("my_api", "nope"), 4)):
        result = nowhere.fraisier("deploy", *arguments)
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
    nowhere: Target, provider: dict[str, object], path: str
) -> None:
    nowhere.configure(**provider)
    result = nowhere.deploy()
    assert result.code == 1, result.said
    assert path in result.err
    assert "fraises.yaml:" in result.err
    assert not (nowhere.folder / "fraisier.db").exists()


def test_a_git_that_is_missing_on_this_machine_is_said_by_doctor(
    nowhere: Target, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ssh").symlink_to(str(shutil.which("ssh")))
    result = nowhere.fraisier("doctor", PATH=str(tools))
    assert result.code == 1
    assert "git: not found" in result.out
    assert "apt-get install git" in result.out
