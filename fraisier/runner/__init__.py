"""Running Ansible: one step, one private folder, one tree of processes that ends with it.

What this package offers is imported when it is asked for: the processes of a run are modules of it,
need next to nothing of the rest, and are waited for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fraisier.runner.ansible import AnsibleRunner
    from fraisier.runner.inventory import AnsibleInventories

__all__ = ["AnsibleInventories", "AnsibleRunner"]
_MODULES = {"AnsibleInventories": "inventory", "AnsibleRunner": "ansible"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
