"""The namespaces of runs as the kernel makes them, for root and for a user without any right."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

AS = """
import ctypes, os, signal, sys, time
from fraisier.runner.mechanism import USER_NAMESPACE, choose
from fraisier.runner.namespace import be_init, enter, mount_proc

who, file, how = sys.argv[1:]
if who == "nobody":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as a new program has it
mechanism = choose().name
print(mechanism, flush=True)

def daemon():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                open(file, "a").write("x")
                time.sleep(0.005)
        os._exit(0)
    time.sleep(600)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
enter(mechanism == USER_NAMESPACE)
if (init := os.fork()) == 0:
    mount_proc()
    be_init(daemon, 0.2)
while how != "at-once" and os.path.getsize(file) < 5:
    time.sleep(0.01)
begun = time.monotonic()
os.kill(init, signal.SIGKILL if how == "by-force" else signal.SIGTERM)
code = os.waitstatus_to_exitcode(os.waitpid(init, 0)[1])
size, took = os.path.getsize(file), time.monotonic() - begun
time.sleep(0.1)
print(code, os.path.getsize(file) - size, took)
"""


@pytest.fixture
def file() -> Iterator[Path]:
    """Return an empty file that everybody can write."""
    with tempfile.NamedTemporaryFile() as made:
        path = Path(made.name)
        path.chmod(0o666)
        yield path


@pytest.mark.parametrize("how", ["by-force", "politely", "at-once"])
@pytest.mark.parametrize(
    ("who", "name"),
    [("root", "PID namespace"), ("nobody", "PID namespace in a user namespace")],
)
def test_i6_an_init_is_collected_after_all_others_are_gone(
    file: Path, who: str, name: str, how: str
) -> None:
    """I6: nothing is written afterwards, not even by a daemon that ignores SIGTERM."""
    argv = [sys.executable, "-c", AS, who, file, how]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    mechanism, figures = done.stdout.splitlines()
    code, late, took = map(float, figures.split())
    assert mechanism == name
    assert code == (-9 if how == "by-force" else 143)
    assert late == 0
    assert took < 20, "its children were ended, not waited for"
