# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads secrets on the controller, at the moment they are needed, from where references point."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

LIMIT = 64 * 1024  # bytes: a longer file is no secret but a mistake


def secret_values(references: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the values of references by name, or raise an error that names every bad one."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for name, reference in sorted(references.items()):
        try:
            values[name] = _value(reference)
        except (LookupError, OSError, ValueError) as error:
            problems.append(f"{name}: {_why(error)}")
    if problems:
        raise AnsibleFilterError("secrets are missing: " + "; ".join(problems))
    return values


def _value(reference: Mapping[str, str]) -> str:
    ((kind, where),) = reference.items()
    return _READERS[kind](str(where))


def _environment(name: str) -> str:
    if not os.environ.get(name):
        raise LookupError(f"the environment variable {name} is not set; export it")
    return os.environ[name]


def _file(path: str) -> str:
    with open(os.path.expanduser(path), encoding="utf-8") as file:
        text = file.read(LIMIT + 1)
    if len(text) > LIMIT:
        raise ValueError(f"{path} is larger than {LIMIT} bytes; name the right file")
    return text[:-1] if text.endswith("\n") else text


def _vault(text: str) -> str:
    if text.startswith("$ANSIBLE_VAULT"):
        raise ValueError("write the encrypted text as `!vault |`, so that Ansible decrypts it")
    return text


_READERS: dict[str, Callable[[str], str]] = {"env": _environment, "file": _file, "vault": _vault}


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot read {error.filename}: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return "its file is no text"
    return str(error.args[0]) if error.args else "cannot be read"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"secret_values": secret_values}
