"""Makes folders that nobody but their owner may enter, whatever the umask is."""

from __future__ import annotations

from pathlib import Path

PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Make a folder and those missing above it with mode 0700; raise OSError.

    `Path.mkdir` would leave the folders above to the umask, and who may write there may put
    another folder in this one's place.
    """
    for each in (*reversed(folder.absolute().parents), folder):
        each.mkdir(mode=PRIVATE, exist_ok=True)
