# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Names: variables that no service may set, and services that are two."""

from __future__ import annotations

import re

#: What Docker, or the process of its client, reads by itself.
TAKEN = re.compile(r"(COMPOSE|DOCKER|BUILDKIT|BUILDX|LD)_.*|PATH|HOME|TMPDIR|XDG_RUNTIME_DIR")


def colour_name(service: str, colour: str) -> str:
    """Return what a service is called in its project as one of its colours."""
    return f"{service}-{colour}"
