# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The one planner: how a change moves over hosts, as plain data. Pure; the control plane and the
plain playbooks both follow what it returns."""

from __future__ import annotations

from math import floor
from typing import Any, Sequence


def batch_size(max_parallel: int | str, hosts: int) -> int:
    """Return how many of `hosts` may change at once: at least one, at most all.

    `max_parallel` is a number, or a percentage such as `50%`.
    """
    text = str(max_parallel)
    wanted = floor(hosts * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    return max(1, min(wanted, hosts))


def batches(strategy: str, hosts: Sequence[str], max_parallel: int | str) -> list[list[str]]:
    """Split hosts into the batches that change together, in their order."""
    size = len(hosts) if strategy == "recreate" else batch_size(max_parallel, len(hosts))
    return [list(hosts[start : start + size]) for start in range(0, len(hosts), max(1, size))]


def way_out(
    strategy: str, hosts: Sequence[str], max_parallel: int | str, verb: str = "deploy"
) -> dict[str, Any]:
    """Return the plan that changes every host: `{"strategy": …, "steps": […]}`.

    A step is `{"verb": …, "hosts": […], "last": …}`: one playbook over one batch of hosts.

    Several hosts are looked at before the first is changed. A single host needs no step of its
    own for that: the same module execution looks, then changes.
    """
    first = [_step("preflight", hosts, False)] if verb == "deploy" and len(hosts) > 1 else []
    return {"strategy": strategy, "steps": [*first, *_steps(verb, strategy, hosts, max_parallel)]}


def way_back(
    failed: Sequence[str], moved: Sequence[str], max_parallel: int | str
) -> list[dict[str, Any]]:
    """Return the steps back: the failed hosts first, as they serve nobody, then the moved ones.

    The moved hosts are healthy, so they go back at the pace they went out, last one first.
    """
    first = [_step("restore", failed, not moved)] if failed else []
    return [*first, *_steps("restore", "rolling", list(reversed(moved)), max_parallel)]


def _steps(
    verb: str, strategy: str, hosts: Sequence[str], max_parallel: int | str
) -> list[dict[str, Any]]:
    groups = batches(strategy, hosts, max_parallel)
    return [_step(verb, group, group is groups[-1]) for group in groups]


def _step(verb: str, hosts: Sequence[str], last: bool) -> dict[str, Any]:
    return {"verb": verb, "hosts": list(hosts), "last": last}
