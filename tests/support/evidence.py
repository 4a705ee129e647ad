"""A pytest plugin: keeps what is needed to understand a failure, and prints where it is.

For each test that fails: its own folder (configuration, records, logs of servers), the journals of
its hosts and what runs there, in `test-failures/` below pytest's root folder.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.errors import LabError
from fraisier.lab import LabHost
from support.inside import exec_in

FOLDER = "test-failures"
LARGEST_FILE = 20 << 20
#: What a host tells of a test that failed; `{since}` is when the test began.
LOOKS = {
    "journal": "journalctl --no-pager --output=short-precise --since=@{since}",
    "units": "systemctl --no-pager --all list-units 'my-api*' 'fraisier*' '*.failed'; "
    "systemctl --no-pager --failed",
    "processes": "ps -eww --forest -o pid,ppid,user,etimes,args",
}


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    report = yield
    if report.failed and call.when != "teardown":
        kept = keep(item, report)
        report.sections.append(("kept", f"evidence of this failure: {kept}"))
    return report


def keep(item: pytest.Item, report: pytest.TestReport) -> Path:
    """Copy what there is of a test into a folder of its own; return that."""
    name = re.sub(r"[^\w.-]+", "-", item.nodeid.removeprefix("tests/"))[-120:]
    folder = item.config.rootpath / FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run
    folder.mkdir(parents=True)
    (folder / "report.txt").write_text(f"{report.longreprtext}\n\n{report.capstdout}")
    arguments = getattr(item, "funcargs", {})
    if isinstance(own := arguments.get("tmp_path"), Path):
        shutil.copytree(own, folder / "folder", ignore=_large, dirs_exist_ok=True, symlinks=True)
    since = int(time.time() - (report.duration or 0) - 60)
    for host in {
        host.name: host for value in arguments.values() for host in _hosts(value)
    }.values():
        for what, command in LOOKS.items():
            with suppress(LabError):
                text = exec_in(host.container, "sh", "-c", command.format(since=since))
                (folder / f"{host.name}.{what}.txt").write_text(text)
    return folder


def _hosts(value: Any) -> Iterator[LabHost]:
    """Yield the lab hosts that a fixture's value holds."""
    hosts = getattr(value, "hosts", ())
    if isinstance(hosts, list | tuple):
        yield from (host for host in hosts if isinstance(host, LabHost))


def _large(folder: str, names: list[str]) -> list[str]:
    """Return what is left out: what is no plain file or folder, or too large."""
    left_out = []
    for name in names:
        path = Path(folder, name)
        plain = path.is_dir() or path.is_symlink() or path.is_file()
        if not plain or (path.is_file() and path.stat().st_size > LARGEST_FILE):
            left_out.append(name)
    return left_out
