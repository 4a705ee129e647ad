# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a Compose file to the host to be looked at, then runs the module."""

from __future__ import annotations

from ..plugin_utils.compose_send import SendingAction


class ActionModule(SendingAction):
    """The action of the module `compose_preflight`."""

    sends = True
