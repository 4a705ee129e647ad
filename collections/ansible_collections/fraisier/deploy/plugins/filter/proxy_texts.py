# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a host of the proxy is given by setup."""

from __future__ import annotations

from typing import Any, Callable

from ..module_utils.proxy_setup import acme_texts, proxy_texts


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"proxy_texts": texts}


def texts(wanted: Any) -> dict[str, dict[str, str]]:
    """Return what every proxy is given; `acme`: what gets certificates there."""
    return acme_texts() if wanted == "acme" else proxy_texts()
