"""Pinned host keys: found under any of their forms, added in one write, never replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fraisier.domain.catalogue import Host
from fraisier.host_keys import HASHED, HostKeyError, Key, KnownHosts, pin_name, scan

HOST = Host("web-1", "web-1.example.com")
ELSEWHERE = Host("web-2", "10.1.2.3", port=2222)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Return a real key."""
    return make_key(tmp_path / "host_key")


def make_key(path: Path) -> Key:
    """Make a key as hosts have it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    kind, blob, *_ = path.with_suffix(".pub").read_text().split()
    return Key(kind, blob)


def ssh_finds(path: Path, name: str) -> bool:
    """Ask OpenSSH itself whether a name is in a file."""
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True)
    return done.returncode == 0


def test_a_fingerprint_is_the_one_that_ssh_shows(key: Key, tmp_path: Path) -> None:
    said = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "host_key"], capture_output=True, text=True
    )
    assert key.fingerprint == said.stdout.split()[1]


def test_a_port_of_its_own_is_part_of_the_name() -> None:
    assert pin_name(HOST) == "web-1.example.com"
    assert pin_name(ELSEWHERE) == "[10.1.2.3]:2222"


@pytest.mark.parametrize("host", [HOST, ELSEWHERE])
def test_a_key_that_is_pinned_is_found_again_by_us_and_by_ssh(
    host: Host, key: Key, tmp_path: Path
) -> None:
    known = KnownHosts(tmp_path / "new" / "known_hosts")
    assert known.pinned(host) == []
    known.add(host, [key])
    assert known.pinned(host) == [key]
    assert ssh_finds(known.path, pin_name(host))
    assert known.path.stat().st_mode & 0o777 == 0o600
    assert known.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_of_hashed_names_gets_a_hashed_name(key: Key, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    known.add(HOST, [key])
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known.path], check=True, capture_output=True)
    known.add(ELSEWHERE, [key])
    lines = known.path.read_text().splitlines()
    assert [line.startswith(HASHED) for line in lines] == [True, True]
    assert known.pinned(HOST) == known.pinned(ELSEWHERE) == [key]
    assert ssh_finds(known.path, pin_name(ELSEWHERE))


def test_what_is_in_the_file_stays_and_a_line_without_an_end_is_not_joined(
    key: Key, tmp_path: Path
) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    known.path.write_text(f"# mine\nother {key.type} {key.blob}")
    known.add(HOST, [key])
    assert known.path.read_text() == (
        f"# mine\nother {key.type} {key.blob}\nweb-1.example.com {key.type} {key.blob}\n"
    )


def test_a_revoked_key_is_no_pinned_one(key: Key, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    known.path.write_text(f"@revoked {HOST.address} {key.type} {key.blob}\n")
    assert known.pinned(HOST) == []
    assert known.revoked(HOST) == [key]


def test_a_file_that_cannot_be_written_is_named(key: Key, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path)
    with pytest.raises(HostKeyError, match=str(tmp_path)):
        known.add(HOST, [key])


def test_a_host_that_shows_no_key_is_named_with_its_port() -> None:
    with pytest.raises(HostKeyError, match=r"\[127.0.0.1\]:1 showed no key"):
        scan(Host("nobody", "127.0.0.1", port=1))
