"""The fork server: a process that has loaded Ansible, and that forks the launcher of each run.

Usage: `python -m fraisier.runner.fork_server DESCRIPTOR`, a Unix socket of packets. A request is
JSON (`told`: the arguments of `fraisier.runner.child` but for the leash; `environment`) and comes
with five descriptors: what the run reads, where it writes events and errors, its leash, and a
socket that gets the launcher's pid with a pidfd of it, and in the end its exit code. The server
ends when nobody can send requests any more; the runs end with it.

Where a run needs other values than were read at loading the fork executes the launcher instead.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib.util
import json
import os
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from fraisier.runner.containment import die_with_parent, show_mark
from fraisier.runner.folder import DYING_SECONDS, wipe_orphaned

NUMBER = struct.Struct("i")
DESCRIPTORS = 5
LARGEST = 1 << 17
#: What was read when this process was loaded.
AT_LOADING = ("ANSIBLE_COLLECTIONS_PATH", "LANG", "LC_ALL", "PATH", "TZ")
LEASH = 3


def main(descriptor: str) -> None:
    """Load Ansible, then launch what is asked for."""
    package = importlib.util.find_spec("ansible_runner")
    assert package is not None
    assert package.submodule_search_locations
    callbacks = f"{package.submodule_search_locations[0]}/display_callback"
    os.environ["ANSIBLE_CALLBACK_PLUGINS"] = callbacks  # as ansible-runner says for each run
    from fraisier.runner import child  # noqa: F401  (here: it is run as a module, too)
    from fraisier.runner.warm import load

    load()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as requests:
        _serve(requests)
    wipe_orphaned(Path.cwd(), DYING_SECONDS)


def _serve(requests: socket.socket) -> None:
    """Launch what is asked for and tell how it ends, until nobody can ask any more."""
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.PollSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fd)
                    _ended(key.fd, *running.pop(key.fd))
                    continue
                data, given, _, _ = socket.recv_fds(requests, LARGEST, DESCRIPTORS)
                if not data:
                    return
                try:
                    ended, pid, tell = _launch(json.loads(data), given)
                except OSError:  # who asked hears nothing, and the other runs go on
                    traceback.print_exc()
                    continue
                selector.register(ended, selectors.EVENT_READ)
                running[ended] = (pid, tell)


def _launch(request: Mapping[str, Any], given: list[int]) -> tuple[int, int, socket.socket]:
    """Fork a launcher; return a pidfd of it, its pid, and where its end is to be told.

    Raises OSError where there are no more processes or descriptors.
    """
    try:
        if len(given) < DESCRIPTORS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            _end_with(server)
            _be_launcher(tuple(request["told"]), request["environment"], given)
        tell, ended = socket.socket(fileno=os.dup(given[-1])), os.pidfd_open(pid)
    finally:
        for descriptor in given:
            os.close(descriptor)
    with contextlib.suppress(ConnectionError):
        socket.send_fds(tell, [NUMBER.pack(pid)], [ended])
    return ended, pid, tell


def _ended(ended: int, pid: int, tell: socket.socket) -> None:
    _, status = os.waitpid(pid, 0)
    with tell, contextlib.suppress(ConnectionError):
        tell.send(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os.close(ended)


def _end_with(server: int) -> None:
    """End this fork when the server ends, also where it has ended already.

    Nothing of the run has begun yet; `child.main` asks the kernel for SIGTERM instead.
    """
    die_with_parent(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def _be_launcher(
    told: tuple[str, str, str], environment: dict[str, str], given: list[int]
) -> NoReturn:
    from fraisier.runner import child

    code = 1
    try:
        os.setsid()
        high = [os.dup(descriptor) for descriptor in given[: LEASH + 1]]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, number, inheritable=True)
        os.closerange(LEASH + 1, 1 << 12)
        os.chdir(told[0])
        if any(environment.get(name) != os.environ.get(name) for name in AT_LOADING):
            argv = [sys.executable, "-m", "fraisier.runner.child", *told, str(LEASH)]
            os.execve(sys.executable, argv, environment)  # noqa: S606
        os.environ.clear()
        os.environ.update(environment)
        show_mark(environment["FRAISIER_RUN"])
        folder, inventory, mechanism = told
        code = child.main(folder, inventory, mechanism, str(LEASH))
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
