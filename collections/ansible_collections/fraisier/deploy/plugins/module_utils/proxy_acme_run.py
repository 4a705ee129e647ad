# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What the timer runs on a host: certificates of our services, got and given to HAProxy.

It needs no Ansible: setup lays these files on the host. What is served is compared with what the
client has each time, so that a certificate that could not be given to HAProxy is given the next
time. Exits with 1 where a service got none.
"""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import contextmanager
from typing import Callable, Iterator, Sequence

from . import proxy_acme
from .failure import Failure
from .proxy import Proxy


def main(words: Sequence[str]) -> int:
    """Get what is due for one service, or with `all` for every one."""
    with alone():
        return bring(Proxy(), proxy_acme.Client(), words[0] if words else proxy_acme.EVERY)


def bring(
    proxy: Proxy,
    client: proxy_acme.Client,
    which: str,
    obtain: Callable[..., str] = proxy_acme.obtain,
) -> int:
    """Get the certificates that are due, and have HAProxy serve them; 1 where one failed."""
    failed = 0
    for name, backend in sorted(proxy.acme().items()):
        if which not in (name, proxy_acme.EVERY):
            continue
        try:
            changed = proxy.certify(name, obtain(name, backend.names, backend.acme))
        except Failure as failure:
            failed = 1
            client.remember(name, failure.message)
            sys.stderr.write(f"{name}: {failure.message}\n")
        else:
            client.remember(name, None)
            sys.stdout.write(
                f"{name}: {'a new certificate is served' if changed else 'nothing to do'}\n"
            )
    return failed


@contextmanager
def alone(folder: str = proxy_acme.FOLDER) -> Iterator[None]:
    """Wait for others who get certificates; the client refuses to run twice."""
    os.makedirs(folder, 0o700, exist_ok=True)
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
