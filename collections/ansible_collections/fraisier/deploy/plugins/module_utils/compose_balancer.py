# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Taking a host of containers out of somebody else's balancer while the service on it changes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Mapping

from . import balancer
from .compose_around import whoever_runs
from .compose_engine import Docker
from .compose_site import ComposeSite
from .health import Place


@contextmanager
def out_of_balancer(site: ComposeSite) -> Iterator[None]:
    """Keep this host out of the balancer for the length of the block, as `balancer.drained` does.

    The commands run as who runs this, in the folder of the Compose file.
    """
    user, variables = whoever_runs(), site.service.variables("")
    place = Place(user, os.path.dirname(site.service.file), Docker(variables).environment)
    with balancer.drained(site, user, place):
        yield


def variables_of(site: ComposeSite) -> Mapping[str, str]:
    """Return the environment of the current release, as a command to put right what was cut."""
    current = site.ledger.current()
    own = site.stored(current)[1]["variables"] if current else {}
    return Docker(own).environment
