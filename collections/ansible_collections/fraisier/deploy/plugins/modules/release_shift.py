#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a staged release a part of the traffic, and takes it back at once where it does badly."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_shift
short_description: Give a staged release a part of the traffic, and measure how it does
version_added: 0.1.0
description:
  - Sets the weight of the colour that M(fraisier.deploy.release) has staged, and measures for
  - Sets the weight of the colour that M(fraisier.deploy.release) has staged, and measures for
    is marked bad, and the module fails with the code V(analysis_failed).
  - So it is when the connection of the controller is lost, or the module is stopped.
  - Where nothing is staged, nothing is done.
options:
  weight:
    description: How many of a hundred requests the staged release gets.
    type: int
    required: true
  seconds:
    description: How long to measure. With V(0) the weight is set, and nothing is measured.
    type: float
    default: 0
  analysis:
    description:
      - What is measured, in the shape of C(analysis) in fraises.yaml; each by C(type) (V(proxy),
        V(http), V(exec), V(prometheus)) and its own keys, C(interval), C(count),
        C(success_condition), C(failure_condition), C(failure_limit), C(inconclusive_limit) and
        C(consecutive_success_limit).
    type: list
    elements: dict
    default: []
  release_fence:
    description: Give the fence up at the end, good or bad.
    type: bool
    default: true
extends_documentation_fragment:
  - fraisier.deploy.service
  - fraisier.deploy.proxy
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    details: It says whether anything is staged; nothing is measured.
    support: partial
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Let one request in ten try the new release for a minute
  fraisier.deploy.release_shift:
    weight: 10
    seconds: 60
    analysis:
      - {name: errors, type: proxy, measure: error_rate, success_condition: "result < 0.01"}
    service: "{{ my_service }}"
    proxy: {names: [api.example.com], app_port: 9000}
    fence: {installation: ansible, deployment: ansible-1}
  become: true
"""

RETURN = r"""
fence:
  description: The number of the fence that this run held; 0 when it held none.
  returned: always
  type: int
  sample: 7
switched:
  description: Whether C(current) names another release than before.
  returned: always
  type: bool
release:
  description: The release that C(current) names now, by C(id), C(version), C(status).
  returned: always
  type: dict
previous:
  description: The release that was current when the run began, by C(id), C(version), C(good).
  returned: always
  type: dict
colours:
  description:
    - With a proxy on the host, the record of its colours, by C(live), C(staged), C(ports),
      C(releases) and C(backend), what the proxy calls the service; null otherwise.
  returned: always
  type: dict
staged:
  description: The release that is staged, by C(id), C(version) and C(colour); null for none.
  returned: always
  type: dict
reused:
  description: Whether a release that was on the disk already was used.
  returned: always
  type: bool
gate:
  description: How the health gate ended, by C(type), C(attempts), C(seconds), C(detail), C(passed).
  returned: always
  type: dict
steps:
  description: What was done, each by C(name), C(seconds) and C(changed).
  returned: always
  type: list
  elements: dict
log:
  description: Output of commands and of the service, each by C(step) and C(text).
  returned: always
  type: list
  elements: dict
app_path:
  description: The folder of the application.
  returned: always
  type: str
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
  sample: health_check_failed
hint:
  description: What to do next.
  returned: failure
  type: str
step:
  description: The step in which it went wrong.
  returned: failure
  type: str
verdict:
  description: >-
    V(successful), or V(inconclusive) where what was measured says neither good nor bad; the weight
    stays then.
  returned: success
  type: str
analysis:
  description: >-
    What was measured, each by C(name), C(type), C(verdict), C(measurements) (their phases in
    order) and C(last), the last result.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ..module_utils.analysis_rules import read_metrics
from ..module_utils.colour_shift import examine, shift
from ..module_utils.module import Module
from ..module_utils.options import proxy_options, service_options
from ..module_utils.running import run_on_site
from ..module_utils.site import Site


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **service_options(),
            **proxy_options(),
            "weight": {"type": "int", "required": True},
            "seconds": {"type": "float", "default": 0},
            "analysis": {"type": "list", "elements": "dict", "default": []},
            "release_fence": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_on_site(module, lambda site: work(site, module), module.params["release_fence"])


def work(site: Site, module: Module) -> dict[str, Any]:
    """Shift the traffic."""
    options = module.params
    metrics = read_metrics(options["analysis"])
    if module.check_mode:
        return examine(site)
    return shift(site, options["weight"], options["seconds"], metrics)


if __name__ == "__main__":
    main()
