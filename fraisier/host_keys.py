"""The keys that hosts show, and the file in which those that are trusted are pinned."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fraisier.domain.catalogue import Host
from fraisier.domain.errors import FraisierError
from fraisier.domain.plain_text import one_line
from fraisier.private_folders import make_private

SCAN_SECONDS = 10
SSH_PORT = 22
HASHED = "|1|"


class HostKeyError(FraisierError):
    """A host showed no key, or the file of pinned keys could not be used."""

    code = "host_keys_failed"


@dataclass(frozen=True)
class Key:
    """A public key, as known_hosts and SSH write it: `type` and base64 `blob`."""

    type: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """Return it as ssh-keygen shows it: SHA256: and the digest in base64."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def pin_name(host: Host) -> str:
    """Return the name that known_hosts has for a host."""
    return host.address if host.port == SSH_PORT else f"[{host.address}]:{host.port}"


def scan(host: Host) -> list[Key]:
    """Ask a host for its keys, by ssh-keyscan; raise HostKeyError where it shows none.

    Nothing proves that who answers is the host: compare the fingerprints.
    """
    argv = ["ssh-keyscan", "-T", str(SCAN_SECONDS), "-p", str(host.port), "--", host.address]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3 * SCAN_SECONDS
        )
    except FileNotFoundError:
        raise HostKeyError("ssh-keyscan is not installed", "install OpenSSH's client") from None
    except subprocess.TimeoutExpired:
        raise HostKeyError(f"{pin_name(host)} did not answer in time", _LOOK) from None
    keys = [key for line in done.stdout.splitlines() if (key := _key(line.split()))]
    if not keys:
        said = [line for line in done.stderr.splitlines() if not line.startswith("#")]
        why = f": {one_line(said[-1])}" if said else ""
        raise HostKeyError(f"{pin_name(host)} showed no key{why}", _LOOK)
    return sorted(set(keys), key=lambda key: key.type)


_LOOK = "check hostname and port, and that the host's SSH server can be reached from here"


def _key(words: Sequence[str]) -> Key | None:
    """Return the key of a line's words, the host's name first; None where there is none."""
    if len(words) < 3 or words[0].startswith("#") or not words[1].isprintable():
        return None
    try:
        base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Key(words[1], words[2])


class KnownHosts:
    """A known_hosts file. Lines of others are never changed; ours are added at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pinned(self, host: Host) -> list[Key]:
        """Return the keys that are pinned for a host, hashed names and patterns included."""
        return [key for marker, key in self._found(host) if not marker]

    def revoked(self, host: Host) -> list[Key]:
        """Return the keys that must never be taken for this host's."""
        return [key for marker, key in self._found(host) if marker == "@revoked"]

    def add(self, host: Host, keys: Sequence[Key]) -> None:
        """Pin keys, in one write to the end of the file; it is made for its owner only.

        Raises HostKeyError where the file cannot be written.
        """
        try:
            make_private(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                text = file.read().decode("utf-8", "replace")
                name = hashed(pin_name(host)) if _hashes(text) else pin_name(host)
                lines = "".join(f"{name} {key.type} {key.blob}\n" for key in keys)
                gap = "\n" if text and not text.endswith("\n") else ""
                os.write(file.fileno(), f"{gap}{lines}".encode())
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def _found(self, host: Host) -> list[tuple[str, Key]]:
        """Return what the file has for a host, each with its marker (or '')."""
        if not self.path.exists():
            return []
        argv = ["ssh-keygen", "-F", pin_name(host), "-f", str(self.path)]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        except FileNotFoundError:
            raise HostKeyError("ssh-keygen is not installed", "install OpenSSH") from None
        if done.returncode and done.stderr.strip():
            raise self._unusable(done.stderr.strip().splitlines()[-1])
        found = []
        for line in done.stdout.splitlines():
            words = line.split()
            marker = words.pop(0) if words and words[0].startswith("@") else ""
            key = _key(words)
            if key:
                found.append((marker, key))
        return found

    def _unusable(self, why: str) -> HostKeyError:
        return HostKeyError(
            f"{self.path} cannot be used: {why}", "correct known_hosts in provider_config"
        )


def hashed(name: str) -> str:
    """Return a name as a known_hosts file with hashed names has it."""
    salt = secrets.token_bytes(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return HASHED + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def _hashes(text: str) -> bool:
    return any(line.startswith(HASHED) for line in text.splitlines())
