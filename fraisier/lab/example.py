"""The repository that a lab's fraises.yaml deploys from."""

from __future__ import annotations

import shutil
from pathlib import Path

from fraisier.lab.engine import run
from fraisier.lab.model import Lab

REPOSITORY = "simple-web-service.git"
#: The same commit in each lab: a version that one has seen is known in all of them.
_COMMIT = """\
commit refs/heads/main
committer Fraisier <fraisier@example.invalid> 1767225600 +0000
data {length}
{message}
"""
_FILE = "M 100644 inline {name}\ndata {length}\n{content}\n"


def publish(lab: Lab) -> None:
    """Make the repository with the example service, where the lab has none; raise LabError."""
    path = lab.git / REPOSITORY
    if path.exists():
        return
    draft = path.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    run(("git", "init", "--quiet", "--bare", "--initial-branch=main", str(draft)))
    run(("git", "-C", str(draft), "fast-import", "--quiet"), stdin=_first_commit().encode())
    draft.rename(path)


def _first_commit() -> str:
    message = "The example service of the lab"
    files = {
        "app.py": Path(__file__).with_name("example_app.py").read_text(),
        "requirements.txt": "# none: it works where packages cannot be fetched\n",
    }
    parts = [_COMMIT.format(length=len(message.encode()), message=message)]
    for name, content in files.items():
        parts.append(_FILE.format(name=name, length=len(content.encode()), content=content))
    return "".join(parts)
