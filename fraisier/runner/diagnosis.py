"""What Ansible and SSH say when a host cannot be worked on, in terms of what to do about it."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraisier.domain.host_answer import CODE, HINT
from fraisier.domain.plain_text import one_line


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
        r"Permission denied|Too many authentication failures|No supported authentication",
        Diagnosis(
            "ssh_denied",
            "the host refused user {user}: check username and ssh_key_path, and that the public "
            "key is in the user's authorized_keys",
        ),
    ),
    (
        r"Unable to negotiate|no matching (host key|key exchange|cipher|MAC)"
        r"|Bad configuration option|Bad owner or permissions",
        Diagnosis(
            "ssh_unsuitable",
            "SSH of this machine and of the host do not work together as they are configured; "
            "try: {ssh} true",
        ),
    ),
    (
        r"Could not resolve hostname",
        Diagnosis("host_unknown", "the name {address} does not resolve: check hostname"),
    ),
    (
        r"Connection refused|Connection timed out|No route to host|Network is unreachable"
        r"|Operation timed out|timed out during banner",
        Diagnosis(
            "host_unreachable",
            "nothing answers at {address}: check that the host is up and its SSH port is open",
        ),
    ),
    (
        r"Connection closed by|kex_exchange|not permitted to log in",
        Diagnosis(
            "host_unreachable",
            "the SSH server at {address} refused the login: the host boots or shuts down, "
            "/run/nologin or /etc/nologin there lets root alone log in, or too many log in at once",
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

_BECOME = (
    r"password is required|(Missing|Incorrect) sudo password|sudo: a term|not in the sudoers"
    r"|is not allowed to (execute|run) |may not run sudo|waiting for privilege escalation"
    r"|sudo: .*(not found|no tty present|must have a tty|effective uid|setuid|unknown user"
    r"|account validation|password expired|PAM )"
)
BROKEN_MODULE: tuple[tuple[str, Diagnosis], ...] = (
    (
        _BECOME,
        Diagnosis(
            "become_failed",
            "user {user} may not become root so: allow it in sudoers, give the right "
            "become_password, or set become: false",
        ),
    ),
    (
        r"python3?: (command )?not found|No such file or directory.*python|interpreter.*not found"
        r"|requires a minimum of Python",
        Diagnosis(
            "python_missing",
            "the host has no Python there that can be used: install python3 (3.8 or newer), or set "
            "python:",
        ),
    ),
    (
        r"No space left on device",
        Diagnosis("disk_full", "free some space on the host's disk", nothing_ran=False),
    ),
    (
        r"maximum recursion depth|queue send failure|Refusing to deserialize"
        r"|deserialization failed",
        Diagnosis(CODE, HINT, nothing_ran=False),
    ),
    (
        r"",
        Diagnosis("task_failed", "the output of the task tells more: fraisier logs", False),
    ),
)

#: What a host says that answers with words of its own instead of running a module.
NO_MODULE: tuple[tuple[str, Diagnosis], ...] = (
    *BROKEN_MODULE[:2],
    (
        r"expired|password change required|account is .*(not available|locked|disabled)|nologin"
        r"|login as|logged? ?in|not permitted|not allowed|restricted|maintenance",
        Diagnosis(
            "login_refused",
            "user {user} may not run commands there: look at the account, its shell, command= in "
            "its authorized_keys, /run/nologin and /etc/nologin; try: {ssh} python3 -V",
        ),
    ),
    (
        r"",
        Diagnosis(
            "module_not_run",
            "python: must name a Python, and the login must run commands; try: {ssh} python3 -V",
        ),
    ),
)
_ENDED_THERE = Diagnosis(
    CODE,
    "find out what ended it there (out of memory? journalctl -k on the host), then: "
    "fraisier hosts probe",
    nothing_ran=False,
)
#: Exit codes of a shell whose program was killed, so that a module may have begun.
_KILLED = frozenset((129, 130, 131, 132, 134, 135, 136, 137, 139, 141, 143))
#: Python could not flush its output at its end, or `timeout` ended the module.
_CUT_OFF = frozenset((120, 124))
#: What Python and shells say of a program that had begun, and how a result begins.
_BEGAN = re.compile(
    r"Traceback \(most recent call last\)|Fatal Python error|\b(Killed|Terminated|Aborted)\b"
    r"|Segmentation fault|Bus error|No space left on device|\{|MemoryError|Exception ignored in"
    r"|limit exceeded|Bad system call|Alarm clock|User defined signal"
)


def never_began(result: Mapping[str, Any]) -> bool:
    """Return whether a host that gave no result has certainly not begun to run the module.

    A module ends with JSON unless it is killed or Python itself fails. `result` is what Ansible
    makes of an answer without JSON.
    """
    code = result.get("rc")
    if "module_stdout" not in result or not isinstance(code, int) or isinstance(code, bool):
        return False
    words = own_words(result)
    ended = code in _CUT_OFF or code in _KILLED or (code > 128 and not words)  # by any signal
    return 0 <= code < 255 and not ended and not _BEGAN.search(words)


def cut_off(result: Mapping[str, Any]) -> tuple[Diagnosis, str] | None:
    """Return what it means, and a sentence, where a signal or a lost connection ended a module.

    None where neither is known. A negative `rc` is the signal that ended ssh on this machine.
    """
    code = result.get("rc")
    if "module_stdout" not in result or not isinstance(code, int) or isinstance(code, bool):
        return None
    if own_words(result).startswith("{"):  # a part of a result: its end is missing
        return None
    if code < 0 or code == 255:
        ended = f": {_signal(-code)} ended ssh on this machine" if code < 0 else ""
        return UNREACHABLE[-1][1], f"the SSH connection broke off before the host answered{ended}"
    if code in _KILLED or (code > 128 and not own_words(result)):
        return _ENDED_THERE, f"{_signal(code - 128)} ended the module before it answered"
    return None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def own_words(result: Mapping[str, Any]) -> str:
    """Return what a host said in the place of a module's result."""
    parts = (str(result.get(name) or "").strip() for name in ("module_stderr", "module_stdout"))
    return "\n".join(part for part in parts if part)


