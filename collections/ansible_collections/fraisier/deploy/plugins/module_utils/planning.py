# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The one planner: how a change moves over hosts, as plain data. Pure; the control plane and the
plain playbooks both follow what it returns."""

from __future__ import annotations

from math import floor
from typing import Any, Mapping, Sequence

#: The strategies that have both releases up at once, and move the traffic from one to the other.
TWO_COLOURS = ("blue-green", "canary")


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
    strategy: str,
    hosts: Sequence[str],
    max_parallel: int | str,
    verb: str = "deploy",
    proxies: Sequence[str] = (),
    canary: Sequence[Mapping[str, Any]] = (),
    analysis: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the plan that changes every host: `{"strategy": …, "steps": […]}`.

    A step is `{"verb": …, "hosts": […], "last": …, "args": {…}}`: one playbook over one batch of
    hosts. `proxies` are the hosts of a proxy that has machines of its own: each batch is drained
    there before it changes and gets requests again after. `canary` are its steps, each with
    `weight` (percent) and `pause` (seconds, or `resume`: until a person says so); `analysis` is
    what is measured in a pause of seconds.

    Several hosts are looked at before the first is changed. A single host needs no step of its
    own for that: the same module execution looks, then changes.
    """
    first = [_step("preflight", hosts)] if verb == "deploy" and len(hosts) > 1 else []
    if verb == "deploy" and strategy in TWO_COLOURS:
        staged = [_step("stage", group) for group in batches("rolling", hosts, max_parallel)]
        shifts = [_step("shift", hosts, _shift(each, analysis)) for each in canary]
        shifts = shifts if strategy == "canary" else []
        steps = [*first, *staged, *shifts, _step("promote", hosts)]
    else:
        steps = [*first, *_each(verb, batches(strategy, hosts, max_parallel), proxies)]
    return {"strategy": strategy, "steps": _with_last(steps)}


def way_back(
    failed: Sequence[str],
    moved: Sequence[str],
    max_parallel: int | str,
    strategy: str = "rolling",
    proxies: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the steps back: the failed hosts first, as they serve nobody, then the moved ones.

    The moved hosts are healthy, so they go back at the pace they went out, last one first. Where
    both releases are up at once, all go back in one step: that moves the traffic, and no more.
    """
    if strategy in TWO_COLOURS:
        groups = [[*failed, *moved]] if failed or moved else []
    else:
        first = [list(failed)] if failed else []
        groups = [*first, *batches("rolling", list(reversed(moved)), max_parallel)]
    return _with_last(_each("restore", groups, proxies))


def _each(
    verb: str, groups: Sequence[Sequence[str]], proxies: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the steps of a verb group by group, out of the proxies' reach where there are any."""
    steps = []
    for group in groups:
        servers = {"servers": list(group)}
        around = [_step(name, proxies, servers) for name in ("drain", "undrain") if proxies]
        steps += [*around[:1], _step(verb, group), *around[1:]]
    return steps


def _shift(step: Mapping[str, Any], analysis: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a canary's step asks of its hosts; one that a person ends measures nothing."""
    if step["pause"] == "resume":
        return {"weight": step["weight"], "seconds": 0, "analysis": [], "hold": True}
    measured = [dict(each) for each in analysis]
    return {"weight": step["weight"], "seconds": step["pause"], "analysis": measured}


def _step(verb: str, hosts: Sequence[str], args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"verb": verb, "hosts": list(hosts), "last": False, "args": dict(args or {})}


def _with_last(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**step, "last": step is steps[-1]} for step in steps]
