"""Virtual environments that have some of this one's packages, and nothing else.

Each package is a link: nothing is downloaded, copied or compiled, and what is not linked is not
there. What `pip` makes of a requirement is tried by `make test-all`.
"""

from __future__ import annotations

import re
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, distribution
from pathlib import Path

from packaging.requirements import Requirement

SCRIPT = """\
#!{python}
import sys

from {module} import {attribute}

sys.exit({attribute}())
"""


def linked(folder: Path, *names: str) -> Path:
    """Make an environment that has these distributions of this one; return its `bin`."""
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    for name in names:
        found = distribution(name)
        for entry in _top(found):
            (packages / entry).symlink_to(Path(str(found.locate_file(entry))))
        for script in found.entry_points.select(group="console_scripts"):
            _write(folder / "bin", script)
    return folder / "bin"


def required(*names: str) -> set[str]:
    """Return what distributions require in this environment, themselves left out, all the way."""
    seen = {(_normal(name), "") for name in names}
    waiting = list(seen)
    while waiting:
        name, extra = waiting.pop()
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            wanted = {(_normal(requirement.name), each) for each in ("", *requirement.extras)}
            waiting += wanted - seen
            seen |= wanted
    return {name for name, _ in seen} - {_normal(name) for name in names}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _top(found: Distribution) -> Iterator[str]:
    """Yield the files and folders that a distribution has at the top of `site-packages`."""
    names = {file.parts[0] for file in found.files or []}
    yield from sorted(names - {"..", "__pycache__"})


def _write(folder: Path, script: EntryPoint) -> None:
    text = SCRIPT.format(python=folder / "python", module=script.module, attribute=script.attr)
    (folder / script.name).write_text(text)
    (folder / script.name).chmod(0o755)


def without_hashes(constraints: Path, folder: Path) -> Path:
    """Write the pins of a constraints file into a folder, for what pip installs by name only.

    pip takes no requirement without a version of its own as soon as one has a hash.
    """
    pins = [line.split()[0] for line in constraints.read_text().splitlines() if "==" in line]
    made = folder / constraints.name
    made.write_text("\n".join(pins) + "\n")
    return made
