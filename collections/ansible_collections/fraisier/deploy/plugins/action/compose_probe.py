# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the module on another machine to look at the files that were brought there."""

from __future__ import annotations

from ..plugin_utils.compose_send import SendingAction


class ActionModule(SendingAction):
    """The action of the module `compose_probe`."""
