"""The process that has loaded Fraisier and forks a command for each request (support.forked).

Usage: `python -m support.loaded DESCRIPTOR`, a Unix socket of packets. A request is JSON, a list of
arguments, folder and environment, and comes with three descriptors: where the command writes what
it prints, where it writes errors, and where its pid and then its exit code are told, both as
NUMBER. It ends when nobody can send requests any more.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import pkgutil
import selectors
import socket
import struct
import sys
import threading
import traceback
from importlib import import_module
from typing import NoReturn

import fraisier.cli
from fraisier.runner.forking import warm_up

NUMBER = struct.Struct("i")
#: What SQLAlchemy and the store load when they need it.
LATE = (
    "alembic.command", "psycopg2", "pymysql", "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg2", "sqlalchemy.dialects.sqlite.pysqlite",
)  # fmt: skip
#: What is run and not imported, and what only the fork server loads.
NOT_MODULES = ("__main__", "migrations.env", "runner.warm")
_LARGEST = 1 << 18


def main(descriptor: str) -> None:
    """Load Fraisier, then fork commands until nobody can ask for one any more."""
    _load()
    kept = _open() - {int(descriptor)}
    running: dict[int, tuple[int, int]] = {}
    with socket.socket(fileno=int(descriptor)) as requests, selectors.PollSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fd)
                    _ended(key.fd, *running.pop(key.fd))
                    continue
                request, pipes, _, _ = socket.recv_fds(requests, _LARGEST, 3)
                if not request:
                    return
                ended, *command = _begin(kept, request, *pipes)
                selector.register(ended, selectors.EVENT_READ)
                running[ended] = (command[0], command[1])


def _load() -> None:
    for module in pkgutil.walk_packages(fraisier.__path__, "fraisier."):
        if not module.name.endswith(NOT_MODULES):
            import_module(module.name)
    for name in LATE:
        import_module(name)
    warm_up()
    gc.collect()
    gc.freeze()


def _begin(kept: set[int], request: bytes, out: int, err: int, tell: int) -> tuple[int, int, int]:
    """Start a command; return a pidfd of it, its pid, and where its end is to be told."""
    pid = os.fork()
    if pid == 0:
        _be_command(kept, out, err, *json.loads(request))
    with contextlib.suppress(BrokenPipeError):  # who asked has been killed meanwhile
        os.write(tell, NUMBER.pack(pid))
    os.close(out)
    os.close(err)
    return os.pidfd_open(pid), pid, tell


def _ended(ended: int, pid: int, tell: int) -> None:
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # who asked waited no longer
        os.write(tell, NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os.close(tell)
    os.close(ended)


def _be_command(
    kept: set[int],
    out: int,
    err: int,
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
) -> NoReturn:
    """Do what `python -m fraisier` does, and what Python does at its end."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor in _open() - kept:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    # Those of the loaded process are of a file, and know that one can seek in it.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["fraisier", *arguments]
    code = 1
    try:
        fraisier.cli.main()
        code = 0
    except SystemExit as error:
        code = _code(error.code)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _open() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


def _code(said: object) -> int:
    if isinstance(said, int):
        return said
    if said is not None:
        print(said, file=sys.stderr)
    return 0 if said is None else 1


if __name__ == "__main__":
    main(*sys.argv[1:])
