# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the archive of a version where files are pushed, then runs the module."""

from __future__ import annotations

from ..plugin_utils.push import PushingAction


class ActionModule(PushingAction):
    """The action of the module `preflight`: what it needs to send is ready before any change."""
