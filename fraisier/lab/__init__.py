"""Disposable hosts with systemd and sshd on this machine, to try a roll-out on.

`up`, `down`, `names` and `status` are the whole of it; `exec_in` looks at a host from inside.
"""

from fraisier.lab.engine import exec_in
from fraisier.lab.lab import down, names, status, up
from fraisier.lab.model import Lab, LabHost

__all__ = ["Lab", "LabHost", "down", "exec_in", "names", "status", "up"]
