"""Running Ansible: one step, one private folder, one tree of processes that ends with it."""

from fraisier.runner.ansible import AnsibleRunner
from fraisier.runner.inventory import AnsibleInventories

__all__ = ["AnsibleInventories", "AnsibleRunner"]
