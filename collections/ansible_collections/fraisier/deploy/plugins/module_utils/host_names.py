# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Host names that an Ansible inventory does not take literally."""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping

_PORT = re.compile(r"([^:\[\]]+):([0-9]+)")
_GROUPS = ("all", "ungrouped")  # every inventory has them


def check_host(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) of a host's `hostname`, `name` and `private_address`."""
    for key in ("hostname", "name", "private_address"):
        value = host.get(key)
        if isinstance(value, str) and (problem := _check_address(value)):
            yield key, problem
    key = "name" if "name" in host else "hostname"
    if host.get(key) in _GROUPS:
        problem = f"every Ansible inventory has a group {host[key]}; give the host another `name`"
        yield key, problem


def _check_address(value: str) -> str | None:
    found = _PORT.fullmatch(value)
    if found:
        return f"must not hold a port; write the host {found[1]}, and port: {found[2]} beside it"
    if set(value) & set("[]"):
        return "must not hold brackets: Ansible reads a range of hosts in them"
    return None
