"""What Ansible and SSH say when a host cannot be worked on, in terms of what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """A code, a hint, and whether it is certain that nothing of ours ran on the host."""

    code: str
    hint: str
    nothing_ran: bool = True


#: The first pattern found in what was said decides. Hints may name {host}, {user}, {address}.
UNREACHABLE: tuple[tuple[str, Diagnosis], ...] = (
    (
        r"IDENTIFICATION HAS CHANGED",
        Diagnosis(
            "host_key_changed",
            "the host key differs from the pinned one: find out why before you replace it in the "
            "known_hosts file (ssh-keygen -R {address}, then enrol the new key)",
        ),
    ),
    (
        r"Host key verification failed|No .* host key is known",
        Diagnosis(
            "host_key_unknown",
            "no key is pinned for this host: fraisier hosts trust shows its fingerprint, and pins "
            "it in the known_hosts file that provider_config names",
        ),
    ),
    (
        r"no such identity|Identity file .* not accessible|Load key",
        Diagnosis("ssh_key_unusable", "check ssh_key_path: it must be a private key you can read"),
    ),
    (
        r"Permission denied",
        Diagnosis(
            "ssh_denied",
            "the host refused user {user}: check username and ssh_key_path, and that the public "
            "key is in the user's authorized_keys",
        ),
    ),
    (
        r"Could not resolve hostname",
        Diagnosis("host_unknown", "the name {address} does not resolve: check hostname"),
    ),
    (
        r"Connection refused|Connection timed out|No route to host|Network is unreachable"
        r"|Operation timed out|timed out during banner|Connection closed by|kex_exchange",
        Diagnosis(
            "host_unreachable",
            "nothing answers at {address}: check that the host is up and its SSH port is open",
        ),
    ),
    (
        r"",
        Diagnosis(
            "contact_lost",
            "contact was lost while something may have been running there",
            nothing_ran=False,
        ),
    ),
)

BROKEN_MODULE: tuple[tuple[str, Diagnosis], ...] = (
    (
        r"password is required|(Missing|Incorrect) sudo password|sudo: a term|not in the sudoers",
        Diagnosis(
            "become_failed",
            "user {user} may not become root so: allow it in sudoers, give the right "
            "become_password, or set become: false",
        ),
    ),
    (
        r"python3?: (command )?not found|No such file or directory.*python|interpreter.*not found",
        Diagnosis(
            "python_missing", "the host has no Python there: install python3, or set python:"
        ),
    ),
    (
        r"No space left on device",
        Diagnosis("disk_full", "free some space on the host's disk", nothing_ran=False),
    ),
    (
        r"",
        Diagnosis("task_failed", "the output of the task tells more: fraisier logs", False),
    ),
)


#: What Ansible says before it repeats what SSH said.
PREAMBLE = (
    r"^(Task failed: )?(Failed to connect to the host via ssh: |Data could not be sent.*ssh: )"
)


def diagnose(table: tuple[tuple[str, Diagnosis], ...], said: str) -> Diagnosis:
    """Return the first diagnosis whose pattern is in what was said."""
    return next(found for pattern, found in table if re.search(pattern, said, re.IGNORECASE))


def sentence(said: str) -> str:
    """Return the telling part of what SSH or Ansible said: one line, without its banners."""
    lines = [line.strip(" @\r") for line in said.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Warning:", "debug1:"))]
    text = telling[-1] if telling else said.strip()
    if re.search(r"IDENTIFICATION HAS CHANGED", said):
        text = "the host's key is not the pinned one"
    return re.sub(PREAMBLE, "", text)[:500]
