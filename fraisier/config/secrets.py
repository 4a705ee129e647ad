"""Resolves references to secrets, as late as possible: environment, files, Ansible Vault."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fraisier.config.service_checks import VAULT_HEADER
from fraisier.domain.errors import ConfigurationError, Problem
from fraisier.domain.plain_text import one_line
from fraisier.domain.secret import Secret, SecretReference

MAX_BYTES = 64 * 1024
VAULT_SECONDS = 60
_HINT = "give every secret a value where its reference says; nothing was sent to any host"
#: What ansible-vault may know of our environment.
_PASSED = ("PATH", "HOME", "LANG", "ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST")


class _Unresolved(Exception):
    """Why one reference has no value; never the value itself."""


def resolve(
    reference: SecretReference, *, environ: Mapping[str, str] = os.environ, base: Path
) -> Secret:
    """Return the secret a reference stands for, or raise ConfigurationError.

    Relative files start at `base`, the configuration file's folder. Secrets are UTF-8 text of at
    most 64 KiB; the last newline of a file is not part of it.
    """
    return resolve_all({str(reference): reference}, environ=environ, base=base)[str(reference)]


def resolve_all(
    references: Mapping[str, SecretReference | Mapping[str, Any]],
    *,
    environ: Mapping[str, str] = os.environ,
    base: Path,
    required: bool = True,
) -> dict[str, Secret]:
    """Return every secret by name, or raise ConfigurationError that names all without a value.

    Where they are not `required`, those without a value are left out instead. References may be
    as a target's `secrets` has them: `{"TOKEN": {"env": "MY_TOKEN"}}`.
    """
    found: dict[str, Secret] = {}
    problems: list[Problem] = []
    for name, given in references.items():
        reference = given if isinstance(given, SecretReference) else SecretReference.parse(given)
        try:
            if reference is None:
                raise _Unresolved("is no reference: write {env: …}, {file: …} or {vault: …}")
            found[name] = Secret(_value(reference, environ, base))
        except _Unresolved as error:
            problems.append(Problem("secrets", 0, name, str(error)))
    if problems and required:
        raise ConfigurationError(problems, _HINT)
    return found


def _value(reference: SecretReference, environ: Mapping[str, str], base: Path) -> str:
    if reference.kind == "env":
        value = environ.get(reference.name, "")
        if not value:
            state = "is empty" if reference.name in environ else "is not set"
            raise _Unresolved(f"the environment variable {reference.name} {state}")
        return _checked(value, f"the environment variable {reference.name}")
    if reference.kind == "file":
        path = base / os.path.expanduser(reference.name)
        return _checked(_text(_read(path), str(path)), str(path))
    return _checked(_text(_decrypted(reference.name, environ, base), "the vault"), "the vault")


def _checked(value: str, source: str) -> str:
    if not value:
        raise _Unresolved(f"{source} is empty")
    if "\0" in value:
        raise _Unresolved(f"{source} holds a NUL character, which no environment can")
    return value


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _Unresolved(f"{path} is not a regular file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _Unresolved(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise _Unresolved(f"{path} is larger than {MAX_BYTES // 1024} KiB")
    return raw


def _text(raw: bytes, source: str) -> str:
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # Not chained: that error carries the bytes it could not decode.
        raise _Unresolved(f"{source} is not UTF-8 text") from None


def _decrypted(name: str, environ: Mapping[str, str], base: Path) -> bytes:
    """Run ansible-vault on a ciphertext, or on the file that holds it."""
    if not any(environ.get(key) for key in _PASSED if key.startswith("ANSIBLE_")):
        raise _Unresolved("{vault: …} needs ANSIBLE_VAULT_PASSWORD_FILE: the file of its password")
    inline = name.startswith(VAULT_HEADER)
    path = base / os.path.expanduser(name)
    ciphertext = name.encode() if inline else _read(path)
    if not ciphertext.startswith(VAULT_HEADER.encode()):
        raise _Unresolved(f"{path} is not encrypted by Ansible Vault")
    try:
        done = subprocess.run(
            [_ansible_vault(environ), "decrypt", "--output", "-", "-"],
            input=ciphertext,
            capture_output=True,
            timeout=VAULT_SECONDS,
            env={key: environ[key] for key in _PASSED if key in environ},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Unresolved(f"ansible-vault did not finish: {type(error).__name__}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _Unresolved(
            f"ansible-vault could not decrypt it: {one_line(said[0], 200) if said else '?'}"
        )
    return done.stdout


def _ansible_vault(environ: Mapping[str, str]) -> str:
    beside = Path(sys.executable).with_name("ansible-vault")
    found = (
        str(beside) if beside.exists() else shutil.which("ansible-vault", path=environ.get("PATH"))
    )
    if not found:
        raise _Unresolved("ansible-vault is not installed beside Fraisier, nor on PATH")
    return found
