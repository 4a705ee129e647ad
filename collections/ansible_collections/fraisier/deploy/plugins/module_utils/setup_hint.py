# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Names `fraisier setup` in the hints of the failures that it puts right."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Protocol

from .failure import Failure, from_os_error

#: What is missing on a host until somebody prepares it.
_UNPREPARED = ("user_missing", "permission_denied", "restart_denied", "linger_missing")
_NO_PROXY = "proxy_missing"


class Named(Protocol):
    """A service, of whatever provider."""

    @property
    def fraise(self) -> str:
        """The name of its fraise."""

    @property
    def environment(self) -> str:
        """The name of its environment."""


@contextmanager
def naming_setup(service: Named) -> Iterator[None]:
    """Add the command that prepares the host to the hint of a failure that this helps against."""
    try:
        yield
    except (Failure, OSError) as error:
        failure = from_os_error(error) if isinstance(error, OSError) else error
        if failure is None or failure.code not in (*_UNPREPARED, _NO_PROXY):
            raise
        command = f"run: {setup_command(service)}"
        known = failure.code == _NO_PROXY
        failure.hint = command if known else f"{command}; or {failure.hint}"
        raise failure from None


def setup_command(service: Named) -> str:
    """Return the command that prepares this host; it needs root, which this run may not have."""
    by_root = "" if os.geteuid() == 0 else " --as root"
    return f"fraisier setup {service.fraise} {service.environment}{by_root} --yes"