SENTENCE = 500
#: What Ansible says before it repeats what SSH said.
PREAMBLE = (
    r"^(Task failed: )?(Failed to connect to the host via ssh:|Data could not be sent.*ssh:)\s*"
)


def diagnose(table: tuple[tuple[str, Diagnosis], ...], said: str) -> Diagnosis:
    """Return the first diagnosis whose pattern is in what was said."""
    return next(found for pattern, found in table if re.search(pattern, said, re.IGNORECASE))


def sentence(said: str) -> str:
    """Return the telling part of what SSH or Ansible said: one line, without its banners."""
    lines = [line.strip(" @\r") for line in said.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Warning:", "debug1:"))]
    telling = [line for line in telling if not line.endswith("over ssh:")] or telling
    only_closed = len(telling) > 1 and telling[-1].startswith("Connection closed by ")
    text = "; ".join(telling[-2 if only_closed else -1 :]) or said.strip()
    if re.search(r"IDENTIFICATION HAS CHANGED", said):
        text = "the host's key is not the pinned one"
    ended = re.search(r"Killed by signal (\d+)|exited with result -(\d+)", said)
    if ended:
        text = f"{_signal(int(ended[1] or ended[2]))} ended ssh on this machine"
    return one_line(re.sub(PREAMBLE, "", text) or "ssh did not say why", SENTENCE)


def broke_off(said: str) -> str:
    """Return the sentence of contact that was lost, where ssh is what says so."""
    told, by_ssh = sentence(said), re.search(PREAMBLE, said)
    return f"the SSH connection broke off: {told}" if by_ssh else told
