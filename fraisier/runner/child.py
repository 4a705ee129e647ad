"""The process of one run: ansible-runner with a clean environment, its events as lines of JSON.

Usage: `python -m fraisier.runner.child FOLDER`. It reads FOLDER/arguments.json and writes to
descriptor 1; it ends its whole tree of processes before it ends, also when it is told to stop or
when its parent dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from fraisier.runner.containment import become_subreaper, die_with_parent, end_descendants


def main(folder: Path) -> None:
    """Run what the folder describes and report it."""
    become_subreaper()
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _stop(folder))
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing but events may reach the pipe
    arguments = json.loads((folder / "arguments.json").read_text())

    import ansible_runner  # here, so that the parent can be told to stop while it loads

    def tell(event: dict[str, Any]) -> bool:
        report.write(json.dumps({"event": event}) + "\n")
        return False  # ansible-runner then keeps no file of it

    run = ansible_runner.run(**arguments, event_handler=tell, cancel_callback=lambda: False)
    end_descendants(str(folder))
    report.write(json.dumps({"end": {"status": run.status, "rc": run.rc}}) + "\n")


def _stop(folder: Path) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_descendants(str(folder))
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
